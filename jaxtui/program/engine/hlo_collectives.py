"""The collectives in the text of a compiled program: kind, groups, bytes, line, how often.

XLA writes groups in three ways, `{{0,1},{2,3}}`, `[2,4]<=[4,2]T(1,0)`, `mesh['x'=4,'y'=2] {'y'}`,
and may start a collective in one place and await it in another.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

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

_INSTRUCTION = re.compile(r"\s*(?:ROOT )?%?(?P<name>[\w.-]+) = (?P<rest>.*)")
_OPCODE = re.compile(r"[\])}] (?P<op>[a-z][a-z0-9-]*)\((?P<operands>[^)]*)\)(?P<attributes>.*)")
_COMMENT = re.compile(r"/\*.*?\*/")  # such as /*index=5*/ in a long list
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?(?P<name>[\w.-]+) \(.*->.*\{$")
_SHAPE = re.compile(r"(?P<dtype>[a-z][a-z0-9]*)\[(?P<shape>[0-9,<=?]*)\]")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_CALLED = re.compile(
    r"(?:to_apply|calls|body|condition|true_computation|false_computation)=%?([\w.-]+)"
)
_BRANCHES = re.compile(r"branch_computations=\{([^}]*)\}")


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
    text = _Text(hlo)
    return [one for line in text.lines if (one := _collective(line, text, devices)) is not None]


@dataclass(frozen=True)
class HloInstruction:
    """An instruction of a compiled program: its shape as XLA writes it, and the `places` of code
    that it came from, innermost first."""

    shape: str
    op: str
    places: tuple[tuple[str, int], ...]


def instructions(hlo: str) -> dict[str, HloInstruction]:
    """The instructions in the text of a compiled program, by their names.

    One that says nothing of where it came from has the places of what it calls, or else of the
    nearest that use its result, for which XLA made it.
    """
    text = _Text(hlo)
    called: dict[str, list[_Line]] = {}
    users: dict[str, list[_Line]] = {}
    for line in text.lines:
        called.setdefault(line.computation, []).append(line)
        for operand in split_top(line.operands):
            users.setdefault(operand.rpartition(" ")[2].lstrip("%"), []).append(line)

    def told(line: _Line) -> tuple[tuple[str, int], ...]:
        inside = [one for name in _computations(line) for one in reversed(called.get(name, []))]
        return next(filter(None, (text.places(one.attributes) for one in (line, *inside))), ())

    def places(line: _Line) -> tuple[tuple[str, int], ...]:
        near, seen = [line], {line.name}
        while near:
            if found := next(filter(None, map(told, near)), None):
                return found
            following = {user.name: user for one in near for user in users.get(one.name, [])}
            near = [user for name, user in following.items() if name not in seen]
            seen.update(following)
        return ()

    return {line.name: HloInstruction(line.shape, line.op, places(line)) for line in text.lines}


@dataclass(frozen=True)
class _Line:
    computation: str
    name: str
    shape: str
    op: str
    operands: str
    attributes: str


class _Text:
    """The instructions of an HLO text, and where each computation is called."""

    def __init__(self, hlo: str) -> None:
        self.lines = list(_instructions(hlo.splitlines()))
        self.shapes = {line.name: line.shape for line in self.lines}
        self._callers: dict[str, list[_Line]] = {}
        for line in self.lines:
            for called in _computations(line):
                self._callers.setdefault(called, []).append(line)
        self._frames = Frames(hlo)

    def times(self, computation: str) -> int | None:
        """How often a computation runs; one that is called from several places, as at most one."""
        times: int | None = 1
        while computation in self._callers:
            caller = self._callers[computation][0]
            if caller.op == "while":
                trips = _TRIPS.search(caller.attributes)
                times = times * int(trips[1]) if trips and times is not None else None
            computation = caller.computation
        return times

    def places(self, attributes: str) -> tuple[tuple[str, int], ...]:
        return self._frames.places(attributes)


def _instructions(lines: Iterable[str]) -> Iterator[_Line]:
    computation = ""
    for line in lines:
        if opened := _COMPUTATION.match(line):
            computation = opened["name"]
            continue
        found = _INSTRUCTION.match(_COMMENT.sub("", line))
        if found is None:
            continue
        rest = found["rest"]
        call = _OPCODE.search(rest)
        if call is None:
            continue
        shape = rest[: call.start() + 1]
        yield _Line(
            computation, found["name"], shape, call["op"], call["operands"], call["attributes"]
        )


def _computations(line: _Line) -> list[str]:
    called = _CALLED.findall(line.attributes)
    for group in _BRANCHES.findall(line.attributes):
        called += [name.strip().lstrip("%") for name in group.split(",")]
    return called


def _collective(line: _Line, text: _Text, devices: int) -> HloCollective | None:
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


def split_top(operands: str) -> list[str]:
    """The operands of an instruction, whose types may be written before their names."""
    depth, start, found = 0, 0, []
    for position, letter in enumerate(operands):
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0:
            found.append(operands[start:position])
            start = position + 1
    return [part.strip() for part in [*found, operands[start:]] if part.strip()]


def _bytes_of(operand: str, shapes: Mapping[str, str]) -> int:
    written, _, name = operand.rpartition(" ")
    return shape_bytes(written or shapes.get(name.lstrip("%"), ""))


def shape_bytes(text: str) -> int:
    """The bytes of a shape such as `f32[2,16]{1,0}`, or of all in a tuple."""
    total = 0
    for found in _SHAPE.finditer(text):
        counts = [int(n.lstrip("<=?") or 0) for n in found["shape"].split(",") if n]
        total += math.prod(counts) * _bits(found["dtype"]) // 8
    return total


def _bits(dtype: str) -> int:
    if dtype in ("pred", "token", "opaque"):
        return {"pred": 8}.get(dtype, 0)
    digits = re.search(r"\d+", dtype)
    return int(digits[0]) if digits else 0


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


# -------------------------------------------------------------------------------------- locations

_SOURCE = re.compile(r'source_file="([^"]*)" source_line=(\d+)')
_FRAME = re.compile(r"stack_frame_id=(\d+)")
_TABLE = re.compile(r"^(\w+)\n((?:\d.*\n)+)", re.MULTILINE)
_FIELD = re.compile(r"(\w+)=(\d+)")


class Frames:
    """The frames of the user's code from which operations came, the innermost first."""

    def __init__(self, hlo: str) -> None:
        tables = {name: dict(_rows(rows)) for name, rows in _TABLE.findall(hlo)}
        self._files = tables.get("FileNames", {})
        self._locations = {k: _fields(v) for k, v in tables.get("FileLocations", {}).items()}
        self._frames = {k: _fields(v) for k, v in tables.get("StackFrames", {}).items()}
        self._read: dict[int, tuple[tuple[str, int], ...]] = {}
        # XLA writes a parent's number one too high: an outermost frame would be its own parent.
        high = any(entry.get("parent_frame_id") == k for k, entry in self._frames.items())
        self._shift = 1 if high else 0

    def places(self, attributes: str) -> tuple[tuple[str, int], ...]:
        if found := _SOURCE.search(attributes):
            return ((found[1], int(found[2])),)
        found = _FRAME.search(attributes)
        if found is None:
            return ()
        frame = int(found[1])
        if frame not in self._read:
            self._read[frame] = tuple(self._walk(frame))
        return self._read[frame]

    def _walk(self, frame: int) -> Iterator[tuple[str, int]]:
        while frame in self._frames:
            entry = self._frames[frame]
            location = self._locations.get(entry.get("file_location_id", 0))
            if location is None:
                return
            file = self._files.get(location.get("file_name_id", 0), "").strip('"')
            yield file, location.get("line", 0)
            parent = entry.get("parent_frame_id", 0) - self._shift
            if parent >= frame:
                return
            frame = parent


def _rows(text: str) -> Iterator[tuple[int, str]]:
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        yield int(number), rest


def _fields(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in _FIELD.findall(text)}
