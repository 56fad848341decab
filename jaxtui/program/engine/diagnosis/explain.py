"""A failure put in the user's terms: the field at fault, plain words, fixes that can be applied.

JAX is always asked first. Only when it has refused a call are its inputs looked at, to say why.
The exceptions are the calls that JAX answers wrongly without a word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array, prefix_leaves, readable, shape_of
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine.diagnosis.calls import short
from jaxtui.program.engine.diagnosis.inputs import explain_inputs
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.suggestions import traces, working_axes
from jaxtui.program.engine.tracing import Recorder
from jaxtui.results.engine.gathering import Gathered
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FUNCTION, LAYERS, PROGRAM, SOURCE, FieldPath

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
    inner = recorder.recordings[level + 1]
    if inner.args is None:
        seen = recorder.recordings[level]
        explained = _nested(error, layer, recorder) or explain_inputs(
            layer, seen.args or (), seen.kwargs, recorder, prepared
        )
        explained = explained or _only_under_jit(error, layer)
        if explained is not None:
            return explained
        name = _named_field(error, layer)
        return _plain(error, layer, name, working_axes(layer, recorder, name))
    if inner.left:
        return _explain_outputs(error, layer, recorder, level)
    return _plain(error, layer, layer.kind.input_field, [])


def _nested(error: BaseException, layer: BuiltLayer, recorder: Recorder) -> Diagnosis | None:
    """Whether the devices are taken by a layer further out, which JAX puts in terms of meshes."""
    outer = [x for x in recorder.layers[layer.index + 1 :] if x.kind.over_devices]
    if not layer.kind.over_devices or not outer or "context mesh" not in str(error):
        return None
    message = (
        f"JAX {jax.__version__} takes no {layer.transform} inside a {outer[0].transform}, which "
        f"has the devices already"
    )
    return Diagnosis(kind="axes", field=LAYERS / layer.index, message=message)


def _only_under_jit(error: BaseException, layer: BuiltLayer) -> Diagnosis | None:
    """What releases of JAX before 0.7 refuse without a word."""
    if not isinstance(error, NotImplementedError) or "axis_names" not in layer.settings:
        return None
    message = (
        f"JAX {jax.__version__} runs a shard_map over some of the mesh's axes only inside a jit"
    )
    return Diagnosis(kind="unsupported", field=layer.field("axis_names"), message=message)


def _named_field(error: BaseException, layer: BuiltLayer) -> str:
    """The field that JAX's message speaks of, else the one that says how inputs are mapped."""
    message = failures.describe(error)
    named = [name for name in layer.settings if name in message]
    return named[0] if named else layer.kind.input_field


def _plain(error: BaseException, layer: BuiltLayer, name: str, fixes: list[Fix]) -> Diagnosis:
    """JAX's own words, at the layer's field."""
    return Diagnosis(
        kind="runtime" if isinstance(error, jax.errors.JaxRuntimeError) else "axes",
        field=layer.field(name) if name else LAYERS / layer.index,
        message=failures.describe(error),
        fixes=[*fixes, *_advised(error, layer)],
    )


def _advised(error: BaseException, layer: BuiltLayer) -> list[Fix]:
    """The settings of the layer that JAX's own message says to pass, such as holomorphic=True."""
    return [
        Fix(label=f"{name} {value}", field=layer.field(name), text=value)
        for name, value in re.findall(r"\bpass (\w+)=(\w+)", str(error))
        if name in layer.kind.fields()
    ]


# ------------------------------------------------------------------------------ inside the function


def _explain_function(error: BaseException, recorder: Recorder, prepared: Prepared) -> Diagnosis:
    """What the user's function raised, with the axes or axis name under which it would not."""
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
        # What only a run shows, such as operands on different devices, no axes can mend.
        if innermost is not None and not traces(innermost, recorder):
            fixes = working_axes(innermost, recorder, "in_axes")
    return Diagnosis(
        kind=found.kind,
        field=found.field,
        message=message + advice,
        fixes=fixes,
        line=found.line,
        column=found.column,
        frames=found.frames,
    )


def _code_field(prepared: Prepared) -> FieldPath:
    return FUNCTION if prepared.composition.program.function else SOURCE


def _without_check(recorder: Recorder) -> tuple[str, list[Fix]]:
    """What there is to try where JAX lacks something and does not say what."""
    checked = [
        layer
        for layer in recorder.layers
        if layer.kind.divides and layer.settings.get("check_vma") is not False
    ]
    said = f", raised within JAX {jax.__version__}, which does not say what it lacks"
    if not checked:
        return said, []
    return (
        f"{said}: check_vma, the check of what differs between devices, does not know all "
        f"operations",
        [Fix("without the check", checked[0].field("check_vma"), "False")],
    )


def _axes_in_reach(recorder: Recorder) -> str:
    """What there is to name, for a failure that JAX leaves without a word."""
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
        Fix(
            label=f"name the axis of {layer.transform} {name}",
            field=layer.field("axis_name"),
            text=name,
        )
        for layer in recorder.layers
        if layer.kind.maps
    ]


# ----------------------------------------------------------------------------- outside the function


def _explain_outputs(
    error: BaseException, layer: BuiltLayer, recorder: Recorder, level: int
) -> Diagnosis:
    """Why `layer` could not bring back what was returned to it."""
    output = recorder.recordings[level + 1].output
    if layer.kind.differentiates:
        return _explain_differentiated(error, layer, output)
    name = layer.kind.output_field
    fixes = working_axes(layer, recorder, name) if name else []
    found = _plain(error, layer, name, fixes)
    if layer.kind.maps and found.kind == "axes":
        size = layer.settings.get("axis_size")
        if isinstance(size, int) and size < 0:
            message = f"axis_size is the number of examples: there cannot be {size}"
            return Diagnosis(kind="axes", field=layer.field("axis_size"), message=message)
        explained = _out_axes_message(layer, output)
        if explained:
            return Diagnosis(kind="axes", field=found.field, message=explained, fixes=fixes)
    if layer.kind.divides and "require replication" in str(error):
        return _explain_replication(error, layer)
    return found


def _explain_replication(error: BaseException, layer: BuiltLayer) -> Diagnosis:
    """JAX says which spec it is in the third paragraph of five."""
    said = [" ".join(p.split()) for p in str(error).split("\n\n") if p.startswith("out_specs")]
    which = f": {failures.plain(said[0])[:500]}" if said else ""
    axes = ", ".join(repr(name) for name in layer.devices.mesh.axis_names)
    whole = f"P({axes})" if len(layer.devices.mesh.axis_names) == 1 else f"P(({axes}))"
    field = layer.field("out_specs")
    return Diagnosis(
        kind="axes",
        field=field,
        message=(
            f"out_specs says that an output is the same on devices where JAX sees that it may "
            f"differ{which}. Make it the same (lax.psum), or divide it"
        ),
        fixes=[Fix(f"divide dimension 0 over {axes}", field, whole)]
        if isinstance(layer.settings["out_specs"], PartitionSpec)
        else [],
    )


def _explain_differentiated(error: BaseException, layer: BuiltLayer, output: Any) -> Diagnosis:
    """Why what the function returned cannot be differentiated: no float, or no pair."""
    floats = "one float" if layer.kind.of_scalar else "floats"
    leaves = tree_util.tree_leaves(output)
    name = ""
    fixes: list[Fix] = []
    if layer.settings.get("has_aux"):
        if not isinstance(output, tuple) or len(output) != 2:
            name = "has_aux"
            if tree_util.treedef_is_leaf(tree_util.tree_structure(output)):
                fixes = [Fix("without has_aux", layer.field("has_aux"), "")]
            wanted = "a function that returns a pair, the value and the rest; has_aux says so"
        else:
            wanted, leaves = f"a pair whose first is {floats}", tree_util.tree_leaves(output[0])
    else:
        wanted = f"a function that returns {floats}"
        if isinstance(output, tuple) and len(output) == 2:
            aux = layer.field("has_aux")
            fixes = [Fix("has_aux: the second is not differentiated", aux, "True")]
    if not name and _as_wanted(leaves, layer):
        said = failures.describe(error)
        return _plain(error, layer, next((x for x in layer.settings if f"{x}=" in said), ""), [])
    shapes = ", ".join(short(leaf) for leaf in leaves) or "None"
    return Diagnosis(
        kind="axes",
        field=layer.field(name) if name else LAYERS / layer.index,
        message=f"{layer.transform} needs {wanted}; this one returns {shapes}",
        fixes=[*fixes, *_advised(error, layer)],
    )


def _as_wanted(leaves: Sequence[Any], layer: BuiltLayer) -> bool:
    """Whether a layer that differentiates has no fault to find with the leaves it was returned."""
    if layer.kind.of_scalar and [shape_of(leaf) for leaf in leaves] != [()]:
        return False
    return all(is_array(leaf) and is_float(leaf) for leaf in leaves)


def is_float(leaf: Any) -> bool:
    """Whether the leaf's dtype is a real floating one."""
    return bool(jnp.issubdtype(leaf.dtype, jnp.floating))


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
        unmapped = [
            tree_util.keystr(path)
            for axis, (path, _) in zip(
                entries, tree_util.tree_flatten_with_path(output)[0], strict=True
            )
            if axis is None
        ]
        what = unmapped[0] if len(unmapped) == 1 and unmapped[0] else "the output"
        return f"out_axes None means that {what} is the same for every example, but it is mapped"
    return ""


# ------------------------------------------------------------------ answers that are silently wrong


def refuse_misplaced_outputs(recorder: Recorder) -> None:
    """Raise Diagnosed where a pmap put its axis elsewhere than its out_axes say.

    Releases of JAX whose pmap is built on shard_map do so for a negative out_axes.
    """
    for level, layer in enumerate(reversed(recorder.layers)):
        if not layer.kind.maps_over_devices or not recorder.recordings[level].left:
            continue
        outer = tree_util.tree_leaves(recorder.recordings[level].output)
        inner = tree_util.tree_leaves(recorder.recordings[level + 1].output)
        axes = prefix_leaves(layer.settings.get("out_axes", 0), recorder.recordings[level].output)
        for axis, out, leaf in zip(axes, outer, inner, strict=True):
            if not isinstance(axis, int) or axis >= 0 or not is_array(leaf):
                continue
            place = axis + len(leaf.shape) + 1
            size = recorder.flow().levels[level + 1].size
            if tuple(out.shape) != (*leaf.shape[:place], size, *leaf.shape[place:]):
                field = layer.field("out_axes")
                fix = Fix(label=f"out_axes {place}", field=field, text=str(place))
                message = (
                    f"pmap of JAX {jax.__version__} misplaces a negative out_axes: it would give "
                    f"{short(out)} for {short(leaf)} on each of {size} devices"
                )
                raise Diagnosed(
                    Diagnosis(kind="axes", field=field, message=message, fixes=[fix]),
                    recorder.flow(),
                )


def refuse_differing_copies(recorder: Recorder, leaves: Sequence[tuple[str, Any]]) -> None:
    """Raise Diagnosed where one of `leaves` (keystr path, value), the output's, is declared the
    same on all devices and differs between them."""
    layer = recorder.layers[-1] if recorder.layers else None
    while layer is not None and layer.kind.returns_alike and layer.index:
        layer = recorder.layers[layer.index - 1]
    if layer is None or not _may_differ(layer):
        return
    name = layer.kind.output_field
    for path, leaf in leaves:
        if isinstance(leaf, jax.Array | Gathered) and (pair := _differing_devices(leaf)):
            what = path or "the output"
            field = layer.field(name)
            fix = Fix(label=f"{name} 0", field=field, text="0")
            raise Diagnosed(
                Diagnosis(
                    kind="axes",
                    field=field,
                    message=(
                        f"{what} is declared the same on every device ({name} "
                        f"{layer.settings[name]!r}), but devices {pair[0]} and {pair[1]} hold "
                        f"different values: JAX would silently return device {pair[0]}'s"
                    ),
                    fixes=[fix] if layer.kind.maps else [],
                ),
                recorder.flow(),
            )


def _may_differ(layer: BuiltLayer) -> bool:
    """Whether JAX takes this layer's word for it that outputs are the same on all devices."""
    if layer.kind.maps_over_devices:
        axes = layer.settings.get("out_axes", 0)
        return None in tree_util.tree_leaves(axes, is_leaf=lambda x: x is None)
    return layer.kind.divides and layer.settings.get("check_vma") is False


def _differing_devices(array: jax.Array | Gathered) -> tuple[int, int] | None:
    """Two devices that hold the same part of `array` with different bytes."""
    if isinstance(array, Gathered):
        return _first_difference((str(b.index), b.device, b.data) for b in array.blocks)
    return _first_difference(
        (str(shard.index), shard.device.id, shard.data)
        for shard in readable(array).addressable_shards
    )


def _first_difference(blocks: Iterable[tuple[str, Any, Any]]) -> tuple[int, int] | None:
    """Two devices, of `blocks` (index, device, data), with different data at the same index."""
    first: dict[str, tuple[int, np.ndarray]] = {}
    for index, holder, block in blocks:
        data = _leading(block)
        device, reference = first.setdefault(index, (holder, data))
        if data.tobytes() != reference.tobytes():
            return device, holder
    return None


def _leading(block: Any) -> np.ndarray:
    if block.size > COMPARED_ELEMENTS:
        block = block.reshape(-1)[:COMPARED_ELEMENTS]
    return np.asarray(block)
