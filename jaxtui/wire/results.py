"""Messages about a result that the engine keeps: windows of it, statistics, the next match."""

from __future__ import annotations

from typing import Any

from jaxtui.wire.base import (
    Event,
    Request,
)
from jaxtui.wire.report import (
    Summary,
)


class ReadWindow(Request, frozen=True, kw_only=True):
    """Read a part of output `leaf` of `result`. Light.

    `index` has an entry for each dimension of the leaf: [start, stop] for the row and the column
    dimension (`rows` and `columns`, None when the rank is too small for them), [i, i+1] for all
    others. With `device`, dimensions and indices are those of that device's own block.
    """

    result: int
    leaf: int
    rows: int | None
    columns: int | None
    index: list[list[int]]
    device: int | None = None


class Summarize(Request, frozen=True, kw_only=True):
    """Statistics of an output leaf, or of a device's block: of a sample first if it is large."""

    result: int
    leaf: int
    device: int | None = None


class FindCell(Request, frozen=True, kw_only=True):
    """Find the next element of a result that meets a condition: see `jaxtui.results.condition`.

    Looks on from the element after `after` (an index of the leaf, or of the block on `device`), in
    row-major order and then from the start. A newer one replaces a waiting one.
    """

    result: int
    leaf: int
    wanted: str
    after: list[int]
    device: int | None = None


class WindowRead(Event, frozen=True, kw_only=True):
    """Answers ReadWindow. `cells[row][column]`; without a row dimension one row, likewise columns.

    A cell is an int, float (the shortest that gives the element back), bool, str (PRNG key data in
    hexadecimal, or an object's repr), or [re, im].
    """

    result: int
    leaf: int
    device: int | None
    rows: int | None
    columns: int | None
    index: list[list[int]]
    cells: list[list[Any]]


class CellFound(Event, frozen=True, kw_only=True):
    """Answers FindCell; `index` is None when no element meets the condition."""

    index: list[int] | None


class Summarized(Event, frozen=True, kw_only=True):
    """Answers Summarize, more than once when the first is a sample."""

    result: int
    leaf: int
    device: int | None
    summary: Summary
