"""Digests by which several processes check that they are about to compute the same.

If one computed something else, the others would wait for it forever, or receive wrong data.
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
    """Seed the global generators of Python and NumPy with a number of 32 bits."""
    random.seed(number)
    np.random.seed(number)


def of_program(jaxpr: Any) -> str:
    """A digest of the operations and shapes in a closed jaxpr; "" for None.

    The text of a jaxpr cannot be used: it may contain addresses and depend on the order of sets,
    which differ between processes.
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
    """A digest of the arrays and numbers in a pytree, and of the types of other objects."""
    digest = hashlib.sha256()
    for leaf in tree_util.tree_leaves(values):
        digest.update(repr(getattr(leaf, "shape", ())).encode())
        digest.update(str(getattr(leaf, "dtype", type(leaf).__name__)).encode())
        for data in _data(leaf):
            digest.update(data)
    return digest.hexdigest()


def _data(leaf: Any) -> Iterator[Any]:
    """Yield the bytes of a number, or of an array that is completely held by this process."""
    if isinstance(leaf, bool | int | float | complex):
        yield repr(leaf).encode()
    if isinstance(leaf, jax.Array):
        if not leaf.is_fully_addressable:
            return
        leaf = np.asarray(readable(leaf)) if leaf.size else None
    if isinstance(leaf, np.ndarray | np.generic) and leaf.dtype != object and leaf.size:
        yield np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).data
