"""What a plan does in vain: gathers for less, sends there and back, holds padding."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from jaxtui.session.field_path import ARGUMENTS, SOURCE
from jaxtui.sharding.blocks import axis_of, size_of
from jaxtui.sharding.engine.remedies import (
    Remedy,
    Suspicion,
    axes_in,
    constraint,
    over,
    single,
    with_axis,
)
from jaxtui.sharding.engine.source_edits import Edits
from jaxtui.sharding.words import group_size, made_by, sent, spec_text
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import SentCollective, ShardedArray, ShardedValue, ShardingPlan, Spec

SMALLER = 0.5  # of what is gathered: what is made of it is that small, or it was made for a reason
NEAR = 8  # values behind a gather, and sends behind one, among which is what belongs to it
PADDING = 0.05  # of an array: less padding is not spoken of
Array = ShardedArray | ShardedValue


def detours(
    plan: ShardingPlan, composition: Composition, edits: Edits, large: int
) -> Iterator[Suspicion]:
    """All of them that concern `large` bytes on each device or more."""
    looking = _Looking(plan, composition, edits, large)
    yield from looking.gathered()
    yield from looking.there_and_back()
    yield from looking.padded()


class _Looking:
    def __init__(
        self, plan: ShardingPlan, composition: Composition, edits: Edits, large: int
    ) -> None:
        self._plan, self._edits, self._large = plan, edits, large
        self._arguments = composition.program.arguments

    # ------------------------------------------------------------------------------- gathers

    def gathered(self) -> Iterator[Suspicion]:
        """Gathers of much more than what is made of it: the first value that is not as large, as
        one is of which a line made another, or a constraint."""
        plan = self._plan
        for one, place in zip(plan.collectives, plan.before, strict=True):
            if one.kind != "all_gather" or one.file:
                continue
            whole = one.bytes * group_size(one, plan.mesh)
            behind = plan.values[place : place + NEAR]
            copies = list(_as_large(behind, whole))
            if len(copies) == len(behind):
                continue
            made = behind[len(copies)]
            total = sent(one, plan.mesh) * (one.times or 1)
            if total < self._large or made.bytes > SMALLER * whole:
                continue
            array = self._sent_by(one, place)
            what = _name(array) if array is not None else "what is divided"
            message = (
                f"{what} is gathered over {over(one)} to {quantities.size(whole)} on each device, "
                f"for {_name(made)} of {quantities.size(made.bytes)}"
            )
            lines = dict.fromkeys([one.line, *(v.line for v in copies if not v.file)])
            remedies = [
                *(edit for line in lines for edit in self._unconstrained(line)),
                *(self._moved(array, one) if array is not None else ()),
                *self._kept(made, one),
            ]
            yield Suspicion(one.line, message, total, remedies, sends=True)

    def _sent_by(self, one: SentCollective, place: int) -> Array | None:
        """The array in front of a collective that it may be sending: the last of its size that has
        its axes, one with a name before others."""
        arrays: list[Array] = [*self._plan.inputs, *self._plan.values[:place]]
        fitting = [
            array
            for array in arrays
            if array.bytes == one.bytes and one.axes and set(one.axes) <= axes_in(array.spec)
        ]
        return next(
            (array for array in reversed(fitting) if array.name), fitting[-1] if fitting else None
        )

    def _unconstrained(self, line: int | None) -> Iterator[Remedy]:
        source = self._edits.unconstrained(line)
        if source is not None:
            yield Remedy(f"without the constraint in line {line}", SOURCE, source)

    def _moved(self, array: Array, one: SentCollective) -> Iterator[Remedy]:
        """The axes on other dimensions of the array that is sent."""
        for spec in _elsewhere(array, set(one.axes), self._plan):
            yield from self._laid(array, spec)

    def _kept(self, made: ShardedValue, one: SentCollective) -> Iterator[Remedy]:
        """The axes on a dimension of what is made."""
        for axis in one.axes:
            if axis in self._plan.mesh and axis not in axes_in(made.spec):
                for spec in with_axis(made.shape, made.spec, axis, self._plan):
                    yield from self._laid(made, spec)

    def _laid(self, array: Array, spec: Spec) -> Iterator[Remedy]:
        """An array with another spec: by its argument's sharding, or by a constraint."""
        if isinstance(array, ShardedValue):
            edit = constraint(self._edits, array, spec) if array.name else None
            if edit is not None:
                yield edit
            return
        index = single(array, self._plan, self._arguments)
        if index is not None:
            text = spec_text(spec)
            yield Remedy(f"{array.name} as {text}", ARGUMENTS / index / "sharding", text)

    # -------------------------------------------------------------------------- there and back

    def there_and_back(self) -> Iterator[Suspicion]:
        """Pairs of all_to_all, of which the second undoes the first."""
        plan = self._plan
        every = [
            (one, place)
            for one, place in zip(plan.collectives, plan.before, strict=True)
            if one.kind == "all_to_all" and one.axes and not one.file
        ]
        paired: set[int] = set()
        for first, (there, out) in enumerate(every):
            if first in paired or 2 * sent(there, plan.mesh) * (there.times or 1) < self._large:
                continue
            array = self._sent_by(there, out)
            if array is None:
                continue
            for second in range(first + 1, min(first + 1 + NEAR, len(every))):
                back, home = every[second]
                alike = second not in paired and _alike(there, back) and out < home
                if alike and self._is_back(array, there, home):
                    paired.add(second)
                    yield self._pair(array, (there, out), (back, home))
                    break

    def _pair(
        self, array: Array, first: tuple[SentCollective, int], second: tuple[SentCollective, int]
    ) -> Suspicion:
        (there, out), (back, home) = first, second
        total = 2 * sent(there, self._plan.mesh) * (there.times or 1)
        lines = (
            f"in line {there.line} and back in line {back.line}"
            if there.line != back.line
            else f"and back in line {there.line}"
        )
        message = (
            f"{_name(array)} goes there and back: all_to_all over {over(there)} {lines}, "
            f"{quantities.size(total)} sent by each device"
        )
        between = [v for v in self._plan.values[out:home] if v.shape == array.shape and v.name]
        remedies = [
            *self._unconstrained(there.line),
            *(edit for value in between for edit in self._laid(value, array.spec)),
            *self._unconstrained(back.line),
        ]
        return Suspicion(there.line, message, total, remedies, sends=True)

    def _is_back(self, array: Array, there: SentCollective, home: int) -> bool:
        """Whether the axes divide the array's dimensions once more at the value `home`."""
        arrays: list[Array] = [*self._plan.values, *self._plan.outputs]
        if home >= len(arrays):
            return False
        then = arrays[home]
        return len(then.spec) == len(array.spec) and all(
            set(axes) & set(there.axes) == set(now) & set(there.axes)
            for axes, now in zip(array.spec, then.spec, strict=True)
        )

    # ---------------------------------------------------------------------------- padding

    def padded(self) -> Iterator[Suspicion]:
        """Values with a dimension that their axes do not divide, the first of those alike."""
        told: set[tuple[int, tuple[str, ...]]] = set()
        for value in self._plan.values:
            if value.file or value.varying or value.bytes * (value.times or 1) < self._large:
                continue
            for dimension, (size, axes) in enumerate(zip(value.shape, value.spec, strict=False)):
                parts = math.prod(size_of(axis, self._plan.mesh) for axis in axes)
                filled = math.ceil(size / max(1, parts)) * parts
                if size % max(1, parts) == 0 or filled - size < PADDING * filled:
                    continue
                if not value.name or (size, tuple(axes)) in told:
                    continue
                told.add((size, tuple(axes)))
                yield self._padding(value, dimension, parts, filled)

    def _padding(self, value: ShardedValue, dimension: int, parts: int, filled: int) -> Suspicion:
        size, axes = value.shape[dimension], value.spec[dimension]
        lost = value.bytes * (filled - size) // filled
        below = size // parts * parts
        sizes = f"{below:,} and {filled:,}" if below else f"{filled:,}"
        message = (
            f"dimension {dimension} of {value.name} is {size:,}, which {' and '.join(axes)} cannot "
            f"divide into {parts:,} equal parts: {quantities.size(lost)} of the "
            f"{quantities.size(value.bytes)} on each device are padding; {sizes} can be divided"
        )
        uneven = {axis_of(axis) for axis in axes}
        remedies = [
            edit
            for spec in (*_elsewhere(value, uneven, self._plan), _without(value.spec, uneven))
            for edit in self._laid(value, spec)
        ]
        return Suspicion(value.line, message, lost * (value.times or 1), remedies)


def _as_large(values: list[ShardedValue], size: int) -> Iterator[ShardedValue]:
    """The first of these values, as long as they have so many bytes."""
    return itertools.takewhile(lambda value: value.bytes == size, values)


def _name(array: Array) -> str:
    if isinstance(array, ShardedValue):
        return array.name or f"what {made_by(array)} makes"
    return f"{array.name}{array.path}"


def _alike(one: SentCollective, other: SentCollective) -> bool:
    return (one.axes, one.bytes, one.times) == (other.axes, other.bytes, other.times)


def _without(spec: Spec, axes: set[str]) -> Spec:
    return [[axis for axis in own if axis_of(axis) not in axes] for own in spec]


def _elsewhere(array: Array, axes: set[str], plan: ShardingPlan) -> Iterator[Spec]:
    """The array's spec with the axes on another dimension, which they divide."""
    bare = _without(array.spec, axes)
    before = [dimension for dimension, own in enumerate(array.spec) if axes_in([own]) & axes]
    for dimension, size in enumerate(array.shape):
        if dimension in before or dimension >= len(bare):
            continue
        made = [list(own) for own in bare]
        made[dimension] += [axis for axis in plan.mesh if axis in axes]
        if size % math.prod(plan.mesh.get(axis, 1) for axis in made[dimension]) == 0:
            yield made
