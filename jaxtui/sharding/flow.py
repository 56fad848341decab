"""The sharding flow as rows: arguments, the source's lines with what they make and send, outputs.

A plan becomes a tree of lines and scopes once; which rows there are follows from what is folded.
Only the rows on view need to be laid out (`columns.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from jaxtui.sharding import scopes, words
from jaxtui.text.branches import Branch, branches
from jaxtui.wire.sharding import SentCollective, ShardedArray, ShardedValue, ShardingPlan

OPENED = 24
"""Values up to which a scope, and arrays up to which an argument, is open unless it is folded."""
NAMED = 4  # named values of a folded line that are shown

Key = tuple[str | int, ...]
"""Tells a row from all others; it stays the same in the plan of another mesh."""
Kind = Literal["argument", "input", "line", "scope", "value", "collective", "output", "results"]


class Row(NamedTuple):
    """A row of the flow.

    `at` is the index of the array, value, collective or scope in the plan; for a line, and for an
    argument or a part of one, that of its first value or array. `part` is what the row folds; for
    an array that is not alone, the arrays it is one of. `opened` is None for a row with nothing to
    open.
    """

    kind: Kind
    key: Key
    depth: int
    at: int
    opened: bool | None = None
    part: Line | ScopeGroup | ArgumentGroup | None = None


@dataclass
class ArgumentGroup:
    """An argument with several arrays, or those of them, or of the outputs, with paths that begin
    with `path`; `label` is what of that the groups around it do not say."""

    kind: Literal["argument", "results"]
    name: str
    path: str
    label: str
    indices: list[int]
    parts: list[int | ArgumentGroup] = field(default_factory=list)

    @property
    def key(self) -> Key:
        return (self.kind, self.name, self.path) if self.path else (self.kind, self.name)


@dataclass
class ScopeGroup:
    """A call or a loop with the lines in it; `index` is that in the plan's `scope_list`."""

    index: int
    key: Key
    lines: list[Line] = field(default_factory=list)
    waiting: list[ScopeGroup] = field(default_factory=list)
    values: int = 0
    collectives: list[int] = field(default_factory=list)


class Step(NamedTuple):
    """A value or a collective of the plan."""

    kind: Literal["value", "collective"]
    at: int


Item = Step | ScopeGroup


@dataclass
class Line:
    """What a line of the source makes at one level, in order; `number` is None if unknown."""

    key: Key
    file: str
    number: int | None
    items: list[Item] = field(default_factory=list)


class Flow:
    """The tree of a plan. Raises IndexError for a plan whose indices lead nowhere."""

    def __init__(self, plan: ShardingPlan) -> None:
        self.plan = plan
        self.arguments = _arguments(plan.inputs)
        self.results = _results(plan.outputs)
        self.lines = _Builder(plan).build()

    def manual(self, value: int) -> bool:
        """Whether a value is a block of one device's own, in manual code."""
        return words.is_manual(self.plan, self.plan.scopes[value])

    def rows(self, flipped: Set[Key] = frozenset()) -> list[Row]:
        """The rows there are, with the folds of the keys in `flipped` turned."""
        return [
            *self._array_rows("input", self.arguments, flipped),
            *self._line_rows(self.lines, flipped, 0),
            *self._array_rows("output", self.results, flipped),
        ]

    def folds(self) -> Iterator[tuple[Key, bool]]:
        """The keys of all that can be opened, and whether each is open unless it is flipped."""
        for top in (*self.arguments, *self.results):
            inside = [top]
            while inside:
                group = inside.pop()
                if isinstance(group, ArgumentGroup):
                    yield group.key, _opens(top)
                    inside += group.parts
        waiting = list(self.lines)
        while waiting:
            line = waiting.pop()
            yield line.key, False
            for item in line.items:
                if isinstance(item, ScopeGroup):
                    yield item.key, item.values <= OPENED
                    waiting += item.lines

    def _array_rows(
        self,
        kind: Literal["input", "output"],
        groups: list[int | ArgumentGroup],
        flipped: Set[Key],
        around: ArgumentGroup | None = None,
        depth: int = 0,
        opens: bool | None = None,
    ) -> Iterator[Row]:
        """The rows of arrays and groups of them; `opens` says whether these are opened at first."""
        for group in groups:
            if isinstance(group, int):
                yield Row(kind, (kind, group), depth, group, None, around)
                continue
            first = _opens(group) if opens is None else opens
            opened = first != (group.key in flipped)
            yield Row(group.kind, group.key, depth, group.indices[0], opened, group)
            if opened:
                yield from self._array_rows(kind, group.parts, flipped, group, depth + 1, first)

    def _line_rows(
        self, lines: list[Line], flipped: Set[Key], depth: int, around: Line | None = None
    ) -> Iterator[Row]:
        """The rows of lines; one that is the line `around` them has no heading once more."""
        for line in lines:
            shown = self._shown(line)
            again = around is not None and _same(around, line.file, line.number)
            opened = line.key in flipped if len(shown) < len(line.items) else None
            if again:
                opened, depth = True, depth - 1
            else:
                yield Row("line", line.key, depth, _first(line), opened, line)
            for item in line.items if opened else shown:
                if isinstance(item, ScopeGroup):
                    unfolded = (item.values <= OPENED) != (item.key in flipped)
                    yield Row("scope", item.key, depth + 1, item.index, unfolded, item)
                    if unfolded:
                        yield from self._line_rows(item.lines, flipped, depth + 2, line)
                else:
                    yield Row(item.kind, item, depth + 1, item.at)
            depth += again

    def _shown(self, line: Line) -> list[Item]:
        """What a folded line shows: what is sent, the scopes that matter, the named values."""
        steps = [item for item in line.items if isinstance(item, Step)]
        values = [step.at for step in steps if step.kind == "value"]
        if line.number is not None or len(steps) < len(line.items):
            # What a layer returns was made by no line, and stands below as an output.
            values = [at for at in values if self.plan.values[at].line is not None]
        named: dict[str, int] = {}
        for index in values:
            value = self.plan.values[index]
            before = named.get(value.name, index)
            # The last one of a name; a mask or a count that came with it is smaller.
            if value.name.strip("_") and value.bytes >= self.plan.values[before].bytes:
                named[value.name] = index
        kept = set(list(named.values())[-NAMED:] or values[-1:])
        return [
            item
            for item in line.items
            if (
                self._matters(item, line)
                if isinstance(item, ScopeGroup)
                else item.kind == "collective" or item.at in kept
            )
        ]

    def _matters(self, scope: ScopeGroup, line: Line) -> bool:
        """Whether there is more in a scope than a call that the line itself tells of."""
        known = self.plan.scope_list[scope.index]
        own = all((inner.file, inner.number) == (line.file, line.number) for inner in scope.lines)
        return bool(scope.collectives) or not own or known.turns != 1 or known.manual


def _first(line: Line) -> int:
    """The first value of a line, or of the scopes in it; -1 if there is none."""
    waiting = list(line.items)
    while waiting:
        item = waiting.pop(0)
        if isinstance(item, ScopeGroup):
            waiting[:0] = [inner for part in item.lines for inner in part.items]
        elif item.kind == "value":
            return item.at
    return -1


def _arguments(inputs: list[ShardedArray]) -> list[int | ArgumentGroup]:
    """The arguments: the index of one with a single array, a group for one with more."""
    named: dict[str, list[int]] = {}
    for index, array in enumerate(inputs):
        named.setdefault(array.name, []).append(index)
    found: list[int | ArgumentGroup] = []
    for name, indices in named.items():
        if len(indices) == 1:
            found.append(indices[0])
            continue
        group = ArgumentGroup("argument", name, "", name, indices)
        parts = branches([inputs[index].path for index in indices], indices)
        group.parts = _grouped(parts, group)
        found.append(group)
    return found


def _results(outputs: list[ShardedArray]) -> list[int | ArgumentGroup]:
    """The outputs; many of them are grouped by their paths."""
    indices = list(range(len(outputs)))
    if len(outputs) <= OPENED:
        return list(indices)
    root = ArgumentGroup("results", "out", "", "out", indices)
    return _grouped(branches([array.path for array in outputs], indices), root)


def _grouped(parts: list[int | Branch], around: ArgumentGroup) -> list[int | ArgumentGroup]:
    found: list[int | ArgumentGroup] = []
    for part in parts:
        if isinstance(part, int):
            found.append(part)
            continue
        label = part.path.removeprefix(around.path)
        group = ArgumentGroup(around.kind, around.name, part.path, label, part.indices)
        group.parts = _grouped(part.parts, group)
        found.append(group)
    return found


def _opens(group: int | ArgumentGroup) -> bool:
    """Whether a group, and with it those in it, is open unless it is flipped."""
    return isinstance(group, ArgumentGroup) and len(group.indices) <= OPENED


class _Builder:
    """Puts values and collectives, in order, into lines and scopes."""

    def __init__(self, plan: ShardingPlan) -> None:
        self._plan = plan
        self._root = ScopeGroup(-1, ())
        self._open = [self._root]
        self._numbers: dict[Key, int] = {}
        self._turns = scopes.turns(plan.scope_list)

    def build(self) -> list[Line]:
        plan = self._plan
        ahead: dict[int, list[int]] = {}
        for number, place in enumerate(plan.before):
            ahead.setdefault(place, []).append(number)
        last = -1
        for index, value in enumerate(plan.values):
            scope = plan.scopes[index]
            for number in ahead.get(index, ()):
                sent = plan.collectives[number]
                self._put("collective", number, self._scope_of(sent, scope, last), sent)
            self._put("value", index, scope, value)
            last = scope
        for number in ahead.get(len(plan.values), ()):
            sent = plan.collectives[number]
            self._put("collective", number, self._scope_of(sent, -1, last), sent)
        self._close(0)
        return self._root.lines

    def _scope_of(self, sent: SentCollective, next_scope: int, last: int) -> int:
        """The scope that a collective between two values stands in, by how often it runs."""
        for scope in (*self._chain(next_scope), *self._chain(last)):
            if self._turns.get(scope, 1) == sent.times:
                return scope
        return next_scope

    def _chain(self, scope: int) -> Iterator[int]:
        """A scope and those around it, from inside out; -1 is the last."""
        for _ in self._plan.scope_list:
            if scope < 0:
                break
            yield scope
            scope = self._plan.scope_list[scope].parent
        yield -1

    def _put(
        self,
        kind: Literal["value", "collective"],
        index: int,
        scope: int,
        of: ShardedValue | SentCollective,
    ) -> None:
        chain = list(self._chain(scope))[::-1]  # from -1 in
        same = 0
        for group, wanted in zip(self._open, chain, strict=False):
            if group.index != wanted:
                break
            same += 1
        self._close(same)
        for inner in chain[same:]:
            group = ScopeGroup(inner, self._key("scope", inner))
            self._open[-1].waiting.append(group)
            self._open.append(group)
        for group in self._open:
            if kind == "value":
                group.values += 1
            else:
                group.collectives.append(index)
        here = self._open[-1]
        line = self._line(here, of.file, of.line)
        line.items += here.waiting
        here.waiting = []
        line.items.append(Step(kind, index))

    def _line(self, group: ScopeGroup, file: str, number: int | None) -> Line:
        """The line that an item belongs to: the newest one, unless it is another."""
        if group.lines and (number is None or _same(group.lines[-1], file, number)):
            return group.lines[-1]
        key = self._key("line", group.index, file, -1 if number is None else number)
        line = Line(key, file, number)
        group.lines.append(line)
        return line

    def _close(self, depth: int) -> None:
        """Close the open scopes from `depth` on; at 0 the outermost is finished, too."""
        while len(self._open) > max(1, depth):
            self._finish(self._open.pop())
        if depth == 0:
            self._finish(self._root)

    def _finish(self, group: ScopeGroup) -> None:
        """Put the scopes that no value followed into a line of their own."""
        for scope in group.waiting:
            first = scope.lines[0] if scope.lines else None
            file, number = (first.file, first.number) if first is not None else ("", None)
            self._line(group, file, number).items.append(scope)
        group.waiting = []

    def _key(self, *parts: str | int) -> Key:
        count = self._numbers[parts] = self._numbers.get(parts, -1) + 1
        return (*parts, count)


def _same(line: Line, file: str, number: int | None) -> bool:
    return (line.file, line.number) == (file, number)
