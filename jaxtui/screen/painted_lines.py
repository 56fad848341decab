"""Widgets that paint plain lines of text: one that scrolls them, one with a row to choose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.screen.cells import Line, text_of
from jaxtui.screen.line_scroller import LineScroller


class PaintedLines(LineScroller):
    """Paints lines; their styles are component classes. What has not changed is not painted."""

    PREFIX = "painted--"
    DEFAULT_CSS = """
    PaintedLines {
        .painted--heading, .painted--strong, .painted--cursor, .painted--median {
            text-style: bold;
        }
        .painted--quiet, .painted--note, .painted--noise { color: $foreground 65%; }
        .painted--planned { color: $foreground 80%; }
        .painted--pointer { color: $primary; text-style: bold; }
        .painted--baseline, .painted--series-0 { color: $text-accent; }
        .painted--control { color: $foreground 70%; text-style: italic; }
        .painted--skipped, .painted--warning, .painted--beyond, .painted--series-3 {
            color: $text-warning;
        }
        .painted--faster { color: $text-success; text-style: bold; }
        .painted--slower, .painted--series-4 { color: $text-error; }
        .painted--bars, .painted--series-1 { color: $text-primary; }
        .painted--middle { color: $text-accent; text-style: bold; }
        .painted--rule { color: $foreground 35%; }
        .painted--series-2 { color: $text-success; }
        .painted--series-5 { color: $foreground; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS),
        *("painted--code", "painted--name", "painted--plain"),  # in the style of the widget
    }

    class Resized(Message):
        """There is another room for the lines."""

        def __init__(self, view: PaintedLines) -> None:
            super().__init__()
            self.view = view

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._lines: tuple[Line, ...] = ()
        self._stale = False

    def show(self, lines: Sequence[Line], *, stale: bool = False) -> None:
        shown = tuple(lines)
        if shown == self._lines and stale == self._stale:
            return
        self._lines, self._stale = shown, stale
        self.lay_out()
        self.refresh()

    def texts(self) -> list[str]:
        return [text_of(line).rstrip() for line in self._lines]

    def lay_out(self) -> None:
        wanted = Size(self.size.width, len(self._lines))
        if self.virtual_size != wanted:
            self.virtual_size = wanted

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Resized(self))

    def render_line(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        line = self._lines[number] if number < len(self._lines) else ()
        return self.strip_of(line, dim=self._stale)

    def make_style(self, part: str) -> Style:
        """The styles named in `part`, combined in that order."""
        style = self.rich_style
        for one in part.split():
            style += self.get_component_rich_style(self.PREFIX + one, partial=True)
        return style
