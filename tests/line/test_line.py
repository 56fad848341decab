"""A line that breaks is taken up again with nothing lost, and nothing is left when it is over."""

from __future__ import annotations

import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jaxtui.line import keeper, pace
from jaxtui.line.command import can_keep, keeps, resumable
from tests.support.far_line import FarLine
from tests.support.marked import THERE, processes_of

pytestmark = pytest.mark.skipif(not THERE, reason="processes are found by /proc")


class Near:
    """A running near end with `tests.support.far_program` at the far end."""

    def __init__(
        self, folder: Path, *, keep: float = 60.0, round_trip: float = 0.0, noise: str = ""
    ) -> None:
        self.line = FarLine(folder / "line", round_trip=round_trip)
        self.mark = f"JAXTUI_TEST_LINE={folder}"
        name, _, text = self.mark.partition("=")
        reports, report = os.pipe()
        there = [sys.executable, "-m", "jaxtui.line.keeper", "tests.support.far_program"]
        if noise:
            there = ["sh", "-c", f'echo {noise}; exec "$@"', "sh", *there]
        program = self.line.command(*there)
        near = [sys.executable, "-m", "jaxtui.line.local", f"--keep={keep}", f"--report={report}"]
        self.popen = subprocess.Popen(
            [*near, "--", *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            pass_fds=[report],
            start_new_session=True,
            env={**os.environ, name: text, "TMPDIR": str(folder)},
        )
        os.close(report)
        self._reports, self._rest = reports, b""

    def tell(self, text: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(text.encode())

    def hear(self, count: int, seconds: float = 30.0) -> str:
        """The next `count` bytes of the program's output."""
        assert self.popen.stdout is not None
        data, end = b"", time.monotonic() + seconds
        while len(data) < count:
            ready, _, _ = select.select([self.popen.stdout], [], [], end - time.monotonic())
            assert ready, f"only {data[-200:]!r} came"
            part = os.read(self.popen.stdout.fileno(), count - len(data))
            assert part, f"it ended after {data[-200:]!r}"
            data += part
        return data.decode()

    def line_of(self) -> str:
        text = ""
        while not text.endswith("\n"):
            text += self.hear(1)
        return text

    def report(self, state: str, seconds: float = 30.0) -> dict[str, Any]:
        """Wait until the line is told to be in this state."""
        end = time.monotonic() + seconds
        while True:
            while b"\n" in self._rest:
                text, _, self._rest = self._rest.partition(b"\n")
                if (found := json.loads(text))["state"] == state:
                    return dict(found)
            ready, _, _ = select.select([self._reports], [], [], end - time.monotonic())
            assert ready, f"never {state}"
            self._rest += os.read(self._reports, 4096)

    def status(self, seconds: float = 20.0) -> int:
        return self.popen.wait(seconds)

    def said(self) -> str:
        """All of stderr, once it has ended."""
        assert self.popen.stderr is not None
        return self.popen.stderr.read().decode()

    def left(self) -> list[int]:
        return processes_of(self.mark)

    def none_left(self, seconds: float = 10.0) -> bool:
        """Whether soon no process of either end is there, nor of the line."""
        end = time.monotonic() + seconds
        while self.left() and time.monotonic() < end:
            time.sleep(0.02)
        return not self.left()

    def close(self) -> None:
        for pid in self.left():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.popen.wait()
        for pipe in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            assert pipe is not None
            pipe.close()
        os.close(self._reports)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose name is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="line") as name:
        yield Path(name)


@pytest.fixture
def begin(short: Path) -> Iterator[Any]:
    """Begin a line whose processes are looked for at the end."""
    begun: list[Near] = []

    def start(**options: Any) -> Near:
        begun.append(Near(short, **options))
        return begun[-1]

    yield start
    for near in begun:
        near.close()


def parts(near: Near) -> dict[str, list[int]]:
    """The processes of a line, by what they are."""
    found: dict[str, list[int]] = {"near": [], "ssh": [], "keeper": [], "program": []}
    for pid in near.left():
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"jaxtui.line.local" in words:
            found["near"].append(pid)
        elif b"-S" in words:
            found["ssh"].append(pid)
        elif b"jaxtui.line.keeper" in words:
            found["keeper"].append(pid)
        else:
            found["program"].append(pid)
    return found


def test_the_streams_and_the_status_are_those_of_the_program(begin):
    near = begin()
    near.tell("hello\nsay 2 aside\n")
    assert near.hear(6) == "hello\n"
    near.tell("exit 7\n")
    assert near.status() == 7
    assert near.said() == "aside\naside\n"
    assert near.none_left()


def test_a_program_that_dies_of_a_signal_is_told_as_ssh_tells_it(begin):
    near = begin()
    near.tell("die\n")
    assert near.status() == 128 + signal.SIGSEGV
    assert near.none_left()


def test_a_cut_line_is_taken_up_again_with_what_was_said_meanwhile(begin):
    near = begin()
    near.tell("pid\n")
    before = near.line_of()
    near.line.take_down()
    near.line.cut()
    lost = near.report("lost")
    assert lost["kept"] > 50
    near.tell("one\ntwo\n")
    assert "Network is unreachable" in near.report("lost")["reason"]
    near.line.bring_up()
    near.popen.send_signal(signal.SIGUSR1)  # as a key does
    assert near.hear(8) == "one\ntwo\n"
    near.report("connected")
    near.tell("pid\n")
    assert near.line_of() == before


def test_the_length_of_the_line_is_told(begin):
    near = begin(round_trip=0.2)
    assert 0.2 <= near.report("measured")["round_trip"] < 2.0


def test_the_streams_arrive_whole_and_once_however_often_the_line_is_cut(begin):
    near = begin()
    near.tell("first\n")
    assert near.hear(6) == "first\n"
    numbers = random.Random(7)
    near.line.cut_after([(numbers.randrange(60_000), numbers.randrange(60_000)) for _ in range(5)])
    near.line.cut()
    wanted = [f"line {number} {'x' * numbers.randrange(200)}\n" for number in range(1500)]
    for start in range(0, len(wanted), 200):
        text = "".join(wanted[start : start + 200])
        near.tell(text)
        assert near.hear(len(text)) == text
    assert near.line.connections > 3


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(12))
def test_large_streams_survive_cuts_at_any_byte(begin, seed):
    near = begin(round_trip=0.02)
    near.tell("first\n")
    assert near.hear(6) == "first\n"
    numbers = random.Random(seed)
    sizes = [int(10 ** numbers.uniform(0, 6)) for _ in range(40)]
    near.line.cut_after([(size, numbers.randrange(1, 10**6)) for size in sizes])
    near.line.cut()
    near.tell("flood 400000\nend\n")
    wanted = "".join(f"{number:9}\n" for number in range(400_000)) + "end\n"
    assert near.hear(len(wanted), 120) == wanted
    near.tell("exit 0\n")
    assert near.status() == 0
    assert near.line.connections > 3


@pytest.mark.long
def test_nobody_who_writes_is_stopped_while_the_line_is_down_and_the_rest_waits(begin):
    near = begin()
    near.tell("flood 1\n")
    assert near.hear(10) == "        0\n"
    near.line.take_down()
    near.line.cut()
    near.report("lost")
    near.tell("flood 1000000\n")  # 10 MB, more than is kept: the program waits for the rest
    near.line.bring_up()
    near.popen.send_signal(signal.SIGUSR1)
    heard = near.hear(10_000_000, 60)
    assert heard.count("\n") == 1_000_000
    assert heard.endswith("   999999\n")


def test_who_asks_for_the_end_ends_the_program_at_once(begin):
    near = begin()
    near.tell("hello\n")
    near.hear(6)
    near.popen.terminate()
    near.status(5)
    assert near.none_left(2)


def test_the_end_of_whoever_started_it_ends_the_program_at_once(begin):
    near = begin()
    near.tell("hello\n")
    near.hear(6)
    assert near.popen.stdin is not None
    near.popen.stdin.close()
    near.status(5)
    assert near.none_left(2)


@pytest.mark.long
def test_a_program_is_ended_once_its_time_is_over(begin):
    near = begin(keep=pace.SILENT)
    near.tell("hello\n")
    near.hear(6)
    near.line.take_down()
    near.line.cut()
    near.report("lost")
    near.popen.send_signal(signal.SIGSTOP)  # a laptop that sleeps
    end = time.monotonic() + 30
    while parts(near)["program"] and time.monotonic() < end:
        time.sleep(0.1)
    assert not parts(near)["program"]
    near.line.bring_up()
    near.popen.send_signal(signal.SIGCONT)
    assert near.status() == 1
    assert "lost for 6 s, for which it is kept" in near.said()
    assert near.none_left()


@pytest.mark.parametrize("part", ["keeper", "program"])
def test_the_end_of_a_part_over_there_ends_all(begin, part):
    near = begin()
    near.tell("hello\n")
    near.hear(6)
    for pid in parts(near)[part]:
        os.kill(pid, signal.SIGKILL)
    status, said = near.status(), near.said()
    assert status == (128 + signal.SIGKILL if part == "program" else 1)
    assert ("has ended, killed there" in said) == (part == "keeper")
    assert near.none_left()


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_near_end_that_is_killed_leaves_the_program_its_time_and_no_longer(begin):
    near = begin(keep=pace.SILENT)
    near.tell("hello\n")
    near.hear(6)
    os.killpg(near.popen.pid, signal.SIGKILL)
    time.sleep(1.0)
    assert set(map(bool, (parts(near)["near"], parts(near)["ssh"]))) == {False}
    assert parts(near)["program"]
    assert near.none_left(20)


@pytest.mark.long
@pytest.mark.timeout(120)
def test_a_line_that_is_silent_is_noticed_and_replaced(begin):
    near = begin()
    near.tell("hello\n")
    near.hear(6)
    stalled = near.line.pid
    near.line.stall()
    near.tell("again\n")
    began = time.monotonic()
    assert near.report("lost")["reason"].startswith("nothing came")
    assert time.monotonic() - began < 5 * pace.SILENT  # however busy the machine is
    assert near.hear(6) == "again\n"
    assert near.line.pid != stalled


@pytest.mark.long
@pytest.mark.timeout(120)
def test_neither_a_stopped_reader_nor_a_stopped_near_end_is_taken_for_a_broken_line(begin):
    near = begin()
    near.tell("flood 1000000\n")  # nobody reads it
    time.sleep(pace.SILENT + 3)
    near.popen.send_signal(signal.SIGSTOP)
    time.sleep(pace.SILENT + 3)
    near.popen.send_signal(signal.SIGCONT)
    time.sleep(3)
    assert near.hear(10_000_000, 60).endswith("   999999\n")
    assert near.line.connections == 1


@pytest.mark.long
def test_an_output_that_is_closed_is_closed_here_too(begin):
    near = begin()
    near.tell("close\n")
    assert near.popen.stdout is not None
    assert near.popen.stdout.read() == b""
    assert near.popen.poll() is None


def test_what_startup_files_of_a_shell_print_is_no_part_of_the_streams(begin):
    near = begin(noise="Welcome to far")
    near.tell("hello\n")
    assert near.hear(6) == "hello\n"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (["no-such-program-here"], 1, "cannot start no-such-program-here: No such file"),
        ([sys.executable, "-m", "jaxtui.line.no_keeper", "x"], 1, "No module named"),
        (["sh", "-c", "echo ssh: no route >&2; exit 255"], 255, "ssh: no route"),
    ],
)
def test_a_first_connection_that_fails_ends_it_with_the_reason(command, status, said):
    near = [sys.executable, "-m", "jaxtui.line.local", "--", *command]
    ran = subprocess.run(near, stdin=subprocess.PIPE, capture_output=True, timeout=30, check=False)
    assert ran.returncode == status
    assert said in ran.stderr.decode()


# --------------------------------------------------------------------------------- the commands

PYTHON = ("ssh", "host", "python", "-m", "jaxtui.engine")


def test_the_keeper_stands_before_the_module_of_the_command():
    assert resumable(PYTHON, ["--devices=8"], 60)[-7:] == [
        *("ssh", "host", "python", "-m", "jaxtui.line.keeper", "jaxtui.engine", "--devices=8"),
    ]
    in_one = ("ssh", "host", "cd there && exec python -m jaxtui.engine")
    assert resumable(in_one, [], 60)[-1] == (
        "cd there && exec python -m jaxtui.line.keeper jaxtui.engine"
    )


@pytest.mark.parametrize(
    ("command", "by_itself", "if_asked"),
    [
        (PYTHON, True, True),
        (("/usr/bin/ssh", "-p", "22", "host", "python -m jaxtui.engine"), True, True),
        (("kubectl", "exec", "-i", "pod", "--", "python", "-m", "jaxtui.engine"), False, True),
        (("python", "-m", "jaxtui.engine"), False, True),
        (("ssh", "host", "start-engine"), False, False),
        (("python", "engine.py"), False, False),
        ((), False, False),
    ],
)
def test_which_engines_are_kept(command, by_itself, if_asked):
    assert keeps(command) == by_itself
    assert can_keep(command) == if_asked


def test_the_folder_of_the_sockets_has_to_be_ones_own(short, monkeypatch):
    monkeypatch.setattr(keeper.tempfile, "gettempdir", lambda: str(short))
    own = keeper.folder()
    assert own.stat().st_mode & 0o777 == 0o700
    assert keeper.folder() == own
    own.chmod(0o755)
    with pytest.raises(keeper.UnusableFolderError, match="chmod 700"):
        keeper.folder()
    own.rmdir()
    own.symlink_to(short)
    with pytest.raises(keeper.UnusableFolderError, match="not a folder"):
        keeper.folder()
