"""Over which mesh axes the outputs of a shard_map differ, found from the program itself.

JAX's own check knows less: to it the result of an all_gather may differ, and is the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax

from jaxtui.engine_base.jaxprs import bodies, walk
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.spec_trees import axes_of
from jaxtui.program.engine.tracing import Recorder, over_arrays

Axes = frozenset[str]
# What gives every device of the axes the same, and what gives each its own.
_ALIKE = frozenset(
    {"psum", "psum2", "psum_invariant", "pmax", "pmin", "all_gather", "all_gather_invariant"}
)
_APART = frozenset({"axis_index", "ppermute", "all_to_all", "reduce_scatter", "pgather"})
_CALLS = frozenset(
    {
        "jit",
        "pjit",
        "closed_call",
        "core_call",
        "remat",
        "checkpoint",
        "custom_jvp_call",
        "custom_vjp_call",
        "custom_vjp_call_jaxpr",
    }
)


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
                given = [
                    frozenset(axis for entry in spec for axis in axes_of(entry))
                    for spec in equation.params["in_specs"]
                ]
                return _outputs(equation.params["jaxpr"], given)
    return None


def _outputs(jaxpr: Any, given: Sequence[Axes]) -> list[Axes]:
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    known: dict[Any, Axes] = dict(zip(jaxpr.invars, given, strict=True))

    def of(atom: Any) -> Axes:
        return frozenset() if hasattr(atom, "val") else known.get(atom, frozenset())

    for equation in jaxpr.eqns:
        found = _results(equation, [of(atom) for atom in equation.invars])
        known |= dict(zip(equation.outvars, found, strict=True))
    return [of(atom) for atom in jaxpr.outvars]


def _results(equation: Any, given: Sequence[Axes]) -> list[Axes]:
    name, params = equation.primitive.name, equation.params
    together = frozenset().union(*given)
    inside = list(bodies(params))
    if name in _ALIKE and params.get("axis_index_groups") is None:
        together = together - _named(params)
    elif name in _APART:
        together = together | _named(params)
    elif name in _CALLS and len(inside) == 1 and len(inside[0].invars) == len(given):
        return _outputs(inside[0], given)
    for body in inside:  # of a loop or a branch: what is apart in it may be apart behind it
        for equations, _ in walk(body):
            for inner in equations:
                if inner.primitive.name in _APART:
                    together = together | _named(inner.params)
    return [together] * len(equation.outvars)


def _named(params: dict[str, Any]) -> Axes:
    names = params.get("axes", params.get("axis_name", ()))
    return frozenset(names if isinstance(names, tuple | list) else (names,))
