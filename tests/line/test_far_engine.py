"""An engine at the end of a line: its results outlive the line, and it never outlives its time."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from jaxtui.session.session import Argument, Devices, Program
from jaxtui.wire.base import Composition, Gone, LineState, Log
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.program import Ran, Run, Trace, Traced
from jaxtui.wire.results import ReadWindow, WindowRead
from tests.support.asking import Asker
from tests.support.far_line import FarLine
from tests.support.loopback_ssh import LoopbackSsh
from tests.support.marked import THERE, processes_of

pytestmark = [
    pytest.mark.skipif(not THERE, reason="processes are found by /proc"),
    pytest.mark.timeout(240),
]
ENGINE = (sys.executable, "-m", "jaxtui.engine")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose name is short enough for sockets, and marks the processes of a test."""
    with tempfile.TemporaryDirectory(prefix="line") as name:
        monkeypatch.setenv("TMPDIR", name)
        yield Path(name)
        for pid in processes_of(name):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def settings(command: tuple[str, ...], keep: float = 60.0) -> EngineSettings:
    return EngineSettings(platform="cpu", count=2, command=command, keep=keep)


def composition(source: str = "def f(x):\n    return x + 1") -> Composition:
    program = Program(source=source, arguments=[Argument(name="x", value="arange(1000.0)")])
    return Composition(program=program, devices=Devices(platform="cpu", count=2))


def ran(engine: Asker) -> Ran:
    answer, _ = engine.ask(Run(id=engine.next_id(), composition=composition()))
    assert isinstance(answer, Ran)
    return answer


def cell(engine: Asker, result: int, at: int) -> Any:
    """An element of a result that the engine holds."""
    window = ReadWindow(
        id=engine.next_id(), result=result, leaf=0, rows=None, columns=0, index=((at, at + 1),)
    )
    answer, _ = engine.ask(window)
    assert isinstance(answer, WindowRead)
    return answer.cells[0][0]


def none_left(folder: Path, seconds: float = 15.0) -> bool:
    end = time.monotonic() + seconds
    while processes_of(str(folder)) and time.monotonic() < end:
        time.sleep(0.05)
    return not processes_of(str(folder))


def test_a_result_is_still_there_when_a_cut_line_has_been_taken_up_again(short):
    line = FarLine(short / "line")
    engine = Asker(settings(tuple(line.command(*ENGINE))))
    result = ran(engine).result
    line.take_down()
    line.cut()
    lost = engine.heard.until(lambda event: isinstance(event, LineState))
    assert isinstance(lost, LineState)
    assert (lost.state, lost.kept > 50) == ("lost", True)
    request = Trace(id=engine.next_id(), composition=composition())
    engine.client.send(request)  # typed while nobody is there
    line.bring_up()
    engine.client.hurry()
    engine.heard.until(lambda event: isinstance(event, LineState) and event.state == "connected")
    assert isinstance(engine.heard.until(lambda event: event.id == request.id), Traced)
    assert cell(engine, result, 7) == 8.0
    engine.client.close()
    assert none_left(short)


@pytest.mark.long
def test_a_restart_ends_the_engine_over_there_and_starts_another(short):
    engine = Asker(settings(tuple(FarLine(short / "line").command(*ENGINE))))
    result = ran(engine).result
    before = set(processes_of(str(short)))
    engine.client.restart()
    assert engine.heard.next(Gone).wanted
    assert ran(engine).result != result
    assert not before & set(processes_of(str(short)))
    engine.client.close()
    assert none_left(short)


@pytest.mark.long
def test_a_crash_over_there_is_told_as_it_is_here(short):
    engine = Asker(settings(tuple(FarLine(short / "line").command(*ENGINE))))
    crash = "import os, signal\ndef f(x):\n    os.kill(os.getpid(), signal.SIGSEGV)\n    return x"
    engine.client.send(Run(id=engine.next_id(), composition=composition(crash)))
    end = time.monotonic() + 30
    gone: Gone | None = None
    while gone is None and time.monotonic() < end:
        events = engine.heard.nothing_for(0.2)
        gone = next((event for event in events if isinstance(event, Gone)), None)
    assert gone is not None
    assert "died of SIGSEGV" in gone.reason
    assert gone.tail[0].startswith("Fatal Python error: Segmentation fault")
    assert any(isinstance(event, Log) for event in engine.heard.all)
    engine.client.close()
    assert none_left(short)


@pytest.mark.long
def test_what_ends_before_the_far_end_has_answered_leaves_nothing(short):
    line = FarLine(short / "line", round_trip=1.0)
    for wait in (0.0, 0.3, 0.8, 1.5):
        client = EngineClient(settings(tuple(line.command(*ENGINE))))
        client.start()
        time.sleep(wait)
        client.close()
        assert none_left(short, 45.0)


# ------------------------------------------------------------------------------------- a real ssh


@pytest.fixture
def ssh(short: Path) -> Iterator[LoopbackSsh]:
    (short / "ssh").mkdir()
    loopback = LoopbackSsh(short / "ssh")
    yield loopback
    loopback.close()


def far_python(folder: Path) -> tuple[str, ...]:
    """The engine's command as ssh takes it: with the mark, and found from any folder."""
    paths = shlex.quote(str(Path(__file__).parents[2]))
    return ("env", f"TMPDIR={folder}", f"PYTHONPATH={paths}", *ENGINE)


def broken_by_ssh(ssh: LoopbackSsh, folder: Path) -> None:
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,args="], capture_output=True, text=True, check=True
    ).stdout
    for line in listed.splitlines():
        pid, _, words = line.strip().partition(" ")
        if words.startswith("ssh ") and str(folder) in words:
            os.kill(int(pid), signal.SIGKILL)


def broken_by_sshd(ssh: LoopbackSsh, folder: Path) -> None:
    for pid in reversed(ssh.sessions()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.long
@pytest.mark.parametrize("broken", [broken_by_ssh, broken_by_sshd])
def test_over_ssh_a_result_outlives_the_connection(ssh, short, broken):
    engine = Asker(settings(ssh.command(*far_python(short))))
    result = ran(engine).result
    for _ in range(2):
        broken(ssh, short)
        engine.heard.until(
            lambda event: isinstance(event, LineState) and event.state == "connected"
        )
        assert cell(engine, result, 7) == 8.0
    engine.client.close()
    assert none_left(short / "nothing", 0.1)
    end = time.monotonic() + 15
    while engines_in(short) and time.monotonic() < end:
        time.sleep(0.05)
    assert not engines_in(short)


def engines_in(folder: Path) -> list[int]:
    """The processes over there: all but sshd's own."""
    found = []
    for pid in processes_of(f"TMPDIR={folder}"):
        with suppress(OSError):
            if b"jaxtui" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


@pytest.mark.long
@pytest.mark.parametrize("part", ["near", "keeper", "engine"])
def test_over_ssh_the_end_of_each_part_leaves_nothing_behind(ssh, short, part):
    engine = Asker(settings(ssh.command(*far_python(short)), keep=6.0))
    ran(engine)
    words = {
        "near": b"jaxtui.line.local",
        "keeper": b"jaxtui.line.keeper",
        "engine": b"jaxtui.engine",
    }[part]
    for pid in engines_in(short):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        ends = words in command and (part != "engine" or b"jaxtui.line.keeper" not in command)
        if ends and command[0] not in (b"ssh", b"sh", b"bash"):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    end = time.monotonic() + 40
    while engines_in(short) and time.monotonic() < end:
        time.sleep(0.1)
    assert not engines_in(short)
    engine.client.close()
