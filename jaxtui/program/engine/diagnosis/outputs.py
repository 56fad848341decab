"""Why a layer failed on what the function it wraps returned."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
from jax import tree_util
from jax.sharding import NamedSharding, PartitionSpec

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import is_array, prefix_leaves, shape_of
from jaxtui.program.engine.argument_shardings import Held
from jaxtui.program.engine.diagnosis.calls import short
from jaxtui.program.engine.diagnosis.out_specs import Returned
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.suggestions import working_axes
from jaxtui.program.engine.tracing import Recorder, leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


def plainly(error: BaseException, layer: BuiltLayer, name: str, fixes: list[Fix]) -> Diagnosis:
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


def explain_outputs(
    error: BaseException, layer: BuiltLayer, recorder: Recorder, prepared: Prepared
) -> Diagnosis:
    """Why `layer` failed on what the function it wraps returned."""
    level = recorder.level_of(layer)
    output = recorder.recordings[level + 1].output
    if layer.kind.differentiates and not layer.kind.auxiliary_last:
        return _explain_differentiated(error, layer, output)
    refuse_shardings(layer, "out_shardings", "the output", output, prepared)
    name = layer.kind.output_field
    fixes = working_axes(layer, recorder, name) if name else []
    found = plainly(error, layer, name, fixes)
    if layer.kind.maps and found.kind == "axes":
        size = layer.settings.get("axis_size")
        if isinstance(size, int) and size < 0:
            message = f"axis_size is the number of examples: there cannot be {size}"
            return layer.fault("axis_size", message)
        if explained := _out_axes_message(layer, output):
            return layer.fault(name, explained, fixes)
    if "out_specs" in layer.settings:
        call = Returned(error, layer, recorder, prepared)
        return call.explain() or found
    return found


def refuse_shardings(
    layer: BuiltLayer, name: str, what: str, tree: Any, prepared: Prepared
) -> None:
    """Raise Diagnosed where `tree`, called `what`, cannot have what the setting `name` says."""
    given = layer.settings.get(name)
    if given is None:
        return

    def spec(leaf: Any) -> Any:
        return leaf.spec if isinstance(leaf, NamedSharding) else leaf

    specs = tree_util.tree_map(spec, given, is_leaf=lambda x: isinstance(x, NamedSharding))
    text, mesh = layer.kind.typed()[name], dict(layer.devices.mesh.shape)
    held = Held(what, layer.field(name), text, specs, mesh, tree, prepared.known.source)
    try:
        entries = held.entries
    except (ValueError, TypeError):
        return  # JAX's own words tell of another tree
    if all(spec is None or isinstance(spec, PartitionSpec) for spec in entries):
        held.check_all()


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
        return plainly(error, layer, next((x for x in layer.settings if f"{x}=" in said), ""), [])
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
        if isinstance(axes, tuple) and isinstance(output, tuple) and len(axes) != len(output):
            given = f"{len(axes)} {'entry' if len(axes) == 1 else 'entries'}"
            returned = f"{len(output)} {'value' if len(output) == 1 else 'values'}"
            return f"out_axes has {given}, and the function returns {returned}"
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
