"""Which block a device holds is what JAX itself says."""

from __future__ import annotations

import itertools
import math

import jax
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.sharding import blocks
from jaxtui.wire.sharding import Spec

MESHES = [{"data": 4, "model": 2}, {"a": 2, "b": 2, "c": 2}, {"x": 8}]
SHAPE = (16, 8)


def specs(axes: list[str]) -> list[Spec]:
    """All specs of two dimensions, in any order of the axes of each."""
    found: list[Spec] = []
    for count in range(len(axes) + 1):
        for used in itertools.permutations(axes, count):
            found += [[list(used[:cut]), list(used[cut:])] for cut in range(count + 1)]
    return found


CASES = [(mesh, spec) for mesh in MESHES for spec in specs(list(mesh))]


def placed(mesh: dict[str, int], spec: Spec) -> NamedSharding:
    devices = np.array(jax.devices()[: math.prod(mesh.values())]).reshape(*mesh.values())
    return NamedSharding(Mesh(devices, tuple(mesh)), PartitionSpec(*(tuple(p) for p in spec)))


@pytest.mark.parametrize(("mesh", "spec"), CASES)
def test_every_device_holds_the_block_that_jax_gives_it(mesh: dict[str, int], spec: Spec) -> None:
    sharding = placed(mesh, spec)
    held = sharding.devices_indices_map(SHAPE)
    per_device = sharding.shard_shape(SHAPE)
    for number, device in enumerate(jax.devices()):
        block = blocks.block_of(number, spec, mesh)
        expected = [s.indices(size)[:2] for s, size in zip(held[device], SHAPE, strict=True)]
        assert blocks.ranges(block, SHAPE, per_device) == expected


@pytest.mark.parametrize(("mesh", "spec"), CASES)
def test_the_copies_of_a_block_are_those_that_jax_counts(mesh: dict[str, int], spec: Spec) -> None:
    held = [str(index) for index in placed(mesh, spec).devices_indices_map(SHAPE).values()]
    assert blocks.block_count(spec, mesh) == len(set(held))
    assert blocks.copies(spec, mesh) == held.count(held[0])
    assert blocks.is_whole(spec, mesh) == (len(set(held)) == 1)


def test_a_part_of_an_axis_counts_from_where_it_begins() -> None:
    mesh = {"x": 8}
    major, minor = ["x:(1)2"], ["x:(2)4"]
    assert [blocks.block_of(d, [major], mesh) for d in range(8)] == [(0,)] * 4 + [(1,)] * 4
    assert [blocks.block_of(d, [minor], mesh) for d in range(8)] == [(i % 4,) for i in range(8)]
    both = [blocks.block_of(d, [["x:(1)2", "x:(2)4"]], mesh) for d in range(8)]
    assert both == [blocks.block_of(d, [["x"]], mesh) for d in range(8)]
    assert blocks.axis_of("x:(2)4") == "x"
    assert blocks.block_count([minor], mesh) == 4


def test_the_last_of_uneven_blocks_is_smaller_or_empty() -> None:
    assert blocks.ranges((2,), [5], [2]) == [(4, 5)]
    assert blocks.ranges((3,), [5], [2]) == [(5, 5)]
    assert blocks.words((2, 0), [5, 3], [2, 3]) == "[4:5, :]"
    assert blocks.words((), [], []) == "the scalar"


def test_an_axis_that_the_mesh_has_not_divides_nothing() -> None:
    assert blocks.block_of(5, [["nowhere"]], {"x": 8}) == (0,)
    assert blocks.copies([["nowhere"]], {"x": 8}) == 8
