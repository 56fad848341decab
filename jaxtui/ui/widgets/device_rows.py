"""What each device holds before and after a collective: a row each, with a cursor on an element."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jaxtui.ui.collective_blocks import Holding
from jaxtui.ui.collective_rows import Place, RowsLayout, layout
from jaxtui.ui.text_cells import Line, pad

_PARTS = (
    "heading",
    "dtype",
    "quiet",
    "label",
    "label-cursor",
    "label-lit",
    "pointer",
    "cell",
    "bar",
    "lit",
    "cursor",
    "cursor-edge",
)
FOLD = 4  # lines of a row when rows are folded


class DeviceRows(ScrollView, can_focus=True):
    """Draws two holdings side by side. The heading stays; the rows scroll.

    `show` gives it what to draw and `light` the elements that the one at the cursor is made from.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"device-rows--{part}" for part in _PARTS}
    DEFAULT_CSS = """
    DeviceRows {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 25%;
        scrollbar-color-hover: $foreground 40%;
        scrollbar-color-active: $accent;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;

        .device-rows--heading { text-style: bold; }
        .device-rows--dtype { color: $foreground 70%; }
        .device-rows--quiet { color: $foreground 60%; }
        .device-rows--label { color: $foreground 80%; }
        .device-rows--label-cursor { color: $foreground; text-style: bold; }
        .device-rows--label-lit { color: $text-accent; }
        .device-rows--pointer { color: $primary; text-style: bold; }
        .device-rows--cell { color: $foreground; }
        .device-rows--bar { color: $foreground 40%; }
        .device-rows--lit { color: $text-accent; background: $accent 25%; text-style: bold; }
        .device-rows--cursor { text-style: reverse bold; }
        .device-rows--cursor-edge { color: $foreground; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "sideways(-1)", "The element to the left"),
        Binding("right,l", "sideways(1)", "The element to the right"),
        Binding("up,k", "vertically(-1)", "The element above"),
        Binding("down,j", "vertically(1)", "The element below"),
        Binding("home,g", "edge(-1)", "The first device"),
        Binding("end,G", "edge(1)", "The last device"),
        Binding("pageup,ctrl+u", "page(-1)", "Page up"),
        Binding("pagedown,ctrl+d", "page(1)", "Page down"),
        Binding("space", "fold", "Fold long blocks, or show them whole"),
        Binding("enter", "edit", "Edit the element (of what was before)"),
    ]

    class Moved(Message):
        """The cursor is on another element."""

    class EditWanted(Message):
        """The element at the cursor is to be edited; its text stands at `x`, `y` of the widget."""

        def __init__(self, place: Place, x: int, y: int) -> None:
            super().__init__()
            self.place = place
            self.x = x
            self.y = y

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._labels: tuple[str, tuple[str, ...]] = ("device", ())
        self._holdings: tuple[Holding, Holding] | None = None
        self._names = ("", "")
        self._lit: frozenset[Place] = frozenset()
        self._folds = True
        self._stale = False
        self._layout: RowsLayout | None = None
        self._wanted = 1
        self._cursor = Place("after", 0, 0)
        self._styles: dict[tuple[str, bool], Style] = {}

    def show(
        self,
        labels: tuple[str, Sequence[str]],
        before: Holding,
        after: Holding,
        names: tuple[str, str] = ("", ""),
        *,
        stale: bool = False,
    ) -> None:
        """Draw these; `labels` are what rows are called and the label of each."""
        shown = ((labels[0], tuple(labels[1])), (before, after), names, stale)
        if shown == (self._labels, self._holdings, self._names, self._stale):
            return
        self._labels, self._holdings, self._names, self._stale = shown
        self._lay_out()

    def light(self, places: frozenset[Place]) -> None:
        """Light up these elements."""
        if places != self._lit:
            self._lit = places
            self.refresh()

    @property
    def cursor(self) -> Place | None:
        """The element at the cursor, None when there is none."""
        return self._layout.clamped(self._cursor) if self._layout is not None else None

    @property
    def laid_out(self) -> RowsLayout | None:
        """What is drawn, before it is scrolled."""
        return self._layout

    @property
    def wanted_height(self) -> int:
        """Lines that show all rows and the heading, so that nothing has to scroll."""
        return self._wanted

    # ------------------------------------------------------------------------------- laying out

    def _lay_out(self) -> None:
        if self._holdings is None:
            return
        height, width = self.size.height, self.size.width
        self._layout = self._laid_into(width)
        self._wanted = 1 + self._layout.lines
        if self._layout.lines > height - 1:
            self._layout = self._laid_into(width - self.styles.scrollbar_size_vertical)
        over = max(0, self._layout.lines - (height - 1))
        self.virtual_size = Size(width, height + over)
        self.refresh()

    def _laid_into(self, width: int) -> RowsLayout:
        assert self._holdings is not None
        return layout(
            self._labels[1],
            *self._holdings,
            max(1, width),
            label_name=self._labels[0],
            fold=FOLD if self._folds else None,
            ascii=bool(getattr(self.app, "ascii", False)),
        )

    def on_resize(self, event: events.Resize) -> None:
        """Lay the rows out anew for the room there is."""
        self._lay_out()

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        """Show the cursor more quietly."""
        self.refresh()

    def notify_style_update(self) -> None:
        """Forget the styles of the theme before."""
        self._styles.clear()
        super().notify_style_update()

    # --------------------------------------------------------------------------------- painting

    def render_line(self, y: int) -> Strip:
        """Line `y` from the widget's top: the heading, or a line of a row."""
        width = self.size.width
        drawn = self._layout
        if drawn is None:
            return Strip.blank(width)
        if y == 0:
            return self._strip(drawn.heading(self._names))
        return self._strip(drawn.line(y - 1 + self.scroll_offset.y, self.cursor, self._lit))

    def _strip(self, line: Line) -> Strip:
        width = self.size.width
        return Strip(
            [RichSegment(text, self._style(part)) for text, part in pad(line, width)], width
        )

    def _style(self, part: str) -> Style:
        key = (part, self.has_focus)
        style = self._styles.get(key)
        if style is None:
            style = (
                self.get_component_rich_style(f"device-rows--{part}") if part else self.rich_style
            )
            if self._stale and part not in ("cursor", "pointer"):
                style += Style(dim=True)
            if self._stale:
                return style
            self._styles[key] = style
        return style

    # ------------------------------------------------------------------------------------- keys

    def action_sideways(self, step: int) -> None:
        """Move the cursor along the line."""
        if self._layout is not None and (here := self.cursor) is not None:
            self.go_to(self._layout.sideways(here, step))

    def action_vertically(self, step: int) -> None:
        """Move the cursor to the line above or below."""
        if self._layout is not None and (here := self.cursor) is not None:
            self.go_to(self._layout.vertically(here, step))

    def action_page(self, pages: int) -> None:
        """Move the cursor by the rows that are on view."""
        if self._layout is not None and (here := self.cursor) is not None:
            rows = max(1, (self.size.height - 1) // self._layout.height)
            self.go_to(here._replace(row=here.row + pages * rows))

    def action_edge(self, direction: int) -> None:
        """Move the cursor to the first or the last device."""
        if self._layout is not None and (here := self.cursor) is not None:
            self.go_to(here._replace(row=0 if direction < 0 else self._layout.rows - 1))

    def action_fold(self) -> None:
        """Fold long blocks, or show them whole."""
        self._folds = not self._folds
        self._lay_out()
        if (here := self.cursor) is not None:
            self.go_to(here)

    def action_edit(self) -> None:
        """Ask for the element at the cursor to be edited."""
        if self._layout is not None and (here := self.cursor) is not None:
            y, x = self._layout.locate(here)
            self.post_message(self.EditWanted(here, x, y + 1 - self.scroll_offset.y))

    def go_to(self, place: Place) -> None:
        """Put the cursor on an element, and bring it into view."""
        if self._layout is None or (there := self._layout.clamped(place)) is None:
            return
        self._cursor = there
        y, _ = self._layout.locate(there)
        top, room = self.scroll_offset.y, self.size.height - 1
        if y < top:
            self.scroll_to(y=y, animate=False)
        elif y >= top + room:
            self.scroll_to(y=y - room + 1, animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        """Take the cursor to the clicked element."""
        if self._layout is not None and event.y > 0:
            place = self._layout.nearest(event.y - 1 + self.scroll_offset.y, event.x)
            if place is not None:
                self.go_to(place)
