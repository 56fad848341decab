"""Helpers for the leaves of a pytree, which may be arrays or any other objects."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import PartitionSpec

_ARRAYS = (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)


def is_array(leaf: Any) -> bool:
    """Whether `leaf` is an array, a tracer or a ShapeDtypeStruct.

    Looks at no attribute: a module may have a `shape` too, and a user's object may raise.
    """
    return isinstance(leaf, _ARRAYS)


def dtype_name(dtype: Any) -> str:
    """JAX's name of a dtype; NumPy writes float0, the dtype of a tangent of integers, as a list."""
    return "float0" if dtype == jax.dtypes.float0 else str(dtype)


def shape_of(leaf: Any) -> tuple[int, ...]:
    """The shape of an array; () for anything else."""
    return tuple(leaf.shape) if is_array(leaf) else ()


def readable(array: Any) -> Any:
    """The array itself, or the key data of a PRNG key array, whose elements cannot be read."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(array)
    return array


def prefix_leaves(prefix: Any, tree: Any) -> list[Any]:
    """The entry of `prefix` that applies to each leaf of `tree`; None counts as an entry.

    Raises ValueError or TypeError when `prefix` is not a tree prefix of `tree`.
    """
    entries: list[Any] = []

    def add(entry: Any, subtree: Any) -> None:
        entries.extend([entry] * len(tree_util.tree_leaves(subtree)))

    tree_util.tree_map(add, prefix, tree, is_leaf=_is_entry)
    return entries


def _is_entry(x: Any) -> bool:
    return x is None or isinstance(x, PartitionSpec)
