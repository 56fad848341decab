"""A listing as rows: which of its lines are folded, and what an operation is linked to."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePath
from typing import NamedTuple

from jaxtui.program.screen.listing.folds import Part, folded_at_first, parts, regions
from jaxtui.program.screen.listing.lexer import Language, in_strings, words
from jaxtui.screen.cells import Line, Segment
from jaxtui.text.quantities import counted
from jaxtui.text.signs import ELLIPSIS
from jaxtui.wire.listing import Links, Operation, SourceLine

TAB = 4  # cells


class Target(NamedTuple):
    """An operation to look for in another listing: its line of the user's code and its name.

    It is the `turn`th of its name on that line; with "", any operation of the line.
    """

    place: SourceLine
    name: str = ""
    turn: int = 0
    spoken: bool = False


class Listing:
    """The text, what is folded of it, and its operations."""

    def __init__(self, text: str, language: Language, links: Links | None = None) -> None:
        self.text, self.language = text, language
        self.lines = text.split("\n")
        links = links if links is not None else Links()
        self._places = links.places
        self.operations = {one.line: one for one in links.operations}
        self._ordered = sorted(self.operations)
        folds = language != "python"
        self.regions = regions(self.lines) if folds else {}
        self.folded = (
            folded_at_first(self.lines, self.regions, links.operations) if folds else set()
        )
        self._written_out: set[int] = set()  # lines whose long parts are shown
        self._known_parts: dict[int, list[Part]] = {}
        self._strings = in_strings(text) if language == "python" else frozenset[int]()
        self.rows: list[int] = []
        self._lay_out()

    def _lay_out(self) -> None:
        rows, number = [], 0
        while number < len(self.lines):
            rows.append(number)
            number = self.regions[number] + 1 if number in self.folded else number + 1
        self.rows = rows

    def row_of(self, line: int) -> int:
        """The row on which a line stands, or into which it is folded."""
        return max(0, bisect_right(self.rows, line) - 1)

    # ------------------------------------------------------------------------------------ folding

    def toggle(self, line: int) -> bool:
        """Show all of a row, or fold it again; return whether there is anything to fold."""
        long = bool(self._parts(line))
        hidden = line in self.folded or (long and line not in self._written_out)
        if not long and line not in self.regions:
            return False
        if hidden:
            self.folded.discard(line)
            self._written_out.add(line)
        else:
            self._written_out.discard(line)
            if line in self.regions:
                self.folded.add(line)
        self._lay_out()
        return True

    def fold_all(self) -> None:
        """Fold the parameters of every operation, whatever there is in them."""
        self.folded = {start for start in self.regions if start in self.operations} | self.folded
        self._written_out.clear()
        self._lay_out()

    def unfold_all(self) -> None:
        self.folded.clear()
        self._written_out = set(range(len(self.lines)))
        self._lay_out()

    def reveal(self, line: int, column: int = 0) -> None:
        """Unfold what hides a character of a line."""
        around = {start for start in self.folded if start < line <= self.regions[start]}
        if around:
            self.folded -= around
            self._lay_out()
        if any(part.start <= column < part.end for part in self._parts(line)):
            self._written_out.add(line)

    def _parts(self, line: int) -> list[Part]:
        found = self._known_parts.get(line)
        if found is None:
            found = self._known_parts[line] = parts(self.lines[line], self.language)
        return found

    # ----------------------------------------------------------------------------------- painting

    def segments(self, line: int, most: int) -> Line:
        """What a row shows of a line and of those folded into it.

        Of what is longer than `most` characters without a fold, at least those are shown.
        """
        text = self.lines[line]
        if line in self._strings:
            return (Segment(text[:most].expandtabs(TAB), "string"),)
        operation = self.operations.get(line)
        spoken = operation is not None and bool(operation.collective)
        shown: list[Segment] = []
        at = 0
        for part in self._parts(line) if line not in self._written_out else []:
            shown += self._words(text[at : min(part.start, at + most)], spoken)
            shown.append(Segment(part.mark, "fold"))
            at = part.end
        shown += self._words(text[at : at + most], spoken)
        if line in self.folded:
            shown += self._folded_in(line, spoken)
        return tuple(shown)

    def _words(self, text: str, spoken: bool) -> Iterator[Segment]:
        return words(text.expandtabs(TAB), self.language, spoken=spoken)

    def _folded_in(self, line: int, spoken: bool) -> Iterator[Segment]:
        end = self.regions[line]
        last = self.lines[end].strip()
        closes = last.startswith(("]", ")", "}", "in ("))
        number = end - line - closes
        yield Segment(f" {ELLIPSIS} {counted(number, 'line')} " if number else " ", "fold")
        if closes:
            yield from self._words(last, spoken)

    def column_of(self, line: int, column: int) -> int:
        """The column at which a row shows a character of a line."""
        shown = column
        if line not in self._written_out:
            for part in self._parts(line):
                if part.end <= column:
                    shown -= part.end - part.start - len(part.mark)
        return shown + (TAB - 1) * self.lines[line].count("\t", 0, column)

    # -------------------------------------------------------------------------------------- links

    def operation_at(self, line: int) -> Operation | None:
        """The operation that a line is of: its own, else the one whose parameters it is among."""
        if line in self.operations:
            return self.operations[line]
        owner = self._owners.get(line)
        return None if owner is None else self.operations[owner]

    @cached_property
    def _owners(self) -> dict[int, int]:
        """The innermost operation among whose parameters each line is."""
        found: dict[int, int] = {}
        for start in self._ordered:
            end = self.regions.get(start, start)
            found.update(dict.fromkeys(range(start + 1, end + 1), start))
        return found

    def place_of(self, operation: Operation | None) -> SourceLine | None:
        if operation is None or operation.place is None:
            return None
        return self._places[operation.place]

    def target(self, line: int) -> Target | None:
        """What to look for in another listing, None if the line is of no known place."""
        operation = self.operation_at(line)
        place = self.place_of(operation)
        if operation is None or place is None:
            return None
        alike = [
            one.line
            for one in self._all()
            if one.place == operation.place and one.name == operation.name
        ]
        turn = alike.index(operation.line)
        return Target(place, operation.name, turn, bool(operation.collective))

    def find(self, target: Target) -> int | None:
        """The line of the operation that fits best, None if the place made nothing here."""
        wanted = (target.place.file, target.place.line)
        there = [one for one in self._all() if self._key(one) == wanted]
        if not there:
            return None
        spoken = [one for one in there if one.collective]
        named = [one for one in there if one.name == target.name]
        if target.spoken or not target.name:
            named = [one for one in spoken if one.name == target.name] or spoken or named
        best = named or there
        return best[min(target.turn, len(best) - 1)].line

    def _key(self, operation: Operation) -> tuple[str, int] | None:
        place = self.place_of(operation)
        return None if place is None else (place.file, place.line)

    def _all(self) -> Iterator[Operation]:
        return (self.operations[line] for line in self._ordered)

    # -------------------------------------------------------------------------------- collectives

    @property
    def collectives(self) -> list[Operation]:
        return [one for one in self._all() if one.collective]

    def next_collective(self, line: int, step: int) -> int | None:
        """The line of the next collective after `line`, or before it, and round at the ends."""
        found = [one.line for one in self.collectives]
        if not found:
            return None
        at = bisect_right(found, line) if step > 0 else bisect_left(found, line) - 1
        return found[at % len(found)]

    def summary(self) -> str:
        """What the collectives are, by name: `2 collectives: pmax ×2 (f32[2,5] lines 6, 10)`."""
        found = self.collectives
        if not found:
            return ""
        by_name: dict[str, dict[str, list[SourceLine | None]]] = {}
        for one in found:
            shapes = by_name.setdefault(one.collective, {})
            shapes.setdefault(one.shape, []).append(self.place_of(one))
        return f"{counted(len(found), 'collective')}: " + ", ".join(_told(by_name))


def _told(by_name: Mapping[str, Mapping[str, Sequence[SourceLine | None]]]) -> Iterator[str]:
    for name, shapes in by_name.items():
        number = sum(map(len, shapes.values()))
        times = f"{name} ×{number}" if number > 1 else name
        told = [f"{shape} {_places(places)}".strip() for shape, places in shapes.items()]
        yield f"{times} ({'; '.join(told)})"


def _places(places: Sequence[SourceLine | None]) -> str:
    """Lines of the user's code: `line 6`, `lines 6, 10`, or `mlp.py:12, mlp.py:14`."""
    known = sorted({place for place in places if place is not None}, key=lambda p: (p.file, p.line))
    lines = [str(place.line) for place in known if not place.file]
    source = [f"line{'s' if len(lines) > 1 else ''} {', '.join(lines)}"] if lines else []
    return ", ".join([*source, *(where_of(place) for place in known if place.file)])


def where_of(place: SourceLine) -> str:
    """A line of the user's code: `line 6`, or `mlp.py:12` in a file."""
    if not place.file:
        return f"line {place.line}"
    return f"{PurePath(place.file).name}:{place.line}"
