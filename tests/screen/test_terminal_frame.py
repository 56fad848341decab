"""What is sent to the terminal is less than Textual would send, and shows the same."""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pyte
import pytest
from pyte.screens import Char
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from jaxtui.screen.terminal_frame import _CERTAIN, TerminalFrame
from jaxtui.screen.textual_private import FrugalUpdate
from jaxtui.text import signs
from tests.support.terminal import cells_of

WIDTH, HEIGHT = 30, 6
WORDS = ["a", "bc ", "     ", "─" * 7, "x = ‹4›", "·", "█▌", "            ", "0123456789"]
ODD = ["中文", "e\u0301te\u0301", "🎉", "ไทย"]  # of one width for pyte and Rich


def styles() -> list[Style | None]:
    """Of their own for each terminal, since a style keeps its codes for the first one."""
    return [
        None,
        Style(),
        Style(color="#ff8800", bgcolor="#101010"),
        Style(color="#ff8800", bgcolor="#101010", bold=True),
        Style(color="#00ff88", bgcolor="#101010"),
        Style(color="#00ff88", bgcolor="#303030", italic=True, underline=True),
        Style(bgcolor="#303030"),
        Style(color="red", reverse=True),
        Style(color="color(200)", strike=True),
        Style(color="bright_blue", bgcolor="default"),
    ]


class Shows:
    """A terminal that follows what is written, beside the sum of what was."""

    def __init__(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.screen = pyte.Screen(width, height)
        self.stream = pyte.Stream(self.screen)
        self.stream.feed("\x1b[?7l")
        self.written = 0

    def feed(self, text: str) -> None:
        self.stream.feed(text)
        self.written += len(text.encode())

    @property
    def cells(self) -> list[list[Char]]:
        return cells_of(self.screen)


def strip(chance: random.Random, length: int, words: list[str]) -> Strip:
    """Random text in random styles, `length` cells long."""
    segments = []
    while sum(segment.cell_length for segment in segments) < length:
        segments.append(Segment(chance.choice(words), chance.choice(styles())))
    return Strip(segments).crop(0, length)


def lines(chance: random.Random, words: list[str]) -> list[dict[int, Strip]]:
    """A random screen, each line in a few pieces by the column of their first cells."""
    made: list[dict[int, Strip]] = []
    for _ in range(HEIGHT):
        cuts = sorted({0, WIDTH, *(chance.randrange(WIDTH) for _ in range(chance.randrange(4)))})
        made.append({a: strip(chance, b - a, words) for a, b in pairwise(cuts)})
    return made


def changed(
    chance: random.Random, before: list[dict[int, Strip]], words: list[str]
) -> list[dict[int, Strip]]:
    """The screen with a few pieces that are others, as of a widget that has changed."""
    after = [dict(line) for line in before]
    for _ in range(chance.randrange(4)):
        line = chance.choice(after)
        x = chance.choice(list(line))
        length = line[x].cell_length
        if length > 3 and chance.random() < 0.7:  # the same but for a few cells in the middle
            at = chance.randrange(1, length - 1)
            parts = [line[x].crop(0, at), strip(chance, 1, words), line[x].crop(at + 1, length)]
            line[x] = Strip.join(parts)
        else:
            line[x] = strip(chance, length, words)
    return after


def updates(chance: random.Random, words: list[str]) -> Iterator[LayoutUpdate | ChopsUpdate]:
    """A full paint, then full and partial ones in any order."""
    now = lines(chance, words)
    yield LayoutUpdate([line.values() for line in now], Region(0, 0, WIDTH, HEIGHT))
    for _ in range(25):
        now = lines(chance, words) if chance.random() < 0.2 else changed(chance, now, words)
        if chance.random() < 0.4:
            yield LayoutUpdate([line.values() for line in now], Region(0, 0, WIDTH, HEIGHT))
            continue
        ends = [[x + part.cell_length for x, part in line.items()] for line in now]
        spans = []
        for y in sorted(chance.sample(range(HEIGHT), chance.randrange(1, HEIGHT))):
            first = chance.randrange(WIDTH - 1)
            spans.append((y, first, chance.randrange(first + 1, WIDTH + 1)))
        yield ChopsUpdate(now, spans, ends)


CONSOLES = {
    "truecolor": Console(color_system="truecolor", force_terminal=True),
    "standard": Console(color_system="standard", force_terminal=True),
}


@pytest.mark.parametrize("colours", CONSOLES)
@pytest.mark.parametrize("words", [WORDS, WORDS + ODD], ids=["plain", "odd"])
def test_the_terminal_shows_what_textual_would_show(words: list[str], colours: str) -> None:
    console = CONSOLES[colours]
    for seed in range(4):
        ours, textuals, frame = Shows(), Shows(), TerminalFrame()
        for number, update in enumerate(updates(random.Random(seed), words)):
            if number == 15:
                frame.forget()
            textuals.feed(update.render_segments(console))
            ours.feed(FrugalUpdate(update, frame, WIDTH, HEIGHT).render_segments(console))
            assert ours.cells == textuals.cells, (seed, number)
        assert ours.written < (0.6 if words is WORDS else 1) * textuals.written


def of(*rows: str) -> LayoutUpdate:
    return LayoutUpdate([[Strip([Segment(row)])] for row in rows], Region(0, 0, WIDTH, len(rows)))


def sent(update: LayoutUpdate | ChopsUpdate, frame: TerminalFrame, width: int = WIDTH) -> str:
    return FrugalUpdate(update, frame, width, HEIGHT).render_segments(CONSOLES["truecolor"])


def test_only_what_differs_is_sent() -> None:
    frame = TerminalFrame()
    sent(of("a letter and a letter", "a line"), frame)
    assert sent(of("a letter and a letter", "a line"), frame) == ""
    assert sent(of("a better and a letter", "a lime"), frame) == "\x1b[1;3Hb\x1b[2;5Hm"
    # What lies between two changes is sent where moving over it would take more.
    assert sent(of("A Better and a letteR", "a lime"), frame) == "\x1b[1;1HA B\x1b[17CR"


def test_the_characters_of_a_certain_width_take_one_cell_and_are_jaxtuis_own() -> None:
    certain = [chr(code) for code in range(0x11000) if _CERTAIN.fullmatch(chr(code))]
    assert len(certain) > 3000
    assert {cell_len(character) for character in certain} == {1}
    assert not [c for c in certain if unicodedata.category(c) in ("Mn", "Me", "Cc", "Cf", "Cs")]
    assert set(map(chr, signs.ASCII)) - set(certain) <= {"🔎"}


def test_a_line_with_characters_of_no_certain_width_is_sent_whole() -> None:
    frame = TerminalFrame()
    sent(of("as e\u0301le\u0300ve"), frame)
    assert sent(of("as e\u0301le\u0300ve"), frame) == ""
    assert sent(of("an e\u0301le\u0300ve"), frame) == "\x1b[1;1Han e\u0301le\u0300ve"
    assert sent(of("an eleve"), frame) == "\x1b[1;1Han eleve"


@pytest.mark.parametrize("how", ["forgotten", "resized"])
def test_all_is_sent_once_nothing_is_known(how: str) -> None:
    frame = TerminalFrame()
    first = sent(of("a", "b"), frame)
    if how == "forgotten":
        frame.forget()
    assert sent(of("a", "b"), frame, WIDTH + (how == "resized")) == first


def test_a_change_that_cannot_be_told_is_sent_as_textual_would() -> None:
    class Broken(TerminalFrame):
        broken = False

        def update(self, *rest: Any) -> str:
            text = super().update(*rest)
            if self.broken:
                raise ValueError("halfway")
            return text

    frame = Broken()
    first = sent(of("a"), frame)
    frame.broken = True
    assert sent(of("b"), frame) == of("b").render_segments(CONSOLES["truecolor"])
    frame.broken = False
    assert sent(of("a"), frame) == first
