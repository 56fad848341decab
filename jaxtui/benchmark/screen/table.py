"""The table of a benchmark as a widget."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.benchmark.screen.rows import Key, StrategyRow, StrategyTable, layout
from jaxtui.screen.painted_lines import PaintedLines


class BenchmarkTable(PaintedLines):
    """A scrolling table of strategies under a fixed heading, with a cursor."""

    place_name = "Timings"
    DEFAULT_CSS = "BenchmarkTable { min-height: 4; }"

    class Moved(Message):
        """The cursor moved to another row."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: tuple[StrategyRow, ...] = ()
        self._table: StrategyTable | None = None
        self._key: Key | None = None

    @property
    def key(self) -> Key | None:
        """The selected row."""
        return self._rows[self._index].key if self._rows else None

    @property
    def wanted_height(self) -> int:
        return 1 + len(self._rows)

    @property
    def _index(self) -> int:
        return next((i for i, row in enumerate(self._rows) if row.key == self._key), 0)

    def show_rows(self, rows: Sequence[StrategyRow], *, stale: bool = False) -> None:
        """Show these rows; the cursor stays on its strategy."""
        shown = tuple(rows)
        if shown == self._rows and stale == self._stale and self._table is not None:
            return
        self._rows, self._stale = shown, stale
        self.lay_out()
        self.refresh()

    def lay_out(self) -> None:
        height, width = self.size.height, self.size.width
        over = max(0, len(self._rows) - (height - 1))
        if over:
            width -= self.styles.scrollbar_size_vertical
        self._table = layout(self._rows, max(40, width))
        wanted = Size(self.size.width, height + over)
        if self.virtual_size != wanted:
            self.virtual_size = wanted
        self.refresh()

    def texts(self) -> list[str]:
        if self._table is None:
            return []
        table = self._table
        lines = [table.heading(), *(table.line(i) for i in range(len(table.rows)))]
        return ["".join(segment.text for segment in line).rstrip() for line in lines]

    def render_line(self, y: int) -> Strip:
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
        self.go_to(self._index + step)

    def action_page(self, pages: int) -> None:
        self.go_to(self._index + pages * max(1, self.size.height - 2))

    def action_edge(self, direction: int) -> None:
        self.go_to(0 if direction < 0 else len(self._rows) - 1)

    def go_to(self, number: int) -> None:
        """Select row `number`, clamped to the table, and scroll to it."""
        if not self._rows:
            return
        number = max(0, min(number, len(self._rows) - 1))
        self._key = self._rows[number].key
        self.bring_into_view(number, self.size.height - 1)
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        if event.y > 0:
            self.go_to(event.y - 1 + self.scroll_offset.y)
