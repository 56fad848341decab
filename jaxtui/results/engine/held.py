"""The blocks of results that a process holds for the leader of several, and answers about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxtui.engine_base.arrays import readable
from jaxtui.engine_base.processes import Leaves
from jaxtui.results.engine.blocks import Block, ends_of
from jaxtui.results.engine.far import Piece, Question
from jaxtui.results.engine.summaries import part_moments


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
            return part_moments(block, *question.args)
        found = getattr(block, question.method)(*question.args)
        # A view would be sent with all that it is a view of.
        return np.ascontiguousarray(found).reshape(found.shape)

    def forget(self, holding: int) -> None:
        self._results.pop(holding, None)
