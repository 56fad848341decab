"""jnp.vectorize and functions applied to functions: as bare JAX, and words for what is refused."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import Apply, Checkpoint, Grad, Jit, Map, Pmap, Scan, Vectorize, Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.support.bare import Case, case, check, check_script
from tests.support.tables import one_in
from tests.support.wrong import Wrong, trace, wrong
from tests.support.wrong import check as check_wrong

VECTOR = "x = arange(1., 4.)"
CUBE = "x = arange(24.).reshape(2, 3, 4)"
DOT = "x, y: x @ y"
TIMES = "x, y: x * y"
BY_NAME = "def f(x, *, k):\n    return x * k\n"
OPTIONAL = "def f(x, *, k=2.):\n    return x * k\n"
DECORATOR = """
import functools
def twice(g):
    @functools.wraps(g)
    def applied(x):
        return g(g(x))
    return applied
def f(x):
    return x * 3
"""


def vec(inner: str = "f", more: str = "") -> str:
    return f"level(jnp.vectorize({inner}{more}))"


def sig(text: str) -> str:
    return f", signature='{text}'"


# fmt: off
VECTORIZED = [
    case("single values", "x: x ** 2", CUBE, Vectorize(), f"{vec()}(x)", 24),
    case("broadcast", TIMES, "x = arange(3.)\ny = ones((2, 1))", Vectorize(), f"{vec()}(x, y)", 6),
    case("a number", TIMES, "x = arange(3.)\ny = 2.", Vectorize(), f"{vec()}(x, y)", 3),
    case("nothing to loop over", TIMES, "x = 3.\ny = 2", Vectorize(), f"{vec()}(x, y)", None),
    case("a signature", "x: x.sum()", CUBE, Vectorize(signature="(n)->()"),
        f"{vec(more=sig('(n)->()'))}(x)", 6),
    case("a signature in quotes", "x: x.sum()", CUBE, Vectorize(signature="'(n)->()'"),
        f"{vec(more=sig('(n)->()'))}(x)", 6),
    case("a signature of the source's", "how = '(n)->()'\nf = lambda x: x.sum()", CUBE,
        Vectorize(signature="how"), f"{vec(more=sig('(n)->()'))}(x)", 6),
    case("two arguments", DOT, f"{CUBE}\ny = ones((2, 1, 4))", Vectorize(signature="(n),(n)->()"),
        f"{vec(more=sig('(n),(n)->()'))}(x, y)", 6),
    case("matrices", DOT, "x = ones((5, 2, 3))\ny = ones((3, 4))",
        Vectorize(signature="(m,n),(n,p)->(m,p)"), f"{vec(more=sig('(m,n),(n,p)->(m,p)'))}(x, y)",
        5),
    case("all of it is core", "x: x.sum()", VECTOR, Vectorize(signature="(n)->()"),
        f"{vec(more=sig('(n)->()'))}(x)", None),
    case("two results", "x: (x.sum(), x * 2)", CUBE, Vectorize(signature="(n)->(),(n)"),
        f"{vec(more=sig('(n)->(),(n)'))}(x)", 6),
    case("a list of numbers", "x: x * 2", "x = [1., 2.]", Vectorize(), f"{vec()}(x)", 2),
    case("loops of one", "x: x * 2", "x = ones((1, 3))", Vectorize(), f"{vec()}(x)", 3),
    case("excluded by place", "x, n: x * len(n)", f"{VECTOR}\nn = 'abc'", Vectorize(excluded="1"),
        f"{vec(more=', excluded={1}')}(x, n)", 3),
    case("excluded, the first", "n, x: x * n.sum()", f"n = ones(5)\n{VECTOR}",
        Vectorize(excluded="{0}"), f"{vec(more=', excluded={0}')}(n, x)", 3),
    case("excluded by name", BY_NAME, f"{VECTOR}\nk = ones(2)", Vectorize(excluded="'k'"),
        f"{vec(more=', excluded=' + repr({'k'}))}(x, k=k)", 3),
    case("excluded and a signature", "x, p, y: x * p['a'] + y",
        "x = ones((2, 3))\np = {'a': 2.}\ny = 1",
        Vectorize(excluded="(1,)", signature="(n),()->(n)"),
        f"{vec(more=', excluded={1}' + sig('(n),()->(n)'))}(x, p, y)", 2),
    case("no elements", "x: x * 2", "x = zeros((0, 3))", Vectorize(signature="(n)->(n)"),
        f"{vec(more=sig('(n)->(n)'))}(x)", 0),
    case("a tree comes out", "x: {'a': x, 'b': 2 * x}", VECTOR, Vectorize(), f"{vec()}(x)", 3),
    case("under jit", "x: x.sum()", CUBE, (Vectorize(signature="(n)->()"), Jit()),
        f"jax.jit({vec(more=sig('(n)->()'))})(x)", (None, 6)),
    case("under vmap", "x: x.sum()", CUBE, (Vectorize(signature="(n)->()"), Vmap()),
        f"jax.vmap({vec(more=sig('(n)->()'))})(x)", (2, 3)),
    case("of a gradient", "x: (x ** 3).sum()", CUBE, (Grad(), Vectorize(signature="(n)->(n)")),
        f"{vec('jax.grad(f)', sig('(n)->(n)'))}(x)", (6, None)),
    case("on each device", "x: x ** 2", "x = ones((8, 3))", (Vectorize(), Pmap()),
        f"jax.pmap({vec()})(x)", (8, 3)),
    case("of a map", "x: x ** 2", CUBE, (Map(), Vectorize(signature="(n)->(n)")),
        f"{vec('level(lambda x: jax.lax.map(f, x))', sig('(n)->(n)'))}(x)", (6, 4)),
]

APPLIED = [
    case("a transformation", TIMES, f"{VECTOR}\ny = ones(3)", Apply(function="jax.vmap"),
        "jax.vmap(f)(x, y)", None),
    case("with settings", TIMES, f"{VECTOR}\ny = 2.",
        Apply(function="functools.partial(jax.vmap, in_axes=(0, None))"),
        "jax.vmap(f, in_axes=(0, None))(x, y)", None),
    case("a lambda", "x: x ** 2", VECTOR, Apply(function="lambda g: lambda x: g(x).sum()"),
        "level(lambda x: f(x).sum())(x)", None),
    case("a lambda and a gradient", "x: x ** 2", VECTOR,
        (Apply(function="lambda g: lambda x: g(x).sum()"), Grad()),
        "jax.grad(level(lambda x: f(x).sum()))(x)", (None, None)),
    case("one's own decorator", DECORATOR, VECTOR, Apply(function="twice"),
        "level(lambda x: f(f(x)))(x)", None, function="f"),
    case("itself", "x: x ** 2", VECTOR, Apply(function="lambda g: g"), "level(lambda x: f(x))(x)",
        None),
    case("integers out", "x: x ** 2", VECTOR,
        Apply(function="lambda g: lambda x: g(x).astype(int)"),
        "level(lambda x: f(x).astype(int))(x)", None),
    case("an argument by name", BY_NAME, f"{VECTOR}\nk = 3.",
        Apply(function="lambda g: lambda x, k: g(x, k=k) + 1"),
        "level(lambda x, k: f(x, k=k) + 1)(x, k=k)",
        None),
    case("a tree", "p: p['a'] * p['b']", "p = {'a': ones(2), 'b': 2}",
        Apply(function="lambda g: lambda p: (g(p), p)"), "level(lambda p: (f(p), p))(p)", None),
    case("of a class", "class Scaled:\n    def __init__(self, g):\n        self.g = g\n"
        "    def __call__(self, x):\n        return 2 * self.g(x)\ndef f(x):\n    return x + 1\n",
        VECTOR,
        Apply(function="Scaled"), "level(lambda x: 2 * f(x))(x)", None),
    case("rematerialized", "x: x.sum()", VECTOR, (Apply(function="jax.remat"), Jit()),
        "jax.jit(level(lambda x: f(x)))(x)", (None, None)),
    case("under vmap and jit", "x: x ** 2", "x = ones((3, 2))",
        (Apply(function="lambda g: lambda x: g(x).sum()"), Vmap(), Jit()),
        "jax.jit(jax.vmap(level(lambda x: f(x).sum())))(x)", (None, 3, None)),
    case("around vmap", "x: x ** 2", VECTOR, (Vmap(), Apply(function="lambda g: lambda x: -g(x)")),
        "level(lambda x, g=jax.vmap(f): -g(x))(x)", (None, 3)),
    case("around checkpoint", "x: (x ** 2).sum()", VECTOR, (Checkpoint(),
        Apply(function="jax.grad")),
        "jax.grad(jax.checkpoint(f))(x)", (None, None)),
    case("pmap", "x: x ** 2", "x = ones((8, 2))", Apply(function="jax.pmap"), "jax.pmap(f)(x)",
        None),
    case("one argument less", TIMES, VECTOR, Apply(function="lambda g: lambda x: g(x, 2.)"),
        "level(lambda x: f(x, 2.))(x)", None),
    case("an argument bound by name", TIMES, VECTOR,
        (Apply(function="functools.partial(functools.partial, y=2.)"), Vmap()),
        "jax.vmap(level(lambda x: f(x, y=2.)))(x)", (3, None)),
    case("another argument, static", "x, s: x * len(s)", f"{VECTOR}\nn = 2",
        (Apply(function="lambda g: lambda x, n: g(x, 'a' * n)"), Jit(static_argnames="'n'")),
        "jax.jit(level(lambda x, n: f(x, 'a' * n)), static_argnums=1)(x, n)", (None, None)),
    case("no argument at all", "x: x * 2", "", Apply(function="lambda g: lambda: g(jnp.ones(3))"),
        "level(lambda: f(jnp.ones(3)))()", None),
    case("around an adapter", "c, x: (c + x, c)", "c = 0.\nx = ones(3)",
        (Scan(), Apply(function="jax.jit")),
        "jax.jit(level(lambda c, x: jax.lax.scan(f, c, x)))(c, x)",
        (None, 3)),
    case("empty", "x: x * 2", "x = zeros((0, 3))", Apply(function="jax.jit"), "jax.jit(f)(x)",
        None),
    case("two of them", "x: x * 2", VECTOR, (Apply(function="jax.jit"), Apply(function="jax.vmap")),
        "jax.vmap(jax.jit(f))(x)", (None, None)),
]

WRONG = [
    wrong("no such signature", "x: x", VECTOR, Vectorize(signature="(n"), "axes", "0.signature",
        r"a signature is written as in .*; this is '\(n'", 1),
    wrong("spaces in it", "x: x", VECTOR, Vectorize(signature="(n) -> (n)"), "axes", "0.signature",
        "a signature is written as in", 2),
    wrong("a number for it", "x: x", VECTOR, Vectorize(signature="3"), "axes", "0.signature",
        "this is '3'", 1),
    wrong("a name that is none", "x: x", VECTOR, Vectorize(signature="how"), "value", "0.signature",
        "'how' is not defined"),
    wrong("too few dimensions", "x: x", VECTOR, Vectorize(signature="(n,m)->(n)"), "axes",
        "0.signature", r"wants \(n,m\) of x, which is float32\[3\]"),
    wrong("another output", "x: x", VECTOR, Vectorize(signature="(n)->()"), "axes", "0.signature",
        r"says that the function returns \(\); it returns float32\[3\]", 1),
    wrong("another size", "x: x[1:]", VECTOR, Vectorize(signature="(n)->(n)"), "axes",
        "0.signature",
        r"returns \(n\); it returns float32\[2\]", 1),
    wrong("two outputs", "x: (x, x.sum())", VECTOR, Vectorize(signature="(n)->(n)"), "axes",
        "0.signature", r"it returns float32\[3\], float32\[\]", 1),
    wrong("an argument more", TIMES, f"{VECTOR}\ny = 2.", Vectorize(signature="(n)->(n)"), "axes",
        "0.signature", "the signature is of 1 argument, and 2 arguments", 1),
    wrong("an argument less", "x: x", VECTOR, Vectorize(signature="(n),()->(n)"), "axes",
        "0.signature", "the signature is of 2 arguments, and 1 argument", 1),
    wrong("sizes that differ", TIMES, f"{VECTOR}\ny = ones(4)", Vectorize(signature="(n),(n)->(n)"),
        "axes", "0.signature", "n of the signature is 3 in x and 4 in y"),
    wrong("loops that differ", TIMES, f"{VECTOR}\ny = ones(4)", Vectorize(), "axes", "0.signature",
        r"do not broadcast: x has \(3,\), y has \(4,\)"),
    wrong("a place from the end", TIMES, f"{VECTOR}\ny = 2.", Vectorize(excluded="-1"), "axes",
        "0.excluded", "there is no -1", 1),
    wrong("half a place", TIMES, f"{VECTOR}\ny = 2.", Vectorize(excluded="1.5"), "axes",
        "0.excluded", "places of arguments, or names"),
    wrong("half a place among others", TIMES, f"{VECTOR}\ny = 2.", Vectorize(excluded="{0, 1.5}"),
        "axes", "0.excluded", "1.5 is neither"),
    wrong("a tree", "x, p: x * p['a']", f"{VECTOR}\np = {{'a': 2.}}", Vectorize(), "axes",
        "0.excluded", "p is a dict", 1),
    wrong("a text", "x, n: x * len(n)", f"{VECTOR}\nn = 'ab'", Vectorize(), "axes", "0.excluded",
        "n is a str", 1),
    wrong("a dict with loops of one", "x: {'a': x}", "x = ones((1, 3))", Vectorize(), "axes",
        "program.layers.0", "this one returns a dict"),
    wrong("an argument by name", OPTIONAL, f"{VECTOR}\nk = 3.", Vectorize(), "axes", "0.excluded",
        "ignores arguments by name that are not excluded: k", 1),
    wrong("no function", "x: x", VECTOR, Apply(), "value", "0.function", "apply needs function"),
    wrong("nothing callable", "x: x", VECTOR, Apply(function="3"), "value", "0.function",
        "a function is wanted; this is a int"),
    wrong("no function comes of it", "x: x", VECTOR, Apply(function="lambda g: 3"), "value",
        "0.function", "this returns a int"),
    wrong("it raises", "x: x", VECTOR, Apply(function="lambda g: 1 / 0"), "function", "0.function",
        "division by zero"),
    wrong("a class method raises",
        "def bad(g):\n    raise ValueError('no')\ndef f(x):\n    return x\n",
        VECTOR, Apply(function="bad"), "function", "0.function", "line 2: ValueError: no",
        function="f"),
    wrong("what it made raises", "x: x", VECTOR, Apply(function="lambda g: lambda x: 1 / 0"),
        "function", "0.function", "division by zero"),
    wrong("it raises after the function", "x: x", VECTOR,
        Apply(function="lambda g: lambda x: [g(x), 1 / 0][0]"), "function", "0.function",
        "division"),
    wrong("axes that it does not have", "x: x", VECTOR, Apply(function="lambda g: jax.vmap(g, 4)"),
        "function", "0.function", "vmap"),
    wrong("no such name", "x: x", VECTOR, Apply(function="functols.partial(jax.vmap)"), "value",
        "0.function", "'functols' is not defined", 1),
    wrong("an argument that it does not leave", TIMES, f"{VECTOR}\ny = 2.",
        Apply(function="lambda g: lambda x: g(x, 2.)"), "arguments", "program.arguments.1.name",
        "f takes 1 argument: y is one too many"),
    wrong("the function raises", "x: x.nothing", VECTOR, Apply(function="jax.vmap"), "function",
        "program.source", "nothing"),
    wrong("its arguments are others", "x: x", VECTOR, Apply(function="lambda g: lambda x: g(x, x)"),
        "function", "program.source", "positional argument"),
]
# fmt: on
CASES = [*VECTORIZED, *APPLIED]


@pytest.mark.parametrize("case", one_in(3, CASES))
def test_a_layer_is_what_it_is_in_bare_jax(case: Case) -> None:
    check(case)


@pytest.mark.long
@pytest.mark.parametrize("case", CASES)
def test_its_script_gives_it_too(case: Case) -> None:
    check_script(case)


def test_what_is_asked_for_are_the_arguments_of_what_was_made() -> None:
    program = Program(
        source="f = lambda x, y: x * y",
        arguments=[Argument(name="x", value="arange(3.)"), Argument(name="y", value="2.")],
        layers=[Apply(function="lambda g: lambda x: g(x, 2.)")],
    )
    traced = trace(Session(program=program))
    assert traced.signature is not None
    assert [parameter.name for parameter in traced.signature] == ["x"]


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_where_it_is(case: Wrong) -> None:
    check_wrong(case)
