"""Draws the array view line by line, from plain data alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.color import Color
from textual.strip import Strip

from jaxtui.results.screen import words
from jaxtui.results.screen.heat import LEVELS, Scale, density, magnitude, odd_mark, sign_mark
from jaxtui.results.screen.model import MISSING, Plane, PlaneView, Rectangle, Windows
from jaxtui.text.dtypes import family
from jaxtui.text.number_formats import Format, number, shorten
from jaxtui.text.signs import DOT, ELLIPSIS
from jaxtui.wire.report import Summary

_HEAT_CELL = 2
_LEGEND = 12  # characters in the bar of the legend
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class GridLayout:
    """The sizes of header, labels, cells and foot, in lines and characters."""

    width: int
    header: int
    labels: int
    foot: int
    gutter: int
    cell: int
    rows: int
    columns: int

    @property
    def chrome(self) -> int:
        """The number of lines that do not scroll."""
        return self.header + self.labels + self.foot

    @property
    def body(self) -> int:
        return self.header + self.labels

    def visible(self, view: PlaneView, top: int, left: int) -> Rectangle:
        """Return the rows and columns on screen if row `top` and column `left` come first."""
        return Rectangle(
            top,
            min(view.row_count, top + self.rows),
            left,
            min(view.column_count, left + self.columns),
        )


@lru_cache(maxsize=64)
def lay_out(width: int, height: int, view: PlaneView, cell: int) -> GridLayout:
    """Lay out `width` by `height` characters, with cells at most `cell` wide."""
    header = int(height >= 3)
    labels = int(height >= 4 and view.columns is not None)
    foot = 2 if height >= 9 else int(height >= 5)
    gutter = 1 if view.rows is None else len(str(max(0, view.row_count - 1))) + 2
    room = max(1, width - gutter)
    cell = min(cell, max(room, 6))
    return GridLayout(
        width=width,
        header=header,
        labels=labels,
        foot=foot,
        gutter=gutter,
        cell=cell,
        rows=max(1, height - header - labels - foot),
        columns=max(1, room // cell),
    )


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that is drawn: the subject, the scroll position, the format of the cells."""

    subject: words.ArraySubject
    windows: Windows
    top: int
    left: int
    format: Format
    scale: Scale | None
    summary: Summary | None

    @property
    def cell(self) -> int:
        """The width that a cell needs."""
        return _HEAT_CELL if self.scale is not None else self.format.width + 2

    @property
    def plane(self) -> Plane:
        return Plane.of(self.subject.view, self.subject.device)


@dataclass(frozen=True, slots=True)
class Look:
    """The styles by role, and by shade from -LEVELS to LEVELS (empty if monochrome)."""

    roles: dict[str, RichStyle]
    shades: tuple[RichStyle, ...]
    focused: bool

    def shade(self, level: int) -> RichStyle:
        return self.shades[level + LEVELS]


@dataclass(frozen=True, slots=True)
class Painter:
    """Draws a picture in a given look and layout."""

    picture: Picture
    layout: GridLayout
    look: Look
    notice: str = ""

    def line(self, y: int) -> Strip:
        layout, picture = self.layout, self.picture
        row = picture.top + y - layout.body
        foot = y - layout.body - layout.rows
        if y < layout.header:
            segments = self._pieces(words.header(picture.subject, layout.width))
        elif picture.subject.view.empty:
            first = y == layout.header
            segments = self._pieces([(words.emptiness(picture.subject.view), "notice")] * first)
        elif y < layout.body:
            segments = self._column_labels()
        elif foot >= 0:
            segments = self._foot(foot) if foot < layout.foot else []
        elif row < picture.subject.view.row_count:
            segments = self._row(row)
        else:
            segments = []
        return Strip(segments).adjust_cell_length(layout.width, self.look.roles["cell"])

    def _pieces(self, pieces: Sequence[words.Piece]) -> list[Segment]:
        roles = self.look.roles
        return [
            Segment(text, self.look.shade(int(role)) if role not in roles else roles[role])
            for text, role in pieces
        ]

    # ------------------------------------------------------------------------------------- cells

    def _row(self, row: int) -> list[Segment]:
        view, layout = self.picture.subject.view, self.layout
        part = layout.visible(view, row, self.picture.left)
        cells = self.picture.windows.row(self.picture.plane, row, part.left, part.right)
        segments = []
        if view.rows is None:
            segments.append(Segment(" " * layout.gutter, self.look.roles["cell"]))
        else:
            role = "cursor-index" if row == view.row else "index"
            label = str(row).rjust(layout.gutter - 1) + " "
            segments.append(Segment(label, self.look.roles[role]))
        draw: Callable[[Any, bool], tuple[str, RichStyle]] = self._table_cell
        if self.picture.scale is not None:
            draw = self._heat_cell
        run, run_style = "", self.look.roles["cell"]
        cursor = view.column if row == view.row else -1
        for column, cell in enumerate(cells, part.left):
            text, style = draw(cell, column == cursor)
            if style is not run_style:
                if run:
                    segments.append(Segment(run, run_style))
                run, run_style = "", style
            run += text
        segments.append(Segment(run, run_style))
        return segments

    def _table_cell(self, cell: Any, cursor: bool) -> tuple[str, RichStyle]:
        roles, room = self.look.roles, self.layout.cell - 2
        if cell is MISSING:
            text, role = DOT.rjust(room), "muted"
        else:
            text, role = self.picture.format.text(cell), self._role(cell)
            if len(text) > room:
                text = shorten(text.strip(), room).rjust(room)
        if cursor:
            return f"[{text}]", roles["cursor" if self.look.focused else "cursor-resting"]
        return f" {text} ", roles[role]

    def _role(self, cell: Any) -> str:
        if cell is False:
            return "muted"
        kind = family(self.picture.subject.source.output.dtype)
        if kind == "float":
            return "cell" if math.isfinite(number(cell)) else "odd"
        if kind == "complex":
            return "cell" if all(math.isfinite(number(part)) for part in cell) else "odd"
        return "cell"

    def _heat_cell(self, cell: Any, cursor: bool) -> tuple[str, RichStyle]:
        roles, scale = self.look.roles, self.picture.scale
        assert scale is not None
        if cursor:
            return "[]", roles["cursor" if self.look.focused else "cursor-resting"]
        if cell is MISSING:
            return DOT + " ", roles["muted"]
        value = magnitude(cell)
        if value is None or not math.isfinite(value):
            return odd_mark(value), roles["odd"]
        if not self.look.shades:
            return density(scale, value), roles["cell"]
        return sign_mark(scale, value), self.look.shade(scale.level(value))

    # ------------------------------------------------------------------------------------ labels

    def _column_labels(self) -> list[Segment]:
        """Return the columns' indices, leaving some out if they are wider than cells."""
        picture, layout = self.picture, self.layout
        view = picture.subject.view
        part = layout.visible(view, picture.top, picture.left)
        longest = len(str(max(0, part.right - 1)))
        step = label_step(longest, layout.cell)
        heat = picture.scale is not None
        labels = [
            (column, self._label_at(column, step == 1 and not heat))
            for column in range(part.left, part.right)
            if column % step == 0 or column == view.column
        ]
        cursor = next((place for column, place in labels if column == view.column), None)
        segments: list[Segment] = []
        x = 0
        for column, place in labels:
            at, end = place, place + len(str(column))
            if cursor is not None and column != view.column:
                reach = len(str(view.column))
                if at <= cursor + reach and cursor <= end:
                    continue
            if at < x or end > layout.width:
                continue
            segments.append(Segment(" " * (at - x), self.look.roles["index"]))
            role = "cursor-index" if column == view.column else "index"
            segments.append(Segment(str(column), self.look.roles[role]))
            x = end
        return segments

    def _label_at(self, column: int, over_end: bool) -> int:
        """Return where a label starts: above the end of the numbers, or the cell's start."""
        start = self.layout.gutter + (column - self.picture.left) * self.layout.cell
        if over_end and family(self.picture.subject.source.output.dtype) != "text":
            return start + self.layout.cell - 1 - len(str(column))
        return start if self.picture.scale is not None else start + 1

    # -------------------------------------------------------------------------------------- foot

    def _foot(self, line: int) -> list[Segment]:
        if self.notice and line == 0:
            return self._pieces([(f" {self.notice}", "notice")])
        if line == 0:
            return self._pieces(self._cursor_words())
        return self._pieces(words.fitting(self._statistics(), self.layout.width))

    def _cursor_words(self) -> list[words.Piece]:
        picture, width = self.picture, self.layout.width
        view = picture.subject.view
        cell = picture.windows.row(picture.plane, view.row, view.column, view.column + 1)[0]
        line = words.cursor_line(picture.subject, cell, width)
        if self.layout.foot > 1:
            return line
        room = width - words.width_of(line) - 2
        rest = next((some for some in self._statistics() if words.width_of(some) <= room), None)
        return [*line, ("  ", "muted"), *rest] if rest else line

    def _statistics(self) -> list[list[words.Piece]]:
        """Return the statistics in variants, longest first."""
        picture = self.picture
        dtype = picture.subject.source.output.dtype
        if picture.summary is None:
            waits = family(dtype) != "text"
            return [[(f" {ELLIPSIS}", "muted")]] if waits else [[]]
        variants = words.statistics(picture.summary, dtype, self._legend())
        return [*variants, *words.statistics(picture.summary, dtype)]

    def _legend(self) -> list[words.Piece]:
        """Return the shades or characters from the low to the high end of the scale."""
        scale, shades = self.picture.scale, self.look.shades
        if scale is None:
            return []
        values = [
            scale.low + (scale.high - scale.low) * at / (_LEGEND - 1) for at in range(_LEGEND)
        ]
        if shades:
            return [(sign_mark(scale, value)[-1], str(scale.level(value))) for value in values]
        return [("".join(density(scale, value)[-1] for value in values), "cell")]


def shades(ground: Color, negative: Color, positive: Color) -> tuple[RichStyle, ...]:
    """Return styles for the levels -LEVELS to LEVELS, from `ground` to the full colours."""
    styles = []
    for level in range(-LEVELS, LEVELS + 1):
        end = negative if level < 0 else positive
        back = ground.blend(end, 0.04 + 0.96 * abs(level) / LEVELS)
        fore = back.get_contrast_text(0.7)
        styles.append(RichStyle.from_color(back.blend(fore, 0.7).rich_color, back.rich_color))
    return tuple(styles)


def label_step(longest: int, cell: int) -> int:
    """Return the least of 1, 2, 5, 10, ... columns that has room for `longest` characters."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * cell > longest:
                return step * power
        power *= 10
