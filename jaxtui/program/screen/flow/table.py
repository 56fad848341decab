"""The shape flow as a table: a row per leaf, a column per level, and an error in its cells."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jaxtui.program.screen import layer_colours
from jaxtui.program.screen.flow.fault import Fault, argument_of
from jaxtui.program.screen.flow.leaves import Leaves
from jaxtui.program.screen.flow.rows import LazyRows, RowMaker
from jaxtui.program.screen.flow.stacks import Stack, maps, stacks_of
from jaxtui.screen.cells import Line, Segment, fit, width_of
from jaxtui.text import signs
from jaxtui.text.printable import clean
from jaxtui.wire.report import Flow, Level

_LABEL_WIDTH = 28
KEPT = 2  # flows whose rows are kept


@dataclass(frozen=True)
class Table:
    """The whole flow, before it is laid out for a width.

    The first `inputs` rows are of inputs; a rule and the rows of outputs follow. `entered` and
    `returned` say whether tracing reached the function and returned from it. `widths` are the
    columns' widths, with and without the fault, so that it narrows none, and `name` is that of the
    longest name. `signs` are those in use: "maps", "divides", "goes through", "whole", "gradient".
    `folded` says whether a row is.
    """

    headings: tuple[Line, ...]
    rows: LazyRows
    inputs: int
    function: str
    fault: Fault | None
    entered: bool
    returned: bool
    signs: frozenset[str]
    widths: tuple[int, ...]
    name: int
    folded: bool
    stacks: tuple[Stack, ...] = ()  # that layers take apart, the outermost first
    mapping: int = 0  # layers that take stacks apart, also where tracing failed before them


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
    rows, inputs = _maker(flow, tight).rows(folds, arguments)
    in_use = _signs_in(flow, rows)
    widths = list(rows.measure.widths)
    if fault is not None and _with_fault(rows, fault, len(flow.levels)):
        widths[fault.column] = max(widths[fault.column], width_of(_fault_cell(fault)))
    return Table(
        headings=tuple(_heading(at, level, fault) for at, level in enumerate(flow.levels)),
        rows=rows,
        inputs=inputs,
        function=clean(flow.function),
        fault=fault,
        entered=bool(flow.levels) and flow.levels[-1].inputs is not None,
        returned=bool(flow.levels) and flow.levels[-1].outputs is not None,
        signs=in_use,
        widths=tuple(widths),
        name=rows.measure.name,
        folded=rows.folded,
        stacks=stacks_of(flow),
        mapping=sum(maps(level) for level in flow.levels),
    )


def leaves_of(flow: Flow) -> Leaves:
    """The leaves of a flow, which are kept while it, or one like it, is one of the newest."""
    found = next((leaves for known, leaves in _leaves if known is flow), None)
    if found is None:
        found = next((leaves for known, leaves in _leaves if known == flow), None) or Leaves(flow)
        _leaves.append((flow, found))
    return found


def _maker(flow: Flow, tight: bool) -> RowMaker:
    leaves = leaves_of(flow)
    for known, separated in _makers:
        if known.leaves is leaves and separated is tight:
            return known
    maker = RowMaker(leaves, "," if tight else ", ")
    _makers.append((maker, tight))
    return maker


# Nearly all that is laid out again is the same flow, folded otherwise or moved.
_leaves: deque[tuple[Flow, Leaves]] = deque(maxlen=KEPT)
_makers: deque[tuple[RowMaker, bool]] = deque(maxlen=2 * KEPT)


def _heading(at: int, level: Level, fault: Fault | None) -> Line:
    label = fit(clean(level.label), _LABEL_WIDTH)
    if level.layer < 0:
        return (Segment(label, "heading"),)
    if fault is not None and fault.heading == at:
        return (Segment(f"{signs.CROSS} {label}", "error"),)
    sign = layer_colours.sign(level.layer)
    return (Segment(f"{sign} {label}", layer_colours.component(level.layer)),)


def _signs_in(flow: Flow, rows: LazyRows) -> frozenset[str]:
    found = set(leaves_of(flow).signs)
    if signs.WHOLE in rows.measure.arrows:
        found.add("whole")
    if signs.GRADIENT in rows.measure.arrows:
        found.add("gradient")
    return frozenset(found)


# ------------------------------------------------------------------------------ the error's cell


def _with_fault(rows: LazyRows, fault: Fault, levels: int) -> bool:
    """Put the error into its cells, if its column has any; the function's own column has none."""
    if not 0 <= fault.column < levels:
        return False
    places = [(at, *rows.place(at)) for at in range(len(rows))]
    candidates = [(at, path) for at, kind, path in places if kind == fault.side]
    paths = set(fault.paths)
    hit = [
        at
        for at, path in candidates
        if path in paths or argument_of(path) in paths or _folds_over(rows, at, path, fault.paths)
    ]
    for at in hit or [at for at, _ in candidates[:1]]:
        row = rows[at]
        before, after = row.cells[: fault.column], row.cells[fault.column + 1 :]
        rows.replace(at, replace(row, cells=(*before, _fault_cell(fault), *after)))
    return bool(candidates)


def _fault_cell(fault: Fault) -> Line:
    return (Segment(f"{signs.CROSS} {fault.word}", "error"),)


def _folds_over(rows: LazyRows, at: int, path: str, paths: Sequence[str]) -> bool:
    """Whether the row is a fold that contains one of the leaves."""
    return any(each.startswith(path) for each in paths) and not rows[at].open
