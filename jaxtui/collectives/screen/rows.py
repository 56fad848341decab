"""The layout of a row per device: its blocks before and after a collective, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from jaxtui.collectives.screen.blocks import BlockPlan, Holding, plan
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, fit, join, pad, width_of
from jaxtui.text import dtypes
from jaxtui.text.signs import ARROW_IN, ELLIPSIS, FOLDED

Side = Literal["before", "after"]
SIDES: tuple[Side, Side] = ("before", "after")
GAPS = (3, 7)  # least and most cells between the sides
LABELS = (6, 18)
AIRY = 0.6  # of the room, which blocks may take with twice the space between their elements
FREE = 10**9  # cells: as many as are wanted


class ElementPlace(NamedTuple):
    """An element of the block on `row`, by its row-major position."""

    side: Side
    row: int
    element: int


@dataclass(frozen=True)
class Column:
    """One side: its holding, the plan shared by its blocks, and its first cell."""

    holding: Holding
    plan: BlockPlan
    x: int

    @property
    def places(self) -> int:
        """Visible elements per block."""
        return len(self.plan.at)


@dataclass(frozen=True)
class RowsLayout:
    """All rows, laid out in `width` cells."""

    width: int
    label_name: str
    labels: tuple[str, ...]
    label_width: int
    before: Column
    after: Column
    height: int  # lines of a row

    def column(self, side: Side) -> Column:
        return self.before if side == "before" else self.after

    @property
    def rows(self) -> int:
        return len(self.labels)

    @property
    def lines(self) -> int:
        return self.rows * self.height

    # ------------------------------------------------------------------------------- places

    def locate(self, place: ElementPlace) -> tuple[int, int]:
        """The line and the first cell of an element's text."""
        column = self.column(place.side)
        at = column.plan.at[place.element]
        return place.row * self.height + at.line, column.x + at.x

    def nearest(self, y: int, x: int) -> ElementPlace | None:
        """The element nearest to cell `x` of line `y`, None if the line has none."""
        row, line = divmod(y, self.height)
        if not 0 <= row < self.rows:
            return None
        found: list[tuple[int, ElementPlace]] = []
        for side in SIDES:
            column = self.column(side)
            width = column.holding.format.width if column.places else 0
            for element, at in enumerate(column.plan.at):
                if at.line == line:
                    left = column.x + at.x
                    away = max(left - x, x - (left + width - 1), 0)
                    found.append((away, ElementPlace(side, row, element)))
        return min(found)[1] if found else None

    def clamped(self, place: ElementPlace) -> ElementPlace | None:
        """The nearest visible element, on the same side if that has any."""
        for side in (place.side, "after", "before"):
            column = self.column(side)
            if column.places and self.rows:
                row = max(0, min(place.row, self.rows - 1))
                element = max(0, min(place.element, column.places - 1))
                return ElementPlace(side, row, element)
        return None

    def sideways(self, place: ElementPlace, step: int) -> ElementPlace:
        """The next element of the line, across to the other side at its end."""
        row, line = divmod(self.locate(place)[0], self.height)
        in_line = [
            ElementPlace(side, row, element)
            for side in SIDES
            for element, at in enumerate(self.column(side).plan.at)
            if at.line == line
        ]
        at = in_line.index(place) + step
        if 0 <= at < len(in_line):
            return in_line[at]
        # A block that goes on in the next line is read on there.
        other = ElementPlace(place.side, row, place.element + step)
        return other if 0 <= other.element < self.column(place.side).places else place

    def vertically(self, place: ElementPlace, step: int) -> ElementPlace:
        """The element below (or above) on the same side."""
        y, x = self.locate(place)
        column = self.column(place.side)
        y += step
        while 0 <= y < self.lines:
            row, line = divmod(y, self.height)
            there = [
                (abs(column.x + at.x - x), element)
                for element, at in enumerate(column.plan.at)
                if at.line == line
            ]
            if there:
                return ElementPlace(place.side, row, min(there)[1])
            y += step
        return place

    # ----------------------------------------------------------------------------- painting

    def heading(self, names: tuple[str, str]) -> Line:
        """The heading: `device  before f32[2]  →  after f32[2]`."""
        parts: list[tuple[int, str, str]] = [(2, self.label_name, "quiet")]
        for side, column, name in zip(SIDES, (self.before, self.after), names, strict=True):
            holding = column.holding
            shape = ", ".join(map(str, holding.shape))
            typed = f"{dtypes.short(holding.dtype)}[{shape}]"
            room = (self.after.x if side == "before" else self.width) - column.x - 2
            text = fit(f"{side} {name}".strip(), max(4, room - len(typed) - 1))
            parts.append((column.x + 1, text, "heading"))
            parts.append((column.x + 2 + len(text), typed, "dtype"))
        parts.append((self.after.x - 2, ARROW_IN, "quiet"))
        return _assembled(parts, self.width)

    def line(self, y: int, cursor: ElementPlace | None, lit: frozenset[ElementPlace]) -> Line:
        """Line `y` of the rows, with the cursor, and brackets around `lit` elements."""
        row, line = divmod(y, self.height)
        if not 0 <= row < self.rows:
            return pad((), self.width)
        parts: list[tuple[int, str, str]] = []
        if line == 0:
            parts += self._label(row, cursor, lit)
        for side in SIDES:
            parts += self._blocks(side, row, line, cursor, lit)
        return _assembled(parts, self.width)

    def _label(
        self, row: int, cursor: ElementPlace | None, lit: frozenset[ElementPlace]
    ) -> list[tuple[int, str, str]]:
        here = cursor is not None and cursor.row == row
        takes_part = any(place.row == row for place in lit)
        style = (
            "label-cursor" if here else ("label-lit" if takes_part else device_colours.style(row))
        )
        text = fit(self.labels[row], self.label_width - 3)
        sign = FOLDED if here else " "
        return [(0, sign, "pointer"), (2, text, style)]

    def _blocks(
        self,
        side: Side,
        row: int,
        line: int,
        cursor: ElementPlace | None,
        lit: frozenset[ElementPlace],
    ) -> list[tuple[int, str, str]]:
        column, holding = self.column(side), self.column(side).holding
        if holding.cells is None or not holding.size:
            why = "too many to show" if holding.cells is None else "empty"
            return [(column.x + 1, why, "quiet")] if line == 0 else []
        parts: list[tuple[int, str, str]] = []
        written = holding.format
        for element, at in enumerate(column.plan.at):
            if at.line != line:
                continue
            place = ElementPlace(side, row, element)
            x = column.x + at.x
            text = written.text(holding.cells[row][element])
            style, edge, ends = "cell", "", ("", "")
            if place == cursor:
                style, edge, ends = "cursor", "cursor-edge", ("▐", "▌")
            elif place in lit:
                first, last = self._run_ends(column, place, lit)
                style, edge, ends = "lit", "lit", ("[" if first else " ", "]" if last else " ")
            parts.append((x, text, style))
            if edge:
                parts += [(x - 1, ends[0], edge), (x + written.width, ends[1], edge)]
        parts += [(column.x + at.x, bar, "bar") for at, bar in column.plan.bars if at.line == line]
        if column.plan.hidden and line == column.plan.lines - 1:
            parts += self._hidden(column, side, row, lit)
        return parts

    def _hidden(
        self, column: Column, side: Side, row: int, lit: frozenset[ElementPlace]
    ) -> list[tuple[int, str, str]]:
        """`… 12 more`, bracketed if any of them is lit."""
        text = f"{ELLIPSIS} {column.plan.hidden:,} more"
        inside = any(p.side == side and p.row == row and p.element >= column.places for p in lit)
        return [(column.x, f"[{text}]", "lit") if inside else (column.x + 1, text, "quiet")]

    @staticmethod
    def _run_ends(
        column: Column, place: ElementPlace, lit: frozenset[ElementPlace]
    ) -> tuple[bool, bool]:
        """Whether a lit element is the first, and the last, of a run of neighbours."""
        at, width = column.plan.at, column.holding.format.width

        def joined(element: int, other: int) -> bool:
            return (
                0 <= other < len(at)
                and place._replace(element=other) in lit
                and at[other].line == at[element].line
                and abs(at[other].x - at[element].x) <= width + 2
            )

        element = place.element
        return not joined(element, element - 1), not joined(element, element + 1)


def layout(
    labels: Sequence[str],
    before: Holding,
    after: Holding,
    width: int,
    *,
    label_name: str = "device",
    fold: int | None = None,
) -> RowsLayout:
    """Lay out the rows in `width` cells, folding each to `fold` lines if that is given.

    `labels` name the rows, under the heading `label_name`.
    """
    label_width = max(LABELS[0], min(LABELS[1], max(map(len, labels), default=0))) + 3
    plans, gap = _plans((before, after), width - label_width)
    if fold is not None:
        plans = (plans[0].folded(max(2, fold)), plans[1].folded(max(2, fold)))
    start = label_width
    return RowsLayout(
        width=width,
        label_name=label_name,
        labels=tuple(labels),
        label_width=label_width,
        before=Column(before, plans[0], start),
        after=Column(after, plans[1], start + plans[0].width + gap),
        height=max(1, plans[0].lines, plans[1].lines),
    )


def _plans(holdings: tuple[Holding, Holding], room: int) -> tuple[tuple[BlockPlan, BlockPlan], int]:
    """The plans of both sides, each as wide as it needs if both fit, and the gap between them."""
    room = max(2, room - GAPS[0])
    airy = [_planned(held, FREE, 2) for held in holdings]
    if all(made.lines == 1 for made in airy) and sum(made.width for made in airy) <= room * AIRY:
        return (airy[0], airy[1]), _gap(room, airy)
    natural = [_planned(held, FREE, 1).width for held in holdings]
    half = room // 2
    if sum(natural) <= room:
        rooms = (natural[0], natural[1])
    elif natural[0] <= half:
        rooms = (natural[0], room - natural[0])
    elif natural[1] <= half:
        rooms = (room - natural[1], natural[1])
    else:
        rooms = (half, room - half)
    plans = [_planned(held, width, 1) for held, width in zip(holdings, rooms, strict=True)]
    return (plans[0], plans[1]), _gap(room, plans)


def _planned(held: Holding, room: int, gap: int) -> BlockPlan:
    """The plan of one side, at least as wide as its heading."""
    cell = held.format.width if held.shown else 1
    made = plan(held.shape, cell, room, held.shown, gap=gap)
    shape = ", ".join(map(str, held.shape))
    named = len(f" before {dtypes.short(held.dtype)}[{shape}] ")
    return replace(made, width=max(made.width, min(named, room)))


def _gap(room: int, plans: Sequence[BlockPlan]) -> int:
    spare = room + GAPS[0] - sum(made.width for made in plans)
    return max(GAPS[0], min(GAPS[1], spare))


def _assembled(parts: Sequence[tuple[int, str, str]], width: int) -> Line:
    """A line of (cell, text, style) pieces."""
    line: list[Segment] = []
    at = 0
    for x, text, style in sorted(parts):
        # The bracket of a neighbour may stand there already.
        start, shown = max(x, at), text[max(0, at - x) :]
        if shown:
            line += [Segment(" " * (start - at)), Segment(shown, style)]
            at = start + width_of((Segment(shown),))
    return pad(join(line), width)
