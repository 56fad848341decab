"""A result whose values are not all read when its engine goes, or gives the reading up."""

from __future__ import annotations

import pytest

from jaxtui.wire.base import Cancelled, Gone
from jaxtui.wire.results import ReadWindow, Summarize
from tests.support import made_events as made
from tests.support.fake_client import Bench


async def unread(bench: Bench) -> ReadWindow:
    """Have a result of which no cell has been read yet."""
    await bench.hear(made.ready())
    await bench.trace_answered()
    bench.client.say(made.ran(bench.client.run.id))
    await bench.until(lambda: bool(bench.client.asked(ReadWindow)))
    return bench.client.asked(ReadWindow)[-1]


@pytest.mark.parametrize("how", ["dies", "is restarted"])
async def test_values_that_went_with_their_engine_are_said_to_be_gone(how: str) -> None:
    async with Bench().open() as bench:
        await unread(bench)
        if how == "dies":
            bench.client.say(Gone(reason="it was aborted", status=-6, wanted=False))
        else:
            bench.app.action_restart_engine()
        await bench.settle()
        assert "these values went with the old engine; F5 computes them again" in bench.text
        bench.client.take(ReadWindow)
        await bench.press("f5")
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(made.ran(bench.client.run.id))
        assert "these values went" not in bench.text
        assert "53." in bench.text


async def test_a_reading_that_was_given_up_is_said_and_asked_for_by_the_next_key() -> None:
    async with Bench().open() as bench:
        asked = await unread(bench)
        for summary in bench.client.asked(Summarize):
            bench.client.say(Cancelled(id=summary.id))
        await bench.settle()
        assert "was given up" not in bench.text
        bench.client.say(Cancelled(id=asked.id))
        await bench.settle()
        assert "reading these values was given up" in bench.text
        bench.client.take(ReadWindow)
        view = bench.app.map_screen.results.array_view
        assert view is not None
        view.focus()
        await bench.press("down")
        await bench.until(lambda: "53." in bench.text)
