"""The rows of a sharding flow laid out in columns: name, type, block, bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from functools import cached_property
from typing import NamedTuple

from jaxtui.sharding import blocks, words
from jaxtui.sharding.flow import ArgumentGroup, Flow, Key, Kind, Line, Row, ScopeGroup
from jaxtui.sharding.words import AnyArray, Part, Parts
from jaxtui.text import quantities
from jaxtui.text.signs import DOT, ELLIPSIS, FOLDED, RULE, UNFOLDED
from jaxtui.wire.sharding import ShardedArray, ShardedValue

NAMES = (6, 24)  # least and most cells of the names
BYTES = 9  # cells: "1,023 KiB"
LEAST_TYPE = 16  # cells
INDENT = 2
GAP = 2
SENDS = "⇄"
MARK = "≠"
HELD = "="
_KINDS: dict[str, Kind] = {"argument": "input", "results": "output"}  # of the arrays in a group


class Shown(NamedTuple):
    """What is shown of a plan beside it.

    `marked` are the rows that differ from what they are compared with, `was` says what they were.
    `held` are the arguments that a search keeps. With `device`, rows show the block that this
    device holds.
    """

    marked: frozenset[Key] = frozenset()
    was: Mapping[Key, str] = {}
    held: frozenset[str] = frozenset()
    device: int | None = None


PLAIN = Shown()


class Columns:
    """Lays out the rows of a flow in `width` cells.

    What does not fit goes in this order: the bytes, the block, the end of the type.
    """

    def __init__(self, flow: Flow, width: int, shown: Shown = PLAIN) -> None:
        self.flow, self.plan, self.width, self.shown = flow, flow.plan, width, shown
        self._mesh_lines: dict[str, Parts] = {}  # by platform
        self._painted: dict[Kind, Callable[[Row], Parts]] = {
            "argument": self._argument,
            "input": self._input,
            "line": self._line,
            "scope": self._scope,
            "value": self._value,
            "collective": self._collective,
            "output": self._output,
            "results": self._argument,
        }

    # ------------------------------------------------------------------------------- the widths

    @cached_property
    def _widths(self) -> tuple[int, int, int]:
        """Cells of the names, the types and the blocks, as many as they would take."""
        plan = self.plan
        arrays: list[AnyArray] = [*plan.inputs, *plan.values, *plan.outputs]
        name = max((len(self.name_of(array)) for array in arrays), default=0)
        if any(scope >= 0 for scope in plan.scopes):
            name += 2 * INDENT
        typed = max((len(words.text_of(words.typed(a, plan.mesh))) for a in arrays), default=0)
        block = max((len(self._block(array)) for array in arrays), default=0)
        return max(NAMES[0], min(name, NAMES[1])), typed, block

    @cached_property
    def type_at(self) -> int:
        """The first cell of the types."""
        return INDENT + self._widths[0] + GAP

    @cached_property
    def type_width(self) -> int:
        room = self.width - self.type_at - 1
        if self.shown.device is not None:  # then the blocks are what one looks for
            room = max(LEAST_TYPE, room - GAP - self._widths[2])
        return max(8, min(self._widths[1], room))

    @cached_property
    def block_at(self) -> int:
        return self.type_at + self.type_width + GAP

    @cached_property
    def shows_block(self) -> bool:
        return self.block_at + self._widths[2] < self.width

    @cached_property
    def shows_bytes(self) -> bool:
        return self.block_at + self._widths[2] + GAP + BYTES < self.width

    # ------------------------------------------------------------------------------ the painting

    def heading(self, platform: str = "") -> Parts:
        """The mesh, and what the columns on the right are."""
        left = self._mesh_lines.setdefault(platform, ())
        if not left:
            left = self._mesh_lines[platform] = words.mesh_line(self.plan, platform)
        right = "block, bytes of one device" if self.shows_bytes else "block of one device"
        if _width(left) + GAP + len(right) > self.width:
            right = ""
        return self._ended([(0, left)], (Part(right, "quiet"),))

    def row(self, row: Row) -> Parts:
        """A row as parts that take `width` cells at most."""
        return self._painted[row.kind](row)

    def name_of(self, array: AnyArray) -> str:
        """The name of an array; for one without a name, what makes it."""
        if isinstance(array, ShardedValue):
            return array.name or words.made_by(array)
        return f"{array.name}{array.path}" or "out"

    def _block(self, array: AnyArray) -> str:
        device = self.shown.device
        if device is None or not self.divides(array):
            return words.block(array.per_device)
        block = blocks.block_of(device, array.spec, self.plan.mesh)
        return blocks.words(block, array.shape, array.per_device)

    def divides(self, array: AnyArray) -> bool:
        """Whether it is told for each dimension how it is divided."""
        return len(array.spec) == len(array.shape) == len(array.per_device)

    def _argument(self, row: Row) -> Parts:
        assert isinstance(row.part, ArgumentGroup)
        group = row.part
        of = self.plan.outputs if group.kind == "results" else self.plan.inputs
        arrays = [of[index] for index in group.indices]
        x = min(INDENT * row.depth, self.type_at - NAMES[0])
        label = group.label if group.kind == "argument" or row.depth else f"out{group.label}"
        texts = (
            Part(f"{len(arrays):,} arrays  ", "quiet"),
            *words.common_spec(arrays, self.plan.mesh),
        )
        left: list[tuple[int, Parts]] = [
            (x, (Part(_sign(row), "sign"),)),
            (x + INDENT, (Part(_fit(label, self.type_at - x - INDENT - 1), "name"),)),
            (self.type_at, texts),
        ]
        if row.depth == 0 and group.name in self.shown.held:
            left += self._held(group.name)
        elif not row.opened and any(
            (_KINDS[group.kind], i) in self.shown.marked for i in group.indices
        ):
            left.append((x + 1, (Part(MARK, "mark"),)))
        return self._ended(left, self._bytes(sum(array.bytes for array in arrays)))

    def _input(self, row: Row) -> Parts:
        array = self.plan.inputs[row.at]
        if isinstance(row.part, ArgumentGroup):
            name = array.path.removeprefix(row.part.path)
            return self._array(row, array, name or "out", INDENT + INDENT * row.depth)
        return self._array(row, array, self.name_of(array), INDENT, self._held(array.name))

    def _held(self, name: str) -> list[tuple[int, Parts]]:
        return [(0, (Part(HELD, "mark"),))] if name in self.shown.held else []

    def _value(self, row: Row) -> Parts:
        value = self.plan.values[row.at]
        name, x = self.name_of(value), INDENT * row.depth
        return self._array(row, value, name, x, own=self.flow.manual(row.at))

    def _output(self, row: Row) -> Parts:
        array = self.plan.outputs[row.at]
        if isinstance(row.part, ArgumentGroup):
            name = array.path.removeprefix(row.part.path)
            return self._array(row, array, name, INDENT + INDENT * row.depth)
        return self._array(row, array, f"out{array.path}", INDENT)

    def _array(
        self,
        row: Row,
        array: ShardedArray | ShardedValue,
        name: str,
        x: int,
        more: Iterable[tuple[int, Parts]] = (),
        *,
        own: bool = False,
    ) -> Parts:
        """An array's row; `own` marks one that is a block of each device in manual code."""
        x = min(x, self.type_at - NAMES[0])
        typed = words.typed(array, self.plan.mesh)
        named = "name" if not isinstance(array, ShardedValue) or array.name else "op"
        left: list[tuple[int, Parts]] = [
            *more,
            *self._mark(row.key, 0),
            (x, (Part(_fit(name, self.type_at - x - 1), named),)),
            (self.type_at, _cut(typed, self.type_width)),
        ]
        if self.shows_block:
            lit = self.shown.device is not None and self.divides(array) and not own
            block = self._block(array) if lit else words.block(array.per_device)
            left.append((self.block_at, (Part(block, "lit" if lit else "block"),)))
        was = self.shown.was.get(row.key)
        if was is not None:
            at = self.block_at + (self._widths[2] + GAP if self.shows_block else 0)
            room = self.width - at - (BYTES + GAP if self.shows_bytes else 0)
            if room > len("was f32[]"):
                left.append((at, (Part(_fit(f"was {was}", room), "note"),)))
        return self._ended(left, self._bytes(array.bytes))

    def _line(self, row: Row) -> Parts:
        line = row.part
        assert isinstance(line, Line)
        x = min(INDENT * row.depth, self.type_at)
        if line.number is None:
            texts: Parts = (Part("no line of the source", "quiet"),)
        else:
            where = f"{line.number}" if not line.file else f"{_short(line.file)}:{line.number}"
            code = self.plan.lines.get(line.file, {}).get(line.number, "").strip()
            texts = (Part(f"{where}  ", "quiet"), Part(code, "code"))
        sign = _sign(row)
        return _cut(_placed([(x, (Part(sign, "sign"),)), (x + 2, texts)]), self.width)

    def _scope(self, row: Row) -> Parts:
        group = row.part
        assert isinstance(group, ScopeGroup)
        scope = self.plan.scope_list[group.index]
        x = min(INDENT * row.depth, self.type_at)
        turns = words.turns(scope.turns)
        label = f"{scope.label} {turns}" if turns else scope.label
        inside = "on each device" if scope.manual else ""
        count = "1 array" if group.values == 1 else f"{group.values:,} arrays"
        parts = [Part(label, "scope"), Part(f"  {count}", "quiet")]
        if inside:
            parts.append(Part(f" {DOT} {inside}", "quiet"))
        left = [(x, (Part(_sign(row), "sign"),)), (x + 2, tuple(parts))]
        if not group.collectives:
            return self._ended(left, ())
        sent = [self.plan.collectives[number] for number in group.collectives]
        total, least = words.sent_in_all(sent, self.plan.mesh)
        number = quantities.counted(len(sent), "collective")
        about = "at least " if least else ""
        text = f"{SENDS} sent {about}{quantities.size(total)} in {number}"
        return self._ended([*left, *self._mark(row.key, 0)], (Part(text, "sent"),))

    def _collective(self, row: Row) -> Parts:
        sent = self.plan.collectives[row.at]
        x = min(INDENT * row.depth, self.type_at)
        left: list[tuple[int, Parts]] = [
            *self._mark(row.key, 0),
            (x, (Part(f"{SENDS} ", "sent"), *words.collective(sent, self.plan.mesh))),
        ]
        right = words.price(sent, self.plan.mesh)
        groups = words.groups(sent, self.plan.mesh)
        at = max(self.block_at, _end(left) + GAP)
        if groups and at + len(groups) + GAP + len(right) <= self.width:
            left.append((at, (Part(groups, "quiet"),)))
        return self._ended(left, (Part(right, "sent"),))

    def _mark(self, key: Key, x: int) -> list[tuple[int, Parts]]:
        return [(x, (Part(MARK, "mark"),))] if key in self.shown.marked else []

    def _bytes(self, size: int) -> Parts:
        return (Part(quantities.size(size), "bytes"),) if self.shows_bytes else ()

    def _ended(self, left: list[tuple[int, Parts]], right: Parts) -> Parts:
        """The placed parts, with `right` at the right edge as far as there is room."""
        line = _placed(left)
        size = _width(right)
        if not size:
            return _cut(line, self.width)
        room = self.width - size - 1
        if room < 1:
            return _cut(right, self.width)
        return (*_padded(_cut(line, room - 1), room), *right)


def as_text(flow: Flow, width: int, *, opened: bool = False, platform: str = "") -> list[str]:
    """The whole flow as lines of text, `opened` with every value of every line."""
    flipped = {key for key, unfolded in flow.folds() if opened and not unfolded}
    foot = f" {DOT} ".join(words.footing(flow.plan))
    parts = words.parts_of_axes(flow.plan)
    return [*lines(flow, width, flipped, platform), RULE * width, foot, *parts]


def lines(
    flow: Flow, width: int, flipped: Set[Key] = frozenset(), platform: str = ""
) -> Iterator[str]:
    """The heading and the rows as text, with the folds of the keys in `flipped` turned."""
    columns = Columns(flow, width)
    for line in (columns.heading(platform), *map(columns.row, flow.rows(flipped))):
        yield words.text_of(line).rstrip()


def _sign(row: Row) -> str:
    if row.opened is None:
        return RULE
    return UNFOLDED if row.opened else FOLDED


def _short(file: str) -> str:
    return file.replace("\\", "/").rpartition("/")[2]


def _fit(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - 1)] + ELLIPSIS


def _width(parts: Parts) -> int:
    return sum(len(part.text) for part in parts)


def _end(left: list[tuple[int, Parts]]) -> int:
    return max((x + _width(parts) for x, parts in left), default=0)


def _placed(left: list[tuple[int, Parts]]) -> Parts:
    """The parts of (cell, parts) pairs, with spaces between them."""
    line: list[Part] = []
    at = 0
    for x, parts in sorted(left, key=lambda placed: placed[0]):
        if x > at:
            line.append(Part(" " * (x - at)))
            at = x
        line += parts
        at += _width(parts)
    return tuple(line)


def _padded(parts: Parts, width: int) -> Parts:
    missing = width - _width(parts)
    return (*parts, Part(" " * missing)) if missing > 0 else parts


def _cut(parts: Parts, width: int) -> Parts:
    """The parts in `width` cells, with an ellipsis at the end of a longer line."""
    if _width(parts) <= width:
        return parts
    found: list[Part] = []
    room = max(0, width - 1)
    for text, role in parts:
        found.append(Part(text[:room], role))
        room -= len(text[:room])
    return (*(part for part in found if part.text), Part(ELLIPSIS if width > 0 else "", "quiet"))
