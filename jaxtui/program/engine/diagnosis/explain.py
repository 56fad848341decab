"""A failure in the user's terms: the field at fault, plain words, fixes that can be applied.

The inputs of a call are only checked after JAX has refused it, to say why. The exceptions are
calls to which JAX silently returns a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import tree_util
from msgspec.structs import replace

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array, prefix_leaves, readable
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine.diagnosis import (
    argument_placed,
    devices_in_jit,
    explicit,
    remedies,
    returned,
    varying,
)
from jaxtui.program.engine.diagnosis.calls import short
from jaxtui.program.engine.diagnosis.inputs import explain_inputs
from jaxtui.program.engine.diagnosis.more_layers import one_more_vmap, static
from jaxtui.program.engine.diagnosis.outputs import explain_outputs, plainly, refuse_shardings
from jaxtui.program.engine.diagnosis.source_edits import place_of
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.suggestions import traces, working_axes
from jaxtui.program.engine.tracing import Recorder
from jaxtui.results.engine.blocks import Block, Index, ends_of
from jaxtui.results.engine.gathering import Gathered
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FUNCTION, PROGRAM, SOURCE, FieldPath

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared

# What JAX says of the function, or of its own rules for derivatives, once it has returned.
_OF_THE_FUNCTION = re.compile(
    r"Custom (VJP|JVP)|Reverse-mode differentiation does not work for|Pure callbacks do not support"
)
# Larger outputs are compared between devices by their first elements only.
COMPARED_ELEMENTS = 1_000_000


def explain(error: BaseException, recorder: Recorder, prepared: Prepared) -> Diagnosis:
    """The diagnosis of what the recorded program raised."""
    found = _explained(error, recorder, prepared)
    remedy = remedies.line(error)
    if not remedy or type(error).__name__ not in found.message:
        return found
    return replace(found, message=f"{found.message.rstrip('.')}. {remedy}")


def _explained(error: BaseException, recorder: Recorder, prepared: Prepared) -> Diagnosis:
    if failures.out_of_memory(error):
        return Diagnosis(kind="memory", field=PROGRAM, message=failures.describe(error))
    callback = failures.callback_diagnosis(error, _code_field(prepared))
    if callback is not None:
        return callback
    level = recorder.failed_level
    if level is None:
        field = _code_field(prepared) if remedies.line(error) else PROGRAM
        return Diagnosis(kind="runtime", field=field, message=failures.describe(error))
    layer = recorder.layer_under(level)
    if layer is None:
        return _explain_function(error, recorder, prepared)
    if not layer.kind.home:
        return failures.raised_diagnosis(error, "function", layer.field(layer.kind.needs))
    if layer.kind.differentiates and _OF_THE_FUNCTION.match(str(error)):
        return failures.raised_diagnosis(error, "function", _code_field(prepared))
    inner = recorder.recordings[level + 1]
    try:
        given = recorder.recordings[level].args or ()
        refuse_shardings(layer, "in_shardings", "argument ", given, prepared)
    except Diagnosed as refused:
        return refused.diagnosis
    if inner.args is None:
        explained = (
            _nested(error, layer, recorder)
            or explain_inputs(layer, recorder, prepared)
            or _only_under_jit(error, layer)
        )
        if explained is not None:
            return explained
        name = _named_field(error, layer)
        return plainly(error, layer, name, working_axes(layer, recorder, name))
    if inner.left:
        if (found := returned.explain(layer, recorder, prepared, inner.output)) is not None:
            return found
        if (found := argument_placed.explain(error, layer, prepared)) is not None:
            return found
        one_set = layer.kind.compiles and not layer.kind.over_devices
        if one_set and (found := devices_in_jit.explain(layer, recorder, prepared)) is not None:
            return found
        try:
            return explain_outputs(error, layer, recorder, prepared)
        except Diagnosed as refused:
            return refused.diagnosis
    return plainly(error, layer, layer.kind.input_field, [])


def _nested(error: BaseException, layer: BuiltLayer, recorder: Recorder) -> Diagnosis | None:
    """The failure of a layer whose devices are already taken by one further out."""
    outer = [x for x in recorder.layers[layer.index + 1 :] if x.kind.over_devices]
    if not layer.kind.over_devices or not outer or "context mesh" not in str(error):
        return None
    message = (
        f"JAX {jax.__version__} takes no {layer.transform} inside a {outer[0].transform}, which "
        f"has the devices already"
    )
    return layer.fault("", message)


def _only_under_jit(error: BaseException, layer: BuiltLayer) -> Diagnosis | None:
    """The failure of a shard_map over some axes, which JAX before 0.7 raises without a message."""
    if not isinstance(error, NotImplementedError) or "axis_names" not in layer.settings:
        return None
    message = (
        f"JAX {jax.__version__} runs a shard_map over some of the mesh's axes only inside a jit"
    )
    return layer.fault("axis_names", message, kind="unsupported")


def _named_field(error: BaseException, layer: BuiltLayer) -> str:
    """The field that JAX's message names, else the one that says how inputs are mapped."""
    message = failures.describe(error)
    named = [name for name in layer.settings if name in message]
    return named[0] if named else layer.kind.input_field


def _explain_function(error: BaseException, recorder: Recorder, prepared: Prepared) -> Diagnosis:
    """What the user's function raised, with what would prevent it: axes, a name, an edit."""
    if (refused := explicit.explain(error, prepared)) is not None:
        return refused
    found = failures.raised_diagnosis(error, "function", _code_field(prepared))
    message = found.message
    if (words := remedies.plainly(error)) is not None:
        line = failures.source_line(error)
        message = words if line is None else f"line {line}: {words}"
    fixes = [
        *_edits(error, prepared),
        *one_more_vmap(error, recorder, prepared),
        *static(error, recorder),
    ]
    advice = ""
    if isinstance(error, NameError) and "unbound axis name" in str(error):
        fixes = _name_an_axis(str(error), recorder)
        message = message.rstrip(".")
        advice = ". No layer gives its axis this name"
    elif isinstance(error, AssertionError | KeyError) and failures.left_unsaid(error):
        advice = _axes_in_reach(recorder)
    elif isinstance(error, NotImplementedError) and failures.left_unsaid(error):
        advice, fixes = _without_check(recorder)
    elif isinstance(error, TypeError | ValueError) and not isinstance(
        error, jax.errors.TracerBoolConversionError
    ):
        innermost = next((x for x in recorder.layers if x.kind.maps), None)
        # No axes mend what only fails in a run, such as operands on different devices.
        if innermost is not None and not traces(innermost, recorder):
            fixes += working_axes(innermost, recorder, "in_axes")
    return replace(found, message=message + advice, fixes=fixes)


def _edits(error: BaseException, prepared: Prepared) -> list[Fix]:
    """Changes of the source that may mend what JAX refused in it."""
    place = place_of(error, prepared.composition.program.source)
    if place is None:
        return []
    return [*varying.fixes(place, str(error)), *remedies.fixes(error, place)]


def _code_field(prepared: Prepared) -> FieldPath:
    return FUNCTION if ":" in prepared.composition.program.function else SOURCE


def _without_check(recorder: Recorder) -> tuple[str, list[Fix]]:
    """What to say and to try where JAX lacks something and does not say what."""
    said = f", raised within JAX {jax.__version__}, which does not say what it lacks"
    for layer in recorder.layers:
        checks = "check_vma" in layer.kind.fields()
        if checks and layer.settings.get("check_vma") is not False:
            said += (
                ": check_vma, the check of what differs between devices, does not know all "
                "operations"
            )
            return said, [layer.fix("check_vma", "False", "without the check")]
    return said, []


def _axes_in_reach(recorder: Recorder) -> str:
    """The named axes, for a failure that JAX raises without a message."""
    names = []
    for layer in recorder.layers:
        if layer.kind.divides:
            names += [repr(name) for name in layer.devices.mesh.axis_names]
        elif layer.settings.get("axis_name") is not None:
            names.append(repr(layer.settings["axis_name"]))
    said = ", raised within JAX, which does not say why"
    return said + (f"; the axes that have a name here: {', '.join(names)}" if names else "")


def _name_an_axis(message: str, recorder: Recorder) -> list[Fix]:
    name = message.partition("unbound axis name:")[2].split(".")[0].strip().strip("'\"`")
    if not name.isidentifier():
        return []
    return [
        layer.fix("axis_name", name, f"name the axis of {layer.transform} {name}")
        for layer in recorder.layers
        if layer.kind.maps
    ]


def refuse_misplaced_outputs(recorder: Recorder) -> None:
    """Raise Diagnosed where a pmap put its axis elsewhere than its out_axes say.

    Releases of JAX whose pmap is built on shard_map do so for a negative out_axes.
    """
    for level, layer in enumerate(reversed(recorder.layers)):
        seen = recorder.recordings[level]
        if not layer.kind.maps_over_devices or not seen.left:
            continue
        outer = tree_util.tree_leaves(seen.output)
        inner = tree_util.tree_leaves(recorder.recordings[level + 1].output)
        axes = prefix_leaves(layer.settings.get("out_axes", 0), seen.output)
        for axis, out, leaf in zip(axes, outer, inner, strict=True):
            if not isinstance(axis, int) or axis >= 0 or not is_array(leaf):
                continue
            place = axis + len(leaf.shape) + 1
            size = recorder.flow().levels[level + 1].size
            if tuple(out.shape) != (*leaf.shape[:place], size, *leaf.shape[place:]):
                message = (
                    f"pmap of JAX {jax.__version__} misplaces a negative out_axes: it would give "
                    f"{short(out)} for {short(leaf)} on each of {size} devices"
                )
                found = layer.fault("out_axes", message, [layer.fix("out_axes", str(place))])
                raise Diagnosed(found, recorder.flow())


def refuse_differing_copies(recorder: Recorder, leaves: Sequence[tuple[str, Any]]) -> None:
    """Raise Diagnosed where an output is declared the same on all devices, but differs.

    `leaves` are those of the output: (keystr path, value).
    """
    layer = recorder.layers[-1] if recorder.layers else None
    while layer is not None and layer.kind.returns_alike and layer.index:
        layer = recorder.layers[layer.index - 1]
    if layer is None or not _may_differ(layer):
        return
    name = layer.kind.output_field
    for path, leaf in leaves:
        if isinstance(leaf, jax.Array | Gathered) and (pair := _differing_devices(leaf)):
            what = path or "the output"
            message = (
                f"{what} is declared the same on every device ({name} "
                f"{layer.settings[name]!r}), but devices {pair[0]} and {pair[1]} hold "
                f"different values: JAX would silently return device {pair[0]}'s"
            )
            fixes = [layer.fix(name, "0")] if layer.kind.maps else []
            raise Diagnosed(layer.fault(name, message, fixes), recorder.flow())


def _may_differ(layer: BuiltLayer) -> bool:
    """Whether the layer declares outputs the same on all devices and JAX does not check it."""
    if layer.kind.maps_over_devices:
        axes = layer.settings.get("out_axes", 0)
        return None in tree_util.tree_leaves(axes, is_leaf=lambda x: x is None)
    return layer.kind.divides and layer.settings.get("check_vma") is False


def _differing_devices(array: jax.Array | Gathered) -> tuple[Any, Any] | None:
    """Two devices that hold the same part of `array` with different bytes."""
    blocks: Sequence[Block]
    if isinstance(array, Gathered):
        blocks = array.blocks
    else:
        shards = readable(array).addressable_shards
        blocks = [Block(s.device.id, ends_of(s.index, array.shape), s.data) for s in shards]
    first: dict[Index, tuple[Any, np.ndarray]] = {}
    for block in blocks:
        data = block.leading(COMPARED_ELEMENTS)
        device, reference = first.setdefault(block.index, (block.device, data))
        if data.tobytes() != reference.tobytes():
            return device, block.device
    return None
