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
from typing import TYPE_CHECKING

from msgspec import Struct

from jaxtui.wire import early
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


class Reach(Struct, frozen=True):
    """How hosts are reached, "" for the defaults.

    `coordinator` is the "address:port" at which the first host is found by the others, `python`
    the command of their Python, and `command` what runs a command on "{host}" instead of ssh.
    Without "{host}" in it, it is a launcher, which starts one on each of "{n}" hosts.
    """

    coordinator: str = ""
    python: str = ""
    command: str = ""

    @property
    def launcher(self) -> str:
        """The command of a launcher, "" if the hosts are reached one by one."""
        return "" if "{host}" in self.command else self.command

    def options(self) -> list[str]:
        values = zip(
            self.__struct_fields__, (self.coordinator, self.python, self.command), strict=True
        )
        return [f"--{name}={value}" for name, value in values if value]


class Launched(Struct, frozen=True):
    """The processes that a launcher has started, and who come to the listening descriptor `lobby`.

    JAX finds process 0, which this is, at `coordinator`.
    """

    processes: int
    coordinator: str
    lobby: int


class EngineSettings(Struct, frozen=True):
    """How to start an engine: see `jaxtui.session.Devices` for `platform` and `count`.

    `processes` is the number of processes over which the engine spreads the devices. `command`
    starts the engine in another way, such as ("ssh", "host", "python", "-m", "jaxtui.engine");
    `--platform=`, `--devices=` and `--processes=` are appended. With `keep` an engine of `command`
    lives for so many seconds while the line to it is broken, and is taken up again. With `hosts`
    the engine has a process on each of them, which are reached as `reach` says, and the others do
    not count; nor do they if a launcher has `launched` the processes.
    """

    platform: str = ""
    count: int | None = None
    command: tuple[str, ...] = ()
    processes: int = 1
    keep: float = 0.0
    hosts: tuple[str, ...] = ()
    reach: Reach = Reach()
    launched: Launched | None = None

    @property
    def of_hosts(self) -> bool:
        """Whether the engine has processes on several hosts, which are looked after there."""
        return bool(self.hosts or self.launched or self.launches)

    @property
    def launches(self) -> bool:
        """Whether its processes are started by a launcher, whose command is given."""
        return bool(self.reach.launcher) and self.processes > 1

    @property
    def program(self) -> str:
        """The program that starts the engine."""
        return self.command[0] if self.command and not self.of_hosts else sys.executable

    @property
    def on_this_host(self) -> bool:
        """Whether one process on this host is the engine, started as by default."""
        return not self.command and not self.of_hosts and self.processes == 1

    def options(self) -> list[str]:
        """The options for the command that starts the engine."""
        options = [f"--platform={self.platform}"] if self.platform else []
        if self.count is not None:
            options.append(f"--devices={self.count}")
        if self.of_hosts:
            if self.launched is not None:
                options.append(f"--ranks={self.launched.processes}")
                options.append(f"--lobby={self.launched.lobby}")
                options.append(f"--coordinator={self.launched.coordinator}")
            elif self.launches:
                options += [f"--ranks={self.processes}", *self.reach.options()]
            else:
                options += [f"--host={host}" for host in self.hosts]
                options += self.reach.options()
        elif self.processes > 1:
            options.append(f"--processes={self.processes}")
        return options

    @property
    def kept(self) -> bool:
        """Whether the engine outlives the line to it."""
        return bool(self.keep and self.command) and not self.of_hosts

    def arguments(self, report: int | None = None) -> list[str]:
        """The command line; the state of a line that is kept is written to descriptor `report`.

        Raises ValueError for a command whose engine cannot be kept.
        """
        options = self.options()
        if self.of_hosts:
            return [*early.python_module("jaxtui.hosts"), *options]
        if self.command:
            # ssh passes its arguments to a shell, and the platform may come from an untrusted file.
            quoted = [shlex.quote(option) for option in options]
            if self.kept:
                from jaxtui.line.command import resumable

                python, *rest = resumable(self.command, quoted, self.keep, report)
                return [python, *early.safe_path(), *rest]
            return [*self.command, *quoted]
        return [*early.command(), *options]


class EngineProcess:
    """A running engine. Raises OSError or ValueError when it cannot be started."""

    def __init__(
        self, settings: EngineSettings, started: subprocess.Popen[bytes] | None = None
    ) -> None:
        """`started` is a process of an `EarlyEngine` to go on with, which is told its options."""
        self.line: int | None = None  # where the state of its line is read, if that is kept
        self._popen = started if started is not None else self._started(settings)
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self.requests, self.events, self.errors = (pipe.fileno() for pipe in self._pipes)
        for descriptor in (self.requests, self.events, self.errors):
            os.set_blocking(descriptor, False)
        self.outgoing: deque[memoryview] = deque()
        if started is not None:
            self.outgoing.append(memoryview(early.told(settings.options())))
            self.write()
        self.frames = FrameBuffer()
        self.gate = FloodGate()
        self.lines = LineLog()
        self.wanted = False  # whether the client's user asked for its end
        self.fault = ""  # why it was killed without being asked for
        self.failed = False  # whether its client failed
        self.ready = False
        self.line_lost = False
        # What starts engines on hosts has limits of its own; what they compute cannot be seen here.
        limit = None if settings.of_hosts else StartLimit(self._popen.pid, time.monotonic())
        self._start_limit = limit
        self.said = ""  # the engine's own reason why it cannot start
        self._deadline: float | None = None

    def _started(self, settings: EngineSettings) -> subprocess.Popen[bytes]:
        # Another command may start the engine from a process that ends before it.
        parent = [] if settings.command or settings.of_hosts else [early.parent_option()]
        report: int | None = None
        if settings.kept:
            self.line, report = os.pipe()
            os.set_blocking(self.line, False)
        passed = [settings.launched.lobby] if settings.launched is not None else []
        passed += [report] if report is not None else []
        try:
            return early.started([*settings.arguments(report), *parent], passed)
        except BaseException:
            self._close_line()
            raise
        finally:
            if report is not None:
                os.close(report)

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
        if self.ready or self.ending or self.line_lost or self._start_limit is None:
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
        if state.state == "measured":
            return
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
