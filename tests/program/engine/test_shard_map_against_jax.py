"""shard_map programs: the engine gives bit for bit what bare JAX gives, and sees its shapes."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import Grad, Jit, ShardMap, Vmap
from tests.support.bare import Case, case, check

pytestmark = pytest.mark.long

GRID = {"x": 4, "y": 2}


def shard_map(
    in_specs: str, out_specs: str, axis_names: str = "", check_vma: str = ""
) -> tuple[ShardMap, str]:
    """The layer, and the same in bare JAX: `jax.shard_map(f, ...)`."""
    layer = ShardMap(
        in_specs=in_specs, out_specs=out_specs, axis_names=axis_names, check_vma=check_vma
    )
    more = f", axis_names={axis_names}" if axis_names else ""
    more += f", check_vma={check_vma}" if check_vma else ""
    return layer, f"jax.shard_map(f, mesh=mesh, in_specs={in_specs}, out_specs={out_specs}{more})"


def sharded(
    name: str, source: str, given: str, in_specs: str, out_specs: str, names: str, **more: object
) -> object:
    layer, bare = shard_map(
        in_specs, out_specs, str(more.pop("axis_names", "")), str(more.pop("check_vma", ""))
    )
    return case(name, source, given, layer, f"{bare}({names})", 8, **more)


# fmt: off
SPECS = [
    sharded("rows", "x: x * 2", "x = arange(32.).reshape(16, 2)", "P('devices')", "P('devices')",
        "x"),
    sharded("columns", "x: x * 2", "x = arange(32.).reshape(2, 16)", "P(None, 'devices')",
        "P(None, 'devices')", "x"),
    sharded("one divided, one whole", "x, y: x * y", "x = arange(8.)\ny = arange(1.)",
        "(P('devices'), P())", "P('devices')", "x, y"),
    sharded("both axes of a mesh", "x: x + 1", "x = arange(32).reshape(8, 4)", "P('x', 'y')",
        "P('x', 'y')", "x", mesh=GRID),
    sharded("one axis of a mesh", "x: x + 1", "x = arange(32).reshape(8, 4)", "P('x')", "P('x')",
        "x", mesh=GRID),
    sharded("both axes over one dimension", "x: x + 1", "x = arange(32).reshape(16, 2)",
        "P(('x', 'y'))", "P(('x', 'y'))", "x", mesh=GRID),
    sharded("the other way round", "x: x + 1", "x = arange(32).reshape(16, 2)", "P(('y', 'x'))",
        "P(('y', 'x'))", "x", mesh=GRID),
    sharded("a transposition", "x: x.T", "x = arange(32).reshape(8, 4)", "P('x', 'y')",
        "P('y', 'x')", "x", mesh=GRID),
    sharded("a dict", "p: p['a'] + p['b']", "p = {'a': arange(8.), 'b': ones(1)}",
        "({'a': P('devices'), 'b': P()},)", "P('devices')", "p"),
    sharded("one spec for a tree", "p: {'s': p[0] + p[1]}", "p = (arange(8), arange(8))",
        "(P('devices'),)", "P('devices')", "p"),
    sharded("outputs with specs of their own", "x: (x, lax.psum(x, 'devices'))", "x = arange(8.)",
        "P('devices')", "(P('devices'), P())", "x"),
    sharded("a list of blocks", "x, y: [x, y]", "x = arange(8)\ny = arange(16)", "P('devices')",
        "P('devices')", "x, y"),
    sharded("keys", "k: jax.random.split(k[0], 1)", "k = jax.random.split(jax.random.key(0), 8)",
        "P('devices')", "P('devices')", "k"),
    sharded("bfloat16", "x: x * 2", "x = arange(8).astype('bfloat16')", "P('devices')",
        "P('devices')", "x"),
    sharded("an empty block", "x: x * 2", "x = ones((8, 0))", "P('devices')", "P('devices')", "x"),
    case("devices in another order", "x: x + lax.axis_index('devices')", "x = arange(4)",
        shard_map("P('devices')", "P('devices')")[0],
        shard_map("P('devices')", "P('devices')")[1] + "(x)", 4, order=[3, 2, 1, 0]),
    sharded("an argument that is placed already", "x: x * 2", "x = arange(16.)", "P('devices')",
        "P('devices')", "x", shardings={"x": "P('devices')"}),
    sharded("unchecked", "x: x + 1", "x = arange(8.)", "P('devices')", "P('devices')", "x",
        check_vma="False"),
    case("some axes by hand", "x: x + lax.axis_index('x')", "x = arange(8)",
        (shard_map("P('x')", "P('x')", axis_names="{'x'}")[0], Jit()),
        "jax.jit(" + shard_map("P('x')", "P('x')", axis_names="{'x'}")[1] + ")(x)", (None, 8),
        mesh=GRID),
]

COLLECTIVES = [
    sharded(name, source, given, "P('devices')", out, "x", check_vma=check)
    for name, source, given, out, check in (
        ("psum", "x: lax.psum(x, 'devices')", "x = arange(16.).reshape(8, 2)", "P()", ""),
        ("pmean", "x: lax.pmean(x, 'devices')", "x = arange(16.)", "P()", ""),
        ("pmax and pmin", "x: (lax.pmax(x, 'devices'), lax.pmin(x, 'devices'))", "x = arange(8)",
            "P()", ""),
        ("all_gather", "x: lax.all_gather(x, 'devices')", "x = arange(8)", "P('devices')", ""),
        ("all_gather tiled", "x: lax.all_gather(x, 'devices', tiled=True)", "x = arange(8)",
            "P('devices')", ""),
        ("all_gather to a replicated output", "x: lax.all_gather(x, 'devices', tiled=True)",
            "x = arange(8)", "P()", "False"),
        ("all_to_all", "x: lax.all_to_all(x, 'devices', 1, 0)", "x = arange(64).reshape(8, 8)",
            "P('devices')", ""),
        ("all_to_all tiled", "x: lax.all_to_all(x, 'devices', 1, 1, tiled=True)",
            "x = arange(64).reshape(8, 8)", "P('devices')", ""),
        ("ppermute", "x: lax.ppermute(x, 'devices', [(i, (i + 1) % 8) for i in range(8)])",
            "x = arange(8)", "P('devices')", ""),
        ("a partial ppermute", "x: lax.ppermute(x, 'devices', [(0, 7)])", "x = arange(8)",
            "P('devices')", ""),
        ("psum_scatter", "x: lax.psum_scatter(x, 'devices', scatter_dimension=1, tiled=True)",
            "x = arange(64.).reshape(8, 8)", "P('devices')", ""),
        ("axis_index", "x: x * 0 + lax.axis_index('devices')", "x = arange(8)", "P('devices')",
            ""),
        ("groups", "x: lax.psum(x, 'devices', axis_index_groups=[[0, 1, 2, 3], [4, 5, 6, 7]])",
            "x = arange(8.)", "P('devices')", "False"),
    )
] + [
    sharded("psum over one axis", "x: lax.psum(x, 'x')", "x = arange(32.).reshape(8, 4)",
        "P('x', 'y')", "P(None, 'y')", "x", mesh=GRID),
    sharded("psum over both axes", "x: lax.psum(x, ('x', 'y'))", "x = arange(32.).reshape(8, 4)",
        "P('x', 'y')", "P()", "x", mesh=GRID),
    sharded("a matrix product", "a, b: lax.psum(a @ b, 'y')",
        "a = arange(32.).reshape(8, 4)\nb = ones((4, 3))", "(P('x', 'y'), P('y', None))",
        "P('x', None)", "a, b", mesh=GRID),
]
# fmt: on

_ROWS = "jax.shard_map({f}, mesh=mesh, in_specs=P('devices'), out_specs=P('devices'))"
_LAYER = ShardMap(in_specs="P('devices')", out_specs="P('devices')")

# fmt: off
STACKS = [
    case("jit outside", "x: jnp.sin(x)", "x = arange(16.)", (_LAYER, Jit()),
        f"jax.jit({_ROWS.format(f='f')})(x)", (None, 8)),
    case("vmap outside", "x: jnp.sin(x)", "x = arange(48.).reshape(3, 16)", (_LAYER, Vmap()),
        f"jax.vmap({_ROWS.format(f='f')})(x)", (3, 8)),
    case("vmap inside", "x: jnp.sin(x).sum()", "x = arange(48.).reshape(16, 3)", (Vmap(), _LAYER),
        f"{_ROWS.format(f='jax.vmap(f)')}(x)", (8, 2)),
    case("vmap inside and out", "x: x * 2", "x = arange(48).reshape(3, 16)",
        (Vmap(), _LAYER, Vmap(in_axes="0", out_axes="1")),
        f"jax.vmap({_ROWS.format(f='jax.vmap(f)')}, out_axes=1)(x)", (3, 8, 2)),
    case("grad outside", "x: lax.psum(jnp.sin(x).sum(), 'devices')", "x = arange(8.)",
        (ShardMap(in_specs="P('devices')", out_specs="P()"), Grad()),
        "jax.grad(jax.shard_map(f, mesh=mesh, in_specs=P('devices'), out_specs=P()))(x)",
        (None, 8)),
    case("grad inside", "x: (x ** 2).sum()", "x = arange(8.)", (Grad(), _LAYER),
        f"{_ROWS.format(f='jax.grad(f)')}(x)", (8, None)),
    case("grad inside with a psum", "x: lax.psum((x ** 2).sum(), 'devices')", "x = arange(8.)",
        (Grad(), _LAYER), f"{_ROWS.format(f='jax.grad(f)')}(x)", (8, None)),
    case("a loop inside", "x: lax.fori_loop(0, 3, lambda i, v: v * 2 + i, x)", "x = arange(8)",
        (_LAYER,), f"{_ROWS.format(f='f')}(x)", (8,)),
    case("a shard_map in the source", """
def f(x):
    mesh = jax.sharding.Mesh(jax.devices(), ('d',))
    return jax.shard_map(lambda v: lax.psum(v, 'd'), mesh=mesh, in_specs=P('d'), out_specs=P())(x)
""", "x = arange(8.)", (), "f(x)"),
]
# fmt: on


@pytest.mark.parametrize("case", SPECS)
def test_blocks_are_those_of_bare_shard_map(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", [*COLLECTIVES, *STACKS])
def test_collectives_and_stacks_give_what_bare_jax_gives(case: Case) -> None:
    check(case)
