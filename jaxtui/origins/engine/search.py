"""One program run with probes, in every process of the engine alike.

What is on devices of several processes is seen by a probe in each; the leader takes it together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.extend import core

from jaxtui.engine_base import lockstep
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.processes import Given
from jaxtui.origins.engine import probes
from jaxtui.origins.engine.probes import Body, Element, Reading
from jaxtui.program.engine import expressions, placing
from jaxtui.program.engine.evaluation import values_of
from jaxtui.program.engine.prepared import Prepared, prepare
from jaxtui.program.engine.tracing import leaves_with_paths, over_arrays
from jaxtui.results.engine.gathering import spread
from jaxtui.session.field_path import PROGRAM
from jaxtui.sharding.engine.lowering import calling
from jaxtui.sharding.engine.marking import Marked
from jaxtui.wire.base import Composition

MAKER = f"{__name__}:Search"
Turns = list[tuple[Any, ...]]  # what was read at each turn


@dataclass(frozen=True)
class Counted:
    """How many NaN and infinities there are among so many numbers."""

    nans: int
    infs: int
    numbers: int


@dataclass(frozen=True)
class Seen:
    """What the probes of one process saw of each body, and what is in the arrays as a whole.

    `apart`: the program computed on devices of several processes, each of which saw its own part.
    """

    bodies: list[list[np.ndarray[Any, Any]]]
    results: Counted
    given: list[tuple[str, Counted]]
    apart: bool


class Search:
    """One program with its arrays in one process, as it is run with probes."""

    def __init__(self) -> None:
        self.marked: Marked
        self.bodies: Sequence[Body] = ()

    def begin(self, composition: Composition) -> Given:
        """Compute the arguments; digests of them and of the program. Raises Diagnosed."""
        self._prepared = prepare(composition)
        with placing.on_device_set(self._prepared.devices):
            values = values_of(self._prepared, expressions.concrete_value)
            # Once they are placed, a process may hold none of them.
            digest = lockstep.of_values(values)
            self._place(values)
        return lockstep.of_program(self._closed), digest

    def _place(self, values: list[Any]) -> None:
        prepared = self._prepared
        placed = placing.placed(values, prepared)
        arguments = prepared.composition.program.arguments
        self._given = [
            (argument.name + path, leaf)
            for argument, value in zip(arguments, placed, strict=True)
            for path, leaf in leaves_with_paths(value)
        ]
        try:
            # A number in Python is computed with at once, where no probe sees it.
            self._closed, self._arrays = _traced(tree_util.tree_map(_as_array, placed), prepared)
        except Exception:  # what a number that is an array now led to
            self._closed, self._arrays = _traced(placed, prepared)

    def run(self) -> Seen:
        """Run with a probe of every value."""
        with placing.on_device_set(self._prepared.devices):
            self.marked, self.bodies = probes.probed(self._closed)
            results = self._run(self.marked.closed)
            return Seen(
                bodies=[[np.asarray(one) for one in body.seen] for body in self.bodies],
                results=_counted(results),
                given=[(path, _counted([leaf])) for path, leaf in self._given if is_array(leaf)],
                apart=any(map(spread, results)),
            )

    def read(self, elements: Sequence[Element]) -> list[Turns]:
        """Run again for elements of results, each with those of the operands beside it."""
        found: dict[Element, Turns] = {element: [] for element in elements}
        with placing.on_device_set(self._prepared.devices):
            self._run(Reading(found).program(self._closed).closed)
        return [found[element] for element in elements]

    def _run(self, closed: Any) -> list[Any]:
        jaxpr = closed.jaxpr
        whole = jaxpr.replace(constvars=(), invars=[*jaxpr.constvars, *jaxpr.invars])
        call = calling(core.ClosedJaxpr(whole, ()), self._prepared.devices.mesh)
        results = jax.jit(call)(*closed.consts, *self._arrays)
        jax.block_until_ready(results)
        jax.effects_barrier()
        return list(results)


def _number(total: jax.Array) -> int:
    """A number that all its devices have; 0 where none of them is this process' own."""
    held = total.addressable_shards
    return int(held[0].data) if held else 0


def _counted(arrays: Sequence[Any]) -> Counted:
    floats = [x for x in arrays if jnp.issubdtype(x.dtype, jnp.inexact)]
    return Counted(
        nans=sum(_number(jnp.isnan(x).sum()) for x in floats),
        infs=sum(_number(jnp.isinf(x).sum()) for x in floats),
        numbers=sum(x.size for x in floats),
    )


def _traced(values: list[Any], prepared: Prepared) -> tuple[Any, list[Any]]:
    """The program as a closed jaxpr, and the arrays that it takes. Raises Diagnosed."""
    leaves, tree = tree_util.tree_flatten(prepared.call(values))
    shapes = [expressions.as_struct(x) if is_array(x) else x for x in leaves]
    call, structs = over_arrays(
        prepared.recorder().program, *tree_util.tree_unflatten(tree, shapes)
    )
    try:
        closed = jax.make_jaxpr(call)(*structs)
    except expressions.CONCRETE_VALUE_NEEDED as error:
        message = "what this does depends on values, so that it cannot be run with probes"
        raise diagnosed("unsupported", PROGRAM, message) from error
    if any(e.primitive.name == "xla_pmap" for equations, _ in walk(closed) for e in equations):
        message = f"JAX {jax.__version__} does not let the body of a pmap be looked into"
        raise diagnosed("unsupported", PROGRAM, message)
    return closed, [leaf for leaf in leaves if is_array(leaf)]


def _as_array(leaf: Any) -> Any:
    return jnp.asarray(leaf) if type(leaf) in (float, complex) else leaf
