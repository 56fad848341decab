"""Edits of a session that may mend what a plan wastes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from jaxtui.session.field_path import SOURCE, FieldPath
from jaxtui.session.session import Argument
from jaxtui.sharding.blocks import axis_of
from jaxtui.sharding.engine import source_edits
from jaxtui.sharding.words import spec_text
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import SentCollective, ShardedArray, ShardedValue, ShardingPlan, Spec


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
    """Something that may cost `bytes` on each device, and what may mend it.

    `sends` says that it is about bytes that are sent, which a remedy that lowers memory only does
    not mend.
    """

    line: int | None
    message: str
    bytes: int
    remedies: list[Remedy]
    sends: bool = False


def axes_in(spec: Spec) -> set[str]:
    """The axes of the mesh that divide any dimension."""
    return {axis_of(axis) for axes in spec for axis in axes}


def over(one: SentCollective) -> str:
    """The axes that a collective goes over, in words."""
    return ", ".join(one.axes) or "some devices"


def with_axis(shape: list[int], spec: Spec, axis: str, plan: ShardingPlan) -> Iterator[Spec]:
    """`spec` with the axis on each dimension that it then still divides, the first ones first."""
    for dimension, size in enumerate(shape):
        made = [list(axes) for axes in spec]
        made[dimension].append(axis)
        parts = 1
        for name in made[dimension]:
            parts *= plan.mesh.get(name, 0)
        if parts and size % parts == 0:
            yield made


def constraint(edits: source_edits.Edits, value: ShardedValue, spec: Spec) -> Remedy | None:
    """A constraint behind the line that binds a value; None where no variable is bound."""
    source = edits.constrained(value.name, value.line, spec_text(spec))
    if source is None:
        return None
    return Remedy(f"{value.name} as {spec_text(spec)}", SOURCE, source)


def single(array: ShardedArray, plan: ShardingPlan, arguments: list[Argument]) -> int | None:
    """The argument that is this array and nothing more, by its place; None for part of a tree."""
    if array.path or sum(other.name == array.name for other in plan.inputs) > 1:
        return None
    places = [n for n, argument in enumerate(arguments) if argument.name == array.name]
    return places[0] if len(places) == 1 else None
