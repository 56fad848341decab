"""What is shown as compiled is what stands in the text of XLA's program, read independently."""

from __future__ import annotations

import itertools
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import jax
import pytest

from jaxtui.session.session import Sharding
from jaxtui.sharding.engine.compiled import compiled_of
from tests.support.bare_sharding import ShardedCase, partitioned_by_shardy
from tests.support.sharded_programs import PROGRAMS, parameters

SIZES = {"pred": 1, "s32": 4, "u32": 4, "f32": 4, "bf16": 2, "c64": 8, "s8": 1, "s64": 8, "f64": 8}
COLLECTIVE = re.compile(
    r"= (?P<made>.*?) (?P<kind>all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter)"
    r"(?:-start)?\((?P<operands>.*?)\), (?P<rest>.*)"
)

MESH = re.compile(r"mesh\[(.*?)\](?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{(.*?)\}")


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


def told(text: str, mesh: dict[str, int]) -> Counter[Any]:
    """The kind, axes and bytes of each collective that sends, by a small reading of the text.

    The bytes come from what a collective makes: an all-gather makes as many times what it takes as
    there are devices in a group.
    """
    found: Counter[Any] = Counter()
    for line in text.splitlines():
        if (match := COLLECTIVE.search(line)) is None:
            continue
        groups = devices_of(match["rest"], mesh)
        width = max(map(len, groups))
        if width == 1:
            continue
        size = sum(
            math.prod(int(n) for n in shape.split(",") if n) * SIZES[dtype]
            for dtype, shape in re.findall(r"(\w+)\[([\d,]*)\]", match["made"])
        )
        kind = match["kind"].replace("-", "_")
        size = size // width if kind == "all_gather" else size
        size = size * width if kind == "reduce_scatter" else size
        found[kind, along(groups, mesh), size] += 1
    return found


def devices_of(rest: str, mesh: dict[str, int]) -> list[list[int]]:
    """The groups of devices of a collective, or its pairs."""
    if listed := re.search(r"(?:replica_groups|source_target_pairs)=\{(\{.*?\})\}", rest):
        return [[int(n) for n in row.split(",")] for row in re.findall(r"\{([\d,]+)\}", listed[1])]
    if tiled := re.search(r"\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?", rest.split("{")[0]):
        rows, columns = (int(n) for n in tiled[1].split(","))
        flat = transposed(tiled[2], tiled[3])
        return [flat[row * columns : (row + 1) * columns] for row in range(rows)]
    named = re.search(
        r"mesh\[(.*?)\](?:, device_ids=\(\[([\d,]+)\](?:T\(([\d,]+)\))?\))? \{(.*?)\}", rest
    )
    assert named is not None, rest
    sizes = {axis: int(size) for axis, size in re.findall(r"'(\w+)'=(\d+)", named[1])}
    over = re.findall(r"'(\w+)'", named[4])
    if ":" in named[4]:
        pytest.skip("XLA writes a part of an axis, which this reading does not know")
    count = math.prod(mesh.values())
    ids = transposed(named[2], named[3]) if named[2] else list(range(count))
    groups: dict[Any, list[int]] = {}
    for device, place in zip(ids, itertools.product(*map(range, sizes.values())), strict=True):
        key = tuple(n for axis, n in zip(sizes, place, strict=True) if axis not in over)
        groups.setdefault(key, []).append(device)
    return list(groups.values())


def transposed(shape: str, order: str | None) -> list[int]:
    """The numbers from 0 on in an array of `shape`, read with its dimensions in another order."""
    sizes = [int(n) for n in shape.split(",")]
    places = [int(n) for n in order.split(",")] if order else list(range(len(sizes)))
    weights = [math.prod(sizes[n + 1 :]) for n in range(len(sizes))]
    ranges = [range(sizes[n]) for n in places]
    return [
        sum(weights[n] * i for n, i in zip(places, index, strict=True))
        for index in itertools.product(*ranges)
    ]


def along(groups: list[list[int]], mesh: dict[str, int]) -> frozenset[str]:
    """The axes of the mesh along which the devices of any group differ."""
    places = list(itertools.product(*map(range, mesh.values())))
    return frozenset(
        axis
        for number, axis in enumerate(mesh)
        if any(len({places[device][number] for device in group}) > 1 for group in groups)
    )


def whole(axis: str) -> str:
    """The axis that a part such as `data:(2)2` is of."""
    return axis.partition(":")[0]


@pytest.mark.parametrize("case", parameters(PROGRAMS[::3]))
def test_compiled_collectives_are_those_of_the_text(case: ShardedCase) -> None:
    made = compiled_of(case.composition, Sharding())
    function, given, mesh = case.bare()
    with case.context(mesh):
        bare = jax.jit(function).lower(*given).compile()
    found = Counter((o.kind, frozenset(map(whole, o.axes)), o.bytes) for o in made.collectives)
    assert found == told(bare.as_text() or "", case.mesh)
    memory = bare.memory_analysis()
    if all(sharding for _, sharding in case.arguments.values()):
        # XLA lays out an argument that lies nowhere yet as it likes.
        assert made.memory.arguments == memory.argument_size_in_bytes
    assert made.memory.outputs == memory.output_size_in_bytes
