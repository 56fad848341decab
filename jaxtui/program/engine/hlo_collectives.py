"""The collectives in the text of a compiled program: kind, groups, bytes, line, how often.

XLA writes groups in three ways, `{{0,1},{2,3}}`, `[2,4]<=[4,2]T(1,0)`, `mesh['x'=4,'y'=2] {'y'}`,
and may start a collective in one place and await it in another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from jaxtui.program.engine.hlo_text import Line, Text, shape_bytes, split_top
from jaxtui.wire.sharding import CollectiveKind

KINDS: dict[str, CollectiveKind] = {
    "all-reduce": "all_reduce",
    "all-gather": "all_gather",
    "all-to-all": "all_to_all",
    "ragged-all-to-all": "all_to_all",
    "collective-permute": "collective_permute",
    "collective-broadcast": "collective_permute",
    "reduce-scatter": "reduce_scatter",
}
Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class HloCollective:
    """A collective of a compiled program.

    `kind` is JAX's name and `name` XLA's. `groups` are the positions (in the device assignment) of
    the devices that take part together; for a permutation, those that are joined by its pairs.
    `bytes` is the size of its operands on one device, which are `parts` arrays that are sent
    together: XLA combines collectives. `times` is how often it runs, None if inside
    a loop of unknown length. `places` are (file, line) of the code it came from, innermost first.
    """

    kind: CollectiveKind
    name: str
    groups: Groups
    bytes: int
    parts: int
    times: int | None
    places: tuple[tuple[str, int], ...]


def collectives(hlo: str, devices: int) -> list[HloCollective]:
    """The collectives in the text of a program that was compiled for so many devices."""
    text = Text(hlo)
    return [one for line in text.lines if (one := _collective(line, text, devices)) is not None]


def _collective(line: Line, text: Text, devices: int) -> HloCollective | None:
    name = line.op.removesuffix("-start")
    if name == "async":  # `async-start(...), calls=%c`: the collective stands in %c
        return None
    if name not in KINDS:
        return None
    operands = split_top(line.operands)
    size = sum(_bytes_of(operand, text.shapes) for operand in operands)
    return HloCollective(
        kind=KINDS[name],
        name=name,
        groups=_groups(line.attributes, devices),
        bytes=size,
        # An all-to-all may take the blocks for each device as so many operands.
        parts=1 if KINDS[name] == "all_to_all" else len(operands),
        times=text.times(line.computation),
        places=text.places(line.attributes),
    )


def _bytes_of(operand: str, shapes: Mapping[str, str]) -> int:
    written, _, name = operand.rpartition(" ")
    return shape_bytes(written or shapes.get(name.lstrip("%"), ""))


# ------------------------------------------------------------------------------------------ groups

_LISTED = re.compile(r"(?:replica_groups|source_target_pairs)=\{(\{[0-9,{}]*\})?\}")
_IOTA = re.compile(
    r"replica_groups=\[(?P<to>[0-9,]+)\]<=\[(?P<of>[0-9,]+)\](?:T\((?P<t>[0-9,]+)\))?"
)
_MESH = re.compile(
    r"replica_groups=@?\w*mesh\w*\[(?P<axes>[^\]]*)\](?P<ids>[^{]*)\{(?P<over>[^}]*)\}"
)
_IDS = re.compile(r"device_ids=\(\[(?P<of>[0-9,]+)\](?:T\((?P<t>[0-9,]+)\))?\)")
_LISTED_IDS = re.compile(r"device_ids=[(\[]([0-9,]+)[)\]]")
_NAMED_SIZE = re.compile(r"'([^']+)'=(\d+)")
_PART = re.compile(r"'([^']+)'(?::\((\d+)\)(\d+))?")


def _groups(attributes: str, devices: int) -> Groups:
    everyone = (tuple(range(devices)),)
    if found := _MESH.search(attributes):
        return _mesh_groups(found["axes"], found["over"], found["ids"])
    if found := _IOTA.search(attributes):
        return _tuples(_iota(found).reshape(_numbers(found["to"])))
    if found := _LISTED.search(attributes):
        rows = [tuple(_numbers(row)) for row in re.findall(r"\{([0-9,]+)\}", found[1] or "")]
        if "source_target_pairs" in found[0]:
            return _joined(rows)
        return tuple(rows) or everyone
    return everyone


def _numbers(text: str) -> list[int]:
    return [int(n) for n in text.split(",") if n]


def _tuples(grid: Any) -> Groups:
    return tuple(tuple(int(n) for n in row) for row in grid)


def _iota(found: re.Match[str]) -> Any:
    """The numbers from 0 on, laid out as `[2,4]` and transposed as `T(1,0)` says."""
    shape = _numbers(found["of"])
    grid = np.arange(math.prod(shape)).reshape(shape)
    return grid.transpose(_numbers(found["t"])) if found["t"] else grid


def _mesh_groups(axes: str, over: str, ids: str) -> Groups:
    """Groups over axes of a mesh, or over parts of axes as `'x':(2)4`; `ids` orders its devices."""
    sizes: dict[str, int] = {name: int(size) for name, size in _NAMED_SIZE.findall(axes)}
    split: list[tuple[str, int, bool]] = []  # the axes cut where a part begins or ends
    wanted = {name: (before, size) for name, before, size in _PART.findall(over)}
    for name, size in sizes.items():
        before, part = wanted.get(name, ("", ""))
        if name not in wanted:
            split.append((name, size, False))
        elif not part:
            split.append((name, size, True))
        else:
            major, own = int(before), int(part)
            split += [(name, major, False), (name, own, True)]
            split.append((name, size // (major * own), False))
    devices = np.arange(math.prod(sizes.values()))
    if found := _IDS.search(ids):
        devices = _iota(found)
    elif found := _LISTED_IDS.search(ids):
        devices = np.array(_numbers(found[1]))
    grid = devices.reshape([size for _, size, _ in split])
    kept = [i for i, (_, _, grouped) in enumerate(split) if not grouped]
    grouped = [i for i, (_, _, inside) in enumerate(split) if inside]
    width = math.prod(split[i][1] for i in grouped)
    return _tuples(grid.transpose([*kept, *grouped]).reshape(-1, width))


def _joined(pairs: Sequence[tuple[int, ...]]) -> Groups:
    """The positions that pairs join, directly or through others."""
    group: dict[int, set[int]] = {}
    for source, target in pairs:
        together = group.get(source, {source}) | group.get(target, {target})
        for position in together:
            group[position] = together
    return tuple(sorted({tuple(sorted(together)) for together in group.values()}))


def axes_of(groups: Groups, mesh: Mapping[str, int], positions: Sequence[int]) -> list[str] | None:
    """The axes of `mesh` that the groups go over, None if they are not those of any axes.

    `positions` are the devices of the mesh, by their positions in the device assignment. A part of
    an axis is written as `axis:(before)size`: the `size` that follows after the first `before`.
    """
    wanted = {frozenset(group) for group in groups if len(group) > 1}
    if not wanted:
        return []
    factors = [(name, factor) for name, size in mesh.items() for factor in _prime_factors(size)]
    grid = np.array(positions).reshape([factor for _, factor in factors])
    place = {int(position): index for index, position in np.ndenumerate(grid)}
    group = next(iter(wanted))
    if not group <= set(place):
        return None
    varying = [i for i in range(grid.ndim) if len({place[p][i] for p in group}) > 1]
    others = [i for i in range(grid.ndim) if i not in varying]
    width = math.prod(grid.shape[i] for i in varying)
    made = {
        frozenset(int(n) for n in row)
        for row in grid.transpose([*others, *varying]).reshape(-1, width)
    }
    # A permutation may leave some devices out.
    return list(_named(factors, varying, mesh)) if wanted <= made else None


def axes_joined(groups: Groups, mesh: Mapping[str, int], positions: Sequence[int]) -> list[str]:
    """The axes of `mesh` along which any group's devices differ, as those of a permutation do.

    `positions` are as for `axes_of`; devices that are not of the mesh count for nothing.
    """
    grid = np.array(positions).reshape(tuple(mesh.values()))
    place = {int(position): index for index, position in np.ndenumerate(grid)}
    places = [[place[position] for position in group if position in place] for group in groups]
    return [
        axis
        for number, axis in enumerate(mesh)
        if any(len({index[number] for index in group}) > 1 for group in places)
    ]


def _prime_factors(size: int) -> list[int]:
    factors, divisor = [], 2
    while size > 1:
        while size % divisor == 0:
            factors.append(divisor)
            size //= divisor
        divisor += 1
    return factors or [1]


def _named(
    factors: list[tuple[str, int]], varying: list[int], mesh: Mapping[str, int]
) -> Iterator[str]:
    """The axes, or parts of axes, that the factors at the places `varying` make up."""
    for name, size in mesh.items():
        own = [i for i, (axis, _) in enumerate(factors) if axis == name]
        runs: list[list[int]] = []
        for i in own:
            if i in varying:
                if runs and runs[-1][-1] == i - 1:
                    runs[-1].append(i)
                else:
                    runs.append([i])
        for run in runs:
            part = math.prod(factors[i][1] for i in run)
            before = math.prod(factors[i][1] for i in own if i < run[0])
            yield name if part == size else f"{name}:({before}){part}"
