"""Blocks of a result on the devices of other processes, read in parts where they lie.

A result over the devices of several processes stays on them. A process that follows keeps its own
blocks as `HeldBlocks`; the leader has a `FarBlock` for each, which asks for what is looked at: a
window, a sample, the statistics of a part. Once the leader lets go of a result, so do the others.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxtui.engine_base.arrays import readable
from jaxtui.engine_base.processes import Leaves
from jaxtui.results.engine.blocks import Block, Index, ends_of


class Question(NamedTuple):
    """A question about a block: `method` of the block of leaf number `leaf` on `device`.

    `holding` is the number under which the result is held.
    """

    holding: int
    leaf: int
    device: int
    method: str
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Piece:
    """The description of a block of leaf number `leaf` on `device`, sent to the leader.

    `shape` has the words of PRNG keys as a trailing dimension.
    """

    leaf: int
    device: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class Holding:
    """A result that other processes hold blocks of, until this object is gone.

    `ask(process, question)` returns the answer of a process; `forget(number)` is called at the end,
    in any thread and at any moment.
    """

    def __init__(
        self, number: int, ask: Callable[[int, Question], Any], forget: Callable[[int], None]
    ) -> None:
        self.number = number
        self.ask = ask
        weakref.finalize(self, forget, number).atexit = False


@dataclass(frozen=True)
class FarData:
    """What stands for the data of a FarBlock: where it lies, and what it is."""

    holding: Holding
    process: int
    piece: Piece

    @property
    def shape(self) -> tuple[int, ...]:
        return self.piece.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.piece.dtype

    @property
    def nbytes(self) -> int:
        return math.prod(self.piece.shape) * self.piece.dtype.itemsize

    def ask(self, method: str, *args: Any) -> Any:
        """Return what `method` of the block gives in its own process."""
        question = Question(
            self.holding.number, self.piece.leaf, self.piece.device, method, tuple(args)
        )
        return self.holding.ask(self.process, question)


@dataclass(frozen=True)
class FarBlock(Block):
    """A block on a device of another process; each part that is read comes from there."""

    data: FarData

    @property
    def on_host(self) -> bool:
        return False

    @property
    def platform(self) -> str:
        return "another process"

    def read(self, part: Index) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self.data.ask("read", part)
        return found

    def take(self, positions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self.data.ask("take", positions)
        return found

    def leading(self, count: int) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = self.data.ask("leading", count)
        return found


class HeldBlocks:
    """The blocks of results that this process holds for the leader."""

    def __init__(self) -> None:
        self._results: dict[int, dict[tuple[int, int], Block]] = {}

    def hold(self, holding: int, leaves: Leaves, numbers: Sequence[int]) -> list[Piece]:
        """Hold this process' blocks of the leaves `numbers`, and describe them."""
        blocks: dict[tuple[int, int], Block] = {}
        for number in numbers:
            value = leaves[number][1] if number < len(leaves) else None
            if not isinstance(value, jax.Array):
                continue  # the leader reports that its blocks are missing
            for shard in readable(value).addressable_shards:
                index = ends_of(shard.index, value.shape)
                blocks[number, shard.device.id] = Block(shard.device.id, index, shard.data)
        if blocks:
            self._results[holding] = blocks
        return [
            Piece(leaf, device, block.data.shape, np.dtype(block.data.dtype))
            for (leaf, device), block in blocks.items()
        ]

    def answer(self, question: Question) -> Any:
        block = self._results[question.holding][question.leaf, question.device]
        if question.method == "moments":
            from jaxtui.results.engine.summaries import part_moments

            return part_moments(block, *question.args)
        found = getattr(block, question.method)(*question.args)
        # A view would be sent with all that it is a view of.
        return np.ascontiguousarray(found).reshape(found.shape)

    def forget(self, holding: int) -> None:
        self._results.pop(holding, None)
