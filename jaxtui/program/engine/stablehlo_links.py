"""The operations of a printed StableHLO module, each with the line of the user's code it is of.

The module is printed a second time with MLIR's locations, `loc(...)`, in which JAX says where it
lowered what from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import jax

from jaxtui.program.engine import places
from jaxtui.program.engine.places_table import Places
from jaxtui.wire.listing import Operation

COLLECTIVES = frozenset(
    {
        *("all_reduce", "all_gather", "all_to_all", "reduce_scatter"),
        *("collective_permute", "collective_broadcast"),
    }
)
_OPERATION = re.compile(
    r"\s*(?:%[\w:, %#]+ = )?(?:\"?(?P<dialect>[a-z_]+)\.(?P<op>\w+)\"?|(?P<short>call|return))\b"
)
_HEAD = re.compile(r"\s*(?:func\.func|module|sdy\.\w+)\b")
_RETURN = re.compile(r"\s*(?:\w+\.)?return\b")
_FUNCTION = re.compile(r"\s*func\.func (?:public |private )?@(?P<name>[^\s(]+)\(")
_CALL = re.compile(r"\bcall @(?P<name>[^\s(]+)\(")
_JIT = re.compile(r"p?jit(\(|$)")
_AT_END = re.compile(r" loc\((?P<location>.*)\)$")
_ALIAS = re.compile(r"^(?P<name>#loc\d*) = loc\((?P<location>.*)\)$")
_FILE = re.compile(r'^"(?P<file>(?:[^"\\]|\\.)*)":(?P<line>\d+):\d+')
_NAMED = re.compile(r'^"(?P<name>(?:[^"\\]|\\.)*)"(?:\((?P<inner>.*)\))?$')
_CALLSITE = re.compile(r"^callsite\((?P<callee>.*) at (?P<caller>.*)\)$")
_FUSED = re.compile(r"^fused(?:<.*>)?\[(?P<parts>.*)\]$")
_RESULT = re.compile(r"(?:-> |: )(?P<types>\(?tensor<[^()]*)\)?(?: loc\(.*\))?$")
_TENSOR = re.compile(r"tensor<((?:\d+x|\?x)*)([^<>,]*)(?:,[^<>]*)?>")


FileLine = tuple[str, int]


class Location(NamedTuple):
    """What a location says: the name of the operation, (file, line) of its frames, innermost
    first, and the name of the innermost frame's function."""

    name: str = ""
    frames: tuple[FileLine, ...] = ()
    function: str = ""


class _Locations:
    """The locations of a module, which refer to each other by `#loc12`."""

    def __init__(self, lines: Sequence[str]) -> None:
        aliases = filter(None, map(_ALIAS.match, lines))
        self._written = {alias["name"]: alias["location"] for alias in aliases}
        self._read: dict[str, Location] = {}

    def read(self, text: str) -> Location:
        """What a location means, such as `"psum"(#loc30)`."""
        found = self._read.get(text)
        if found is None:
            self._read[text] = Location()  # ends a circle, which MLIR does not write
            found = self._read[text] = self._parsed(text)
        return found

    def _parsed(self, text: str) -> Location:
        if text in self._written:
            return self.read(self._written[text])
        if file := _FILE.match(text):
            return Location("", ((file["file"], int(file["line"])),))
        if named := _NAMED.match(text):
            inner = self.read(named["inner"]) if named["inner"] else Location()
            # Around a frame stands the name of its function, around that the operation's.
            function = inner.function or (named["name"].rpartition(".")[2] if inner.frames else "")
            return Location(named["name"], inner.frames, function)
        if call := _CALLSITE.match(text):
            callee, caller = self.read(call["callee"]), self.read(call["caller"])
            return Location(callee.name, callee.frames + caller.frames, callee.function)
        if fused := _FUSED.match(text):
            parts = [self.read(part.strip()) for part in fused["parts"].split(",")]
            return next((part for part in parts if part.frames), Location())
        return Location()


def operations(text: str, located: str, table: Places) -> Iterator[Operation]:
    """The operations of a module, printed as `text`, and as `located` with its locations.

    What is in a function of a library's has no line of its own.
    """
    lines = [line for line in located.split("\n") if not line.startswith("#loc")]
    if len(lines) != text.count("\n") + 1:
        return
    locations = _Locations(located.split("\n"))
    found = dict(_located(lines, locations))
    unknown = _foreign(lines, found)
    for number, (location, end) in sorted(found.items()):
        operation = _OPERATION.match(lines[number])
        if operation is None or _HEAD.match(lines[number]) or _RETURN.match(lines[number]):
            continue
        place = places.chosen(location.frames) if number not in unknown else None
        spoken = operation["op"] if operation["op"] in COLLECTIVES else ""
        yield Operation(
            number,
            name_of(location.name) or operation["op"] or operation["short"],
            None if place is None else table.index(*place),
            spoken,
            _shape(lines[end]) if spoken else "",
        )


def _located(
    lines: Sequence[str], locations: _Locations
) -> Iterator[tuple[int, tuple[Location, int]]]:
    """The line on which each operation begins, its location, and the line on which it ends."""
    begun: list[int] = []
    for number, line in enumerate(lines):
        found = _AT_END.search(line)
        if found is not None:
            location = locations.read(_last(found["location"]))
            if line.lstrip().startswith("}"):
                if begun:
                    yield begun.pop(), (location, number)
            else:
                yield number, (location, number)
        elif _OPERATION.match(line) or _HEAD.match(line):
            begun.append(number)


def _last(text: str) -> str:
    """The last of the locations in a line's end, which is the operation's own."""
    return text.rpartition(" loc(")[2]


def _foreign(lines: Sequence[str], found: Mapping[int, tuple[Location, int]]) -> dict[int, str]:
    """The lines in functions of a library's that are called, with the function's name.

    Before 0.10 JAX keeps with what is in them the line of an earlier call, of this program or of
    another, for which they were traced.
    """
    if jax.__version_info__ >= (0, 10):
        return {}
    jitted = {
        call["name"]
        for number, (location, _) in found.items()
        if (call := _CALL.search(lines[number])) and _JIT.match(name_of(location.name))
    }
    result: dict[int, str] = {}
    for number, (_, end) in found.items():
        function = _FUNCTION.match(lines[number])
        if function is not None and function["name"] in jitted:
            plain = re.sub(r"_\d+$", "", function["name"])
            inside = [n for n in range(number + 1, end) if n in found]
            if all(found[n][0].function != plain for n in inside):
                result.update(dict.fromkeys(inside, plain))
    return result


def foreign(located: str) -> frozenset[str]:
    """The functions of a library's in a module, printed with its locations, whose lines are those
    of any call."""
    lines = [line for line in located.split("\n") if not line.startswith("#loc")]
    found = dict(_located(lines, _Locations(located.split("\n"))))
    return frozenset(_foreign(lines, found).values())


def name_of(path: str) -> str:
    """JAX's name of an operation, of the path of calls to it: `psum` of `jit(f)/while/psum:`."""
    return path.rstrip(":").rpartition("/")[2]


def _shape(line: str) -> str:
    """What the operation that ends on `line` returns."""
    found = _RESULT.search(line.rpartition(" -> ")[2] if " -> " in line else line)
    types = found["types"] if found is not None else line.rpartition(" -> ")[2]
    return ", ".join(_array(sizes, dtype) for sizes, dtype in _TENSOR.findall(types))


def _array(sizes: str, dtype: str) -> str:
    return f"{dtype}[{','.join(sizes.split('x')[:-1])}]"
