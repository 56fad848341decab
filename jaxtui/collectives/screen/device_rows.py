"""A row per device: what it holds before and after a collective, with a cursor on an element."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.collectives.screen.blocks import Holding
from jaxtui.collectives.screen.rows import ElementPlace, RowsLayout, layout
from jaxtui.screen import device_colours
from jaxtui.screen.field import FieldInput
from jaxtui.screen.line_scroller import LineScroller, ways

FOLD = 4  # lines of a row when rows are folded


class DeviceRows(LineScroller):
    """Draws two holdings side by side in scrolling rows under a fixed heading.

    `show` sets the holdings, `light` the source elements of the one at the cursor.
    """

    PREFIX = "device-rows--"
    UNDIMMED = frozenset({"cursor", "pointer"})
    DEFAULT_CSS = """
    DeviceRows {
        .device-rows--heading { text-style: bold; }
        .device-rows--dtype { color: $soft; }
        .device-rows--quiet { color: $quiet; }
        .device-rows--label { color: $soft; }
        .device-rows--label-cursor { color: $foreground; text-style: bold; }
        .device-rows--label-lit { color: $foreground; text-style: bold; }
        .device-rows--pointer { color: $focus; text-style: bold; }
        .device-rows--cell, .device-rows--cursor-edge { color: $foreground; }
        .device-rows--bar { color: $foreground 40%; }
        .device-rows--lit { color: $foreground; background: $lit; text-style: bold; }
        .device-rows--cursor { text-style: reverse bold; }
    }
    """ + device_colours.css(PREFIX)
    COMPONENT_CLASSES: ClassVar[set[str]] = set(re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS))
    place_name = "Devices"
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways(
            "left right up down first last page_up page_down",
            left="The element to the left",
            right="The element to the right",
            up="The element above",
            down="The element below",
            first="The first device",
            last="The last device",
        ),
        Binding("space", "fold", "Fold long blocks, or show them whole"),
        Binding("enter", "edit", "Edit the element (of what was before)"),
    ]

    class Moved(Message):
        """The cursor moved to another element."""

    class EditWanted(Message):
        """The user wants to edit the element at the cursor, which is drawn at `x`, `y`."""

        def __init__(self, place: ElementPlace, x: int, y: int) -> None:
            super().__init__()
            self.place = place
            self.x = x
            self.y = y

    def __init__(self) -> None:
        super().__init__()
        self._labels: tuple[str, tuple[str, ...]] = ("device", ())
        self._holdings: tuple[Holding, Holding] | None = None
        self._names = ("", "")
        self._lit: frozenset[ElementPlace] = frozenset()
        self._folds = True
        self._stale = False
        self.laid_out: RowsLayout | None = None
        self.wanted_height = 1  # lines that show everything without scrolling
        self._cursor = ElementPlace("after", 0, 0)

    def show(
        self,
        labels: tuple[str, Sequence[str]],
        before: Holding,
        after: Holding,
        names: tuple[str, str] = ("", ""),
        *,
        stale: bool = False,
    ) -> None:
        """Show two holdings; `labels` are the heading of the labels, and the labels."""
        shown = ((labels[0], tuple(labels[1])), (before, after), names, stale)
        if shown == (self._labels, self._holdings, self._names, self._stale):
            return
        self._labels, self._holdings, self._names, self._stale = shown
        self.lay_out()

    def light(self, places: frozenset[ElementPlace]) -> None:
        if places != self._lit:
            self._lit = places
            self.refresh()

    @property
    def cursor(self) -> ElementPlace | None:
        return self.laid_out.clamped(self._cursor) if self.laid_out is not None else None

    # ------------------------------------------------------------------------------- laying out

    def lay_out(self) -> None:
        if self._holdings is None:
            return
        height, width = self.size.height, self.size.width
        self.laid_out = self._laid_into(width)
        self.wanted_height = 1 + self.laid_out.lines
        if self.laid_out.lines > height - 1:
            self.laid_out = self._laid_into(width - self.styles.scrollbar_size_vertical)
        over = max(0, self.laid_out.lines - (height - 1))
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
        )

    def on_focus(self) -> None:
        self.refresh()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        self.refresh()

    # --------------------------------------------------------------------------------- painting

    def render_line(self, y: int) -> Strip:
        drawn = self.laid_out
        if drawn is None:
            return self.strip_of(())
        if y == 0:
            return self.strip_of(drawn.heading(self._names), dim=self._stale)
        line = drawn.line(y - 1 + self.scroll_offset.y, self.cursor, self._lit)
        return self.strip_of(line, dim=self._stale)

    # ------------------------------------------------------------------------------------- keys

    def action_sideways(self, step: int) -> None:
        if self.laid_out is not None and (here := self.cursor) is not None:
            self.go_to(self.laid_out.sideways(here, step))

    def action_move(self, step: int) -> None:
        if self.laid_out is not None and (here := self.cursor) is not None:
            self.go_to(self.laid_out.vertically(here, step))

    def action_page(self, pages: int) -> None:
        if self.laid_out is not None and (here := self.cursor) is not None:
            rows = max(1, (self.size.height - 1) // self.laid_out.height)
            self.go_to(here._replace(row=here.row + pages * rows))

    def action_edge(self, direction: int) -> None:
        if self.laid_out is not None and (here := self.cursor) is not None:
            self.go_to(here._replace(row=0 if direction < 0 else self.laid_out.rows - 1))

    def action_fold(self) -> None:
        self._folds = not self._folds
        self.lay_out()
        if (here := self.cursor) is not None:
            self.go_to(here)

    def action_edit(self) -> None:
        if self.laid_out is not None and (here := self.cursor) is not None:
            y, x = self.laid_out.locate(here)
            self.post_message(self.EditWanted(here, x, y + 1 - self.scroll_offset.y))

    def go_to(self, place: ElementPlace) -> None:
        """Move the cursor to an element, and scroll to it."""
        if self.laid_out is None or (there := self.laid_out.clamped(place)) is None:
            return
        self._cursor = there
        y, _ = self.laid_out.locate(there)
        self.bring_into_view(y, self.size.height - 1)
        self.refresh()
        self.post_message(self.Moved())

    def on_click(self, event: events.Click) -> None:
        if self.laid_out is not None and event.y > 0:
            place = self.laid_out.nearest(event.y - 1 + self.scroll_offset.y, event.x)
            if place is not None:
                self.go_to(place)


LEAST = 12  # cells


class CellEditor(FieldInput):
    """A field on top of the edited element; its screen handles enter and escape."""

    DEFAULT_CSS = """
    CellEditor { position: absolute; layer: above; height: 1; background: $boost; }
    """

    def __init__(self, text: str, width: int) -> None:
        super().__init__(text)
        self._wide = max(LEAST, width + 4)

    def place(self, x: int, y: int, room: int) -> None:
        """Move to a cell of the parent, which is `room` cells wide."""
        self.styles.width = self._wide
        self.styles.offset = (max(0, min(x, room - self._wide)), y)

    def on_mount(self) -> None:
        self.select_all()
