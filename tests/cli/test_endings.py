"""The real explorer, ended in every way but by its user: all that was composed is kept."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jaxtui import lessons
from jaxtui.app.kept_work import left_works
from jaxtui.session.session import load
from tests.support.terminal import CTRL_Q, CTRL_Z, ESCAPE, EXPLORER, Terminal

REMOVE_LAYER = 8 * "\t" + "x"
MARK = "JAXTUI_TEST_FOLDER"


class Held(Terminal):
    """A command in a pseudo-terminal, whose processes all know `folder`."""

    def __init__(self, folder: Path, command: list[str]) -> None:
        self.folder = folder
        environment = {
            MARK: str(folder),
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_DATA_HOME": str(folder / "data"),
        }
        super().__init__(command, environment=environment)

    def explorers(self) -> list[int]:
        """The processes of the explorer itself, without its engine."""
        return [pid for pid in self.processes() if "-m\0jaxtui\0" in _command(pid)]

    def processes(self) -> list[int]:
        """All processes that run with this folder."""
        mark = f"{MARK}={self.folder}".encode()
        return [
            pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _has(pid, mark)
        ]

    def nothing_runs(self, seconds: float = 20) -> None:
        """Wait until no process is left."""
        limit = time.monotonic() + seconds
        while left := self.processes():
            assert time.monotonic() < limit, [_command(pid) for pid in left]
            self.has_ended()  # no zombie is left
            time.sleep(0.05)

    def kept_layers(self) -> list[int]:
        """How many layers each kept session has."""
        kept = (self.folder / "state" / "jaxtui").glob("unsaved-*.toml")
        return [len(load(path).program.layers) for path in kept]

    def close(self) -> None:
        self.hang_up()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        super().close()


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def _has(pid: int, mark: bytes) -> bool:
    try:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] == "Z":
            return False
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Held]]:
    held: list[Held] = []

    def begin(*command: str) -> Held:
        folder = tmp_path / f"{len(held)}"
        folder.mkdir()
        held.append(Held(folder, list(command) or EXPLORER))
        return held[-1]

    yield begin
    for each in held:
        each.close()


def changed(held: Held) -> Held:
    """An explorer without the layer of the lesson that it opened on."""
    held.wait(lambda text: "53." in text)
    held.type(REMOVE_LAYER)
    held.wait(lambda text: "i32[2, 2, 2]" in text)
    return held


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (signal.SIGTERM, signal.SIGTERM),
        pytest.param(signal.SIGHUP, signal.SIGHUP, marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, signal.SIGINT, marks=pytest.mark.long),
    ],
)
@pytest.mark.parametrize(
    "pause",
    [
        pytest.param(0.0, marks=pytest.mark.long),
        0.02,
        pytest.param(0.1, marks=pytest.mark.long),
    ],
)
def test_a_second_signal_changes_nothing(
    hold: Callable[..., Held], first: int, second: int, pause: float
) -> None:
    held = changed(hold())
    before = termios.tcgetattr(held.descriptor)
    assert not before[3] & termios.ICANON
    os.kill(held.pid, first)
    time.sleep(pause)
    os.kill(held.pid, second)
    status = held.status()
    assert status in (128 + first, 128 + second)
    assert b"\x1b[?1049l" in held.raw
    assert termios.tcgetattr(held.descriptor)[3] & termios.ICANON
    assert held.kept_layers() == [0]
    held.nothing_runs()


def test_what_is_no_text_and_no_key_changes_nothing(hold: Callable[..., Held]) -> None:
    held = changed(hold())
    for sent in (b"\xff\xfe\x80\xc3(", b"\x1b[<0;-1;-1M", b"\x1b[200~\xff\x1b[201~"):
        os.write(held.descriptor, sent)
        held.settle(0.2, most=1.0)
    held.press("6")
    held.wait("Device set")
    held.type(CTRL_Q)
    held.wait("Not saved")


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
@pytest.mark.parametrize("pause", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8])
def test_a_signal_ends_it_at_any_time_of_its_start(
    hold: Callable[..., Held], number: signal.Signals, pause: float
) -> None:
    held = hold()
    before = termios.tcgetattr(held.descriptor)
    held.wait("def ")  # the first frame
    time.sleep(pause)
    os.kill(held.pid, number)
    assert held.status() == 128 + number
    shown, _, left = held.raw.rpartition(b"\x1b[?1049l")
    assert b"\x1b[?1049h" in shown
    assert b"Error" not in left
    assert b"Traceback" not in left
    assert termios.tcgetattr(held.descriptor) == before
    held.nothing_runs()


def test_a_killed_explorer_leaves_what_it_had_and_the_next_one_offers_it(
    hold: Callable[..., Held],
) -> None:
    held = changed(hold())
    state = held.folder / "state" / "jaxtui"
    held.wait(lambda _: list(state.glob("unsaved-*.toml")))
    os.kill(held.pid, signal.SIGKILL)
    held.status()
    assert held.kept_layers() == [0]
    again = hold("env", f"XDG_STATE_HOME={held.folder / 'state'}", *EXPLORER)
    again.wait(lambda text: "Left unsaved" in text)
    again.type(ESCAPE)
    again.wait_until_gone("Left unsaved")
    again.type("q")
    assert again.status() == 0
    assert len(left_works(state)) == 1


@pytest.mark.long
def test_quitting_without_saving_leaves_nothing(hold: Callable[..., Held]) -> None:
    held = changed(hold())
    state = held.folder / "state" / "jaxtui"
    held.wait(lambda _: list(state.glob("unsaved-*.toml")))
    held.type(CTRL_Q)
    held.wait(lambda text: "changes that are in no file" in text)
    held.type(CTRL_Q)
    assert held.status() == 0
    assert list(state.glob("*unsaved*")) == []


@pytest.mark.long
def test_a_terminal_that_takes_nothing_does_not_hold_the_end_up(hold: Callable[..., Held]) -> None:
    held = changed(hold())
    # What is painted fills the terminal, then Textual's queue, and then the main thread waits.
    for number in range(400):
        held.type("145"[number % 3])
        time.sleep(0.02)
    os.kill(held.pid, signal.SIGTERM)
    held.nothing_runs()
    assert held.kept_layers() == [0]


@pytest.mark.long
def test_a_terminal_that_is_closed_ends_an_explorer_that_ignores_hangups(
    hold: Callable[..., Held],
) -> None:
    held = changed(hold("sh", "-c", f"trap '' HUP; exec {' '.join(EXPLORER)}"))
    held.hang_up()
    held.nothing_runs()
    assert held.kept_layers() == [0]


def test_ctrl_z_suspends_and_fg_comes_back_repainted(hold: Callable[..., Held]) -> None:
    held = hold("bash", "--norc", "--noprofile", "-i")
    held.type(" ".join(EXPLORER) + "\r")
    held.wait(lambda text: "53." in text)
    [explorer] = held.explorers()
    engines = [pid for pid in held.processes() if "-m\0jaxtui.engine\0" in _command(pid)]
    assert engines
    held.type(CTRL_Z)
    held.wait(lambda text: "Stopped" in text)
    assert _state(explorer) == "T"
    assert all(_state(pid) != "T" for pid in engines)
    held.type("fg\r")
    held.wait(lambda text: "53." in text and "Layers" in text and "quit" in text)
    held.type("5")
    held.wait(lambda text: "Notes" in text)


def test_ctrl_z_undoes_in_a_text_and_says_where_no_shell_could_bring_it_back(
    hold: Callable[..., Held],
) -> None:
    held = hold()
    held.wait(lambda text: "53." in text)
    held.type(CTRL_Z)
    held.wait(lambda text: "no shell with job control" in text)
    held.type("\t\tzz")
    held.wait(lambda text: "zzdef" in text)
    held.type(CTRL_Z)
    held.wait(lambda text: "zzdef" not in text and "def matrix" in text)
    assert _state(held.pid) != "T"


def test_a_run_without_a_screen_is_suspended_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "lesson.toml"
    file.write_text(lessons.text(lessons.FIRST))
    # A process group without a parent in its session, as this test's may be, is never suspended.
    with subprocess.Popen(
        [*EXPLORER, "run", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    ) as process:
        os.kill(process.pid, signal.SIGTSTP)
        limit = time.monotonic() + 30
        while _state(process.pid) != "T":
            assert time.monotonic() < limit
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGCONT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "53." in output


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def _begin(kind: str, hold: Callable[..., Held], name: str) -> Held:
    if kind == "pty":
        return hold()
    if kind == "shell":
        held = hold("bash", "-l", "-i")
        held.type(" ".join(EXPLORER) + "\r")
        return held
    return hold("tmux", "-L", name, "-f", "/dev/null", "new", *EXPLORER)


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(50))
def test_a_closed_terminal_ends_everything_and_keeps_every_change(
    hold: Callable[..., Held], seed: int
) -> None:
    chance = random.Random(seed)
    kind = ("pty", "shell", "tmux")[seed % 3]
    if kind == "tmux" and shutil.which("tmux") is None:
        pytest.skip("no tmux")
    name = f"jaxtui-test-{os.getpid()}-{seed}"
    held = changed(_begin(kind, hold, name))
    held.type("12345"[seed % 5])
    moment = time.monotonic() + chance.uniform(0, 1.5)
    while time.monotonic() < moment:
        held.listen(0.01)
        if chance.random() < 0.1:
            held.type(chance.choice(["\t", "\x1b", "\x1b[B", "\x1b[15~", "\x0c", "1", "5"]))
    if kind == "tmux":
        subprocess.run(["tmux", "-L", name, "kill-server"], check=False, capture_output=True)
    held.hang_up()
    held.nothing_runs()
    assert held.kept_layers() == [0]
