"""The program of a session as a benchmark times it: a function of one example, and a batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import tree_util

from jaxtui.benchmark.engine.strategies.layouts import Case
from jaxtui.engine_base.errors import diagnosed
from jaxtui.program.engine.mapped_axes import axis_size, input_axes
from jaxtui.program.engine.prepared import Prepared
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.session.diagnosis import Fix
from jaxtui.session.export_texts import Texts
from jaxtui.session.field_path import ARGUMENTS, LAYERS

# What a benchmark understands of a mapping layer; each strategy maps in its own way.
_UNDERSTOOD = frozenset({"in_axes", "out_axes", "axis_name", "axis_size"})


def case_of(prepared: Prepared, values: list[Any]) -> Case:
    """The case of a program, given one value (shapes or arrays) for each argument of the session.

    The outermost vmap, pmap or map says which axes hold the examples; what is inside it is the
    function of one example. Raises Diagnosed at the layer or the value that does not say so.
    """
    layer = mapping_layer(prepared.layers)
    args, kwargs = prepared.call(values)
    for index, value in enumerate(values):
        _require_arrays(value, index, prepared)
    axes = input_axes(layer, args) + [0] * len(tree_util.tree_leaves(kwargs))
    trees = (*args, *kwargs.values())
    batch = axis_size(layer, args, kwargs)
    if not batch:
        raise diagnosed(
            "axes", layer.field(layer.kind.input_field), "no axis holds the examples of the batch"
        )
    definitions: dict[str, str] = {}
    function, text = _per_example(prepared, layer.index, list(kwargs), definitions)
    name = prepared.function.name if prepared.function.name.isidentifier() else "function"
    return Case(
        function=function,
        names=(*prepared.argument_names, *kwargs),
        args=tuple(tree_util.tree_map(_as_array, tree) for tree in trees),
        axes=_by_argument(axes, trees),
        batch=batch,
        name=name if text == prepared.function.name else "per_example",
        text=text if name == prepared.function.name else name,
        axis_name=layer.settings.get("axis_name"),
        definitions=tuple(definitions.values()),
    )


def mapping_layer(layers: Sequence[BuiltLayer]) -> BuiltLayer:
    """The layer that maps over the examples. Raises Diagnosed if that is missing or ambiguous."""
    mapping = [layer for layer in layers if layer.kind.of_examples]
    if not mapping:
        message = (
            "no layer says which axes hold the examples of the batch: put the function in a vmap, "
            "and its in_axes say it"
        )
        raise diagnosed("axes", LAYERS, message)
    chosen = mapping[-1]
    for layer in layers:
        field = LAYERS / layer.index
        if layer.kind.divides:
            message = (
                f"a {layer.transform} says how arrays are divided, not which axis holds the "
                "examples: take it away, `shard_map` is a strategy of its own"
            )
            raise diagnosed("axes", field, message)
        if layer.kind.maps_over_devices and layer is not chosen:
            message = "a pmap inside the batch cannot be timed: `pmap` is a strategy of its own"
            raise diagnosed("axes", field, message)
        if layer.index > chosen.index and (not layer.kind.returns_alike or layer.settings):
            message = (
                f"what is timed is a function of one example under its {chosen.transform}; this "
                f"{layer.transform} is outside of it"
            )
            raise diagnosed("axes", field, message)
    _require_plain(chosen)
    return chosen


def _require_plain(layer: BuiltLayer) -> None:
    for name, value in layer.settings.items():
        field = layer.field(name)
        nothing = [Fix(label="leave it empty", field=field, text="")]
        if name not in _UNDERSTOOD:
            raise diagnosed("axes", field, f"strategies cannot all follow {name}", nothing)
        if name == "out_axes" and any(a != 0 for a in _axes_in(value)):
            message = "strategies are compared with the batch in front: out_axes 0"
            raise diagnosed("axes", field, message, nothing)


def _axes_in(value: Any) -> list[Any]:
    return tree_util.tree_leaves(value, is_leaf=lambda x: x is None)


def _by_argument(axes: Sequence[Any], trees: Sequence[Any]) -> tuple[tuple[int | None, ...], ...]:
    """The axes of each tree's leaves, counted from the front."""
    given = iter(axes)
    result = []
    for tree in trees:
        row: list[int | None] = []
        for leaf in tree_util.tree_leaves(tree):
            axis = next(given)
            row.append(None if axis is None else int(axis) % len(leaf.shape))
        result.append(tuple(row))
    return tuple(result)


def _require_arrays(value: Any, index: int, prepared: Prepared) -> None:
    for leaf in tree_util.tree_leaves(value):
        if not hasattr(leaf, "dtype") and not isinstance(leaf, bool | int | float | complex):
            name = prepared.composition.program.arguments[index].name
            message = f"{name} holds a {type(leaf).__name__}: a benchmark's arguments are arrays"
            raise diagnosed("value", ARGUMENTS / index / "value", message)


def _as_array(leaf: Any) -> Any:
    """A Python number as the array that jit would make of it; arrays and shapes as they are."""
    if isinstance(leaf, bool | int | float | complex):
        return jax.device_put(leaf)
    return leaf


def _per_example(
    prepared: Prepared, depth: int, keywords: list[str], definitions: dict[str, str]
) -> tuple[Callable[..., Any], str]:
    """The function under its first `depth` layers, all arguments positional; and as Python.

    What the Python needs first is put into `definitions`.
    """
    call, text = prepared.function.call, prepared.function.name
    texts = Texts(prepared.known.source, definitions)
    for layer in prepared.layers[:depth]:
        call = layer.wrap(call, None)
        text = texts.layer(layer.index, layer.kind, [text])
    if not keywords:
        return call, text
    count = len(prepared.argument_names)

    def positional(*args: Any) -> Any:
        return call(*args[:count], **dict(zip(keywords, args[count:], strict=True)))

    names = ", ".join((*prepared.argument_names, *keywords))
    passed = ", ".join((*prepared.argument_names, *(f"{name}={name}" for name in keywords)))
    return positional, f"lambda {names}: {text}({passed})"
