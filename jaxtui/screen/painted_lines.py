"""Widgets that paint plain lines of text: one that scrolls them, one with a row to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.screen.cells import Line, text_of
from jaxtui.screen.line_scroller import LineScroller

_PARTS = (
    *("heading", "quiet", "strong", "note", "pointer", "cursor", "name", "plain", "planned"),
    *("baseline", "control", "skipped", "faster", "slower", "noise", "median", "code", "warning"),
    *("bars", "middle", "rule", "beyond", *(f"series-{number}" for number in range(6))),
)


class PaintedLines(LineScroller):
    """Paints lines; their styles are component classes. What has not changed is not painted."""

    PREFIX = "painted--"
    COMPONENT_CLASSES: ClassVar[set[str]] = {f"painted--{part}" for part in _PARTS}
    DEFAULT_CSS = """
    PaintedLines {
        .painted--heading { text-style: bold; }
        .painted--quiet { color: $foreground 65%; }
        .painted--strong { text-style: bold; }
        .painted--note { color: $foreground 65%; }
        .painted--planned { color: $foreground 80%; }
        .painted--pointer { color: $primary; text-style: bold; }
        .painted--cursor { text-style: bold; }
        .painted--baseline { color: $text-accent; }
        .painted--control { color: $foreground 70%; text-style: italic; }
        .painted--skipped { color: $text-warning; }
        .painted--faster { color: $text-success; text-style: bold; }
        .painted--slower { color: $text-error; }
        .painted--noise { color: $foreground 65%; }
        .painted--median { text-style: bold; }
        .painted--warning { color: $text-warning; }
        .painted--bars { color: $text-primary; }
        .painted--middle { color: $text-accent; text-style: bold; }
        .painted--rule { color: $foreground 35%; }
        .painted--beyond { color: $text-warning; }
        .painted--series-0 { color: $text-accent; }
        .painted--series-1 { color: $text-primary; }
        .painted--series-2 { color: $text-success; }
        .painted--series-3 { color: $text-warning; }
        .painted--series-4 { color: $text-error; }
        .painted--series-5 { color: $foreground; }
    }
    """

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
