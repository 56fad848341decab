"""A program's memory, line by line, as text, and the batches that fit as a fix."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
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
from jaxtui.memory.engine.libraries import uncounted
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.inspection import lowered_as_it_runs
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.shapes import Shapes
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import FieldError, Sharding
from jaxtui.sharding.engine import lines
from jaxtui.text import memory_tables
from jaxtui.text.quantities import size
from jaxtui.wire.base import Composition
from jaxtui.wire.memory_report import (
    MemoryBatches,
    MemoryBudget,
    MemoryReport,
    MemoryRow,
    Uncounted,
)

MOST = 20  # intermediates that are told one by one


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


def report_of(told: Account) -> MemoryReport:
    """The account as it is sent, with its `MOST` largest intermediates."""
    needed, budget, batches = told.needed, told.budget, told.batches
    rest = told.rows[MOST:]
    return MemoryReport(
        devices=needed.devices,
        together=needed.together,
        arguments=needed.arguments,
        outputs=needed.outputs,
        temporaries=needed.temporaries,
        donated=needed.donated,
        compiles=told.compiles,
        modelled=told.modelled,
        budget=None
        if budget is None
        else MemoryBudget(bytes=budget.bytes, words=budget.words, shared=budget.shared),
        fits=None if budget is None else told.fits,
        intermediates=[_row(row) for row in told.rows[:MOST]],
        more=len(rest),
        more_bytes=sum(row.bytes * row.count for row in rest),
        batches=None
        if batches is None
        else MemoryBatches(size=batches.size, of=batches.of, bytes=batches.needed.together),
        reasons=told.reasons,
        uncounted=told.uncounted,
    )


def _row(row: Intermediates) -> MemoryRow:
    return MemoryRow(
        shape=row.shape,
        bytes=row.bytes,
        count=row.count,
        at_peak=row.at_peak,
        file=row.file,
        line=row.line,
        code="" if row.line is None else lines.text_of(row.file, row.line).strip(),
    )


def text(told: Account) -> str:
    """The account as lines of text, for the explorer."""
    return memory_tables.memory(report_of(told), keys=True)
