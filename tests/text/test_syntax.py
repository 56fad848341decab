"""What is said of texts that are no expressions."""

from __future__ import annotations

import ast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxtui.text.syntax import expression_fault


@pytest.mark.parametrize("text", ["", " ", "0", "None", "(0, 1)", "{'w': 0}", "P('x',)", "q"])
def test_an_expression_has_no_fault(text: str) -> None:
    assert expression_fault(text) == ""


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (")x(", "unmatched ')' (column 1)"),
        ("(0", "'(' was never closed (column 1)"),
        ("0,1", "this is several; a tuple is written (0,1)"),
        ("x = 1", "invalid syntax"),
    ],
)
def test_the_fault_is_told_in_pythons_words(text: str, fault: str) -> None:
    assert expression_fault(text).startswith(fault)


@given(st.text(alphabet="()[]{},0x'=* \n\0é", max_size=12))
@example("(" * 300)
def test_a_text_without_fault_is_an_entry_of_its_own_in_a_tuple(text: str) -> None:
    if text.strip() and not expression_fault(text):
        node = ast.parse(f"(0, {text.strip()}\n)", mode="eval").body
        assert isinstance(node, ast.Tuple)
        assert len(node.elts) == 2
