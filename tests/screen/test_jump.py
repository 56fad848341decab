"""Letters on panes and fields, and the line at the bottom: what has the focus, and its keys."""

from __future__ import annotations

import pytest

from jaxtui.program.screen.tab_line import TabLine
from jaxtui.screen.jump import JumpKeys, JumpLabel
from jaxtui.screen.places import places
from tests.support.fake_client import Bench


def letter_of(bench: Bench, name: str) -> str:
    labels = bench.app.screen.query(JumpLabel)
    return next(label.letter for label in labels if label.place.name == name)


def footer(bench: Bench) -> str:
    return bench.text.splitlines()[-1]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_a_letter_goes_to_its_pane_or_field(size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await bench.settled()
        await bench.press("ctrl+g")
        names = [label.place.name for label in bench.app.screen.query(JumpLabel)]
        assert len(set(names)) == len(names)
        assert {"Editor", "value of matrix", "in_axes of vector", "Layers", "Shapes"} <= set(names)
        await bench.press(letter_of(bench, "in_axes of vector"))
        assert bench.app.focused is bench.app.map_screen.arguments._rows[1].axis_input
        assert not bench.app.screen.query(JumpLabel)
        await bench.press("N")  # the field is selected, and takes what is typed
        assert bench.session.program.layers[0].in_axes == "(0, N)"


async def test_it_works_from_within_a_field_and_any_other_key_goes_back() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        area = bench.app.map_screen.editor.area
        area.focus()
        for key in ("escape", "ctrl+g", "space", "down"):
            await bench.press("ctrl+g")
            assert isinstance(bench.app.focused, JumpKeys)
            assert footer(bench).strip().startswith("Go to  its letter goes there  esc back")
            await bench.press(key)
            await bench.settle()
            assert bench.app.focused is area
            assert not bench.app.screen.query(JumpLabel)
        assert bench.session.program.source == area.text


@pytest.mark.parametrize("keys", ["2", "3", "4", "5", "6"])
async def test_every_screen_has_places_with_names_of_their_own(keys: str) -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press(*keys)
        names = [place.name for place in places(bench.app.screen)]
        assert names
        assert all(names)
        assert len(set(names)) == len(names)


async def test_the_focused_pane_is_named_with_its_own_keys_first() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        screen = bench.app.map_screen
        screen.results.array_view.focus()
        await bench.settle()
        assert footer(bench).startswith(" Result  m heat map  d by device  r c axes  t transpose")
        screen.query_one(TabLine).focus()
        await bench.settle()
        assert footer(bench).startswith(" Result tabs  ←→ turn")
        screen.arguments._rows[0].value_input.focus()
        await bench.settle()
        assert footer(bench).startswith(" value of matrix  F5 run")


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_message_leaves_keys_on_view(size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await bench.settled()
        before = footer(bench)
        assert "? help" in before
        await bench.press("f")
        assert footer(bench).rstrip().endswith("there is nothing to fix")
        assert footer(bench).startswith(" F5 run  tab fields")
        assert "? help" in footer(bench)
        said = "nothing that fits beside keys: " + "x" * 40
        bench.app.say(said)
        await bench.settle()
        assert said in footer(bench)


async def test_the_heat_map_is_a_key_away_from_anywhere() -> None:
    async with Bench().open((80, 24)) as bench:
        await bench.settled()
        await bench.press("m")
        view = bench.app.map_screen.results.array_view
        assert bench.app.map_screen.has_class("-results")
        assert view is not None
        assert view._heat
