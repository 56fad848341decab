"""The frame that is drawn before Textual is there: the start screen's, and nothing left behind."""

from __future__ import annotations

import re
import sys
from typing import Any

import pyte
import pytest
from msgspec.structs import replace
from rich.color import Color, ColorSystem
from textual.screen import Screen

from jaxtui import lessons
from jaxtui.app.start import StartScreen
from jaxtui.cli.first_frame import THEMES, frame, has_exact_colours, written
from jaxtui.screen.terminal_frame import TerminalFrame
from jaxtui.screen.themes import ThemedApp
from jaxtui.session.session import Argument, Program
from tests.support.terminal import CTRL_Z, EXPLORER, Terminal

PROGRAM = lessons.load("matrix-vector").program
LONG = replace(
    PROGRAM,
    source="\n".join(f"# line {n} {'of many words ' * n}" for n in range(40)),
    arguments=[Argument(name=f"argument_with_a_long_name_{n}", value="x" * 90) for n in range(4)],
)


class StartApp(ThemedApp):
    """The start screen alone."""

    def __init__(self, program: Program, theme: str) -> None:
        super().__init__()
        self._program, self._wanted = program, theme

    def get_default_screen(self) -> Screen[Any]:
        session = replace(lessons.load("matrix-vector"), program=self._program)
        return StartScreen(session, lambda: None, greets=False)

    def on_mount(self) -> None:
        self.theme = self._wanted


Cell = tuple[str, str | None, str, bool]


def drawn(text: str, width: int, height: int) -> list[list[Cell]]:
    """The cells that a terminal shows: text, colour unless it is a space, ground, bold."""
    screen = pyte.Screen(width, height)
    pyte.Stream(screen).feed(text)
    return [
        [
            (cell.data, None if cell.data == " " else cell.fg, cell.bg, cell.bold)
            for cell in (screen.buffer[y][x] for x in range(width))
        ]
        for y in range(height)
    ]


async def painted(app: StartApp, width: int, height: int) -> list[list[Cell]]:
    """The same of what Textual paints."""
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        rows = []
        for strip in app.screen._compositor.render_strips():
            cells: list[Cell] = []
            for text, style, _ in strip:
                assert style is not None
                assert style.color is not None
                assert style.bgcolor is not None
                colour, ground = (c.name.removeprefix("#") for c in (style.color, style.bgcolor))
                bold = bool(style.bold)
                cells += [(c, None if c == " " else colour, ground, bold) for c in text]
            rows.append(cells)
        return rows


@pytest.mark.parametrize(
    ("program", "size", "theme"),
    [
        (PROGRAM, (120, 40), "jaxtui-dark"),
        (PROGRAM, (80, 24), "jaxtui-light"),
        (LONG, (101, 30), "jaxtui-dark"),
        (LONG, (99, 12), "jaxtui-dark"),
        (Program(), (200, 60), "jaxtui-light"),
        (PROGRAM, (20, 6), "jaxtui-dark"),
    ],
)
async def test_its_cells_are_those_of_the_start_screen(program, size, theme) -> None:
    width, height = size
    rows = frame(program, width, height, THEMES[theme], exact=True)
    early = drawn(written(rows), width, height)
    after = await painted(StartApp(program, theme), width, height)
    assert early[:-1] == after[:-1]
    # The last line gets its keys later.
    assert {cell[2] for cell in early[-1]} == {THEMES[theme].panel.hex.removeprefix("#")}


@pytest.mark.parametrize(
    ("exact", "system"), [(True, ColorSystem.TRUECOLOR), (False, ColorSystem.EIGHT_BIT)]
)
async def test_what_it_has_drawn_is_not_sent_again(exact: bool, system: ColorSystem) -> None:
    width, height = 120, 40
    app = StartApp(PROGRAM, "jaxtui-dark")
    shown = TerminalFrame()
    shown.begin_with(frame(PROGRAM, width, height, THEMES["jaxtui-dark"], exact=exact))
    async with app.run_test(size=(width, height)) as pilot:
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        sent = shown.update(
            ((0, y, strip) for y, strip in enumerate(strips)), width, height, system
        )
    places = re.findall(r"\x1b\[(\d+);\d+H", sent)
    assert set(places) == {str(height)}
    assert "run" in sent


@pytest.mark.parametrize("colours", THEMES.values(), ids=THEMES)
def test_in_256_colours_they_are_those_that_rich_takes(colours) -> None:
    for colour in colours:
        assert colour.number == Color.parse(colour.hex).downgrade(ColorSystem.EIGHT_BIT).number
    text = written(frame(PROGRAM, 80, 24, colours, exact=False))
    assert f"48;5;{colours.background.number}m" in text
    assert ";2;" not in text


@pytest.mark.parametrize(
    "text",
    [
        "é = 1",
        "x = '\x1b[2J'",
        "\tx",
        "x\r",
        "x\x7f",
        "\uff46",
        "x = '\u202e'",
        "x = '\u2500\u0301'",
    ],
)
@pytest.mark.parametrize("place", ["source", "value", "name"])
def test_nothing_is_drawn_of_text_that_may_not_be_a_cell_each(text: str, place: str) -> None:
    argument = Argument(
        name=text if place == "name" else "x", value=text if place == "value" else "1"
    )
    source = text if place == "source" else "def f(x):\n    return x\n"
    program = Program(source=source, arguments=[argument])
    assert frame(program, 120, 40, THEMES["jaxtui-dark"], exact=True) == []


@pytest.mark.parametrize(
    ("environment", "exact"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True),
        ({"TERM": "tmux-256color"}, False),
        ({"TERM": "xterm-kitty"}, False),
        ({"TERM": "xterm"}, None),
        ({"TERM": "linux"}, None),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, None),
        ({"TERM": "xterm-256color", "TEXTUAL_COLOR_SYSTEM": "standard"}, None),
    ],
)
def test_the_colours_of_a_terminal_are_told_by_its_environment(environment, exact) -> None:
    assert has_exact_colours(environment) is exact


# ------------------------------------------------------------------------------ in a terminal

SHOWS = """
import os, signal, sys, termios, time
from jaxtui import lessons
from jaxtui.cli.first_frame import FirstFrame
with FirstFrame(lessons.load("matrix-vector").program, None, ascii=False) as frame:
    before = frame.take() if "take" in sys.argv else None
    print("<there>", end="", flush=True)
    if "fail" in sys.argv:
        raise SystemExit("<failed>")
    sys.stdin.read(1)
echoes = lambda modes: modes[3] & termios.ECHO > 0
print("<left>", echoes(termios.tcgetattr(0)), before and echoes(before.modes))
"""


def shown(*arguments: str, columns: int = 120, rows: int = 40, **environment: str) -> Terminal:
    command = [sys.executable, "-c", SHOWS, *arguments]
    return Terminal(command, environment=environment, columns=columns, rows=rows)


def test_it_leaves_the_terminal_as_it_was_unless_that_was_taken() -> None:
    with shown() as terminal:
        terminal.written("<there>")
        terminal.type("x")
        terminal.written("<left> True None")
        assert terminal.raw.count(b"\x1b[?1049h") == terminal.raw.count(b"\x1b[?1049l") == 1
        # What is typed is not seen on the frame.
        assert b"x<left>" not in terminal.raw
    with shown("take") as terminal:
        terminal.written("<there>")
        terminal.type("x")
        terminal.written("<left> False True")
        assert b"\x1b[?1049l" not in terminal.raw


def test_a_failure_is_told_on_the_screen_of_before() -> None:
    with shown("fail") as terminal:
        terminal.written("<failed>")
        assert terminal.raw.index(b"\x1b[?1049l") < terminal.raw.index(b"<failed>")


def test_ctrl_c_still_ends_the_program_and_ctrl_z_does_not_stop_it() -> None:
    with shown() as terminal:
        terminal.written("<there>")
        terminal.type("\x1a")
        terminal.written("<left> True None")
    with shown() as terminal:
        terminal.written("<there>")
        terminal.type("\x03")
        terminal.written("KeyboardInterrupt")
        assert b"\x1b[?1049l" in terminal.raw


def test_ctrl_c_while_a_slow_terminal_takes_no_more_leaves_it_as_it_was() -> None:
    with shown(columns=400, rows=120) as terminal:  # more than is taken unread
        terminal.written("\x1b[?1049h")
        terminal.type("\x03")
        terminal.written("KeyboardInterrupt")
        assert terminal.raw.rindex(b"\x1b[?1049l") > terminal.raw.rindex(b"\x1b[?1049h")
        assert b"<there>" not in terminal.raw


def test_a_terminal_of_few_colours_is_left_alone() -> None:
    with shown(TERM="xterm", COLORTERM="") as terminal:
        terminal.written("<there>")
        assert bytes(terminal.raw) == b"<there>"


@pytest.mark.long
def test_keys_typed_on_it_are_taken_once_the_explorer_is_there() -> None:
    with Terminal(EXPLORER) as terminal:
        terminal.written("\x1b[?1049h")
        terminal.type("wdef typed(early): return early\x1b")
        terminal.wait(lambda text: "def typed(early): return early" in text and " early " in text)
        assert terminal.raw.count(b"\x1b[?1049h") == 1
        assert terminal.raw.count(b" 3 Collectives ") == 1
        terminal.type(CTRL_Z)
        terminal.wait("no shell with job control")
