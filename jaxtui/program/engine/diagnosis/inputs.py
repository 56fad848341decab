"""Why a layer refused its inputs, found by checking them the way the layer does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
from jax import tree_util

from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine.diagnosis import returned
from jaxtui.program.engine.diagnosis.calls import Call
from jaxtui.program.engine.diagnosis.mapping import MappingCall
from jaxtui.program.engine.diagnosis.specs import ShardMapCall, SmapCall
from jaxtui.program.engine.mapped_axes import axis_size
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.text.quantities import counted

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


def explain_inputs(layer: BuiltLayer, recorder: Recorder, prepared: Prepared) -> Diagnosis | None:
    """Why a call of `layer` failed before the layer called what it wraps; None if unknown."""
    kind: type[Call] = Call
    if (further := returned.call_of(layer)) is not None:
        kind = further
    elif layer.kind.maps:
        kind = MappingCall
    elif layer.kind.in_mesh:
        kind = SmapCall
    elif layer.kind.divides:
        kind = ShardMapCall
    elif layer.kind.differentiates:
        kind = GradCall
    return kind(layer, recorder, prepared).explain()


def refuse_too_few_devices(recorder: Recorder, prepared: Prepared) -> None:
    """Raise Diagnosed where a pmap needs more devices than there are.

    Releases of JAX before 0.8 trace such a program and fail only when they compile it.
    """
    taken = 1
    for level, layer in enumerate(reversed(recorder.layers)):
        if layer.kind.maps_over_devices and recorder.recordings[level].args is not None:
            call = MappingCall(layer, recorder, prepared)
            taken *= axis_size(layer, call.args, call.kwargs) or 1
            found = call.devices() or _too_many_together(call, taken)
            if found is not None:
                raise Diagnosed(found, recorder.flow())


def _too_many_together(call: MappingCall, taken: int) -> Diagnosis | None:
    # Releases of JAX before 0.8 accept a pmap inside a pmap, with a device for each pair.
    count = len(call.layer.devices.devices)
    if taken <= count:
        return None
    message = f"pmap inside pmap takes {taken} devices in all, and there are {count}"
    return call.layer.fault("in_axes", message, kind="devices")


class GradCall(Call):
    """A call to a layer that differentiates."""

    def explain(self) -> Diagnosis | None:
        argnums = self.layer.settings.get("argnums", 0)
        if type(argnums) is not int and not isinstance(argnums, tuple | list):
            what = type(argnums).__name__
            return self._argnums(f"argnums is an int or a tuple of ints; this is a {what}")
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        have = counted(len(self.args), "argument")
        for number in numbers:
            if type(number) is not int or not -len(self.args) <= number < len(self.args):
                return self._argnums(f"there is no argument {number}: {have}")
        positions = {n % len(self.args) for n in numbers}
        for name, position, leaf in self.leaves():
            if position in positions and not _differentiable(leaf):
                return self._not_differentiable(name, position, leaf)
        return None

    def _argnums(self, message: str) -> Diagnosis:
        return self.layer.fault("argnums", message, self._other_argnums(-1))

    def _not_differentiable(self, name: str, position: int, leaf: Any) -> Diagnosis:
        dtype = leaf.dtype if is_array(leaf) else None
        fixes: list[Fix] = []
        if leaf is not self.args[position]:
            pass  # a leaf of a pytree has no text of its own to change
        elif dtype is not None and jnp.issubdtype(dtype, jnp.number):
            fixes = self.value_fix(position, "as float32", "{}.astype('float32')")
        elif isinstance(leaf, int):
            fixes = self.value_fix(position, "as a float", "float{}")
        message = (
            f"{self.layer.transform} differentiates with respect to floats: {name} is "
            f"{type(leaf).__name__ if dtype is None else dtype}"
        )
        return self.layer.fault("argnums", message, fixes + self._other_argnums(position))

    def _other_argnums(self, wrong: int) -> list[Fix]:
        return [
            self.layer.fix("argnums", str(position))
            for position, arg in enumerate(self.args)
            if position != wrong and all(map(_differentiable, tree_util.tree_leaves(arg)))
        ][:2]


def _differentiable(leaf: Any) -> bool:
    dtype = leaf.dtype if is_array(leaf) else None
    if dtype is None:
        return isinstance(leaf, float | complex)
    return bool(jnp.issubdtype(dtype, jnp.inexact))
