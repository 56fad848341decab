"""A per-example function with its batch of inputs, and the ways those can lie on devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base import global_view
from jaxtui.program.engine.expressions import as_struct

LeafAxes = tuple[int | None, ...]


@dataclass(frozen=True)
class Case:
    """A function of one example, and `batch` examples of its arguments.

    `args` are pytrees of arrays, or of ShapeDtypeStructs while nothing is computed yet; `axes` has
    for each leaf of each argument the axis that is mapped, None where every example is given the
    whole. `text` is the function as Python, `name` what it is called there, and `definitions` what
    the text needs first.
    """

    function: Callable[..., Any]
    names: tuple[str, ...]
    args: tuple[Any, ...]
    axes: tuple[LeafAxes, ...]
    batch: int
    name: str
    text: str
    axis_name: Any = None
    definitions: tuple[str, ...] = ()

    @property
    def leaf_axes(self) -> LeafAxes:
        return tuple(axis for axes in self.axes for axis in axes)

    @property
    def leaf_axes_in_front(self) -> LeafAxes:
        return tuple(None if axis is None else 0 for axis in self.leaf_axes)

    @cached_property
    def structs(self) -> tuple[Any, ...]:
        return tuple(tree_util.tree_map(as_struct, arg) for arg in self.args)

    @property
    def in_axes(self) -> tuple[Any, ...]:
        return tuple(
            self.map_axes(position, lambda axis: axis) for position in range(len(self.args))
        )

    def map_axes(self, position: int, entry: Callable[[int | None], Any]) -> Any:
        """`entry(axis)` for one argument; a tree if the axes of its leaves differ."""
        axes = self.axes[position]
        if len(set(axes)) == 1:
            return entry(axes[0])
        tree = tree_util.tree_structure(self.args[position])
        return tree_util.tree_unflatten(tree, [entry(axis) for axis in axes])

    def in_front(self) -> Case:
        """The same case for arguments whose mapped axes are in front; `args` are left as shapes."""
        axes = tuple(tuple(None if a is None else 0 for a in axes) for axes in self.axes)
        return replace(self, axes=axes)

    def example(self, args: Sequence[Any], index: int) -> tuple[Any, ...]:
        """Example `index` of `args`, taken by ordinary indexing."""
        return self.mapped(args, lambda leaf, axis: leaf[(slice(None),) * axis + (index,)])

    def _map_leaves(self, position: int, arg: Any, change: Callable[[Any, int], Any]) -> Any:
        leaves, tree = tree_util.tree_flatten(arg)
        changed = [
            leaf if axis is None else change(leaf, axis)
            for leaf, axis in zip(leaves, self.axes[position], strict=True)
        ]
        return tree_util.tree_unflatten(tree, changed)

    def mapped(self, args: Sequence[Any], change: Callable[[Any, int], Any]) -> tuple[Any, ...]:
        """`args` with `change(leaf, axis)` applied to every mapped leaf."""
        return tuple(self._map_leaves(i, arg, change) for i, arg in enumerate(args))

    def padded(self, batch: int) -> Case:
        """The case with its last example repeated to fill a batch of `batch`."""
        more = batch - self.batch

        def pad(leaf: Any, axis: int) -> Any:
            last = leaf[(slice(None),) * axis + (slice(self.batch - 1, self.batch),)]
            return jnp.concatenate([leaf, *[last] * more], axis=axis)

        def all_padded(*args: Any) -> tuple[Any, ...]:
            return self.mapped(args, pad)

        abstract = any(
            isinstance(leaf, jax.ShapeDtypeStruct) for leaf in tree_util.tree_leaves(self.args)
        )
        args = jax.eval_shape(all_padded, *self.args) if abstract else all_padded(*self.args)
        return replace(self, args=args, batch=batch)

    # ---------------------------------------------------------------------------- as Python

    def slice_text(self, position: int) -> str:
        """Example `i` of an argument."""

        def text(leaf: str, axis: int | None) -> str:
            return leaf if axis is None else f"{leaf}[{':, ' * axis}i]"

        return self._text(position, text)

    def front_text(self, position: int) -> str:
        """An argument with its mapped axis in front."""
        return self._text(position, _front_text)

    def split_text(self, position: int, count: int, rows: str = "") -> str:
        """An argument with its batch as (`count`, share), of which only `rows` are taken."""

        def text(leaf: str, axis: int | None) -> str:
            if axis is None:
                return leaf
            front = _front_text(leaf, axis)
            # The shape of `front`, which is a name only where the axis leads already.
            shape = f"{leaf}.shape[1:]" if axis == 0 else f"{front}.shape[1:]"
            return f"{front}.reshape({count}, {self.batch // count}, *{shape}){rows}"

        return self._text(position, text)

    def _text(self, position: int, text: Callable[[str, int | None], str]) -> str:
        name, axes = self.names[position], self.axes[position]
        if tree_util.treedef_is_leaf(tree_util.tree_structure(self.args[position])):
            return text(name, axes[0])
        if len(set(axes)) == 1:
            return (
                name
                if axes[0] is None
                else f"jax.tree.map(lambda leaf: {text('leaf', axes[0])}, {name})"
            )
        leaves = ", ".join(
            text(f"jax.tree.leaves({name})[{k}]", axis) for k, axis in enumerate(axes)
        )
        return f"jax.tree.unflatten(jax.tree.structure({name}), [{leaves}])"


def _front_text(leaf: str, axis: int | None) -> str:
    return leaf if not axis else f"jnp.moveaxis({leaf}, {axis}, 0)"


AXIS, ANOTHER = "batch", "shares"


@dataclass(frozen=True)
class Setup:
    """A case on the devices that a strategy uses."""

    case: Case
    devices: tuple[Any, ...]

    @cached_property
    def mesh(self) -> Mesh:
        """The devices as one axis; Auto, on which shard_map takes arrays that lie anywhere."""
        return Mesh(np.array(self.devices), (self.axis,), axis_types=(AxisType.Auto,))

    @property
    def over_devices(self) -> Any:
        """The name of the case's axis where the devices are that axis: one example on each."""
        return self.case.axis_name if self.share == 1 < self.count else None

    @property
    def over_share(self) -> Any:
        """The name of the case's axis where it lies on one device as a whole.

        One that is partly over devices and partly inside of each cannot have one name in JAX.
        """
        return self.case.axis_name if self.count == 1 else None

    @property
    def axis(self) -> Any:
        """The name of the devices' axis, which is the case's only if its examples lie there."""
        if self.over_devices is not None:
            return self.over_devices
        return ANOTHER if self.case.axis_name == AXIS else AXIS

    def spec_of(self, axis: int | None) -> PartitionSpec:
        """The spec that divides `axis` of an array over the devices; None divides nothing."""
        return PartitionSpec() if axis is None else PartitionSpec(*(None,) * axis, self.axis)

    @property
    def count(self) -> int:
        return len(self.devices)

    @property
    def share(self) -> int:
        return self.case.batch // self.count

    @cached_property
    def mine(self) -> list[int]:
        """The places of this process' own devices."""
        here = jax.process_index()
        return [place for place, d in enumerate(self.devices) if d.process_index == here]

    @property
    def spans(self) -> bool:
        """Whether several processes hold the devices."""
        return len({device.process_index for device in self.devices}) > 1

    @property
    def even(self) -> bool:
        """Whether each process holds as many of the devices as any other, one after the other."""
        held = [(p, len(list(run))) for p, run in groupby(d.process_index for d in self.devices)]
        return len({p for p, _ in held}) == len(held) and len({n for _, n in held}) == 1


def inner_batch(case: Case) -> int:
    """The power of two nearest to the square root of the batch, to balance loop and vmap."""
    return int(2 ** round(math.log2(max(1, case.batch)) / 2))


@dataclass(frozen=True)
class Placement:
    """How inputs lie. `arrange` can be traced; `place` puts what it gives on the devices.

    Strategies with the same layout on the same devices share their inputs.
    """

    name: str
    arrange: Callable[[Setup, Sequence[Any]], tuple[Any, ...]]
    place: Callable[[Setup, tuple[Any, ...]], tuple[Any, ...]]


def _whole(setup: Setup, args: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(args)


def _slices(setup: Setup, args: Sequence[Any]) -> tuple[Any, ...]:
    return ([setup.case.example(args, index) for index in range(setup.case.batch)],)


def _front(setup: Setup, args: Sequence[Any]) -> tuple[Any, ...]:
    return setup.case.mapped(args, lambda leaf, axis: jnp.moveaxis(leaf, axis, 0))


def _split(setup: Setup, args: Sequence[Any]) -> tuple[Any, ...]:
    def split(leaf: Any, axis: int) -> Any:
        front = jnp.moveaxis(leaf, axis, 0)
        return front.reshape((setup.count, setup.share, *front.shape[1:]))

    return setup.case.mapped(args, split)


def _on_first(setup: Setup, args: tuple[Any, ...]) -> tuple[Any, ...]:
    placed: tuple[Any, ...] = jax.device_put(args, setup.devices[0])
    return placed


def _place_sharded(setup: Setup, args: tuple[Any, ...]) -> tuple[Any, ...]:
    leaves, tree = tree_util.tree_flatten(args)
    put = global_view.place if setup.spans else jax.device_put
    placed = [
        put(leaf, NamedSharding(setup.mesh, setup.spec_of(axis)))
        for leaf, axis in zip(leaves, setup.case.leaf_axes, strict=True)
    ]
    return tuple(tree_util.tree_unflatten(tree, placed))


def _as_pmap_leaves(setup: Setup, args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Through a pmap that does nothing: what it returns lies as it wants its inputs to lie, in
    every release of JAX. An array that is bound to a device it would refuse. Of several processes
    each gives a pmap what its own devices get."""
    leaves, tree = tree_util.tree_flatten(args)
    axes = setup.case.leaf_axes_in_front
    if setup.spans:
        rows = np.array(setup.mine)
        leaves = [x if a is None else x[rows] for x, a in zip(leaves, axes, strict=True)]
    same = jax.pmap(lambda *given: given, in_axes=axes, out_axes=axes, devices=list(setup.devices))
    return tuple(tree_util.tree_unflatten(tree, same(*[_unbound(leaf) for leaf in leaves])))


def _unbound(leaf: Any) -> Any:
    if not getattr(leaf, "committed", False):
        return leaf
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        data = jnp.asarray(np.asarray(jax.random.key_data(leaf)))
        return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
    return np.asarray(leaf)


WHOLE = Placement("whole", _whole, _on_first)
SLICES = Placement("slices", _slices, _on_first)
FRONT = Placement("front", _front, _on_first)
SPLIT = Placement("split", _split, _as_pmap_leaves)
SHARDED = Placement("sharded", _whole, _place_sharded)
