"""Splits the rows of devices into blocks, adds blocks up and joins them again."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtui.session.collective_catalogue import Made


@dataclass(frozen=True)
class Chunk:
    """A block: its number, the rows that were combined into it, and its elements, flat."""

    number: int
    rows: tuple[int, ...]
    values: tuple[Any, ...]

    def with_added(self, other: Chunk, made: Made, dtype: str) -> Chunk:
        """The elementwise maximum, minimum or sum of both."""
        rows = tuple(sorted({*self.rows, *other.rows}))
        values = tuple(
            combined(made, dtype, a, b) for a, b in zip(self.values, other.values, strict=True)
        )
        return Chunk(self.number, rows, values)


def combined(made: Made, dtype: str, a: Any, b: Any) -> Any:
    """The maximum, minimum or sum of two elements; integers overflow as they do on a device."""
    if made in ("largest", "smallest"):
        if a != a or b != b:
            return a if a != a else b
        return max(a, b) if made == "largest" else min(a, b)
    if isinstance(a, list):  # complex: [re, im]
        return [operator.add(x, y) for x, y in zip(a, b, strict=True)]
    total = a + b
    return _wrapped(total, dtype) if isinstance(total, int) else total


def _wrapped(number: int, dtype: str) -> int:
    match = re.fullmatch(r"(u?)int(\d+)", dtype)
    if match is None:
        return number
    size = 1 << int(match[2])
    number %= size
    return number - size if not match[1] and number >= size // 2 else number


def flattened(values: Any, rank: int) -> list[Any]:
    """Flatten nested lists of `rank` dimensions."""
    if rank == 0:
        return [values]
    return [element for value in values for element in flattened(value, rank - 1)]


def nested(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    """Reshape a flat list into nested lists of `shape`."""
    if not shape:
        return flat[0]
    length = math.prod(shape[1:])
    return [nested(flat[i * length : (i + 1) * length], shape[1:]) for i in range(shape[0])]


def parts(flat: Sequence[Any], shape: Sequence[int], dimension: int, count: int) -> list[list[Any]]:
    """Split a flat array of `shape` into `count` equal parts along a dimension, each flat."""
    dimension %= len(shape)
    outer = math.prod(shape[:dimension])
    length = math.prod(shape[dimension:])
    size = length // count
    return [
        [
            value
            for o in range(outer)
            for value in flat[o * length + i * size : o * length + (i + 1) * size]
        ]
        for i in range(count)
    ]


def part_shape(shape: Sequence[int], dimension: int, count: int, tiled: bool) -> list[int]:
    """The shape of such a part: the dimension is divided if `tiled`, else removed."""
    dimension %= len(shape)
    kept = [shape[dimension] // count] if tiled else []
    return [*shape[:dimension], *kept, *shape[dimension + 1 :]]


def joined(
    pieces: Sequence[Sequence[Any]], shape: Sequence[int], axis: int, tiled: bool
) -> tuple[list[Any], list[int]]:
    """Concatenate flat pieces of one shape along `axis` if `tiled`, else stack them on a new one.

    Returns the flat result and its shape.
    """
    axis %= len(shape) + (0 if tiled else 1)
    outer, size = math.prod(shape[:axis]), math.prod(shape[axis:])
    flat = [
        value
        for o in range(outer)
        for piece in pieces
        for value in piece[o * size : o * size + size]
    ]
    if tiled:
        return flat, [*shape[:axis], shape[axis] * len(pieces), *shape[axis + 1 :]]
    return flat, [*shape[:axis], len(pieces), *shape[axis:]]
