"""Over which mesh axes the values of a shard_map differ from device to device, from its jaxpr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jaxtui.engine_base.jaxprs import bodies, walk
from jaxtui.engine_base.meshes import entries_of
from jaxtui.program.engine.spec_trees import axes_of

Axes = frozenset[str]
# What gives every device of the axes the same, and what gives each its own.
_ALIKE = frozenset(
    {"psum", "psum2", "psum_invariant", "pmax", "pmin", "all_gather", "all_gather_invariant"}
)
_APART = frozenset({"axis_index", "ppermute", "all_to_all", "reduce_scatter", "pgather"})
CALLS = frozenset(
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


def of_spec(spec: Any) -> Axes:
    """The axes over which the blocks of an input with this spec differ."""
    return frozenset(axis for entry in entries_of(spec) for axis in axes_of(entry))


def outputs(jaxpr: Any, given: Sequence[Axes]) -> list[Axes]:
    """The axes over which each output of `jaxpr` differs, where its inputs differ over `given`."""
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)
    known: dict[Any, Axes] = dict(zip(jaxpr.invars, given, strict=True))

    def of(atom: Any) -> Axes:
        return frozenset() if hasattr(atom, "val") else known.get(atom, frozenset())

    for equation in jaxpr.eqns:
        found = results(equation, [of(atom) for atom in equation.invars])
        known |= dict(zip(equation.outvars, found, strict=True))
    return [of(atom) for atom in jaxpr.outvars]


def results(equation: Any, given: Sequence[Axes]) -> list[Axes]:
    """The axes over which each result of `equation` may differ."""
    name, params = equation.primitive.name, equation.params
    together = frozenset().union(*given)
    inside = list(bodies(params))
    if name in _ALIKE and params.get("axis_index_groups") is None:
        together = together - named(params)
    elif name in _APART:
        together = together | named(params)
    elif name in CALLS and len(inside) == 1 and len(inside[0].invars) == len(given):
        return outputs(inside[0], given)
    for body in inside:  # of a loop or a branch: what is apart in it may be apart behind it
        for equations, _ in walk(body):
            for inner in equations:
                if inner.primitive.name in _APART:
                    together = together | named(inner.params)
    return [together] * len(equation.outvars)


def named(params: dict[str, Any]) -> Axes:
    """The axes of a collective."""
    names = params.get("axes", params.get("axis_name", ()))
    return frozenset(names if isinstance(names, tuple | list) else (names,))
