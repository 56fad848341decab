"""Estimates from jaxprs how many bytes values and programs need, and finds what cannot fit.

Only what certainly does not fit is refused; otherwise JAX raises its own error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from jaxtui.engine_base import devices
from jaxtui.engine_base.failures import is_users
from jaxtui.session.field_path import PROGRAM, FieldPath
from jaxtui.text import quantities

# Bytes that are free wherever JAX runs. Finding out how much memory is free takes 2 ms.
NEGLIGIBLE = 4 * 1024 * 1024
# Two calls on the same line of the user's are told apart by this many frames below it.
_CALL_DEPTH = 2


def shortage(needs: Iterable[tuple[int, FieldPath]]) -> tuple[FieldPath, str] | None:
    """The first of `needs` (bytes, field) that exceeds the free memory, as (field, message)."""
    large = [(needed, field) for needed, field in needs if needed > NEGLIGIBLE]
    available = devices.available_memory() if large else None
    for needed, field in large:
        if available is not None and needed > available:
            free = quantities.size(available)
            return field, f"needs {quantities.size(needed)} of memory; {free} is free"
    return None


def bytes_of(leaves: Iterable[Any]) -> int:
    """Bytes of all `leaves` that have a dtype: arrays and abstract arrays."""
    return sum(byte_size(leaf) for leaf in leaves if hasattr(leaf, "dtype"))


def byte_size(aval: Any) -> int:
    """Bytes of an array of `aval`'s shape and dtype; of PRNG keys, bytes of their data."""
    count = int(np.prod(aval.shape, dtype=object)) if aval.shape else 1
    return count * int(getattr(aval.dtype, "itemsize", 4))


def peak_bytes(jaxpr: Any) -> int:
    """The most bytes that one call creates when the open `jaxpr` is run call by call.

    Intermediates inside a jitted call do not count: XLA fuses them. Much of jax.numpy is jitted
    inline and leaves no call in the jaxpr, so all equations that stem from one call on the user's
    line are taken as one.
    """
    peak = max((sum(map(_variable_bytes, e.outvars)) for e in jaxpr.eqns), default=0)
    if peak <= NEGLIGIBLE:
        return peak
    calls = [list(call) for _, call in groupby(jaxpr.eqns, _call)]
    last_use = {id(v): i for i, call in enumerate(calls) for e in call for v in e.invars}
    last_use |= {id(v): len(calls) for v in jaxpr.outvars}
    return max(_output_bytes(call, i, last_use) for i, call in enumerate(calls))


def _output_bytes(call: Sequence[Any], index: int, last_use: dict[int, int]) -> int:
    """Bytes of the results of call `index` that later calls use."""
    made = (variable for equation in call for variable in equation.outvars)
    return sum(_variable_bytes(v) for v in made if last_use.get(id(v), -1) > index)


def _call(equation: Any) -> Any:
    """A key for the call that an equation stems from: the user's line and the frames below it."""
    traceback = equation.source_info.traceback
    if traceback is None:
        return id(equation)
    frames = [(f.file_name, f.function_name, f.line_num) for f in traceback.frames]
    for depth, (file, _, _) in enumerate(frames):
        if is_users(file):
            below = frames[max(depth - _CALL_DEPTH, 0) : depth]
            return frames[depth], [(file, function) for file, function, _ in below]
    return id(equation)


def _variable_bytes(variable: Any) -> int:
    aval = getattr(variable, "aval", None)
    return byte_size(aval) if aval is not None and hasattr(aval, "dtype") else 0


def needs(
    values: Sequence[tuple[int, int, FieldPath]], jaxpr: Any
) -> Iterator[tuple[int, FieldPath]]:
    """Yield (bytes, field) for each value, then for the program as a whole.

    `values` are (size, peak while it is computed, field), both in bytes; `jaxpr` is the program's
    closed jaxpr or None. Arguments come first because one that does not fit by itself is the better
    explanation.
    """
    for size, peak, field in values:
        yield max(size, peak), field
    if jaxpr is not None:
        inputs = sum(size for size, _, _ in values)
        yield inputs + max(bytes_of(jaxpr.out_avals), peak_bytes(jaxpr.jaxpr)), PROGRAM
