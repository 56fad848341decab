"""Each strategy as lines of Python in bare JAX, between the inputs and `out`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import jax
from jax.sharding import NamedSharding

from jaxtui.benchmark.engine.strategies.layouts import Case, Setup, inner_batch


def loop(setup: Setup) -> list[str]:
    """The strategy of this name."""
    case = setup.case
    return [
        f"examples = [({_joined(case, case.slice_text)},) for i in range({case.batch})]",
        f"step = jax.jit({case.name})",
        "out = [step(*example) for example in examples]",
    ]


def _joined(case: Case, text: Callable[[int], str]) -> str:
    return ", ".join(text(position) for position in range(len(case.args)))


def loop_and_stack(setup: Setup) -> list[str]:
    """The strategy of this name."""
    case = setup.case
    return [
        f"step = jax.jit({case.name})",
        f"results = [step({_joined(case, case.slice_text)}) for i in range({case.batch})]",
        "out = jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)",
    ]


def lax_map(setup: Setup, *, batched: bool = False) -> list[str]:
    """The strategy of this name; `batched` with a batch_size."""
    case = setup.case
    options = f", batch_size={inner_batch(case)}" if batched else ""
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


def vmap(setup: Setup) -> list[str]:
    """The strategy of this name."""
    return _call_text(setup, f"step = {_vmapped_text(setup.case)}")


def jit_vmap(setup: Setup) -> list[str]:
    """The strategy of this name."""
    return _call_text(setup, f"step = jax.jit({_vmapped_text(setup.case)})")


def _call_text(setup: Setup, *lines: str) -> list[str]:
    return [*lines, f"out = step({', '.join(setup.case.names)})"]


def _vmapped_text(case: Case) -> str:
    axes = case.in_axes
    options = "" if all(a == 0 for a in axes) else f", in_axes={axes!r}"
    if case.axis_name is not None:
        options += f", axis_name={case.axis_name!r}"
    return f"jax.vmap({case.name}{options})"


def pmap(setup: Setup, *, vmapped: bool = True) -> list[str]:
    """The strategy of this name, the function in a vmap or without one."""
    case = setup.case
    front = replace(case.in_front(), axis_name=setup.over_share)
    inner, axes = _vmapped_text(front) if vmapped else case.name, front.in_axes
    options = "" if all(a == 0 for a in axes) else f", in_axes={axes!r}"
    if setup.over_devices is not None:
        options = f", axis_name={setup.over_devices!r}{options}"

    def split(position: int) -> str:
        return case.split_text(position, setup.count, "[own]" if setup.spans else "")

    own = "own = np.array([i for i, d in enumerate(devices) if d in jax.local_devices()])"
    lines = [
        *([own] if setup.spans else []),
        f"step = jax.pmap({inner}{options}, devices=devices)",
        f"out = step({_joined(case, split)})",
    ]
    rows = "-1" if setup.spans else str(case.batch)  # of several processes each has its own
    whole = f"leaf.reshape({rows}, *leaf.shape[2:])"
    return [*lines, f"out = jax.tree.map(lambda leaf: {whole}, out)"] if vmapped else lines


def _mesh(setup: Setup) -> str:
    return (
        f"mesh = jax.sharding.Mesh(np.array(devices), ({_quoted(setup.axis)},), "
        "axis_types=(jax.sharding.AxisType.Auto,))"
    )


def _quoted(axis: object) -> str:
    return f'"{axis}"' if isinstance(axis, str) and axis.isidentifier() else repr(axis)


def shard_map(setup: Setup) -> list[str]:
    """The strategy of this name."""
    case = replace(setup.case, axis_name=setup.over_share)
    specs = ", ".join(repr(case.map_axes(i, setup.spec_of)) for i in range(len(case.args)))
    specs = specs.replace("PartitionSpec", "P")
    return _call_text(
        setup,
        _mesh(setup),
        f"step = jax.jit(jax.shard_map({_vmapped_text(case)}, mesh=mesh, "
        f"in_specs=({specs},), out_specs=P({_quoted(setup.axis)}), check_vma=False))",
    )


def sharding(setup: Setup) -> list[str]:
    """The strategy of this name."""
    case = setup.case
    lines = [_mesh(setup)]
    for position, name in enumerate(case.names):
        specs = case.map_axes(position, lambda axis: NamedSharding(setup.mesh, setup.spec_of(axis)))
        if isinstance(specs, NamedSharding):
            spec = _spec_text(setup, case.axes[position][0])
            sharding = f"jax.sharding.NamedSharding(mesh, {spec})"
        else:
            given = ", ".join(_spec_text(setup, axis) for axis in case.axes[position])
            sharding = (
                f"jax.tree.unflatten(jax.tree.structure({name}), "
                f"[jax.sharding.NamedSharding(mesh, spec) for spec in [{given}]])"
            )
        lines.append(f"{name} = jax.device_put({name}, {sharding})")
    return [*lines, *jit_vmap(setup)]


def _spec_text(setup: Setup, axis: int | None) -> str:
    return repr(setup.spec_of(axis)).replace("PartitionSpec", "P")


def devices(setup: Setup) -> str:
    """The devices of a setup as an expression."""
    if list(setup.devices) == jax.devices():
        return "jax.devices()"
    if list(setup.devices) == jax.devices()[: setup.count]:
        return f"jax.devices()[:{setup.count}]"
    ids = [device.id for device in setup.devices]
    return f"[device for id in {ids} for device in jax.devices() if device.id == id]"
