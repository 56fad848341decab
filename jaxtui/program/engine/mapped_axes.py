"""Which dimensions of inputs and outputs a layer maps or divides, and over how many elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine_base.arrays import prefix_leaves, shape_of
from jaxtui.program.engine import broadcasting
from jaxtui.program.engine.programs import BuiltLayer


def input_axes(layer: BuiltLayer, args: Sequence[Any]) -> list[Any]:
    """The entry of in_axes or in_specs for every leaf of `args`, a pmap's static ones included.

    Raises ValueError or TypeError when the setting does not fit the tree of `args`.
    """
    fixed = layer.kind.fixed_in_axes
    if isinstance(fixed, tuple):
        fixed = fixed[: len(args)]
    default = None if layer.kind.in_mesh else 0
    prefix = layer.settings.get(layer.kind.input_field, default) if fixed is None else fixed
    if layer.kind.divides:
        return prefix_leaves(prefix, tuple(args))
    if isinstance(prefix, list):
        prefix = tuple(prefix)
    static = static_arguments(layer, len(args))
    entries = prefix if isinstance(prefix, tuple) else (prefix,) * len(args)
    return prefix_leaves(tuple(None if i in static else p for i, p in enumerate(entries)), args)


def static_numbers(layer: BuiltLayer) -> tuple[int, ...]:
    """The setting for static arguments, such as `static_argnums`, as a tuple."""
    given = layer.settings.get(layer.kind.static_field, ())
    return (given,) if isinstance(given, int) else tuple(given or ())


def static_arguments(layer: BuiltLayer, count: int) -> set[int]:
    """Which of `count` positional arguments the layer passes on as they are."""
    return {n + count if n < 0 else n for n in static_numbers(layer)}


def input_marks(
    layer: BuiltLayer | None, args: Sequence[Any], kwargs: dict[str, Any]
) -> list[list[int]]:
    """The dimensions of every input leaf that the layer maps or divides; keywords come last."""
    keywords = tree_util.tree_leaves(kwargs)
    leaves = tree_util.tree_leaves(tuple(args)) + keywords

    def axes(layer: BuiltLayer) -> list[Any]:
        by_name = [layer.kind.keyword_axis] * len(keywords)
        if layer.kind.broadcasts:
            return [*broadcasting.input_loops(layer.settings, args), *by_name]
        return input_axes(layer, args) + by_name

    return _marks(layer, leaves, axes)


def output_marks(
    layer: BuiltLayer | None, output: Any, args: Sequence[Any] = ()
) -> list[list[int]]:
    """The dimensions of every output leaf that the layer, called with `args`, put back."""

    def axes(layer: BuiltLayer) -> list[Any]:
        if layer.kind.broadcasts:
            loop = range(len(broadcasting.loop_shape(layer.settings, args)))
            return [loop] * len(tree_util.tree_leaves(output))
        prefix = layer.kind.fixed_out_axes
        if prefix is None:
            prefix = layer.settings.get(layer.kind.output_field, 0)
        return prefix_leaves(prefix, output)

    return _marks(layer, tree_util.tree_leaves(output), axes)


def _marks(
    layer: BuiltLayer | None, leaves: list[Any], axes_of: Callable[[BuiltLayer], list[Any]]
) -> list[list[int]]:
    if layer is not None and layer.kind.takes_apart():
        try:
            axes = axes_of(layer)
        except (ValueError, TypeError, KeyError):
            axes = []  # the failure that follows explains it
        if len(axes) == len(leaves):
            return [dimensions(axis, leaf) for axis, leaf in zip(axes, leaves, strict=True)]
    return [[] for _ in leaves]


def auxiliary(layer: BuiltLayer, output: Any) -> int:
    """How many leaves of the function's `output` the layer does not differentiate."""
    pair = layer.settings.get("has_aux") and isinstance(output, tuple) and len(output) == 2
    return len(tree_util.tree_leaves(output[1])) if pair else 0


def dimensions(axis: Any, leaf: Any) -> list[int]:
    """The dimensions of `leaf` that `axis` maps (int, None or a range) or divides (a spec)."""
    rank = len(shape_of(leaf))
    if isinstance(axis, range):
        return [i for i in axis if i < rank]
    if isinstance(axis, PartitionSpec):
        return [i for i, names in enumerate(axis) if names not in (None, ()) and i < rank]
    if isinstance(axis, int) and -rank <= axis < rank:
        return [axis % rank]
    return []


def axis_size(layer: BuiltLayer, args: Sequence[Any], kwargs: dict[str, Any]) -> int | None:
    """The length of the axis that the layer maps, for several the product; for shard_map, the size
    of its mesh, for smap of its axis."""
    if layer.kind.in_mesh:
        return int(layer.devices.mesh.shape[layer.settings["axis_name"]])
    if layer.kind.divides:
        return int(layer.devices.mesh.size)
    if layer.kind.broadcasts:
        return broadcasting.loop_size(layer.settings, args)
    if not layer.kind.takes_apart():
        return None
    leaves = tree_util.tree_leaves(tuple(args)) + tree_util.tree_leaves(kwargs)
    for leaf, marks in zip(leaves, input_marks(layer, args, kwargs), strict=True):
        if marks:
            return int(leaf.shape[marks[0]])
    given = layer.settings.get(layer.kind.size_field)
    return given if isinstance(given, int) else None


def label(layer: BuiltLayer, size: int | None) -> str:
    """A layer's heading: "vmap batch·4", "vmap of 4", "shard_map x·4 y·2", "jit"."""
    if layer.kind.divides and not layer.kind.in_mesh:
        axes = " ".join(f"{name}·{n}" for name, n in layer.devices.mesh.shape.items())
        return f"{layer.transform} {axes}"
    name = layer.settings.get("axis_name")
    if name is None:
        return layer.transform if size is None else f"{layer.transform} of {size}"
    return f"{layer.transform} {name}" if size is None else f"{layer.transform} {name}·{size}"
