"""How much work a traced program is, to tell whether it may run by itself."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.jaxprs import bodies, size

# A `while` loop's length is unknown before it runs: it counts as this many turns.
UNKNOWN_TURNS = 1000


def elements_touched(jaxpr: Any, inputs: Iterable[Any]) -> int | None:
    """An upper guess of the elements that a run computes, given its closed `jaxpr`.

    Every equation counts its outputs, a contraction times the length it sums over, a loop its
    body times its turns. None when there is no jaxpr to ask.
    """
    given = sum(size(x) for x in inputs if is_array(x))
    return None if jaxpr is None else given + _of_jaxpr(jaxpr.jaxpr)


def _of_jaxpr(jaxpr: Any) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: Any) -> int:
    inner = sum(_of_jaxpr(body) for body in bodies(equation.params))
    outputs: int = sum(size(variable.aval) for variable in equation.outvars)
    name = equation.primitive.name
    if name == "scan":
        return outputs + inner * int(equation.params["length"])
    if name == "while":
        return outputs + inner * UNKNOWN_TURNS
    if name == "dot_general":
        (contracted, _), _ = equation.params["dimension_numbers"]
        shape = equation.invars[0].aval.shape
        return outputs * math.prod(int(shape[i]) for i in contracted)
    return outputs + inner
