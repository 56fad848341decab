"""Why a layer could not go on with what the function returned, by what the layer does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from jaxtui.program.engine.diagnosis import linear, loops, vectorized
from jaxtui.program.engine.diagnosis.calls import Call
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.session.diagnosis import Diagnosis

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared
    from jaxtui.program.engine.tracing import Recorder


def explain(
    layer: BuiltLayer, recorder: Recorder, prepared: Prepared, output: Any
) -> Diagnosis | None:
    """Why `layer` refused the `output` of the function; None if it is not known here."""
    kind = call_of(layer)
    if kind is None:
        return None
    call = kind(layer, recorder, prepared)
    if isinstance(call, loops.LoopCall):
        return loops.explain_returned(layer, call, output)
    if isinstance(call, linear.LinearCall):
        return linear.explain_returned(layer, call, output)
    if isinstance(call, vectorized.VectorizeCall):
        return vectorized.explain_returned(layer, call, output)
    return None


def call_of(layer: BuiltLayer) -> type[Call] | None:
    """How a call of `layer` is checked; None for a layer that is checked elsewhere."""
    if layer.kind.fixed_in_axes is not None:
        return loops.LoopCall
    if layer.kind.broadcasts:
        return vectorized.VectorizeCall
    return linear.LinearCall if layer.kind.auxiliary_last else None
