"""Finding: an element of the result, a place in a listing."""

from __future__ import annotations

import pytest

from jaxtui.screen.dialogs import FindDialog
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.wire.base import Failed
from jaxtui.wire.program import Inspect, Inspected
from jaxtui.wire.results import CellFound, FindCell
from tests.support import made_events as made
from tests.support.fake_client import Bench


async def asked_for(bench: Bench, text: str) -> None:
    """Press / and type `text` over what stands there."""
    await bench.press("slash")
    assert isinstance(bench.app.screen, FindDialog)
    await bench.press("ctrl+u")
    await bench.paste(text)
    await bench.press("enter")


async def test_the_cursor_goes_to_the_element_that_is_found() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.answer_windows()
        await asked_for(bench, "> 50")
        assert "looking for > 50" in bench.text
        [asked] = bench.client.asked(FindCell)
        assert (asked.wanted, asked.after, asked.device) == ("> 50", [0, 0], None)
        await bench.hear(CellFound(id=asked.id, index=[1, 1]))
        assert "[1, 1] = 53" in bench.text
        await bench.press("slash", "enter")
        again = bench.client.asked(FindCell)[-1]
        assert (again.wanted, again.after) == ("> 50", [1, 1])
        await bench.hear(CellFound(id=again.id, index=[1, 1]))
        assert "nothing else is > 50" in bench.text


async def test_an_index_needs_no_engine_and_may_count_from_the_end() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.answer_windows()
        await asked_for(bench, "[-1, 0]")
        assert "[1, 0] = 39" in bench.text
        await asked_for(bench, "[2, 0]")
        assert "there is no 2 along axis 0, which has 2 elements" in bench.text
        await asked_for(bench, "[1]")
        assert "an index here has 2 numbers" in bench.text
        assert not bench.client.asked(FindCell)


async def test_what_cannot_be_read_is_said_in_the_dialog() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await asked_for(bench, "about 3")
        assert isinstance(bench.app.screen, FindDialog)
        assert "'about 3' is none of nan, inf" in " ".join(bench.text.split())
        await bench.press("escape")
        assert not bench.client.asked(FindCell)


async def test_nothing_found_and_nothing_looked_for_are_said() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.answer_windows()
        await asked_for(bench, "nan")
        await bench.hear(CellFound(id=bench.client.asked(FindCell)[-1].id, index=None))
        assert "nothing here is nan" in bench.text
        await asked_for(bench, "max")
        no = Diagnosis(kind="value", field=FieldPath(""), message="PRNG keys cannot be compared")
        await bench.hear(Failed(id=bench.client.asked(FindCell)[-1].id, diagnosis=no))
        assert "PRNG keys cannot be compared" in bench.text
        assert bench.explorer.work.diagnosis is None


@pytest.mark.long
async def test_an_answer_about_the_result_before_moves_nothing() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.answer_windows()
        await asked_for(bench, "max")
        [asked] = bench.client.asked(FindCell)
        bench.explorer.run()
        await bench.hear(made.ran(bench.client.run.id))
        await bench.answer_windows()
        await bench.hear(CellFound(id=asked.id, index=[1, 1]))
        assert "[0, 0] = 5" in bench.text


@pytest.mark.long
async def test_a_listing_is_searched_from_the_cursor_and_round_to_the_start() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press(*"ssss")
        asked = bench.client.asked(Inspect)[-1]
        listing = "a = add b\n" + "\n" * 60 + "c = MUL d\n"
        await bench.hear(Inspected(id=asked.id, view="jaxpr", text=listing))
        assert "MUL" not in bench.text
        await asked_for(bench, "mul")
        pane = bench.app.map_screen.results.program
        assert pane is not None
        assert pane.view.found == (61, 4, 7)
        assert "c = MUL d" in bench.text
        await asked_for(bench, "a")
        assert pane.view.found == (0, 0, 1)
        await bench.press("slash", "enter")
        assert pane.view.found == (0, 4, 5)
        await asked_for(bench, "sub")
        assert "'sub' is not in this text" in bench.text


async def test_where_there_is_nothing_to_find_it_is_said() -> None:
    async with Bench().open() as bench:
        await bench.press("slash")
        assert "there is nothing to find here" in bench.text
