"""A line to another host, played on this one: it delays, stalls, is cut, or cannot be reached.

`python far_line.py FOLDER COMMAND...` stands in for ssh. It runs COMMAND, and passes on what goes
to and from it as the files in FOLDER say, which `FarLine` writes.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path


class FarLine:
    """The line of a test, in `folder`; `command` is what starts in place of ssh."""

    def __init__(self, folder: Path, *, round_trip: float = 0.0) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._say("delay", str(round_trip / 2))

    def command(self, *program: str) -> list[str]:
        return [sys.executable, "-S", str(Path(__file__)), str(self.folder), *program]

    def _say(self, name: str, text: str) -> None:
        path = self.folder / name
        path.with_suffix(".new").write_text(text)
        path.with_suffix(".new").rename(path)

    def delay(self, round_trip: float) -> None:
        """Add so many seconds to each round trip of connections that begin from now on."""
        self._say("delay", str(round_trip / 2))

    def cut_after(self, limits: list[tuple[int, int]]) -> None:
        """Cut each next connection once so many bytes went there, or came from there."""
        self._say("limits", "\n".join(f"{there} {back}" for there, back in limits))

    def take_down(self) -> None:
        """Have no connection reach the other host."""
        self._say("down", "")

    def bring_up(self) -> None:
        (self.folder / "down").unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        """The process of the newest connection."""
        return int((self.folder / "pid").read_text())

    @property
    def connections(self) -> int:
        """How many there were so far."""
        with suppress(OSError):
            return (self.folder / "connections").stat().st_size
        return 0

    @property
    def bytes(self) -> tuple[int, int]:
        """How many bytes went there and came back over all connections that carried some."""
        there, back = 0, 0
        for path in self.folder.glob("bytes-*"):
            with suppress(ValueError):  # it is just being written
                one, other = path.read_text().split()
                there, back = there + int(one), back + int(other)
        return there, back

    def cut(self) -> None:
        """Break the line as a killed ssh does."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def stall(self) -> None:
        """Let nothing through, and tell nobody."""
        os.kill(self.pid, signal.SIGUSR1)

    def go_on(self) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR2)


class _Way:
    """One direction: bytes, each with the time from which on it may be passed on."""

    def __init__(self, reads: int, writes: int, delay: float, limit: int) -> None:
        self.reads, self.writes, self._delay, self._limit = reads, writes, delay, limit
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self.passed = 0
        self.ended = False
        os.set_blocking(writes, False)

    def wants(self) -> bool:
        return not self.ended and self._held < 16 << 20  # a long line holds much

    def read(self) -> None:
        data = os.read(self.reads, 65536)
        self.ended = not data
        self._under_way.append((time.monotonic() + self._delay, data))
        self._held += len(data)

    def pass_on(self, now: float) -> None:
        """Write what is due; SystemExit once as much as may has passed."""
        while self._under_way and self._under_way[0][0] <= now:
            due, data = self._under_way.popleft()
            if not data:
                os.close(self.writes)
                self.writes = -1
                return
            data, rest = data[: self._limit - self.passed], data[self._limit - self.passed :]
            try:
                written = os.write(self.writes, data) if data else 0
            except BlockingIOError:
                written = 0
            except OSError:
                raise SystemExit(0) from None
            self.passed += written
            self._held -= written
            if self.passed >= self._limit:
                raise SystemExit(0)
            if data[written:] or rest:
                self._under_way.appendleft((due, data[written:] + rest))
                return

    def due_in(self, now: float) -> float:
        if not self._under_way:
            return 3600.0
        return max(0.0005, self._under_way[0][0] - now)


def _limits(folder: Path) -> tuple[int, int]:
    """Take the limits of this connection."""
    path = folder / "limits"
    lines = path.read_text().splitlines() if path.exists() else []
    if not lines:
        return 1 << 60, 1 << 60
    path.write_text("\n".join(lines[1:]))
    there, back = lines[0].split()
    return int(there), int(back)


def _main() -> None:
    folder = Path(sys.argv[1])
    with (folder / "connections").open("a") as counted:
        counted.write(".")
    if (folder / "down").exists():
        sys.exit("ssh: connect to host far port 22: Network is unreachable")
    delay = float((folder / "delay").read_text())
    there_limit, back_limit = _limits(folder)
    stalled = [False]
    signal.signal(signal.SIGUSR1, lambda *_: stalled.__setitem__(0, True))
    signal.signal(signal.SIGUSR2, lambda *_: stalled.__setitem__(0, False))
    (folder / f"pid-{os.getpid()}").write_text(str(os.getpid()))
    (folder / f"pid-{os.getpid()}").rename(folder / "pid")
    # As sshd does it: what it starts is not ended with the line, but learns of its end.
    child = subprocess.Popen(
        sys.argv[2:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    there = _Way(0, child.stdin.fileno(), delay, there_limit)
    back = _Way(child.stdout.fileno(), 1, delay, back_limit)
    while back.writes >= 0:
        now = time.monotonic()
        if stalled[0]:
            time.sleep(0.02)
            continue
        for way in (there, back):
            way.pass_on(now)
        (folder / f"bytes-{os.getpid()}").write_text(f"{there.passed} {back.passed}")
        reads = [way.reads for way in (there, back) if way.wants()]
        ready, _, _ = select.select(reads, [], [], min(0.05, there.due_in(now), back.due_in(now)))
        for way in (there, back):
            if way.reads in ready:
                way.read()
    sys.exit(child.wait())


if __name__ == "__main__":
    _main()
