"""A program in a pseudo-terminal, its screen read as a person would read it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import pyte


class Terminal:
    """Runs `command` in a terminal of `columns` × `rows`; use as a context manager.

    `began` is the moment (time.perf_counter, seconds) just before the program was started.
    """

    def __init__(self, command: Sequence[str], columns: int = 120, rows: int = 40) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.bytes_received = 0
        self.began = time.perf_counter()
        self.pid, self._descriptor = pty.fork()
        if self.pid == 0:
            environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
            os.execvpe(command[0], list(command), environment)
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, size)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.kill(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            self._read(0.05)
            if os.waitpid(self.pid, os.WNOHANG)[0]:
                break
        else:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._descriptor)

    @property
    def text(self) -> str:
        """What the screen shows now, a line per row."""
        return "\n".join(self._screen.display)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0: where what is typed goes."""
        return self._screen.cursor.y, self._screen.cursor.x

    def type(self, keys: str) -> None:
        """Send `keys` as the keyboard would."""
        os.write(self._descriptor, keys.encode())

    def wait(self, shown: Callable[[str], bool], seconds: float = 30.0) -> float:
        """The seconds from now until `shown(text)` holds. Raises TimeoutError with the screen."""
        began = time.perf_counter()
        while not shown(self.text):
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"not shown after {seconds} s:\n{self.text}")
            self._read(0.5)
        return time.perf_counter() - began

    def written(self, text: str, seconds: float = 30.0) -> float:
        """The seconds until the program has written `text` in one piece; the screen follows after.

        Following the screen costs more than what is measured here. Raises TimeoutError.
        """
        began = time.perf_counter()
        data = b""
        while text.encode() not in data:
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"not written after {seconds} s: {text}")
            ready, _, _ = select.select([self._descriptor], [], [], 0.5)
            if ready:
                data += os.read(self._descriptor, 65536)
        took = time.perf_counter() - began
        self._stream.feed(data)
        return took

    def settle(self, quiet: float = 0.3) -> None:
        """Read until nothing has come for `quiet` seconds."""
        while self._read(quiet):
            pass

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the program has closed its terminal
            return False
        self.bytes_received += len(data)
        self._stream.feed(data)
        return bool(data)
