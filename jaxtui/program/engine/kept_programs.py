"""Keeps the compiled programs of the last runs: to run the same program again compiles nothing.

Every run evaluates the source and traces its function anew. If this gives what it gave for a kept
program, then that is called, as a script calls its jitted function a second time. A source whose
function depends on more than its text (a clock, a file, a counter) gives another program each time.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

import jax
import msgspec
import numpy as np
from jax import tree_util

from jaxtui.engine_base import lockstep, memory, processes
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.jaxprs import walk
from jaxtui.program.engine import pmaps
from jaxtui.program.engine.expressions import as_struct
from jaxtui.program.engine.prepared import Prepared
from jaxtui.program.engine.tracing import Recorder
from jaxtui.wire.report import Flow

MOST = 8  # programs
LARGEST = 1 << 20  # bytes of arrays that the names of a kept source may hold

_KNOWN = (jax.ShapeDtypeStruct, np.ndarray, np.generic, bool, int, float, complex)


class KeptProgram:
    """A program whose outermost layer is compiled, as one run left it."""

    def __init__(
        self, prepared: Prepared, recorder: Recorder, functions: list[pmaps.Function | None]
    ) -> None:
        """`functions` are those that the program gave to pmap; they are freed with it."""
        self.prepared = prepared
        self.recorder = recorder
        self.functions = functions
        self.proven = False  # whether the function as it was called has been traced once more


_kept: OrderedDict[Hashable, KeptProgram] = OrderedDict()


def find(identity: Hashable) -> KeptProgram | None:
    """The kept program of this `identity`; None if there is none."""
    found = _kept.get(identity) if identity is not None else None
    if found is not None:
        _kept.move_to_end(identity)
    return found


def keep(identity: Hashable, program: KeptProgram) -> None:
    """Keep `program` in place of the one that was not used for longest."""
    drop(identity)
    _kept[identity] = program
    if len(_kept) > MOST:
        drop(next(iter(_kept)))


def drop(identity: Hashable) -> None:
    """Free the kept program of this `identity`, if there is one."""
    program = _kept.pop(identity, None)
    if program is not None:
        pmaps.forget(program.functions)


def identity(prepared: Prepared, jaxpr: Any, flow: Flow, values: list[Any]) -> Hashable:
    """What makes two programs the same to the last bit; None for one that is not kept.

    `jaxpr` and `flow` are what tracing gave, and `values` the arguments' pytrees that were traced.
    """
    compiled = bool(prepared.layers) and prepared.layers[-1].kind.compiles
    if jaxpr is None or not compiled or processes.several() or _calls_python(jaxpr):
        return None
    leaves, tree = tree_util.tree_flatten(values)
    if not all(isinstance(leaf, _KNOWN) for leaf in leaves):
        return None
    program = prepared.composition.program
    arguments = [msgspec.structs.replace(a, value="") for a in program.arguments]
    program = msgspec.structs.replace(program, arguments=arguments)
    composition = msgspec.structs.replace(prepared.composition, program=program)
    try:
        if _held_bytes(prepared) > LARGEST:
            return None
        return (
            msgspec.json.encode((composition, flow)),
            prepared.known.place,
            tree,
            tuple(_kind(leaf) for leaf in leaves),
            _digest(jaxpr),
        )
    except Exception:  # what cannot be lowered or flattened is run anew, and reported then
        return None


def _calls_python(jaxpr: Any) -> bool:
    """Whether running the program calls back into Python, or has another effect."""
    names = (equation.primitive.name for equations, _ in walk(jaxpr) for equation in equations)
    return bool(jaxpr.effects) or any("callback" in name for name in names)


def _held_bytes(prepared: Prepared) -> int:
    leaves = tree_util.tree_leaves(list(prepared.known.source.values()))
    return memory.bytes_of(leaf for leaf in leaves if is_array(leaf))


def _kind(leaf: Any) -> Hashable:
    if isinstance(leaf, jax.ShapeDtypeStruct):
        return leaf.shape, str(leaf.dtype), bool(leaf.weak_type), leaf.sharding
    return type(leaf).__name__, np.shape(leaf), str(np.result_type(leaf))


def _digest(jaxpr: Any) -> str:
    """A digest of what the jaxpr lowers to, and of the arrays that it closes over."""
    from jax.extend.core import Literal, jaxpr_as_fun  # 12 ms, which not every engine needs

    structs = [as_struct(aval) for aval in jaxpr.in_avals]
    text = jax.jit(jaxpr_as_fun(jaxpr)).lower(*structs).as_text()
    # Newer JAX passes large constants as arguments: the text does not hold them.
    constants: list[Any] = []
    for equations, closed_over in walk(jaxpr):
        constants += closed_over
        constants += (v.val for e in equations for v in e.invars if isinstance(v, Literal))
    return hashlib.sha256(f"{text}{lockstep.of_values(constants)}".encode()).hexdigest()
