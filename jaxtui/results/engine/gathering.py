"""Collecting the blocks of a result that the devices of other processes hold.

Each follower describes the blocks that it holds and sends their bytes; the leader combines them
with its own blocks, which stay on their devices.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from jaxtui.engine_base import host
from jaxtui.engine_base.arrays import readable
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.processes import Leaves
from jaxtui.results.engine.blocks import Block, Index, cover, ends_of
from jaxtui.session.field_path import PROGRAM
from jaxtui.text import quantities


@dataclass(frozen=True)
class Gathered:
    """An array over the devices of several processes, with all of its blocks at hand.

    `blocks` are in the order of the array's devices; those of other processes hold NumPy arrays.
    For PRNG keys, the blocks hold the key words.
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

    def on_host(self) -> np.ndarray[Any, Any]:
        """Return the whole array as a NumPy array; keys as words along a trailing dimension."""
        first = np.asarray(self.blocks[0].data)
        whole = np.empty((*self.shape, *first.shape[len(self.shape) :]), first.dtype)
        for block in cover(self.blocks):
            whole[tuple(slice(*ends) for ends in block.index)] = np.asarray(block.data)
        return whole


@dataclass(frozen=True)
class Piece:
    """The description of a block of leaf number `leaf` on `device`, sent to the leader.

    If `like` is given, the bytes equal those of the block on device `like` and are not sent.
    """

    leaf: int
    device: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    like: int | None = None


def spread(value: Any) -> bool:
    """Whether `value` is an array that can be read and that other processes hold a part of."""
    if not isinstance(value, jax.Array) or isinstance(value, jax.core.Tracer):
        return False
    return not value.is_fully_addressable and not value.is_deleted()


def hold(leaves: Leaves, numbers: Sequence[int]) -> Iterator[tuple[Piece, Any]]:
    """Yield each block of the leaves `numbers` that this process holds, with its bytes."""
    for number in numbers:
        value = leaves[number][1] if number < len(leaves) else None
        if not isinstance(value, jax.Array):
            continue  # the leader reports that its blocks are missing
        first: dict[str, tuple[int, np.ndarray[Any, Any]]] = {}
        for shard in readable(value).addressable_shards:
            data = np.ascontiguousarray(np.asarray(shard.data)).reshape(shard.data.shape)
            device, same = first.setdefault(str(shard.index), (shard.device.id, data))
            known = device != shard.device.id and _bytes(same) == _bytes(data)
            piece = Piece(
                number, shard.device.id, data.shape, data.dtype, device if known else None
            )
            yield piece, b"" if known else _bytes(data)


def _bytes(data: np.ndarray[Any, Any]) -> memoryview:
    """Return the array's bytes, also for dtypes that the buffer protocol does not support."""
    return data.reshape(-1).view(np.uint8).data


class Gathering:
    """The leader's blocks of a result, completed with those of its followers."""

    def __init__(self, leaves: Leaves) -> None:
        self._leaves = leaves
        self._data = {
            number: readable(value) for number, (_, value) in enumerate(leaves) if spread(value)
        }
        self._received: dict[tuple[int, int], np.ndarray[Any, Any]] = {}
        _require_room(self._data.values())

    @property
    def wanted(self) -> list[int]:
        """The numbers of the leaves that other processes hold a part of."""
        return list(self._data)

    def add(self, pieces: list[tuple[Piece, bytes]]) -> None:
        """Add the blocks of one follower."""
        for piece, data in pieces:
            key = (piece.leaf, piece.device)
            if piece.like is not None:
                self._received[key] = self._received[piece.leaf, piece.like]
            else:
                array = np.frombuffer(data, np.uint8).view(piece.dtype)
                self._received[key] = array.reshape(piece.shape)

    def complete(self) -> Leaves:
        """Return the leaves, spread ones as Gathered. Raises Diagnosed if a block is missing."""
        return [
            (path, self._gathered(number, value, path) if number in self._data else value)
            for number, (path, value) in enumerate(self._leaves)
        ]

    def _gathered(self, number: int, value: jax.Array, path: str) -> Gathered:
        data = self._data[number]
        mine = {shard.device.id: shard.data for shard in data.addressable_shards}
        blocks = []
        places: Any = data.sharding.devices_indices_map(data.shape)
        for device, index in places.items():
            block = mine.get(device.id, self._received.get((number, device.id)))
            ends: Index = ends_of(index, value.shape)
            shape = tuple(stop - start for start, stop in ends)
            if not math.prod(shape):
                # Releases of JAX differ in what an empty array has on each device.
                block = np.empty((*shape, *data.shape[value.ndim :]), data.dtype)
            elif block is None or block.shape[: value.ndim] != shape:
                what = f"output {path}" if path else "the output"
                message = (
                    f"process {device.process_index} returned something else for {what} than "
                    "process 0: a function must do the same in every process"
                )
                raise diagnosed("function", PROGRAM, message)
            blocks.append(Block(device.id, ends, block))
        return Gathered(value, tuple(blocks))


def _require_room(arrays: Iterable[jax.Array]) -> None:
    """Raise Diagnosed unless the blocks of other processes fit into this process's memory."""
    needed = 0
    for array in arrays:
        held = math.prod(array.sharding.shard_shape(array.shape)) * array.dtype.itemsize
        others = len(array.sharding.device_set) - len(array.sharding.addressable_devices)
        needed += held * others
    available = host.available_memory() if needed else None
    if available is not None and needed > available:
        message = (
            f"what the devices of other processes hold of the result takes "
            f"{quantities.size(needed)} to bring here; {quantities.size(available)} is free"
        )
        raise diagnosed("memory", PROGRAM, message)
