"""What a program computes, sends and needs, in figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.output import rehearsal
from jaxtui.memory.engine.intermediates import needed_by
from jaxtui.program.engine import hlo_collectives
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.inspection import lowered_as_it_runs
from jaxtui.program.engine.prepared import prepare
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import Figures, SentFigure


@rehearsal()
def figures(composition: Composition) -> Figures:
    """Trace and compile a composition. Raises Diagnosed if it cannot be traced."""
    traced = Figures(primitives=_primitives(trace_prepared(prepare(composition)).jaxpr))
    try:
        with lowered_as_it_runs(composition, any_size=True) as (lowered, _):
            return _compiled(traced.primitives, lowered.compile())
    except Diagnosed as error:  # such as what only a run can trace
        return Figures(primitives=traced.primitives, failure=error.diagnosis.message)


def _primitives(jaxpr: Any) -> dict[str, int] | None:
    if jaxpr is None:
        return None
    names = (equation.primitive.name for equations, _ in walk(jaxpr) for equation in equations)
    return dict(sorted(Counter(names).items()))


def _compiled(primitives: dict[str, int] | None, compiled: Any) -> Figures:
    cost = compiled.cost_analysis() or {}
    cost = cost[0] if isinstance(cost, list) else cost
    needed = needed_by(compiled)
    return Figures(
        primitives=primitives,
        flops=cost.get("flops"),
        bytes_accessed=cost.get("bytes accessed"),
        arguments=needed.arguments,
        outputs=needed.outputs,
        temporaries=needed.temporaries,
        donated=needed.donated,
        collectives=list(_sent(compiled, needed.devices)),
    )


def _sent(compiled: Any, devices: int) -> Iterator[SentFigure]:
    """The collectives by kind, without those over groups of one device."""
    found = [
        one
        for one in hlo_collectives.collectives(compiled.as_text() or "", devices)
        if any(len(group) > 1 for group in one.groups)
    ]
    for name in hlo_collectives.KINDS:
        alike = [one for one in found if one.name == name]
        if alike:
            size = sum(one.bytes for one in alike)
            yield SentFigure(kind=name, count=len(alike), bytes=size)
