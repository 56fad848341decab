"""Which block of an array each device of a mesh holds, from the array's spec."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from jaxtui.wire.sharding import Spec

Block = tuple[int, ...]
"""The position of a block along each dimension, counted in blocks."""

_PART = re.compile(r"(?P<axis>.+):\((?P<before>\d+)\)(?P<size>\d+)", re.DOTALL)


def axis_of(part: str) -> str:
    """The mesh axis of an entry of a spec, which may be a part of that axis: "x" of "x:(2)4"."""
    match = _PART.fullmatch(part)
    return match["axis"] if match is not None else part


def size_of(part: str, mesh: Mapping[str, int]) -> int:
    """How many blocks an entry of a spec makes; 1 for an axis that the mesh does not have."""
    if part in mesh:
        return mesh[part]
    match = _PART.fullmatch(part)
    return int(match["size"]) if match is not None else 1


def device_count(mesh: Mapping[str, int]) -> int:
    """The number of devices of a mesh, 1 for one without axes."""
    return math.prod(mesh.values())


def block_count(spec: Spec, mesh: Mapping[str, int]) -> int:
    """How many different blocks an array is cut into."""
    return math.prod(size_of(part, mesh) for parts in spec for part in parts)


def copies(spec: Spec, mesh: Mapping[str, int]) -> int:
    """How many devices hold the same block."""
    return max(1, device_count(mesh) // max(1, block_count(spec, mesh)))


def is_whole(spec: Spec, mesh: Mapping[str, int]) -> bool:
    """Whether every device of a mesh of several devices holds the whole array."""
    return device_count(mesh) > 1 and block_count(spec, mesh) == 1


def coordinates(device: int, mesh: Mapping[str, int]) -> dict[str, int]:
    """Where a device stands along each axis of the mesh; the last axis changes fastest."""
    found: dict[str, int] = {}
    for axis, size in reversed(list(mesh.items())):
        device, found[axis] = divmod(device, size)
    return found


def block_of(device: int, spec: Spec, mesh: Mapping[str, int]) -> Block:
    """The block of an array that a device holds."""
    at = coordinates(device, mesh)
    block = []
    for parts in spec:
        position = 0
        for part in parts:
            position = position * size_of(part, mesh) + _step(part, at, mesh)
        block.append(position)
    return tuple(block)


def _step(part: str, at: Mapping[str, int], mesh: Mapping[str, int]) -> int:
    """The coordinate along an entry of a spec."""
    match = _PART.fullmatch(part)
    if match is None:
        return at.get(part, 0)
    before, size = int(match["before"]), int(match["size"])
    whole = mesh.get(match["axis"], before * size)
    behind = max(1, whole // max(1, before * size))
    return at.get(match["axis"], 0) // behind % max(1, size)


def ranges(block: Block, shape: Sequence[int], per_device: Sequence[int]) -> list[tuple[int, int]]:
    """The indices along each dimension that a block covers, as (start, stop).

    Where the blocks do not come out even, the last one is smaller, or empty.
    """
    found = []
    for position, size, held in zip(block, shape, per_device, strict=False):
        start = min(position * held, size)
        found.append((start, min(start + held, size)))
    return found


def words(block: Block, shape: Sequence[int], per_device: Sequence[int]) -> str:
    """The indices of a block as one would write them: `[2:4, :]`."""
    parts = []
    for (start, stop), size in zip(ranges(block, shape, per_device), shape, strict=False):
        parts.append(":" if (start, stop) == (0, size) else f"{start}:{stop}")
    return f"[{', '.join(parts)}]" if parts else "the scalar"
