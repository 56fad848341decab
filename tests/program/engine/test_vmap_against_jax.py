"""vmap programs: the engine gives bit for bit what bare JAX gives, and sees the shapes it sees."""

from __future__ import annotations

import inspect

import jax
import pytest

from jaxtui.session.layers import Grad, Jit, ValueAndGrad, Vmap
from tests.support.bare import Case, case, check
from tests.support.tables import one_in

NODE = """
import dataclasses
@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Pair:
    a: object
    b: object
"""

# fmt: off
AXES = [
    case("default axes", "x: x * 2", "x = arange(12.).reshape(3, 4)", Vmap(), "jax.vmap(f)(x)", 3),
    case("axis 1", "x: x * x[0]", "x = arange(6).reshape(2, 3)", Vmap(in_axes="1"),
        "jax.vmap(f, in_axes=1)(x)", 3),
    case("negative axis", "x: x.sum(0)", "x = arange(24.).reshape(2, 3, 4)", Vmap(in_axes="-1"),
        "jax.vmap(f, in_axes=-1)(x)", 4),
    case("out axis 1", "x: x + 1", "x = arange(6).reshape(3, 2)", Vmap(out_axes="1"),
        "jax.vmap(f, out_axes=1)(x)", 3),
    case("negative out axis", "x: x + 1", "x = arange(24).reshape(3, 2, 4)", Vmap(out_axes="-1"),
        "jax.vmap(f, out_axes=-1)(x)", 3),
    case("negative out axis in between", "x: x + 1", "x = arange(24).reshape(3, 2, 4)",
        Vmap(out_axes="-2"), "jax.vmap(f, out_axes=-2)(x)", 3),
    case("one shared", "x, y: jnp.dot(x, y)", "x = arange(6.).reshape(2, 3)\ny = ones(3)",
        Vmap(in_axes="(0, None)"), "jax.vmap(f, in_axes=(0, None))(x, y)", 2),
    case("a list of axes", "x, y: x - y", "x = arange(6.).reshape(2, 3)\ny = arange(3.)",
        Vmap(in_axes="[0, None]"), "jax.vmap(f, in_axes=[0, None])(x, y)", 2),
    case("different axes", "x, y: x @ y",
        "x = arange(24.).reshape(2, 3, 4)\ny = arange(24.).reshape(4, 2, 3)",
        Vmap(in_axes="(0, 1)"), "jax.vmap(f, in_axes=(0, 1))(x, y)", 2),
    case("mixed signs", "x, y: x * y",
        "x = arange(6.).reshape(2, 3)\ny = arange(6.).reshape(3, 2)",
        Vmap(in_axes="(-2, -1)", out_axes="-1"),
        "jax.vmap(f, in_axes=(-2, -1), out_axes=-1)(x, y)", 2),
    case("a tuple of one", "x: -x", "x = arange(3)", Vmap(in_axes="(0,)"),
        "jax.vmap(f, in_axes=(0,))(x)", 3),
    case("axis size agrees", "x: -x", "x = arange(3)", Vmap(axis_size="3"),
        "jax.vmap(f, axis_size=3)(x)", 3),
    case("nothing mapped but a size", "x: x + 1", "x = arange(3)",
        Vmap(in_axes="None", axis_size="5"), "jax.vmap(f, in_axes=None, axis_size=5)(x)", 5),
    case("nothing mapped, nothing out", "x: x + 1", "x = arange(3)",
        Vmap(in_axes="None", out_axes="None", axis_size="5"),
        "jax.vmap(f, in_axes=None, out_axes=None, axis_size=5)(x)", 5),
    case("no arguments", ": jnp.arange(3)", "", Vmap(axis_size="4"), "jax.vmap(f, axis_size=4)()",
        4),
    case("out axes of a tuple", "x: (x, x.sum(), x * 2)", "x = arange(6.).reshape(3, 2)",
        Vmap(out_axes="(1, 0, 0)"), "jax.vmap(f, out_axes=(1, 0, 0))(x)", 3),
    case("out axis None of what is shared", "x, y: (x + 1, y * 2)",
        "x = arange(3.)\ny = arange(2.)", Vmap(in_axes="(0, None)", out_axes="(0, None)"),
        "jax.vmap(f, in_axes=(0, None), out_axes=(0, None))(x, y)", 3),
    case("out axes of a dict", "x: {'a': x, 'b': x.sum()}", "x = arange(6.).reshape(3, 2)",
        Vmap(out_axes="{'a': 1, 'b': 0}"), "jax.vmap(f, out_axes={'a': 1, 'b': 0})(x)", 3),
    case("an axis of size one", "x: x.sum()", "x = ones((1, 3))", Vmap(), "jax.vmap(f)(x)", 1),
    case("an axis of size zero", "x: x.sum()", "x = ones((0, 3))", Vmap(), "jax.vmap(f)(x)", 0),
    case("an empty example", "x: x * 2", "x = ones((3, 0))", Vmap(), "jax.vmap(f)(x)", 3),
    case("rank 0 inside", "x: x ** 2", "x = arange(4)", Vmap(), "jax.vmap(f)(x)", 4),
    case("many dimensions", "x: x.sum((0, 2))", "x = arange(384.).reshape(2, 3, 2, 2, 2, 2, 2, 2)",
        Vmap(in_axes="3", out_axes="2"), "jax.vmap(f, in_axes=3, out_axes=2)(x)", 2),
    case("axes computed", "x: x.sum()", "x = ones((2, 3))", Vmap(in_axes="len('a')"),
        "jax.vmap(f, in_axes=len('a'))(x)", 3),
    case("a parameter in a setting", "x: x.sum()", "x = ones((n, 3))", Vmap(axis_size="n"),
        "jax.vmap(f, axis_size=n)(x)", 5, parameters={"n": 5}),
]

NESTED = [
    case("outer product", "x, y: x * y", "x = arange(2.)\ny = arange(3.)",
        (Vmap(in_axes="(None, 0)"), Vmap(in_axes="(0, None)")),
        "jax.vmap(jax.vmap(f, in_axes=(None, 0)), in_axes=(0, None))(x, y)", (2, 3)),
    case("three deep", "x: x.sum()", "x = arange(120.).reshape(2, 3, 4, 5)",
        (Vmap(), Vmap(), Vmap()), "jax.vmap(jax.vmap(jax.vmap(f)))(x)", (2, 3, 4)),
    case("matrix product", "a, b: jnp.dot(a, b)",
        "a = arange(6.).reshape(2, 3)\nb = arange(12.).reshape(3, 4)",
        (Vmap(in_axes="(None, 1)"), Vmap(in_axes="(0, None)")),
        "jax.vmap(jax.vmap(f, (None, 1)), (0, None))(a, b)", (2, 4)),
    case("axes in and out of order", "x: x + 1", "x = arange(24.).reshape(2, 3, 4)",
        (Vmap(in_axes="1", out_axes="0"), Vmap(in_axes="-1", out_axes="1")),
        "jax.vmap(jax.vmap(f, 1, 0), -1, 1)(x)", (4, 3)),
    case("names of two axes", "x: lax.psum(x, ('i', 'j')) + lax.axis_index('j')",
        "x = arange(6.).reshape(2, 3)", (Vmap(axis_name="j"), Vmap(axis_name="i")),
        "jax.vmap(jax.vmap(f, axis_name='j'), axis_name='i')(x)", (2, 3)),
    case("one name for two axes", "x: lax.psum(x, 'i')", "x = arange(6.).reshape(2, 3)",
        (Vmap(axis_name="i"), Vmap(axis_name="k")),
        "jax.vmap(jax.vmap(f, axis_name='i'), axis_name='k')(x)", (2, 3)),
    case("jit outside", "x: jnp.sin(x)", "x = arange(4.)", (Vmap(), Jit()),
        "jax.jit(jax.vmap(f))(x)", (None, 4)),
    case("jit inside", "x: jnp.sin(x)", "x = arange(4.)", (Jit(), Vmap()),
        "jax.vmap(jax.jit(f))(x)", (4, None)),
    case("grad inside", "x: jnp.sin(x) * x", "x = arange(4.)", (Grad(), Vmap()),
        "jax.vmap(jax.grad(f))(x)", (4, None)),
    case("value and grad inside", "x, y: jnp.dot(x, y)",
        "x = arange(6.).reshape(2, 3)\ny = ones(3)",
        (ValueAndGrad(argnums="(0, 1)"), Vmap(in_axes="(0, None)")),
        "jax.vmap(jax.value_and_grad(f, argnums=(0, 1)), (0, None))(x, y)", (2, None)),
    case("grad of grad", "x: x ** 3", "x = arange(4.)", (Grad(), Grad(), Vmap()),
        "jax.vmap(jax.grad(jax.grad(f)))(x)", (4, None, None)),
]

TREES = [
    case("a tuple argument", "p, x: p[0] * x + p[1]",
        "p = (arange(3.), arange(3.) + 1)\nx = arange(3.)", Vmap(), "jax.vmap(f)(p, x)", 3),
    case("a dict argument with axes of its own", "p: p['w'] @ p['x'] + p['b']",
        "p = {'w': ones((2, 3)), 'x': arange(12.).reshape(3, 4), 'b': 1.0}",
        Vmap(in_axes="({'w': None, 'x': 1, 'b': None},)"),
        "jax.vmap(f, in_axes=({'w': None, 'x': 1, 'b': None},))(p)", 4),
    case("an axis for a whole subtree", "p, x: p['w'] * x + p['b'][0]",
        "p = {'w': ones(3), 'b': [arange(3.)]}\nx = arange(5.)", Vmap(in_axes="(None, 0)"),
        "jax.vmap(f, in_axes=(None, 0))(p, x)", 5),
    case("nested prefixes", "p: p[0]['a'] + p[0]['b'] + p[1]",
        "p = ({'a': arange(3.), 'b': arange(6.).reshape(2, 3)}, ones(2))",
        Vmap(in_axes="(({'a': 0, 'b': 1}, None),)"),
        "jax.vmap(f, in_axes=(({'a': 0, 'b': 1}, None),))(p)", 3),
    case("None in an argument", "p: p[0] + 1 if p[1] is None else p[0]", "p = (arange(3.), None)",
        Vmap(), "jax.vmap(f)(p)", 3),
    case("None as an argument", "x, y: x if y is None else y", "x = arange(3.)\ny = None", Vmap(),
        "jax.vmap(f)(x, y)", 3),
    case("None among the outputs", "x: (x, None, {'a': None})", "x = arange(3.)", Vmap(),
        "jax.vmap(f)(x)", 3),
    case("nothing but None out", "x: None", "x = arange(3.)", Vmap(), "jax.vmap(f)(x)", 3),
    case("outputs that are inputs", "x, y: (x, y, x)",
        "x = arange(3.)\ny = arange(6).reshape(3, 2)", Vmap(), "jax.vmap(f)(x, y)", 3),
    case("a dataclass", NODE + "def f(p): return Pair(p.a + p.b, p.a.sum())",
        "p = Pair(arange(6.).reshape(3, 2), ones((3, 2)))", Vmap(), "jax.vmap(f)(p)", 3),
    case("a dataclass of axes", NODE + "def f(p): return p.a * p.b",
        "p = Pair(arange(6.).reshape(3, 2), ones((2,)))", Vmap(in_axes="(Pair(0, None),)"),
        "jax.vmap(f, in_axes=(Pair(0, None),))(p)", 3),
    case("a node registered by hand", """
class Box:
    def __init__(self, item): self.item = item
jax.tree_util.register_pytree_node(Box, lambda b: ((b.item,), None), lambda _, c: Box(*c))
def f(b): return Box(b.item * 2)
""", "b = Box(arange(6).reshape(3, 2))", Vmap(), "jax.vmap(f)(b)", 3),
    case("a named tuple", """
from collections import namedtuple
Point = namedtuple('Point', 'x y')
def f(p): return Point(p.y, p.x * 2)
""", "p = Point(arange(3.), arange(6.).reshape(3, 2))", Vmap(), "jax.vmap(f)(p)", 3),
    case("an ordered dict", "p: {k: v * 2 for k, v in p.items()}",
        "p = __import__('collections').OrderedDict(b=arange(3.), a=arange(3))", Vmap(),
        "jax.vmap(f)(p)", 3),
    case("an empty argument", "x, p: x * 2", "x = arange(3.)\np = ()", Vmap(), "jax.vmap(f)(x, p)",
        3),
    case("deep trees", "p: jax.tree.map(jnp.sum, p)",
        "p = {'a': [{'b': (ones((2, 3)), {'c': ones((2, 1))})}], 'd': arange(2)}", Vmap(),
        "jax.vmap(f)(p)", 2),
]

COLLECTIVES = [
    case(
        f"{op.split('(')[0]} under vmap",
        f"x: lax.{op}",
        "x = arange(12.).reshape(4, 3)",
        Vmap(axis_name="i"),
        "jax.vmap(f, axis_name='i')(x)",
        4,
    )
    for op in (
        "psum(x, 'i')",
        "pmean(x, 'i')",
        "pmax(x, 'i')",
        "pmin(x, 'i')",
        "all_gather(x, 'i')",
        "ppermute(x, 'i', [(j, (j + 1) % 4) for j in range(4)])",
        "axis_index('i') + x",
        "pshuffle(x, 'i', [1, 0, 3, 2])",
    )
] + [
    case("all_gather tiled", "x: lax.all_gather(x, 'i', axis=1, tiled=True)",
        "x = arange(24.).reshape(4, 2, 3)", Vmap(axis_name="i"), "jax.vmap(f, axis_name='i')(x)",
        4),
    case("all_to_all", "x: lax.all_to_all(x, 'i', 0, 0)", "x = arange(48.).reshape(4, 4, 3)",
        Vmap(axis_name="i"), "jax.vmap(f, axis_name='i')(x)", 4),
    case("psum_scatter", "x: lax.psum_scatter(x, 'i')", "x = arange(16.).reshape(4, 4)",
        Vmap(axis_name="i"), "jax.vmap(f, axis_name='i')(x)", 4),
    case("pswapaxes", "x: lax.pswapaxes(x, 'i', 0)", "x = arange(32.).reshape(4, 4, 2)",
        Vmap(axis_name="i"), "jax.vmap(f, axis_name='i')(x)", 4),
    case("psum of a constant", "x: x / lax.psum(1, 'i')", "x = arange(4.)", Vmap(axis_name="i"),
        "jax.vmap(f, axis_name='i')(x)", 4),
    case("psum that is the same for all", "x: lax.psum(x, 'i')", "x = arange(4.)",
        Vmap(axis_name="i", out_axes="None"), "jax.vmap(f, axis_name='i', out_axes=None)(x)", 4),
    case("a quoted name", "x: lax.pmean(x, 'batch')", "x = arange(4.)", Vmap(axis_name="'batch'"),
        "jax.vmap(f, axis_name='batch')(x)", 4),
    case("a normalised batch", "x: (x - lax.pmean(x, 'i')) / lax.psum(x * x, 'i')",
        "x = arange(1., 9.).reshape(4, 2)", Vmap(axis_name="i"), "jax.vmap(f, axis_name='i')(x)",
        4),
    case("spmd_axis_name", "x: jnp.sin(x)", "x = arange(8.)",
        (Vmap(spmd_axis_name="devices"), Jit()),
        "jax.jit(jax.vmap(f, spmd_axis_name='devices'))(x)", (None, 8)),
]
# fmt: on


@pytest.mark.parametrize("case", one_in(2, [*AXES, *NESTED, *TREES, *COLLECTIVES]))
def test_axes_trees_and_names_are_those_of_bare_vmap(case: Case) -> None:
    check(case)


@pytest.mark.skipif(
    "sum_match" not in inspect.signature(jax.vmap).parameters, reason="this JAX has no sum_match"
)
def test_sum_match_is_passed_on() -> None:
    (parameter,) = [
        case(
            "sum_match",
            "x: lax.psum(x, 'i')",
            "x = arange(4.)",
            Vmap(axis_name="i", sum_match="True"),
            "jax.vmap(f, axis_name='i', sum_match=True)(x)",
            4,
        )
    ]
    check(parameter.values[0])
