"""A pane fills the screen and gives it back, and the left column gets wider and narrower."""

from __future__ import annotations

from typing import Any

import pytest
from textual.widget import Widget

from jaxtui.screen.base import LEAST_COLUMNS, WorkScreen
from jaxtui.screen.screens import KEYED
from tests.support.fake_client import Bench
from tests.support.tables import one_in


def screen(bench: Bench) -> WorkScreen[Any]:
    found = bench.app.screen
    assert isinstance(found, WorkScreen)
    return found


def sizes(bench: Bench) -> list[tuple[Widget, Any]]:
    return [(pane, pane.region.size) for pane in screen(bench).query(".pane")]


@pytest.mark.parametrize("size", one_in(2, [(120, 40), (80, 24)]))
@pytest.mark.parametrize("entry", one_in(3, KEYED), ids=lambda entry: entry.name)
async def test_each_pane_fills_the_screen_and_gets_its_place_back(
    entry: Any, size: tuple[int, int]
) -> None:
    async with Bench().open(size=size) as bench:
        await bench.settled()
        await bench.press(entry.key, "tab")
        panes = list(screen(bench).query(".pane"))
        before = sizes(bench)
        for pane in panes:
            focusable = [
                w for w in pane.walk_children(with_self=True) if w in screen(bench).focus_chain
            ]
            if not pane.display or not focusable:
                continue
            screen(bench).set_focus(focusable[0])
            await bench.settle()
            before = sizes(bench)
            await bench.press("f9")
            width, height = size
            assert pane.region.width == width, pane
            assert pane.region.height >= height - 2, pane
            assert screen(bench).header_line.region.y == 0
            assert screen(bench).key_line.region.bottom == height
            await bench.press("f9")
            assert screen(bench).maximized is None
            assert sizes(bench) == before


async def test_escape_gives_the_place_back_and_says_so() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("z")
        assert screen(bench).maximized is screen(bench).main_pane
        assert "z all panes" in bench.text
        assert "matrix_vector_product" not in bench.text
        await bench.press("escape")
        assert screen(bench).maximized is None
        assert "matrix_vector_product" in bench.text


async def test_a_letter_in_a_field_is_typed() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("tab", "tab", "z", "<")
        assert screen(bench).maximized is None
        assert "z<" in bench.session.program.source


async def test_the_pane_that_was_left_last_is_taken() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("tab", "tab", "escape", "z")
        assert screen(bench).maximized is bench.app.map_screen.editor


async def test_a_pane_behind_that_gets_the_focus_is_shown() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("z")
        screen(bench).set_focus(bench.app.map_screen.layer_list)
        await bench.settle()
        assert screen(bench).maximized is None


async def test_the_left_column_is_as_wide_as_one_wants_and_both_sides_stay() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        column = screen(bench).left_column
        assert column is not None
        before = column.outer_size.width
        await bench.press(">")
        assert column.outer_size.width == before + 4
        await bench.press("<", "<")
        assert column.outer_size.width == before - 4
        screen(bench).move_split(-200)
        await bench.settle()
        least = column.outer_size.width
        assert LEAST_COLUMNS <= least <= before - 4
        screen(bench).move_split(200)
        await bench.settle()
        assert column.outer_size.width == 120 - LEAST_COLUMNS
        await bench.press("2", "<")
        assert "no column of this screen has another beside it" in bench.text
