"""Where the arguments of a run lay, leaf by leaf: in the program as JAX compiled it, or as given.

What a jit or a pmap has compiled says itself where it takes its arguments; to ask it compiles
nothing and calls no function of the user's. Outside of them a shard_map places what it is given by
its specs, and everything else stays where it was.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import tree_util
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.global_view import GlobalPmap
from jaxtui.program.engine import lazy_arrays, placing
from jaxtui.program.engine.mapped_axes import static_numbers
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder
from jaxtui.results.engine.blocks import ends_of
from jaxtui.wire.report import Input, Leaf, Placed, Shard

MOST_SHARDS = 16_384  # of all arguments of a run, for which the message stays below a megabyte

Where = tuple[Placed, Any]  # and the sharding, None where there is none


@dataclass(frozen=True)
class Handed:
    """The arguments of a call as they were before it, without the arrays themselves.

    `args` and `kwargs` have shapes in the place of arrays; `args` is None where a pytree class of
    the user's can hold no shapes. `leaves` are all leaves in the order of `jax.tree_util`, which
    sorts keywords, and `counts` say how many each argument has, the keywords' by name.
    """

    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    leaves: list[Any]
    counts: dict[int | str, int]
    where: list[Where]  # of each leaf


def handed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Handed:
    """What to remember of the arguments of a call that is about to be made."""
    leaves, structure = tree_util.tree_flatten((args, kwargs))
    trees: list[tuple[int | str, Any]] = [*enumerate(args), *sorted(kwargs.items())]
    counts = {key: len(tree_util.tree_leaves(tree)) for key, tree in trees}
    shapes = [_shape(leaf) for leaf in leaves]
    positional: tuple[Any, ...] | None = None
    by_name: dict[str, Any] = {}
    with contextlib.suppress(Exception):  # whatever the class raises
        positional, by_name = tree_util.tree_unflatten(structure, shapes)
    return Handed(positional, by_name, shapes, counts, [_as_given(leaf) for leaf in leaves])


def _shape(leaf: Any) -> Any:
    """An array as its shape, with its sharding if it is committed to it; others as they are."""
    if isinstance(leaf, np.ndarray) and (dtype := lazy_arrays.canonical(leaf.dtype)) is not None:
        return jax.ShapeDtypeStruct(leaf.shape, dtype)
    return placing.as_it_lies(leaf)


def _as_given(leaf: Any) -> Where:
    if isinstance(leaf, jax.Array):
        return "given", leaf.sharding
    return "host", None


def inputs_of(recorder: Recorder, given: Handed, jaxpr: Any, traced: Sequence[Any]) -> list[Input]:
    """The arguments of a run that is over, as leaves, each with where it lay.

    `jaxpr` is the program's, None where only a run could tell, and `traced` are the leaves of the
    arguments as it was traced with them, in the order of `jax.tree_util` for the call.
    """
    leaves = recorder.inside(0)
    places: list[Where] = [("untold", None)] * len(leaves)
    # What a release of JAX tells is no reason to lose a result; what it does not is said.
    with contextlib.suppress(Exception):
        found = _places(recorder, given, jaxpr, traced)
        if len(found) == len(leaves):
            places = found
    return list(_with_shards(leaves, places))


def untold(recorder: Recorder) -> list[Input]:
    """The arguments as leaves, without where they lay."""
    leaves = recorder.inside(0)
    return list(_with_shards(leaves, [("untold", None)] * len(leaves)))


def _with_shards(leaves: Sequence[Leaf], places: Sequence[Where]) -> Iterator[Input]:
    left = MOST_SHARDS
    for leaf, (placed, sharding) in zip(leaves, places, strict=True):
        shards: list[Shard] = []
        if sharding is not None:
            with contextlib.suppress(Exception):  # as above
                shards = _shards(sharding, tuple(leaf.shape)) if left > 0 else []
        left -= len(shards)
        if left < 0:
            shards = []
        known = placed if shards or sharding is None else "untold"
        yield Input(
            name=leaf.name,
            path=leaf.path,
            shape=leaf.shape,
            dtype=leaf.dtype,
            placed=known,
            shards=shards,
        )


def _shards(sharding: Any, shape: tuple[int, ...]) -> list[Shard]:
    """The block of an array of `shape` on each device, in the order of JAX's devices."""
    return [
        Shard(device=device.id, index=[list(ends) for ends in ends_of(index, shape)])
        for device, index in sharding.devices_indices_map(shape).items()
    ]


def _places(recorder: Recorder, given: Handed, jaxpr: Any, traced: Sequence[Any]) -> list[Where]:
    if list(recorder.recordings[0].kwargs) != sorted(given.kwargs):
        return []  # the leaves are not in the same order
    static = _static(recorder, given)
    call = recorder.called(given.args or (), given.kwargs)
    compiled = _compiled(call)
    if compiled is not None:
        return _of_compiled(recorder, compiled, given, static)
    places = _of_equations(given, jaxpr, traced)
    return [("static", None) if at in static else where for at, where in enumerate(places)]


# ------------------------------------------------------------------------------------- compiled


def _compiled(call: Any) -> Any:
    """What has been compiled for `call` and can be asked; None where nothing was."""
    if isinstance(call, GlobalPmap):
        return call.called
    # JAX before 0.8 has a pmap of its own, whose programs do not say where they take arguments.
    if type(call).__name__ == "PmapFunction":
        return None
    lower = getattr(call, "lower", None)  # of a function of the user's it may be anything
    return call if str(getattr(lower, "__module__", "")).startswith("jax.") else None


def _of_compiled(
    recorder: Recorder, call: Any, given: Handed, static: frozenset[int]
) -> list[Where]:
    """Where the compiled program takes each leaf; "unused" for what it has left out."""
    if given.args is None:
        return []
    numbers = [at for at in range(len(given.leaves)) if at not in static]
    with recorder.asked():
        if isinstance(recorder.called(given.args, given.kwargs), GlobalPmap):
            compiled = call.lower(*(given.leaves[at] for at in numbers)).compile()
        else:
            compiled = call.lower(*given.args, **given.kwargs).compile()
    shardings = compiled.in_tree.flatten_up_to(compiled.input_shardings)
    if len(shardings) != len(numbers):
        return []
    places: list[Where] = [("static", None)] * len(given.leaves)
    for at, sharding in zip(numbers, shardings, strict=True):
        places[at] = ("unused", None) if sharding is None else ("program", sharding)
    return places


def _static(recorder: Recorder, given: Handed) -> frozenset[int]:
    """The numbers of the leaves that the outermost layer takes as static."""
    layer = recorder.layers[-1] if recorder.layers else None
    if layer is None or not layer.kind.static_field:
        return frozenset()
    positional = sum(isinstance(key, int) for key in given.counts)
    static = _static_arguments(layer, positional, recorder)
    numbers = iter(range(len(given.leaves)))
    owners = [(key, list(itertools.islice(numbers, n))) for key, n in given.counts.items()]
    return frozenset(at for key, own in owners if key in static for at in own)


def _static_arguments(layer: BuiltLayer, count: int, recorder: Recorder) -> set[int | str]:
    """Which of `count` arguments by position, and which by keyword, are static.

    As `jax.jit` does, positions follow from names and names from positions if only one is given.
    """
    numbers = set(static_numbers(layer))
    given = layer.settings.get("static_argnames")
    names = {given} if isinstance(given, str) else set(given or ())
    known = [p.name for p in recorder.function.parameters or () if p.kind == "positional"]
    if given is None:
        names = {known[n] for n in numbers if -len(known) <= n < len(known)}
    elif not numbers:
        numbers = {known.index(name) for name in names if name in known}
    return {n + count if n < 0 else n for n in numbers} | names


# ------------------------------------------------------------------------------------ equations


def _of_equations(given: Handed, jaxpr: Any, traced: Sequence[Any]) -> list[Where]:
    """Where each leaf lay that is handed to what compiles nothing as a whole.

    A leaf that a shard_map or a pmap takes as it is lies as that divides it; others as given.
    """
    places = list(given.where)
    if jaxpr is None:
        return places
    if len(traced) != len(places):
        return []
    numbers = [at for at, leaf in enumerate(traced) if isinstance(leaf, jax.ShapeDtypeStruct)]
    of = dict(zip(jaxpr.jaxpr.invars, numbers, strict=True))
    for equation in jaxpr.jaxpr.eqns:
        for var, sharding in _divided(equation):
            if not hasattr(var, "val") and var in of:
                places[of[var]] = ("program", sharding)
    return places


def _divided(equation: Any) -> Iterable[tuple[Any, Any]]:
    """The operands of an equation that divides them among devices, with how."""
    name, params = equation.primitive.name, equation.params
    if name == "shard_map" and "in_specs" in params:
        mesh = params["mesh"]
        manual = params.get("newly_manual_axes", params.get("manual_axes", mesh.axis_names))
        if isinstance(mesh, Mesh) and set(manual) == set(mesh.axis_names):
            shardings = (NamedSharding(mesh, spec) for spec in params["in_specs"])
            return zip(equation.invars, shardings, strict=True)
    elif name == "xla_pmap":
        devices = params["devices"] or jax.devices(params["backend"])[: params["axis_size"]]
        mesh = Mesh(np.array(list(devices)), ("devices",))
        entries = params["in_axes"]
        specs = (
            PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, "devices")
            for axis in entries
        )
        return zip(equation.invars, (NamedSharding(mesh, spec) for spec in specs), strict=True)
    return ()
