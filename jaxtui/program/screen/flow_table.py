"""The shape flow as a table: a row per leaf, a column per level, and an error in its cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Literal

from jaxtui.program.screen import layer_colours
from jaxtui.program.screen.flow_cells import NOT_REACHED, FlowCells, kind_of
from jaxtui.program.screen.flow_fault import Fault, argument_of
from jaxtui.program.trees import Held, held
from jaxtui.screen.cells import Line, Segment, fit, width_of
from jaxtui.text import signs
from jaxtui.text.branches import Branch, branches
from jaxtui.text.printable import clean
from jaxtui.wire.report import Flow, FlowLeaf, Level

FOLD_ABOVE = 6  # leaves of one argument; more of them fold into one row
OPENED = 24  # leaves of one argument; with more of them, what lies below is folded at first
_INDENT = 2
_LABEL_WIDTH = 28
OUTPUTS = "out"

Kind = Literal["input", "rule", "output"]
Track = tuple[FlowLeaf | None, ...]  # a leaf at every level, None where it does not appear


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


@dataclass(frozen=True)
class Table:
    """The whole flow, before it is laid out for a width.

    The first `inputs` rows are of inputs; a rule and the rows of outputs follow. `entered` and
    `returned` say whether tracing reached the function and returned from it. `widths` are the
    columns' widths without the fault, so that it narrows none. `signs` are those in use: "maps",
    "divides", "goes through", "whole", "gradient".
    """

    headings: tuple[Line, ...]
    rows: tuple[Row, ...]
    inputs: int
    function: str
    fault: Fault | None
    entered: bool
    returned: bool
    signs: frozenset[str]
    widths: tuple[int, ...]


def build(
    flow: Flow,
    fault: Fault | None,
    folds: Mapping[str, bool],
    *,
    arguments: Sequence[str] = (),
    tight: bool = False,
) -> Table:
    """Build the table of `flow`; `folds` maps a group to whether the user folded it.

    `tight` omits the spaces after the commas in shapes.
    """
    maker = _Rows(flow, folds, FlowCells(flow.levels, "," if tight else ", ", flow.axes))
    inputs = maker.inputs(arguments)
    rows = [*inputs, Row("rule", ""), *maker.outputs()]
    in_use = _signs_in(flow, rows)
    widths = tuple(
        max((width_of(row.cells[at]) for row in rows if row.cells), default=0)
        for at in range(len(flow.levels))
    )
    if fault is not None:
        rows = _with_fault(rows, fault, len(flow.levels))
    return Table(
        headings=tuple(_heading(at, level, fault) for at, level in enumerate(flow.levels)),
        rows=tuple(rows),
        inputs=len(inputs),
        function=clean(flow.function),
        fault=fault,
        entered=bool(flow.levels) and flow.levels[-1].inputs is not None,
        returned=bool(flow.levels) and flow.levels[-1].outputs is not None,
        signs=in_use,
        widths=widths,
    )


def _heading(at: int, level: Level, fault: Fault | None) -> Line:
    label = fit(clean(level.label), _LABEL_WIDTH)
    if level.layer < 0:
        return (Segment(label, "heading"),)
    if fault is not None and fault.heading == at:
        return (Segment(f"{signs.CROSS} {label}", "error"),)
    sign = layer_colours.sign(level.layer)
    return (Segment(f"{sign} {label}", layer_colours.component(level.layer)),)


def _signs_in(flow: Flow, rows: Sequence[Row]) -> frozenset[str]:
    found = set()
    for outer, inner in pairwise(flow.levels):
        if any(leaf.marks for leaf in (*(outer.inputs or ()), *(outer.outputs or ()))):
            kind = kind_of(inner)
            steps = kind.fixed_in_axes is not None and not kind.of_examples
            found.add("divides" if kind.divides else "goes through" if steps else "maps")
    arrows = {arrow.text for row in rows for arrow in row.arrows}
    if signs.WHOLE in arrows:
        found.add("whole")
    if signs.GRADIENT in arrows:
        found.add("gradient")
    return frozenset(found)


class _Rows:
    """Makes the rows of one flow."""

    def __init__(self, flow: Flow, folds: Mapping[str, bool], cells: FlowCells) -> None:
        self.flow = flow
        self.folds = folds
        self.cells = cells
        self.gradients = [_gradients(outer, inner) for outer, inner in pairwise(flow.levels)]

    def inputs(self, arguments: Sequence[str]) -> list[Row]:
        """Return a row for each input leaf, folded argument, and argument without leaves."""
        reached = tuple(level.inputs is not None for level in self.flow.levels)
        groups: dict[str, list[Track]] = {}
        for path, track in input_tracks(self.flow.levels):
            groups.setdefault(argument_of(path), []).append(track)
        rows: list[Row] = []
        for name in dict.fromkeys([*arguments, *groups]):
            if name in groups:
                rows += self._group("input", name, groups[name], reached)
            else:
                rows.append(self._empty("input", name, "no leaves", reached))
        return rows or [self._empty("input", "no arguments" if any(reached) else "", "", reached)]

    def outputs(self) -> list[Row]:
        """Return a row for each output leaf of the outermost level that tracing returned to."""
        reached = tuple(level.outputs is not None for level in self.flow.levels)
        tracks = output_tracks(self.flow.levels)
        if tracks:
            return self._group("output", OUTPUTS, tracks, reached)
        return [self._empty("output", OUTPUTS, "no leaves" if any(reached) else "", reached)]

    def _group(
        self, kind: Kind, name: str, tracks: list[Track], reached: tuple[bool, ...]
    ) -> list[Row]:
        if len(tracks) <= FOLD_ABOVE:
            return [self._leaf(kind, name, track, reached) for track in tracks]
        key = f"{kind}:{name}"
        folded = self.folds.get(key, True)
        whole = self._folded(kind, name, tracks, reached)
        if folded:
            return [replace(whole, group=key)]
        paths = tuple(path_of(kind, name, track) for track in tracks)
        below = _Below(kind, tracks, paths, reached)
        return [
            replace(whole, group=key, open=True),
            *self._parts(below, branches_of(paths), name, key, 1),
        ]

    def _parts(
        self, below: _Below, parts: Sequence[int | Branch], above: str, key: str, depth: int
    ) -> list[Row]:
        """Return the rows of what lies below the path `above`, which the group `key` is of."""
        rows: list[Row] = []
        for part in parts:
            path = below.paths[part] if isinstance(part, int) else part.path
            name = " " * (_INDENT * depth) + clean(path.removeprefix(above))
            if isinstance(part, int):
                row = self._leaf(below.kind, "", below.tracks[part], below.reached)
                rows.append(replace(row, name=name, path=clean(path), group=key))
                continue
            own = f"{below.kind}:{path}"
            folded = self.folds.get(own, len(below.tracks) > OPENED)
            tracks = [below.tracks[index] for index in part.indices]
            whole = self._folded(below.kind, path, tracks, below.reached)
            rows.append(replace(whole, name=name, group=own, open=not folded))
            if not folded:
                rows += self._parts(below, part.parts, path, own, depth + 1)
        return rows

    def _leaf(self, kind: Kind, group: str, track: Track, reached: tuple[bool, ...]) -> Row:
        seen = [leaf for leaf in track if leaf is not None]
        static = kind == "input" and len(seen) > 1 and all(leaf.value for leaf in seen)
        cells = tuple(
            _unseen(reached[at])
            if leaf is None
            else self.cells.leaf(at, leaf, track[at - 1] if at else None, static)
            for at, leaf in enumerate(track)
        )
        path = clean(path_of(kind, group, track))
        arrows = tuple(self._arrow(kind, at, [track], reached) for at in range(len(track) - 1))
        return Row(kind, path, cells, arrows, path=path)

    def _folded(self, kind: Kind, name: str, tracks: list[Track], reached: tuple[bool, ...]) -> Row:
        columns = [[leaf for leaf in column if leaf] for column in zip(*tracks, strict=True)]
        cells = tuple(
            self.cells.leaves(at, column) if column else _unseen(reached[at])
            for at, column in enumerate(columns)
        )
        arrows = tuple(self._arrow(kind, at, tracks, reached) for at in range(len(columns) - 1))
        return Row(
            kind,
            clean(name),
            cells,
            arrows,
            open=False,
            first=True,
            path=clean(name),
            held=held(columns[0] or next(filter(None, columns), [])),
        )

    def _empty(self, kind: Kind, name: str, text: str, reached: tuple[bool, ...]) -> Row:
        """Return a row without leaves, for an argument such as None or what was not traced."""
        known = (Segment(text, "quiet"),) if text else ()
        cells = tuple(known if seen else NOT_REACHED for seen in reached)
        arrows = (Segment(""),) * max(0, len(reached) - 1)
        return Row(kind, clean(name), cells, arrows, path=clean(name))

    def _arrow(
        self, kind: Kind, at: int, tracks: list[Track], reached: tuple[bool, ...]
    ) -> Segment:
        """Return the sign between level `at` and the next; "" where the leaves do not appear."""
        if not reached[at] or not reached[at + 1]:
            return Segment("")
        outer = [leaf for track in tracks if (leaf := track[at])]
        inner = [leaf for track in tracks if (leaf := track[at + 1])]
        if kind == "output" and any(id(leaf) in self.gradients[at] for leaf in outer):
            return Segment(signs.GRADIENT, "arrow")
        if not outer or not inner:
            return Segment("")
        return self.cells.arrow(at, kind == "output", outer, inner)


@dataclass(frozen=True)
class _Below:
    """The leaves of one argument or of the output, with the paths of all."""

    kind: Kind
    tracks: Sequence[Track]
    paths: tuple[str, ...]
    reached: tuple[bool, ...]


@lru_cache(maxsize=16)
def branches_of(paths: tuple[str, ...]) -> list[int | Branch]:
    """What leaves with these paths are parts of, as indices and branches."""
    # Most keystrokes leave the paths of a tree as they are.
    return branches(paths, range(len(paths)))


def path_of(kind: Kind, group: str, track: Track) -> str:
    """The path of a leaf, which begins with the name of its argument or of all outputs."""
    path = next(leaf.path for leaf in track if leaf is not None)
    return group + path if kind == "output" else path


def _unseen(reached: bool) -> Line:
    return () if reached else NOT_REACHED


# --------------------------------------------------------------------------------------- outputs


def _derivatives(outer: Level, inner: Level) -> range:
    """Return which output leaves of `outer` are derivatives made by the layer between the levels.

    They replace the differentiated outputs and precede the auxiliary ones; if the layer keeps the
    value, they follow all outputs of the function, or those that it differentiates.
    """
    kind, outputs, returned = kind_of(inner), outer.outputs or (), inner.outputs or ()
    if not kind.differentiates:
        return range(0)
    if kind.keeps_value:
        last = inner.auxiliary if kind.auxiliary_last else 0
        return range(len(returned) - last, len(outputs) - last)
    return range(max(0, len(outputs) - inner.auxiliary))


def _gradients(outer: Level, inner: Level) -> set[int]:
    """Return the ids of the output leaves that are derivatives."""
    outputs = outer.outputs or []
    return {id(outputs[index]) for index in _derivatives(outer, inner)}


def input_tracks(levels: Sequence[Level]) -> list[tuple[str, Track]]:
    """Follow each input leaf through the levels, by its path; what is applied may give others."""
    found: dict[tuple[str, int], list[FlowLeaf | None]] = {}
    for at, level in enumerate(levels):
        times: Counter[str] = Counter()  # two arguments may have one name
        for leaf in level.inputs or ():
            place = (leaf.path, times[leaf.path])
            times[leaf.path] += 1
            found.setdefault(place, [None] * len(levels))[at] = leaf
    return [(path, tuple(track)) for (path, _), track in found.items()]


def output_tracks(levels: Sequence[Level]) -> list[Track]:
    """Follow each output leaf of the outermost level reached inward through the levels."""
    start = next((at for at, level in enumerate(levels) if level.outputs is not None), len(levels))
    if start == len(levels):
        return []
    outputs = levels[start].outputs or []
    places: list[int | None] = list(range(len(outputs)))
    columns: list[list[FlowLeaf | None]] = [[None] * len(outputs) for _ in range(start)]
    columns.append(list(outputs))
    for outer, level in pairwise(levels[start:]):
        inner = level.outputs or []
        places = [_inner_place(place, outer, level) for place in places]
        columns.append([None if place is None else inner[place] for place in places])
    return list(zip(*columns, strict=True))


def _inner_place(place: int | None, outer: Level, inner: Level) -> int | None:
    """Return the index, one level further in, of what output leaf `place` comes from."""
    if place is None:
        return None
    made, returned = _derivatives(outer, inner), len(inner.outputs or ())
    if kind_of(inner).auxiliary_last:
        # The outputs stand around their derivatives.
        place = (
            place if place < made.start else place - len(made) if place >= made.stop else returned
        )
        return place if place < returned else None
    differentiated = returned - inner.auxiliary
    if made.start == 0 and made and differentiated > 0:
        # A differentiated value is beside the first of its derivatives.
        each = max(1, len(made) // differentiated)
        if place in made and place % each:
            return None
        place = place // each if place in made else place - len(made) + differentiated
    return place if place < returned else None


# ------------------------------------------------------------------------------ the error's cell


def _with_fault(rows: list[Row], fault: Fault, levels: int) -> list[Row]:
    """Put the error into its cells; the function's own column has none."""
    if not 0 <= fault.column < levels:
        return rows
    candidates = [at for at, row in enumerate(rows) if row.kind == fault.side]
    hit = [at for at in candidates if _concerns(rows[at], fault.paths)] or candidates[:1]
    cell = (Segment(f"{signs.CROSS} {fault.word}", "error"),)
    return [
        replace(row, cells=(*row.cells[: fault.column], cell, *row.cells[fault.column + 1 :]))
        if at in hit
        else row
        for at, row in enumerate(rows)
    ]


def _concerns(row: Row, paths: Sequence[str]) -> bool:
    """Whether the row shows one of the leaves or arguments, or is a fold that contains one."""
    return any(
        path in (row.path, argument_of(row.path)) or (not row.open and path.startswith(row.path))
        for path in paths
    )
