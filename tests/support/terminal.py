"""A program in a pseudo-terminal, with its screen as text: read as a user reads it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import pyte
from pyte.screens import Char

from tests.support.asking import sized_by_terminal

EXPLORER = [sys.executable, "-m", "jaxtui"]
ENTER, TAB, ESCAPE, END, BACKSPACE, DOWN = "\r", "\t", "\x1b", "\x1b[F", "\x7f", "\x1b[B"
CTRL_C, CTRL_Q, CTRL_S, CTRL_Z, F5 = "\x03", "\x11", "\x13", "\x1a", "\x1b[15~"
BETWEEN = 0.15  # seconds; Textual takes what follows esc within 0.1 s for one key with it
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")


class Terminal:
    """Runs `command` in a terminal of `columns` × `rows`; a context manager that ends it.

    `began` is the time (time.perf_counter, seconds) just before the program started, and `raw` all
    that it has written since. `environment` is added to that of the tests.
    """

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 120,
        rows: int = 40,
        *,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self._screen)
        self.raw = bytearray()
        self._followed = 0  # bytes of `raw` that are on the screen, or were dropped
        self._status: int | None = None
        known = {**sized_by_terminal(), "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        known |= environment or {}
        size = _window(columns, rows)
        self.began = time.perf_counter()
        self.pid, self.descriptor = pty.fork()
        if self.pid == 0:
            for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)  # which what runs the tests may ignore
            fcntl.ioctl(0, termios.TIOCSWINSZ, size)
            if folder is not None:
                os.chdir(folder)
            os.execvpe(command[0], list(command), known)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the program if it has not ended, within 5 s by force, and close the terminal."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGTERM)
            deadline = time.monotonic() + 5
            while not self.has_ended():
                if time.monotonic() > deadline:
                    os.kill(self.pid, signal.SIGKILL)
                    self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
                self._read(0.05)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the terminal, whatever runs in it."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    # --------------------------------------------------------------------------- what is shown

    @property
    def text(self) -> str:
        """The text on the screen now, a line per row."""
        self._follow()
        return "\n".join(self._screen.display)

    @property
    def cells(self) -> list[list[Char]]:
        """The cells on the screen now, each with its text and style."""
        self._follow()
        return cells_of(self._screen)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0."""
        self._follow()
        return self._screen.cursor.y, self._screen.cursor.x

    def wait(self, shown: str | Callable[[str], object], seconds: float = 60.0) -> str:
        """Wait until the screen has a text, or `shown(text)` holds; return the screen's text.

        Raises TimeoutError with the screen.
        """
        limit = time.monotonic() + seconds
        there = shown if callable(shown) else lambda text: shown in text
        while not there(text := self.text):
            if time.monotonic() > limit:
                raise TimeoutError(f"{shown} not shown after {seconds} s:\n{text}")
            self._read(0.1)
        return text

    def wait_until_gone(self, text: str, seconds: float = 60.0) -> str:
        """Wait until the screen has a text no more; return the screen's text.

        A frame that arrives in parts may move the text, and lack it for a moment: it has to be
        gone still after another 0.1 s. Raises TimeoutError with the screen.
        """
        limit = time.monotonic() + seconds
        while True:
            self.wait(lambda shown: text not in shown, max(0.0, limit - time.monotonic()))
            self.settle(0.1, most=0.1)
            if text not in self.text:
                return self.text

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

    # ------------------------------------------------------------------------------ what is done

    def type(self, keys: str) -> None:
        """Send `keys` as the keyboard would, one right after the other."""
        os.write(self.descriptor, keys.encode())

    def press(self, *keys: str) -> None:
        """Send `keys` one after the other, with a moment in between for what they change."""
        for key in keys:
            self.type(key)
            self.settle(BETWEEN, most=1.0)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size, as a user does who drags its corner."""
        self._follow()
        self._screen.resize(rows, columns)
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, _window(columns, rows))

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
            self._followed = len(self.raw)

    def settle(self, quiet: float = 0.3, most: float = 60.0) -> None:
        """Read until no output has come for `quiet` seconds, for `most` seconds."""
        end = time.monotonic() + most
        while self._read(quiet) and time.monotonic() < end:
            pass

    # -------------------------------------------------------------------------------- how it ends

    def has_ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def status(self, seconds: float = 30.0) -> int:
        """Return the exit status of the program, reading what it paints until it has ended.

        That of a signal is negative. Raises TimeoutError with the screen.
        """
        limit = time.monotonic() + seconds
        while not self.has_ended():
            if time.monotonic() > limit:
                raise TimeoutError(f"not ended after {seconds} s:\n{self.text}")
            self._read(0.05)
        while self._read(0):  # what it wrote last
            pass
        assert self._status is not None
        return self._status

    # ------------------------------------------------------------------------------------ reading

    def _read(self, seconds: float) -> bool:
        came = self._receive(seconds)
        self._follow()
        return bool(came)

    def _receive(self, seconds: float) -> bytes:
        """Return the output that comes within `seconds`, b"" if none does."""
        if self.descriptor < 0:
            return b""
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return b""
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # the program has closed its terminal
            time.sleep(seconds)
            return b""
        self.raw += data
        return data

    def _follow(self) -> None:
        data, self._followed = bytes(self.raw[self._followed :]), len(self.raw)
        self._stream.feed(data)


def cells_of(screen: pyte.Screen) -> list[list[Char]]:
    """The cells of a screen by row; a space has of its style only what can be seen."""
    return [
        [_seen(screen.buffer[y][x]) for x in range(screen.columns)] for y in range(screen.lines)
    ]


def _seen(cell: Char) -> Char:
    if cell.data != " " or cell.underscore or cell.strikethrough or cell.reverse or cell.blink:
        return cell
    return cell._replace(fg="default", bold=False, italics=False)


def _window(columns: int, rows: int) -> bytes:
    return struct.pack("HHHH", rows, columns, 0, 0)


def explorer(folder: Path, *arguments: str, **environment: str) -> Terminal:
    """The explorer, begun in `folder`, where all that it keeps lies as well."""
    own = {
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
    }
    return Terminal([*EXPLORER, *arguments], folder=folder, environment=own | environment)
