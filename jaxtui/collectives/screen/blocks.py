"""The layout of a device's block in lines of text: places of elements, bars between rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from jaxtui.collectives.travel.blocks import flattened
from jaxtui.text import numbers
from jaxtui.text.number_formats import Format
from jaxtui.wire.report import Output

MOST = 2048  # elements of a block that are shown; the array view shows any part of larger ones


@dataclass(frozen=True)
class Holding:
    """An array of which every device holds a block.

    `shape` is that of a block, `rows` the number of blocks. `cells[row]` are the first `MOST`
    elements of a block in row-major order; `cells` is None if the values were too many to send.
    `devices[row]` is the id of the holding device, None if it is not one of this process.
    """

    path: str
    shape: tuple[int, ...]
    dtype: str
    rows: int
    cells: tuple[tuple[Any, ...], ...] | None
    devices: tuple[int | None, ...]

    @property
    def size(self) -> int:
        """Elements per block."""
        return math.prod(self.shape)

    @property
    def shown(self) -> int:
        """Elements per block that can be shown."""
        return min(self.size, MOST) if self.cells is not None else 0

    @cached_property
    def format(self) -> Format:
        """The common format of all shown elements."""
        cells = [cell for row in self.cells or () for cell in row]
        extent = numbers.extent_of(cells, self.dtype, complete=True)
        return numbers.choose(self.dtype, extent, numbers.Style())

    def index(self, element: int) -> tuple[int, ...]:
        """The multi-dimensional index of an element given its row-major position."""
        index = []
        for length in reversed(self.shape):
            element, at = divmod(element, length)
            index.append(at)
        return tuple(reversed(index))


def holding(output: Output) -> Holding:
    """The blocks of an output that has a row for each device."""
    rows, *block = output.shape
    size = math.prod(block)
    cells = None
    if output.values is not None:
        cells = tuple(tuple(flattened(row, len(block)))[: min(size, MOST)] for row in output.values)
    devices: list[int | None] = [None] * rows
    for shard in output.shards:
        start, stop = shard.index[0]
        for row in range(start, stop):
            if devices[row] is None:
                devices[row] = shard.device
    return Holding(
        path=output.path,
        shape=tuple(block),
        dtype=output.dtype,
        rows=rows,
        cells=cells,
        devices=tuple(devices),
    )


class At(NamedTuple):
    """The place of an element's text in its block: line, and first cell."""

    line: int
    x: int


@dataclass(frozen=True)
class BlockPlan:
    """Where the elements of a block stand; a cell on either side of each is left for brackets.

    `bars` separate rows. `hidden` elements have no place; if there are any, the last line is
    reserved for saying so.
    """

    at: tuple[At, ...]
    bars: tuple[tuple[At, str], ...]
    lines: int
    width: int
    hidden: int

    def folded(self, lines: int) -> BlockPlan:
        """The plan cut to `lines` lines, at least two; the last is for the hidden elements."""
        if self.lines <= lines:
            return self
        kept = tuple(at for at in self.at if at.line < lines - 1)
        bars = tuple((at, bar) for at, bar in self.bars if at.line < lines - 1)
        hidden = self.hidden + len(self.at) - len(kept)
        return replace(self, at=kept, bars=bars, lines=lines, hidden=hidden)


def plan(shape: Sequence[int], cell: int, room: int, shown: int, *, gap: int = 1) -> BlockPlan:
    """Lay out the first `shown` elements of a block, each `cell` wide.

    Rows of the last dimension stay whole if `room` cells allow, and as many as fit share a line;
    the slices of a block with three or more dimensions start new lines. With a `gap` of 1,
    neighbours share the cell of their brackets.
    """
    last = shape[-1] if shape else 1
    size = math.prod(shape)
    step = cell + gap
    whole = (last - 1) * step + cell + 2
    across = max(1, min(last, (room - 2 - cell) // step + 1))
    abreast = max(1, (room + 1) // (whole + 1)) if whole <= room else 1
    at: list[At] = []
    bars: list[tuple[At, str]] = []
    line, x, in_line = 0, 0, 0
    for element in range(shown):
        column = element % last
        if element and column == 0:
            in_line += 1
            if in_line >= abreast or _starts_slice(element, shape):
                line, x, in_line = line + 1, 0, 0
            else:
                bars.append((At(line, x + 2 - gap), "│"))
                x += 3 - gap
        elif column and column % across == 0:
            line, x = line + 1, 0
        at.append(At(line, x + 1))
        x += step
    width = max((place.x + cell + 1 for place in at), default=len("empty"))
    lines = line + 1 + (shown < size)
    return BlockPlan(tuple(at), tuple(bars), lines, width, size - shown)


def _starts_slice(element: int, shape: Sequence[int]) -> bool:
    return len(shape) > 2 and element % (shape[-1] * shape[-2]) == 0
