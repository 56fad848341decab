"""The places in the user's code where a program's values are made, and their variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax.extend import core

from jaxtui.sharding.engine import lines
from jaxtui.sharding.engine.lines import Place
from jaxtui.sharding.engine.marking import Marked, MarkedValue


def places(marked: Marked) -> list[Place | None]:
    """Where each value was made; in the body of a library's function, where that was called."""
    return [_place(marked, value) for value in marked.values]


def _place(marked: Marked, value: MarkedValue) -> Place | None:
    scope = value.scope
    place = lines.place_of(value.equation)
    while place is None and scope >= 0:
        place = lines.place_of(marked.callers[scope])
        scope = marked.scopes[scope].parent
    return place


def names(marked: Marked, found: Sequence[Place | None]) -> list[str]:
    """The variable of each value, made at the places `found`; "" where it is bound to none.

    Of all that one instruction makes, the last is bound to its variable. A call's value is that of
    its body, which then has the same name.
    """
    values = marked.values
    named = [""] * len(values)
    last: Any = None
    bound: dict[Any, str] = {}
    for number in reversed(range(len(values))):
        place, equation = found[number], values[number].equation
        if number + 1 == len(values) or found[number + 1] != place:
            last, bound = equation, {}
        if place is None or is_backward(equation):
            continue
        targets, variable = lines.variables(place), values[number].variable
        held = isinstance(variable, core.Var)  # and no number that a call gives, whatever it takes
        if equation is last and len(targets) == len(equation.outvars):
            named[number] = targets[values[number].output]
            if held:
                bound[variable] = named[number]
        elif held:
            named[number] = bound.get(variable, "")
    return named


def is_backward(equation: Any) -> bool:
    """Whether an equation is of a gradient, which has the line of what it differentiates."""
    return "transpose(" in str(equation.source_info.name_stack)
