"""Text that a user types is Python: values, settings and sources, right, wrong and hostile."""

from __future__ import annotations

import threading

import pytest
from msgspec import UNSET

from jaxtui.program.engine import evaluation
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Program, Session
from jaxtui.wire.protocol import frame
from tests.support.wrong import Wrong, check, composition, run_failure, trace, wrong

IDENTITY = "def f(x):\n    return x\n"


def of_value(text: str, source: str = IDENTITY, **parameters: int) -> Session:
    program = Program(source=source, arguments=[Argument(name="x", value=text)], layers=[Vmap()])
    return Session(program=program, parameters=parameters)


def of_source(source: str, value: str = "ones(3)") -> Session:
    arguments = [Argument(name="x", value=value)]
    return Session(program=Program(source=source, arguments=arguments, layers=[Vmap()]))


def shape_and_dtype(session: Session) -> tuple[list[int], str]:
    traced = trace(session)
    assert traced.diagnosis is None, traced.diagnosis
    assert traced.flow is not None
    (leaf,) = traced.flow.levels[0].inputs or []
    return leaf.shape, leaf.dtype


# ------------------------------------------------------------------------------- what values know


@pytest.mark.parametrize(
    ("text", "shape", "dtype"),
    [
        ("arange(3)", [3], "int32"),
        ("jnp.arange(3.0)", [3], "float32"),
        ("np.arange(3)", [3], "int64"),
        ("  ones(\n  (2, 3))", [2, 3], "float32"),
        ("ones(3, bfloat16)", [3], "bfloat16"),
        ("normal(4, 2)", [4, 2], "float32"),
        ("normal(4, 2, seed=3, dtype='bfloat16')", [4, 2], "bfloat16"),
        ("uniform(5, minval=-1.0)", [5], "float32"),
        ("randint(5, maxval=3)", [5], "int32"),
        ("keys(4)", [4], "key<fry>"),
        ("jax.random.split(jax.random.PRNGKey(0), 2)", [2, 2], "uint32"),
        ("ones((batch, devices))", [3, 8], "float32"),
        ("helper(2)", [2], "float32"),
        ("sum([ones(2), ones(2)])", [2], "float32"),
        ("abs(-ones(2))", [2], "float32"),
        ("(y := ones(2)) * y", [2], "float32"),
        ("ones(int(array(3.7)))", [3], "float32"),
        ("arange(10)[arange(10) > 6]", [3], "int32"),
        ("linspace(0, 1, 5) if batch > 2 else 0", [5], "float32"),
        ("jax.nn.one_hot(arange(3), 4)", [3, 4], "float32"),
        ("eye(2)  # the unit matrix", [2, 2], "float32"),
    ],
)
def test_a_value_knows_jax_numpy_the_helpers_the_parameters_and_the_source(
    text: str, shape: list[int], dtype: str
) -> None:
    source = "def helper(n):\n    return jnp.ones(n)\n" + IDENTITY
    assert shape_and_dtype(of_value(text, source, batch=3)) == (shape, dtype)


def test_a_value_that_would_be_huge_shows_its_shape_without_being_made() -> None:
    session = of_value("ones((10**5, 10**5))[0:0].reshape(0, 2)[:, 0]")
    assert shape_and_dtype(of_value("zeros((10**4, 10**4), 'int8')"))[0] == [10**4, 10**4]
    assert trace(session).diagnosis is not None


def test_builtins_are_pythons_own_in_a_value() -> None:
    assert shape_and_dtype(of_value("array([max(1, 2), min(1, 2), round(2.7)])"))[0] == [3]


def test_an_assignment_in_one_value_is_no_name_of_the_next() -> None:
    program = Program(
        source="def f(x, y):\n    return x\n",
        arguments=[
            Argument(name="x", value="(leak := ones(3))"),
            Argument(name="y", value="leak"),
        ],
        layers=[Vmap()],
    )
    found = trace(Session(program=program)).diagnosis
    assert found is not None
    assert found.field == "program.arguments.1.value"


def test_a_changed_source_changes_values_that_use_it() -> None:
    def session(n: int) -> Session:
        return of_value("make()", f"def make():\n    return jnp.ones({n})\n{IDENTITY}")

    assert shape_and_dtype(session(3))[0] == [3]
    assert shape_and_dtype(session(5))[0] == [5]


def test_a_source_that_gives_a_known_name_another_meaning_is_heard_in_values() -> None:
    assert shape_and_dtype(of_value("ones(3)"))[0] == [3]
    source = "def ones(n):\n    return jnp.zeros((n, n))\n" + IDENTITY
    assert shape_and_dtype(of_value("ones(3)", source))[0] == [3, 3]
    assert shape_and_dtype(of_value("ones(3)"))[0] == [3]
    assert shape_and_dtype(of_value("ones(4)", source))[0] == [4, 4]
    assert shape_and_dtype(of_value("ones(4)"))[0] == [4]
    rebound = "import numpy as jnp\n" + IDENTITY
    assert shape_and_dtype(of_value("jnp.ones(3)"))[1] == "float32"
    assert shape_and_dtype(of_value("jnp.ones(3)", rebound))[1] == "float64"


def test_changed_parameters_change_values() -> None:
    assert shape_and_dtype(of_value("ones(n)", n=3))[0] == [3]
    assert shape_and_dtype(of_value("ones(n)", n=4))[0] == [4]


# --------------------------------------------------------------------------- text that is no Python


@pytest.mark.parametrize(
    ("session", "field", "line", "column"),
    [
        (of_value("ones(3"), "program.arguments.0.value", 1, 5),
        (of_value("ones(3))"), "program.arguments.0.value", 1, 8),
        (of_value("x = 3"), "program.arguments.0.value", 1, None),
        (of_value("'abc"), "program.arguments.0.value", 1, 1),
        (of_value("1 +"), "program.arguments.0.value", 1, None),
        (of_source("def f(x):\n    return x +\n"), "program.source", 2, None),
        (of_source("def f(x)\n    return x\n"), "program.source", 1, 9),
        (of_source("def f(x):\nreturn x\n"), "program.source", 2, 1),
        (of_source("def f(x):\r\n    return (x\r\n"), "program.source", 2, 12),
        (of_source("def f(x):\n\treturn x\n        y\n"), "program.source", 3, None),
        (of_source("def f(x):\n    größe = x +* 2\n"), "program.source", 2, None),
        (of_source("x = 1\nfrom __future__ import annotations\n"), "program.source", 2, None),
        (of_source("return 3"), "program.source", 1, None),
        (of_source("def f(x): return await x"), "program.source", 1, None),
    ],
)
def test_a_syntax_error_is_said_with_its_line_and_column(
    session: Session, field: str, line: int, column: int | None
) -> None:
    found = trace(session).diagnosis
    assert found is not None
    assert (found.kind, found.field, found.line) == ("syntax", field, line), found
    assert found.column is not UNSET
    if column is not None:
        assert found.column == column


@pytest.mark.parametrize(
    "text", ["ones(3)\0", "(" * 5000 + ")" * 5000, "-" * 100_000 + "1", "\ud800"]
)
def test_text_that_python_cannot_read_at_all_is_no_syntax_to_point_at(text: str) -> None:
    for session in (of_value(text), of_source(text)):
        found = trace(session).diagnosis
        assert found is not None
        assert found.kind == "syntax", found
        frame(trace(session))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("# only a comment\n", "defines no function"),
        ("\n\n", "there is no function yet"),
        ("x = 3\n", "defines no function"),
        ("import math\n", "defines no function"),
        ("async def f(x):\n    return x\n", "async"),
    ],
)
def test_a_source_without_a_function_says_so(source: str, words: str) -> None:
    found = trace(of_source(source)).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("function", "program.source")
    assert words in found.message


@pytest.mark.parametrize(
    "source",
    [
        "from __future__ import annotations\ndef f(x: Never) -> Nowhere:\n    return x\n",
        "def f(x):\r\n    return x\r\n",
        "def f(x):\n\tif True:\n\t\treturn x\n",
        "def función(größe):\n    return größe * 2\n",
        "# -*- coding: utf-8 -*-\ndef f(x):\n    '''π'''\n    return x\n",
        "import warnings\nwarnings.warn('!')\ndef f(x):\n    warnings.warn('?')\n    return x\n",
        "if True:\n    def f(x):\n        return x\n",
        "try:\n    import nowhere_at_all\nexcept ImportError:\n    def f(x):\n        return x\n",
        "f: object = lambda x: x\n",
        "from jax.numpy import sin\n",
        "x = 3; f = lambda x: x",
        "del jnp\ndef f(x):\n    return x\n",
        "def f(x):\n    return x\n" + "# long\n" * 20_000,
    ],
)
def test_a_source_is_plain_python(source: str) -> None:
    traced = trace(of_source(source))
    assert traced.diagnosis is None, traced.diagnosis
    assert run_failure(of_source(source)) is None


# ----------------------------------------------------------------------------------- what it raises

EVIL = """
class Silent(Exception):
    def __str__(self):
        raise RuntimeError("no words")
class Unseen:
    def __repr__(self):
        raise RuntimeError("not to be seen")
class Stubborn:
    def __getattr__(self, name):
        raise RuntimeError(name)
def deep(n):
    return deep(n + 1)
def gen():
    yield 1
"""

# fmt: off
VALUES = [
    wrong(name, EVIL + IDENTITY, f"x = {text}", (), kind, "x", words)
    for name, text, kind, words in (
        ("a misspelt name", "onse(3)", "value", "NameError"),
        ("an exception", "1 / 0", "value", "ZeroDivisionError"),
        ("a wrong reshape", "arange(5).reshape(2, 3)", "value", "reshape"),
        ("exit", "exit()", "value", "SystemExit: the code asked for the end"),
        ("exit within", "[exit(3)]", "value", "SystemExit"),
        ("an interrupt", "(_ for _ in ()).throw(KeyboardInterrupt)", "value", "KeyboardInterrupt"),
        ("a generator's exit", "(_ for _ in ()).throw(GeneratorExit)", "value", "GeneratorExit"),
        ("an iteration's stop", "next(iter(()))", "value", "StopIteration"),
        ("endless recursion", "deep(0)", "value", "RecursionError"),
        ("a wordless exception", "(_ for _ in ()).throw(Silent)", "value", "Silent"),
        ("a huge message", "int('9' * 3000 + 'x')", "value", "invalid literal"),
        ("an unprintable message", r"(_ for _ in ()).throw(ValueError('\ud800\0'))", "value",
            "ValueError"),
        ("a missing file", "load('nowhere.npy')", "value", "there is no nowhere.npy"),
    )
]
SOURCES = [
    wrong(name, EVIL + source, "x = ones(3)", Vmap(), "function", "program.source", words)
    for name, source, words in (
        ("a misspelt name", "def f(x): return jnp.sine(x)\n", "line 1[0-9].*sine"),
        ("an exception", "def f(x): raise ValueError('mine')\n", "ValueError: mine"),
        ("an exception at the top", "1 / 0\ndef f(x): return x\n", "line 15: ZeroDivisionError"),
        ("a syntax error that it makes itself", "exec('(')\ndef f(x): return x\n", "SyntaxError"),
        ("exit at the top", "exit()\ndef f(x): return x\n", "SystemExit: the code asked"),
        ("exit", "def f(x): exit(3)\n", "SystemExit: the code asked"),
        ("an interrupt", "def f(x): raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("a generator's exit", "def f(x): raise GeneratorExit\n", "GeneratorExit"),
        ("an iteration's stop", "def f(x): return next(iter(()))\n", "StopIteration"),
        ("endless recursion", "def f(x): return deep(x)\n", "RecursionError"),
        ("a wordless exception", "def f(x): raise Silent\n", "Silent"),
        ("a huge message", "def f(x): raise ValueError('long ' * 10**6)\n", "long long"),
        ("a message of many lines", "def f(x): raise ValueError('a\\nb\\n\\nc')\n", "Error: a b"),
        ("an unprintable message", "def f(x): raise ValueError('\\ud800')\n", "ud800"),
        ("an assertion", "def f(x):\n    assert False\n", "line 16: AssertionError$"),
        ("an address in a message", "def f(x): raise ValueError(object())\n", "object object>"),
        ("an exception without a type of its own", "def f(x): raise BaseException('b')\n",
            "BaseException: b"),
        ("a group of exceptions", "def f(x): raise ExceptionGroup('several', [ValueError(1)])\n",
            "several"),
    )
]
# fmt: on


@pytest.mark.parametrize("case", VALUES)
def test_whatever_a_value_raises_is_said_at_the_value(case: Wrong) -> None:
    frame(trace(case.session))
    check(case)


@pytest.mark.parametrize("case", SOURCES)
def test_whatever_the_code_raises_is_said_at_the_source(case: Wrong) -> None:
    frame(trace(case.session))
    check(case)


def test_a_misspelt_name_comes_with_the_right_spelling() -> None:
    found = trace(of_value("onse(3)")).diagnosis
    assert found is not None
    assert "ones(3)" in [fix.text for fix in found.fixes]


def test_the_frames_are_the_users_own_lines_outermost_first() -> None:
    source = (
        "def inner(x):\n"
        "    y = x * 2\n"
        "    return jnp.dot(y, jnp.ones(7))\n"
        "def middle(x):\n"
        "    return jax.tree.map(inner, x)\n"
        "def f(x):\n"
        "    return middle(x)\n"
    )
    found = trace(of_source(source, "ones((3, 4))")).diagnosis
    assert found is not None
    assert found.line == 3
    assert found.frames == [
        "line 7, in f: return middle(x)",
        "line 5, in middle: return jax.tree.map(inner, x)",
        "line 3, in inner: return jnp.dot(y, jnp.ones(7))",
    ]


def test_of_very_many_frames_only_the_first_and_the_last_are_told() -> None:
    found = trace(of_source("def f(x):\n    return f(x)\n")).diagnosis
    assert found is not None
    assert found.frames is not UNSET
    assert len(found.frames) < 20
    assert any("more calls" in frame for frame in found.frames)


def test_a_leaked_tracer_is_told_as_the_functions_failure() -> None:
    leak = "kept = []\n@jax.jit\ndef g(x):\n    kept.append(x)\n    return x\n"
    found = run_failure(of_source(f"{leak}def f(x):\n    g(x)\n    return kept[0] + 1\n"))
    assert found is not None
    assert (found.field, found.line) == ("program.source", 8)
    assert "UnexpectedTracerError" in found.message
    assert "0x" not in found.message


# ---------------------------------------------------------------------------------- strange objects


@pytest.mark.parametrize(
    "text",
    ["gen()", "jnp.sin", "np", "Unseen()", "Stubborn()", "type", "object()", "{1, 2}", "b'bytes'",
     "...", "f", "iter([])", "[Unseen(), 1.0]", "'text'", "slice(3)", "10**400", "lambda: 0"],
)  # fmt: skip
def test_strange_values_are_refused_or_passed_on_but_always_answered(text: str) -> None:
    program = Program(
        source=EVIL + IDENTITY.replace("return x", "return 1.0"),
        arguments=[Argument(name="x", value=text)],
    )
    traced = trace(Session(program=program))
    frame(traced)
    assert traced.flow is not None or traced.diagnosis is not None
    run_failure(Session(program=program))
    mapped = Session(
        program=Program(source=program.source, arguments=program.arguments, layers=[Vmap()])
    )
    found = trace(mapped).diagnosis
    assert isinstance(found, Diagnosis)
    frame(trace(mapped))


@pytest.mark.parametrize("text", ["gen()", "Unseen()", "np", "'text'", "{1}", "f", "object()"])
def test_strange_results_are_shown_as_what_they_are(text: str) -> None:
    session = Session(program=Program(source=f"{EVIL}def f():\n    return {text}\n"))
    traced = trace(session)
    assert traced.diagnosis is None, traced.diagnosis
    frame(traced)
    evaluation.run(composition(session), lambda stage: None, lambda: False)
    mapped = Session(program=Program(source=session.program.source, layers=[Vmap(axis_size="3")]))
    assert trace(mapped).diagnosis is not None


def test_nothing_that_is_raised_ends_the_thread() -> None:
    ended: list[bool] = []

    def work() -> None:
        for text in ("exit()", "(_ for _ in ()).throw(KeyboardInterrupt)"):
            trace(of_value(text))
            run_failure(of_value(text))
            trace(of_source(f"{text}\n{IDENTITY}"))
            run_failure(of_source(f"def f(x):\n    return {text}\n"))
        ended.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(60)
    assert ended == [True]
