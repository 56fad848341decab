"""How an array is divided into blocks, and over which axes of the mesh."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.wire.report import Shard

Interval = tuple[int, int]
Block = tuple[Interval, ...]


@dataclass(frozen=True)
class Tiling:
    """How an array is divided: `blocks` maps each block to its device ids, in ascending order.

    `over[d]` names the axes of the mesh along which dimension d is divided, if there is a mesh.
    `cuts[d]` are the distinct intervals along dimension d, sorted; `divided` lists the dimensions
    with more than one interval, or with one that does not span it.
    """

    shape: tuple[int, ...]
    blocks: dict[Block, list[int]]
    cuts: tuple[tuple[Interval, ...], ...]
    divided: tuple[int, ...]
    over: dict[int, tuple[str, ...]] = field(default_factory=dict)
    mesh: MeshPlaces | None = None

    @cached_property
    def _by_place(self) -> dict[tuple[int, ...], dict[Block, list[int]]]:
        return {}

    def holders(self, dimensions: tuple[int, ...]) -> dict[Block, list[int]]:
        """The devices that hold a block at each place along `dimensions`, in ascending order."""
        known = self._by_place.get(dimensions)
        if known is None:
            known = self._by_place[dimensions] = {}
            for block, ids in self.blocks.items():
                known.setdefault(tuple(block[d] for d in dimensions), []).extend(ids)
            for ids in known.values():
                ids.sort()
        return known

    @classmethod
    def of(
        cls, shape: Sequence[int], shards: Iterable[Shard], mesh: MeshPlaces | None = None
    ) -> Tiling:
        """Collect the tiling of an array of `shape` from its shards, on devices of a mesh."""
        blocks: dict[Block, list[int]] = {}
        for shard in shards:
            blocks.setdefault(block_of(shard), []).append(shard.device)
        cuts = tuple(tuple(sorted({block[d] for block in blocks})) for d in range(len(shape)))
        divided = tuple(d for d, size in enumerate(shape) if cuts[d] != ((0, size),))
        held = {b: sorted(ids) for b, ids in blocks.items()}
        if mesh is None or not {d for ids in held.values() for d in ids} <= set(mesh.ids):
            return cls(tuple(shape), held, cuts, divided)
        over = {d: _dividing(d, held, mesh) for d in divided}
        return cls(tuple(shape), held, cuts, divided, over, mesh)


def _dividing(dimension: int, blocks: dict[Block, list[int]], mesh: MeshPlaces) -> tuple[str, ...]:
    """The mesh axes along which a device's part of a dimension changes."""
    parts = {d: block[dimension] for block, ids in blocks.items() for d in ids}
    places = {device: mesh.coordinates(device) for device in parts}
    found = []
    for name in mesh.axes:
        seen: dict[tuple[int, ...], set[Interval]] = {}
        for device, part in parts.items():
            others = tuple(at for axis, at in places[device].items() if axis != name)
            seen.setdefault(others, set()).add(part)
        if any(len(several) > 1 for several in seen.values()):
            found.append(name)
    return tuple(found)


def block_of(shard: Shard) -> Block:
    """Return the part of the array that a shard holds."""
    return tuple((start, stop) for start, stop in shard.index)
