"""The array view: any part of an array of any rank and size, as a table or a heat map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType

from jaxtui.results import condition
from jaxtui.results.screen.grid import HOLD, ArrayGrid, LeafRequest
from jaxtui.results.screen.model import PlaneView, Source
from jaxtui.text.dtypes import family
from jaxtui.text.numbers import DIGITS, MAX_DIGITS, NOTATIONS

__all__ = ["HOLD", "ArrayView"]


@dataclass(frozen=True)
class Search:
    """A search in progress: what is searched for, and where."""

    source: Source
    device: int | None
    wanted: str


class ArrayView(ArrayGrid, can_focus=True, inherit_bindings=False):
    """An array grid with a cursor, and the keys to move it and to change the view."""

    place_name = "Result"
    HINTS = (
        ("m", "heat map"),
        ("d", "by device"),
        ("r c", "axes"),
        ("t", "transpose"),
        ("n", "format"),
        ("+ -", "digits"),
    )
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "move(0, -1)", "Left", show=False),
        Binding("right,l", "move(0, 1)", "Right", show=False),
        Binding("up,k", "move(-1, 0)", "Up", show=False),
        Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("pageup", "page(-1)", "A page up", show=False),
        Binding("pagedown", "page(1)", "A page down", show=False),
        Binding("ctrl+u", "page(-0.5)", "Half a page up", show=False),
        Binding("ctrl+d", "page(0.5)", "Half a page down", show=False),
        Binding("g", "end_of_rows(False)", "First row", show=False),
        Binding("G", "end_of_rows(True)", "Last row", show=False),
        Binding("home,0", "end_of_columns(False)", "First column", show=False),
        Binding("end,$", "end_of_columns(True)", "Last column", show=False),
        Binding("[,comma", "step(-1)", "Back along the marked axis", show=False),
        Binding("],full_stop", "step(1)", "On along the marked axis", show=False),
        Binding("{", "turn('choose_other', -1)", "Mark the axis before, to step along", show=False),
        Binding("}", "turn('choose_other', 1)", "Mark the next axis, to step along", show=False),
        Binding("r", "turn('next_rows')", "Another axis as rows", show=False),
        Binding("c", "turn('next_columns')", "Another axis as columns", show=False),
        Binding("t", "turn('transposed')", "Transpose", show=False),
        Binding("m", "heat_map", "Show the result as a heat map"),
        Binding("d", "next_device", "By device"),
        Binding("n", "next_notation", "Number format"),
        Binding("+,=", "digits(1)", "More digits", show=False),
        Binding("-", "digits(-1)", "Fewer digits", show=False),
    ]

    class CellWanted(LeafRequest):
        """An element is searched for; the fields are those of `FindCell`."""

        def __init__(self, search: Search, after: tuple[int, ...]) -> None:
            super().__init__(search.source, search.device)
            self.wanted = search.wanted
            self.after = list(after)

    def __init__(self) -> None:
        super().__init__()
        self._search: Search | None = None

    def find(self, text: str) -> None:
        """Go to `text` if it is an index, else search for the next element that meets it."""
        if self._reading is None or self._view.empty:
            return
        if (index := condition.index(text)) is not None:
            self._go_to(index)
            return
        self._search = Search(self._reading.source, self._device, text.strip())
        self._say(f"looking for {text.strip()}")
        self.post_message(self.CellWanted(self._search, self._view.index))

    def put_found(self, index: Sequence[int] | None) -> None:
        """Take an answer to CellWanted, unless something else is shown by now."""
        search, self._search = self._search, None
        if search is None or self._reading is None or search.source != self._reading.source:
            return
        if search.device != self._device:
            return
        if index is None:
            self._say(f"nothing here is {search.wanted}")
            return
        there_already = tuple(index) == self._view.index
        self._go(self._view.onto(self._view.shape, index))
        if there_already:
            self._say(f"nothing else is {search.wanted}")

    def refuse_find(self, reason: str) -> None:
        self._search = None
        self._say(reason)

    def _go_to(self, index: Sequence[int]) -> None:
        shape = self._view.shape
        if len(index) != len(shape):
            self._say(f"an index here has {len(shape)} number{'s' if len(shape) != 1 else ''}")
            return
        for axis, (at, extent) in enumerate(zip(index, shape, strict=True)):
            if not -extent <= at < extent:
                self._say(f"there is no {at} along axis {axis}, which has {extent:,} elements")
                return
        self._go(
            self._view.onto(shape, [at % extent for at, extent in zip(index, shape, strict=True)])
        )

    def _say(self, notice: str) -> None:
        self._notice = notice
        self._paint()

    def on_click(self, event: events.Click) -> None:
        picture = self._picture
        if picture is None or self._view.empty:
            return
        layout = self._layout(picture)
        at = event.get_content_offset(self)
        if at is None or at.x < layout.gutter or not 0 <= at.y - layout.body < layout.rows:
            return
        row = picture.top + at.y - layout.body
        column = picture.left + (at.x - layout.gutter) // layout.cell
        if row < self._view.row_count and column < self._view.column_count:
            self._go(self._view.at(row, column))

    # ------------------------------------------------------------------------------- actions

    def _go(self, view: PlaneView) -> None:
        """Show a view, scrolled so that its cursor is visible."""
        self._notice = ""
        self._view = view
        layout = self._wanted_layout()
        if layout is None or view.empty:
            return
        self._set_extent(layout)
        x, y = self.scroll_x, self.scroll_y
        visible = self._visible(layout)
        if view.row < visible.top:
            y = view.row
        elif view.row >= visible.top + layout.rows:
            y = view.row - layout.rows + 1
        if view.column < visible.left:
            x = view.column * layout.cell
        elif view.column >= visible.left + layout.columns:
            x = (view.column - layout.columns + 1) * layout.cell
        self.scroll_to(x, y, animate=False, force=True)
        self._advance()

    def action_move(self, rows: int, columns: int) -> None:
        self._go(self._view.at(self._view.row + rows, self._view.column + columns))

    def action_page(self, pages: float) -> None:
        layout = self._wanted_layout()
        if layout is None:
            return
        by = math.trunc(layout.rows * pages) or int(math.copysign(1, pages))
        if 0 <= self._view.row + by < self._view.row_count:
            self.scroll_to(y=self.scroll_y + by, animate=False, force=True)
        self._go(self._view.at(self._view.row + by, self._view.column))

    def action_end_of_rows(self, last: bool) -> None:
        self._go(self._view.at(self._view.row_count - 1 if last else 0, self._view.column))

    def action_end_of_columns(self, last: bool) -> None:
        self._go(self._view.at(self._view.row, self._view.column_count - 1 if last else 0))

    def action_step(self, by: int) -> None:
        self._go(self._view.step(by))

    def action_turn(self, method: str, *by: int) -> None:
        """Show other dimensions: those of the view that a method of PlaneView returns."""
        self._go(getattr(self._view, method)(*by))

    def action_heat_map(self) -> None:
        self._heat = not self._heat
        self._go(self._view)
        if self._heat and self._reading is not None:
            dtype = self._reading.source.output.dtype
            if family(dtype) == "text":
                self._notice = f"no heat map of {dtype}: it has no order"

    def action_next_device(self) -> None:
        if self._reading is None:
            return
        source = self._reading.source
        held = [None, *(shard.device for shard in source.output.shards)]
        device = held[(held.index(self._device) + 1) % len(held)]
        before, after = source.block(self._device), source.block(device)
        index = [
            old + at - new
            for old, at, new in zip(before.start, self._view.index, after.start, strict=True)
        ]
        self._device = device
        self._go(self._view.onto(after.shape, index))

    def action_next_notation(self) -> None:
        if self._reading is None:
            return
        kind = family(self._reading.source.output.dtype)
        notations = NOTATIONS[kind]
        now = notations.index(self._notations.get(kind, notations[0]))
        self._notations[kind] = notations[(now + 1) % len(notations)]
        self._go(self._view)

    def action_digits(self, by: int) -> None:
        if self._reading is None:
            return
        kind = family(self._reading.source.output.dtype)
        style = self._style
        if kind in ("float", "complex") and style.notation in DIGITS:
            digits = DIGITS[style.notation] if style.digits is None else style.digits
            self._digits[style.notation] = max(1, min(MAX_DIGITS, digits + by))
            self._go(self._view)
