"""What of a listing can be folded: lines that belong to one above, and long parts of a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxtui.program.screen.listing.lexer import Language
from jaxtui.text.signs import ELLIPSIS
from jaxtui.wire.listing import Operation

MOST_DIRECT = 24  # characters of an attribute that are not folded

_CLOSES = ("]", ")", "}")
_TABLE = re.compile(r"\d+ [\"{]")  # an entry of XLA's tables of files, functions and frames
_TABLES = frozenset({"FileNames", "FunctionNames", "FileLocations", "StackFrames"})


class Part(NamedTuple):
    """The characters of a line from `start` to `end`, for which `mark` stands when folded."""

    start: int
    end: int
    mark: str


# ------------------------------------------------------------------------------------------- lines


def regions(lines: Sequence[str]) -> dict[int, int]:
    """The last line of what can be folded into a line, by the number of that line.

    Lines that stand deeper belong to the one above them, and so does the bracket that closes it,
    unless what follows on its line is opened there.
    """
    found: dict[int, int] = {}
    open_lines: list[tuple[int, int]] = []  # depth and number
    before = -1  # the line before, blank ones aside
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        depth = _depth(line)
        while open_lines and open_lines[-1][0] >= depth:
            opened, start = open_lines.pop()
            closes = depth == opened and line.lstrip().startswith(_CLOSES)
            last = number if closes and not _opens(line) else before
            if last > start:
                found[start] = last
        open_lines.append((depth, number))
        before = number
    found.update((start, before) for _, start in open_lines if before > start)
    return found


def _depth(line: str) -> int:
    depth = 2 * (len(line) - len(line.lstrip()))
    if line.lstrip().startswith("^bb") or (depth == 0 and _TABLE.match(line)):
        return depth + 1  # MLIR writes the arguments of a block no deeper than what has the block
    return depth


def _opens(line: str) -> bool:
    return line.endswith(("{", "[", "("))


def folded_at_first(
    lines: Sequence[str], found: Mapping[int, int], operations: Sequence[Operation]
) -> set[int]:
    """The lines into which those that belong to them are folded at first.

    Such are the parameters of an operation, unless there are operations in them that come from
    other lines of the user's; and XLA's tables.
    """
    own = {operation.line: operation for operation in operations}
    ordered = sorted(own)
    result = {start for start in found if lines[start] in _TABLES}
    for start, end in found.items():
        head = own.get(start)
        # Of the bodies of an operation that has several, none is folded alone.
        if head is None or not lines[end].lstrip().startswith(_CLOSES):
            continue
        inside = [own[line] for line in _between(ordered, start + 1, end)]
        if all(not one.collective and one.place == head.place is not None for one in inside):
            result.add(start)
    return result


def _between(ordered: Sequence[int], first: int, last: int) -> Iterator[int]:
    from bisect import bisect_left, bisect_right

    yield from ordered[bisect_left(ordered, first) : bisect_right(ordered, last)]


# ------------------------------------------------------------------------------------------- parts

_ATTRIBUTES: dict[Language, re.Pattern[str]] = {
    "hlo": re.compile(
        r"(?P<all>, metadata=)|, (?:backend_config|sharding|frontend_attributes|\w*layout\w*)=|"
        r", allow_\w+=|constant\("
    ),
    "stablehlo": re.compile(
        r"(?P<all>channel_handle = #stablehlo\.channel_handle)|\b(?:mhlo|sdy)\.sharding\w* = |"
        r"\bdense<|\battributes |\bbackend_config = "
    ),
    "jaxpr": re.compile(
        r"\b(?:mesh|\w*shardings?|\w*jaxpr_fun|\w*thunk|bwd|ctx_mesh|\w*layouts|linear|donated\w*|"
        r"debug|callback|transforms|compiler_options\w*)="
    ),
}
_BRACKETS = {"{": "}", "[": "]", "(": ")", "<": ">"}


def parts(line: str, language: Language) -> list[Part]:
    """The long attributes of a line, the first one first."""
    pattern = _ATTRIBUTES.get(language)
    if pattern is None:
        return []
    result: list[Part] = []
    at = 0
    while (found := pattern.search(line, at)) is not None:
        start = found.end()
        if found[0][-1] in _BRACKETS:
            start -= 1
        end = _end(line, start)
        at = max(end, found.end())
        if found["all"] if "all" in pattern.groupindex else False:
            result.append(Part(found.start(), end, f" {ELLIPSIS}"))
        elif end - start > MOST_DIRECT:
            opened = line[start] if line[start] in _BRACKETS else ""
            result.append(Part(start, end, f"{opened}{ELLIPSIS}{_BRACKETS.get(opened, '')}"))
    return result


_SCANNED = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]()<>, ]|->')


def _end(line: str, start: int) -> int:
    """Where the value that begins at `start` ends: with its bracket, its string or its word."""
    waiting: list[str] = []
    for found in _SCANNED.finditer(line, start):
        sign = found[0]
        if sign in _BRACKETS:
            waiting.append(_BRACKETS[sign])
        elif waiting and sign == waiting[-1]:
            waiting.pop()
            if not waiting and line[found.end() : found.end() + 1] not in ("(", "["):
                return found.end()
        elif not waiting:
            return found.end() if sign.startswith('"') else found.start()
    return len(line)
