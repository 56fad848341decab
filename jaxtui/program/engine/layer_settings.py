"""The settings of the layers: their texts evaluated, as JAX takes them."""

from __future__ import annotations

import functools
import inspect
import pkgutil
import types
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import NamedSharding, PartitionSpec

from jaxtui.engine_base import failures
from jaxtui.engine_base.devices import DeviceSet
from jaxtui.engine_base.errors import diagnosed
from jaxtui.program.engine import adapters, expressions, path_patterns, pmaps, spec_trees
from jaxtui.program.engine.expressions import Names
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import LAYERS, FieldPath
from jaxtui.session.layer_kind import Field
from jaxtui.session.layers import AnyLayer


def transformation(layer: AnyLayer) -> Any:
    """JAX's function for the layer, None if this release has none."""
    return getattr(pkgutil.resolve_name(layer.home), layer.transform, None)


@functools.cache
def _accepted(transform: Callable[..., Any], adapter: str) -> frozenset[str]:
    accepted = frozenset(inspect.signature(transform).parameters)
    return accepted | adapters.own_settings(adapter)


def settings_of(index: int, layer: AnyLayer, known: Names, devices: DeviceSet) -> dict[str, Any]:
    """The settings that are typed, evaluated. Raises Diagnosed at the field that does not fit."""
    transform = transformation(layer) if layer.home else None
    if layer.home and transform is None:
        message = f"JAX {jax.__version__} has no {layer.transform}"
        raise diagnosed("unsupported", LAYERS / index, message)
    accepted = _accepted(transform, layer.adapter) if layer.home else frozenset(layer.fields())
    settings: dict[str, Any] = {}
    for name, text in layer.typed().items():
        field = LAYERS / index / name
        if name not in accepted:
            message = f"{layer.transform} of JAX {jax.__version__} has no {name}"
            raise diagnosed("unsupported", field, message)
        settings[name] = _setting(layer.fields()[name], text, known, field, devices)
    if layer.needs and settings.get(layer.needs) is None:
        wanted = layer.fields()[layer.needs].default
        message = f"{layer.transform} needs {layer.needs}: {wanted}"
        raise diagnosed("value", LAYERS / index / layer.needs, message)
    if layer.in_mesh:
        _require_axis(index, settings, devices)
    elif layer.divides:
        _require_specs(index, settings, devices)
    return settings


# What makes a set, by how a field reads: what may stand alone, and what it is.
_SETS: dict[str, tuple[type | types.UnionType, str]] = {
    "names": (str, "names of mesh axes, such as {'x'}"),
    "places": (int | str, "places of arguments, or names of those by name, such as {0, 'x'}"),
}


def _setting(kind: Field, text: str, known: Names, field: FieldPath, devices: DeviceSet) -> Any:
    if kind.is_word(text):
        return text
    if kind.reads == "arrays":
        return adapters.Arrays(text, known, field)
    home = vars(pkgutil.resolve_name(kind.home)) if kind.home else {}
    if kind.reads == "shardings":
        home = {"by_path": path_patterns.refused}
    if kind.reads == "function":
        pmaps.note_source(text)
        home = {"functools": functools, **home}
    value = expressions.setting_value(text, known, field, home)
    if kind.reads == "shardings":
        return _shardings(value, devices, field)
    if kind.reads in _SETS:
        alone, such = _SETS[kind.reads]
        # One name alone means the set of it, not the set of its letters.
        if isinstance(value, alone):
            return {value}
        if isinstance(value, set | frozenset | tuple | list):
            return set(value)
        raise diagnosed("axes", field, f"{field.name} are {such}")
    if kind.reads == "function" and value is not None and not callable(value):
        such = f", such as those in {kind.home}" if kind.home else ""
        message = f"a function is wanted{such}; this is a {type(value).__name__}"
        quoted = isinstance(value, str) and value in home
        fixes = [Fix(label=f"{value}, without quotes", field=field, text=value)] if quoted else []
        raise diagnosed("value", field, message, fixes)
    return value


def _shardings(tree: Any, devices: DeviceSet, field: FieldPath) -> Any:
    """`tree` with each PartitionSpec as its sharding over the devices' mesh."""

    def placed(leaf: Any) -> Any:
        return NamedSharding(devices.mesh, leaf) if isinstance(leaf, PartitionSpec) else leaf

    try:
        return jax.tree.map(placed, tree, is_leaf=lambda leaf: isinstance(leaf, PartitionSpec))
    except Exception as error:  # also DuplicateSpecError, which is no ValueError
        names = devices.mesh.axis_names
        text = spec_trees.text_of(spec_trees.over_mesh(tree, names))
        fixes = [] if text is None else [Fix(f"{field.name} {text}", field, text)]
        raise diagnosed("axes", field, failures.describe(error), fixes) from error


def _require_specs(index: int, settings: dict[str, Any], devices: DeviceSet) -> None:
    for name in ("in_specs", "out_specs"):
        if name not in settings:
            field = LAYERS / index / name
            message = (
                f"shard_map needs {name}: for each array, which mesh axis divides which dimension"
            )
            whole = Fix(label="give every device all of it", field=field, text="P()")
            raise diagnosed("axes", field, message, [divided_over_all(field, devices), whole])


def _require_axis(index: int, settings: dict[str, Any], devices: DeviceSet) -> None:
    """Refuse a layer over an axis of the mesh in context that does not say which, and where to."""
    layer = LAYERS / index
    names = devices.mesh.axis_names
    if settings.get("axis_name") not in names:
        given = "axis_name" in settings
        has = f"it has {', '.join(map(repr, names))}"
        message = f"smap needs axis_name, an axis of the mesh: {has}"
        if given:
            shown = failures.safe_repr(settings["axis_name"], 40)
            message = f"the mesh has no axis {shown}: {has}"
        fixes = [Fix(label=name, field=layer / "axis_name", text=name) for name in names]
        raise diagnosed("axes", layer / "axis_name", message, fixes)
    if "out_axes" not in settings:
        field = layer / "out_axes"
        message = "smap needs out_axes: where the blocks of the devices are put together"
        whole = Fix(label="None, where all devices return the same", field=field, text="None")
        raise diagnosed("axes", field, message, [Fix(label="0", field=field, text="0"), whole])


def divided_over_all(field: FieldPath, devices: DeviceSet) -> Fix:
    """The fix that divides dimension 0 over all axes of the mesh."""
    names = devices.mesh.axis_names
    axes = ", ".join(map(repr, names))
    text = f"P({axes})" if len(names) == 1 else f"P(({axes}))"
    return Fix(label=f"divide dimension 0 over {axes}", field=field, text=text)
