"""pmap and device placement over several processes, with global arguments and results.

With several processes, `jax.pmap` takes and returns only the part of an array for the process' own
devices. A session has to mean the same over one process as over several, so this pmap takes and
returns global arrays, as jit and shard_map do. It is built from shard_map and jit, as JAX's own
pmap is since 0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, tree_util
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.arrays import prefix_leaves

_UNNAMED = "the axis of a pmap without axis_name"


class GlobalPmap:
    """`jax.pmap(function, ...)` with global arguments and results; see there for the parameters.

    Calling it raises ValueError or TypeError where `jax.pmap` would.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        devices: Sequence[jax.Device],
        axis_name: Any = None,
        in_axes: Any = 0,
        out_axes: Any = 0,
        static_broadcasted_argnums: int | Iterable[int] = (),
        axis_size: int | None = None,
        donate_argnums: int | Iterable[int] = (),
    ) -> None:
        if isinstance(in_axes, list):
            raise TypeError("pmap wants in_axes as a tuple")
        self._function = function
        self._devices = devices
        self._name = _UNNAMED if axis_name is None else axis_name
        self._in_axes = in_axes
        self._out_axes = out_axes
        self._static = _numbers(static_broadcasted_argnums)
        self._donated = _numbers(donate_argnums)
        self._size = axis_size
        self.called: Any = None  # the jitted function of the leaves that was called last

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function for each index of the mapped axis, each on its own device."""
        self.called, leaves = self._prepared(args, kwargs)
        return self.called(*leaves)

    def lower(self, *args: Any, **kwargs: Any) -> Any:
        call, leaves = self._prepared(args, kwargs)
        return call.lower(*leaves)

    def _prepared(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, list[Any]]:
        """Return a jitted function of the leaves of the non-static arguments, and those leaves."""
        if any(not 0 <= n < len(args) for n in self._static):
            raise ValueError(f"static_broadcasted_argnums {self._static}: {len(args)} arguments")
        dynamic = [i for i in range(len(args)) if i not in self._static]
        leaves, tree = tree_util.tree_flatten((tuple(args[i] for i in dynamic), kwargs))
        axes = self._leaf_axes([args[i] for i in dynamic], dynamic, len(args), kwargs)
        mesh = self._mesh(leaves, axes)

        def of_one_device(*blocks: Any) -> Any:
            given = [
                x if axis is None else lax.squeeze(x, (axis,))
                for x, axis in zip(blocks, axes, strict=True)
            ]
            positional, keywords = tree_util.tree_unflatten(tree, given)
            places = dict(zip(dynamic, positional, strict=True))
            every = [places[i] if i in places else args[i] for i in range(len(args))]
            return self._expanded(self._function(*every, **keywords))

        out_specs = tree_util.tree_map(
            self._spec, self._out_axes, is_leaf=lambda entry: entry is None
        )
        mapped = jax.shard_map(
            of_one_device,
            mesh=mesh,
            in_specs=tuple(self._spec(axis) for axis in axes),
            out_specs=out_specs,
            check_vma=False,
        )
        settings: dict[str, Any] = {"donate_argnums": self._donated_leaves(args, dynamic)}
        if not any(isinstance(leaf, jax.core.Tracer) for leaf in leaves):
            # Without this, XLA replicates an empty array on every device.
            settings["out_shardings"] = tree_util.tree_map(
                lambda spec: NamedSharding(mesh, spec), out_specs, is_leaf=_is_spec
            )
        return jax.jit(mapped, **settings), leaves

    def _leaf_axes(
        self, given: list[Any], dynamic: list[int], count: int, kwargs: dict[str, Any]
    ) -> list[int | None]:
        in_axes = self._in_axes
        if isinstance(in_axes, tuple) and len(in_axes) == count:
            in_axes = tuple(in_axes[i] for i in dynamic)
        elif not isinstance(in_axes, tuple):
            in_axes = (in_axes,) * len(given)
        axes = prefix_leaves(in_axes, tuple(given))
        return axes + [0] * len(tree_util.tree_leaves(kwargs))

    def _mesh(self, leaves: list[Any], axes: list[int | None]) -> Mesh:
        sizes = set()
        for leaf, axis in zip(leaves, axes, strict=True):
            if axis is None:
                continue
            rank = jnp.ndim(leaf)
            if type(axis) is not int or not 0 <= axis < rank:
                raise ValueError(f"pmap cannot map axis {axis!r} of an array of rank {rank}")
            sizes.add(jnp.shape(leaf)[axis])
        if len(sizes) != 1:
            what = f"sizes {sorted(sizes)}" if sizes else "no argument"
            raise ValueError(f"pmap got {what} to map: it needs one size")
        size = sizes.pop()
        if self._size not in (None, size):
            raise ValueError(f"pmap's axis_size is {self._size}, and the mapped axis has {size}")
        if not 1 <= size <= len(self._devices):
            raise ValueError(f"pmap needs {size} devices, and there are {len(self._devices)}")
        return Mesh(np.array(self._devices[:size]), (self._name,), axis_types=(AxisType.Auto,))

    def _spec(self, axis: Any) -> PartitionSpec:
        if axis is None:
            return PartitionSpec()
        # A negative axis is refused in _expanded, once the rank of the output is known.
        return PartitionSpec(*(None,) * max(0, axis), self._name)

    def _expanded(self, output: Any) -> Any:
        leaves, tree = tree_util.tree_flatten(output)
        axes = prefix_leaves(self._out_axes, output)
        expanded = []
        for leaf, axis in zip(leaves, axes, strict=True):
            if axis is not None and not 0 <= axis <= jnp.ndim(leaf):
                raise ValueError(f"pmap cannot put an axis {axis!r} of out_axes into its output")
            block = jnp.asarray(leaf)
            expanded.append(block if axis is None else jnp.expand_dims(block, axis))
        return tree_util.tree_unflatten(tree, expanded)

    def _donated_leaves(self, args: tuple[Any, ...], dynamic: list[int]) -> tuple[int, ...]:
        numbers: list[int] = []
        start = 0
        for i in dynamic:
            for leaf in tree_util.tree_leaves(args[i]):
                # The buffer of an array on one device cannot be reused on several.
                if i in self._donated and _on_several(leaf):
                    numbers.append(start)
                start += 1
        return tuple(numbers)


def _on_several(leaf: Any) -> bool:
    if not isinstance(leaf, jax.Array) or isinstance(leaf, jax.core.Tracer):
        return False
    return len(leaf.sharding.device_set) > 1


def _is_spec(x: Any) -> bool:
    return isinstance(x, PartitionSpec)


def _numbers(given: int | Iterable[int]) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else tuple(given)


def place(value: Any, sharding: NamedSharding) -> Any:
    """Place the arrays of a pytree, which have to be equal in all processes, with `sharding`.

    Unlike `jax.device_put` it does not communicate with other processes. Raises ValueError where
    `sharding` does not divide an array's shape.
    """
    return tree_util.tree_map(lambda leaf: _place_leaf(leaf, sharding), value)


def _place_leaf(leaf: Any, sharding: NamedSharding) -> Any:
    if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
        return jax.device_put(leaf, sharding)
    array = jnp.asarray(leaf)
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        words = _place_leaf(jax.random.key_data(array), sharding)
        return jax.random.wrap_key_data(words, impl=jax.random.key_impl(array))
    sharding.shard_shape(array.shape)  # raises ValueError where it does not divide the shape
    host = np.asarray(array)
    # The dtype is for a process that holds none of it.
    return jax.make_array_from_callback(
        host.shape, sharding, lambda index: host[index], dtype=host.dtype
    )
