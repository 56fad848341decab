"""The rows of a shape flow, folded or not: made when they come into view, measured by kind.

Among thousands of leaves most are alike but for their paths. What all rows need to be laid out is
therefore worked out once for each sort of leaf, and kept while the flow is the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, overload

from rich.cells import cell_len

from jaxtui.program.screen.flow.cells import NOT_REACHED, FlowCells
from jaxtui.program.screen.flow.leaves import Group, Leaves, branches_of
from jaxtui.program.screen.flow.tracks import OUTPUTS, Kind, Track
from jaxtui.program.trees import Held, held
from jaxtui.screen.cells import Line, Segment, width_of
from jaxtui.text import signs
from jaxtui.text.branches import Branch
from jaxtui.text.printable import clean

OPENED = 24  # leaves of one argument; with more of them, what lies below is folded at first
WARMED = 256  # parts of a node; what more of them need is worked out before they are unfolded
_INDENT = 2


@dataclass(frozen=True)
class Row:
    """A row with a cell for each level, and an arrow between each two.

    `group` is the key in `folds` of the group that the row belongs to, "" if it never folds.
    `open` says whether the group shows what is in it; `first` marks the row with the fold sign.
    `path` is the whole path, of which `name` may be the end, and `held` what a group has in all.
    """

    kind: Kind
    name: str
    cells: tuple[Line, ...] = ()
    arrows: tuple[Segment, ...] = ()
    group: str = ""
    open: bool = True
    first: bool = False
    path: str = ""
    held: Held | None = None


@dataclass
class Measure:
    """What rows need together: the width of each column and of the names, and their arrows."""

    widths: list[int]
    name: int = 0
    arrows: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Make room for a row."""
        self.name = max(self.name, cell_len(row.name))
        for at, cell in enumerate(row.cells):
            self.widths[at] = max(self.widths[at], width_of(cell))
        self.arrows |= {arrow.text for arrow in row.arrows}

    def join(self, other: Measure) -> None:
        """Make room for all that another measure has."""
        self.name = max(self.name, other.name)
        self.widths = list(map(max, self.widths, other.widths))
        self.arrows |= other.arrows


class _Later(NamedTuple):
    """The row of a leaf of a group that is not made yet."""

    group: Group
    part: int
    above: str
    key: str
    depth: int


@dataclass(frozen=True)
class _Fold:
    """A branch of a group, and its row when it is folded and when it is not."""

    branch: Branch
    key: str
    folded: Row
    unfolded: Row


class _Inside:
    """What lies directly in a group or a branch, and its measure."""

    def __init__(self, items: list[_Later | _Fold], measure: Measure) -> None:
        self.items, self.measure = items, measure
        self.flat = not any(isinstance(item, _Fold) for item in items)


class LazyRows(Sequence[Row]):
    """Rows of which each is made when it is asked for."""

    def __init__(self, maker: RowMaker) -> None:
        self._maker = maker
        self._items: list[Row | _Later] = []
        self.measure = Measure([0] * len(maker.flow.levels))
        self.folded = False  # whether one of them is

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, at: int) -> Row: ...
    @overload
    def __getitem__(self, at: slice) -> list[Row]: ...
    def __getitem__(self, at: int | slice) -> Row | list[Row]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        item = self._items[at]
        return item if isinstance(item, Row) else self._maker.later(item)

    def append(self, row: Row) -> None:
        """Add a row, for which the others make room."""
        self._items.append(row)
        self.measure.add(row)

    def put(self, item: Row | _Later) -> None:
        """Add a row that is measured already."""
        self._items.append(item)

    def extend(self, items: Sequence[Row | _Later]) -> None:
        """Add rows that are measured already."""
        self._items.extend(items)

    def replace(self, at: int, row: Row) -> None:
        """Put another row into the place of one."""
        self._items[at] = row

    def place(self, at: int) -> tuple[Kind, str]:
        """The kind of a row and its path, without making it."""
        item = self._items[at]
        if isinstance(item, Row):
            return item.kind, item.path
        return item.group.kind, clean(item.group.paths[item.part])

    def find(self, kind: str, path: str) -> int:
        """The number of the row of that kind and path. Raises StopIteration without one."""
        return next(at for at in range(len(self)) if self.place(at) == (kind, path))


class RowMaker:
    """Makes the rows of one flow, with `separator` between the sizes of a shape."""

    def __init__(self, leaves: Leaves, separator: str) -> None:
        self.leaves, self.flow = leaves, leaves.flow
        levels = self.flow.levels
        self.cells = FlowCells(levels, separator, self.flow.axes)
        self._reached = {
            "input": tuple(level.inputs is not None for level in levels),
            "output": tuple(level.outputs is not None for level in levels),
        }
        self._inside: dict[str, _Inside] = {}
        self._made: dict[tuple[str, int], Row] = {}
        self._wholes: dict[tuple[str, frozenset[tuple[int, int]]], Row] = {}
        self._samples: dict[tuple[str, int], Row] = {}
        groups = [*leaves.inputs.values(), *([leaves.outputs] if leaves.outputs else [])]
        for group in groups:
            if group.folds:
                self._warm(group, branches_of(group.paths), group.name, group.key, 1)

    def _warm(
        self, group: Group, parts: Sequence[int | Branch], above: str, key: str, depth: int
    ) -> None:
        if len(parts) > WARMED:
            self._directly_in(group, parts, above, key, depth)
        for part in parts:
            if not isinstance(part, int) and len(part.indices) > WARMED:
                below = f"{group.kind}:{part.path}"
                self._warm(group, part.parts, part.path, below, depth + 1)

    # ------------------------------------------------------------------------------- whole table

    def rows(self, folds: Mapping[str, bool], arguments: Sequence[str]) -> tuple[LazyRows, int]:
        """The rows of inputs, a rule and the rows of outputs, and the number of those of inputs.

        There is one for each leaf, folded group, and argument without leaves.
        """
        rows = LazyRows(self)
        for name in dict.fromkeys([*arguments, *self.leaves.inputs]):
            if name in self.leaves.inputs:
                self._group(self.leaves.inputs[name], folds, rows)
            else:
                rows.append(self._empty("input", name, "no leaves"))
        if not rows:
            seen = any(self._reached["input"])
            rows.append(self._empty("input", "no arguments" if seen else "", ""))
        inputs = len(rows)
        rows.append(Row("rule", ""))
        if self.leaves.outputs is not None:
            self._group(self.leaves.outputs, folds, rows)
        else:
            seen = any(self._reached["output"])
            rows.append(self._empty("output", OUTPUTS, "no leaves" if seen else ""))
        return rows, inputs

    def _group(self, group: Group, folds: Mapping[str, bool], rows: LazyRows) -> None:
        if not group.folds:
            for track, path in zip(group.tracks, group.paths, strict=True):
                rows.append(self._leaf(group.kind, clean(path), track))
            return
        whole = replace(self._whole(group, group.name, range(len(group.tracks))), group=group.key)
        folded = folds.get(group.key, True)
        rows.append(whole if folded else replace(whole, open=True))
        rows.folded = rows.folded or folded
        if not folded:
            parts = branches_of(group.paths)
            self._parts(group, parts, group.name, group.key, 1, folds, rows)

    def _parts(
        self,
        group: Group,
        parts: Sequence[int | Branch],
        above: str,
        key: str,
        depth: int,
        folds: Mapping[str, bool],
        rows: LazyRows,
    ) -> None:
        """Add the rows of what lies below the path `above`, which the group `key` is of."""
        inside = self._directly_in(group, parts, above, key, depth)
        rows.measure.join(inside.measure)
        if inside.flat:
            rows.extend(inside.items)  # type: ignore[arg-type]  # no _Fold is among them
            return
        few = len(group.tracks) <= OPENED
        for item in inside.items:
            if isinstance(item, _Later):
                rows.put(item)
                continue
            folded = folds.get(item.key, not few)
            rows.put(item.folded if folded else item.unfolded)
            rows.folded = rows.folded or folded
            if not folded:
                branch = item.branch
                self._parts(group, branch.parts, branch.path, item.key, depth + 1, folds, rows)

    def _directly_in(
        self, group: Group, parts: Sequence[int | Branch], above: str, key: str, depth: int
    ) -> _Inside:
        known = self._inside.get(key)
        if known is not None:
            return known
        measure = Measure([0] * len(self.flow.levels))
        items: list[_Later | _Fold] = []
        sorts: set[int] = set()
        for part in parts:
            path = group.paths[part] if isinstance(part, int) else part.path
            name = _end_of(path, above, depth)
            if isinstance(part, int):
                measure.name = max(measure.name, cell_len(name))
                sorts.add(group.sorts[part])
                items.append(_Later(group, part, above, key, depth))
                continue
            below = f"{group.kind}:{path}"
            whole = self._whole(group, path, part.indices)
            folded = replace(whole, name=name, group=below)
            measure.add(folded)
            items.append(_Fold(part, below, folded, replace(folded, open=True)))
        for sort in sorts:
            measure.add(replace(self._sample(group, sort), name=""))
        self._inside[key] = _Inside(items, measure)
        return self._inside[key]

    # --------------------------------------------------------------------------------- single rows

    def later(self, item: _Later) -> Row:
        """The row that was put off."""
        group, part = item.group, item.part
        row = self._made.get((group.key, part))
        if row is None:
            path = group.paths[part]
            name = _end_of(path, item.above, item.depth)
            sample = self._sample(group, group.sorts[part])
            row = replace(sample, name=name, path=clean(path), group=item.key)
            self._made[group.key, part] = row
        return row

    def _sample(self, group: Group, sort: int) -> Row:
        """A row with the cells of the leaves of one sort."""
        row = self._samples.get((group.key, sort))
        if row is None:
            row = self._samples[group.key, sort] = self._leaf(group.kind, "", group.samples[sort])
        return row

    def _leaf(self, kind: Kind, path: str, track: Track) -> Row:
        seen = [leaf for leaf in track if leaf is not None]
        static = kind == "input" and len(seen) > 1 and all(leaf.value for leaf in seen)
        reached = self._reached[kind]
        cells = tuple(
            _unseen(reached[at])
            if leaf is None
            else self.cells.leaf(at, leaf, track[at - 1] if at else None, static)
            for at, leaf in enumerate(track)
        )
        arrows = tuple(self._arrow(kind, at, [track]) for at in range(len(track) - 1))
        return Row(kind, path, cells, arrows, path=path)

    def _whole(self, group: Group, path: str, indices: Sequence[int]) -> Row:
        """The row of some leaves of a group together."""
        counts = Counter(map(group.sorts.__getitem__, indices))
        known = (group.key, frozenset(counts.items()))
        row = self._wholes.get(known)
        if row is None:
            row = self._wholes[known] = self._folded(group, counts)
        return replace(row, name=clean(path), path=clean(path))

    def _folded(self, group: Group, counts: Mapping[int, int]) -> Row:
        reached, tracks = self._reached[group.kind], [group.samples[sort] for sort in counts]
        numbers = list(counts.values())
        columns = [
            [(leaf, n) for leaf, n in zip(column, numbers, strict=True) if leaf is not None]
            for column in zip(*tracks, strict=True)
        ]
        cells = tuple(
            self.cells.leaves(at, column) if column else _unseen(reached[at])
            for at, column in enumerate(columns)
        )
        arrows = tuple(self._arrow(group.kind, at, tracks) for at in range(len(columns) - 1))
        first = columns[0] or next(filter(None, columns), [])
        return Row(group.kind, "", cells, arrows, open=False, first=True, held=held(first))

    def _empty(self, kind: Kind, name: str, text: str) -> Row:
        """Return a row without leaves, for an argument such as None or what was not traced."""
        reached = self._reached[kind]
        known = (Segment(text, "quiet"),) if text else ()
        cells = tuple(known if seen else NOT_REACHED for seen in reached)
        arrows = (Segment(""),) * max(0, len(reached) - 1)
        return Row(kind, clean(name), cells, arrows, path=clean(name))

    def _arrow(self, kind: Kind, at: int, tracks: Sequence[Track]) -> Segment:
        """Return the sign between level `at` and the next; "" where the leaves do not appear."""
        reached = self._reached[kind]
        if not reached[at] or not reached[at + 1]:
            return Segment("")
        outer = [leaf for track in tracks if (leaf := track[at])]
        inner = [leaf for track in tracks if (leaf := track[at + 1])]
        if kind == "output" and any(id(leaf) in self.leaves.gradients[at] for leaf in outer):
            return Segment(signs.GRADIENT, "arrow")
        if not outer or not inner:
            return Segment("")
        return self.cells.arrow(at, kind == "output", outer, inner)


def _end_of(path: str, above: str, depth: int) -> str:
    return " " * (_INDENT * depth) + clean(path.removeprefix(above))


def _unseen(reached: bool) -> Line:
    return () if reached else NOT_REACHED
