"""A text that is no Python is told by Python's words and the place, and by no name of ours."""

from __future__ import annotations

import ast

import pytest

from jaxtui.session.export import ExportError, script
from jaxtui.session.python_faults import fault_of
from jaxtui.session.session import Argument, Program, Session


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:", "invalid syntax (column 7)"),
        ("x = 1\ny = (2", "'(' was never closed (line 2)"),
        ("\0", "source code string cannot contain null bytes"),
    ],
)
def test_the_place_is_a_column_of_one_line_and_a_line_of_several(text: str, told: str) -> None:
    with pytest.raises((SyntaxError, ValueError)) as caught:
        ast.parse(text)
    assert fault_of(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("source", "value", "told"),
    [
        ("def f(x):\n    return (x", "ones(3)", "no Python: '(' was never closed (line 2)"),
        ("def f(x): return x", "ones(3", "no Python: '(' was never closed (column 5)"),
    ],
)
def test_a_script_is_refused_with_them(source: str, value: str, told: str) -> None:
    arguments = (Argument(name="x", value=value),)
    session = Session(program=Program(source=source, arguments=arguments))
    with pytest.raises(ExportError) as caught:
        script(session)
    assert str(caught.value) == told
