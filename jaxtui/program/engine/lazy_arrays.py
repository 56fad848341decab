"""Arrays whose elements are read only when something runs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.engine_base.memory import NEGLIGIBLE


class Unreadable(ValueError):
    """A file that holds no arrays, or not all that it says."""


def tracing() -> bool:
    """Whether JAX traces, so that of an array only its shape counts."""
    return isinstance(jnp.zeros(()), jax.core.Tracer)


def canonical(dtype: Any) -> Any:
    """The dtype that JAX makes of NumPy's; None for one that JAX has not, such as of records."""
    own = np.dtype(dtype)
    # Dtypes of ml_dtypes are of kind "V" too, like records, but not built into NumPy.
    if own.kind in "USOMm" or (own.kind == "V" and own.isbuiltin != 2):
        return None
    return jax.dtypes.canonicalize_dtype(own)


def lazily(shape: tuple[int, ...], dtype: Any, read: Callable[[], Any]) -> Any:
    """What `read` gives; while JAX traces only an array of this shape and dtype, if it is large.

    Of a dtype that JAX makes another of (float64 without x64), it is read all the same.
    """
    large = math.prod(shape) * dtype.itemsize > NEGLIGIBLE
    if large and dtype == canonical(dtype) and tracing():
        return jnp.zeros(shape, dtype)
    return read()


def lightly(tree: Any) -> Any:
    """`tree` with large NumPy arrays as their shapes, so that tracing reads nothing of them."""
    leaves, structure = jax.tree_util.tree_flatten(tree)
    if not any(map(_is_large, leaves)):
        return tree
    light = [_shape(leaf) if _is_large(leaf) else leaf for leaf in leaves]
    try:
        return jax.tree_util.tree_unflatten(structure, light)
    except Exception:  # a user's class that computes with its leaves can hold no shapes
        return tree


def _is_large(leaf: Any) -> bool:
    if not isinstance(leaf, np.ndarray) or leaf.nbytes <= NEGLIGIBLE:
        return False
    return bool(leaf.dtype == canonical(leaf.dtype))


def _shape(leaf: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype)
