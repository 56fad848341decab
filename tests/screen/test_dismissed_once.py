"""What closes a dialog twice leaves the screen behind it alone."""

from __future__ import annotations

import pytest

from jaxtui.app.palette import Palette
from jaxtui.screen.dialogs import ChoiceDialog
from jaxtui.screen.filter_list import FilterList
from tests.support.fake_client import Bench


async def test_a_dialog_that_is_dismissed_twice_is_left_once() -> None:
    async with Bench().open() as bench:
        behind, answers = bench.app.screen, []
        dialog = ChoiceDialog("Which?", [("a", "A"), ("b", "B")])
        bench.app.push_screen(dialog, answers.append)
        await bench.settle()
        dialog.dismiss("a")
        dialog.dismiss("b")
        await bench.settle()
        assert bench.app.screen is behind
        assert answers == ["a"]


@pytest.mark.parametrize("mode", ["1", "3"])
async def test_a_palette_that_is_chosen_from_twice_is_left_once(mode: str) -> None:
    async with Bench().open() as bench:
        await bench.press("escape", mode, "ctrl+p")
        palette, behind = bench.app.screen, bench.app.screen_stack[-2]
        assert isinstance(palette, Palette)
        palette.dismiss()
        palette.dismiss()
        await bench.settle()
        assert bench.app.screen is behind


async def test_what_was_chosen_is_taken_though_the_list_has_been_filtered_since() -> None:
    async with Bench().open() as bench:
        answers: list[str | None] = []
        choices = [(str(n), f"choice {n}") for n in range(12)]
        bench.app.push_screen(ChoiceDialog("Which?", choices), answers.append)
        await bench.settle()
        listed = bench.app.screen.query_one(FilterList)
        listed.highlighted = 7
        listed.action_select()  # whose message is on its way
        listed._filter("nothing has this")
        await bench.settle()
        assert answers == ["7"]
