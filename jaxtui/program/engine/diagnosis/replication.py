"""Over which mesh axes the outputs of a shard_map differ, found from the program itself.

JAX's own check knows less: to it the result of an all_gather may differ, and is the same.
"""

from __future__ import annotations

from dataclasses import replace

import jax

from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder, over_arrays
from jaxtui.program.engine.varying_axes import Axes, of_spec, outputs


@rehearsal()
def differing(layer: BuiltLayer, recorder: Recorder) -> list[Axes] | None:
    """The mesh axes over which each output of the shard_map `layer` may differ.

    None where the program does not trace without JAX's check either.
    """
    unchecked = replace(layer, settings={**layer.settings, "check_vma": False})
    seen = recorder.recordings[recorder.level_of(layer)]
    inner = [*recorder.layers[: layer.index], unchecked]
    attempt = Recorder(recorder.function, inner, recorder.names)
    try:
        call, structs = over_arrays(attempt.program, seen.args or (), seen.kwargs)
        jaxpr = jax.make_jaxpr(call)(*structs)
    except BaseException:  # whatever the user's function raises when it is tried
        return None
    for equations, _ in walk(jaxpr):
        for equation in equations:
            if equation.primitive.name == "shard_map" and "in_specs" in equation.params:
                given = [of_spec(spec) for spec in equation.params["in_specs"]]
                return outputs(equation.params["jaxpr"], given)
    return None
