"""`in_axes` text, one cell an argument."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.program.screen.axes import Cells, replaced, split


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", ("", "")),
        ("0", ("0", "0")),
        ("-1", ("-1", "-1")),
        ("None", ("None", "None")),
        ("(0, None)", ("0", "None")),
        ("0, None", ("0", "None")),
        ("[0, 1]", ("0", "1")),
        ("({'w': 0, 'b': None}, (0, 1))", ("{'w': 0, 'b': None}", "(0, 1)")),
        ("(0,)", ("0", "")),
        ("()", ("", "")),
        ("( 0 ,\n  1 )", ("0", "1")),
    ],
)
def test_every_argument_has_its_entry(text: str, cells: tuple[str, ...]) -> None:
    found = split(text, 2)
    assert found is not None
    assert found.texts == cells


@pytest.mark.parametrize("text", ["(0, ", "0 0", "(0,) * 2", "axes", "{'w': 0}", "(*axes,)", "\0"])
def test_what_cannot_be_taken_apart_is_left_alone(text: str) -> None:
    assert split(text, 2) is None


def test_a_call_is_one_spec_for_all_arguments_only_in_in_specs() -> None:
    found = split("P('x')", 2, "P()")
    assert found is not None
    assert found.texts == ("P('x')", "P('x')")
    assert split("P('x')", 2, "0") is None


@pytest.mark.parametrize(
    ("text", "index", "cell", "joined"),
    [
        ("", 1, "None", "(0, None)"),
        ("0", 1, "None", "(0, None)"),
        ("(0, 0)", 0, "1", "(1, 0)"),
        ("(0, 0)", 0, "", "(0, 0)"),
        ("(0, 0)", 0, "N", "(N, 0)"),
        ("(0, 1, 2)", 0, "2", "(2, 1, 2)"),
    ],
)
def test_editing_one_entry_writes_a_tuple(text: str, index: int, cell: str, joined: str) -> None:
    cells = split(text, 2)
    assert cells is not None
    assert replaced(cells, index, cell)[0] == joined


def test_one_argument_makes_a_tuple_of_one() -> None:
    cells = split("0", 1)
    assert cells is not None
    assert replaced(cells, 0, "1")[0] == "(1,)"


def test_empty_cells_are_no_text_at_all() -> None:
    assert replaced(Cells(("0", "")), 0, "")[0] == ""


def test_a_half_typed_cell_stays_as_it_was_typed() -> None:
    cells = split("(0, 0)", 2)
    assert cells is not None
    joined, kept = replaced(cells, 1, "{'w':")
    assert split(joined, 2) is None
    assert kept.texts == ("0", "{'w':")


ENTRIES = st.sampled_from(["0", "1", "-1", "None", "{'a': 0}", "(0, None)", "[1, 2]", "-2"])


@given(st.lists(ENTRIES, min_size=1, max_size=5), st.data())
def test_what_was_put_in_comes_back_out(entries: list[str], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(entries) - 1))
    entry = data.draw(ENTRIES)
    joined, _ = replaced(Cells(tuple(entries)), index, entry)
    expected = [*entries[:index], entry, *entries[index + 1 :]]
    found = split(joined, len(entries))
    assert found is not None
    assert list(found.texts) == expected
    assert ast.literal_eval(joined) == tuple(map(ast.literal_eval, expected))


def test_an_argument_by_name_gets_no_entry_unless_one_was_typed() -> None:
    joined, cells = replaced(Cells(("", "", ""), shared=True), 0, "1", count=2)
    assert joined == "(1, 0)"
    assert replaced(cells, 1, "None", count=2)[0] == "(1, None)"
    assert replaced(Cells(("0", "0"), shared=True), 0, "1", count=1)[0] == "(1,)"
    assert replaced(Cells(("0", "2")), 0, "1", count=1)[0] == "(1, 2)"
