"""In a wide terminal two tabs of the results stand side by side."""

from __future__ import annotations

import msgspec
import pytest

from jaxtui.program.screen.beside_pane import BesidePane
from jaxtui.program.screen.screen import MapScreen
from jaxtui.program.screen.tab_line import VALUES
from jaxtui.screen.dialogs import FindDialog
from tests.support import made_events as made
from tests.support.fake_client import Bench

WIDE = (200, 60)
NOTED = msgspec.structs.replace(made.session(), notes="Read the shapes from left to right.")


def beside(bench: Bench) -> BesidePane:
    found = bench.app.map_screen.beside
    assert found is not None
    return found


async def turned_to_it(bench: Bench) -> MapScreen:
    await bench.settled()
    await bench.until(lambda: bench.app.map_screen.beside is not None and beside(bench).is_mounted)
    beside(bench).tab_line.focus()
    await bench.settle()
    return bench.app.map_screen


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (159, 60)])
async def test_there_is_none_without_room(size: tuple[int, int]) -> None:
    async with Bench().open(size=size) as bench:
        await bench.settled()
        assert bench.app.map_screen.beside is None


async def test_it_shows_the_notes_beside_the_values() -> None:
    async with Bench(NOTED).open(size=WIDE) as bench:
        screen = await turned_to_it(bench)
        assert screen.results.tab == VALUES
        assert beside(bench).tab == "Notes"
        assert "Read the shapes from left to right." in bench.text
        assert VALUES not in dict(beside(bench).tab_line.tabs)


async def test_without_notes_it_shows_where_the_shards_lie() -> None:
    async with Bench().open(size=WIDE) as bench:
        await turned_to_it(bench)
        assert beside(bench).tab == "Shards"


@pytest.mark.long
async def test_it_shows_no_tab_twice() -> None:
    async with Bench().open(size=WIDE) as bench:
        screen = await turned_to_it(bench)
        screen.results.tab_line.focus()
        seen = []
        for _ in screen.results.tab_line.tabs:
            await bench.press("s")
            seen.append(beside(bench).tab)
            assert screen.results.tab != beside(bench).tab
        assert set(seen) == {"Shards", "Python"}


async def test_keys_act_on_the_pane_that_has_the_focus() -> None:
    async with Bench(NOTED).open(size=WIDE) as bench:
        screen = await turned_to_it(bench)
        while beside(bench).tab != "Python":
            await bench.press("s")
        assert screen.results.tab == VALUES
        assert "import jax" in screen.text_to_copy()
        await bench.press("slash")
        assert isinstance(bench.app.screen, FindDialog)
        await bench.press(*"vector", "enter")
        screen.set_focus(None)
        await bench.press("s")
        assert screen.results.tab != VALUES
        assert beside(bench).tab == "Python"


async def test_what_one_turned_to_stays() -> None:
    async with Bench(NOTED).open(size=WIDE) as bench:
        await turned_to_it(bench)
        await bench.press("S")
        chosen = beside(bench).tab
        bench.explorer.open(made.session())
        await bench.settled()
        assert beside(bench).tab == chosen != "Shards"


async def test_it_comes_and_goes_with_the_width() -> None:
    async with Bench(NOTED).open(size=(120, 40)) as bench:
        await bench.settled()
        await bench.resize(*WIDE)
        await bench.until(lambda: "Read the shapes" in bench.text)
        await bench.resize(120, 40)
        assert not beside(bench).display
        assert bench.app.map_screen.pane_in_hand is bench.app.map_screen.results
        await bench.resize(*WIDE)
        assert beside(bench).display


async def test_both_show_the_same_leaf() -> None:
    async with Bench().open(size=WIDE) as bench:
        screen = await turned_to_it(bench)
        await bench.press("o")
        assert beside(bench).leaf == screen.results.leaf
