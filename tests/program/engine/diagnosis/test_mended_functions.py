"""What JAX refuses within a function comes with its remedy, and fixes give what is meant."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxtui.session.layers import Jit, ShardMap, Vmap
from tests.support.mended import Mended, check, mended
from tests.support.tables import one_in

PAIR = {"x": 2, "y": 2}
LINE = {"i": 4}
ON_I = ShardMap(in_specs="P('i')", out_specs="P('i')")
OLD = not hasattr(jax.lax, "pcast")
CAST = "pvary" if OLD else "pcast"
SOURCE = "program.source"

SCAN = """
def total(x):
    def step(c, v):
        return c + v, None
    out, _ = lax.scan(step, jnp.zeros(()), x)
    return out[None]
"""
SCAN_OF_TUPLE = """
def total(x):
    def step(carry, v):
        n, c = carry
        return (n + 1, c + v), c * n
    (n, c), seen = lax.scan(step, (0, jnp.zeros(())), x)
    return seen + c
"""
SCAN_OF_DICT = """
def total(x):
    start = {'sum': jnp.zeros(()), 'most': jnp.full((), -1.0), 'n': 0}
    step = lambda c, v: (dict(sum=c['sum'] + v, most=jnp.maximum(c['most'], v), n=c['n'] + 1), None)
    out, _ = lax.scan(step, init=start, xs=x)
    return (out['sum'] + out['most'] * out['n'])[None]
"""
FORI = "def f(x):\n    return lax.fori_loop(0, 3, lambda i, c: c + x, jnp.zeros(2))\n"
WHILE = """
def f(x):
    return lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] + x), (0, jnp.zeros(2)))[1]
"""
COND = "def f(x, y):\n    return lax.cond(True, lambda x, y: x, lambda x, y: y, x, y)\n"
COND_NAMED = """
def one(x, y):
    return {'a': x, 'b': x + y}
def other(x, y):
    return {'a': y, 'b': x * y}
def f(x, y):
    out = lax.cond(x.sum() < y.sum(), one, other, x, y)
    return out['a'] + out['b']
"""
SWITCH = "def f(x, y):\n    return lax.switch(1, [lambda x, y: x, lambda x, y: y], x, y)\n"
FOUR = {"x": "arange(4.0)", "y": "arange(4.0)"}
OVER_BOTH = ShardMap(in_specs="(P('x'), P('y'))", out_specs="P(('x', 'y'))")


def blocks(of: str) -> np.ndarray:
    """What each of 2 x 2 devices has of `arange(4.)` divided over x or y, one after the other."""
    halves = np.arange(4.0).reshape(2, 2)
    return np.concatenate([halves[i if of == "x" else j] for i in range(2) for j in range(2)])


def scanned() -> np.ndarray:
    rows = np.arange(8.0).reshape(4, 2)
    return np.concatenate([np.array([0.0, a]) + a + b for a, b in rows])


def of_both() -> np.ndarray:
    def one(i: int, j: int) -> np.ndarray:
        x, y = np.arange(4.0).reshape(2, 2)[[i, j]]
        return x + x + y if x.sum() < y.sum() else y + x * y

    return np.concatenate([one(i, j) for i in range(2) for j in range(2)])


# fmt: off
VARYING = [
    mended("the carry of a scan", SCAN, {"x": "arange(8.0)"}, ON_I, SOURCE,
        ("scan body", "might be fixed by", rf"lax\.{CAST}\(\.\.\.", "initial carry"),
        {f"cast the initial carry: jax.lax.{CAST}": lambda: np.arange(8.0).reshape(4, 2).sum(1)},
        mesh=LINE),
    mended("a carry that is a tuple", SCAN_OF_TUPLE, {"x": "arange(8.0)"}, ON_I, SOURCE,
        ("scan body", "might be fixed by"), {"cast the initial carry": scanned}, mesh=LINE),
    mended("a carry that has a name", SCAN_OF_DICT, {"x": "arange(8.0)"}, ON_I, SOURCE,
        ("scan body", "might be fixed by"),
        {"cast the initial carry": lambda: np.arange(8.0).reshape(4, 2) @ [1.0, 3.0]}, mesh=LINE),
    mended("a fori_loop", FORI, {"x": "arange(8.0)"}, ON_I, SOURCE, "might be fixed by",
        {"cast the initial carry": lambda: 3 * np.arange(8.0)}, mesh=LINE),
    mended("a while_loop", WHILE, {"x": "arange(8.0)"}, ON_I, SOURCE, "might be fixed by",
        {"cast the initial carry": lambda: 3 * np.arange(8.0)}, mesh=LINE),
    mended("the branches of a cond", COND, FOUR, OVER_BOTH, SOURCE,
        ("cond branches", "might be fixed by", "output of true_fun", "output of false_fun"),
        {"cast what the branches return": lambda: blocks("x")}, mesh=PAIR),
    mended("a branch that is the same everywhere", "def f(x):\n    return lax.cond(x.sum() > 1, "
        "lambda v: v, lambda v: jnp.zeros(2), x)\n", {"x": "arange(8.0)"}, ON_I, SOURCE,
        "might be fixed by",
        {rf"cast what the branches return: jax.lax.{CAST}\(…, \('i',\)":
            lambda: np.where(np.arange(8.0) < 2, 0, np.arange(8.0))}, mesh=LINE),
    mended("a branch that varies over more", "def f(x, y):\n    return lax.cond(True, lambda x, y: "
        "x + y, lambda x, y: x, x, y)\n", FOUR, OVER_BOTH, SOURCE, "might be fixed by",
        {"cast what the branches return": lambda: blocks("x") + blocks("y")}, mesh=PAIR),
    mended("branches that are trees", COND_NAMED, FOUR, OVER_BOTH, SOURCE, "might be fixed by",
        {"cast what the branches return": of_both}, mesh=PAIR),
    mended("the branches of a switch", SWITCH, FOUR, OVER_BOTH, SOURCE, "might be fixed by",
        {"cast what the branches return": lambda: blocks("y")}, mesh=PAIR),
]

ERRORS = [
    mended("an assignment into an array",
        "def f(x, y):\n    z = np.zeros(2)\n    z[0] = 1.0\n    x[1:3] = y\n    x[0] += 5.0\n"
        "    x[3] -= y * 2\n    return x + z[0]\n",
        {"x": "arange(4.)", "y": "7."}, Jit(), SOURCE, ("line 4", "immutable"),
        {r"^x = x\.at": lambda: np.array([6.0, 8.0, 8.0, -10.0])}),
    mended("NumPy", "def f(x):\n    return np.append(x[0], x[:-1]).sum()\n", {"x": "ones((4, 3))"},
        Vmap(), SOURCE, ("TracerArrayConversionError", "the same function of jnp"),
        {"jnp in place of np": lambda: np.full(4, 3.0)}),
    mended("NumPy in several places",
        "def f(x):\n    y = np.concatenate([x, x])\n    return np.linalg.norm(y)\n",
        {"x": "ones((4, 2))"}, (Vmap(), Jit()), SOURCE, "the same function of jnp",
        {"jnp in place of np": lambda: np.full(4, 2.0)}),
    mended("math", "import math\ndef f(x):\n    return math.exp(x) * math.pi\n", {"x": "zeros(3)"},
        Vmap(), SOURCE, ("ConcretizationTypeError", "float"),
        {"jnp in place of math": lambda: np.full(3, np.pi)}),
    mended("a NumPy array by a traced index",
        "table = np.arange(5.0)\ndef f(i):\n    return table[i] * 2\n", {"i": "arange(3)"}, Vmap(),
        SOURCE, "Tracer", {"table as an array of jnp": lambda: 2 * np.arange(3.0)}),
    mended("a list by a traced index", "def f(i, xs):\n    return xs[i].sum()\n",
        {"i": "arange(2)", "xs": "[ones(3), arange(3.)]"}, Vmap(in_axes="(0, None)"), SOURCE,
        ("TracerIntegerConversionError", "stack the list"),
        {"xs stacked": lambda: np.array([3.0, 3.0])}),
    mended("a list of trees by a traced index", "def f(i, xs):\n    return xs[i]['w'] * 2\n",
        {"i": "arange(2)", "xs": "[{'w': ones(3)}, {'w': arange(3.)}]"}, Vmap(in_axes="(0, None)"),
        SOURCE, "stack the list",
        {"xs stacked": lambda: 2 * np.array([[1.0, 1, 1], [0, 1, 2]])}),
    mended("a list that cannot be stacked",
        "def f(i, xs):\n    return lax.switch(i, [jnp.sin, jnp.cos], xs[i])\n",
        {"i": "arange(2)", "xs": "[ones((2, 3)), ones((4, 3))]"}, Vmap(in_axes="(0, None)"), SOURCE,
        "stack the list", {}),
    mended("a boolean index", "def f(x):\n    return x[x > 0].sum()\n", {"x": "ones((4, 3))"},
        Vmap(), SOURCE, ("NonConcreteBooleanIndexError", "jnp.where"), {}, only_run=True),
    mended("a size that is traced", "def f(n):\n    return jnp.arange(n).sum()\n",
        {"n": "arange(3)"}, Vmap(), SOURCE,
        ("ConcretizationTypeError", "It arose in the jnp.arange", "static argument"), {}),
    mended("a size under jit", "def f(n, x):\n    return jnp.arange(n) + x\n",
        {"n": "3", "x": "1.0"}, Jit(), SOURCE, ("ConcretizationTypeError", "static_argnums"),
        {r"^static_argnums 0$": lambda: np.arange(3.0) + 1}),
    mended("sizes under jit", "def f(x, n, m):\n    return x.reshape(n, m)\n",
        {"x": "arange(6.)", "n": "3", "m": "2"}, Jit(), SOURCE, ("Shapes must be 1D", "static"),
        {r"^static_argnums \(1, 2\)$": lambda: np.arange(6.0).reshape(3, 2)}),
    mended("a branch", "def f(x):\n    return x if x > 0 else -x\n", {"x": "arange(3.)"}, Vmap(),
        SOURCE, ("TracerBoolConversionError", "lax.cond"), {}),
    mended("a value that leaked",
        "kept = []\ndef g(x):\n    kept.append(x)\n    return x\n"
        "def f(x):\n    return jax.jit(g)(x) + kept[0]\n", {"x": "arange(3.)"}, Vmap(), SOURCE,
        ("UnexpectedTracerError", "side effect", "return it"), {}, unsaid=("-----",),
        only_run=True),
    mended("a conversion that JAX has a remedy for", "def f(x):\n    return float(x)\n",
        {"x": "arange(3)"}, Vmap(), SOURCE, (r"x\.astype\(float\)", "static argument"), {}),
    mended("a predicate that is an array", "def f(flag):\n    return lax.cond(flag, lambda: 1, "
        "lambda: 0)\n", {"flag": "array([[True, False], [False, True]])"}, Vmap(), SOURCE,
        (r"lax.cond takes one boolean, and here it is of shape \(2,\)", "jnp.where"),
        {"one more vmap inside, with in_axes 0": lambda: np.eye(2)}),
    mended("a predicate and more", "def f(flag, x, y):\n    return lax.cond(flag, lambda v: v, "
        "lambda v: -v, x + y)\n", {"flag": "array([[True, False, True]])", "x": "ones((1, 3))",
        "y": "ones(1)"}, Vmap(), SOURCE, r"of shape \(3,\)",
        {r"one more vmap inside, with in_axes \(0, 0, None\)": lambda: np.array([[2.0, -2, 2]])}),
    mended("an index of a switch that is an array", "def f(i):\n    return lax.switch(i, [jnp.sin, "
        "jnp.cos], 1.0)\n", {"i": "array([[0, 1], [1, 0]])"}, Vmap(), SOURCE,
        "lax.switch takes one index",
        {"one more vmap": lambda: np.where(np.eye(2) > 0, jnp.sin(1.0), jnp.cos(1.0))}),
    mended("pmaps of different sizes in a jit", "def f(a, b):\n    c = jax.pmap(lambda v: v * 2)(a)"
        "\n    return c, jax.pmap(lambda v: v + 1)(b)\n", {"a": "arange(8.)", "b": "arange(3.)"},
        Jit(), SOURCE, "line 2: a pmap over 8 devices and, at line 3, a pmap over 3 devices",
        {"without the jit": lambda: (2 * np.arange(8.0), np.arange(3.0) + 1)}, only_run=True),
    mended("a condition of a while_loop that is an array", "def f(x):\n    return "
        "lax.while_loop(lambda v: v < 3, lambda v: v + 2, x)\n", {"x": "arange(4.).reshape(2, 2)"},
        Vmap(), SOURCE, "lax.while_loop is one boolean",
        {"one more vmap": lambda: np.array([[4.0, 3], [4, 3]])}),
]
# fmt: on


@pytest.mark.parametrize("case", one_in(2, [*VARYING, *ERRORS]))
def test_each_fix_gives_what_is_meant(case: Mended) -> None:
    check(case)


def test_a_key_that_is_used_twice_is_to_be_split() -> None:
    source = "def f(k):\n    return jax.random.normal(k) + jax.random.normal(k)\n"
    case: Mended = mended(
        "", source, {"k": "keys(3)"}, Vmap(), SOURCE, ("KeyReuseError", r"jax\.random\.split")
    ).values[0]
    with jax.debug_key_reuse(True):
        check(case)
