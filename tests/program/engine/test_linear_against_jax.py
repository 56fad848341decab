"""jvp, vjp and linearize: values and shapes of bare JAX, and words for what they refuse."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import Checkpoint, Grad, Jit, Jvp, Linearize, Pmap, Scan, Vjp, Vmap
from tests.support.bare import Case, case, check, check_script
from tests.support.tables import one_in
from tests.support.wrong import Wrong, wrong
from tests.support.wrong import check as check_wrong

VECTOR = "x = arange(1., 4.)"
ROWS = "x = arange(16.).reshape(8, 2)"
TWO = f"{VECTOR}\ny = 2."
TREE = "p = {'w': ones((2, 3)), 'b': arange(2.)}\nx = arange(3.)"
DENSE = "p, x: {'h': p['w'] @ x + p['b'], 'sum': x.sum()}"
BY_NAME = "def f(x, *, k):\n    return x ** 2 * k\n"
MIXED = "x, n: (x * n, n)"
AUXILIARY = "x: ((x ** 2, x.sum()), {'a': x})"
BRANCH = "def f(x):\n    return x * 2 if x > 0 else -x\n"
ONES = "(jnp.ones_like(x),)"
NONE = "np.zeros((), jax.dtypes.float0)"
SCANNED = "level(lambda c, x: jax.lax.scan(f, c, x))"
F0 = "np.zeros(3, jax.dtypes.float0)"


def jvp(inner: str = "f", tangents: str = ONES, more: str = "", names: str = "x") -> str:
    return f"level(lambda {names}, g={inner}: jax.jvp(g, ({names},), {tangents}{more}))"


def vjp(inner: str = "f", given: str = "jax.tree.map(jnp.ones_like, out)", names: str = "x") -> str:
    return (
        f"level(lambda {names}, g={inner}: (lambda out, pull: (out, pull({given})))"
        f"(*jax.vjp(g, {names})))"
    )


def linearize(inner: str = "f", given: str = "jnp.ones_like(x)", names: str = "x") -> str:
    return (
        f"level(lambda {names}, g={inner}: (lambda out, push: (out, push({given})))"
        f"(*jax.linearize(g, {names})))"
    )


RULE = """
@jax.custom_vjp
def f(x):
    return x * x
f.defvjp(lambda x: (f(x), x), lambda kept, g: (g, g))
"""

# fmt: off
JVPS = [
    case("on its own", "x: jnp.sin(x)", VECTOR, Jvp(), f"{jvp()}(x)", None),
    case("tangents", "x: jnp.sin(x)", VECTOR, Jvp(tangents="array([1., 0., 2.])"),
        f"{jvp(tangents='(jnp.array([1., 0., 2.]),)')}(x)", None),
    case("tangents as a tuple", "x: jnp.sin(x)", VECTOR, Jvp(tangents="(linspace(0, 1, 3),)"),
        f"{jvp(tangents='(jnp.linspace(0, 1, 3),)')}(x)", None),
    case("tangents from a parameter", "x: jnp.sin(x)", "x = ones(n)",
        Jvp(tangents="arange(n) * 1."),
        f"{jvp(tangents='(jnp.arange(3) * 1.,)')}(x)", None, parameters={"n": 3}),
    case("tangents of the source's", "v = 2.\nf = lambda x: x ** 2", "x = 3.", Jvp(tangents="v"),
        f"{jvp(tangents='(2.,)')}(x)", None),
    case("random tangents", "x: jnp.sin(x)", VECTOR, Jvp(tangents="normal(3, seed=1)"),
        f"{jvp(tangents='(jax.random.normal(jax.random.key(1), (3,)),)')}(x)", None),
    case("two arguments", "x, y: x * y", TWO, Jvp(tangents="(ones(3), 0.)"),
        f"{jvp(tangents='(jnp.ones(3), 0.)', names='x, y')}(x, y)", None),
    case("a tree", DENSE, TREE, Jvp(),
        f"{jvp(tangents='jax.tree.map(jnp.ones_like, (p, x))', names='p, x')}(p, x)", None),
    case("an integer", MIXED, f"{VECTOR}\nn = array(2)", Jvp(),
        f"{jvp(tangents=f'(jnp.ones(3), {NONE})', names='x, n')}(x, n)", None),
    case("an integer of Python's", MIXED, f"{VECTOR}\nn = 2", Jvp(),
        f"{jvp(tangents=f'(jnp.ones(3), {NONE})', names='x, n')}(x, n)", None),
    case("integers only", "x: x * 2", "x = arange(3)", (Jvp(), Jit()),
        f"jax.jit({jvp(tangents=f'({F0},)')})(x)", (None, None)),
    case("a key", "def f(x, k):\n    return x * jax.random.normal(k)\n",
        f"{VECTOR}\nk = jax.random.key(0)",
        Jvp(), f"{jvp(tangents=f'(jnp.ones(3), {NONE})', names='x, k')}(x, k)", None),
    case("auxiliary", AUXILIARY, VECTOR, Jvp(has_aux="True"), f"{jvp(more=', has_aux=True')}(x)",
        None),
    case("an argument by name", BY_NAME, f"{VECTOR}\nk = 3.", Jvp(),
        "level(lambda x, *, k, g=f: jax.jvp(lambda x: g(x, k=k), (x,), (jnp.ones_like(x),)))"
        "(x, k=k)",
        None),
    case("nothing in it", "x: jnp.sin(x)", "x = zeros((0, 3))", Jvp(), f"{jvp()}(x)", None),
    case("complex", "x: x ** 2", "x = arange(3.) + 1j", Jvp(), f"{jvp()}(x)", None),
    case("a branch on a value", BRANCH, "x = 3.", Jvp(), f"{jvp()}(x)", None),
    case("under vmap and jit", "x: jnp.sin(x).sum()", ROWS, (Jvp(), Vmap(), Jit()),
        f"jax.jit(jax.vmap({jvp()}))(x)", (None, 8, None)),
    case("around vmap", "x: jnp.sin(x)", VECTOR, (Vmap(), Jvp()), f"{jvp('jax.vmap(f)')}(x)",
        (None, 3)),
    case("of a gradient", "x: jnp.sum(x ** 3)", VECTOR, (Grad(), Jvp()), f"{jvp('jax.grad(f)')}(x)",
        (None, None)),
    case("of a jvp", "x: x ** 3", "x = 2.", (Jvp(), Jvp()), f"{jvp(jvp())}(x)", (None, None)),
    case("of a checkpoint", "x: x ** 3", "x = 2.", (Checkpoint(), Jvp()),
        f"{jvp('jax.checkpoint(f)')}(x)", (None, None)),
    case("on each device", "x: jnp.sin(x)", ROWS, (Jvp(tangents="arange(2.)"), Pmap()),
        f"jax.pmap({jvp(tangents='(jnp.arange(2.),)')})(x)", (8, None)),
]

VJPS = [
    case("on its own", "x: jnp.sin(x)", VECTOR, Vjp(), f"{vjp()}(x)", None),
    case("cotangents", "x: jnp.sin(x)", VECTOR, Vjp(cotangents="array([1., 0., 2.])"),
        f"{vjp(given='jnp.array([1., 0., 2.])')}(x)", None),
    case("two arguments", "x, y: x * y", TWO, Vjp(), f"{vjp(names='x, y')}(x, y)", None),
    case("cotangents of a pair", "x: (x ** 2, x.sum())", VECTOR, Vjp(cotangents="(ones(3), 0.)"),
        f"{vjp(given='(jnp.ones(3), 0.)')}(x)", None),
    case("a tree", DENSE, TREE, Vjp(), f"{vjp(names='p, x')}(p, x)", None),
    case("cotangents of a tree", DENSE, TREE, Vjp(cotangents="{'h': arange(2.), 'sum': 1.}"),
        f"{vjp(given='dict(h=jnp.arange(2.), sum=1.)', names='p, x')}(p, x)", None),
    case("an integer", "x, n: x * n", f"{VECTOR}\nn = array(2)", Vjp(),
        f"{vjp(names='x, n')}(x, n)", None),
    case("an integer comes out", "x: (x, jnp.argmax(x))", VECTOR, Vjp(),
        f"{vjp(given=f'(jnp.ones(3), {NONE})')}(x)", None),
    case("auxiliary", AUXILIARY, VECTOR, (Vjp(has_aux="True"), Jit()),
        "jax.jit(level(lambda x, g=f: (lambda out, pull, aux: (out, pull("
        "jax.tree.map(jnp.ones_like, out)), aux))(*jax.vjp(g, x, has_aux=True))))(x)", (None,
        None)),
    case("an argument by name", BY_NAME, f"{VECTOR}\nk = 3.", Vjp(),
        "level(lambda x, *, k, g=f: (lambda out, pull: (out, pull(jnp.ones_like(out))))"
        "(*jax.vjp(lambda x: g(x, k=k), x)))(x, k=k)", None),
    case("nothing in it", "x: jnp.sin(x)", "x = zeros((0, 3))", Vjp(), f"{vjp()}(x)", None),
    case("a branch on a value", BRANCH, "x = 3.", Vjp(), f"{vjp()}(x)", None),
    case("under vmap and jit", "x: jnp.sin(x).sum()", ROWS, (Vjp(), Vmap(), Jit()),
        f"jax.jit(jax.vmap({vjp()}))(x)", (None, 8, None)),
    case("around vmap", "x: jnp.sin(x)", VECTOR, (Vmap(), Vjp()), f"{vjp('jax.vmap(f)')}(x)",
        (None, 3)),
    case("around jit", "x: jnp.sin(x)", VECTOR, (Jit(), Vjp()), f"{vjp('jax.jit(f)')}(x)", (None,
        None)),
    case("a gradient of it", "x: x ** 3", "x = 2.", (Vjp(cotangents="3."), Jvp()),
        f"{jvp(vjp(given='3.'))}(x)", (None, None)),
    case("on each device", "x: jnp.sin(x)", ROWS, (Vjp(), Pmap()), f"jax.pmap({vjp()})(x)", (8,
        None)),
]

LINEARIZED = [
    case("on its own", "x: jnp.sin(x)", VECTOR, Linearize(), f"{linearize()}(x)", None),
    case("tangents", "x: jnp.sin(x)", VECTOR, Linearize(tangents="array([1., 0., 2.])"),
        f"{linearize(given='jnp.array([1., 0., 2.])')}(x)", None),
    case("two arguments", "x, y: x * y", TWO, Linearize(tangents="(ones(3), 0.)"),
        f"{linearize(given='jnp.ones(3), 0.', names='x, y')}(x, y)", None),
    case("a list of tangents", "x, y: x * y", TWO, Linearize(tangents="[ones(3), 0.]"),
        f"{linearize(given='jnp.ones(3), 0.', names='x, y')}(x, y)", None),
    case("a tree", DENSE, TREE, Linearize(),
        f"{linearize(given='*jax.tree.map(jnp.ones_like, (p, x))', names='p, x')}(p, x)", None),
    case("a tree of tangents", "p: p['a'] * p['b']", "p = {'a': ones(2), 'b': 2.}",
        Linearize(tangents="{'a': zeros(2), 'b': 1.}"),
        f"{linearize(given='dict(a=jnp.zeros(2), b=1.)', names='p')}(p)", None),
    case("auxiliary", AUXILIARY, VECTOR, Linearize(has_aux="True"),
        "level(lambda x, g=f: (lambda out, push, aux: (out, push(jnp.ones_like(x)), aux))"
        "(*jax.linearize(g, x, has_aux=True)))(x)", None),
    case("an argument by name", BY_NAME, f"{VECTOR}\nk = 3.", Linearize(),
        "level(lambda x, *, k, g=f: (lambda out, push: (out, push(jnp.ones_like(x))))"
        "(*jax.linearize(lambda x: g(x, k=k), x)))(x, k=k)", None),
    case("nothing in it", "x: jnp.sin(x)", "x = zeros((0, 3))", Linearize(), f"{linearize()}(x)",
        None),
    case("under vmap and jit", "x: jnp.sin(x).sum()", ROWS, (Linearize(), Vmap(), Jit()),
        f"jax.jit(jax.vmap({linearize()}))(x)", (None, 8, None)),
    case("around vmap", "x: jnp.sin(x)", VECTOR, (Vmap(), Linearize()),
        f"{linearize('jax.vmap(f)')}(x)",
        (None, 3)),
    case("around jit", "x: jnp.sin(x)", VECTOR, (Jit(), Linearize()),
        f"{linearize('jax.jit(f)')}(x)",
        (None, None)),
    case("of a gradient", "x: jnp.sum(x ** 3)", VECTOR, (Grad(), Linearize()),
        f"{linearize('jax.grad(f)')}(x)", (None, None)),
    case("on each device", "x: jnp.sin(x)", ROWS, (Linearize(), Pmap()),
        f"jax.pmap({linearize()})(x)", (8, None)),
    case("of a scan", "c, x: (c * x, c)", "c = 1.\nx = arange(1., 4.)", (Scan(), Linearize()),
        f"{linearize(SCANNED, '1., jnp.ones(3)', 'c, x')}(c, x)",
        (None, 3)),
]

WRONG = [
    wrong("tangents of integers", "x: x ** 2", VECTOR, Jvp(tangents="arange(3)"), "axes",
        "0.tangents",
        r"x is float32\[3\]: its tangents are float32\[3\], not int32\[3\]", 2),
    wrong("tangents of another shape", "x: x ** 2", VECTOR, Jvp(tangents="ones(4)"), "axes",
        "0.tangents", r"not float32\[4\]", 1),
    wrong("a list for an array", "x: x ** 2", VECTOR, Jvp(tangents="[1., 0., 0.]"), "axes",
        "0.tangents", r"x is float32\[3\]: its tangents cannot be a list of 3 leaves", 2),
    wrong("a tangent too many", "x: x ** 2", VECTOR, Jvp(tangents="(ones(3), 1.)"), "axes",
        "0.tangents", "cannot be a tuple of 2 leaves", 1),
    wrong("a tangent too few", "x, y: x * y", TWO, Jvp(tangents="(ones(3),)"), "axes",
        "0.tangents", "tangents has 1 entry for 2 arguments", 1),
    wrong("a tangent of an integer", MIXED, f"{VECTOR}\nn = 2", Jvp(tangents="(ones(3), 1)"),
        "axes",
        "0.tangents", r"n is int32\[\]: its tangents are float0\[\], not int32\[\]", 1),
    wrong("a name that is none", "x: x ** 2", VECTOR, Jvp(tangents="onse(3)"), "value",
        "0.tangents",
        "'onse' is not defined", 1),
    wrong("no Python", "x: x ** 2", VECTOR, Jvp(tangents="ones(3"), "syntax", "0.tangents",
        "never closed"),
    wrong("a text", "x, n: x * len(n)", f"{VECTOR}\nn = 'ab'", Jvp(), "axes", "program.layers.0",
        "n is a str: jvp differentiates functions of arrays"),
    wrong("a text comes out", "x: 'a'", VECTOR, Jvp(), "axes", "program.layers.0",
        "jvp needs a function that returns arrays; this one returns a str"),
    wrong("no pair", "x: x ** 2", VECTOR, Jvp(has_aux="True"), "axes", "0.has_aux",
        "returns a pair, the value and the rest", 1),
    wrong("cotangents of another shape", "x: x ** 2", VECTOR, Vjp(cotangents="ones(4)"), "axes",
        "0.cotangents", r"the output is float32\[3\]: its cotangents are float32\[3\], not", 1),
    wrong("cotangents of integers", "x: x ** 2", VECTOR, Vjp(cotangents="arange(3)"), "axes",
        "0.cotangents", r"not int32\[3\]", 2),
    wrong("cotangents of another tree", "x: (x, x)", VECTOR, Vjp(cotangents="ones(3)"), "axes",
        "0.cotangents", "the output is a tuple of 2 leaves: its cotangents cannot be", 1),
    wrong("no pair for vjp", "x: x ** 2", VECTOR, Vjp(has_aux="True"), "axes", "0.has_aux",
        "vjp needs a function that returns a pair", 1),
    wrong("a text in vjp", "x, n: x * len(n)", f"{VECTOR}\nn = 'ab'", Vjp(), "axes",
        "program.layers.0", "n is a str"),
    wrong("a text out of vjp", "x: (x, 'a')", VECTOR, Vjp(), "axes", "program.layers.0",
        r"returns a str at \[1\]"),
    wrong("no pair for linearize", "x: x ** 2", VECTOR, Linearize(has_aux="True"), "axes",
        "0.has_aux",
        "linearize needs a function that returns a pair", 1),
    wrong("its tangents of another shape", "x: x ** 2", VECTOR, Linearize(tangents="ones(4)"),
        "axes",
        "0.tangents", r"not float32\[4\]", 1),
    wrong("its tangents of integers", "x: x ** 2", VECTOR, Linearize(tangents="arange(3)"), "axes",
        "0.tangents", r"not int32\[3\]", 2),
    wrong("its list for an array", "x: x ** 2", VECTOR, Linearize(tangents="[1., 0., 0.]"), "axes",
        "0.tangents", "cannot be a list of 3 leaves", 2),
    wrong("under a vmap", "x: jnp.sin(x)", ROWS, (Jvp(tangents="ones(8)"), Vmap()), "axes",
        "0.tangents", r"x is float32\[2\]: its tangents are float32\[2\], not float32\[8\]", 1),
    wrong("the function raises", "x: x @ ones", VECTOR, Jvp(), "function", "program.source",
        "'ones' is not defined"),
    wrong("a rule of its own", RULE, "x = 2.0", Vjp(), "function", "program.source",
        "Custom VJP (bwd|backward) rule"),
    wrong("a rule of its own under grad", RULE, "x = 2.0", Grad(), "function", "program.source",
        "Custom VJP (bwd|backward) rule"),
    wrong("a loop as long as an argument", "x, n: lax.fori_loop(0, n, lambda i, c: c * x, 1.0)",
        "x = 2.0\nn = 3", (Jit(), Grad()), "function", "program.source",
        "Reverse-mode differentiation does not work for lax.while_loop"),
]
# fmt: on
CASES = [*JVPS, *VJPS, *LINEARIZED]


@pytest.mark.parametrize("case", one_in(3, CASES))
def test_a_derivative_is_that_of_bare_jax(case: Case) -> None:
    check(case)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_its_script_gives_it_too(case: Case) -> None:
    check_script(case)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_where_it_is(case: Wrong) -> None:
    check_wrong(case)
