"""Functions of every kind, from the source or by reference, called with every kind of argument."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxtui.program.engine import evaluation
from jaxtui.session.layers import Jit, Vmap
from jaxtui.session.session import Argument, Program, Session
from jaxtui.wire.base import Composition
from jaxtui.wire.report import Parameter
from tests.support.bare import Case, case, check
from tests.support.wrong import Wrong, trace, wrong
from tests.support.wrong import check as check_wrong

# fmt: off
KINDS = [
    case("the last of several", "def g(x): return x + 1\ndef f(x): return g(x) * 2\n",
        "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a lambda", "x: x * 2", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a lambda after a def", "def g(x): return x\nf = lambda x: 1\n", "x = arange(3)", Vmap(),
        "jax.vmap(f)(x)", 3),
    case("a jitted function", "@jax.jit\ndef f(x): return jnp.sin(x)\n", "x = arange(3.)", Vmap(),
        "jax.vmap(f)(x)", 3),
    case("a function under its own vmap", "f = jax.vmap(lambda x: x * 2, in_axes=1)",
        "x = arange(6).reshape(2, 3)", (), "f(x)"),
    case("a partial", """
from functools import partial
def power(n, x): return x ** n
f = partial(power, 3)
del power
""", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a function out of a tuple", "f, g = (lambda x: x + 1), (lambda x: x + 2)\n",
        "x = arange(3)", Vmap(), "jax.vmap(g)(x)", 3, function="g"),
    case("a function made while the source runs", "exec('def f(x): return x * 7')\n",
        "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a dataclass with annotations as text", """
from __future__ import annotations
import dataclasses
@dataclasses.dataclass
class Scale:
    by: float
def f(x): return x * Scale(3).by
""", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("what only **options has a place for", "def f(x, **options): return x * options['y']",
        "x = arange(3)\ny = arange(3)", Vmap(), "jax.vmap(f)(x, y=y)", 3),
    case("a class that computes with its parts", """
@jax.tree_util.register_pytree_node_class
class Weights:
    def __init__(self, w): self.w = jnp.asarray(w) * 1
    def tree_flatten(self): return (self.w,), None
    @classmethod
    def tree_unflatten(cls, _, parts): return cls(*parts)
def f(weights): return weights.w * 2
""", "weights = Weights(arange(3.))", Jit(), "jax.jit(f)(weights)", None),
    case("a closure", """
def make(scale):
    def inner(x): return x * scale
    return inner
f = make(3)
del make
""", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("an object that is called", """
class Model:
    def __init__(self, w): self.w = w
    def __call__(self, x): return x * self.w
f = Model(2)
""", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a bound method", """
class Model:
    def apply(self, x): return x * 2
f = Model().apply
""", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a function of jax.numpy", "f = jnp.sin", "x = arange(3.)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a wrapped function", """
import functools
def twice(g):
    @functools.wraps(g)
    def inner(*args): return 2 * g(*args)
    return inner
@twice
def f(x): return x + 1
""", "x = arange(3)", Vmap(), "jax.vmap(f)(x)", 3),
    case("a custom_vjp", """
@jax.custom_vjp
def f(x): return jnp.sin(x)
f.defvjp(lambda x: (f(x), x), lambda x, ct: (ct * 100.0,))
""", "x = arange(3.)", Vmap(), "jax.vmap(f)(x)", 3),
    case("any number of arguments", "def f(*xs): return sum(xs)\n", "a = arange(3)\nb = ones(3)",
        Vmap(), "jax.vmap(f)(a, b)", 3),
    case("one and any number more", "def f(x, *xs): return x + len(xs)\n",
        "x = arange(3)\na = ones(3)\nb = ones(3)", Vmap(), "jax.vmap(f)(x, a, b)", 3),
    case("a default that is left out", "def f(x, n=3): return x * n\n", "x = arange(3)", Vmap(),
        "jax.vmap(f)(x)", 3),
    case("a default that is given", "def f(x, n=3): return x * n\n", "x = arange(3)\nn = arange(3)",
        Vmap(), "jax.vmap(f)(x, n)", 3),
    case("positional only", "def f(x, /, y): return x - y\n", "x = arange(3)\ny = ones(3)", Vmap(),
        "jax.vmap(f)(x, y)", 3),
    case("a keyword", "def f(x, *, k): return x * k\n", "x = arange(3)\nk = ones(3)", Vmap(),
        "jax.vmap(f)(x, k=k)", 3),
    case("a keyword between", "def f(x, *, k, m=2): return x * k * m\n",
        "k = arange(3)\nx = ones(3)", Vmap(), "jax.vmap(f)(x, k=k)", 3),
    case("a keyword under jit", "def f(x, *, k): return x * k\n", "x = arange(3)\nk = 2", Jit(),
        "jax.jit(f)(x, k=k)", None),
    case("static by position under jit", "x, n: x.reshape(n)", "x = arange(6)\nn = (2, 3)",
        Jit(static_argnums="1"), "jax.jit(f, static_argnums=1)(x, n)", None),
    case("a donated argument under jit", "x, y: x + y", "x = arange(6.)\ny = ones(6)",
        Jit(donate_argnums="(0,)"), "jax.jit(f, donate_argnums=(0,))(x, y)", None),
    case("names that are not the parameters'", "x, y: x - y", "a = arange(3)\nb = ones(3)",
        Vmap(), "jax.vmap(f)(a, b)", 3),
    case("no layers", "x, n: x * n", "x = arange(3)\nn = 2", (), "f(x, n)"),
    case("no layers, numbers only", "a, b: a + b", "a = 1\nb = 2.5", (), "f(a, b)"),
    case("no layers, a text", "x, s: getattr(jnp, s)(x)", "x = arange(3.)\ns = 'cos'", (),
        "f(x, s)"),
    case("no layers, a text out", "x: {'s': 'text', 'x': x, 'n': 3, 'b': True, 'none': None}",
        "x = arange(3)", (), "f(x)"),
    case("NumPy out", "x: np.asarray([1, 2])", "x = arange(3)", (), "f(x)"),
    case("a value that is looked at", "x: x * 2 if x.sum() > 2 else x", "x = arange(3)", (),
        "f(x)"),
    case("a length that is looked at", "n: jnp.arange(int(n))", "n = array(4)", (), "f(n)"),
    case("a shared value that is looked at", "x, n: x * 2 if n > 2 else x", "x = arange(3)\nn = 3",
        Vmap(in_axes="(0, None)"), "jax.vmap(f, (0, None))(x, n)", 3),
    case("elements chosen by a mask", "x: x[x > 1]", "x = arange(4)", (), "f(x)"),
    case("a print", "def f(x):\n    jax.debug.print('{}', x)\n    return x\n", "x = arange(3)",
        Vmap(), "jax.vmap(f)(x)", 3),
    case("a callback", """
def f(x):
    return jax.pure_callback(np.sin, jax.ShapeDtypeStruct((), jnp.float32), x,
                             vmap_method='sequential')
""", "x = arange(3.)", Vmap(), "jax.vmap(f)(x)", 3),
    case("parameters in the source", "x: x * scale + devices", "x = arange(3)", Vmap(),
        "jax.vmap(f)(x)", 3, parameters={"scale": 7}),
]

ARGUMENTS = [
    wrong("one too many", "def f(x): return x\n", "x = ones(3)\ny = ones(3)", Vmap(), "arguments",
        "program.arguments.1.name", "f takes 1 argument: y is one too many"),
    wrong("one too few", "def f(x, y): return x\n", "x = ones(3)", Vmap(), "arguments",
        "program.arguments", "f also needs y"),
    wrong("no keyword", "def f(x, *, k): return x\n", "x = ones(3)", Vmap(), "arguments",
        "program.arguments", "f also needs k"),
    wrong("out of order", "def f(x, y): return x\n", "y = ones(3)\nx = ones(3)", Vmap(),
        "arguments", "program.arguments.0.name", "y stands where x belongs", 1),
    wrong("a name that is another's", "def f(x, y): return x\n", "y = ones(3)\nz = ones(3)", Vmap(),
        "arguments", "program.arguments.0.name", "y stands where x belongs", 1),
    wrong("no value", "def f(x): return x\n", "x", Vmap(), "value", "x", "needs a value"),
    wrong("the same name twice", "def f(x, y): return x\n", "x = ones(3)\nx = ones(3)", Vmap(),
        "arguments", "program.arguments.1.name", "x stands where y belongs", 1),
    wrong("no such function", "def f(x): return x\n", "x = ones(3)", Vmap(), "function",
        "program.function", "the source defines no function g", function="g"),
]
# fmt: on


@pytest.mark.parametrize("case", KINDS)
def test_every_kind_of_function_gives_what_bare_jax_gives(case: Case) -> None:
    check(case)


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments_that_do_not_fit_are_said_at_the_argument(case: Wrong) -> None:
    check_wrong(case)


def test_a_function_of_the_source_is_chosen_by_name() -> None:
    source = "def f(x):\n    return x\ndef g(x):\n    return x * 2\n"
    arguments = [Argument(name="x", value="arange(3)")]
    for name in ("f", "g"):
        program = Program(source=source, function=name, arguments=arguments)
        assert trace(Session(program=program)).function == name


def test_the_signature_tells_names_kinds_and_defaults() -> None:
    source = (
        "class Odd:\n    def __repr__(self): raise RuntimeError\n"
        "def f(a, /, b, c=3, *rest, d, e='x', o=Odd(), **more):\n    return a\n"
    )
    traced = trace(Session(program=Program(source=source)))
    assert traced.signature == [
        Parameter(name="a", kind="positional"),
        Parameter(name="b", kind="positional"),
        Parameter(name="c", kind="positional", default="3"),
        Parameter(name="rest", kind="var_positional"),
        Parameter(name="d", kind="keyword"),
        Parameter(name="e", kind="keyword", default="'x'"),
        Parameter(name="o", kind="keyword", default="<Odd instance>"),
        Parameter(name="more", kind="var_keyword"),
    ]


# ------------------------------------------------------------------------------------ by reference

MODULE = """
import jax.numpy as jnp

def double(x):
    return x * 2

def failing(x):
    return helper(x)

def helper(x):
    raise ValueError("in the file")

class Model:
    scale = 3
    def __call__(self, x):
        return x * self.scale
    def apply(self, x):
        return x + self.scale
    @staticmethod
    def plain(x):
        return -x

model = Model()
number = 3
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "my_functions.py").write_text(MODULE)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "more.py").write_text("from my_functions import double as again\n")
    (tmp_path / "exits.py").write_text("exit()\n")
    (tmp_path / "broken.py").write_text("def f(:\n")
    before, modules = list(sys.path), set(sys.modules)
    yield tmp_path
    sys.path[:] = before
    for name in set(sys.modules) - modules:
        if name in ("my_functions", "exits", "broken"):
            del sys.modules[name]


def by_reference(reference: str, folder: Path) -> Composition:
    return Composition(
        program=Program(
            function=reference,
            arguments=[Argument(name="x", value="arange(3)")],
            layers=[Vmap()],
        ),
        folder=str(folder),
    )


@pytest.mark.parametrize(
    ("reference", "name", "values"),
    [
        ("my_functions.py:double", "double", [0, 2, 4]),
        ("my_functions:double", "double", [0, 2, 4]),
        ("my_functions.py:model", "model", [0, 3, 6]),
        ("my_functions:model.apply", "apply", [3, 4, 5]),
        ("my_functions.py:Model.plain", "plain", [0, -1, -2]),
        ("jax.numpy:negative", "negative", [0, -1, -2]),
        ("jax.numpy:fft.fftshift", "fftshift", [0, 1, 2]),
        ("operator:neg", "neg", [0, -1, -2]),
    ],
)
def test_a_function_is_found_by_module_or_file_and_name(
    reference: str, name: str, values: list[int], folder: Path
) -> None:
    composition = by_reference(reference, folder)
    if reference.endswith("fftshift"):
        composition = Composition(
            program=Program(function=reference, arguments=[Argument(name="x", value="arange(3)")]),
            folder=str(folder),
        )
        values = [2, 0, 1]
    traced = evaluation.trace(composition)
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.function == name
    ran = evaluation.run(composition, lambda stage: None, lambda: False)
    assert ran.leaves[0][1].tolist() == values


def test_a_file_is_read_again_when_it_has_changed(folder: Path) -> None:
    file = folder / "my_functions.py"
    composition = by_reference("my_functions.py:double", folder)
    evaluation.trace(composition)
    file.write_text(MODULE.replace("x * 2", "jnp.stack([x, x])"))
    traced = evaluation.trace(composition)
    assert traced.flow is not None
    assert traced.flow.levels[1].outputs is not None
    assert traced.flow.levels[1].outputs[0].shape == [2]


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("nowhere.py:f", "there is no nowhere.py beside the session"),
        ("nowhere_at_all:f", "No module named 'nowhere_at_all'"),
        ("my_functions.py:missing", "no attribute 'missing'"),
        ("my_functions.py:number", "number in my_functions.py is no function"),
        ("my_functions.py:", "attribute|name"),
        (":f", "Empty module name|name"),
        ("exits.py:f", "SystemExit"),
        ("broken.py:f", "SyntaxError"),
    ],
)
def test_a_reference_that_leads_nowhere_says_so(reference: str, words: str, folder: Path) -> None:
    import re

    found = evaluation.trace(by_reference(reference, folder)).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("function", "program.function")
    assert re.search(words, found.message), found.message
    assert str(folder) not in found.message


def test_a_failure_in_a_file_is_told_by_its_lines(folder: Path) -> None:
    found = evaluation.trace(by_reference("my_functions.py:failing", folder)).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("function", "program.function")
    assert found.frames == [
        "my_functions.py:8, in failing: return helper(x)",
        'my_functions.py:11, in helper: raise ValueError("in the file")',
    ]
