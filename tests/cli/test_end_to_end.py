"""The real program in a pseudo-terminal, read as a user reads it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pexpect
import pyte
import pytest

from tests.support.asking import sized_by_terminal

COLUMNS, LINES = 120, 40
ENTER, TAB, ESCAPE, END, BACKSPACE = "\r", "\t", "\x1b", "\x1b[F", "\x7f"
CTRL_C, CTRL_Q, CTRL_S, F5 = "\x03", "\x11", "\x13", "\x1b[15~"

ENDLESS = """
[devices]
platform = "cpu"
count = 2

[program]
source = '''
def turns(x, n):
    while n > 5:
        pass
    return x * n
'''

[[program.arguments]]
name = "x"
value = "arange(3)"

[[program.arguments]]
name = "n"
value = "2"

[[program.layers]]
transform = "vmap"
in_axes = "(0, None)"
"""


class Terminal:
    """The program's terminal: keys are sent to it, and `text` is what it shows."""

    def __init__(self, folder: Path, *arguments: str) -> None:
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


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def begin(*arguments: str) -> Terminal:
        started.append(Terminal(tmp_path, *arguments))
        return started[-1]

    yield begin
    for terminal in started:
        terminal.process.close(force=True)


def test_it_opens_on_a_result_follows_keys_and_leaves_the_terminal_clean(
    start: Callable[..., Terminal],
) -> None:
    terminal = start()
    text = terminal.wait(lambda text: "53." in text and "ready" in text)
    assert "i32[‹2›, 2, 2]" in text
    assert all(number in text for number in (" 5.", "11.", "39."))

    terminal.type(TAB, TAB, TAB, END, *"+1")
    text = terminal.wait(lambda text: "60." in text and "of the program before" not in text)
    assert "of the program before" not in text

    terminal.type(*"+")
    terminal.wait("of the program before")
    assert "60." in terminal.text
    terminal.type(BACKSPACE, ESCAPE, CTRL_Q)
    terminal.wait("changes that are in no file")
    terminal.type(CTRL_Q)
    assert terminal.ended() == 0


def test_an_endless_function_is_named_ended_and_the_next_key_works(
    start: Callable[..., Terminal], tmp_path: Path
) -> None:
    (tmp_path / "turns.toml").write_text(ENDLESS)
    terminal = start("turns.toml")
    terminal.wait("Run turns.toml?")
    terminal.wait("not trusted yet")
    terminal.type("\x1b[B", ENTER)
    terminal.wait(lambda text: "i32[3]" in text and "ran " in text)

    # name, source, value and axis of x, value of n
    terminal.type(*[TAB] * 5, END, BACKSPACE, "7")
    terminal.wait("ctrl+c ends it")
    terminal.type(CTRL_C)
    terminal.wait("You ended the engine")
    terminal.type(BACKSPACE, "4")
    terminal.wait(lambda text: "max 8" in text and "of the program before" not in text)
    terminal.wait("ready")
    terminal.type(CTRL_S)
    terminal.wait("saved turns.toml")
    assert 'value = "4"' in (tmp_path / "turns.toml").read_text()
    terminal.type(ESCAPE, CTRL_Q)
    assert terminal.ended() == 0

    # What was saved here is trusted from now on.
    again = start("turns.toml")
    again.wait(lambda text: "ran " in text and "ready" in text)
    again.type("q")
    assert again.ended() == 0
