"""pmap programs: the engine gives bit for bit what bare JAX gives, and sees the shapes it sees."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import Grad, Jit, Pmap, ValueAndGrad, Vmap
from tests.support.bare import Case, case, check
from tests.support.tables import one_in

# fmt: off
AXES = [
    case("one row a device", "x: x * 2", "x = arange(32).reshape(8, 4)", Pmap(), "jax.pmap(f)(x)",
        8),
    case("axis 1", "x: x.sum()", "x = arange(24.).reshape(3, 8)", Pmap(in_axes="1"),
        "jax.pmap(f, in_axes=1)(x)", 8),
    case("one shared", "x, y: x @ y", "x = arange(24.).reshape(8, 3)\ny = ones(3)",
        Pmap(in_axes="(0, None)"), "jax.pmap(f, in_axes=(0, None))(x, y)", 8),
    case("different axes", "x, y: x - y",
        "x = arange(24.).reshape(8, 3)\ny = arange(24.).reshape(3, 8)", Pmap(in_axes="(0, 1)"),
        "jax.pmap(f, in_axes=(0, 1))(x, y)", 8),
    case("out axis 1", "x: x + 1", "x = arange(24).reshape(8, 3)", Pmap(out_axes="1"),
        "jax.pmap(f, out_axes=1)(x)", 8),
    case("out axes of a tuple", "x: (x, x.sum())", "x = arange(24.).reshape(8, 3)",
        Pmap(out_axes="(1, 0)"), "jax.pmap(f, out_axes=(1, 0))(x)", 8),
    case("out axis None of what is the same", "x: lax.psum(x, 'i')",
        "x = arange(24.).reshape(8, 3)", Pmap(axis_name="i", out_axes="None"),
        "jax.pmap(f, axis_name='i', out_axes=None)(x)", 8),
    case("fewer rows than devices", "x: x * 2", "x = arange(12).reshape(3, 4)", Pmap(),
        "jax.pmap(f)(x)", 3),
    case("one row", "x: x * 2", "x = arange(4).reshape(1, 4)", Pmap(), "jax.pmap(f)(x)", 1),
    case("axis size agrees", "x: x * 2", "x = arange(12).reshape(3, 4)", Pmap(axis_size="3"),
        "jax.pmap(f, axis_size=3)(x)", 3),
    case("scalars on each device", "x: x ** 2", "x = arange(8.)", Pmap(), "jax.pmap(f)(x)", 8),
    case("empty rows", "x: x * 2", "x = ones((8, 0))", Pmap(), "jax.pmap(f)(x)", 8),
    case("a dict with axes of its own", "p: p['w'] * p['x']",
        "p = {'w': ones(3), 'x': arange(24.).reshape(8, 3)}",
        Pmap(in_axes="({'w': None, 'x': 0},)"), "jax.pmap(f, in_axes=({'w': None, 'x': 0},))(p)",
        8),
    case("a tree in and out", "p: {'s': p[0] + p[1]['a'], 't': (p[0],)}",
        "p = [arange(8.), {'a': arange(8)}]", Pmap(), "jax.pmap(f)(p)", 8),
    case("None in and out", "x, y: (x, y)", "x = arange(8)\ny = None", Pmap(), "jax.pmap(f)(x, y)",
        8),
    case("outputs that are inputs", "x, y: (x, y, x)", "x = arange(8)\ny = ones((8, 2))", Pmap(),
        "jax.pmap(f)(x, y)", 8),
    case("a number out", "x: 3", "x = arange(8)", Pmap(), "jax.pmap(f)(x)", 8),
    case("NumPy arrays", "x: x * 2", "x = np.arange(8)", Pmap(), "jax.pmap(f)(x)", 8),
    case("keys", "k: jax.random.normal(k, (2,))", "k = jax.random.split(jax.random.key(0), 8)",
        Pmap(), "jax.pmap(f)(k)", 8),
    case("keys as integers", "k: jax.random.split(k)",
        "k = jax.random.split(jax.random.PRNGKey(0), 8)", Pmap(), "jax.pmap(f)(k)", 8),
    case("bfloat16", "x: x * 2", "x = arange(8).astype('bfloat16')", Pmap(), "jax.pmap(f)(x)", 8),
    case("complex", "x: (x * 1j, abs(x))", "x = arange(8).astype('complex64')", Pmap(),
        "jax.pmap(f)(x)", 8),
    case("booleans", "x: ~x", "x = arange(8) > 3", Pmap(), "jax.pmap(f)(x)", 8),
]

STATIC = [
    case("a static number", "x, n: x ** n", "x = arange(8.)\nn = 3",
        Pmap(static_broadcasted_argnums="1"), "jax.pmap(f, static_broadcasted_argnums=1)(x, n)",
        8),
    case("a static string", "x, s: getattr(jnp, s)(x)", "x = arange(8.)\ns = 'sin'",
        Pmap(static_broadcasted_argnums="(1,)"),
        "jax.pmap(f, static_broadcasted_argnums=(1,))(x, s)", 8),
    case("a static function first", "g, x, y: g(x) + y", "g = jnp.cos\nx = arange(8.)\ny = 1.0",
        Pmap(in_axes="(None, 0, None)", static_broadcasted_argnums="0"),
        "jax.pmap(f, in_axes=(None, 0, None), static_broadcasted_argnums=0)(g, x, y)", 8),
    case("a static list element", "x, n: x + n[0]", "x = arange(8.)\nn = (2, 3)",
        Pmap(static_broadcasted_argnums="[1]"),
        "jax.pmap(f, static_broadcasted_argnums=[1])(x, n)", 8),
    case("a donated argument", "x: x + 1", "x = arange(32.).reshape(8, 4)",
        Pmap(donate_argnums="0"), "jax.pmap(f, donate_argnums=0)(x)", 8),
    case("one donated of two", "x, y: x + y", "x = arange(8.)\ny = arange(8.)",
        Pmap(donate_argnums="(0,)"), "jax.pmap(f, donate_argnums=(0,))(x, y)", 8),
]

COLLECTIVES = [
    case(
        f"{op.split('(')[0]} {given.count(',')}",
        f"x: lax.{op}",
        f"x = {given}",
        Pmap(axis_name="i"),
        "jax.pmap(f, axis_name='i')(x)",
        8,
    )
    for op, given in (
        ("psum(x, 'i')", "arange(16.).reshape(8, 2)"),
        ("pmean(x, 'i')", "arange(16.).reshape(8, 2)"),
        ("pmax(x, 'i')", "arange(16).reshape(8, 2)"),
        ("pmin(x, 'i')", "arange(16).reshape(8, 2)"),
        ("all_gather(x, 'i')", "arange(16).reshape(8, 2)"),
        ("all_gather(x, 'i', axis=1)", "arange(48).reshape(8, 2, 3)"),
        ("all_gather(x, 'i', tiled=True)", "arange(16).reshape(8, 2)"),
        ("all_to_all(x, 'i', 0, 0)", "arange(128).reshape(8, 8, 2)"),
        ("ppermute(x, 'i', [(j, (j + 1) % 8) for j in range(8)])", "arange(8.)"),
        ("ppermute(x, 'i', [(0, 1), (1, 0)])", "arange(8.)"),
        ("psum_scatter(x, 'i')", "arange(64.).reshape(8, 8)"),
        ("psum_scatter(x, 'i', tiled=True)", "arange(128.).reshape(8, 16)"),
        ("pshuffle(x, 'i', [7, 6, 5, 4, 3, 2, 1, 0])", "arange(8)"),
        ("pswapaxes(x, 'i', 1)", "arange(128).reshape(8, 2, 8)"),
        ("axis_index('i') + x", "zeros(8, int)"),
        ("psum(x, 'i', axis_index_groups=[[0, 1, 2, 3], [4, 5, 6, 7]])", "arange(8.)"),
        ("psum((x, {'a': x * 2}), 'i')", "arange(8.)"),
    )
]

STACKS = [
    case("pmap of vmap", "a, b: a @ b", "a = arange(64.).reshape(8, 4, 2)\nb = ones((8, 4, 2))",
        (Vmap(), Pmap()), "jax.pmap(jax.vmap(f))(a, b)", (8, 4)),
    case("pmap of vmap with axes", "a, b: a * b",
        "a = arange(64.).reshape(2, 8, 4)\nb = arange(4.)",
        (Vmap(in_axes="(1, 0)", out_axes="-1"), Pmap(in_axes="(1, None)")),
        "jax.pmap(jax.vmap(f, (1, 0), -1), in_axes=(1, None))(a, b)", (8, 4)),
    case("both axes named", "x: x / lax.psum(x, ('d', 'b'))", "x = arange(1., 33.).reshape(8, 4)",
        (Vmap(axis_name="b"), Pmap(axis_name="d")),
        "jax.pmap(jax.vmap(f, axis_name='b'), axis_name='d')(x)", (8, 4)),
    case("pmap of grad", "w, x: jnp.sin(w * x).sum()", "w = 2.0\nx = arange(24.).reshape(8, 3)",
        (Grad(), Pmap(in_axes="(None, 0)")), "jax.pmap(jax.grad(f), in_axes=(None, 0))(w, x)",
        (8, None)),
    case("pmap of grad with a psum", "x: lax.psum(x ** 2, 'i')", "x = arange(8.)",
        (Grad(), Pmap(axis_name="i")), "jax.pmap(jax.grad(f), axis_name='i')(x)", (8, None)),
    case("pmap of value and grad", "w, x: ((w * x) ** 2).sum()", "w = ones(8)\nx = arange(8.)",
        (ValueAndGrad(), Pmap()), "jax.pmap(jax.value_and_grad(f))(w, x)", (8, None)),
    case("pmap of jit", "x: jnp.sin(x)", "x = arange(8.)", (Jit(), Pmap()),
        "jax.pmap(jax.jit(f))(x)", (8, None)),
    case("jit of pmap", "x: jnp.sin(x)", "x = arange(8.)", (Pmap(), Jit()),
        "jax.jit(jax.pmap(f))(x)", (None, 8)),
    case("vmap of pmap", "x: x * 2", "x = arange(24.).reshape(3, 8)", (Pmap(), Vmap()),
        "jax.vmap(jax.pmap(f))(x)", (3, 8)),
    case("pmap in the source", "def f(x): return jax.pmap(lambda v: v * 2)(x).sum()",
        "x = arange(8.)", (), "f(x)"),
    case("a loop on each device", "x: lax.fori_loop(0, 3, lambda i, v: v * 2 + i, x)",
        "x = arange(8.)", Pmap(), "jax.pmap(f)(x)", 8),
    case("a gradient step", """
def loss(w, x, y):
    return jnp.mean((x @ w - y) ** 2)
def f(w, x, y):
    return w - 0.1 * lax.pmean(jax.grad(loss)(w, x, y), 'batch')
""", "w = ones(3)\nx = arange(48.).reshape(8, 2, 3) / 48\ny = ones((8, 2))",
        Pmap(in_axes="(None, 0, 0)", axis_name="batch"),
        "jax.pmap(f, in_axes=(None, 0, 0), axis_name='batch')(w, x, y)", 8),
]

DEVICES = [
    case("devices in another order", "x: x + lax.axis_index('i')", "x = arange(4)",
        Pmap(axis_name="i"), "jax.pmap(f, axis_name='i', devices=order)(x)", 4,
        order=[3, 2, 1, 0]),
    case("fewer rows than chosen devices", "x: x * 2", "x = arange(2)", Pmap(),
        "jax.pmap(f, devices=order[:2])(x)", 2, order=[6, 2, 4]),
    case("without a pmap", "x: x * 2", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3, order=[5]),
    case("an argument that is placed", "x: x * 2", "x = arange(8.)", Pmap(), "jax.pmap(f)(x)", 8,
        shardings={"x": "P('devices')"}),
    case("an argument on every device", "x, w: x * w", "x = arange(8.)\nw = ones(3)",
        Pmap(in_axes="(0, None)"), "jax.pmap(f, in_axes=(0, None))(x, w)", 8,
        shardings={"w": "P()"}),
]
# fmt: on


@pytest.mark.parametrize("case", one_in(2, [*AXES, *STATIC, *COLLECTIVES]))
def test_pmap_gives_what_bare_pmap_gives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", one_in(2, [*STACKS, *DEVICES]))
def test_stacks_and_device_sets_give_what_bare_jax_gives(case: Case) -> None:
    check(case)
