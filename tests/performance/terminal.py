"""A program in a pseudo-terminal, with its screen as text."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Sequence
from types import TracebackType

import pyte

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Terminal:
    """Runs `command` in a terminal of `columns` × `rows`; a context manager.

    `began` is the time (time.perf_counter, seconds) just before the program started.
    """

    def __init__(self, command: Sequence[str], columns: int = 120, rows: int = 40) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self._unread = b""
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
        """The text on the screen now, a line per row."""
        self._follow()
        return "\n".join(self._screen.display)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0."""
        self._follow()
        return self._screen.cursor.y, self._screen.cursor.x

    def type(self, keys: str) -> None:
        """Send `keys` as the keyboard would."""
        os.write(self._descriptor, keys.encode())

    def wait(self, shown: Callable[[str], bool], seconds: float = 30.0) -> float:
        """Return the seconds until `shown(text)` holds. Raises TimeoutError with the screen."""
        began = time.perf_counter()
        while not shown(self.text):
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"not shown after {seconds} s:\n{self.text}")
            self._read(0.5)
        return time.perf_counter() - began

    def written(self, text: str, seconds: float = 30.0) -> float:
        """Return the seconds until the program has written `text` in one piece.

        The screen is updated only afterwards, which costs more than what is measured here. Raises
        TimeoutError.
        """
        return self._came(lambda data: text.encode() in data, seconds, text)

    def painted(self, pattern: re.Pattern[str], seconds: float = 30.0) -> float:
        """Like `written`, for a pattern that styles may interrupt."""
        return self._came(
            lambda data: bool(pattern.search(_ESCAPES.sub("", data.decode(errors="replace")))),
            seconds,
            pattern.pattern,
        )

    def _came(self, found: Callable[[bytes], bool], seconds: float, what: str) -> float:
        began = time.perf_counter()
        data = b""
        while not found(data):
            if time.perf_counter() - began > seconds:
                raise TimeoutError(f"not written after {seconds} s: {what}\n{self.text}")
            data += self._receive(0.5)
        return time.perf_counter() - began

    def listen(self, seconds: float) -> None:
        """Receive output for `seconds`; the screen is updated when it is looked at."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self._receive(left)

    def discard(self, until: Callable[[], bool], seconds: float = 300.0) -> None:
        """Drop output without updating the screen, which would use the machine."""
        end = time.perf_counter() + seconds
        while not until():
            if time.perf_counter() > end:
                raise TimeoutError(f"not so after {seconds} s")
            self._receive(0.2)
            self._unread = b""

    def settle(self, quiet: float = 0.3) -> None:
        """Read until no output has come for `quiet` seconds."""
        while self._read(quiet):
            pass

    def _read(self, seconds: float) -> bool:
        came = self._receive(seconds)
        self._follow()
        return bool(came)

    def _receive(self, seconds: float) -> bytes:
        """Return the output that comes within `seconds`, b"" if none does."""
        ready, _, _ = select.select([self._descriptor], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self._descriptor, 65536)
        except OSError:  # the program has closed its terminal
            time.sleep(seconds)
            return b""
        self.bytes_received += len(data)
        self._unread += data
        return data

    def _follow(self) -> None:
        data, self._unread = self._unread, b""
        self._stream.feed(data)
