"""How much a program's result moves when what it computes is rounded otherwise.

Two correct ways to compute the same round differently, and what enlarges rounding, such as a
remainder, a comparison or a difference of nearly equal numbers, makes of that a difference of any
size. It is told from an error by what the program itself gives when each of its operations rounds
at random, which is known as Monte Carlo arithmetic.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util

from jaxtui.benchmark.engine.strategies.table import on_host
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.jaxprs import walk
from jaxtui.program.engine import evaluation, expressions, placing
from jaxtui.program.engine.shapes import Shapes

TRIALS = 9
# What makes a small difference large, by JAX's primitives.
_ENLARGES = {
    "rem": "remainder",
    "round": "round",
    "floor": "floor",
    "ceil": "ceil",
    "sign": "sign",
    "argmax": "argmax",
    "argmin": "argmin",
    "sort": "sort",
    "top_k": "top_k",
    **dict.fromkeys(("lt", "le", "gt", "ge", "eq", "ne"), "comparisons"),
}


# What computes nothing, or nothing that is rounded.
_EXACT = frozenset(
    {
        "reshape", "squeeze", "broadcast_in_dim", "transpose", "slice", "dynamic_slice", "gather",
        "concatenate", "copy", "copy_p", "select_n", "rev", "pad", "iota", "stop_gradient", "neg",
        "abs", "max", "min", "sign", "floor", "ceil", "round", "rem", "device_put", "sort",
        "dynamic_update_slice", "reduce_max", "reduce_min", "expand_dims", "split", "real", "imag",
        "pvary", "pcast", "sharding_constraint", "all_gather", "ppermute",
    }
)  # fmt: skip


def moves(shapes: Shapes, longest: int) -> list[float] | None:
    """How far each leaf of the result moves, at most, when every operation rounds at random.

    Each float that an operation gives is changed by up to 4 eps of itself, or that times the root
    of the longest sum on the way, which has `longest` terms: what it may be rounded by. None for a
    program that is not known before it runs, or has other results than arrays.
    """
    if shapes.jaxpr is None:
        return None
    with placing.on_device_set(shapes.prepared.devices):
        return moves_of(shapes.jaxpr, _arrays(shapes), longest)


def moves_of(jaxpr: Any, given: Sequence[Any], longest: int) -> list[float]:
    """As `moves`, of a closed jaxpr with its arguments."""
    first = _evaluated(jaxpr, given, lambda name, leaf: leaf)
    most = [0.0] * len(first)
    generator = np.random.default_rng(0)
    for trial in range(TRIALS):
        size = (1.0, 4.0, 4.0 * math.sqrt(longest))[trial % 3]
        rounded = functools.partial(_rounded, size=size, generator=generator)
        inputs = [rounded("", leaf) for leaf in given]
        moved = _evaluated(jaxpr, inputs, rounded)
        for number, (a, b) in enumerate(zip(first, moved, strict=True)):
            most[number] = max(most[number], distance(on_host(a), on_host(b)))
    return most


def _arrays(shapes: Shapes) -> list[Any]:
    """The arrays that the program was traced for, computed and placed."""
    prepared = shapes.prepared
    traced = tree_util.tree_leaves(prepared.call([value.tree for value in shapes.values]))
    values = evaluation.values_of(prepared, expressions.concrete_value)
    leaves = tree_util.tree_leaves(prepared.call(placing.placed(values, prepared)))
    pairs = zip(leaves, traced, strict=True)
    return [leaf for leaf, shape in pairs if isinstance(shape, jax.ShapeDtypeStruct)]


def _evaluated(jaxpr: Any, args: Sequence[Any], rounded: Callable[[str, Any], Any]) -> list[Any]:
    """Evaluate a closed jaxpr; `rounded(name, value)` follows each operation of that name."""
    known: dict[Any, Any] = dict(zip(jaxpr.jaxpr.constvars, jaxpr.consts, strict=True))
    known |= dict(zip(jaxpr.jaxpr.invars, args, strict=True))

    def of(atom: Any) -> Any:
        return atom.val if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.jaxpr.eqns:
        name, given = equation.primitive.name, [of(atom) for atom in equation.invars]
        inner, kept = equation.params.get("jaxpr"), _kept(equation)
        if name in ("jit", "pjit", "closed_call") and hasattr(inner, "consts"):
            every = zip(equation.outvars, _evaluated(inner, given, rounded), strict=True)
            results = [value for var, value in every if var in kept]
        else:
            found = jax.core.eval_jaxpr(
                _alone(jaxpr.jaxpr, equation), (), *_operands(equation, given)
            )
            results = [rounded(name, value) for value in found]
        known |= dict(zip(kept, results, strict=True))
    return [of(atom) for atom in jaxpr.jaxpr.outvars]


def _kept(equation: Any) -> list[Any]:
    """The variables of an equation's results that are used."""
    return [var for var in equation.outvars if type(var).__name__ != "DropVar"]


def _operands(equation: Any, given: Sequence[Any]) -> list[Any]:
    """The value of each variable that the equation has among its operands, once."""
    pairs = zip(equation.invars, given, strict=True)
    return list({atom: value for atom, value in pairs if not hasattr(atom, "val")}.values())


def _alone(jaxpr: Any, equation: Any) -> Any:
    """An open jaxpr of one equation of `jaxpr`, with all its operands as inputs."""
    variables = [atom for atom in equation.invars if not hasattr(atom, "val")]
    return jaxpr.replace(
        constvars=[],
        invars=list(dict.fromkeys(variables)),
        outvars=_kept(equation),
        eqns=[equation],
    )


def distance(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The largest distance between two elements, infinite where only one of them is finite."""
    if one.shape != other.shape or not one.size:
        return math.inf if one.shape != other.shape else 0.0
    complex_ = jnp.issubdtype(one.dtype, jnp.complexfloating)
    a, b = (x.astype(np.complex128 if complex_ else np.float64) for x in (one, other))
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    with np.errstate(invalid="ignore"):
        apart = np.where(same, 0.0, np.abs(a - b))
    return float(np.max(np.where(np.isnan(apart), math.inf, apart)))


def enlarging(jaxpr: Any) -> str:
    """What of the program makes small differences large, in words."""
    names = {equation.primitive.name for equations, _ in walk(jaxpr) for equation in equations}
    found = list(dict.fromkeys(word for name, word in _ENLARGES.items() if name in names))
    return ", ".join(found) or "a difference of nearly equal numbers, or a division by a small one"


def _rounded(name: str, leaf: Any, *, size: float, generator: np.random.Generator) -> Any:
    """An array of floats, each changed by up to `size` eps of itself; others as they are."""
    exact = name in _EXACT or not is_array(leaf) or _is_key(leaf)
    if exact or not jnp.issubdtype(leaf.dtype, jnp.inexact):
        return leaf
    finfo: Any = jnp.finfo
    signs = generator.integers(-1, 2, leaf.shape)
    host = np.asarray(leaf)
    wide = host.astype(np.complex128 if np.iscomplexobj(host) else np.float64)
    moved = (wide * (1 + size * float(finfo(leaf.dtype).eps) * signs)).astype(host.dtype)
    return jax.device_put(moved, leaf.sharding) if isinstance(leaf, jax.Array) else moved


def _is_key(leaf: Any) -> bool:
    return bool(jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key))
