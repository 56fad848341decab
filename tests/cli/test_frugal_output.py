"""The real program sends its terminal few bytes, and the terminal shows what it would of all."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pyte
import pytest
from msgspec.structs import replace

from jaxtui.session.session import save
from tests.performance.slow_line import CTRL_G, SESSION, SIZES, STEPS, bytes_of
from tests.support.terminal import (
    BACKSPACE,
    DOWN,
    END,
    ENTER,
    ESCAPE,
    EXPLORER,
    F5,
    TAB,
    Terminal,
    cells_of,
    explorer,
)

CTRL_L, CTRL_P = "\x0c", "\x10"
# Keys that open a dialog.
DIALOGS = ("?", CTRL_P, "p", "\x0f")

# The explorer, which notes beside what it sends all that Textual would have sent.
NOTING = """
import json, os
from jaxtui.cli.main import main
from jaxtui.screen.textual_private import FrugalUpdate

frugal, notes = FrugalUpdate.render_segments, open(os.environ["NOTES"], "a")

def both(update, console):
    textuals = update._update.render_segments(console)
    print(json.dumps([*update._size, textuals]), file=notes, flush=True)
    return frugal(update, console)

FrugalUpdate.render_segments = both
raise SystemExit(main())
"""

KEYS = [
    *(ESCAPE, F5, DOWN, ENTER, "w", END, *"x é", BACKSPACE, ENTER, TAB, END, "1", BACKSPACE, TAB),
    *(ESCAPE, "s", "s", "S", "z", "z", ">", "<", "/", *"arr", ESCAPE, CTRL_G, ESCAPE, "L", ESCAPE),
    *("2", DOWN, TAB, DOWN, ESCAPE, "3", DOWN, TAB, ESCAPE, "4", DOWN, ESCAPE, "5", DOWN),
    *(ESCAPE, "6", TAB, ESCAPE, "1"),
    *("?", DOWN, "\x1b[6~", ESCAPE, "p", DOWN, ESCAPE, CTRL_P, *"help", ESCAPE, CTRL_L, "y"),
]


class Whole:
    """A terminal of the same size, that was sent all that Textual paints."""

    def __init__(self, notes: Path) -> None:
        self._notes, self._read = notes, 0
        self._screen = pyte.Screen(1, 1)
        self._stream = pyte.Stream(self._screen)

    def follow(self) -> pyte.Screen:
        lines = self._notes.read_text().splitlines()
        for line in lines[self._read :]:
            columns, rows, text = json.loads(line)
            if (self._screen.columns, self._screen.lines) != (columns, rows):
                self._screen = pyte.Screen(columns, rows)
                self._stream = pyte.Stream(self._screen)
            self._stream.feed("\x1b[?7l" + text)
        self._read = len(lines)
        return self._screen


@pytest.mark.long
@pytest.mark.parametrize("colours", ["truecolor", ""])
def test_every_screen_is_what_textual_would_show(tmp_path: Path, colours: str) -> None:
    source = SESSION.program.source.replace("of a row", "of a row: 行 élève")
    session = replace(SESSION, program=replace(SESSION.program, source=source))
    save(session, tmp_path / "shown.toml")
    own = {f"XDG_{kind}_HOME": str(tmp_path / kind) for kind in ("DATA", "CONFIG", "STATE")}
    own |= {"NOTES": str(tmp_path / "notes"), "COLORTERM": colours}
    if not colours:
        own["TERM"] = "xterm-16color"
    command = [sys.executable, "-c", NOTING, "shown.toml"]
    with Terminal(command, folder=tmp_path, environment=own) as terminal:
        terminal.wait("Leave it")
        whole, seen = Whole(tmp_path / "notes"), ""
        for number, key in enumerate([*KEYS, (80, 24), *KEYS, (140, 45), *KEYS[:30], (120, 40)]):
            if isinstance(key, str):
                terminal.type(key)
            else:
                terminal.resize(*key)
            terminal.settle(0.25)
            painted, shown = cells_of(whole.follow()), terminal.cells
            if painted != shown:  # the one may have been painted since the other was read
                terminal.settle(1.0)
                painted, shown = cells_of(whole.follow()), terminal.cells
            assert shown == painted, (number, key)
            seen += terminal.text
    panes = ("─Sharding", "─Benchmark", "─Lessons", "─Device set")
    missing = [pane for pane in panes if pane not in seen]
    assert not missing


@pytest.mark.long
@pytest.mark.parametrize("size", SIZES[:2])
def test_a_key_costs_little(size: tuple[int, int]) -> None:
    found = bytes_of(EXPLORER, *size)
    too_many = {s.name: found[s.name] for s in STEPS if found[s.name] > s.most}
    assert not too_many
    assert sum(found.values()) > 10_000, "the steps have changed nothing"


@pytest.mark.long
def test_what_another_program_left_in_the_terminal_is_painted_over(tmp_path: Path) -> None:
    editor = tmp_path / "editor.sh"
    editor.write_text("#!/bin/sh\nprintf '\\033[2J\\033[HEDITED ALL OF IT'\n")
    editor.chmod(0o755)
    with explorer(tmp_path, EDITOR=str(editor)) as terminal:
        terminal.wait("53.")
        terminal.settle()
        terminal.type("e")
        terminal.wait(lambda text: b"EDITED ALL" in terminal.raw and "53." in text)
        terminal.settle()
        assert "EDITED" not in terminal.text
        after = terminal.cells
        terminal.press(CTRL_L)
        assert terminal.cells == after


@pytest.mark.long
def test_a_dialog_is_painted_once(tmp_path: Path) -> None:
    """No box is shown empty, or at another place, before it is shown as it is."""
    with explorer(tmp_path) as terminal:
        terminal.wait("53.")
        for key in DIALOGS:
            terminal.settle()
            before = len(terminal.raw)
            terminal.type(key)
            terminal.wait("┌─")
            terminal.settle()
            corners = bytes(terminal.raw[before:]).decode().count("┌─")
            assert corners == 1, (key, terminal.text)
            terminal.press(ESCAPE)
            terminal.wait_until_gone("┌─")
