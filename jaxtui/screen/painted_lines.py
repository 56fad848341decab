"""Widgets that paint plain lines of text: one that scrolls them, one with a row to choose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.screen.cells import Line, text_of
from jaxtui.screen.line_scroller import LineScroller


class PaintedLines(LineScroller):
    """Paints lines; their styles are component classes. What has not changed is not painted."""

    PREFIX = "painted--"
    place_name = ""
    DEFAULT_CSS = """
    PaintedLines {
        .painted--heading, .painted--strong, .painted--cursor, .painted--median {
            text-style: bold;
        }
        .painted--quiet, .painted--note, .painted--noise { color: $quiet; }
        .painted--planned { color: $soft; }
        .painted--pointer { color: $focus; text-style: bold; }
        .painted--control { color: $soft; text-style: italic; }
        .painted--skipped, .painted--warning, .painted--beyond { color: $text-warning; }
        .painted--faster { color: $faster; text-style: bold; }
        .painted--slower { color: $slower; text-style: bold; }
        .painted--bars { color: $soft; }
        .painted--middle { color: $foreground; text-style: bold; }
        .painted--rule { color: $foreground 35%; }
        .painted--strategy-0 { color: $strategy-0; }
        .painted--strategy-1 { color: $strategy-1; }
        .painted--strategy-2 { color: $strategy-2; }
        .painted--strategy-3 { color: $strategy-3; }
        .painted--strategy-4 { color: $strategy-4; }
        .painted--strategy-5 { color: $strategy-5; }
        .painted--strategy-6 { color: $strategy-6; }
        .painted--strategy-7 { color: $strategy-7; }
        .painted--strategy-8 { color: $strategy-8; }
        .painted--strategy-9 { color: $strategy-9; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS),
        *(
            "painted--code",
            "painted--baseline",
            "painted--name",
            "painted--plain",
        ),  # in the style of the widget
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
