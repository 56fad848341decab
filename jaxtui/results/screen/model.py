"""The model of the array view: an array, the dimensions on screen, and the windows read of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, NamedTuple

from jaxtui.text.numbers import cell_of
from jaxtui.wire.report import Output, Shard
from jaxtui.wire.results import WindowRead

MISSING: Final = object()  # stands for a cell that has not been read yet
_WINDOWS = 8  # windows kept; at most about 8 × MAX_CELLS cells
LED = 4.0  # pages that are read ahead while pages are turned
MAX_CELLS = 30_000  # cells per request, so that it takes no more than milliseconds to answer


@dataclass(frozen=True, slots=True)
class DeviceBlock:
    """A region of an array: where it starts and its extent, for each dimension."""

    start: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def index(self) -> list[list[int]]:
        """[start, stop] for each dimension."""
        return [[a, a + size] for a, size in zip(self.start, self.shape, strict=True)]


@dataclass(frozen=True, slots=True)
class Source:
    """An output leaf of a result, with labels for the devices that hold it."""

    result: int
    leaf: int
    output: Output
    devices: Mapping[int, str]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.output.shape)

    @property
    def name(self) -> str:
        """`out` followed by the leaf's path."""
        return "out" + self.output.path

    def shard(self, device: int) -> Shard | None:
        """Return the shard on a device, or None if there is none."""
        return next((shard for shard in self.output.shards if shard.device == device), None)

    def block(self, device: int | None) -> DeviceBlock:
        """Return the region on `device`; the whole array for None or without a shard there."""
        shard = None if device is None else self.shard(device)
        if shard is None:
            return DeviceBlock((0,) * len(self.shape), self.shape)
        return DeviceBlock(
            tuple(start for start, _ in shard.index),
            tuple(stop - start for start, stop in shard.index),
        )

    def holders(self, index: Sequence[int]) -> list[int]:
        """Return the devices that hold the element at a global index."""
        return [
            shard.device
            for shard in self.output.shards
            if all(a <= at < b for (a, b), at in zip(shard.index, index, strict=True))
        ]


@dataclass(frozen=True, slots=True)
class PlaneView:
    """Which dimensions are rows and columns, and the index of the cursor.

    `rows` and `columns` are None if the rank is too low for them; `other` is the dimension that
    `step` moves along, None if all dimensions are on screen.
    """

    shape: tuple[int, ...]
    rows: int | None
    columns: int | None
    index: tuple[int, ...]
    other: int | None

    @classmethod
    def of(cls, shape: Sequence[int]) -> PlaneView:
        """Show the last two dimensions as rows and columns, the cursor on the first element."""
        rank = len(shape)
        return cls(
            shape=tuple(shape),
            rows=rank - 2 if rank > 1 else None,
            columns=rank - 1 if rank else None,
            index=(0,) * rank,
            other=rank - 3 if rank > 2 else None,
        )

    @property
    def others(self) -> list[int]:
        """The dimensions that are not on screen."""
        return [axis for axis in range(len(self.shape)) if axis not in (self.rows, self.columns)]

    @property
    def row_count(self) -> int:
        return 1 if self.rows is None else self.shape[self.rows]

    @property
    def column_count(self) -> int:
        return 1 if self.columns is None else self.shape[self.columns]

    @property
    def row(self) -> int:
        return 0 if self.rows is None else self.index[self.rows]

    @property
    def column(self) -> int:
        return 0 if self.columns is None else self.index[self.columns]

    @property
    def empty(self) -> bool:
        return 0 in self.shape

    def at(self, row: int, column: int) -> PlaneView:
        """Move the cursor to a row and column, or to the nearest that exist."""
        index = list(self.index)
        if self.rows is not None:
            index[self.rows] = row
        if self.columns is not None:
            index[self.columns] = column
        return replace(self, index=_clip(index, self.shape))

    def step(self, by: int) -> PlaneView:
        """Move the cursor along the dimension `other`."""
        if self.other is None:
            return self
        index = list(self.index)
        index[self.other] += by
        return replace(self, index=_clip(index, self.shape))

    def choose_other(self, by: int) -> PlaneView:
        """Select another dimension to step along, `by` places after the current one."""
        if self.other is None:
            return self
        others = self.others
        return replace(self, other=others[(others.index(self.other) + by) % len(others)])

    def transposed(self) -> PlaneView:
        return replace(self, rows=self.columns, columns=self.rows)

    def next_rows(self) -> PlaneView:
        """Show the next dimension as rows; if all are on screen, transpose."""
        return self._with_next("rows", self.rows)

    def next_columns(self) -> PlaneView:
        """Show the next dimension as columns; if all are on screen, transpose."""
        return self._with_next("columns", self.columns)

    def onto(self, shape: Sequence[int], index: Sequence[int]) -> PlaneView:
        """Show the same dimensions of an array of equal rank, the cursor near `index`."""
        return replace(self, shape=tuple(shape), index=_clip(index, shape))

    def _with_next(self, side: Literal["rows", "columns"], axis: int | None) -> PlaneView:
        others = self.others
        if not others or axis is None:
            return self.transposed()
        following = next((other for other in others if other > axis), others[0])
        change: dict[str, Any] = {side: following}
        changed = replace(self, **change)
        return changed if self.other in changed.others else replace(changed, other=axis)


def _clip(index: Sequence[int], shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(max(0, min(at, size - 1)) for at, size in zip(index, shape, strict=True))


# ----------------------------------------------------------------------------------------- windows


class Plane(NamedTuple):
    """A two-dimensional slice of an array; `fixed` is the index in all other dimensions."""

    device: int | None
    rows: int | None
    columns: int | None
    fixed: tuple[int, ...]

    @classmethod
    def of(cls, view: PlaneView, device: int | None) -> Plane:
        return cls(device, view.rows, view.columns, tuple(view.index[a] for a in view.others))


class Rectangle(NamedTuple):
    """Rows `top` to `bottom` and columns `left` to `right`, as half-open ranges."""

    top: int
    bottom: int
    left: int
    right: int

    def contains(self, other: Rectangle) -> bool:
        return (
            self.top <= other.top
            and other.bottom <= self.bottom
            and self.left <= other.left
            and other.right <= self.right
        )

    def grown(self, share: float, row_count: int, column_count: int) -> Rectangle:
        """Extend by `share` of the size on each side, within so many rows and columns."""
        rows = round((self.bottom - self.top) * share)
        columns = round((self.right - self.left) * share)
        return Rectangle(
            max(0, self.top - rows),
            min(row_count, self.bottom + rows),
            max(0, self.left - columns),
            min(column_count, self.right + columns),
        )

    def led(self, pages: float, row_count: int, column_count: int) -> Rectangle:
        """Extend by `pages` of the height below, or above if negative, and a little elsewhere."""
        height, wide = self.bottom - self.top, self.grown(0.5, row_count, column_count)
        by = round(height * pages)
        return wide._replace(
            top=max(0, min(wide.top, self.top + by)),
            bottom=min(row_count, max(wide.bottom, self.bottom + by)),
        )

    @property
    def cells(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True, slots=True)
class WindowRequest:
    """A window to read; the fields are those of `ReadWindow`."""

    device: int | None
    rows: int | None
    columns: int | None
    index: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, view: PlaneView, device: int | None, part: Rectangle) -> WindowRequest:
        index = [(at, at + 1) for at in view.index]
        if view.rows is not None:
            index[view.rows] = (part.top, part.bottom)
        if view.columns is not None:
            index[view.columns] = (part.left, part.right)
        return cls(device, view.rows, view.columns, tuple(index))

    @classmethod
    def answered_by(cls, window: WindowRead) -> WindowRequest:
        """Return the request that a window answers."""
        index = tuple((start, stop) for start, stop in window.index)
        return cls(window.device, window.rows, window.columns, index)

    @property
    def part(self) -> Rectangle:
        """The rows and columns to read."""
        rows = (0, 1) if self.rows is None else self.index[self.rows]
        columns = (0, 1) if self.columns is None else self.index[self.columns]
        return Rectangle(*rows, *columns)

    @property
    def plane(self) -> Plane:
        pinned = (self.rows, self.columns)
        fixed = tuple(a for axis, (a, _) in enumerate(self.index) if axis not in pinned)
        return Plane(self.device, self.rows, self.columns, fixed)


@dataclass(slots=True)
class Windows:
    """The windows most recently read of a source, and the outstanding request."""

    outstanding: WindowRequest | None = None
    _seen: tuple[Plane, Rectangle] | None = None  # what was visible at the last look
    _turned: int = 0  # 1 while pages are turned down, -1 while they are turned up
    _kept: list[tuple[Plane, Rectangle, list[list[Any]]]] = field(default_factory=list)

    def keep(self, wanted: WindowRequest, cells: list[list[Any]]) -> None:
        """Add a window; the next can be requested if this was the outstanding one."""
        if wanted == self.outstanding:
            self.outstanding = None
        self._kept.insert(0, (wanted.plane, wanted.part, cells))
        del self._kept[_WINDOWS:]

    def has(self, plane: Plane, part: Rectangle) -> bool:
        """Whether a single window contains all of `part`."""
        return any(at == plane and kept.contains(part) for at, kept, _ in self._kept)

    def row(self, plane: Plane, row: int, left: int, right: int) -> list[Any]:
        """Return the cells of a row, MISSING where none have been read."""
        found: list[Any] = [MISSING] * (right - left)
        for at, part, cells in reversed(self._kept):
            if at == plane and part.top <= row < part.bottom:
                first, last = max(left, part.left), min(right, part.right)
                if first < last:
                    read = cells[row - part.top][first - part.left : last - part.left]
                    found[first - left : last - left] = read
        return found

    def next(self, view: PlaneView, device: int | None, visible: Rectangle) -> WindowRequest | None:
        """Return the window to request now, or None.

        It has a margin around what is visible, a page wide unless that is too many cells, and is
        requested when less than half a margin is left. While pages are turned it reaches further
        that way, so that an engine far away keeps up.
        """
        plane = Plane.of(view, device)
        self._turned = self._turns(plane, visible)
        if self.outstanding is not None:
            return None
        counts = (view.row_count, view.column_count)
        led = visible.led(LED * self._turned, *counts)
        if self._turned and led.cells <= MAX_CELLS:
            if self.has(plane, visible.led(LED * self._turned / 2, *counts)):
                return None
            self.outstanding = WindowRequest.of(view, device, led)
            return self.outstanding
        margin = next(
            (m for m in (1.0, 0.5, 0.25) if visible.grown(m, *counts).cells <= MAX_CELLS), 0.0
        )
        if self.has(plane, visible.grown(margin / 2, *counts)):
            return None
        self.outstanding = WindowRequest.of(view, device, visible.grown(margin, *counts))
        return self.outstanding

    def _turns(self, plane: Plane, visible: Rectangle) -> int:
        """Which way pages are turned: by half a page at least, on the same plane."""
        before, self._seen = self._seen, (plane, visible)
        if before is None or before[0] != plane:
            return 0
        by = visible.top - before[1].top
        if not by and before[1].left == visible.left:
            return self._turned
        return int(math.copysign(1, by)) if 2 * abs(by) >= visible.bottom - visible.top else 0


def cells_of_values(source: Source, wanted: WindowRequest) -> list[list[Any]]:
    """Return a window as `WindowRead.cells` has it, from values that came with an output."""
    starts = source.block(wanted.device).start
    part = wanted.part

    def element(row: int, column: int) -> Any:
        cell = source.output.values
        for axis, (start, _) in enumerate(wanted.index):
            at = row if axis == wanted.rows else column if axis == wanted.columns else start
            cell = cell[starts[axis] + at]
        return cell_of(cell, source.output.dtype)

    return [
        [element(row, column) for column in range(part.left, part.right)]
        for row in range(part.top, part.bottom)
    ]


def slices_text(index: Sequence[Sequence[int]], shape: Sequence[int]) -> str:
    """Return a block's index as one would write it: "[0:1, :]"."""
    parts = [
        ":" if [start, stop] == [0, size] else f"{start}:{stop}"
        for (start, stop), size in zip(index, shape, strict=True)
    ]
    return f"[{', '.join(parts)}]"


def every_cell(values: Any, rank: int) -> list[Any]:
    """Flatten lists nested `rank` deep."""
    cells = [values]
    for _ in range(rank):
        cells = [cell for inner in cells for cell in inner]
    return cells
