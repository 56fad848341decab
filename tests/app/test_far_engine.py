"""The explorer while the line to an engine on another host is broken."""

from __future__ import annotations

import os
import queue
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from jaxtui.cli.headless import HeadlessEngine
from jaxtui.session.field_path import FieldPath
from jaxtui.wire.base import Gone, LineState
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Run, Trace
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.far_line import FarLine
from tests.support.marked import THERE, processes_of
from tests.support.terminal import CTRL_Q, END, F5, explorer

LOST = LineState(state="lost", silent=4.0, kept=596.0, reason="ssh: no route to host")


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


async def test_a_lost_line_is_said_and_all_stays_and_can_be_edited() -> None:
    async with Bench().open() as bench:
        bench.clock.hold()
        await bench.settled()
        await bench.hear(LOST)
        assert "line lost 4 s · reconnecting · engine kept 10 min" in bench.text
        assert "taken up again by itself; F5 tries at once" in bench.text
        bench.clock.go_on(500)
        await bench.until(lambda: "line lost 504 s · reconnecting · engine kept 96 s" in bench.text)
        assert "53." in bench.text
        asked = len(bench.client.asked(Trace))
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "arange(4.0)")
        await bench.settle()
        assert len(bench.client.asked(Trace)) == asked + 1
        assert bench.client.hurries >= 1
        await bench.hear(LineState(state="connecting", silent=505.0, kept=95.0))
        assert "line lost" in bench.text
        await bench.hear(LineState(state="connected"))
        await bench.trace_answered()
        assert "line lost" not in bench.text
        assert "the line to the engine is back" in bench.text
        assert bench.client.restarts == []


async def test_what_takes_no_longer_than_the_line_is_not_called_old() -> None:
    async with Bench().open() as bench:
        bench.clock.hold()
        await bench.settled()
        await bench.hear(LineState(state="measured", round_trip=0.3))
        assert "line" not in bench.text.splitlines()[0]
        bench.explorer.edit(FieldPath("program.arguments.0.value"), "arange(4.0)")
        bench.clock.go_on(0.4)
        assert not bench.explorer.work.flow_stale(bench.clock.now)
        assert bench.explorer.work.doing(bench.clock.now) == ""
        bench.clock.go_on(0.1)
        assert bench.explorer.work.flow_stale(bench.clock.now)
        assert bench.explorer.work.doing(bench.clock.now) == "tracing"
        await bench.hear(LineState(state="measured", round_trip=30.0))
        bench.clock.go_on(0.2)
        assert bench.explorer.work.flow_stale(bench.clock.now)


async def test_a_key_that_stops_does_not_end_an_engine_that_cannot_hear_it() -> None:
    async with Bench().open() as bench:
        bench.clock.hold()
        await bench.settled()
        await bench.press("f5")
        await bench.hear(LOST)
        bench.clock.go_on(10)
        await bench.press("ctrl+c")
        assert "R starts another engine" in bench.text
        assert bench.client.restarts == []
        assert bench.client.hurries == 1
        await bench.press("R")
        assert len(bench.client.restarts) == 1
        assert "starting JAX" in bench.text


@pytest.mark.long
async def test_a_program_is_not_blamed_for_an_engine_that_ended_without_a_line() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("f5")
        await bench.hear(LOST)
        reason = "the line to it was lost for 10 min"
        await bench.hear(Gone(reason=reason, status=1, wanted=False))
        assert "engine gone · R restarts it" in bench.text
        assert reason in bench.text
        assert "line lost" not in bench.text
        runs = len(bench.client.asked(Run))
        await bench.press("R")
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.pilot.pause(0.5)
        await bench.settle()
        assert len(bench.client.asked(Run)) == runs + 1


async def test_devices_says_why_the_line_is_lost() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.hear(LOST)
        await bench.press("6")
        assert "The line to the engine is lost: ssh: no route to host." in bench.text


# --------------------------------------------------------------------------------- real programs


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose name is short enough for sockets, and marks the processes of a test."""
    with tempfile.TemporaryDirectory(prefix="line") as name:
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)


def none_left(folder: Path, seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while processes_of(str(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    return not processes_of(str(folder))


@pytest.mark.long
@pytest.mark.skipif(not THERE, reason="processes are found by /proc")
@pytest.mark.parametrize("round_trip", [0.0, 0.3])
def test_the_real_explorer_goes_on_over_a_cut_line(short, round_trip):
    line = FarLine(short / "line", round_trip=round_trip)
    command = " ".join(line.command(sys.executable, "-m", "jaxtui.engine"))
    with explorer(short, "--engine", command, "--keep", "60", TMPDIR=str(short)) as terminal:
        terminal.wait(lambda text: "ready" in text and "53." in text)
        line.take_down()
        line.cut()
        terminal.wait("line lost")
        assert "53." in terminal.text
        terminal.press("w", END)
        terminal.type("  # far")
        terminal.wait(lambda text: "# far" in text and "line lost" in text)
        line.bring_up()
        terminal.type(F5)
        terminal.wait(lambda text: "ready" in text and "line lost" not in text)
        terminal.wait(lambda text: "53." in text and "# far" in text)
        terminal.press(CTRL_Q, CTRL_Q)  # whoever insists leaves
        assert terminal.status() == 0
    assert none_left(short)


@pytest.mark.long
@pytest.mark.skipif(not THERE, reason="processes are found by /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_an_explorer_that_ends_by_a_signal_leaves_no_engine_there(short, number):
    command = " ".join(FarLine(short / "line").command(sys.executable, "-m", "jaxtui.engine"))
    with explorer(short, "--engine", command, "--keep", "60", TMPDIR=str(short)) as terminal:
        terminal.wait(lambda text: "ready" in text and "53." in text)
        os.kill(terminal.pid, number)
        terminal.status()
        assert none_left(short, 5.0)


@pytest.mark.long
@pytest.mark.skipif(not THERE, reason="processes are found by /proc")
def test_a_command_without_a_screen_waits_for_the_line_and_says_so(short, capsys):
    line = FarLine(short / "line")
    command = tuple(line.command(sys.executable, "-m", "jaxtui.engine"))
    engine = HeadlessEngine(EngineSettings(platform="cpu", count=1, command=command, keep=60))
    engine.environment()
    line.cut()
    with suppress(queue.Empty):
        while True:
            engine.next_event(seconds=3.0)
    said = capsys.readouterr().err
    assert "jaxtui: the line to the engine is lost" in said
    assert "jaxtui: the line to the engine is back" in said
    engine.close()
    assert none_left(short)
