"""Where the arguments of a program lie: by their shardings, or as their values place them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax import tree_util
from jax.sharding import NamedSharding, PartitionSpec

from jaxtui.engine_base import failures, global_view, processes
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.devices import DeviceSet
from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.meshes import typed_sharding
from jaxtui.program.engine import argument_shardings, expressions
from jaxtui.program.engine.expressions import Value
from jaxtui.program.engine.prepared import Prepared
from jaxtui.session.diagnosis import Kind
from jaxtui.session.field_path import ARGUMENTS, FieldPath


def value_field(index: int) -> FieldPath:
    """The session's field of the value of the argument at `index`."""
    return ARGUMENTS / index / "value"


@contextlib.contextmanager
def on_device_set(devices: DeviceSet) -> Iterator[None]:
    """The context to call a program in.

    The first of the chosen devices is JAX's default, unless the set is JAX's own; the mesh is in
    context if the set says so.
    """
    with _first_as_default(devices), devices.context():
        yield


@contextlib.contextmanager
def for_value(text: str, devices: DeviceSet) -> Iterator[None]:
    """The context to evaluate the value of an argument in: as for a call, but it may be too early
    for the mesh."""
    with _first_as_default(devices), devices.context_of_value(text):
        yield


def _first_as_default(devices: DeviceSet) -> contextlib.AbstractContextManager[Any]:
    first = devices.first
    default = devices.is_default or first is None
    return contextlib.nullcontext() if default else jax.default_device(first)


def placed(values: list[Any], prepared: Prepared) -> list[Any]:
    """The values, each placed by its argument's sharding if it has one. Raises Diagnosed."""
    return [_placed(index, value, prepared) for index, value in enumerate(values)]


def _placed(index: int, value: Any, prepared: Prepared) -> Any:
    shardings = argument_shardings.shardings(index, value, prepared)
    if shardings is None:
        return value
    leaves, tree = tree_util.tree_flatten(value)
    try:
        if processes.several():
            put = map(_place, leaves, shardings)
        else:
            put = jax.device_put(leaves, shardings)
        return tree_util.tree_unflatten(tree, put)
    except BaseException as error:
        kind: Kind = "memory" if failures.out_of_memory(error) else "axes"
        field = argument_shardings.sharding_field(index)
        raise diagnosed(kind, field, failures.describe(error)) from error


def _place(leaf: Any, sharding: NamedSharding | None) -> Any:
    return leaf if sharding is None else global_view.place(leaf, sharding)


def placed_structs(values: list[Value], prepared: Prepared) -> list[Any]:
    """The shapes of the values as `placed` would place them, with their shardings.

    A value that places itself, as by `jax.device_put`, is computed for that. Raises Diagnosed.
    """
    structs = []
    for index, value in enumerate(values):
        shardings = argument_shardings.shardings(index, value.tree, prepared)
        whole = shardings is not None and None not in shardings
        tree = value.tree if whole else _as_made(index, value, prepared)
        structs.append(_with_shardings(tree, shardings))
    return structs


def traced_structs(values: list[Value], prepared: Prepared) -> list[Any]:
    """The shapes of the values, with the shardings of the arguments. Raises Diagnosed.

    Shardings over explicit axes are a part of the types that tracing finds.
    """
    return [
        _with_shardings(value.tree, argument_shardings.shardings(index, value.tree, prepared))
        for index, value in enumerate(values)
    ]


def _with_shardings(tree: Any, shardings: list[NamedSharding | None] | None) -> Any:
    """`tree` as shapes with these shardings; leaves without one are themselves."""
    if shardings is None:
        return tree
    leaves, structure = tree_util.tree_flatten(tree)
    structs = [
        leaf if sharding is None else _with_sharding(leaf, sharding)
        for leaf, sharding in zip(leaves, shardings, strict=True)
    ]
    return tree_util.tree_unflatten(structure, structs)


def _as_made(index: int, value: Value, prepared: Prepared) -> Any:
    """The shapes of a value with the shardings that it has by itself."""
    text = prepared.composition.program.arguments[index].value
    if not value.places:
        covered = prepared.devices.covers_value(text)
        return tree_util.tree_map(_on_whole_mesh(prepared), value.tree) if covered else value.tree
    with for_value(text, prepared.devices):
        concrete = expressions.concrete_value(text, prepared.known, value_field(index))
    return tree_util.tree_map(as_it_lies, concrete)


def _on_whole_mesh(prepared: Prepared) -> Callable[[Any], Any]:
    """Gives a leaf the sharding of an array that JAX makes under the mesh: by its type, or whole on
    each device."""

    def placed(leaf: Any) -> Any:
        if not isinstance(leaf, jax.ShapeDtypeStruct):
            return leaf
        typed = typed_sharding(leaf)
        spec = PartitionSpec() if typed is None else typed.spec
        return _with_sharding(leaf, NamedSharding(prepared.devices.mesh, spec))

    return placed


def as_it_lies(leaf: Any) -> Any:
    """A JAX array's shape with its sharding if it is committed to it; other leaves themselves."""
    if not isinstance(leaf, jax.Array):
        return leaf
    return _with_sharding(leaf, leaf.sharding if leaf.committed else None)


def _with_sharding(leaf: Any, sharding: Any) -> jax.ShapeDtypeStruct:
    if not is_array(leaf):
        leaf = jax.eval_shape(lambda: jax.numpy.asarray(leaf))
    extended = jax.numpy.issubdtype(leaf.dtype, jax.dtypes.extended)  # keys
    dtype = leaf.dtype if extended else jax.dtypes.canonicalize_dtype(leaf.dtype)
    weak = bool(getattr(leaf, "weak_type", False))
    return jax.ShapeDtypeStruct(np.shape(leaf), dtype, sharding=sharding, weak_type=weak)
