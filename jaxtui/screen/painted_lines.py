"""Widgets that paint plain lines of text: one that scrolls them, one with a row to choose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.benchmark.screen.rows import Key, Row, Table, layout
from jaxtui.screen.cells import Line, glyphs
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
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup,ctrl+u", "page(-1)", "Page up", show=False),
        Binding("pagedown,ctrl+d", "page(1)", "Page down", show=False),
        Binding("home,g", "edge(-1)", "To the top", show=False),
        Binding("end,G", "edge(1)", "To the end", show=False),
    ]

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
        """Paint these."""
        shown = tuple(lines)
        if shown == self._lines and stale == self._stale:
            return
        self._lines, self._stale = shown, stale
        self.lay_out()
        self.refresh()

    def texts(self) -> list[str]:
        """What is painted, without styles."""
        return ["".join(segment.text for segment in line).rstrip() for line in self._lines]

    def lay_out(self) -> None:
        """Let them scroll to the last line."""
        wanted = Size(self.size.width, len(self._lines))
        if self.virtual_size != wanted:
            self.virtual_size = wanted

    def on_resize(self, event: events.Resize) -> None:
        """Other lines may fill it."""
        self.post_message(self.Resized(self))

    def render_line(self, y: int) -> Strip:
        """Line `y` from the widget's top."""
        number = y + self.scroll_offset.y
        line = self._lines[number] if number < len(self._lines) else ()
        return self.strip_of(line, dim=self._stale)

    def make_style(self, part: str) -> Style:
        """The styles that `part` names, one over the other."""
        style = self.rich_style
        for one in part.split():
            style += self.get_component_rich_style(self.PREFIX + one, partial=True)
        return style

    def action_move(self, step: int) -> None:
        """Scroll by a line."""
        self.scroll_relative(y=step, animate=False)

    def action_page(self, pages: int) -> None:
        """Scroll by what is on view."""
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def action_edge(self, direction: int) -> None:
        """Scroll to an end."""
        if direction < 0:
            self.scroll_home(animate=False)
        else:
            self.scroll_end(animate=False)


class BenchmarkTable(PaintedLines):
    """The rows of a benchmark under a heading that stays, with a cursor on one of them."""

    DEFAULT_CSS = "BenchmarkTable { min-height: 4; }"

    class Moved(Message):
        """The cursor is on another row."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: tuple[Row, ...] = ()
        self._table: Table | None = None
        self._key: Key | None = None

    @property
    def key(self) -> Key | None:
        """What the row at the cursor is of."""
        return self._rows[self._index].key if self._rows else None

    @property
    def wanted_height(self) -> int:
        """Lines that show all rows and the heading."""
        return 1 + len(self._rows)

    @property
    def _index(self) -> int:
        return next((i for i, row in enumerate(self._rows) if row.key == self._key), 0)

    def show_rows(self, rows: Sequence[Row], *, stale: bool = False) -> None:
        """Paint these rows; the cursor stays on the strategy it is on."""
        shown = tuple(rows)
        if shown == self._rows and stale == self._stale and self._table is not None:
            return
        self._rows, self._stale = shown, stale
        self.lay_out()
        self.refresh()

    def lay_out(self) -> None:
        """Make the columns, beside a scrollbar where the rows do not all go in."""
        height, width = self.size.height, self.size.width
        over = max(0, len(self._rows) - (height - 1))
        if over:
            width -= self.styles.scrollbar_size_vertical
        self._table = layout(self._rows, max(40, width), glyphs(self.ascii))
        wanted = Size(self.size.width, height + over)
        if self.virtual_size != wanted:
            self.virtual_size = wanted
        self.refresh()

    def texts(self) -> list[str]:
        """The whole table, without styles."""
        if self._table is None:
            return []
        table = self._table
        lines = [table.heading(), *(table.line(i) for i in range(len(table.rows)))]
        return ["".join(segment.text for segment in line).rstrip() for line in lines]

    def render_line(self, y: int) -> Strip:
        """The heading, or a row."""
        table = self._table
        if table is None:
            return self.strip_of(())
        if y == 0:
            return self.strip_of(table.heading(), dim=self._stale)
        number = y - 1 + self.scroll_offset.y
        if number >= len(table.rows):
            return self.strip_of(())
        return self.strip_of(table.line(number, cursor=number == self._index), dim=self._stale)

    def action_move(self, step: int) -> None:
        """Go to the row above or below."""
        self.go_to(self._index + step)

    def action_page(self, pages: int) -> None:
        """Go on by what is on view."""
        self.go_to(self._index + pages * max(1, self.size.height - 2))

    def action_edge(self, direction: int) -> None:
        """Go to the first or the last row."""
        self.go_to(0 if direction < 0 else len(self._rows) - 1)

    def go_to(self, number: int) -> None:
        """Put the cursor on a row, and bring it into view."""
        if not self._rows:
            return
        number = max(0, min(number, len(self._rows) - 1))
        self._key = self._rows[number].key
        self.bring_into_view(number, self.size.height - 1)
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Take the cursor to the clicked row."""
        if event.y > 0:
            self.go_to(event.y - 1 + self.scroll_offset.y)
