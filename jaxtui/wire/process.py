"""The engine's process as seen by its client: command line, pipes, frames, stderr lines."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from jaxtui.session.working_folder import working_folder
from jaxtui.wire.flood import FloodGate
from jaxtui.wire.framing import FrameBuffer
from jaxtui.wire.start_limit import StartLimit

if TYPE_CHECKING:
    from jaxtui.wire.base import Gone, LineState

READ_BYTES = 64 * 1024  # the capacity of a pipe on Linux
TAIL_LINES = 200
LINE_CHARACTERS = 2000
LOG_LINES_PER_SECOND = 200
END_SECONDS = 5.0  # limit for a killed process to end, which first frees its devices' memory
SILENT_SECONDS = 1.0  # limit for a process to end after it has closed its output


class EngineSettings(Struct, frozen=True):
    """How to start an engine: see `jaxtui.session.Devices` for `platform` and `count`.

    `processes` is the number of processes over which the engine spreads the devices. `command`
    starts the engine in another way, such as ("ssh", "host", "python", "-m", "jaxtui.engine");
    `--platform=`, `--devices=` and `--processes=` are appended. With `keep` an engine of `command`
    lives for so many seconds while the line to it is broken, and is taken up again.
    """

    platform: str = ""
    count: int | None = None
    command: tuple[str, ...] = ()
    processes: int = 1
    keep: float = 0.0

    @property
    def program(self) -> str:
        """The program that starts the engine."""
        return self.command[0] if self.command else sys.executable

    def arguments(self, report: int | None = None) -> list[str]:
        """The command line; the state of a line that is kept is written to descriptor `report`.

        Raises ValueError for a command whose engine cannot be kept.
        """
        options = [f"--platform={self.platform}"] if self.platform else []
        if self.count is not None:
            options.append(f"--devices={self.count}")
        if self.processes > 1:
            options.append(f"--processes={self.processes}")
        if self.command:
            # ssh passes its arguments to a shell, and the platform may come from an untrusted file.
            quoted = [shlex.quote(option) for option in options]
            if self.keep:
                from jaxtui.line.command import resumable

                python, *rest = resumable(self.command, quoted, self.keep, report)
                return [python, *_safe_path(), *rest]
            return [*self.command, *quoted]
        return [sys.executable, *_safe_path(), "-m", "jaxtui.engine", *options]


def _safe_path() -> list[str]:
    """Return -P, so that no file in the working folder (`random.py`, `jax.py`) shadows a module.

    Left out if jaxtui itself is found in the working folder.
    """
    return [] if Path(__file__).resolve().parents[2] == Path(working_folder()) else ["-P"]


class EngineProcess:
    """A running engine. Raises OSError or ValueError when it cannot be started."""

    def __init__(self, settings: EngineSettings) -> None:
        # Another command may start the engine from a process that ends before it.
        parent = [] if settings.command else [f"--parent={os.getpid()}"]
        self.line: int | None = None  # where the state of its line is read, if that is kept
        report: int | None = None
        if settings.keep:
            self.line, report = os.pipe()
            os.set_blocking(self.line, False)
        try:
            self._popen = self._started([*settings.arguments(report), *parent], report)
        except BaseException:
            self._close_line()
            raise
        finally:
            if report is not None:
                os.close(report)
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self.requests, self.events, self.errors = (pipe.fileno() for pipe in self._pipes)
        for descriptor in (self.requests, self.events, self.errors):
            os.set_blocking(descriptor, False)
        self.outgoing: deque[memoryview] = deque()
        self.frames = FrameBuffer()
        self.gate = FloodGate()
        self.lines = LineLog()
        self.wanted = False  # whether the client's user asked for its end
        self.fault = ""  # why it was killed without being asked for
        self.failed = False  # whether its client failed
        self.ready = False
        self.line_lost = False
        self._start_limit = StartLimit(self._popen.pid, time.monotonic())
        self.said = ""  # the engine's own reason why it cannot start
        self._deadline: float | None = None

    def _started(self, arguments: list[str], report: int | None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            # In its own session, so that the terminal's ctrl+c reaches the screen only.
            start_new_session=True,
            pass_fds=[] if report is None else [report],
        )

    @property
    def ending(self) -> bool:
        """Whether it should end soon: it was killed, or has closed its output."""
        return self._deadline is not None

    @property
    def ended(self) -> bool:
        """Whether it has ended, or is given up because it did not in time.

        Kills a process that goes on after it has closed its output.
        """
        if self._popen.poll() is not None:
            return True
        if self._deadline is None or time.monotonic() < self._deadline:
            return False
        if self.wanted or self.fault:
            return True
        self.fault = "the engine closed its output and went on"
        self.kill()
        return False

    def look_after_start(self) -> None:
        """Kill the process when it has had its time to become ready."""
        if self.ready or self.ending or self.line_lost:
            return
        if fault := self._start_limit.fault(time.monotonic()):
            self.fault = fault
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL to the process and to its children in the same session.

        What holds a line is asked instead to end the engine on the other host, and itself soon.
        """
        if self.line is None:
            self._signal_session()
        elif self._popen.poll() is None:
            self._popen.terminate()
        self._deadline = time.monotonic() + END_SECONDS

    def output_closed(self) -> None:
        if self._deadline is None:
            self._deadline = time.monotonic() + SILENT_SECONDS

    def hurry(self) -> None:
        """Have a line that is lost taken up again at once."""
        if self.line is not None and self.line_lost and self._popen.poll() is None:
            self._popen.send_signal(signal.SIGUSR1)

    def follow_line(self, state: LineState) -> None:
        """Take in what became of the line; the time to start begins anew with each."""
        self.line_lost = state.state != "connected"
        self._start_limit = StartLimit(self._popen.pid, time.monotonic())

    def dispose(self) -> None:
        """Close the pipes and kill what is left of its session."""
        self._signal_session()
        for pipe in self._pipes:
            pipe.close()
        self._close_line()

    def _close_line(self) -> None:
        if self.line is not None:
            os.close(self.line)
            self.line = None

    def _signal_session(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)

    def write(self) -> bool:
        """Write as much of `outgoing` as the pipe takes, and return whether there is more.

        If the engine has ended, `outgoing` is discarded.
        """
        try:
            while self.outgoing:
                rest = self.outgoing[0]
                written = os.write(self.requests, rest)
                if written < len(rest):
                    self.outgoing[0] = rest[written:]
                else:
                    self.outgoing.popleft()
        except BlockingIOError:
            return True
        except OSError:
            self.outgoing.clear()
        return False

    def gone(self) -> Gone:
        # Imported here because the explorer starts its engine before it imports the protocol.
        from jaxtui.wire import endings
        from jaxtui.wire.base import Gone

        status = self._popen.returncode
        if self.wanted:
            reason = "ended as asked"
        elif self.fault:
            reason = self.fault
        else:
            reason = endings.reason(status, self.lines.tail, self.said)
        if status is None:
            reason = f"the engine's process {self._popen.pid} does not end"
        return Gone(reason=reason, status=status, wanted=self.wanted, tail=list(self.lines.tail))


def read_available(descriptor: int) -> bytes | None:
    """Read up to READ_BYTES from a pipe: b"" at its end, None if there is nothing now."""
    try:
        return os.read(descriptor, READ_BYTES)
    except BlockingIOError:
        return None


class LineLog:
    """Splits stderr into lines, keeps the last ones and limits how many a second are passed on."""

    def __init__(self) -> None:
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest = b""
        self._second = 0
        self._passed = 0
        self._left_out = 0

    def feed(self, data: bytes) -> list[str]:
        """Add `data` and return the lines to pass on now."""
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[: 4 * LINE_CHARACTERS]
        return self._limited(lines)

    def end(self) -> list[str]:
        rest, self._rest = self._rest, b""
        return [*self._limited([rest] if rest else []), *self._notice()]

    def _limited(self, lines: list[bytes]) -> list[str]:
        self.tail.extend(map(_line, lines[-TAIL_LINES:]))
        passed = []
        second = int(time.monotonic())
        if second != self._second:
            passed += self._notice()
            self._second, self._passed = second, 0
        room = LOG_LINES_PER_SECOND - self._passed
        passed += map(_line, lines[:room])
        self._passed += len(lines[:room])
        self._left_out += len(lines[room:])
        return passed

    def _notice(self) -> list[str]:
        left_out, self._left_out = self._left_out, 0
        return [f"... {left_out} more lines"] if left_out else []


def _line(data: bytes) -> str:
    text = data[: 4 * LINE_CHARACTERS].decode("utf-8", "replace").rstrip("\r")
    return text if len(text) <= LINE_CHARACTERS else text[: LINE_CHARACTERS - 3] + "..."
