"""What a plan may waste: what it sends much of, what lies whole, what is kept twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from jaxtui.session.field_path import ARGUMENTS, LAYERS, SOURCE
from jaxtui.sharding.engine import detours, source_edits
from jaxtui.sharding.engine.remedies import (
    Remedy,
    Suspicion,
    axes_in,
    constraint,
    over,
    single,
    with_axis,
)
from jaxtui.sharding.words import sent, spec_text
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import SentCollective, ShardingPlan

LARGE = 0.05  # of what all arguments take on one device: less is not spoken of


def suspicions(plan: ShardingPlan, composition: Composition) -> list[Suspicion]:
    """All suspicions: the first dimensions that lost an axis in order, then detours by their name,
    then what costs most."""
    large = max(1, int(LARGE * plan.memory.arguments))
    edits = source_edits.Edits(composition.program)
    others = [
        *_lost(plan, edits, large),
        *_sent_much(plan, edits, large),
        *_whole_arguments(plan, composition, large),
        *_unmoved_in_loops(plan, edits),
        *_undonated(plan, composition, large),
    ]
    return [
        *_moved(plan, edits, large),
        *sorted(detours.detours(plan, composition, edits, large), key=lambda one: -one.bytes),
        *sorted(others, key=lambda one: -one.bytes),
    ]


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
            for spec in itertools.islice(with_axis(value.shape, without, axis, plan), 1)
            if spec[0] and (edit := constraint(edits, value, spec)) is not None
        ]
        message = f"{axis} divides {value.name} no longer along its first dimension"
        yield Suspicion(value.line, message, value.bytes * (value.times or 1), remedies)


def _lost(plan: ShardingPlan, edits: source_edits.Edits, large: int) -> Iterator[Suspicion]:
    """Named values that an axis does not divide, though it divides an argument."""
    given = set().union(*(axes_in(array.spec) for array in plan.inputs)) if plan.inputs else set()
    told: set[tuple[int | None, str]] = set()
    for value in plan.values:
        for axis in plan.mesh:
            missing = axis in given and axis not in axes_in(value.spec) and plan.mesh[axis] > 1
            if not missing or value.bytes < large or not value.name or value.varying:
                continue
            if (value.line, value.name) in told or value.file:
                continue
            told.add((value.line, value.name))
            remedies = [
                edit
                for spec in with_axis(value.shape, value.spec, axis, plan)
                if (edit := constraint(edits, value, spec)) is not None
            ]
            often = f", {value.times:,} times" if value.times and value.times > 1 else ""
            message = (
                f"{value.name} is not divided by {axis}: {quantities.size(value.bytes)} on each "
                f"device{often}"
            )
            yield Suspicion(value.line, message, value.bytes * (value.times or 1), remedies)


def _sent_much(plan: ShardingPlan, edits: source_edits.Edits, large: int) -> Iterator[Suspicion]:
    """Lines at which much is sent."""
    lines: dict[int | None, list[tuple[SentCollective, int]]] = {}
    for one, place in zip(plan.collectives, plan.before, strict=True):
        if not one.file:
            lines.setdefault(one.line, []).append((one, place))
    for line, group in lines.items():
        total = sum(sent(one, plan.mesh) * (one.times or 1) for one, _ in group)
        if total < large:
            continue
        what = " and ".join(dict.fromkeys(f"{one.kind} over {over(one)}" for one, _ in group))
        message = f"{what}: {quantities.size(total)} sent by each device"
        values = [plan.values[place] for _, place in group if place < len(plan.values)]
        remedies = []
        for value in [v for v in plan.values if v.line == line and v.name] or values:
            for axis in plan.mesh:
                for spec in with_axis(value.shape, value.spec, axis, plan):
                    if axis not in axes_in(value.spec):
                        edit = constraint(edits, value, spec) if value.name else None
                        remedies += [edit] if edit is not None else []
        yield Suspicion(line, message, total, remedies, sends=True)


def _whole_arguments(
    plan: ShardingPlan, composition: Composition, large: int
) -> Iterator[Suspicion]:
    """Large arguments that an axis of the mesh does not divide."""
    arguments = composition.program.arguments
    for array in plan.inputs:
        index = single(array, plan, arguments)
        if index is None or array.bytes < large:
            continue
        unused = [a for a, n in plan.mesh.items() if n > 1 and a not in axes_in(array.spec)]
        if not unused:
            continue
        field = ARGUMENTS / index / "sharding"
        remedies = [
            Remedy(f"{array.name} as {spec_text(spec)}", field, spec_text(spec))
            for axis in unused
            for spec in with_axis(array.shape, array.spec, axis, plan)
        ]
        message = (
            f"{array.name} is not divided by {' and '.join(unused)}: "
            f"{quantities.size(array.bytes)} on each device"
        )
        yield Suspicion(None, message, array.bytes, remedies)


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
            and set(one.axes) <= axes_in(array.spec)
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
                f"{array.name} is gathered over {over(one)} in each of {one.times:,} turns, "
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
