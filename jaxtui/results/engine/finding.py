"""Search a result for the next element that meets a condition, block by block."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from jaxtui.engine_base.errors import GivenUp, diagnosed
from jaxtui.results.condition import Condition
from jaxtui.results.engine.blocks import Block, Index, cut_up
from jaxtui.results.engine.cells import Sort
from jaxtui.session.field_path import NO_FIELD

PART = 1 << 20  # elements examined between two checks for cancellation
Elements = np.ndarray[Any, Any]
Predicate = Callable[[Elements], Any]
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def find(
    parts: Sequence[Block],
    shape: tuple[int, ...],
    sort: Sort,
    wanted: Condition,
    after: Sequence[int],
    cancelled: Callable[[], bool],
) -> tuple[int, ...] | None:
    """Return the index of the next element after `after` that meets `wanted`, or None.

    The search is in row-major order and wraps around at the end. `parts` are disjoint blocks of an
    array of `shape`. Raises Diagnosed if the condition does not apply to elements of this sort, and
    GivenUp once `cancelled()` returns true.
    """
    _check_applicable(sort, wanted)
    predicate = _predicate(parts, sort, wanted, cancelled) if math.prod(shape) else None
    if predicate is None:
        return None
    start = _flat(after, shape) + 1
    for begin in (start, 0):
        found = [_first(part, shape, sort, predicate, begin, cancelled) for part in parts]
        positions = [position for position in found if position is not None]
        if positions:
            return tuple(int(i) for i in np.unravel_index(min(positions), shape)) if shape else ()
    return None


def _check_applicable(sort: Sort, wanted: Condition) -> None:
    """Raise Diagnosed if the condition does not apply to elements of this sort."""
    if sort in ("key", "text"):
        what = "PRNG keys" if sort == "key" else "text"
        raise diagnosed("value", NO_FIELD, f"{what} cannot be compared: type an index to go there")
    ordered = wanted.name in ("max", "min") or wanted.operator not in ("=", "!=")
    if sort == "complex" and ordered:
        raise diagnosed(
            "value", NO_FIELD, "complex numbers have no order: nan, inf, = and != find them"
        )
    if sort != "complex" and isinstance(wanted.number, complex):
        raise diagnosed("value", NO_FIELD, "the elements are no complex numbers")


def _predicate(
    parts: Sequence[Block], sort: Sort, wanted: Condition, cancelled: Callable[[], bool]
) -> Predicate | None:
    """Return the elementwise test for `wanted`, or None if no element can meet it."""
    match wanted.name:
        case "nan":
            return np.isnan if sort in ("float", "complex") else None
        case "inf" if sort == "complex":
            return np.isinf
        case "inf":
            return np.isposinf if sort == "float" else None
        case "-inf":
            return np.isneginf if sort == "float" else None
        case "max" | "min":
            extreme = _extreme(parts, sort, wanted.name == "max", cancelled)
            return None if extreme is None else lambda elements: elements == extreme
    number = _as_stored(wanted.number, parts[0], sort)
    return lambda elements: _OPERATORS[wanted.operator](elements, number)


def _as_stored(number: complex, part: Block, sort: Sort) -> Any:
    """Round `number` to the elements' dtype, so that 0.1 finds what is displayed as 0.1."""
    if sort not in ("float", "complex"):
        return number
    with np.errstate(all="ignore"):
        return _wide(np.asarray(number).astype(part.data.dtype), sort)[()]


def _wide(elements: Elements, sort: Sort) -> Elements:
    """Convert to a dtype that NumPy supports in full, without loss."""
    if sort == "float":
        with np.errstate(all="ignore"):  # signalling NaNs would warn
            return elements.astype(np.float64)
    if sort == "integer" and not np.issubdtype(elements.dtype, np.integer):
        return elements.astype(np.int64)  # int4 and other extension types
    return elements


def _extreme(
    parts: Sequence[Block], sort: Sort, largest: bool, cancelled: Callable[[], bool]
) -> Any:
    """Return the largest or smallest finite element, or None if there is none."""
    best: Any = None
    for part in parts:
        for _, elements in _pieces(part, sort, cancelled):
            finite = elements[np.isfinite(elements)] if sort == "float" else elements
            if finite.size:
                found = finite.max() if largest else finite.min()
                better = best is None or (found > best if largest else found < best)
                best = found if better else best
    return best


def _first(
    part: Block,
    shape: tuple[int, ...],
    sort: Sort,
    predicate: Predicate,
    begin: int,
    cancelled: Callable[[], bool],
) -> int | None:
    """Return the flat position in the whole array of the first match at or after `begin`.

    The elements of a block come in the same order as in the whole array.
    """
    for index, elements in _pieces(part, sort, cancelled, begin, shape):
        hits = np.flatnonzero(predicate(elements))
        if not hits.size:
            continue
        if not shape:
            return 0 if begin == 0 else None
        local = np.unravel_index(hits, elements.shape)
        whole = [
            at + low + start
            for at, (low, _), (start, _) in zip(local, index, part.index, strict=True)
        ]
        positions = np.ravel_multi_index(whole, shape)
        later = positions[positions >= begin]
        if later.size:
            return int(later[0])
    return None


def _pieces(
    part: Block,
    sort: Sort,
    cancelled: Callable[[], bool],
    begin: int = 0,
    shape: tuple[int, ...] = (),
) -> Iterator[tuple[Index, Elements]]:
    """Yield the block's elements in row-major order, without pieces that end before `begin`."""
    for index in cut_up(part.shape, PART):
        if begin:
            last = [
                start + high - 1 for (_, high), (start, _) in zip(index, part.index, strict=True)
            ]
            if _flat(last, shape) < begin:
                continue
        if cancelled():
            raise GivenUp
        yield index, _wide(part.read(index), sort)


def _flat(index: Sequence[int], shape: tuple[int, ...]) -> int:
    position = 0
    for at, extent in zip(index, shape, strict=True):
        position = position * extent + at
    return position
