"""The ways to run a per-example function over a batch: one table, an entry for each.

An entry lays out its inputs, builds its callable, brings its outputs to one layout (the batch
leading), and prints itself as Python. A new strategy is a new entry of TABLE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax, tree_util
from jax.sharding import NamedSharding, PartitionSpec

from jaxtui.benchmark.engine.strategies import as_python, layouts
from jaxtui.benchmark.engine.strategies.layouts import (
    Case,
    Placement,
    Setup,
    inner_batch,
)
from jaxtui.engine_base import global_view, processes
from jaxtui.engine_base.arrays import readable


@dataclass(frozen=True)
class Built:
    """A strategy's callable: `call(*inputs)` is what is timed.

    `step` is the transformed function inside it that can be lowered; None where JAX runs operation
    by operation. `whole` is what is traced of it to plan, given the inputs of all processes; None
    for the step, or the call.
    """

    call: Callable[..., Any]
    step: Any
    whole: Any = None


@dataclass(frozen=True)
class Strategy:
    """One way to run a per-example function over a batch.

    `multi`: it divides the batch over several devices. `per_example`: its step is called once for
    each example. `text` gives the lines of Python that stand between the inputs and `out`.
    `mistake` says what is wrong with one that is there to be looked at, and is not timed unless it
    is chosen.
    """

    name: str
    title: str
    layout: Placement
    build: Callable[[Setup], Built]
    text: Callable[[Setup], list[str]]
    multi: bool = False
    per_example: bool = False
    mistake: str = ""

    @property
    def by_default(self) -> bool:
        return not self.mistake

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

    def spread_leaves(self, setup: Setup, output: Any) -> list[jax.Array]:
        """The output's leaves over the devices of several processes, the batch leading."""
        leaves = tree_util.tree_leaves(output)
        return [_joined(setup, x) for x in leaves] if self.layout is layouts.SPLIT else leaves

    def _batch_leading(self, setup: Setup, shape: tuple[int, ...]) -> tuple[int, ...]:
        if self.layout is layouts.SPLIT and shape[:2] == (setup.count, setup.share):
            return (setup.case.batch, *shape[2:])
        return shape

    def python(self, setup: Setup) -> str:
        """The strategy as Python, given `jax`, `jnp`, `lax`, the function and its arguments."""
        case = setup.case
        lines = [*case.definitions]
        if case.text != case.name:
            lines.append(f"{case.name} = {case.text}")
        if self.multi:
            lines.append(f"devices = {as_python.devices(setup)}")
        lines += self.text(setup)
        return "\n".join(lines)


def on_host(leaf: Any) -> np.ndarray[Any, Any]:
    """A leaf as a NumPy array; of PRNG keys their data."""
    return np.asarray(readable(leaf))


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


def _build_lax_map(setup: Setup, *, batched: bool = False) -> Built:
    case = setup.case
    options = {"batch_size": inner_batch(case)} if batched else {}

    def mapped(*args: Any) -> Any:
        leaves, tree = tree_util.tree_flatten(args)

        def one(example: list[Any]) -> Any:
            given = iter(example)
            merged = [
                leaf if axis is None else next(given)
                for leaf, axis in zip(leaves, case.leaf_axes_in_front, strict=True)
            ]
            return case.function(*tree_util.tree_unflatten(tree, merged))

        axes = case.leaf_axes_in_front
        moving = [leaf for leaf, axis in zip(leaves, axes, strict=True) if axis is not None]
        return lax.map(one, moving, **options)

    return _jitted(mapped)


def _build_vmap(setup: Setup) -> Built:
    return Built(_vmapped(setup.case, setup.case.axis_name), None)


def _build_jit_vmap(setup: Setup) -> Built:
    return _jitted(_vmapped(setup.case, setup.case.axis_name))


def _build_pmap(setup: Setup, *, vmapped: bool = True) -> Built:
    case = setup.case.in_front()
    inner = _vmapped(case, setup.over_share) if vmapped else case.function
    step = jax.pmap(
        inner,
        axis_name=setup.over_devices,
        in_axes=case.in_axes,
        devices=list(setup.devices),
    )
    if not processes.several():
        return Built(step, step)
    # Traced in one of several processes, JAX's own also makes of its part a part of the whole.
    whole = global_view.GlobalPmap(
        inner, axis_name=setup.over_devices, in_axes=case.in_axes, devices=list(setup.devices)
    )
    return Built(step, step, whole)


def _joined(setup: Setup, leaf: jax.Array) -> jax.Array:
    """What a pmap gave this process as a part of the whole, the batch leading."""
    held = {shard.device: shard.data for shard in leaf.addressable_shards}
    inner = leaf.shape[1:]
    merges = inner[:1] == (setup.share,)
    blocks = [
        held[setup.devices[place]].reshape(inner if merges else (1, *inner)) for place in setup.mine
    ]
    shape = (setup.case.batch if merges else setup.count, *inner[1 if merges else 0 :])
    sharding = NamedSharding(setup.mesh, PartitionSpec(setup.axis))
    return jax.make_array_from_single_device_arrays(shape, sharding, blocks)


def _build_shard_map(setup: Setup) -> Built:
    case = setup.case
    specs = tuple(case.map_axes(position, setup.spec_of) for position in range(len(case.args)))
    inner = _vmapped(case, setup.over_share)
    # Unchecked: a loop in the function may start from a constant that all devices share.
    mapped = jax.shard_map(
        inner, mesh=setup.mesh, in_specs=specs, out_specs=PartitionSpec(setup.axis), check_vma=False
    )
    return _jitted(mapped)


def _vmapped(case: Case, axis_name: Any) -> Callable[..., Any]:
    return jax.vmap(case.function, in_axes=case.in_axes, axis_name=axis_name)


def _jitted(call: Callable[..., Any]) -> Built:
    step = jax.jit(call)
    return Built(step, step)


# --------------------------------------------------------------------------------------- the table

TABLE: dict[str, Strategy] = {
    strategy.name: strategy
    for strategy in (
        Strategy(
            "loop",
            "a Python loop over the jitted function, on slices made before",
            layouts.SLICES,
            _build_loop,
            as_python.loop,
            per_example=True,
        ),
        Strategy(
            "loop-and-stack",
            "a Python loop that slices and stacks, too: the tutorial's",
            layouts.WHOLE,
            _build_loop_and_stack,
            as_python.loop_and_stack,
            per_example=True,
        ),
        Strategy(
            "lax.map",
            "jit of lax.map: one example after the other, compiled",
            layouts.FRONT,
            _build_lax_map,
            as_python.lax_map,
        ),
        Strategy(
            "lax.map-batched",
            "jit of lax.map with batch_size: several examples at a time",
            layouts.FRONT,
            partial(_build_lax_map, batched=True),
            partial(as_python.lax_map, batched=True),
        ),
        Strategy(
            "vmap",
            "vmap without jit, as the tutorial has it",
            layouts.WHOLE,
            _build_vmap,
            as_python.vmap,
        ),
        Strategy(
            "jit(vmap)",
            "jit of vmap: the whole batch at once",
            layouts.WHOLE,
            _build_jit_vmap,
            as_python.jit_vmap,
        ),
        Strategy(
            "pmap",
            "pmap of vmap: a share of the batch on each device",
            layouts.SPLIT,
            _build_pmap,
            as_python.pmap,
            multi=True,
        ),
        Strategy(
            "pmap-without-vmap",
            "pmap of the function itself, the tutorial's",
            layouts.SPLIT,
            partial(_build_pmap, vmapped=False),
            partial(as_python.pmap, vmapped=False),
            multi=True,
            mistake="Each device is given a share of the batch, and without a vmap inside the "
            "function takes the whole share for one example: pmap(vmap(f)) is meant, the strategy "
            "`pmap`",
        ),
        Strategy(
            "shard_map",
            "jit of shard_map of vmap: a share of the batch on each device",
            layouts.SHARDED,
            _build_shard_map,
            as_python.shard_map,
            multi=True,
        ),
        Strategy(
            "sharding",
            "jit of vmap on inputs that a NamedSharding divides",
            layouts.SHARDED,
            _build_jit_vmap,
            as_python.sharding,
            multi=True,
        ),
    )
}

BASELINE = "jit(vmap)"
DEFAULT = tuple(strategy.name for strategy in TABLE.values() if strategy.by_default)
"""What is timed when nothing is chosen."""
