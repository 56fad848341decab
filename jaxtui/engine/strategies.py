"""The ways to run a per-example function over a batch: one table, an entry for each.

An entry lays out its inputs, builds its callable, brings its outputs to one layout (the batch
leading), and prints itself as Python. A new strategy is a new entry of TABLE.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, tree_util
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.engine import layouts
from jaxtui.engine.layouts import Case, Layout

AXIS = "batch"


@dataclass(frozen=True)
class Setup:
    """A case on the devices that a strategy uses."""

    case: Case
    devices: tuple[Any, ...]

    @cached_property
    def mesh(self) -> Mesh:
        """The devices as one axis; Auto, on which shard_map takes arrays that lie anywhere."""
        return Mesh(np.array(self.devices), (AXIS,), axis_types=(AxisType.Auto,))

    @property
    def count(self) -> int:
        """How many devices."""
        return len(self.devices)

    @property
    def share(self) -> int:
        """Examples on each device."""
        return self.case.batch // self.count


@dataclass(frozen=True)
class Built:
    """A strategy's callable: `call(*inputs)` is what is timed.

    `step` is the transformed function inside it that can be lowered; None where JAX runs operation
    by operation.
    """

    call: Callable[..., Any]
    step: Any


@dataclass(frozen=True)
class Strategy:
    """One way to run a per-example function over a batch.

    `multi`: it divides the batch over several devices. `per_example`: its step is called once for
    each example. `text` gives the lines of Python that stand between the inputs and `out`.
    """

    name: str
    title: str
    layout: Layout
    build: Callable[[Setup], Built]
    text: Callable[[Setup], list[str]]
    multi: bool = False
    per_example: bool = False

    def structs(self, setup: Setup) -> tuple[Any, ...]:
        """The shapes of what `step` is called with."""
        case = setup.case
        if self.per_example:
            return tuple(jax.eval_shape(lambda *args: case.example(args, 0), *case.structs))
        return tuple(jax.eval_shape(lambda *a: self.layout.arrange(setup, a), *case.structs))

    def calls(self, setup: Setup) -> int:
        """How many times one call of the strategy calls its step."""
        return setup.case.batch if self.per_example else 1

    def place(self, setup: Setup) -> tuple[Any, ...]:
        """Its inputs, arranged and on their devices. The case holds arrays."""
        return self.layout.place(setup, self.layout.arrange(setup, setup.case.args))

    def step_inputs(self, setup: Setup, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """What the step is called with first, given the placed inputs."""
        if not self.per_example:
            return inputs
        if self.layout is layouts.SLICES:
            return tuple(inputs[0][0])
        return setup.case.example(inputs, 0)

    def output_shapes(self, setup: Setup, step_output: Any) -> list[tuple[tuple[int, ...], Any]]:
        """Shape and dtype of each output leaf in the common layout, given those of the step."""
        leaves = tree_util.tree_leaves(step_output)
        if self.per_example:
            return [((setup.case.batch, *leaf.shape), leaf.dtype) for leaf in leaves]
        return [(self._batch_leading(setup, leaf.shape), leaf.dtype) for leaf in leaves]

    def collect(self, setup: Setup, output: Any) -> list[np.ndarray[Any, Any]]:
        """The output's leaves on the host, the batch leading."""
        if self.layout is layouts.SLICES:
            rows = [tree_util.tree_leaves(example) for example in output]
            return [np.stack([on_host(x) for x in column]) for column in zip(*rows, strict=True)]
        leaves = [on_host(leaf) for leaf in tree_util.tree_leaves(output)]
        return [leaf.reshape(self._batch_leading(setup, leaf.shape)) for leaf in leaves]

    def _batch_leading(self, setup: Setup, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.layout is layouts.SPLIT and shape[:2] == (setup.count, setup.share):
            return (setup.case.batch, *shape[2:])
        return shape

    def python(self, setup: Setup) -> str:
        """The strategy as Python, given `jax`, `jnp`, `lax`, the function and its arguments."""
        case = setup.case
        lines = [] if case.text == case.name else [f"{case.name} = {case.text}"]
        if self.multi:
            lines.append(f"devices = {_devices_text(setup)}")
        lines += self.text(setup)
        return "\n".join(lines)


def on_host(leaf: Any) -> np.ndarray[Any, Any]:
    """A leaf as a NumPy array; of PRNG keys their data."""
    if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf)


def fitting(case: Case, count: int) -> tuple[int, int]:
    """The batch sizes nearest to the case's, below (0 when there is none) and above, that `count`
    devices divide."""
    below = case.batch // count * count
    return below, below + count


# --------------------------------------------------------------------------------- the callables


def _build_loop(setup: Setup) -> Built:
    step = _jitted_example(setup.case)

    def call(examples: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [step(*example) for example in examples]

    return Built(call, step)


def _build_loop_and_stack(setup: Setup) -> Built:
    step = _jitted_example(setup.case)
    example, batch = setup.case.example, setup.case.batch

    def call(*args: Any) -> Any:
        results = [step(*example(args, i)) for i in range(batch)]
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)

    return Built(call, step)


def _jitted_example(case: Case) -> Any:
    """A function of its own: jit would not compile the very same one a second time."""

    def per_example(*args: Any) -> Any:
        return case.function(*args)

    return jax.jit(per_example)


def _build_lax_map(setup: Setup) -> Built:
    return _jitted(_lax_map(setup.case, None))


def _build_lax_map_batched(setup: Setup) -> Built:
    return _jitted(_lax_map(setup.case, _inner_batch(setup.case)))


def _lax_map(case: Case, batch_size: int | None) -> Callable[..., Any]:
    options = {} if batch_size is None else {"batch_size": batch_size}

    def mapped(*args: Any) -> Any:
        leaves, tree = tree_util.tree_flatten(args)

        def one(example: list[Any]) -> Any:
            given = iter(example)
            merged = [
                leaf if axis is None else next(given)
                for leaf, axis in zip(leaves, case.leaf_axes_in_front, strict=True)
            ]
            return case.function(*tree_util.tree_unflatten(tree, merged))

        moving = [
            leaf
            for leaf, axis in zip(leaves, case.leaf_axes_in_front, strict=True)
            if axis is not None
        ]
        return lax.map(one, moving, **options)

    return mapped


def _inner_batch(case: Case) -> int:
    """About the square root: as many turns of the loop as examples in each."""
    return int(2 ** round(math.log2(max(1, case.batch)) / 2))


def _build_vmap(setup: Setup) -> Built:
    return Built(_vmapped(setup.case), None)


def _build_jit_vmap(setup: Setup) -> Built:
    return _jitted(_vmapped(setup.case))


def _build_pmap(setup: Setup) -> Built:
    case = setup.case.in_front()
    inner = jax.vmap(case.function, in_axes=case.in_axes)
    return _pmapped(setup, inner)


def _build_pmap_without_vmap(setup: Setup) -> Built:
    return _pmapped(setup, setup.case.function)


def _pmapped(setup: Setup, inner: Callable[..., Any]) -> Built:
    axes = setup.case.in_front().in_axes
    step = jax.pmap(inner, in_axes=axes, devices=list(setup.devices))
    return Built(step, step)


def _build_shard_map(setup: Setup) -> Built:
    case = setup.case
    specs = tuple(case.map_axes(position, _spec) for position in range(len(case.args)))
    inner = jax.vmap(case.function, in_axes=case.in_axes)
    # Unchecked: a loop in the function may start from a constant that all devices share.
    mapped = jax.shard_map(
        inner, mesh=setup.mesh, in_specs=specs, out_specs=PartitionSpec(AXIS), check_vma=False
    )
    return _jitted(mapped)


def _vmapped(case: Case) -> Callable[..., Any]:
    return jax.vmap(case.function, in_axes=case.in_axes, axis_name=case.axis_name)


def _jitted(call: Callable[..., Any]) -> Built:
    step = jax.jit(call)
    return Built(step, step)


def _spec(axis: int | None) -> PartitionSpec:
    return PartitionSpec() if axis is None else PartitionSpec(*(None,) * axis, AXIS)


# ----------------------------------------------------------------------------------- their layouts


def _place_sharded(setup: Setup, args: tuple[Any, ...]) -> tuple[Any, ...]:
    leaves, tree = tree_util.tree_flatten(args)
    placed = [
        jax.device_put(leaf, NamedSharding(setup.mesh, _spec(axis)))
        for leaf, axis in zip(leaves, setup.case.leaf_axes, strict=True)
    ]
    return tuple(tree_util.tree_unflatten(tree, placed))


SHARDED = Layout("sharded", lambda setup, args: tuple(args), _place_sharded)


# ------------------------------------------------------------------------------------- as Python


def _loop_text(setup: Setup) -> list[str]:
    case = setup.case
    return [
        f"examples = [({_joined(case, case.slice_text)},) for i in range({case.batch})]",
        f"step = jax.jit({case.name})",
        "out = [step(*example) for example in examples]",
    ]


def _joined(case: Case, text: Callable[[int], str]) -> str:
    return ", ".join(text(position) for position in range(len(case.args)))


def _loop_and_stack_text(setup: Setup) -> list[str]:
    case = setup.case
    return [
        f"step = jax.jit({case.name})",
        f"results = [step({_joined(case, case.slice_text)}) for i in range({case.batch})]",
        "out = jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)",
    ]


def _lax_map_text(setup: Setup) -> list[str]:
    return _map_text(setup.case, "")


def _lax_map_batched_text(setup: Setup) -> list[str]:
    return _map_text(setup.case, f", batch_size={_inner_batch(setup.case)}")


def _map_text(case: Case, options: str) -> list[str]:
    names = ", ".join(case.names)
    mapped = [name for name, axes in zip(case.names, case.axes, strict=True) if _any(axes)]
    mixed = any(_any(axes) and None in axes for axes in case.axes)
    if mixed:
        # An argument with leaves of both kinds is taken apart by hand.
        return [
            "def one(i):",
            f"    return {case.name}({_joined(case, case.slice_text)})",
            f"step = jax.jit(lambda {names}: lax.map(one, jnp.arange({case.batch}){options}))",
            f"out = step({names})",
        ]
    inner = mapped[0] if len(mapped) == 1 else f"({', '.join(mapped)})"
    if mapped == list(case.names) and len(mapped) == 1:
        one = case.name
    elif len(mapped) == 1:
        one = f"lambda {mapped[0]}: {case.name}({names})"
    else:
        picked = {name: f"example[{place}]" for place, name in enumerate(mapped)}
        one = f"lambda example: {case.name}({', '.join(picked.get(n, n) for n in case.names)})"
    return [
        f"step = jax.jit(lambda {names}: lax.map({one}, {inner}{options}))",
        f"out = step({_joined(case, case.front_text)})",
    ]


def _any(axes: Sequence[int | None]) -> bool:
    return any(axis is not None for axis in axes)


def _vmap_text(setup: Setup) -> list[str]:
    return _call_text(setup, f"step = {_vmapped_text(setup.case)}")


def _jit_vmap_text(setup: Setup) -> list[str]:
    return _call_text(setup, f"step = jax.jit({_vmapped_text(setup.case)})")


def _call_text(setup: Setup, *lines: str) -> list[str]:
    return [*lines, f"out = step({', '.join(setup.case.names)})"]


def _vmapped_text(case: Case) -> str:
    axes = case.in_axes
    options = "" if all(a == 0 for a in axes) else f", in_axes={axes!r}"
    if case.axis_name is not None:
        options += f", axis_name={case.axis_name!r}"
    return f"jax.vmap({case.name}{options})"


def _pmap_text(setup: Setup) -> list[str]:
    front = replace(setup.case.in_front(), axis_name=None)
    return _pmapped_text(setup, _vmapped_text(front), merge=True)


def _pmap_without_vmap_text(setup: Setup) -> list[str]:
    return _pmapped_text(setup, setup.case.name, merge=False)


def _pmapped_text(setup: Setup, inner: str, *, merge: bool) -> list[str]:
    case = setup.case
    axes = case.in_front().in_axes
    options = "" if all(a == 0 for a in axes) else f", in_axes={axes!r}"

    def split(position: int) -> str:
        return case.split_text(position, setup.count)

    lines = [
        f"step = jax.pmap({inner}{options}, devices=devices)",
        f"out = step({_joined(case, split)})",
    ]
    whole = f"leaf.reshape({case.batch}, *leaf.shape[2:])"
    return [*lines, f"out = jax.tree.map(lambda leaf: {whole}, out)"] if merge else lines


_MESH = (
    f'mesh = jax.sharding.Mesh(np.array(devices), ("{AXIS}",), '
    "axis_types=(jax.sharding.AxisType.Auto,))"
)


def _shard_map_text(setup: Setup) -> list[str]:
    case = replace(setup.case, axis_name=None)
    specs = ", ".join(repr(case.map_axes(i, _spec)) for i in range(len(case.args)))
    specs = specs.replace("PartitionSpec", "P")
    return _call_text(
        setup,
        _MESH,
        f"step = jax.jit(jax.shard_map({_vmapped_text(case)}, mesh=mesh, "
        f'in_specs=({specs},), out_specs=P("{AXIS}"), check_vma=False))',
    )


def _sharding_text(setup: Setup) -> list[str]:
    case = setup.case
    lines = [_MESH]
    for position, name in enumerate(case.names):
        specs = case.map_axes(position, lambda axis: NamedSharding(setup.mesh, _spec(axis)))
        if isinstance(specs, NamedSharding):
            sharding = f"jax.sharding.NamedSharding(mesh, {_spec_text(case.axes[position][0])})"
        else:
            given = ", ".join(_spec_text(axis) for axis in case.axes[position])
            sharding = (
                f"jax.tree.unflatten(jax.tree.structure({name}), "
                f"[jax.sharding.NamedSharding(mesh, spec) for spec in [{given}]])"
            )
        lines.append(f"{name} = jax.device_put({name}, {sharding})")
    return [*lines, *_jit_vmap_text(setup)]


def _spec_text(axis: int | None) -> str:
    return repr(_spec(axis)).replace("PartitionSpec", "P")


def _devices_text(setup: Setup) -> str:
    if list(setup.devices) == jax.devices():
        return "jax.devices()"
    if list(setup.devices) == jax.devices()[: setup.count]:
        return f"jax.devices()[:{setup.count}]"
    ids = [device.id for device in setup.devices]
    return f"[device for id in {ids} for device in jax.devices() if device.id == id]"


# --------------------------------------------------------------------------------------- the table

TABLE: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            "loop",
            "a Python loop over the jitted function, the examples sliced beforehand",
            layouts.SLICES,
            _build_loop,
            _loop_text,
            per_example=True,
        ),
        Strategy(
            "loop-and-stack",
            "a Python loop that slices each example and stacks the results, as the tutorial has it",
            layouts.WHOLE,
            _build_loop_and_stack,
            _loop_and_stack_text,
            per_example=True,
        ),
        Strategy(
            "lax.map",
            "jit of lax.map: one example after the other, compiled",
            layouts.FRONT,
            _build_lax_map,
            _lax_map_text,
        ),
        Strategy(
            "lax.map-batched",
            "jit of lax.map with batch_size: several examples at a time",
            layouts.FRONT,
            _build_lax_map_batched,
            _lax_map_batched_text,
        ),
        Strategy(
            "vmap",
            "vmap without jit, as the tutorial has it",
            layouts.WHOLE,
            _build_vmap,
            _vmap_text,
        ),
        Strategy(
            "jit(vmap)",
            "jit of vmap: the whole batch at once",
            layouts.WHOLE,
            _build_jit_vmap,
            _jit_vmap_text,
        ),
        Strategy(
            "pmap",
            "pmap of vmap: a share of the batch on each device",
            layouts.SPLIT,
            _build_pmap,
            _pmap_text,
            multi=True,
        ),
        Strategy(
            "pmap-without-vmap",
            "pmap of the function itself, as the tutorial has it: right only where the function "
            "takes a whole share of the batch for one example",
            layouts.SPLIT,
            _build_pmap_without_vmap,
            _pmap_without_vmap_text,
            multi=True,
        ),
        Strategy(
            "shard_map",
            "jit of shard_map of vmap: a share of the batch on each device",
            SHARDED,
            _build_shard_map,
            _shard_map_text,
            multi=True,
        ),
        Strategy(
            "sharding",
            "jit of vmap on inputs that a NamedSharding divides over the devices",
            SHARDED,
            _build_jit_vmap,
            _sharding_text,
            multi=True,
        ),
    )
}

BASELINE = "jit(vmap)"
# What is timed when nothing is chosen: all but the tutorial's mistake.
DEFAULT = tuple(name for name in TABLE if name != "pmap-without-vmap")
