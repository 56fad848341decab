"""The first frame, drawn before Textual is imported, which takes longer than all else until then.

It shows the program where the start screen shows it, in the same colours, so that the start screen
only adds to it. It is drawn for text of which each character is one cell, in a terminal with 256
colours or more and in one of the explorer's own themes; else nothing is shown until Textual draws.
"""

from __future__ import annotations

import contextlib
import os
import termios
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple

from jaxtui.screen.first_lines import Line, columns
from jaxtui.screen.header_parts import header
from jaxtui.screen.screens import KEYED
from jaxtui.screen.taken_terminal import Row, TakenTerminal
from jaxtui.session.session import Program

_ENTER, _LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?1049l\x1b[?25h"  # the alternate screen, the cursor


class Colour(NamedTuple):
    """A colour, and the one of 256 that Rich puts in its place."""

    hex: str
    number: int

    def code(self, ground: bool, exact: bool) -> str:
        """Its code (SGR) as a foreground or as the `ground` behind it."""
        first = 48 if ground else 38
        if not exact:
            return f"{first};5;{self.number}"
        red, green, blue = bytes.fromhex(self.hex.removeprefix("#"))
        return f"{first};2;{red};{green};{blue}"


class Colours(NamedTuple):
    """What a theme makes of the styles of the lines; `text` is on the header line."""

    background: Colour
    foreground: Colour
    muted: Colour
    rule: Colour
    panel: Colour
    surface: Colour
    text: Colour


THEMES = {
    "jaxtui-dark": Colours(
        background=Colour("#11151a", 16),
        foreground=Colour("#e2e7ed", 189),
        muted=Colour("#92979c", 246),
        rule=Colour("#45494e", 238),
        panel=Colour("#1e252d", 16),
        surface=Colour("#1a2027", 16),
        text=Colour("#ffffff", 231),
    ),
    "jaxtui-light": Colours(
        background=Colour("#f7f8fa", 231),
        foreground=Colour("#1b222b", 16),
        muted=Colour("#63676c", 241),
        rule=Colour("#c0c2c6", 250),
        panel=Colour("#e3e7ed", 189),
        surface=Colour("#eceff3", 231),
        text=Colour("#000000", 16),
    ),
}


class FirstFrame:
    """A context that shows the program on the terminal, and restores that if nobody takes it."""

    def __init__(self, program: Program, theme: str | None, *, ascii: bool) -> None:
        colours, exact = THEMES.get(theme or "jaxtui-dark"), has_exact_colours(os.environ)
        self._rows: list[Row] = []
        self._modes: list[Any] | None = None  # of the terminal, while it is not as it was
        with contextlib.suppress(OSError):
            width, height = os.get_terminal_size(0)
            if colours is not None and exact is not None and not ascii and width and height > 2:
                self._rows = frame(program, width, height, colours, exact=exact)

    def take(self) -> TakenTerminal | None:
        """Hand the terminal over as it is; None if it was left alone."""
        modes, self._modes = self._modes, None
        return None if modes is None else TakenTerminal(modes, self._rows)

    def __enter__(self) -> FirstFrame:
        if self._rows:
            try:
                self._show()
            except BaseException:  # a signal, while the terminal took no more
                self._restore()
                raise
        return self

    def _show(self) -> None:
        with contextlib.suppress(OSError, termios.error):
            modes = termios.tcgetattr(0)
            self._modes = modes
            termios.tcsetattr(0, termios.TCSANOW, _quiet(modes))
            _write(_ENTER + written(self._rows))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _restore(self) -> None:
        if (taken := self.take()) is not None:
            with contextlib.suppress(OSError, termios.error):
                termios.tcsetattr(0, termios.TCSANOW, taken.modes)
                _write(_LEAVE)


def has_exact_colours(environment: Mapping[str, str]) -> bool | None:
    """Whether the terminal has more than 256 colours, as Rich goes by; None if it has fewer."""
    if "NO_COLOR" in environment or "TEXTUAL_COLOR_SYSTEM" in environment:
        return None
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return True
    kind = environment.get("TERM", "").strip().lower().rpartition("-")[2]
    return False if kind in ("256color", "kitty") else None


def frame(program: Program, width: int, height: int, colours: Colours, *, exact: bool) -> list[Row]:
    """The rows of a terminal of this size, none if a character may not be one cell."""
    sides = columns(program, width, height - 2)
    texts = (text for _, lines in sides for line in lines for text, _ in line)
    if not all(text.replace("─", "").isascii() and text.isprintable() for text in texts):
        return []
    body, bar = _body_codes(colours, exact), _bar_codes(colours, exact)
    screens = [(screen.name, screen.key, screen.title) for screen in KEYED]
    top = header(screens, "map", width, doing="starting JAX")
    styled = [(part, "") if isinstance(part, str) else part for part in top]
    rows = [_coded(_fitted(styled, width), bar)]
    for row in zip(*(lines for _, lines in sides), strict=True):
        parts = zip(row, sides, strict=True)
        cells = [part for line, (cells, _) in parts for part in _fitted(line, cells)]
        rows.append(_coded(cells, body))
    return [*rows, _coded([(" " * width, "")], bar)]


def written(rows: list[Row]) -> str:
    """What makes a terminal show the rows."""
    lines = ("".join(f"\x1b[0;{code}m{text}" for text, code in row) for row in rows)
    return "".join(f"\x1b[{y};1H{line}" for y, line in enumerate(lines, 1)) + "\x1b[0m"


def _body_codes(colours: Colours, exact: bool) -> dict[str, str]:
    """The codes of each style between the header and the key line."""
    ground = colours.background.code(True, exact)
    plain, muted, rule = (
        f"{colour.code(False, exact)};{ground}"
        for colour in (colours.foreground, colours.muted, colours.rule)
    )
    return {"": plain, "bold": f"1;{plain}", "$text-muted": muted, "$foreground 25%": rule}


def _bar_codes(colours: Colours, exact: bool) -> dict[str, str]:
    """The codes of each style on the header line."""
    text, panel = colours.text.code(False, exact), colours.panel.code(True, exact)
    surface = colours.surface.code(True, exact)
    return {
        "": f"{text};{panel}",
        "$text": f"{text};{panel}",
        "bold $text": f"1;{text};{panel}",
        "bold $text on $surface": f"1;{text};{surface}",
        "$text-muted": f"{colours.muted.code(False, exact)};{panel}",
    }


def _coded(line: Line, codes: Mapping[str, str]) -> Row:
    """The texts of a line with the codes of their styles."""
    return [(text, codes[style]) for text, style in line if text]


def _fitted(line: Line, width: int) -> Line:
    """The line, cut off or padded to so many characters."""
    fitted, left = [], width
    for text, style in line:
        fitted.append((text[:left], style))
        left -= len(fitted[-1][0])
    return [*fitted, (" " * left, "")]


def _quiet(modes: list[Any]) -> list[Any]:
    """The modes in which keys wait unseen for Textual; ctrl+c still ends the program."""
    iflag, oflag, cflag, lflag, *speeds, characters = modes
    iflag &= ~(termios.IXON | termios.IXOFF | termios.ICRNL | termios.INLCR | termios.IGNCR)
    lflag &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
    characters = [*characters]
    characters[termios.VSUSP] = b"\0"  # nothing could draw the frame anew after a pause
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [iflag, oflag, cflag, lflag, *speeds, characters]


def _write(text: str) -> None:
    data = text.encode()
    while data:
        data = data[os.write(2, data) :]
