"""in_axes for trees, leaf by leaf: what has the batch is mapped, what has not is passed whole."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax import tree_util

from jaxtui.engine_base.arrays import prefix_leaves, shape_of
from jaxtui.program.engine.diagnosis.calls import is_arraylike
from jaxtui.program.engine.prefix_text import prefix_text

MOST_SIZES = 4  # of a batch, that are tried


@dataclass(frozen=True)
class Mapped:
    """What of an argument is mapped for one size of the batch: an axis for each of its leaves."""

    tree: Any
    axes: Sequence[int | None]

    @property
    def whole(self) -> bool:
        return all(axis is None for axis in self.axes)

    def text(self, names: Mapping[str, Any]) -> str | None:
        """The shortest prefix of the tree that says it, as one types it among `names`.

        None for a tree with nodes that have no such text.
        """
        return prefix_text(self.tree, self.axes, names)


def by_size(args: Sequence[Any], entries: Sequence[Any]) -> Iterator[tuple[int, list[Mapped]]]:
    """For each size that the batch may have, what is mapped of each of `args` then.

    `entries` has the entry of in_axes for each argument.

    A leaf without the axis is passed whole, and so is an argument of which no leaf has that size.
    An argument with leaves of that size and of others is passed whole too, unless it has single
    values: then it is not clear what it is, and the size is left out.
    """
    axes = [_leaf_axes(entry, arg) for entry, arg in zip(entries, args, strict=True)]
    for size in itertools.islice(_sizes(args, axes), MOST_SIZES):
        mapped = [_mapped(arg, own, size) for arg, own in zip(args, axes, strict=True)]
        found = [one for one in mapped if one is not None]
        if len(found) == len(args) and not all(one.whole for one in found):
            yield size, found


def _leaf_axes(entry: Any, arg: Any) -> list[int | None]:
    """The axis of each leaf as `entry` says it, 0 where it is none that JAX takes."""
    count = len(tree_util.tree_leaves(arg))
    try:
        axes = prefix_leaves(entry, arg)
    except (ValueError, TypeError):
        return [0] * count
    return [axis if axis is None or type(axis) is int else 0 for axis in axes]


def for_size(tree: Any, size: int) -> Mapped | None:
    """What of `tree` is mapped over axis 0 for a batch of `size`; None where that is not clear."""
    return _mapped(tree, [0] * len(tree_util.tree_leaves(tree)), size)


def is_tree(arg: Any) -> bool:
    """Whether an argument is no single leaf."""
    return not tree_util.treedef_is_leaf(tree_util.tree_structure(arg))


def _sizes(args: Sequence[Any], axes: Sequence[Sequence[int | None]]) -> Iterator[int]:
    """The sizes of the axes that are mapped: of arguments that are arrays, if there are any."""
    found: dict[int, None] = {}
    for trees in (False, True):
        for arg, own in zip(args, axes, strict=True):
            if is_tree(arg) is trees:
                leaves = zip(tree_util.tree_leaves(arg), own, strict=True)
                sizes = [_size(leaf, axis) for leaf, axis in leaves]
                found |= dict.fromkeys(size for size in sizes if size is not None)
        if found:
            break
    yield from found


def _size(leaf: Any, axis: int | None) -> int | None:
    shape = shape_of(leaf)
    return shape[axis] if axis is not None and -len(shape) <= axis < len(shape) else None


def _mapped(arg: Any, axes: Sequence[int | None], size: int) -> Mapped | None:
    """What of `arg` is mapped for a batch of `size`; None where that is not clear."""
    leaves = tree_util.tree_leaves(arg)
    if not all(map(is_arraylike, leaves)):
        return None if any(axis is not None for axis in axes) else Mapped(arg, axes)
    sizes = [_size(leaf, axis) for leaf, axis in zip(leaves, axes, strict=True)]
    own = [axis if n == size else None for axis, n in zip(axes, sizes, strict=True)]
    if any(n is not None and n != size for n in sizes):
        single = any(not shape_of(leaf) for leaf in leaves)
        if single and any(axis is not None for axis in own):
            return None
        own = [None] * len(own)
    return Mapped(arg, own)
