"""A list of any length with a row to choose; only the rows on view are laid out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.screen.cells import Segment as Cell
from jaxtui.screen.cells import elided, text_of
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.sharding.screen import roles
from jaxtui.sharding.words import Part, Parts
from jaxtui.text.signs import CURSOR


class FlowText(PaintedLines):
    """Lines of a flow's texts that do not change with a cursor."""

    PREFIX = roles.PREFIX
    COMPONENT_CLASSES: ClassVar[set[str]] = roles.COMPONENTS
    DEFAULT_CSS = "FlowText { height: auto; padding: 0 0 0 1; }\n" + roles.CSS
    can_focus = False

    def say(self, lines: Iterable[Parts], *, stale: bool = False) -> None:
        """Show the lines, as high as they need."""
        painted = [roles.line_of(line) for line in lines]
        if self.styles.height is None or self.styles.height.value != len(painted):
            self.styles.height = len(painted)
        self.show(painted, stale=stale)


class RowList(LineScroller):
    """Rows that a function lays out, and a cursor among them, for which the first cell is kept."""

    PREFIX = roles.PREFIX
    COMPONENT_CLASSES: ClassVar[set[str]] = roles.COMPONENTS
    DEFAULT_CSS = roles.CSS
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways("up down page_up page_down first last"),
        Binding("enter,space", "choose", "Open it, or take it", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

        def __init__(self, list: RowList) -> None:
            super().__init__()
            self.list = list

        @property
        def control(self) -> RowList:
            return self.list

    class Chosen(Moved):
        """The row of the cursor was chosen."""

    class Resized(Moved):
        """There is another room for the rows."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.count = 0
        self.cursor = 0
        self._stale = False
        self._row: Callable[[int], Parts] = lambda number: (Part(""),)
        self._put: tuple[object, ...] | None = None

    def put(
        self,
        count: int,
        row: Callable[[int], Parts],
        *,
        of: object,
        stale: bool = False,
    ) -> None:
        """Show `count` rows, each laid out by `row` once it comes into view.

        They are painted anew only if `of`, all that they depend on, is another than before.
        """
        self.cursor = max(0, min(self.cursor, count - 1))
        put = (count, of, self.cursor, stale)
        if put == self._put:
            return
        self.count, self._row, self._stale, self._put = count, row, stale, put
        self.lay_out()
        self.refresh()

    def lay_out(self) -> None:
        wanted = Size(self.size.width, self.count)
        if self.virtual_size != wanted:
            self.virtual_size = wanted

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()
        self.bring_into_view(self.cursor, self.size.height)
        self.post_message(self.Resized(self))

    def render_line(self, y: int) -> Strip:
        number = y + self.scroll_offset.y
        if number >= self.count:
            return self.strip_of((), dim=self._stale)
        strip = self._row_strip(number)
        return (
            strip if y < self.size.height - 1 else self.telling_more(strip, self.count - number - 1)
        )

    def _row_strip(self, number: int) -> Strip:
        row = elided(roles.line_of(self._row(number)), self.size.width - 1)
        if number != self.cursor:
            return self.strip_of((Cell(" "), *row), dim=self._stale)
        kind = "cursor" if self.has_focus else "selected"
        pointer = Cell(CURSOR, "sign" if kind == "selected" else "pointer")
        strip = self.strip_of((pointer, *row), dim=self._stale)
        over = Style(bgcolor=self.style_of(kind).bgcolor)
        return Strip(Segment.apply_style(strip, post_style=over), strip.cell_length)

    def texts(self) -> list[str]:
        """The rows on view as text."""
        first = self.scroll_offset.y
        last = min(self.count, first + self.size.height)
        return [text_of(roles.line_of(self._row(n))).rstrip() for n in range(first, last)]

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        number = event.y + self.scroll_offset.y
        if number < self.count:
            again = number == self.cursor
            self.go_to(number)
            if again:
                self.action_choose()

    # ------------------------------------------------------------------------------------- keys

    def go_to(self, number: int) -> None:
        """Put the cursor on a row, or on the nearest there is."""
        number = max(0, min(number, self.count - 1))
        if number != self.cursor:
            self.cursor = number
            self.post_message(self.Moved(self))
            self.refresh()
        self.bring_into_view(number, self.size.height)

    def action_move(self, step: int) -> None:
        self.go_to(self.cursor + step)

    def action_page(self, pages: int) -> None:
        self.go_to(self.cursor + pages * max(1, self.size.height - 1))

    def action_edge(self, direction: int) -> None:
        self.go_to(0 if direction < 0 else self.count - 1)

    def action_choose(self) -> None:
        if self.count:
            self.post_message(self.Chosen(self))
