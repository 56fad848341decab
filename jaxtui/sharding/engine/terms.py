"""What a planned collective comes to: its axes, the size of its groups, its bytes, its turns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtui.sharding.blocks import size_of
from jaxtui.sharding.engine import marking, resharding
from jaxtui.sharding.engine.lowering import LoweredProgram
from jaxtui.sharding.engine.resharding import Resharding


@dataclass(frozen=True)
class Terms:
    """`devices` take part together; `bytes` is the operand's size on one of them.

    `times` is how often it runs, None if that is not known.
    """

    axes: tuple[str, ...]
    devices: int
    bytes: int
    times: int | None


def needed(program: LoweredProgram, module: object) -> list[Resharding]:
    """The collectives of a module after `insert_collectives` that the results depend on."""
    return [
        one
        for one in resharding.collectives(module, program.sizes)
        if one.value is None or program.is_needed(one.value)
    ]


def terms(one: Resharding, program: LoweredProgram) -> Terms:
    """The terms of a collective in the module of `program`."""
    values = program.marked.values
    number = one.value if one.value is not None else one.body_of
    axes = one.axes
    if axes is None:  # one of the user's own
        axes = () if number is None else marking.axes_of(values[number].equation)
    scope = -1
    if one.value is not None:
        scope = values[one.value].scope
    elif one.body_of is not None:
        scope = _body_scope(one.body_of, program)
    return Terms(
        axes=axes,
        devices=math.prod(size_of(axis, program.sizes) for axis in axes),
        bytes=math.prod(one.block) * one.element // 8,
        times=program.turns[scope],
    )


def _body_scope(number: int, program: LoweredProgram) -> int:
    """The scope of the body whose loop makes the value of this number."""
    values, scopes = program.marked.values, program.marked.scopes
    parent = values[number].scope
    inside = [
        value.scope
        for value in values[:number]
        if value.scope >= 0 and scopes[value.scope].parent == parent
    ]
    return inside[-1] if inside else parent
