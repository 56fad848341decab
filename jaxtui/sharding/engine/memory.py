"""What a plan takes of one device's memory."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jax.extend import core

from jaxtui.sharding.engine import shardy
from jaxtui.sharding.engine.lowering import LoweredProgram
from jaxtui.sharding.engine.shardy import Sharded
from jaxtui.wire.sharding import Spec

_WHOLE: Spec = []


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

    What is donated is written over; see `liveness.Life` for the model.
    """
    invars = program.marked.closed.jaxpr.invars
    held = {variable: laid.spec for variable, laid in zip(invars, inputs, strict=True)}
    for value, laid in zip(program.marked.values, values, strict=True):
        if isinstance(value.variable, core.Var):
            held.setdefault(value.variable, laid.spec)
    known: dict[Any, int] = {}
    alike: dict[tuple[Any, Any, int], int] = {}

    def bytes_of(variable: Any) -> int:
        size = known.get(variable)
        if size is None:
            aval = variable.aval
            spec = held.get(variable, _WHOLE)  # without one is a constant or a body's argument
            key = (getattr(aval, "shape", None), getattr(aval, "dtype", None), id(spec))
            if key not in alike:
                alike[key] = on_device(aval, spec, program.sizes)
            size = known[variable] = alike[key]
        return size

    return program.life.peak(bytes_of)
