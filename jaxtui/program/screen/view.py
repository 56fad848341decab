"""What the Map screen shows of the work, as plain data."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jaxtui.program.screen.axes import Cells, split
from jaxtui.program.screen.flow.trees import FlowTrees
from jaxtui.program.screen.signature import rows
from jaxtui.program.screen.table_rows import AxisColumn, TableRow
from jaxtui.program.screen.trees.donation import Donation
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import fields
from jaxtui.screen.open_session import ended_words
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import ARGUMENTS, LAYERS, PARAMETERS, PROGRAM
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Session, SessionError
from jaxtui.text import signs
from jaxtui.text.syntax import expression_fault

DUMP = ("Fatal Python error", "Current thread 0x", "Thread 0x")
LAST_WORDS = 3  # lines
MOST_NAMES = 4
REMARK = 130  # characters of a note that are shown over the result


def script_text(session: Session, folder: str) -> str:
    """Return the program as a plain script, or a comment that says why there is none yet."""
    from jaxtui.session.export import ExportError, script

    try:
        return script(session, folder)
    except ExportError as error:
        return f"# no script yet: {error.message} (at {error.field})"


class ParametersText:
    """Keeps the text of the parameters as typed while it agrees with the session."""

    def __init__(self) -> None:
        self.wrong: Diagnosis | None = None
        self._text = ""
        self._means: dict[str, int] | None = None

    def typed(self, text: str, before: dict[str, int]) -> dict[str, int]:
        """Parse the typed `text`; return the parameters, or `before` if it cannot be read."""
        self._text, self.wrong, self._means = text, None, before
        try:
            self._means = fields.parameters(text)
        except SessionError as error:
            self.wrong = Diagnosis(kind="value", field=PARAMETERS, message=error.message)
        return self._means

    def shown(self, parameters: dict[str, int]) -> str:
        """The text to show for the session's parameters."""
        if parameters == self._means:
            return self._text
        self.wrong = self._means = None
        return fields.pairs_text(parameters)


def field_of(diagnosis: Diagnosis | None) -> str:
    """Return the pane a diagnosis belongs to: source, function, arguments, layers, …"""
    if diagnosis is None:
        return ""
    return next(iter(diagnosis.field.under(PROGRAM) or diagnosis.field.keys), "")


def axis_layer(layers: Sequence[AnyLayer], selected: int) -> int | None:
    """Return the layer whose axes are shown beside the arguments: the selected one if it maps,
    else the next one inward that does, else any."""
    order = [*range(selected, -1, -1), *range(selected + 1, len(layers))]
    return next((i for i in order if 0 <= i < len(layers) and _entry(layers[i])), None)


def _entry(layer: AnyLayer) -> str:
    """Return the default for an argument without an entry; "" if the layer has no entries."""
    field = layer.fields().get(layer.input_field)
    return "" if field is None else field.entry


def axis_column(session: Session, selected: int, typed: tuple[str, Cells] | None) -> AxisColumn:
    """Return the axis column; `typed` is the joined text of the cells, and the cells as typed."""
    layers = session.program.layers
    index = axis_layer(layers, selected)
    if index is None:
        return AxisColumn()
    layer = layers[index]
    field, entry = layer.input_field, _entry(layer)
    text = getattr(layer, field)
    number = len(session.program.arguments)
    if typed is not None and typed[0] == text and len(typed[1].texts) == number:
        cells: Cells | None = typed[1]
    else:
        cells = split(text, number, entry)
    axis = layer.keyword_axis
    by_name = "" if axis is None else f"{axis}, by name"
    several = sum(bool(_entry(other)) for other in layers) > 1
    name = f"{layer.transform} {getattr(layer, 'axis_name', '')}".strip() if several else ""
    return AxisColumn(layer.transform, index, field, entry, cells, by_name, name)


def shows_shardings(session: Session) -> bool:
    """Whether the arguments' shardings matter: the mesh has several axes, or one is given."""
    planned = session.sharding.mesh if session.sharding is not None else None
    axes = max(len(session.devices.mesh or ()), len(planned or ()))
    return axes > 1 or any(argument.sharding for argument in session.program.arguments)


def argument_rows(
    work: ProgramWork,
    diagnosis: Diagnosis | None = None,
    trees: FlowTrees | None = None,
    donating: int | None = None,
    column: AxisColumn | None = None,
) -> list[TableRow]:
    """Return the rows of the argument table, each with its error and its tree.

    `donating` is the layer whose donation is shown, None without one. A fault in the field that
    `column` edits is that of each row whose cell is no expression.
    """
    faulty, part = _faulty_argument(diagnosis)
    unreadable = _unreadable_cells(diagnosis, column)
    arguments, layers = work.session.program.arguments, work.session.program.layers
    found = []
    every = rows(arguments, work.signature)
    positional = sum(row.by_position for row in every)
    for row in every:
        own = diagnosis if row.index is not None and row.index == faulty else None
        of_cell = unreadable.get(row.place) if row.place is not None else None
        branches, donated = None, ""
        if donating is not None and row.index is not None:
            donated = Donation(layers[donating], donating, row.name, row.place, positional).word
        if trees is not None and row.index is not None:
            branches = trees.arguments.get(row.name)
            if branches is None and donated:
                branches = trees.single.get(row.name)
        at_fault = part if own is not None else "axis" if of_cell is not None else ""
        found.append(TableRow(row, own or of_cell, at_fault, branches, donated))
    return found


def _unreadable_cells(
    diagnosis: Diagnosis | None, column: AxisColumn | None
) -> dict[int, Diagnosis]:
    """What is wrong with each cell that makes the whole text of its field one at fault."""
    if diagnosis is None or column is None or column.cells is None or column.cells.shared:
        return {}
    if diagnosis.field != LAYERS / column.index / column.field:
        return {}
    faults = {at: expression_fault(text) for at, text in enumerate(column.cells.texts)}
    return {
        at: Diagnosis(kind="syntax", field=diagnosis.field, message=f"{column.field}: {fault}")
        for at, fault in faults.items()
        if fault
    }


def _faulty_argument(diagnosis: Diagnosis | None) -> tuple[int | None, str]:
    below = diagnosis.field.under(ARGUMENTS) if diagnosis is not None else None
    if not below or not below[0].isdecimal():
        return None, ""
    return int(below[0]), ".".join(below[1:])


def source_line(source: str, name: str) -> str:
    """Excerpt the function called `name`: the expression of its last return, else its last line.

    A source that has no such function at its top level counts as a whole.
    """
    lines = [line.strip() for line in _definition(source, name) if line.strip()]
    returns = [line.removeprefix("return ") for line in lines if line.startswith("return ")]
    return returns[-1] if returns else (lines[-1] if len(lines) > 1 else "")


def _definition(source: str, name: str) -> list[str]:
    """The lines of a function, also of one that is still being typed; else those of the source."""
    lines = source.splitlines()
    starts = [i for i, line in enumerate(lines) if re.match(rf"def {re.escape(name)}\b", line)]
    if not name or not starts:
        return lines
    rest = lines[starts[-1] + 1 :]
    # A parenthesis may end the signature there.
    ends = next((i for i, line in enumerate(rest) if re.match(r"[^\s)#]", line)), len(rest))
    return [lines[starts[-1]], *rest[:ends]]


def layer_prefix(work: ProgramWork, diagnosis: Diagnosis | None) -> str:
    """`vmap in_axes: `, before the message about that field."""
    below = diagnosis.field.under(LAYERS) if diagnosis is not None else None
    layers = work.session.program.layers
    if not below or int(below[0]) >= len(layers):
        return ""
    return " ".join([layers[int(below[0])].transform, *below[1:]]) + ": "


def notice(work: ProgramWork) -> str:
    """Say why there is no result, or none of the current program."""
    if not work.trusted:
        return work.open_session.untrusted
    if work.phase == "gone" and work.gone is not None:
        tail = "\n".join(f"  {line}" for line in last_words(work.gone.tail))
        blame = " What is typed ended it and runs again only by F5." if work.blocked() else ""
        head = f"{ended_words(work.gone.reason)}. R starts it again.{blame}"
        return f"{head}\n{tail}" if tail else head
    if work.ended:
        return (
            f"You ended the engine ({work.ended}). A fresh one is there; edit, or F5 to try again."
        )
    if work.blocked() and not work.waits_for_run:
        return "This program ended the engine before: it runs again only by F5."
    if work.abstract and work.diagnosis is None:
        return f"{abstract_words(work.abstract)}: a run needs values. F5 says which would do."
    if work.too_large and work.traced is not None and work.traced.cost is not None:
        return f"Touches about {quantity(work.traced.cost)} elements: F5 runs it."
    return _remark(work)


def _remark(work: ProgramWork) -> str:
    """The beginning of the first note about the result; the whole is in a tab."""
    if not work.notes:
        return ""
    text = work.notes[0].message
    if len(text) > REMARK:
        text = text[:REMARK].rpartition(" ")[0] + f"{signs.ELLIPSIS} (Remarks)"
    return f"! {text}"


def abstract_words(names: Sequence[str]) -> str:
    """`x is given as shapes`, `x, y and 3 more are given as shapes`."""
    if len(names) == 1:
        return f"{names[0]} is given as shapes"
    shown = names if len(names) <= MOST_NAMES else [*names[: MOST_NAMES - 1]]
    more = len(names) - len(shown)
    listed = f"{', '.join(shown)} and {more} more" if more else _and(shown)
    return f"{listed} are given as shapes"


def _and(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def last_words(tail: Sequence[str]) -> list[str]:
    """Return the last non-empty lines, without Python's dump of its threads."""
    dump = next((i for i, line in enumerate(tail) if line.startswith(DUMP)), len(tail))
    return [line for line in tail[:dump] if line.strip()][-LAST_WORDS:]


def quantity(number: int) -> str:
    """A rough number in words: `1.2 million`."""
    for scale, word in ((10**12, "trillion"), (10**9, "billion"), (10**6, "million")):
        if number >= scale:
            return f"{number / scale:.3g} {word}"
    return str(number)
