"""Results over the devices of several processes, as the leader has them.

The blocks of each process stay on its devices: the leader is told of those of the others, and reads
parts of them when they are looked at.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np

from jaxtui.engine_base import host
from jaxtui.engine_base.arrays import readable
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.processes import Leaves
from jaxtui.results.engine.blocks import (
    Block,
    Index,
    cover,
    cut_up,
    ends_of,
    overlap,
    part_of,
    whole,
)
from jaxtui.results.engine.far import FarBlock, FarData, Holding, Piece
from jaxtui.session.field_path import PROGRAM
from jaxtui.text import quantities

READ_AT_ONCE = 1 << 22  # elements of a block that are brought here together


@dataclass(frozen=True)
class Gathered:
    """An array over the devices of several processes, with all of its blocks.

    `blocks` are in the order of the array's devices; those of other processes are read there. For
    PRNG keys, the blocks hold the key words.
    """

    array: jax.Array
    blocks: tuple[Block, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> Any:
        return self.array.dtype

    @property
    def size(self) -> int:
        return self.array.size

    def read(self, part: Index) -> np.ndarray[Any, Any]:
        """Return the elements at `part`, keys as words along a trailing dimension."""
        first = self.blocks[0].data
        shape = tuple(stop - start for start, stop in part)
        found = np.empty((*shape, *first.shape[len(self.shape) :]), first.dtype)
        for block in cover(self.blocks):
            meeting = overlap(block.index, part)
            if meeting is not None:
                inside, outside = meeting
                found[tuple(slice(*ends) for ends in outside)] = block.read(inside)
        return found

    def on_host(self) -> np.ndarray[Any, Any]:
        """Return the whole array as a NumPy array; keys as words along a trailing dimension.

        Raises Diagnosed if this process lacks the memory for it.
        """
        first = self.blocks[0].data
        _require_room(self.size * math.prod(first.shape[len(self.shape) :]) * first.dtype.itemsize)
        found = np.empty((*self.shape, *first.shape[len(self.shape) :]), first.dtype)
        for part in cut_up(self.shape, READ_AT_ONCE):
            found[tuple(slice(*ends) for ends in part)] = self.read(part)
        return found


@dataclass(frozen=True)
class FarLeaf:
    """A leaf over several processes, read in parts; of PRNG keys their words.

    `rows` are those in front that count, None for all.
    """

    gathered: Gathered
    rows: int | None = None

    @cached_property
    def shape(self) -> tuple[int, ...]:
        rank = len(self.gathered.shape)
        shape = (*self.gathered.shape, *self.gathered.blocks[0].data.shape[rank:])
        return shape if self.rows is None else (self.rows, *shape[1:])

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def dtype(self) -> Any:
        return self.gathered.blocks[0].data.dtype

    def read(self, part: Index) -> np.ndarray[Any, Any]:
        """The elements at `part`."""
        rank = len(self.gathered.shape)
        found = self.gathered.read(part[:rank])
        return part_of(found, (*whole(found.shape[:rank]), *part[rank:]))


def spread(value: Any) -> bool:
    """Whether `value` is an array that can be read and that other processes hold a part of."""
    if not isinstance(value, jax.Array) or isinstance(value, jax.core.Tracer):
        return False
    return not value.is_fully_addressable and not value.is_deleted()


class Gathering:
    """The leader's blocks of a result, completed with those of its followers."""

    def __init__(self, leaves: Leaves, holding: Holding) -> None:
        self._leaves = leaves
        self._holding = holding
        self._data = {
            number: readable(value) for number, (_, value) in enumerate(leaves) if spread(value)
        }
        self._far: dict[tuple[int, int], FarData] = {}

    @property
    def wanted(self) -> list[int]:
        """The numbers of the leaves that other processes hold a part of."""
        return list(self._data)

    def add(self, process: int, pieces: Sequence[Piece]) -> None:
        """Add the blocks of one follower."""
        for piece in pieces:
            self._far[piece.leaf, piece.device] = FarData(self._holding, process, piece)

    def complete(self) -> Leaves:
        """Return the leaves, spread ones as Gathered. Raises Diagnosed if a block is missing."""
        return [
            (path, self._gathered(number, value, path) if number in self._data else value)
            for number, (path, value) in enumerate(self._leaves)
        ]

    def _gathered(self, number: int, value: jax.Array, path: str) -> Gathered:
        data = self._data[number]
        mine = {shard.device.id: shard.data for shard in data.addressable_shards}
        blocks: list[Block] = []
        places: Any = data.sharding.devices_indices_map(data.shape)
        for device, index in places.items():
            near, far = mine.get(device.id), self._far.get((number, device.id))
            ends: Index = ends_of(index, value.shape)
            shape = tuple(stop - start for start, stop in ends)
            block = near if near is not None else far
            if not math.prod(shape):
                # Releases of JAX differ in what an empty array has on each device.
                near = np.empty((*shape, *data.shape[value.ndim :]), data.dtype)
            elif block is None or tuple(block.shape[: value.ndim]) != shape:
                what = f"output {path}" if path else "the output"
                message = (
                    f"process {device.process_index} returned something else for {what} than "
                    "process 0: a function must do the same in every process"
                )
                raise diagnosed("function", PROGRAM, message)
            if near is None and far is not None:
                blocks.append(FarBlock(device.id, ends, far))
            else:
                blocks.append(Block(device.id, ends, near))
        return Gathered(value, tuple(blocks))


def _require_room(needed: int) -> None:
    """Raise Diagnosed unless an array of so many bytes fits into this process' memory."""
    available = host.available_memory() if needed else None
    if available is not None and needed > available:
        message = (
            f"what the devices of all processes hold of it takes {quantities.size(needed)} to "
            f"bring here; {quantities.size(available)} is free"
        )
        raise diagnosed("memory", PROGRAM, message)
