"""Blocks of a result on the devices of other processes, read in parts where they lie.

A result over the devices of several processes stays on them. A process that follows keeps its own
blocks (`held.py`); the leader has a `FarBlock` for each, which asks for what is looked at: a
window, a sample, the statistics of a part. Once the leader lets go of a result, so do the others.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from jaxtui.results.engine.blocks import Block, Index


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
