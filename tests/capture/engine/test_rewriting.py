"""The recorder stands around a name wherever the top level of a script binds it."""

from __future__ import annotations

import ast

import pytest

from jaxtui.capture.engine import rewriting


def bindings(source: str, name: str = "f") -> tuple[int, list[str]]:
    """How often the recorder was put in, and what it was given, in order."""
    tree = ast.parse(source)
    count = rewriting.rewritten(tree, name)
    given: list[str] = []

    def recorded(value: object) -> object:
        given.append(getattr(value, "__name__", str(value)))
        return value

    exec(compile(tree, "script.py", "exec"), {rewriting.RECORDED: recorded})
    return count, given


@pytest.mark.parametrize(
    ("source", "count", "given"),
    [
        ("def f(x): pass", 1, ["f"]),
        ("import functools\n@functools.cache\ndef f(x): pass", 1, ["f"]),
        ("class f:\n    def g(self): pass", 1, ["f"]),
        ("def g(x): pass\nf = g", 1, ["g"]),
        ("def f(x): pass\nf = print", 2, ["f", "print"]),
        ("g, (f, *h) = 1, (2, 3)", 1, ["2"]),
        ("f: object = 3", 1, ["3"]),
        ("f: int", 0, []),
        ("from math import sin as f", 1, ["sin"]),
        ("import math as f", 1, ["math"]),
        ("import os.path", 0, []),
        ("if True:\n    def f(x): pass\nelse:\n    f = 3", 2, ["f"]),
        ("try:\n    import nowhere_at_all\nexcept ImportError:\n    f = 3", 1, ["3"]),
        ("for i in range(2):\n    f = i", 1, ["0", "1"]),
        ("with open('/dev/null'):\n    f = 3", 1, ["3"]),
        ("match 1:\n    case 1:\n        f = 3", 1, ["3"]),
        ("def g():\n    f = 3\ng()", 0, []),
        ("class C:\n    f = 3", 0, []),
        ("class C: pass\nf = C()\nf.x = 4", 1, None),
    ],
)
def test_every_binding_at_the_top_level_is_recorded(
    source: str, count: int, given: list[str] | None
) -> None:
    found = bindings(source)
    assert found[0] == count
    assert given is None or found[1] == given


def test_lines_stay_where_they_were() -> None:
    tree = ast.parse("def f(x):\n    return x\n\nf(1)\nraise ValueError\n")
    rewriting.rewritten(tree, "f")
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the bare one that it raises)
        exec(compile(tree, "script.py", "exec"), {rewriting.RECORDED: lambda f: f})
    assert error.traceback[-1].lineno == 4


@pytest.mark.parametrize(
    ("source", "works"),
    [
        ("import jax\njax.config.update('jax_enable_x64', True)\nx = 1\ndef f(): pass\n", False),
        ("'''words'''\nif __name__ == '__main__':\n    main()\n", False),
        ("def main(): pass\nmain()\n", True),
        ("for i in range(3):\n    print(i)\n", True),
    ],
)
def test_it_is_known_whether_a_script_works_when_it_is_imported(source: str, works: bool) -> None:
    assert rewriting.works_when_imported(ast.parse(source)) == works


def test_the_names_that_an_import_binds_are_not_those_of_main() -> None:
    tree = ast.parse("x = 1\nif __name__ == '__main__':\n    y = 2\nif x:\n    z = 3\n")
    assert rewriting.names(tree) == ["x", "y", "z"]
    assert rewriting.names(tree, imported=True) == ["x", "z"]
