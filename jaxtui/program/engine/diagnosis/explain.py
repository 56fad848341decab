"""A failure in the user's terms: the field at fault, plain words, fixes that can be applied.

The inputs of a call are only checked after JAX has refused it, to say why. The exceptions are
calls to which JAX silently returns a wrong answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import PartitionSpec
from msgspec.structs import replace

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array, prefix_leaves, readable, shape_of
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine.diagnosis import explicit, returned
from jaxtui.program.engine.diagnosis.calls import short
from jaxtui.program.engine.diagnosis.inputs import explain_inputs
from jaxtui.program.engine.layer_settings import divided_over_all
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.suggestions import traces, working_axes
from jaxtui.program.engine.tracing import Recorder, leaves_with_paths
from jaxtui.results.engine.gathering import Gathered
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import FUNCTION, PROGRAM, SOURCE, FieldPath

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared

# Larger outputs are compared between devices by their first elements only.
COMPARED_ELEMENTS = 1_000_000


def explain(error: BaseException, recorder: Recorder, prepared: Prepared) -> Diagnosis:
    """The diagnosis of what the recorded program raised."""
    if failures.out_of_memory(error):
        return Diagnosis(kind="memory", field=PROGRAM, message=failures.describe(error))
    callback = failures.callback_diagnosis(error, _code_field(prepared))
    if callback is not None:
        return callback
    level = recorder.failed_level
    if level is None:
        return Diagnosis(kind="runtime", field=PROGRAM, message=failures.describe(error))
    layer = recorder.layer_under(level)
    if layer is None:
        return _explain_function(error, recorder, prepared)
    if not layer.kind.home:
        return failures.raised_diagnosis(error, "function", layer.field(layer.kind.needs))
    inner = recorder.recordings[level + 1]
    if inner.args is None:
        explained = (
            _nested(error, layer, recorder)
            or explain_inputs(layer, recorder, prepared)
            or _only_under_jit(error, layer)
        )
        if explained is not None:
            return explained
        name = _named_field(error, layer)
        return _plain(error, layer, name, working_axes(layer, recorder, name))
    if inner.left:
        found = returned.explain(layer, recorder, prepared, inner.output)
        return found or _explain_outputs(error, layer, recorder, level)
    return _plain(error, layer, layer.kind.input_field, [])


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


def _plain(error: BaseException, layer: BuiltLayer, name: str, fixes: list[Fix]) -> Diagnosis:
    """JAX's own message, at the layer's field `name`."""
    kind: Kind = "runtime" if isinstance(error, jax.errors.JaxRuntimeError) else "axes"
    fixes = [*fixes, *_advised(error, layer)]
    return layer.fault(name, failures.describe(error), fixes, kind)


def _advised(error: BaseException, layer: BuiltLayer) -> list[Fix]:
    """The settings of the layer that JAX's message says to pass, such as holomorphic=True."""
    return [
        layer.fix(name, value)
        for name, value in re.findall(r"\bpass (\w+)=(\w+)", str(error))
        if name in layer.kind.fields()
    ]


def _explain_function(error: BaseException, recorder: Recorder, prepared: Prepared) -> Diagnosis:
    """What the user's function raised, with the axes or axis name that would prevent it."""
    if (refused := explicit.explain(error, prepared)) is not None:
        return refused
    found = failures.raised_diagnosis(error, "function", _code_field(prepared))
    message = found.message
    fixes: list[Fix] = []
    advice = ""
    if isinstance(error, NameError) and "unbound axis name" in str(error):
        fixes = _name_an_axis(str(error), recorder)
        message = message.rstrip(".")
        advice = ". No layer gives its axis this name"
    elif isinstance(error, jax.errors.TracerBoolConversionError):
        advice = (
            " Under vmap, jit and pmap a branch cannot look at a value: choose with jnp.where or "
            "lax.cond"
        )
    elif isinstance(error, AssertionError | KeyError) and failures.left_unsaid(error):
        advice = _axes_in_reach(recorder)
    elif isinstance(error, NotImplementedError) and failures.left_unsaid(error):
        advice, fixes = _without_check(recorder)
    elif isinstance(error, TypeError | ValueError):
        innermost = next((x for x in recorder.layers if x.kind.maps), None)
        # No axes mend what only fails in a run, such as operands on different devices.
        if innermost is not None and not traces(innermost, recorder):
            fixes = working_axes(innermost, recorder, "in_axes")
    return replace(found, message=message + advice, fixes=fixes)


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


def _explain_outputs(
    error: BaseException, layer: BuiltLayer, recorder: Recorder, level: int
) -> Diagnosis:
    """Why `layer` failed on what the function it wraps returned."""
    output = recorder.recordings[level + 1].output
    if layer.kind.differentiates and not layer.kind.auxiliary_last:
        return _explain_differentiated(error, layer, output)
    name = layer.kind.output_field
    fixes = working_axes(layer, recorder, name) if name else []
    found = _plain(error, layer, name, fixes)
    if layer.kind.maps and found.kind == "axes":
        size = layer.settings.get("axis_size")
        if isinstance(size, int) and size < 0:
            message = f"axis_size is the number of examples: there cannot be {size}"
            return layer.fault("axis_size", message)
        if explained := _out_axes_message(layer, output):
            return layer.fault(name, explained, fixes)
    if "out_specs" in layer.settings and "require replication" in str(error):
        return _explain_replication(error, layer)
    return found


def _explain_replication(error: BaseException, layer: BuiltLayer) -> Diagnosis:
    # JAX names the spec in the third paragraph of five.
    said = [" ".join(p.split()) for p in str(error).split("\n\n") if p.startswith("out_specs")]
    which = f": {failures.plain(said[0])[:500]}" if said else ""
    message = (
        f"out_specs says that an output is the same on devices where JAX sees that it may "
        f"differ{which}. Make it the same (lax.psum), or divide it"
    )
    fixes = []
    if isinstance(layer.settings["out_specs"], PartitionSpec):
        fixes = [divided_over_all(layer.field("out_specs"), layer.devices)]
    return layer.fault("out_specs", message, fixes)


def _explain_differentiated(error: BaseException, layer: BuiltLayer, output: Any) -> Diagnosis:
    """Why the output cannot be differentiated: it holds no floats, or is no pair for has_aux."""
    floats = "one float" if layer.kind.of_scalar else "floats"
    leaves = tree_util.tree_leaves(output)
    name = ""
    fixes: list[Fix] = []
    if layer.settings.get("has_aux"):
        if not isinstance(output, tuple) or len(output) != 2:
            name = "has_aux"
            if tree_util.treedef_is_leaf(tree_util.tree_structure(output)):
                fixes = [layer.fix("has_aux", "", "without has_aux")]
            wanted = "a function that returns a pair, the value and the rest; has_aux says so"
        else:
            wanted, leaves = f"a pair whose first is {floats}", tree_util.tree_leaves(output[0])
    else:
        wanted = f"a function that returns {floats}"
        if isinstance(output, tuple) and len(output) == 2:
            label = "has_aux: the second is not differentiated"
            fixes = [layer.fix("has_aux", "True", label)]
    if not name and _as_wanted(leaves, layer):
        said = failures.describe(error)
        return _plain(error, layer, next((x for x in layer.settings if f"{x}=" in said), ""), [])
    shapes = ", ".join(short(leaf) for leaf in leaves) or "None"
    message = f"{layer.transform} needs {wanted}; this one returns {shapes}"
    return layer.fault(name, message, [*fixes, *_advised(error, layer)])


def _as_wanted(leaves: Sequence[Any], layer: BuiltLayer) -> bool:
    """Whether `layer` can differentiate the leaves, by their shapes and dtypes."""
    if layer.kind.of_scalar and [shape_of(leaf) for leaf in leaves] != [()]:
        return False
    return all(is_array(leaf) and jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves)


def _out_axes_message(layer: BuiltLayer, output: Any) -> str:
    axes = layer.settings.get("out_axes", 0)
    try:
        entries = prefix_leaves(axes, output)
    except (ValueError, TypeError):
        structure = tree_util.tree_structure(output)
        return f"out_axes {axes!r} does not fit what the function returns: {structure}"
    for axis, leaf in zip(entries, tree_util.tree_leaves(output), strict=True):
        rank = len(shape_of(leaf))
        if isinstance(axis, int) and axis < 0 and layer.kind.over_devices:
            return f"pmap of JAX {jax.__version__} takes no negative out_axes: 0 to {rank} fit"
        if isinstance(axis, int) and not -rank - 1 <= axis <= rank:
            return f"an output of {short(leaf)} has no place for a new axis {axis}: 0 to {rank} fit"
    if None in entries:
        leaves = zip(entries, leaves_with_paths(output), strict=True)
        unmapped = [path for axis, (path, _) in leaves if axis is None]
        what = unmapped[0] if len(unmapped) == 1 and unmapped[0] else "the output"
        return f"out_axes None means that {what} is the same for every example, but it is mapped"
    return ""


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


def _differing_devices(array: jax.Array | Gathered) -> tuple[int, int] | None:
    """Two devices that hold the same part of `array` with different bytes."""
    blocks: list[tuple[Any, Any, Any]]  # index, device, data
    if isinstance(array, Gathered):
        blocks = [(b.index, b.device, b.data) for b in array.blocks]
    else:
        shards = readable(array).addressable_shards
        blocks = [(shard.index, shard.device.id, shard.data) for shard in shards]
    first: dict[str, tuple[int, np.ndarray]] = {}
    for index, holder, block in blocks:
        data = _leading(block)
        device, reference = first.setdefault(str(index), (holder, data))
        if data.tobytes() != reference.tobytes():
            return device, holder
    return None


def _leading(block: Any) -> np.ndarray:
    if block.size > COMPARED_ELEMENTS:
        block = block.reshape(-1)[:COMPARED_ELEMENTS]
    return np.asarray(block)
