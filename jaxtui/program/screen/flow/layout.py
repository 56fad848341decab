"""Lays out the shape flow for a width, as lines of styled segments.

A FlowPicture makes its lines on demand, so that a flow of thousands of leaves costs no more than
the lines on screen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

from rich.cells import cell_len

from jaxtui.program.screen.flow.fault import locate
from jaxtui.program.screen.flow.foot import FOOT, foot
from jaxtui.program.screen.flow.rows import Row
from jaxtui.program.screen.flow.table import Table, build
from jaxtui.screen.cells import (
    Line,
    Segment,
    crop,
    fit,
    fit_middle,
    join,
    pad,
    text_of,
    width_of,
)
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text import signs
from jaxtui.text.printable import clean
from jaxtui.wire.report import Flow

_CURSOR = 1
_NAME_GAP = 2
_FUNCTION_LEAST = 6
_GLIMPSE_MOST = 48
_NO_FOLDS: Mapping[str, bool] = MappingProxyType({})


@dataclass(frozen=True)
class _Measures:
    """The widths in cells of the parts of a line."""

    mark: int  # the fold sign before the name, and the space after it
    name: int
    columns: tuple[int, ...]
    gap: int
    arrow: int
    bracket: int
    function: int

    @property
    def pinned(self) -> int:
        return _CURSOR + self.mark + self.name + _NAME_GAP

    @property
    def starts(self) -> tuple[int, ...]:
        """The start of each column, counted from the pinned part, and last that of the bracket."""
        starts = [0]
        for width in self.columns[:-1]:
            starts.append(starts[-1] + width + 2 * self.gap + self.arrow)
        return (*starts, starts[-1] + self.columns[-1]) if self.columns else (0, 0)

    @property
    def flowing(self) -> int:
        """The width of the part that scrolls sideways."""
        return self.starts[-1] + self.bracket + self.function


@dataclass(frozen=True)
class FlowPicture:
    """A flow laid out in `width` cells: a heading, rows that may scroll, and a foot.

    `x` is how far it is scrolled sideways, at most `max_x`.
    No line is wider than `width`.
    """

    width: int
    x: int
    diagnosis: Diagnosis | None = None
    stale: bool = False
    table: Table | None = None
    measures: _Measures | None = None
    glimpse: str = ""

    @property
    def rows(self) -> Sequence[Row]:
        return self.table.rows if self.table else ()

    @property
    def max_x(self) -> int:
        """The greatest sideways scroll position; 0 if everything fits."""
        if self.measures is None:
            return 0
        return max(0, self.measures.flowing - (self.width - self.measures.pinned))

    def find(self, kind: str, path: str) -> int:
        """The number of the row of that kind and path, which there must be."""
        assert self.table is not None
        return self.table.rows.find(kind, path)

    def scrolled(self, x: int) -> FlowPicture:
        """Scroll sideways to `x`, clamped to what can be scrolled."""
        return replace(self, x=max(0, min(x, self.max_x)))

    @cached_property
    def stops(self) -> tuple[int, ...]:
        """The scroll positions that put a column at the left edge, and the last position."""
        if self.measures is None:
            return (0,)
        starts = [x for x in self.measures.starts[:-1] if x < self.max_x]
        return (*starts, self.max_x) if self.max_x else (0,)

    @cached_property
    def heading(self) -> Line:
        if self.table is None or self.measures is None:
            return ()
        measures = self.measures
        space = Segment(" " * (2 * measures.gap + measures.arrow))
        parts: list[Segment] = []
        for label, width in zip(self.table.headings, measures.columns, strict=True):
            parts += [*pad(label, width), space]
        function = fit(self.table.function, measures.function)
        at_fault = self.table.fault and self.table.fault.heading == len(self.table.headings)
        flowing = (
            *crop(parts, 0, measures.starts[-1]),
            Segment(" " * measures.bracket),
            Segment(function, "error" if at_fault else "function"),
        )
        line = self._windowed((Segment(" " * measures.pinned),), pad(flowing, measures.flowing))
        return self._with_edges(line)

    def line(self, index: int, cursor: bool = False) -> Line:
        """Return the line of row `index`; `cursor` puts the cursor's sign in its margin."""
        assert self.table is not None
        assert self.measures is not None
        row = self.table.rows[index]
        if row.kind == "rule":
            rule = signs.RULE * min(
                self.width - 2, self.measures.pinned - 1 + self.measures.flowing
            )
            return crop((Segment(" " + rule, "rule"),), 0, self.width)
        name = fit_middle(row.name, self.measures.name)
        sign = signs.CURSOR if cursor else " "
        fold = ""
        if row.first:
            fold = signs.UNFOLDED if row.open else signs.FOLDED
        mark = fold.ljust(self.measures.mark)
        pinned = pad(
            (Segment(sign, "cursor-sign"), Segment(mark, "fold"), Segment(name, "name")),
            self.measures.pinned,
        )
        return self._windowed(pinned, self._flowing(index, row))

    def _flowing(self, index: int, row: Row) -> Line:
        assert self.measures is not None
        measures = self.measures
        space = Segment(" " * measures.gap)
        parts: list[Segment] = []
        for at, width in enumerate(measures.columns):
            parts += pad(row.cells[at], width) if row.cells else (Segment(" " * width),)
            if at + 1 < len(measures.columns):
                arrow = pad((row.arrows[at],), measures.arrow)
                parts += [space, *arrow, space]
        return join([*parts, *self._function_part(index, row)])

    def _function_part(self, index: int, row: Row) -> Line:
        """Return the end of a row: the bracket that joins the inputs, and the function's cell."""
        assert self.table is not None
        assert self.measures is not None
        count = self.table.inputs
        if row.kind == "output":
            if index != count + 1 or not self.table.returned:
                return ()
            back = f" {signs.ARROW_OUT} ".ljust(self.measures.bracket)
            # It may go beyond a narrow column of the function: there is nothing behind it.
            measures = self.measures
            room = self.width - measures.pinned - measures.starts[-1] - measures.bracket
            word = "returned" if len("returned") <= max(room, measures.function) else ""
            return (Segment(back, "arrow"), Segment(word, "quiet"))
        middle = index == count // 2
        if not self.table.entered:
            return (Segment(" " * self.measures.bracket), self._glimpse()) if middle else ()
        sign = "┐" if index == 0 else "┘" if index == count - 1 else "├"
        if count == 1:
            sign = signs.RULE
        if not middle:
            return (Segment(" " + sign, "arrow"),)
        into = f" {sign}{signs.ARROW_IN} ".ljust(self.measures.bracket)
        return (Segment(into, "arrow"), self._glimpse())

    def _glimpse(self) -> Segment:
        assert self.table is not None
        assert self.measures is not None
        fault = self.table.fault
        if fault is not None and fault.column == len(self.measures.columns):
            text = f"{signs.CROSS} {fault.word}"
            return Segment(fit(text, self.measures.function), "error")
        if not self.table.entered:
            return Segment("")
        return Segment(fit(self.glimpse, self.measures.function), "glimpse")

    def _windowed(self, pinned: Line, flowing: Line) -> Line:
        room = self.width - width_of(pinned)
        return crop((*pinned, *crop(flowing, self.x, self.x + max(0, room))), 0, self.width)

    def _with_edges(self, heading: Line) -> Line:
        """Mark the edges beyond which there is more."""
        assert self.measures is not None
        left = self.measures.pinned - 1
        if self.x > 0 and left < self.width:
            heading = (
                *crop(heading, 0, left),
                Segment("◂", "edge"),
                *crop(heading, left + 1, self.width),
            )
        if self.x < self.max_x:
            more = Segment("▸", "edge")
            heading = (*pad(heading, self.width - 1), more)
        return crop(heading, 0, self.width)

    def foot(self, lines: int = FOOT + 1, cursor: int | None = None) -> tuple[Line, ...]:
        """Return at least FOOT lines; a message is truncated to fit into `lines`.

        The row at `cursor` is told where its name alone does not say which it is.
        """
        row = None if cursor is None or cursor >= len(self.rows) else self.rows[cursor]
        return foot(self.table, self.diagnosis, self.stale, self.width, lines, row)

    @property
    def lines(self) -> list[Line]:
        """All lines from top to bottom."""
        body = [self.line(index) for index in range(len(self.rows))]
        return [self.heading, *body, *self.foot()]

    @property
    def text(self) -> str:
        """All lines without styles or trailing spaces."""
        return "\n".join(text_of(line).rstrip() for line in self.lines)

    @property
    def table_text(self) -> str:
        """The heading and the rows as text, without the foot."""
        shown = self.lines[: len(self.rows) + 1]
        return "\n".join(text_of(line).rstrip() for line in shown)


def layout(
    flow: Flow | None,
    diagnosis: Diagnosis | None = None,
    folds: Mapping[str, bool] = _NO_FOLDS,
    width: int = 80,
    *,
    stale: bool = False,
    source_line: str = "",
    arguments: Sequence[str] = (),
    own: Sequence[str] | None = None,
    x: int = 0,
) -> FlowPicture:
    """Lay out `flow` in `width` cells.

    `folds` maps a `Row.group` to whether the user folded it; `arguments` are the program's
    argument names, for rows without leaves, and `own` those of the flow's program if that is
    another; `x` is clamped to what can be scrolled.
    """
    if flow is None or not flow.levels:
        return FlowPicture(width, 0, diagnosis, stale)
    fault = locate(flow, diagnosis, arguments)
    if own is not None:
        if fault is not None and set(fault.paths) & (set(arguments) - set(own)):
            fault = None  # of an argument that there is no row for
        arguments = own
    glimpse = clean(source_line)
    for tight, gap in ((False, 2), (False, 1), (True, 1)):
        if gap == 2 or tight:
            table = build(flow, fault, folds, arguments=arguments, tight=tight)
        measures = _measure(table, glimpse, gap, width)
        if measures.pinned + measures.flowing <= width:
            break
    picture = FlowPicture(width, 0, diagnosis, stale, table, measures, glimpse)
    return picture.scrolled(x)


def _measure(table: Table, glimpse: str, gap: int, width: int) -> _Measures:
    """Measure the columns; the function's takes what is left of `width`."""
    columns = tuple(
        max(width_of(heading), table.widths[at]) for at, heading in enumerate(table.headings)
    )
    wanted = max(cell_len(table.function), min(cell_len(glimpse), _GLIMPSE_MOST))
    if table.fault is not None:
        wanted = max(wanted, cell_len(table.fault.word) + 2)
    measures = _Measures(
        mark=2 if any(row.first for row in table.rows) else 1,
        name=min(table.name, max(4, width // 4)),
        columns=columns,
        gap=gap,
        arrow=1,
        bracket=4,
        function=0,
    )
    left = width - measures.pinned - measures.flowing
    least = min(wanted, _FUNCTION_LEAST)
    function = wanted if left < least else min(wanted, left)
    return replace(measures, function=function)
