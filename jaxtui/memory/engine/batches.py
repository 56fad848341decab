"""A vmap that is too large as a `jax.lax.map` over batches, of a size whose program fits.

Whether one fits is what `memory_analysis` says of the changed program, compiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from jax import tree_util

from jaxtui.engine_base import failures
from jaxtui.engine_base.arrays import prefix_leaves
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.memory.engine.budget import Budget
from jaxtui.memory.engine.intermediates import Needed, needed_by
from jaxtui.program.engine.inspection import lowered_as_it_runs
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.shapes import Shapes
from jaxtui.program.engine.suggestions import entries
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import LAYERS
from jaxtui.session.layers import AnyLayer, Apply, Map, Vmap
from jaxtui.text import quantities
from jaxtui.wire.base import Composition

MOST_COMPILED = 10  # programs for one layer
SECONDS = 20.0  # after which no further program is compiled


@dataclass(frozen=True)
class Batches:
    """A layer as a map over batches of `size` of its `of` examples, and what that needs."""

    layer: BuiltLayer
    size: int
    of: int
    needed: Needed
    fix: Fix


class NoMap(Exception):
    """A vmap that cannot become a map, with why in words."""


def fitting(
    shapes: Shapes, needed: Needed, budget: Budget, cancelled: Callable[[], bool]
) -> Batches | list[str]:
    """The largest batches that fit, of the outermost vmap for which some do; else why none does.

    `needed` is what the program takes as it is. Raises GivenUp when `cancelled()` turned true.
    """
    budget = budget.with_room
    layers = [layer for layer in reversed(shapes.prepared.layers) if isinstance(layer.kind, Vmap)]
    if not layers:
        return ["No layer of the program is a vmap, which could be computed in batches."]
    kept = needed.arguments + needed.outputs - needed.donated
    if not budget.fits(kept, needed.devices):
        size = quantities.size(kept)
        return [f"Its arguments and outputs alone take {size}: batches would not make it fit."]
    reasons = []
    search = _Search(shapes, needed, budget, cancelled)
    for layer in layers:
        try:
            return search.largest(layer)
        except NoMap as reason:
            reasons.append(f"{layer.field('')}, a vmap, cannot become a map in batches: {reason}.")
    return reasons


class _Search:
    def __init__(
        self, shapes: Shapes, needed: Needed, budget: Budget, cancelled: Callable[[], bool]
    ) -> None:
        self._shapes, self._needed, self._budget = shapes, needed, budget
        self._cancelled = cancelled
        self._until = time.monotonic() + SECONDS

    def largest(self, layer: BuiltLayer) -> Batches:
        """The largest batches of a layer that fit. Raises NoMap."""
        of = self._size(layer)
        sizes = batch_sizes(of)
        found: Batches | None = None
        for at in self._in_turn(sizes, of):
            tried = self._compiled(layer, sizes[at], of)
            if self._budget.fits(tried.needed.together, tried.needed.devices):
                found = tried if found is None or tried.size > found.size else found
                self._fits(at)
            else:
                self._too_large(at)
        if found is None:
            raise NoMap("no batch that was compiled fits")
        return found

    def _in_turn(self, sizes: Sequence[int], of: int) -> Iterator[int]:
        """The places of the sizes to compile, at first the one that should fit, then between the
        largest that fits and the smallest that does not."""
        self._low, self._high = -1, len(sizes)
        at = self._expected(sizes, of)
        for _ in range(MOST_COMPILED):
            yield at
            if self._high - self._low <= 1:
                return
            found = self._low >= 0
            if time.monotonic() > self._until and found:
                return
            # Close to what was expected, as long as only one side is known.
            if found and self._high == len(sizes):
                at = self._low + 1
            else:
                at = (self._low + self._high) // 2

    def _fits(self, at: int) -> None:
        self._low = max(self._low, at)

    def _too_large(self, at: int) -> None:
        self._high = min(self._high, at)

    def _expected(self, sizes: Sequence[int], of: int) -> int:
        """The place of the largest size that fits if temporaries grow with the batch."""
        needed, budget = self._needed, self._budget
        kept = needed.together - needed.temporaries
        room = budget.bytes // (needed.devices if budget.shared else 1) - kept
        most = room * of // max(1, needed.temporaries)
        return max((at for at, size in enumerate(sizes) if size <= most), default=0)

    def _size(self, layer: BuiltLayer) -> int:
        levels = self._shapes.recorder.flow().levels
        size = next((level.size for level in levels if level.layer == layer.index), None)
        if size is None or size < 2:
            raise NoMap("it maps over fewer than two examples")
        return size

    def _compiled(self, layer: BuiltLayer, size: int, of: int) -> Batches:
        if self._cancelled():
            raise GivenUp
        composition = self._shapes.prepared.composition
        mapped = as_map(layer, size, self._shapes)
        layers = [*composition.program.layers]
        layers[layer.index] = mapped
        program = msgspec.structs.replace(composition.program, layers=layers)
        changed = msgspec.structs.replace(composition, program=program)
        needed = _needed(changed, layer)
        label = f"{size:,} of {of:,} at once, by jax.lax.map: {quantities.size(needed.together)}"
        fix = Fix(label, LAYERS, msgspec.json.encode(layers).decode())
        return Batches(layer, size, of, needed, fix)


def batch_sizes(of: int) -> list[int]:
    """The powers of two and the divisors below `of`, in order."""
    powers = {1 << power for power in range(of.bit_length())}
    small = [n for n in range(1, int(of**0.5) + 1) if of % n == 0]
    return sorted(n for n in powers | {*small, *(of // n for n in small)} if n < of)


def _needed(changed: Composition, layer: BuiltLayer) -> Needed:
    """What the changed program takes, compiled. Raises NoMap where it does not work."""
    try:
        with lowered_as_it_runs(changed, any_size=True) as (lowered, _):
            return needed_by(lowered.compile())
    except Diagnosed as error:
        message = error.diagnosis.message
        if "unbound axis name" in message and layer.settings.get("axis_name") is not None:
            name = layer.settings["axis_name"]
            raise NoMap(
                f"the function uses its axis {name!r}, as in a collective, over all examples at "
                "once, and a map has no such axis"
            ) from error
        raise NoMap(message) from error


# ------------------------------------------------------------------------------------ as a layer


def as_map(layer: BuiltLayer, size: int, shapes: Shapes) -> AnyLayer:
    """The layer in place of a vmap. Raises NoMap for settings that a map cannot follow.

    It is a `map`, or where arguments are not all mapped over axis 0, an `apply` of `jax.lax.map`.
    """
    settings = layer.settings
    if settings.get("spmd_axis_name") is not None:
        raise NoMap("its spmd_axis_name divides all examples over a mesh")
    recording = shapes.recorder.recordings[shapes.recorder.level_of(layer)]
    args = recording.args or ()
    in_axes, out_axes = settings.get("in_axes", 0), settings.get("out_axes", 0)
    axes = entries(in_axes, len(args))
    if all(_all_zero(axis, arg) for axis, arg in zip(axes, args, strict=True)) and out_axes == 0:
        return Map(batch_size=str(size))
    if recording.kwargs:
        raise NoMap("it has arguments by keyword, and not all its axes are 0")
    numbers = [_one_axis(axis, arg) for axis, arg in zip(axes, args, strict=True)]
    if type(out_axes) is not int or out_axes < 0:
        raise NoMap(f"it puts its axis at {out_axes!r}, where a map puts it first")
    return Apply(function=_applied(numbers, out_axes, size, _names(shapes, len(args))))


def _all_zero(axis: Any, arg: Any) -> bool:
    return all(type(one) is int and one == 0 for one in prefix_leaves(axis, arg))


def _one_axis(axis: Any, arg: Any) -> int | None:
    """The axis of all leaves of an argument. Raises NoMap if they differ."""
    found = set(prefix_leaves(axis, arg))
    if not tree_util.tree_leaves(arg):
        return None
    if len(found) != 1:
        raise NoMap("leaves of one argument are mapped over different axes")
    one = found.pop()
    if one is not None and type(one) is not int:
        raise NoMap(f"it maps over {failures.safe_repr(one, 40)}")
    return one


def _names(shapes: Shapes, count: int) -> list[str]:
    """Names for the arguments: their own, where these can stand in an expression."""
    names = list(shapes.prepared.argument_names)
    reserved = {"f", "jax", "jnp", "np", "lax", "P", "batch", "a"}
    if len(names) == count and all(n.isidentifier() and n not in reserved for n in names):
        return names
    return [f"x{number}" for number in range(count)]


def _applied(axes: Sequence[int | None], out: int, size: int, names: Sequence[str]) -> str:
    """An expression that makes of a function one that maps it, in batches of `size`."""
    mapped = [(name, axis) for name, axis in zip(names, axes, strict=True) if axis is not None]
    if not mapped:
        raise NoMap("it maps no argument")
    given = [_moved(name, axis, 0) for name, axis in mapped]
    if len(mapped) == 1:
        body, over = f"lambda {mapped[0][0]}: f({', '.join(names)})", given[0]
    else:
        places = {name: f"batch[{at}]" for at, (name, _) in enumerate(mapped)}
        call = ", ".join(places.get(name, name) for name in names)
        body, over = f"lambda batch: f({call})", f"({', '.join(given)})"
    result = f"jax.lax.map({body}, {over}, batch_size={size})"
    if out:
        result = f"jax.tree.map(lambda a: jnp.moveaxis(a, 0, {out}), {result})"
    return f"lambda f: lambda {', '.join(names)}: {result}"


def _moved(name: str, source: int, to: int) -> str:
    if source == to:
        return name
    return f"jax.tree.map(lambda a: jnp.moveaxis(a, {source}, {to}), {name})"
