"""What a traced program computes and needs: operations with loop lengths, and bytes alive at once.

XLA's `cost_analysis` counts a loop's body once and its `memory_analysis` can miss what a fusion
does not save, so both are counted here over the jaxpr, before anything is compiled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from jaxtui.engine_base.jaxprs import bodies, size
from jaxtui.engine_base.memory import byte_size

# They move, name or make data; nothing is computed on its values.
_MOVEMENT = frozenset(
    [
        "reshape",
        "broadcast_in_dim",
        "transpose",
        "slice",
        "concatenate",
        "gather",
        "scatter",
        "dynamic_slice",
        "dynamic_update_slice",
        "convert_element_type",
        "bitcast_convert_type",
        "copy",
        "copy_p",
        "iota",
        "select_n",
        "squeeze",
        "expand_dims",
        "pad",
        "rev",
        "split",
        "device_put",
        "sharding_constraint",
        "pvary",
        "pcast",
        "mesh_cast",
        "reduce_precision",
        "stop_gradient",
        "optimization_barrier",
        "random_wrap",
        "random_unwrap",
        "random_seed",
        "all_gather",
        "all_to_all",
        "ppermute",
        "axis_index",
        "empty",
        "tie_in",
        "real",
        "imag",
        "reshard",
    ]
)
_OVER_INPUTS = frozenset(
    [
        "reduce_sum",
        "reduce_max",
        "reduce_min",
        "reduce_prod",
        "reduce_and",
        "reduce_or",
        "reduce_xor",
        "argmax",
        "argmin",
        "cumsum",
        "cumprod",
        "cummax",
        "cummin",
        "cumlogsumexp",
        "reduce_window_sum",
        "reduce_window_max",
        "reduce_window_min",
        "reduce",
        "reduce_window",
    ]
)
_SCATTERS = frozenset({"scatter-add", "scatter_add", "scatter-mul", "scatter-min", "scatter-max"})


@dataclass(frozen=True)
class OperationCount:
    """Operations on floating (or complex) and on other numbers, and the longest sum among them.

    An elementwise operation counts 1 for each element, a multiplication with its addition 2.
    """

    floating: int = 0
    other: int = 0
    longest: int = 1

    def __add__(self, more: OperationCount) -> OperationCount:
        return OperationCount(
            self.floating + more.floating,
            self.other + more.other,
            max(self.longest, more.longest),
        )

    def times(self, turns: int) -> OperationCount:
        return OperationCount(self.floating * turns, self.other * turns, self.longest)

    @property
    def operations(self) -> int:
        """The count to compare programs by: floating operations, or others if there are none."""
        return self.floating or self.other


def work(jaxpr: Any) -> OperationCount:
    """The work of an open `jaxpr` on all devices together, loops with their lengths.

    A `while` counts as one turn, since only a run can tell; of a `cond` every branch counts, since
    under vmap every branch is computed.
    """
    total = OperationCount()
    for equation in jaxpr.eqns:
        total += _of_equation(equation)
    return total


def _of_equation(equation: Any) -> OperationCount:
    inside = list(bodies(equation.params))
    inner = OperationCount()
    for body in inside:
        inner += work(body)
    name = equation.primitive.name
    if name == "scan":
        return inner.times(int(equation.params["length"]))
    if name == "shard_map":
        return inner.times(int(equation.params["mesh"].size))
    if name == "xla_pmap":
        return inner.times(int(equation.params["global_axis_size"]))
    # A reduction may carry its operation as a jaxpr of two scalars.
    if inside and name not in _OVER_INPUTS:
        return inner
    return _of_primitive(name, equation)


def _of_primitive(name: str, equation: Any) -> OperationCount:
    if name in _MOVEMENT or not equation.outvars:
        return OperationCount()
    outputs = sum(size(variable.aval) for variable in equation.outvars)
    longest = 1
    if name == "dot_general":
        longest = _contracted(equation)
        count = 2 * outputs * longest
    elif name == "conv_general_dilated":
        longest = _convolved(equation)
        count = 2 * outputs * longest
    elif name in _OVER_INPUTS:
        count = size(equation.invars[0].aval)
        longest = max(1, count // max(1, outputs))
    elif name in _SCATTERS:
        count = size(equation.invars[2].aval)
    elif name == "sort":
        length = equation.invars[0].aval.shape[equation.params["dimension"]]
        count = outputs * max(1, math.ceil(math.log2(max(2, length))))
    else:
        count = outputs
    if _is_floating(equation):
        return OperationCount(floating=count, longest=longest)
    return OperationCount(other=count, longest=longest)


def _contracted(equation: Any) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    return math.prod(int(shape[i]) for i in contracted)


def _convolved(equation: Any) -> int:
    """How many products each output element of a convolution sums."""
    kernel = equation.invars[1].aval.shape
    specification = equation.params["dimension_numbers"].rhs_spec
    return math.prod(int(kernel[i]) for i in specification[1:])


def _is_floating(equation: Any) -> bool:
    """Whether it works on floating or complex numbers: comparisons of floats do as well."""
    operands = (*equation.invars, *equation.outvars)
    dtypes = [getattr(getattr(v, "aval", None), "dtype", None) for v in operands]
    return any(d is not None and jnp.issubdtype(d, jnp.inexact) for d in dtypes)


# ------------------------------------------------------------------------------------------ memory


def peak_bytes(jaxpr: Any) -> int:
    """Bytes alive at once, at most, while `jaxpr` runs one equation after the other.

    Counts its inputs all through, and on every device what each of them holds. XLA fuses and
    reuses, so that the truth is often less; where it does not, this is what it takes.
    """
    given = [*jaxpr.invars, *jaxpr.constvars]
    kept = {id(v) for v in given} | {id(v) for v in jaxpr.outvars}
    last_use = {id(v): i for i, eqn in enumerate(jaxpr.eqns) for v in eqn.invars}
    alive = sum(_bytes(v) for v in given)
    peak = alive
    for index, equation in enumerate(jaxpr.eqns):
        made = sum(_bytes(v) for v in equation.outvars)
        peak = max(peak, alive + max(made, _inside(equation)))
        alive += made
        # A variable may be used twice by one equation, and one that nobody uses dies at once.
        used = {id(v): v for v in (*equation.invars, *equation.outvars)}
        for identity, variable in used.items():
            if identity not in kept and last_use.get(identity, index) == index:
                alive -= _bytes(variable)
    return peak


def _inside(equation: Any) -> int:
    """Bytes that the bodies of `equation` make beyond what they are given."""
    most = 0
    for body in bodies(equation.params):
        own = peak_bytes(body) - sum(_bytes(v) for v in body.invars)
        if equation.primitive.name == "shard_map":
            own *= int(equation.params["mesh"].size)
        elif equation.primitive.name == "xla_pmap":
            own *= int(equation.params["global_axis_size"])
        most = max(most, own)
    return most


def _bytes(variable: Any) -> int:
    aval = getattr(variable, "aval", None)
    # A literal and a variable without a dtype (a token) take no memory of their own.
    if aval is None or not hasattr(aval, "dtype") or hasattr(variable, "val"):
        return 0
    return byte_size(aval)
