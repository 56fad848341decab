"""The real program in a pseudo-terminal, read as a user reads it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pexpect
import pyte

from tests.support.asking import sized_by_terminal

COLUMNS, LINES = 120, 40
ENTER, TAB, ESCAPE, END, BACKSPACE, DOWN = "\r", "\t", "\x1b", "\x1b[F", "\x7f", "\x1b[B"
CTRL_C, CTRL_Q, CTRL_S, F5 = "\x03", "\x11", "\x13", "\x1b[15~"


class Terminal:
    """The program's terminal: keys are sent to it, and `text` is what it shows."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self._screen = pyte.Screen(COLUMNS, LINES)
        self._stream = pyte.ByteStream(self._screen)
        self.process = pexpect.spawn(
            sys.executable,
            ["-m", "jaxtui", *arguments],
            dimensions=(LINES, COLUMNS),
            cwd=str(folder),
            env={
                **sized_by_terminal(),
                "TERM": "xterm-256color",
                "XDG_DATA_HOME": str(folder / "data"),
                "XDG_CONFIG_HOME": str(folder / "config"),
                "XDG_STATE_HOME": str(folder / "state"),
                **environment,
            },
        )

    @property
    def text(self) -> str:
        self._read(0.05)
        return "\n".join(self._screen.display)

    def _read(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        while True:
            try:
                self._stream.feed(self.process.read_nonblocking(65536, timeout=0.02))
            except pexpect.TIMEOUT:
                if time.monotonic() >= ends:
                    return
            except pexpect.EOF:
                return

    def wait(self, shown: str | Callable[[str], bool], seconds: float = 60) -> str:
        """Wait until something is on screen."""
        ends = time.monotonic() + seconds
        there = shown if callable(shown) else lambda text: shown in text
        while not there(text := self.text):
            assert time.monotonic() < ends, f"waited in vain for {shown}:\n{text}"
        return text

    def type(self, *keys: str) -> None:
        for key in keys:
            self.process.send(key)
            self._read(0.1)

    def ended(self) -> int:
        """The exit status, once the program has ended."""
        self.process.expect(pexpect.EOF, timeout=20)
        self.process.close()
        return int(self.process.exitstatus)

    @property
    def cursor(self) -> tuple[int, int]:
        """Row and column of the cursor, from 0."""
        self._read(0.05)
        return self._screen.cursor.y, self._screen.cursor.x
