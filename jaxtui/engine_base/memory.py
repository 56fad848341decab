"""How many bytes values and programs ask for, foretold from their jaxprs, and what is too much.

Only what is sure not to fit is refused: JAX's own error is there for the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from jaxtui.engine_base import devices
from jaxtui.engine_base.failures import is_users
from jaxtui.text import quantities

# Less than this is there wherever JAX runs; asking how much is free takes 2 ms.
NEGLIGIBLE = 4 * 1024 * 1024  # bytes
# How many frames below the user's tell one of their calls from another on the same line.
_CALL_DEPTH = 2


def shortage(needs: Iterable[tuple[int, str]]) -> tuple[str, str] | None:
    """The field of the first of `needs` (bytes, field) that is more than is free, and the words."""
    large = [(needed, field) for needed, field in needs if needed > NEGLIGIBLE]
    available = devices.available_memory() if large else None
    for needed, field in large:
        if available is not None and needed > available:
            free = quantities.size(available)
            return field, f"needs {quantities.size(needed)} of memory; {free} is free"
    return None


def bytes_of(leaves: Iterable[Any]) -> int:
    """Bytes of those of `leaves` that are arrays or shapes of arrays."""
    return sum(byte_size(leaf) for leaf in leaves if hasattr(leaf, "dtype"))


def byte_size(aval: Any) -> int:
    """Bytes of an array of `aval`'s shape and dtype (key dtypes count their data)."""
    count = int(np.prod(aval.shape, dtype=object)) if aval.shape else 1
    return count * int(getattr(aval.dtype, "itemsize", 4))


def peak_bytes(jaxpr: Any) -> int:
    """Bytes of the largest array that running the open `jaxpr` one call at a time makes.

    What stays inside a jitted call is left out: XLA fuses it. Much of jax.numpy is jitted inline
    and leaves no call in the jaxpr, so what one call on the user's line made counts as one.
    """
    peak = max((_made_by(equation) for equation in jaxpr.eqns), default=0)
    if peak <= NEGLIGIBLE:
        return peak
    calls = [list(call) for _, call in groupby(jaxpr.eqns, _call)]
    last_use = {id(v): i for i, call in enumerate(calls) for e in call for v in e.invars}
    last_use |= {id(v): len(calls) for v in jaxpr.outvars}
    return max(_leaving(call, i, last_use) for i, call in enumerate(calls))


def _made_by(equation: Any) -> int:
    return sum(_variable_bytes(variable) for variable in equation.outvars)


def _leaving(call: Sequence[Any], place: int, last_use: dict[int, int]) -> int:
    """Bytes of what the equations of one call make for others to use."""
    made = (variable for equation in call for variable in equation.outvars)
    return sum(_variable_bytes(v) for v in made if last_use.get(id(v), -1) > place)


def _call(equation: Any) -> Any:
    """What tells the call that made an equation: the user's line and the frames right below it."""
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


def needs(values: Sequence[tuple[int, int, str]], jaxpr: Any) -> Iterator[tuple[int, str]]:
    """How many bytes each field asks for, the program as a whole last.

    `values` are (size, peak while it is computed, field); `jaxpr` is the program's, or None. An
    argument that is too much alone says more than the whole program, so arguments come first.
    """
    for size, peak, field in values:
        yield max(size, peak), field
    if jaxpr is not None:
        inputs = sum(size for size, _, _ in values)
        yield inputs + max(bytes_of(jaxpr.out_avals), peak_bytes(jaxpr.jaxpr)), "program"
