"""Keys that come all at once, as over a slow line: each does what it would do alone, in order."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from jaxtui.session.session import Session, load
from tests.support.terminal import BACKSPACE, CTRL_S, END, ENTER, ESCAPE, TAB, Terminal, explorer

LEFT, RIGHT, HOME, DELETE = "\x1b[D", "\x1b[C", "\x1b[H", "\x1b[3~"
MOVES = (LEFT, RIGHT, HOME, END, BACKSPACE, DELETE)
CTRL_O, CTRL_U, CTRL_SPACE = "\x0f", "\x15", "\x00"
FIELDS = 3  # the source and two values; further fields hold what can be read only
SESSION = """
[devices]
platform = "cpu"
count = 1

[program]
source = "def f(x, y): return x"

[[program.arguments]]
name = "x"
value = "1"

[[program.arguments]]
name = "y"
value = "2"
"""


class Line:
    """What a one-line field does with keys."""

    def __init__(self, text: str, cursor: int) -> None:
        self.text, self.cursor = text, cursor

    def press(self, key: str) -> None:
        before, after = self.text[: self.cursor], self.text[self.cursor :]
        if key == BACKSPACE:
            before = before[:-1]
        elif key == DELETE:
            after = after[1:]
        elif key not in MOVES:
            before += key
        self.text, self.cursor = before + after, len(before)
        if key in MOVES:
            places = {LEFT: self.cursor - 1, RIGHT: self.cursor + 1, HOME: 0, END: len(self.text)}
            self.cursor = min(len(self.text), max(0, places.get(key, self.cursor)))


def keys_of(random: random.Random, length: int) -> list[str]:
    """Letters, and often several of one editing key in a row, as when it is held down."""
    keys: list[str] = []
    while len(keys) < length:
        if random.random() < 0.3:
            keys += [random.choice(MOVES)] * random.randint(1, 8)
        else:
            keys.append(random.choice("abcxyz019+*(), "))
    return keys[:length]


def texts(session: Session) -> list[str]:
    return [session.program.source, *(a.value for a in session.program.arguments)]


@contextmanager
def opened(tmp_path: Path) -> Iterator[tuple[Terminal, Path]]:
    """The explorer with the cursor at the end of the value of x."""
    file = tmp_path / "mine.toml"
    file.write_text(SESSION)
    terminal = explorer(tmp_path, "mine.toml")
    try:
        terminal.wait("Run mine.toml?", 120)
        terminal.press("\x1b[B", ENTER)
        terminal.wait("ran ", 120)
        terminal.type(TAB * 3 + END)
        yield terminal, file
    finally:
        terminal.close()


def saved(file: Path, before: int, terminal: Terminal) -> list[str]:
    """The texts in the file once it was written after `before` (st_mtime_ns)."""
    terminal.discard(lambda: file.stat().st_mtime_ns != before, 60)
    return texts(load(file))


def bursts(tmp_path: Path, number: int, length: int, seed: int) -> None:
    chance = random.Random(seed)
    with opened(tmp_path) as (terminal, file):
        line = Line("1", 1)
        for turn in range(number):
            keys = keys_of(chance, length)
            for key in keys:
                line.press(key)
            if line.text == load(file).program.arguments[0].value:  # then nothing would be saved
                keys.append("z")
                line.press("z")
            before = file.stat().st_mtime_ns
            terminal.type("".join(keys) + CTRL_S)
            found = saved(file, before, terminal)[1]
            assert found == line.text, f"burst {turn} of seed {seed}"


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Others that use the processors."""
    others = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)
    ]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_what_is_typed_in_bursts_is_what_the_field_holds(tmp_path: Path) -> None:
    bursts(tmp_path, number=5, length=200, seed=1)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_two_hundred_bursts_of_two_hundred_keys_under_load(tmp_path: Path) -> None:
    with busy(3):
        bursts(tmp_path, number=200, length=200, seed=2)


def test_each_field_gets_what_was_typed_after_the_tab_that_leads_to_it(tmp_path: Path) -> None:
    with opened(tmp_path) as (terminal, file):
        before = file.stat().st_mtime_ns
        # From the value of x on to that of y, and back past both to the source.
        back = "\x1b[Z"
        terminal.type("23" + TAB + END + "45" + back + END + "6" + back + "#ab\x7f" + CTRL_S)
        assert saved(file, before, terminal) == ["#adef f(x, y): return x", "1236", "245"]


@pytest.mark.long
def test_a_name_completed_in_a_burst_is_that_which_was_begun(tmp_path: Path) -> None:
    """Without a pause no list is seen, and the first of the names is taken all the same."""
    with opened(tmp_path) as (terminal, file):
        before = file.stat().st_mtime_ns
        terminal.type(
            CTRL_U + "devi" + CTRL_SPACE + "+ 1" + TAB + END + "zzy" + CTRL_SPACE + CTRL_S
        )
        assert saved(file, before, terminal)[1:] == ["devices+ 1", "2zzy"]


@pytest.mark.long
def test_a_path_typed_right_behind_the_key_that_asks_for_it_opens(tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text(SESSION.replace("return x", "return other"))
    with opened(tmp_path) as (terminal, _):
        time.sleep(0.2)
        terminal.type(CTRL_O + CTRL_U + str(other) + ENTER)
        terminal.wait("Run other.toml?")


def test_what_is_typed_right_behind_w_is_in_the_function(tmp_path: Path) -> None:
    with explorer(tmp_path) as terminal:  # without a file, on the first example
        terminal.wait("F5 run")
        terminal.type("wdef mine(x): return x * 2")
        terminal.wait("mine(x): return x * 2")
        assert "vector" not in terminal.text.split("mine(x)")[1].splitlines()[0]


def test_escape_and_what_is_pressed_right_behind_it_are_two_keys(tmp_path: Path) -> None:
    with opened(tmp_path) as (terminal, file):
        before = file.stat().st_mtime_ns
        terminal.type("7" + ESCAPE + "4")
        terminal.wait("─Benchmark")
        terminal.type("1" + ESCAPE + "?")
        terminal.wait("─ Keys ─")
        terminal.type(ESCAPE + CTRL_S)
        assert saved(file, before, terminal)[1] == "17"
