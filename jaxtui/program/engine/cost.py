"""The cost of a traced program, to decide whether it may run without being asked to."""

from __future__ import annotations

import math
from typing import Any

from jax import tree_util

from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.jaxprs import bodies, size

# How many iterations a `while` loop counts as: its length is unknown before it runs.
UNKNOWN_TURNS = 1000


def elements_touched(jaxpr: Any, inputs: Any) -> int | None:
    """An estimate from above of the elements that a run touches; None without a closed `jaxpr`.

    `inputs` is the pytree of the arguments, as shapes. Every equation counts its outputs, a
    contraction times the length it sums over, a loop its body times its iterations.
    """
    if jaxpr is None:
        return None
    given = sum(size(x) for x in tree_util.tree_leaves(inputs) if is_array(x))
    return given + _of_jaxpr(jaxpr.jaxpr)


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
