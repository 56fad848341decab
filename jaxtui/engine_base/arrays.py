"""What counts as an array among the leaves of a pytree, which may be any objects at all."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.sharding import PartitionSpec

_ARRAYS = (jax.Array, np.ndarray, np.generic, jax.ShapeDtypeStruct)


def is_array(leaf: Any) -> bool:
    """Whether `leaf` is an array, a tracer, or the shape of one. Asks no attribute of it: a module
    has a `shape` too, and an object of the user's may raise."""
    return isinstance(leaf, _ARRAYS)


def shape_of(leaf: Any) -> tuple[int, ...]:
    """The shape of an array; () of anything else."""
    return tuple(leaf.shape) if is_array(leaf) else ()


def readable(array: Any) -> Any:
    """The array, of PRNG keys their words: the elements of a key array cannot be read."""
    if jnp.issubdtype(array.dtype, jax.dtypes.prng_key):
        return jax.random.key_data(array)
    return array


def prefix_leaves(prefix: Any, tree: Any) -> list[Any]:
    """For every leaf of `tree` the entry of `prefix` that holds for it (None is an entry too).

    Raises ValueError (or TypeError) when `prefix` is no prefix of `tree`.
    """
    entries: list[Any] = []

    def add(entry: Any, subtree: Any) -> None:
        entries.extend([entry] * len(tree_util.tree_leaves(subtree)))

    tree_util.tree_map(add, prefix, tree, is_leaf=_is_entry)
    return entries


def _is_entry(x: Any) -> bool:
    return x is None or isinstance(x, PartitionSpec)
