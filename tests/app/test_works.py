"""The explorer tells all works alike: a made-up fifth one, in one line, is told what others are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from jaxtui.app.explorer import Explorer
from jaxtui.app.works import Begins
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import REST, AwaitedWork, Pending
from jaxtui.session.field_path import FieldPath
from jaxtui.wire.base import Cancel, Describe, Gone, Log, Printed
from jaxtui.wire.benchmark import Continue
from jaxtui.wire.protocol import AnyEvent
from tests.support import made_events as made
from tests.support.fake_client import Bench

OWN = 9000
"""The request of the made-up work."""


def befell(counting: Counting) -> list[str]:
    """What it was told, but for the rests of typing, which come when they come."""
    return [what for what in counting.told if what != "rested"]


class Counting(AwaitedWork):
    """Notes what it is told."""

    SCREEN, TITLE = "counting", "the count"

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.told: list[str] = []
        self.heard: list[AnyEvent] = []
        self.counts = self.late = self.painted = False
        self.pending: Pending[None] | None = None

    @property
    def busy(self) -> bool:
        return self.counts

    @property
    def in_hand(self) -> Pending[None] | None:
        return self.pending

    def words(self) -> str:
        return "counting 3/7" if self.counts else ""

    def edited(self, now: float) -> None:
        self.told.append("edited")

    def replaced(self, now: float) -> None:
        self.told.append("replaced")

    def rested(self, now: float) -> None:
        self.told.append("rested")

    def restarted(self, now: float, *, ended: bool = False) -> None:
        self.told.append("ended" if ended else "restarted")
        self.counts, self.late, self.pending = False, False, None

    def stop(self, now: float) -> Literal["", "asked", "end"]:
        self.told.append("stop")
        return "end" if self.counts else ""

    def overdue(self, now: float) -> bool:
        return self.late

    def left(self) -> None:
        self.told.append("left")

    def take_painted(self) -> Continue | None:
        painted, self.painted = self.painted, False
        return Continue(id=self._next_id(), target=OWN) if painted else None

    def on(self, event: AnyEvent, now: float) -> bool:
        self.heard.append(event)
        return event.id == OWN


class WiderExplorer(Explorer):
    """The explorer with one work more."""

    counting: Begins[Counting] = Begins(f"{__name__}:Counting")


@asynccontextmanager
async def counted(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Bench, Counting]]:
    """An explorer that has settled, in which the made-up work has begun."""
    monkeypatch.setattr("jaxtui.app.explorer.Explorer", WiderExplorer)
    bench = Bench()
    async with bench.open():
        await bench.settled()
        explorer = bench.explorer
        assert isinstance(explorer, WiderExplorer)
        assert [type(work) for work in explorer.begun] == [ProgramWork]
        counting = explorer.counting
        assert explorer.counting is counting
        assert explorer.begun == [explorer.work, counting]
        yield bench, counting


async def test_a_further_work_hears_what_the_engine_says_and_keeps_what_is_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        log = Log(line="a line")
        own = Printed(id=OWN, stream="stdout", text="one, two")
        await bench.hear(log, own)
        assert counting.heard == [log, own]
        assert list(bench.explorer.open_session.log) == ["a line"]
        assert "one, two" not in bench.explorer.work.printed["run"]


async def test_what_came_for_a_further_work_is_painted_before_the_engine_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        counting.painted = True
        await bench.hear(Log(line="a line"))
        assert [request.target for request in bench.client.asked(Continue)] == [OWN]


async def test_a_further_work_is_told_of_edits_and_of_another_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        bench.explorer.edit(FieldPath("title"), "another")
        assert befell(counting) == ["edited"]
        assert counting.session.title == "another"
        await bench.until(lambda: "rested" in counting.told)
        bench.explorer.open(made.session())
        assert befell(counting)[:2] == ["edited", "replaced"]


async def test_a_further_work_is_told_of_a_fresh_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    async with counted(monkeypatch) as (bench, counting):
        bench.explorer.restart()
        assert befell(counting) == ["restarted"]
        assert len(bench.client.restarts) == 1


async def test_a_request_of_a_further_work_is_ended_with_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        since = bench.explorer.now() - 5
        counting.pending = Pending(Describe(id=OWN), None, since)
        assert bench.explorer.stop()
        assert befell(counting) == ["ended"]
        assert len(bench.client.restarts) == 1


@pytest.mark.long
async def test_a_long_run_of_a_further_work_is_named_before_ctrl_c_stops_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        counting.counts = True
        bench.explorer.show_work()
        await bench.settle()
        assert bench.explorer.busy
        assert "counting 3/7" in bench.text
        assert bench.explorer.stop()
        await bench.settle()
        assert "the count is running; ctrl+c once more stops it" in bench.text
        assert befell(counting) == []
        assert bench.explorer.stop()
        assert befell(counting) == ["stop", "restarted"]
        assert len(bench.client.restarts) == 1
        assert bench.client.asked(Cancel) == []


async def test_an_engine_that_does_not_stop_for_a_further_work_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        counting.counts = counting.late = True
        bench.explorer.show_work()
        await bench.until(lambda: "restarted" in counting.told)
        assert befell(counting) == ["restarted"]
        assert len(bench.client.restarts) == 1


async def test_a_further_work_is_told_that_a_starting_engine_was_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (bench, counting):
        bench.explorer.restart()
        bench.explorer.open_session.phase_since -= REST
        assert bench.explorer.stop()
        assert bench.client.kills == 1
        assert isinstance(counting.heard[-1], Gone)
        assert bench.explorer.open_session.phase == "gone"


async def test_a_further_work_is_told_that_the_explorer_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with counted(monkeypatch) as (_, counting):
        assert befell(counting) == []
    assert befell(counting) == ["left"]


def test_the_explorer_imports_no_work_before_it_begins() -> None:
    code = (
        "import sys, jaxtui.app.explorer\n"
        "print([name for name in sys.modules if name.startswith('jaxtui.') and"
        "       name.endswith(('.screen.work', '.timed_work')) and name != 'jaxtui.screen.work'])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
