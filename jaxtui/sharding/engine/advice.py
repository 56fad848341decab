"""What a plan wastes, with remedies that were planned before they are offered.

A remedy is an edit of the session. It is offered only if the plan of the edited session sends less,
or takes less memory and sends no more.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from msgspec.structs import replace

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import ARGUMENTS, LAYERS, SOURCE, FieldPath
from jaxtui.session.session import Argument, Sharding
from jaxtui.sharding.blocks import axis_of
from jaxtui.sharding.engine import source_edits
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.words import sent, spec_text
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import (
    Advice,
    SentCollective,
    ShardedArray,
    ShardedValue,
    ShardingPlan,
    Spec,
)

BUDGET = 4.0  # seconds for all remedies; what was found until then is told
MOST = 6  # remedies tried for one suspicion
LARGE = 0.05  # of what all arguments take on one device: less is not spoken of
GAIN = 0.05  # of the time for what is sent, or of the memory: a remedy that gains less is none


@dataclass(frozen=True)
class Remedy:
    """An edit of the session: put `text` into `field`."""

    label: str
    field: FieldPath
    text: str

    def applied(self, composition: Composition) -> Composition:
        program = composition.program
        if self.field == SOURCE:
            return replace(composition, program=replace(program, source=self.text))
        index, name = int(self.field.keys[2]), self.field.name
        items: list[Any] = list(getattr(program, self.field.keys[1]))
        items[index] = replace(items[index], **{name: self.text})
        return replace(composition, program=replace(program, **{self.field.keys[1]: items}))


@dataclass(frozen=True)
class Suspicion:
    """Something that may cost `bytes` on each device, and what may mend it."""

    line: int | None
    message: str
    bytes: int
    remedies: list[Remedy]


def advised(composition: Composition, sharding: Sharding) -> list[Advice]:
    """The advice for a session, what gains most first. Raises Diagnosed if it has no plan.

    Of several remedies that come to the same, the one that stands first in the source is told.
    """
    plan = plan_of(composition, sharding)
    until = time.perf_counter() + BUDGET
    tried: dict[Remedy, Gain | None] = {}
    told: list[Gain] = []
    found: list[tuple[Gain, Advice]] = []
    for suspicion in _suspicions(plan, composition):
        fixes: list[tuple[Gain, Fix]] = []
        for remedy in suspicion.remedies[:MOST]:
            if remedy not in tried and time.perf_counter() < until:
                tried[remedy] = _gain(plan, remedy, composition, sharding)
            gain = tried.get(remedy)
            if gain is not None and not any(gain.is_near(other) for other in told):
                label = f"{remedy.label}: {gain.words(plan)}"
                fixes.append((gain, Fix(label=label, field=remedy.field, text=remedy.text)))
                told.append(gain)
        if fixes:
            fixes.sort(key=lambda pair: pair[0])
            advice = Advice(
                line=suspicion.line,
                message=suspicion.message,
                bytes=suspicion.bytes,
                fixes=[fix for _, fix in fixes],
            )
            found.append((fixes[0][0], advice))
    return [advice for _, advice in sorted(found, key=lambda pair: pair[0])]


class Gain(NamedTuple):
    """What remains with a remedy: the seconds of sending, and the peak in bytes."""

    seconds: float
    peak: int

    def is_near(self, other: Gain) -> bool:
        """Whether both come to much the same."""
        return math.isclose(self.seconds, other.seconds, rel_tol=GAIN) and math.isclose(
            self.peak, other.peak, rel_tol=GAIN
        )

    def words(self, plan: ShardingPlan) -> str:
        """What it is less than in `plan`."""
        was = _seconds(plan)
        told = []
        if was - self.seconds > GAIN * was:
            sending = quantities.seconds(self.seconds)
            told.append(f"{quantities.seconds(was)} of sending becomes {sending}")
        if plan.memory.peak - self.peak > GAIN * plan.memory.peak:
            peak = quantities.size(plan.memory.peak)
            told.append(f"peak {peak} becomes {quantities.size(self.peak)}")
        return ", ".join(told)


def _gain(
    plan: ShardingPlan, remedy: Remedy, composition: Composition, sharding: Sharding
) -> Gain | None:
    """What a remedy leaves, None if it gains nothing."""
    try:
        after = plan_of(remedy.applied(composition), sharding)
    except Diagnosed:
        return None
    was, now = _seconds(plan), _seconds(after)
    peak, lower = plan.memory.peak, after.memory.peak
    less_time = was - now > GAIN * was
    less_memory = peak - lower > GAIN * peak
    if (less_time and lower <= 1.5 * peak) or (less_memory and now <= was):
        return Gain(now, lower)
    return None


def _seconds(plan: ShardingPlan) -> float:
    return sum(one.seconds * (one.times or 1) for one in plan.collectives)


# -------------------------------------------------------------------------------------- suspicions


def _suspicions(plan: ShardingPlan, composition: Composition) -> list[Suspicion]:
    """All suspicions: the first dimensions that lost an axis in order, then what costs most."""
    large = max(1, int(LARGE * plan.memory.arguments))
    edits = source_edits.Edits(composition.program)
    others = [
        *_lost(plan, edits, large),
        *_sent_much(plan, edits, large),
        *_whole_arguments(plan, composition, large),
        *_unmoved_in_loops(plan, edits),
        *_undonated(plan, composition, large),
    ]
    return [*_moved(plan, edits, large), *sorted(others, key=lambda one: -one.bytes)]


def _moved(plan: ShardingPlan, edits: source_edits.Edits, large: int) -> Iterator[Suspicion]:
    """Named values that an axis divides along a later dimension, though along the first of an
    argument: where a batch lost its sharding."""
    batch = {axis for array in plan.inputs for axes in array.spec[:1] for axis in axes}
    told: set[tuple[int | None, str]] = set()
    for value in plan.values:
        later = [axis for axes in value.spec[1:] for axis in axes if axis in batch]
        if not later or value.bytes * (value.times or 1) < large or not value.name or value.file:
            continue
        if (value.line, value.name) in told:
            continue
        told.add((value.line, value.name))
        axis = later[0]
        without = [[a for a in axes if a != axis] for axes in value.spec]
        remedies = [
            edit
            for spec in itertools.islice(_with_axis(value.shape, without, axis, plan), 1)
            if spec[0] and (edit := _constraint(edits, value, spec)) is not None
        ]
        message = f"{axis} divides {value.name} no longer along its first dimension"
        yield Suspicion(value.line, message, value.bytes * (value.times or 1), remedies)


def _axes(spec: Spec) -> set[str]:
    return {axis_of(axis) for axes in spec for axis in axes}


def _lost(plan: ShardingPlan, edits: source_edits.Edits, large: int) -> Iterator[Suspicion]:
    """Named values that an axis does not divide, though it divides an argument."""
    given = set().union(*(_axes(array.spec) for array in plan.inputs)) if plan.inputs else set()
    told: set[tuple[int | None, str]] = set()
    for value in plan.values:
        for axis in plan.mesh:
            missing = axis in given and axis not in _axes(value.spec) and plan.mesh[axis] > 1
            if not missing or value.bytes < large or not value.name or value.varying:
                continue
            if (value.line, value.name) in told or value.file:
                continue
            told.add((value.line, value.name))
            remedies = [
                edit
                for spec in _with_axis(value.shape, value.spec, axis, plan)
                if (edit := _constraint(edits, value, spec)) is not None
            ]
            often = f", {value.times:,} times" if value.times and value.times > 1 else ""
            message = (
                f"{value.name} is not divided by {axis}: {quantities.size(value.bytes)} on each "
                f"device{often}"
            )
            yield Suspicion(value.line, message, value.bytes * (value.times or 1), remedies)


def _with_axis(shape: list[int], spec: Spec, axis: str, plan: ShardingPlan) -> Iterator[Spec]:
    """`spec` with the axis on each dimension that it then still divides, the first ones first."""
    for dimension, size in enumerate(shape):
        made = [list(axes) for axes in spec]
        made[dimension].append(axis)
        parts = 1
        for name in made[dimension]:
            parts *= plan.mesh.get(name, 0)
        if parts and size % parts == 0:
            yield made


def _constraint(edits: source_edits.Edits, value: ShardedValue, spec: Spec) -> Remedy | None:
    source = edits.constrained(value.name, value.line, spec_text(spec))
    if source is None:
        return None
    return Remedy(f"{value.name} as {spec_text(spec)}", SOURCE, source)


def _sent_much(plan: ShardingPlan, edits: source_edits.Edits, large: int) -> Iterator[Suspicion]:
    """Gathers of more than they feed, and what is sent to and fro."""
    lines: dict[int | None, list[tuple[SentCollective, int]]] = {}
    for one, place in zip(plan.collectives, plan.before, strict=True):
        if not one.file:
            lines.setdefault(one.line, []).append((one, place))
    for line, group in lines.items():
        total = sum(sent(one, plan.mesh) * (one.times or 1) for one, _ in group)
        if total < large:
            continue
        what = " and ".join(dict.fromkeys(f"{one.kind} over {_over(one)}" for one, _ in group))
        message = f"{what}: {quantities.size(total)} sent by each device"
        values = [plan.values[place] for _, place in group if place < len(plan.values)]
        remedies = []
        for value in [v for v in plan.values if v.line == line and v.name] or values:
            for axis in plan.mesh:
                for spec in _with_axis(value.shape, value.spec, axis, plan):
                    if axis not in _axes(value.spec):
                        edit = _constraint(edits, value, spec) if value.name else None
                        remedies += [edit] if edit is not None else []
        yield Suspicion(line, message, total, remedies)


def _over(one: SentCollective) -> str:
    return ", ".join(one.axes) or "some devices"


def _whole_arguments(
    plan: ShardingPlan, composition: Composition, large: int
) -> Iterator[Suspicion]:
    """Large arguments that an axis of the mesh does not divide."""
    arguments = composition.program.arguments
    for array in plan.inputs:
        index = _single(array, plan, arguments)
        if index is None or array.bytes < large:
            continue
        unused = [a for a, n in plan.mesh.items() if n > 1 and a not in _axes(array.spec)]
        if not unused:
            continue
        field = ARGUMENTS / index / "sharding"
        remedies = [
            Remedy(f"{array.name} as {spec_text(spec)}", field, spec_text(spec))
            for axis in unused
            for spec in _with_axis(array.shape, array.spec, axis, plan)
        ]
        message = (
            f"{array.name} is not divided by {' and '.join(unused)}: "
            f"{quantities.size(array.bytes)} on each device"
        )
        yield Suspicion(None, message, array.bytes, remedies)


def _single(array: ShardedArray, plan: ShardingPlan, arguments: list[Argument]) -> int | None:
    """The argument that is this array and nothing more, by its place; None for part of a tree."""
    if array.path or sum(other.name == array.name for other in plan.inputs) > 1:
        return None
    places = [n for n, argument in enumerate(arguments) if argument.name == array.name]
    return places[0] if len(places) == 1 else None


def _unmoved_in_loops(plan: ShardingPlan, edits: source_edits.Edits) -> Iterator[Suspicion]:
    """Gathers in a loop of what the loop only reads, which could be made once in front of it."""
    for one in plan.collectives:
        if one.kind != "all_gather" or one.times is None or one.times < 2 or one.file:
            continue
        matching = [
            array
            for array in plan.inputs
            if array.bytes == one.bytes
            and not array.path
            and one.axes
            and set(one.axes) <= _axes(array.spec)
        ]
        for array in matching:
            spec = [[a for a in axes if a not in one.axes] for axes in array.spec]
            source = edits.constrained_argument(array.name, spec_text(spec))
            if source is None:
                continue
            remedy = Remedy(
                f"{array.name} as {spec_text(spec)} in front of the loop", SOURCE, source
            )
            message = (
                f"{array.name} is gathered over {_over(one)} in each of {one.times:,} turns, "
                "and the loop does not change it"
            )
            yield Suspicion(one.line, message, sent(one, plan.mesh) * one.times, [remedy])


def _undonated(plan: ShardingPlan, composition: Composition, large: int) -> Iterator[Suspicion]:
    """Arguments that an output could be written over."""
    layers = composition.program.layers
    if not layers or layers[-1].transform != "jit":
        return
    arguments = composition.program.arguments
    free = [(tuple(o.shape), o.dtype, str(o.spec)) for o in plan.outputs]
    places: list[int] = []
    total = 0
    for index, argument in enumerate(arguments):
        arrays = [a for a in plan.inputs if a.name == argument.name]
        kinds = [(tuple(a.shape), a.dtype, str(a.spec)) for a in arrays]
        left = list(free)
        for kind in kinds:
            if kind not in left:
                break
            left.remove(kind)
        else:
            size = sum(a.bytes for a in arrays)
            if arrays and size >= large:
                free = left
                places.append(index)
                total += size
    typed = layers[-1].typed()
    if not places or "donate_argnums" in typed or "donate_argnames" in typed:
        return
    text = str(places[0]) if len(places) == 1 else str(tuple(places))
    names = ", ".join(arguments[index].name for index in places)
    field = LAYERS / (len(layers) - 1) / "donate_argnums"
    message = f"{names} could be overwritten by outputs of the same shape: {quantities.size(total)}"
    yield Suspicion(None, message, total, [Remedy(f"donate_argnums {text}", field, text)])
