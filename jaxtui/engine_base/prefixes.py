"""Trees that say something of each leaf of a larger one, such as in_axes of the arguments."""

from __future__ import annotations

from typing import Any

from jax import tree_util
from jax.sharding import PartitionSpec


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
