"""What tracing a program found, and what is refused by it before any array is made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from jax import tree_util

from jaxtui.engine_base import memory
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import abstract_arguments, placing
from jaxtui.program.engine.expressions import Value
from jaxtui.program.engine.prepared import Prepared
from jaxtui.program.engine.tracing import Recorder
from jaxtui.session.diagnosis import Diagnosis


@dataclass(frozen=True)
class Shapes:
    """What tracing found. `values` are the arguments'; `jaxpr` is None if only a run can tell.

    `leaves` are those of the call, as they were traced.
    """

    prepared: Prepared
    recorder: Recorder
    values: list[Value]
    jaxpr: Any
    leaves: list[Any] = field(default_factory=list)


def refuse_abstract(shapes: Shapes, needing: str) -> None:
    """Raise Diagnosed at an argument of which only shapes are given, for what is `needing` more."""
    try:
        abstract_arguments.refuse(shapes.prepared, shapes.values, shapes.jaxpr, needing)
    except Diagnosed as error:
        raise Diagnosed(error.diagnosis, shapes.recorder.flow()) from error


def refuse_too_large(shapes: Shapes) -> None:
    """Raise Diagnosed if inputs, results or intermediates cannot fit in memory.

    With an argument of which only shapes are given nothing is ever made.
    """
    if any(value.abstract for value in shapes.values):
        return
    prepared = shapes.prepared
    arguments = prepared.composition.program.arguments
    values = []
    for index, (value, argument) in enumerate(zip(shapes.values, arguments, strict=True)):
        copies = prepared.devices.copies_of_value(argument.value)
        size = memory.bytes_of(tree_util.tree_leaves(value.tree)) * copies
        values.append((size, value.peak * copies, placing.value_field(index)))
    short = memory.shortage(memory.needs(values, shapes.jaxpr))
    if short is not None:
        field, message = short
        found = Diagnosis(kind="memory", field=field, message=message)
        raise Diagnosed(found, shapes.recorder.flow())
