"""Messages about a result that the engine keeps: its windows, statistics and matches."""

from __future__ import annotations

from typing import Any

from jaxtui.wire.base import Event, Request
from jaxtui.wire.report import Summary


class ReadWindow(Request, frozen=True, kw_only=True):
    """Read a window of output `leaf` of `result`. Light.

    `rows` and `columns` are the dimensions shown as rows and columns, None if the rank is too small
    for them. `index` has an entry for each dimension of the leaf: [start, stop] for `rows` and
    `columns`, [i, i+1] for all others. With `device`, dimensions and indices are those of that
    device's own shard.
    """

    result: int
    leaf: int
    rows: int | None
    columns: int | None
    index: list[list[int]]
    device: int | None = None


class Summarize(Request, frozen=True, kw_only=True):
    """Ask for statistics of an output leaf or of its shard on `device`.

    Large ones are answered twice: first from a sample. All that are queued are answered.
    """

    result: int
    leaf: int
    device: int | None = None


class FindCell(Request, frozen=True, kw_only=True):
    """Find the next element that satisfies the condition `wanted` (see `jaxtui.results.condition`).

    The search starts after the element at `after`, an index into the leaf or its shard on `device`,
    in row-major order, and wraps around.
    """

    result: int
    leaf: int
    wanted: str
    after: list[int]
    device: int | None = None


class WindowRead(Event, frozen=True, kw_only=True):
    """Answers ReadWindow with `cells[row][column]`; a missing dimension has length 1.

    A cell is an int, a float (the shortest that round-trips to the element), a bool, a str (PRNG
    key data in hexadecimal, or an object's repr), or [re, im].
    """

    result: int
    leaf: int
    device: int | None
    rows: int | None
    columns: int | None
    index: list[list[int]]
    cells: list[list[Any]]


class CellFound(Event, frozen=True, kw_only=True):
    """Answers FindCell; `index` is None if no element satisfies the condition."""

    index: list[int] | None


class Summarized(Event, frozen=True, kw_only=True):
    """Answers Summarize; a summary of a sample is followed by an exact one."""

    result: int
    leaf: int
    device: int | None
    summary: Summary
