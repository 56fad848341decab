"""The text of a compiled program as XLA writes it: its instructions, their shapes and places."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

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
    text = Text(hlo)
    called: dict[str, list[Line]] = {}
    users: dict[str, list[Line]] = {}
    for line in text.lines:
        called.setdefault(line.computation, []).append(line)
        for operand in split_top(line.operands):
            users.setdefault(operand.rpartition(" ")[2].lstrip("%"), []).append(line)

    def told(line: Line) -> tuple[tuple[str, int], ...]:
        inside = [one for name in computations(line) for one in reversed(called.get(name, []))]
        return next(filter(None, (text.places(one.attributes) for one in (line, *inside))), ())

    def places(line: Line) -> tuple[tuple[str, int], ...]:
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
class Line:
    """An instruction as it is written, and the name of the computation that it is in."""

    computation: str
    name: str
    shape: str
    op: str
    operands: str
    attributes: str


class Text:
    """The instructions of an HLO text, and where each computation is called."""

    def __init__(self, hlo: str) -> None:
        self.lines = list(instruction_lines(hlo.splitlines()))
        self.shapes = {line.name: line.shape for line in self.lines}
        self._callers: dict[str, list[Line]] = {}
        for line in self.lines:
            for called in computations(line):
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
        """The (file, line) of the code that an instruction came from, innermost first."""
        return self._frames.places(attributes)


def instruction_lines(lines: Iterable[str]) -> Iterator[Line]:
    """The instructions among the lines of a text."""
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
        yield Line(
            computation, found["name"], shape, call["op"], call["operands"], call["attributes"]
        )


def computations(line: Line) -> list[str]:
    """The names of the computations that an instruction calls."""
    called = _CALLED.findall(line.attributes)
    for group in _BRANCHES.findall(line.attributes):
        called += [name.strip().lstrip("%") for name in group.split(",")]
    return called


def split_top(operands: str) -> list[str]:
    """The operands of an instruction, whose types may be written before their names."""
    depth, start, found = 0, 0, []
    for position, letter in enumerate(operands):
        depth += (letter in "[{(") - (letter in "]})")
        if letter == "," and depth == 0:
            found.append(operands[start:position])
            start = position + 1
    return [part.strip() for part in [*found, operands[start:]] if part.strip()]


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
