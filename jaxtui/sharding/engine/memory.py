"""What a plan takes of one device's memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jax.extend import core

from jaxtui.sharding.engine import liveness, shardy
from jaxtui.sharding.engine.lowering import LoweredProgram
from jaxtui.sharding.engine.shardy import Sharded
from jaxtui.wire.sharding import Spec


def itemsize(dtype: Any) -> int:
    """The bytes of an element; of a PRNG key, those of its words; 0 of what is no array."""
    return int(getattr(dtype, "itemsize", 0))


def on_device(aval: Any, spec: Spec, sizes: Mapping[str, int]) -> int:
    """The bytes of the largest block that a device holds of an array; 0 for a token."""
    shape = getattr(aval, "shape", None)
    if shape is None:
        return 0
    block = shardy.block_shape([int(n) for n in shape], spec, sizes)
    return math.prod(block) * itemsize(aval.dtype)


def peak(program: LoweredProgram, inputs: Sequence[Sharded], values: Sequence[Sharded]) -> int:
    """The most bytes that live at once, with `inputs` for the arrays among the arguments.

    What is donated is written over; see `liveness.peak` for the model.
    """
    jaxpr = program.marked.closed.jaxpr
    specs: dict[Any, Spec] = {
        variable: laid.spec for variable, laid in zip(jaxpr.invars, inputs, strict=True)
    }
    for value, laid in zip(program.marked.values, values, strict=True):
        if isinstance(value.variable, core.Var):
            specs.setdefault(value.variable, laid.spec)
    known: dict[Any, int] = {}

    def bytes_of(variable: Any) -> int:
        if variable not in known:  # one without a spec is a constant or a block's argument
            known[variable] = on_device(variable.aval, specs.get(variable, []), program.sizes)
        return known[variable]

    return liveness.peak(jaxpr, bytes_of, _donated(program))


def _donated(program: LoweredProgram) -> set[Any]:
    """The arguments that an outermost `jit` may overwrite."""
    jaxpr = program.jaxpr.jaxpr
    if len(jaxpr.eqns) != 1:
        return set()
    donated = jaxpr.eqns[0].params.get("donated_invars", ())
    flags = zip(jaxpr.eqns[0].invars, donated, strict=False)
    overwritten = {v for v, flag in flags if flag and isinstance(v, core.Var)}
    pairs = zip(jaxpr.invars, program.marked.closed.jaxpr.invars, strict=True)
    return {new for old, new in pairs if old in overwritten}
