"""A program as text in a widget that scrolls both ways and lays out what is on view only."""

from __future__ import annotations

import re
from typing import ClassVar

from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.program.screen.listing.model import Listing
from jaxtui.screen import commands
from jaxtui.screen.cells import Segment, crop, text_of, width_of
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.text.signs import CURSOR, ELLIPSIS

STEP = 8  # columns that one key goes sideways
EDGE = 1  # cells for the mark where a line goes on


class ListingView(LineScroller):
    """The rows of a listing, with a cursor on one of them."""

    PREFIX = "listing--"
    place_name = "Listing"
    DEFAULT_CSS = """
    ListingView {
        background: $background;
        .listing--op { color: $code-name; text-style: bold; }
        .listing--collective { color: $mesh-0; text-style: bold underline; }
        .listing--type { color: $code-type; }
        .listing--name { color: $foreground; }
        .listing--number { color: $code-literal; }
        .listing--string, .listing--text { color: $code-literal; text-style: italic; }
        .listing--keyword { color: $code-word; }
        .listing--key { color: $soft; }
        .listing--comment { color: $quiet; text-style: italic; }
        .listing--fold { color: $quiet; text-style: italic; }
        .listing--edge { color: $quiet; }
        .listing--pointer { color: $focus; text-style: bold; }
        .listing--cursor { background: $lit; }
        .listing--selected { background: $foreground 10%; }
        .listing--found { text-style: reverse; }
    }
    """
    SCOPE: ClassVar[str] = "listing"  # of the commands that work here
    COMPONENT_CLASSES: ClassVar[set[str]] = set(re.findall(r"listing--\w+", DEFAULT_CSS))
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways("up down page_up page_down"),
        Binding("left,h", "sideways(-1)", "Left", show=False),
        Binding("right,l", "sideways(1)", "Right", show=False),
        Binding("home", "line_edge(-1)", "To the beginning of the lines", show=False),
        Binding("end", "line_edge(1)", "To the end of the line", show=False),
        Binding("ctrl+home", "edge(-1)", "To the top", show=False),
        Binding("ctrl+end,G", "edge(1)", "To the end", show=False),
        *commands.bindings("listing"),
    ]

    class Moved(Message):
        """The cursor stands on another line."""

    def __init__(self) -> None:
        super().__init__()
        self.listing = Listing("", "python")
        self.cursor = 0  # a row
        self.left = 0  # the first column on view
        self.found: tuple[int, int, int] | None = None  # line, first and last column
        self._stale = False

    @property
    def line(self) -> int:
        """The line of the text, from 0, that the cursor stands on."""
        return self.listing.rows[self.cursor]

    @property
    def _room(self) -> int:
        """Cells for a line's text, beside the cursor's sign and the scrollbar."""
        return max(1, self.scrollable_content_region.width - 1)

    def show(self, listing: Listing, *, stale: bool = False) -> None:
        """Show another listing; the cursor stays on its row if that exists."""
        if listing is self.listing and stale == self._stale:
            return
        if listing is not self.listing:
            self.found = None
        self.listing, self._stale = listing, stale
        self.cursor = max(0, min(self.cursor, len(listing.rows) - 1))
        self.lay_out()
        self.refresh()

    def lay_out(self) -> None:
        wanted = Size(self.size.width, len(self.listing.rows))
        if self.virtual_size != wanted:
            self.virtual_size = wanted

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()
        self.bring_into_view(self.cursor, self.size.height)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    # ----------------------------------------------------------------------------------- painting

    def render_line(self, y: int) -> Strip:
        row = y + self.scroll_offset.y
        if row >= len(self.listing.rows):
            return self.strip_of((), dim=self._stale)
        line = self.listing.rows[row]
        room = self._room
        whole = self._whole(line)
        shown = crop(whole, self.left, self.left + room)
        if width_of(whole) > self.left + room:
            shown = (*crop(shown, 0, room - EDGE), Segment(ELLIPSIS, "edge"))
        if self.left and width_of(whole):
            shown = (Segment(ELLIPSIS, "edge"), *crop(shown, EDGE, room))
        if row != self.cursor:
            return self.strip_of((Segment(" "), *shown), dim=self._stale)
        kind = "cursor" if self.has_focus else "selected"
        pointer = Segment(CURSOR, "edge" if kind == "selected" else "pointer")
        strip = self.strip_of((pointer, *shown), dim=self._stale)
        over = Style(bgcolor=self.get_component_rich_style(self.PREFIX + kind).bgcolor)
        return Strip(RichSegment.apply_style(strip, post_style=over), strip.cell_length)

    def _whole(self, line: int) -> tuple[Segment, ...]:
        """A row's line as far as it may be on view, with what was found marked."""
        segments = self.listing.segments(line, self.left + self.size.width)
        if self.found is None or self.found[0] != line:
            return segments
        _, first, last = self.found
        start = self.listing.column_of(line, first)
        end = self.listing.column_of(line, last)
        found = text_of(crop(segments, start, end))
        return (*crop(segments, 0, start), Segment(found, "found"), *crop(segments, end, 1 << 30))

    def texts(self) -> list[str]:
        """The rows on view as text."""
        first = self.scroll_offset.y
        rows = self.listing.rows[first : first + self.size.height]
        return [text_of(self.listing.segments(line, 1 << 20)).rstrip() for line in rows]

    # ------------------------------------------------------------------------------------- cursor

    def go_to_line(self, line: int, column: int = 0, *, middle: bool = False) -> None:
        """Put the cursor on a line of the text, which is unfolded if it is hidden."""
        before = len(self.listing.rows)
        self.listing.reveal(line, column)
        if len(self.listing.rows) != before:
            self.lay_out()
        self._go(self.listing.row_of(line))
        top, height = self.scroll_offset.y, self.size.height
        if middle and not top + height // 4 <= self.cursor < top + height - height // 4:
            # Once the listing has been laid out, if it is shown only now.
            self.call_after_refresh(self._to_middle)
        self.refresh()

    def arrive_at(self, line: int) -> None:
        """Put the cursor on a line, the beginning of which is in view."""
        self._look_from(0)
        self.go_to_line(line, middle=True)

    def _to_middle(self) -> None:
        self.scroll_to(y=max(0, self.cursor - self.size.height // 2), animate=False)

    def _go(self, row: int) -> None:
        row = max(0, min(row, len(self.listing.rows) - 1))
        if row != self.cursor:
            self.cursor = row
            self.refresh()
            self.post_message(self.Moved())
        self.bring_into_view(row, self.size.height)

    def action_move(self, step: int) -> None:
        self._go(self.cursor + step)

    def action_page(self, pages: int) -> None:
        self._go(self.cursor + pages * max(1, self.size.height - 1))

    def action_edge(self, direction: int) -> None:
        self._go(0 if direction < 0 else len(self.listing.rows) - 1)

    def action_sideways(self, steps: int) -> None:
        """Scroll sideways, as far as what is on view goes."""
        first = self.scroll_offset.y
        rows = self.listing.rows[first : first + self.size.height]
        most = self.left + self.size.width + STEP
        widest = max(width_of(self.listing.segments(line, most)) for line in rows)
        furthest = max(self.left if steps < 0 else 0, widest - self._room)
        self._look_from(max(0, min(self.left + steps * STEP, furthest)))

    def action_line_edge(self, direction: int) -> None:
        """Scroll to the beginning of the lines, or to the end of the cursor's."""
        if direction < 0:
            self._look_from(0)
            return
        whole = width_of(self.listing.segments(self.line, len(self.listing.lines[self.line])))
        self._look_from(max(0, whole - self._room))

    def _look_from(self, column: int) -> None:
        if column != self.left:
            self.left = column
            self.refresh()

    def on_click(self, event: events.Click) -> None:
        row = event.y + self.scroll_offset.y
        if row < len(self.listing.rows):
            again = row == self.cursor and self.has_focus
            self._go(row)
            if again:
                self.toggle()

    # ------------------------------------------------------------------------------------ folding

    def toggle(self) -> bool:
        """Fold or unfold the cursor's row; return whether there is anything to fold."""
        line = self.line
        if not self.listing.toggle(line):
            return False
        self._follow(line)
        return True

    def fold(self, *, all_of_it: bool) -> None:
        line = self.line
        if all_of_it:
            self.listing.fold_all()
        else:
            self.listing.unfold_all()
        self._follow(line)
        self.bring_into_view(self.cursor, self.size.height)

    def _follow(self, line: int) -> None:
        """Keep the cursor on a line, the rows around which have changed."""
        self.cursor = self.listing.row_of(line)
        self.lay_out()
        self.refresh()
        self.post_message(self.Moved())

    # ------------------------------------------------------------------------------------ finding

    def find_text(self, text: str) -> bool:
        """Go to the next occurrence of `text` after the cursor, else to the first one.

        Case is ignored. Returns whether there is one.
        """
        lines = self.listing.lines
        wanted = re.compile(re.escape(text), re.IGNORECASE)
        line, behind = self.line, 0
        if self.found is not None and self.found[0] == line:
            behind = self.found[2]
        order = [*range(line, len(lines)), *range(line + 1)]
        for turn, number in enumerate(order):
            if found := wanted.search(lines[number], behind if not turn else 0):
                self._show_found(number, *found.span())
                return True
        return False

    def _show_found(self, line: int, start: int, end: int) -> None:
        self.found = (line, start, end)
        self.go_to_line(line, start, middle=True)
        first, last = (self.listing.column_of(line, column) for column in (start, end))
        room = self._room
        if not self.left <= first <= last < self.left + room - EDGE:
            self._look_from(0 if last < room - EDGE else max(0, first - room // 2))
        self.focus(scroll_visible=False)
        self.refresh()
