"""What the shards view shows: arrays with their blocks, the devices, and what the cursor is at."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from jaxtui.results.screen.model import slices_text
from jaxtui.results.screen.shards_tiling import Block, Tiling, block_of
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.text import dtypes, quantities
from jaxtui.text.dtypes import short_dtype
from jaxtui.text.printable import clean
from jaxtui.wire.report import Input, Output, Shard

ON_NO_DEVICE = "on no device: no array of JAX"
_NOTES = {
    "host": "in the host's memory; JAX takes it to the devices",
    "static": "static: a part of the program",
    "unused": "not used: JAX leaves it out",
    "untold": "where it lies is not told",
}


class Cursor(NamedTuple):
    """At a device, by its row, and there in a column: 0 is the device's, then one an array."""

    row: int = 0
    column: int = 0


@dataclass(frozen=True)
class Laid:
    """An array and the block of it on each device; `note` says why there is none."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    shards: tuple[Shard, ...]
    mesh: MeshPlaces | None = None
    note: str = ""
    placed: str = ""

    @classmethod
    def input(cls, leaf: Input, mesh: MeshPlaces | None = None) -> Laid:
        note = _NOTES.get(leaf.placed, "") if not leaf.shards else ""
        name, shape = clean(leaf.name + leaf.path), tuple(leaf.shape)
        return cls(name, leaf.dtype, shape, tuple(leaf.shards), mesh, note, leaf.placed)

    @classmethod
    def output(cls, leaf: Output, mesh: MeshPlaces | None = None) -> Laid:
        note = "" if leaf.shards else ON_NO_DEVICE
        name = clean(f"out{leaf.path}")
        return cls(name, leaf.dtype, tuple(leaf.shape), tuple(leaf.shards), mesh, note)

    @cached_property
    def tiling(self) -> Tiling:
        return Tiling.of(self.shape, self.shards, self.mesh)

    @property
    def title(self) -> str:
        """`f32[4, 2]`."""
        return short_dtype(self.dtype) + shape_text(self.shape)

    @cached_property
    def block(self) -> Mapping[int, Block]:
        """The block of each device that has one, by the device's id."""
        return {shard.device: block_of(shard) for shard in self.shards}

    @cached_property
    def holders(self) -> Mapping[Block, list[int]]:
        """The devices that have each block, in the order of the shards."""
        found: dict[Block, list[int]] = {}
        for device, block in self.block.items():
            found.setdefault(block, []).append(device)
        return found

    def index_text(self, block: Block) -> str:
        """`[0:4, :]`, and `all` of an array without dimensions."""
        return slices_text(block, self.shape) if self.shape else "all"

    def block_title(self, block: Block) -> str:
        """`f32[4, 2]`, of a block."""
        return short_dtype(self.dtype) + shape_text([stop - start for start, stop in block])

    def size(self, block: Block) -> str:
        """The bytes of a block, `?` where the backend decides on them."""
        each = dtypes.bits(self.dtype)
        if each is None or each < 8:  # backends differ in how they store smaller ones
            return "?"
        return quantities.size(each // 8 * math.prod(stop - start for start, stop in block))


def shape_text(shape: Sequence[int]) -> str:
    """`[8, 4]`."""
    return "[" + ", ".join(str(size) for size in shape) + "]"


@dataclass(frozen=True)
class Scene:
    """Arrays of one run: the arguments' leaves and one output, on the devices with these labels.

    `processes` names the process of each device, if there are several.
    """

    inputs: tuple[Laid, ...]
    output: Laid
    labels: Mapping[int, str]
    mesh: MeshPlaces | None = None
    processes: Mapping[int, str] = field(default_factory=dict)

    @cached_property
    def devices(self) -> tuple[int, ...]:
        """The ids of the devices that have anything, in the order of the mesh if they lie in it."""
        held = {device for laid in (*self.inputs, self.output) for device in laid.block}
        if self.mesh is not None and held <= set(self.mesh.ids):
            return tuple(device for device in self.mesh.ids if device in held)
        return tuple(sorted(held))

    @cached_property
    def places(self) -> Mapping[int, int]:
        """The place of each device among all, by which it has its colour."""
        every = self.devices
        if self.mesh is not None and set(every) <= set(self.mesh.ids):
            every = self.mesh.ids
        return {device: place for place, device in enumerate(every)}

    def stops(self, laid: Laid | None) -> list[int]:
        """The rows at which the cursor stops in a column: all, or the first of each block."""
        if laid is None:
            return list(range(len(self.devices)))
        first: dict[Block, int] = {}
        for row, device in enumerate(self.devices):
            if device in laid.block:
                first.setdefault(laid.block[device], row)
        return list(first.values())

    def chosen(self, row: int, laid: Laid | None) -> tuple[int, ...]:
        """The devices at the cursor: the row's, or in an array's column all with its block."""
        device = self.devices[row]
        if laid is None or device not in laid.block:
            return (device,)
        block = laid.block[device]
        return tuple(d for d in self.devices if laid.block.get(d) == block)
