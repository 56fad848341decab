"""A program's memory, line by line, as text, and the batches that fit as a fix."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import rehearsal
from jaxtui.memory.engine.batches import Batches, fitting
from jaxtui.memory.engine.budget import Budget, budget_of
from jaxtui.memory.engine.intermediates import (
    Intermediates,
    Needed,
    compiled_intermediates,
    modelled_intermediates,
    needed_by,
)
from jaxtui.memory.engine.libraries import Uncounted, uncounted
from jaxtui.program.engine.evaluation import Shapes, trace_prepared
from jaxtui.program.engine.inspection import lowered_as_it_runs
from jaxtui.program.engine.prepared import prepare
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import FieldError, Sharding
from jaxtui.sharding.engine import lines
from jaxtui.text.quantities import counted, size
from jaxtui.wire.base import Composition

MOST = 20  # rows that are told one by one
WIDTH = 72  # columns of a row, the end of whose line of code is cut
MODEL = (
    "This backend does not tell which buffers XLA makes. This is a model: every value of the jaxpr,"
    " on all devices together, from where it is made to where it is read last, nothing fused."
)


@dataclass
class Account:
    """What a program takes, its intermediates, and whether that fits."""

    needed: Needed
    rows: list[Intermediates]
    modelled: bool
    compiles: bool  # by its outermost layer, else under a jit
    budget: Budget | None
    batches: Batches | None = None
    reasons: list[str] = field(default_factory=list)  # why no batches are offered
    uncounted: Uncounted | None = None

    @property
    def fits(self) -> bool:
        return self.budget is None or self.budget.fits(self.needed.together, self.needed.devices)

    @property
    def notes(self) -> list[Diagnosis]:
        """What there is to mend: a vmap that can be computed in batches that fit."""
        batches, budget = self.batches, self.budget
        if batches is None or budget is None:
            return []
        message = (
            f"the program takes {size(self.needed.together)} on each device, more than "
            f"{size(budget.bytes)} ({budget.words}); in batches it takes less"
        )
        where = batches.layer.field("")
        return [Diagnosis(kind="memory", field=where, message=message, fixes=[batches.fix])]


def account(
    composition: Composition, sharding: Sharding | None, cancelled: Callable[[], bool]
) -> Account:
    """Compile a program, of any size, for what it takes, and look for batches if it does not fit.

    Nothing is run or allocated. Raises Diagnosed, and GivenUp when `cancelled()` turned true.
    """
    with rehearsal():
        try:
            budget = budget_of(sharding)
        except FieldError as error:
            raise diagnosed("value", error.field, error.message) from error
        shapes = trace_prepared(prepare(composition))
        with lowered_as_it_runs(composition, any_size=True) as (lowered, _):
            compiled = lowered.compile()
        needed, found = needed_by(compiled), compiled_intermediates(compiled)
        rows = found[0] if found is not None else _modelled(shapes)
        layers = shapes.prepared.layers
        compiles = bool(layers) and layers[-1].kind.compiles
        told = Account(needed, rows, found is None, compiles, budget)
        told.uncounted = uncounted(compiled.as_text() or "")
        if budget is not None and not told.fits:
            batches = fitting(shapes, needed, budget, cancelled)
            if isinstance(batches, Batches):
                told.batches = batches
            else:
                told.reasons = batches
        return told


def with_batches(
    error: Diagnosed, composition: Composition, cancelled: Callable[[], bool]
) -> Diagnosed:
    """A failure for want of memory, with the batches that would fit as its fixes.

    Raises GivenUp when `cancelled()` turned true.
    """
    with contextlib.suppress(Diagnosed):  # it does not compile either
        notes = account(composition, None, cancelled).notes
        fixes = [fix for note in notes for fix in note.fixes]
        return Diagnosed(replace(error.diagnosis, fixes=fixes), error.flow)
    return error


def _modelled(shapes: Shapes) -> list[Intermediates]:
    return modelled_intermediates(shapes.jaxpr) if shapes.jaxpr is not None else []


def text(told: Account) -> str:
    """The account as lines of text."""
    return "\n".join(_lines(told))


def _lines(told: Account) -> Iterator[str]:
    needed = told.needed
    compiled = "Compiled" if told.compiles else "Compiled under a jit"
    yield f"{compiled}: {size(needed.together)} on each device{_against(told)}"
    parts = [
        f"arguments {size(needed.arguments)}",
        f"outputs {size(needed.outputs)}",
        f"temporaries {size(needed.temporaries)}",
    ]
    donated = f" – donated {size(needed.donated)}" if needed.donated else ""
    yield " + ".join(parts) + donated
    yield from _library_lines(told.uncounted)
    yield from _batch_lines(told)
    yield ""
    yield from _table(told)


def _against(told: Account) -> str:
    budget = told.budget
    if budget is None:
        return "; M says what one has"
    shared = budget.shared and told.needed.devices > 1
    of = f", for all {told.needed.devices}" if shared else ""
    word = "fits into" if told.fits else "does NOT fit into"
    return f", {word} {size(budget.bytes)} ({budget.words}{of})"


def _library_lines(found: Uncounted | None) -> Iterator[str]:
    if found is not None:
        yield ""
        yield (
            f"Not counted: what {' and '.join(found.libraries)} works in, which computes "
            f"{counted(found.count, 'fusion')} for XLA."
        )
        yield f"The largest value inside has {size(found.largest)}; it may be made in parts."


def _batch_lines(told: Account) -> Iterator[str]:
    if told.batches is not None:
        batches = told.batches
        yield ""
        some = f"{batches.size:,} of its {batches.of:,} examples"
        yield f"f makes the vmap a jax.lax.map over batches of {some}:"
        yield f"that takes {size(batches.needed.together)} as compiled, and computes the same."
    elif told.reasons:
        yield ""
        yield from told.reasons


def _table(told: Account) -> Iterator[str]:
    rows = told.rows
    if told.modelled:
        yield MODEL
        yield ""
    if not rows:
        yield "No intermediate takes memory of its own."
        return
    cells = [("intermediate", "each", "made", "at peak", "by line")]
    cells += [_cells(row) for row in rows[:MOST]]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for shape, *figures, where in cells:
        aligned = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        line = f"{shape:{widths[0]}}  {'  '.join(aligned)}  {where}".rstrip()
        yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
    yield from _rest(rows[MOST:])


def _cells(row: Intermediates) -> tuple[str, str, str, str, str]:
    return (
        row.shape or "work space",
        size(row.bytes),
        str(row.count),
        str(row.at_peak or "–"),
        _where(row),
    )


def _where(row: Intermediates) -> str:
    if row.line is None:
        return "not in the source"
    file = f"{row.file.rpartition('/')[2]}:" if row.file else ""
    return f"{file}{row.line}  {lines.text_of(row.file, row.line).strip()}"


def _rest(rows: Sequence[Intermediates]) -> Iterator[str]:
    if rows:
        total = sum(row.bytes * row.count for row in rows)
        yield f"… and {counted(len(rows), 'smaller row')}, {size(total)} in all"
