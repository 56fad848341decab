"""scan and lax.map: values and shapes of bare JAX, and words for what they refuse."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import Apply, Grad, Jit, Map, Pmap, Scan, ValueAndGrad, Vmap
from tests.support.bare import Case, case, check, check_script
from tests.support.tables import one_in
from tests.support.wrong import Wrong, wrong
from tests.support.wrong import check as check_wrong

VECTOR = "x = arange(1., 4.)"
STEPS = "c = 0.\nx = arange(1., 4.)"
ROWS = "c = zeros(2)\nx = arange(6.).reshape(3, 2)"
ADD = "c, x: (c + x, c * 2)"
TREES = "c = {'a': 0., 'n': array(0)}\nx = {'u': arange(3.), 'v': (ones((3, 2)), arange(3))}"
TREE = """
def f(c, x):
    return {'a': c['a'] + x['u'], 'n': c['n'] + 1}, (x['v'], c['a'])
"""
BY_NAME = "def f(c, x, *, k):\n    return c + x * k, {'y': c}\n"
DEFAULT = "def f(c, x=None):\n    return c * 2, c\n"
MAPS = "x = arange(6.).reshape(3, 2)"
OVER = "c = zeros((8, 2))\nx = ones((8, 5, 2))"


def scan(inner: str = "f", more: str = "") -> str:
    return f"level(lambda c, x, g={inner}: jax.lax.scan(g, c, x{more}))"


def lax_map(inner: str = "f", more: str = "") -> str:
    return f"level(lambda x, g={inner}: jax.lax.map(g, x{more}))"


# fmt: off
SCANS = [
    case("on its own", ADD, STEPS, Scan(), f"{scan()}(c, x)", 3),
    case("rows", ADD, ROWS, Scan(), f"{scan()}(c, x)", 3),
    case("trees", TREE, TREES, Scan(), f"{scan()}(c, x)", 3),
    case("nothing stacked", "c, x: (c + x, None)", STEPS, Scan(), f"{scan()}(c, x)", 3),
    case("no carry", "c, x: (None, x * 2)", "c = None\nx = arange(3.)", Scan(), f"{scan()}(c, x)",
        3),
    case("a number of steps", "c, x: (c * 2, c)", "c = 1.\nx = None", Scan(length="4"),
        f"{scan(more=', length=4')}(c, x)", 4),
    case("no second argument", DEFAULT, "c = 1.", Scan(length="4"),
        "level(lambda c: jax.lax.scan(f, c, None, length=4))(c)", 4),
    case("a length and an axis", ADD, STEPS, Scan(length="3"), f"{scan(more=', length=3')}(c, x)",
        3),
    case("no steps", ADD, "c = 0.\nx = zeros((0,))", Scan(), f"{scan()}(c, x)", 0),
    case("from the end", ADD, STEPS, Scan(reverse="True"), f"{scan(more=', reverse=True')}(c, x)",
        3),
    case("unrolled", ADD, STEPS, Scan(unroll="2"), f"{scan(more=', unroll=2')}(c, x)", 3),
    case("unrolled wholly", ADD, STEPS, Scan(unroll="True"), f"{scan(more=', unroll=True')}(c, x)",
        3),
    case("an argument by name", BY_NAME, f"{ROWS}\nk = 3.", Scan(),
        "level(lambda c, x, *, k: jax.lax.scan(lambda c, x: f(c, x, k=k), c, x))(c, x, k=k)", 3),
    case("a weak carry", ADD, "c = 0\nx = arange(3.)", Scan(), f"{scan()}(c, x)", 3),
    case("a list for a pair", "c, x: [c + x, x]", STEPS, Scan(), f"{scan()}(c, x)", 3),
    case("under jit", ADD, ROWS, (Scan(), Jit()), f"jax.jit({scan()})(c, x)", (None, 3)),
    case("around jit", ADD, ROWS, (Jit(), Scan()), f"{scan('jax.jit(f)')}(c, x)", (3, None)),
    case("under vmap", ADD, OVER, (Scan(), Vmap()), f"jax.vmap({scan()})(c, x)", (8, 5)),
    case("around vmap", ADD, "c = zeros(2)\nx = arange(6.).reshape(3, 2)", (Vmap(), Scan()),
        f"{scan('jax.vmap(f)')}(c, x)", (3, 2)),
    case("on each device", ADD, OVER, (Scan(), Pmap()), f"jax.pmap({scan()})(c, x)", (8, 5)),
    case("a gradient through it", "c, x: (c * x, c)", "c = 2.\nx = arange(1., 4.)",
        (Scan(), Apply(function="lambda g: lambda c, x: g(c, x)[0]"), Grad(argnums="(0, 1)")),
        f"jax.grad(level(lambda c, x, g={scan()}: g(c, x)[0]), argnums=(0, 1))(c, x)",
        (None, None, 3)),
    case("of a scan", "def f(c, x):\n    return c + x, c\n",
        "c = zeros(2)\nx = arange(12.).reshape(3, 2, 2)", (Scan(), Scan()),
        f"{scan(scan())}(c, x)", (3, 2)),
    case("a random number at each step", "c, k: (c + jax.random.normal(k), c)",
        "c = 0.\nk = jax.random.split(jax.random.key(0), 3)", Scan(),
        "level(lambda c, k: jax.lax.scan(f, c, k))(c, k)", 3),
]

MAPPED = [
    case("on its own", "x: x.sum()", MAPS, Map(), f"{lax_map()}(x)", 3),
    case("a tree", "x: {'s': x['a'] * x['b'], 'n': 3}",
        "x = {'a': arange(3.), 'b': arange(6).reshape(3, 2)}", Map(), f"{lax_map()}(x)", 3),
    case("two arguments", "x, y: x * y", f"{MAPS}\ny = arange(3.)", Map(),
        "level(lambda x, y: jax.lax.map(lambda xs: f(*xs), (x, y)))(x, y)", 3),
    case("an argument by name", "def f(x, *, k):\n    return x * k\n", f"{MAPS}\nk = arange(3)",
        Map(), "level(lambda x, *, k: jax.lax.map(lambda xs: f(xs[0], k=xs[1]), (x, k)))(x, k=k)",
        3),
    case("several at once", "x: jnp.sin(x)", "x = arange(7.)", Map(batch_size="3"),
        f"{lax_map(more=', batch_size=3')}(x)", 7),
    case("more at once than there are", "x: jnp.sin(x)", "x = arange(7.)", Map(batch_size="16"),
        f"{lax_map(more=', batch_size=16')}(x)", 7),
    case("two arguments at once", "x, y: x * y", f"{MAPS}\ny = arange(3.)", Map(batch_size="2"),
        "level(lambda x, y: jax.lax.map(lambda xs: f(*xs), (x, y), batch_size=2))(x, y)", 3),
    case("nothing", "x: x * 2", "x = zeros((0, 3))", Map(), f"{lax_map()}(x)", 0),
    case("integers", "x: x // 2", "x = arange(5)", Map(), f"{lax_map()}(x)", 5),
    case("keys", "k: jax.random.normal(k)", "k = jax.random.split(jax.random.key(0), 3)", Map(),
        "level(lambda k: jax.lax.map(f, k))(k)", 3),
    case("a pair", "x: (x, x.sum())", MAPS, Map(), f"{lax_map()}(x)", 3),
    case("None among the arguments", "x, y: x", f"{MAPS}\ny = None", Map(),
        "level(lambda x, y: jax.lax.map(lambda xs: f(*xs), (x, y)))(x, y)", 3),
    case("under jit", "x: x.sum()", MAPS, (Map(), Jit()), f"jax.jit({lax_map()})(x)", (None, 3)),
    case("under vmap", "x: x * 2", MAPS, (Map(), Vmap(in_axes="1", out_axes="1")),
        f"jax.vmap({lax_map()}, in_axes=1, out_axes=1)(x)", (2, 3)),
    case("around vmap", "x: x * 2", MAPS, (Vmap(), Map()), f"{lax_map('jax.vmap(f)')}(x)", (3, 2)),
    case("of a gradient", "x: (x ** 3).sum()", MAPS, (ValueAndGrad(), Map()),
        f"{lax_map('jax.value_and_grad(f)')}(x)", (3, None)),
    case("on each device", "x: jnp.sin(x)", "x = ones((8, 3))", (Map(), Pmap()),
        f"jax.pmap({lax_map()})(x)", (8, 3)),
    case("map of map", "x: x + 1", MAPS, (Map(), Map()), f"{lax_map(lax_map())}(x)", (3, 2)),
]

WRONG = [
    wrong("another dtype", "c, x: (c + x, c)",
        "c = zeros((), int)\nx = array([1., 2.], 'complex64')",
        Scan(), "axes", "program.layers.0",
        r"the carry c goes in as int32\[\] and comes out as complex64\[\]: it has to stay", 1),
    wrong("another shape", ADD, "c = 0.\nx = ones((3, 2))", Scan(), "axes", "program.layers.0",
        r"the carry c goes in as float32\[\] and comes out as float32\[2\]", 1),
    wrong("a leaf of another shape", "c, x: ({'a': c['a'] + x}, x)",
        "c = {'a': 0.}\nx = ones((3, 2))",
        Scan(), "axes", "program.layers.0", r"the carry c\['a'\] goes in as"),
    wrong("another tree", "c, x: ((c, c), x)", STEPS, Scan(), "axes", "program.layers.0",
        r"the carry c goes in as float32\[\] and comes out as a tuple of 2 leaves"),
    wrong("no pair", "c, x: c + x", STEPS, Scan(), "axes", "program.layers.0",
        r"returns a pair, the next carry and what is stacked; this one returns float32\[\]"),
    wrong("three", "c, x: (c, x, x)", STEPS, Scan(), "axes", "program.layers.0", "returns a pair"),
    wrong("three arguments", "c, x, y: (c + x, y)", f"{STEPS}\ny = 1.", Scan(), "axes",
        "program.layers.0", "of 3 arguments it could give 2"),
    wrong("no axis", ADD, "c = 0.\nx = 1.", Scan(), "axes", "program.layers.0",
        "x is a single value: it has no axis to go through"),
    wrong("a list of numbers", ADD, "c = 0.\nx = [1., 2.]", Scan(), "axes", "program.layers.0",
        r"x\[0\] is a single value", 1),
    wrong("axes that differ", "c, x: (c + x['a'], x)", "c = 0.\nx = {'a': ones(3), 'b': ones(2)}",
        Scan(), "axes", "program.layers.0",
        r"the leading axes differ: x\['a'\] has 3, x\['b'\] has 2"),
    wrong("a length that is none", ADD, STEPS, Scan(length="2"), "axes", "0.length",
        "length is 2, but axis 0 of x is 3", 1),
    wrong("no length", "c, x: (c * 2, c)", "c = 1.\nx = None", Scan(), "axes", "0.length",
        "no axis to go through: an argument has to be given, or how many steps", 1),
    wrong("a length in words", "c, x: (c * 2, c)", "c = 1.\nx = None", Scan(length="'two'"), "axes",
        "0.length", "length is an int, 0 or more; this is str", leads_to="program.layers.0.length"),
    wrong("unroll that is none", ADD, STEPS, Scan(unroll="-1"), "axes", "0.unroll",
        "unroll is an int, 1 or more; this is -1", 1),
    wrong("a text", "c, x: (c, x)", "c = 'a'\nx = ones(3)", Scan(), "axes", "program.layers.0",
        "c is a str: scan takes arrays and numbers"),
    wrong("a text comes out", "c, x: (c, 'a')", STEPS, Scan(), "axes", "program.layers.0",
        r"returns a str at \[1\]"),
    wrong("a branch on a value", "c, x: (c if x > 0 else -c, x)", STEPS, Scan(), "function",
        "program.source", "boolean conversion"),
    wrong("inner axes of a vmap", ADD, "c = zeros(3)\nx = ones((3, 2))", (Vmap(), Scan()), "axes",
        "0.in_axes", "the mapped axes differ in size", leads_to="program.layers.1"),
    wrong("arguments that differ", "x, y: x * y", f"{VECTOR}\ny = ones(4)", Map(), "axes",
        "program.layers.0", "the leading axes differ: x has 3, y has 4", 1),
    wrong("one that is the same each time", "x, y: x * y", f"{VECTOR}\ny = 2.", Map(), "axes",
        "program.layers.0", "y is a single value", 1),
    wrong("a list for map", "x: x", "x = [1., 2.]", Map(), "axes", "program.layers.0",
        "single value", 1),
    wrong("no such number at once", "x: x", VECTOR, Map(batch_size="-1"), "axes", "0.batch_size",
        "batch_size is an int, 1 or more; this is -1", 1),
    wrong("half a number at once", "x: x", VECTOR, Map(batch_size="1.5"), "axes", "0.batch_size",
        "this is float", 1),
    wrong("nothing to map", "x: 1.", "x = None", Map(), "axes", "program.layers.0",
        "map has no axis to go through"),
    wrong("a text to map", "x: x", "x = 'abc'", Map(), "axes", "program.layers.0",
        "x is a str: map takes arrays"),
    wrong("a text from map", "x: 'a'", VECTOR, Map(), "axes", "program.layers.0", "returns a str"),
]
# fmt: on
CASES = [*SCANS, *MAPPED]


@pytest.mark.parametrize("case", one_in(3, CASES))
def test_a_loop_is_that_of_bare_jax(case: Case) -> None:
    check(case)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_its_script_gives_it_too(case: Case) -> None:
    check_script(case)


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_where_it_is(case: Wrong) -> None:
    check_wrong(case)
