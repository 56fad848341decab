"""What tells whether several processes are about to compute the same, before they do.

A process that computes something else than the others would leave them waiting, or mix its own
numbers into theirs.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax import tree_util

from jaxtui.engine_base.arrays import readable
from jaxtui.engine_base.jaxprs import bodies


def seed(number: int) -> None:
    """Have Python's and NumPy's own generators give every process the same; 32 bits."""
    random.seed(number)
    np.random.seed(number)


def of_program(jaxpr: Any) -> str:
    """A digest of a closed jaxpr's operations and shapes; "" without one.

    Of its text only what is no address and no order of a set: those differ between processes.
    """
    if jaxpr is None:
        return ""
    digest = hashlib.sha256()
    for line in _operations(jaxpr.jaxpr):
        digest.update(line.encode())
    return digest.hexdigest()


def _operations(jaxpr: Any) -> Iterator[str]:
    for equation in jaxpr.eqns:
        shapes = [str(variable.aval) for variable in equation.outvars]
        yield f"{equation.primitive.name} {shapes}\n"
        for body in bodies(equation.params):
            yield from _operations(body)
        yield "end\n"


def of_values(values: Any) -> str:
    """A digest of the arrays and numbers in a pytree; of other objects their types."""
    digest = hashlib.sha256()
    for leaf in tree_util.tree_leaves(values):
        digest.update(repr(getattr(leaf, "shape", ())).encode())
        digest.update(str(getattr(leaf, "dtype", type(leaf).__name__)).encode())
        for data in _data(leaf):
            digest.update(data)
    return digest.hexdigest()


def _data(leaf: Any) -> Iterator[Any]:
    """The bytes of an array that this process holds as a whole, or of a number."""
    if isinstance(leaf, bool | int | float | complex):
        yield repr(leaf).encode()
    if isinstance(leaf, jax.Array):
        if not leaf.is_fully_addressable:
            return
        leaf = np.asarray(readable(leaf)) if leaf.size else None
    if isinstance(leaf, np.ndarray | np.generic) and leaf.dtype != object and leaf.size:
        yield np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data
