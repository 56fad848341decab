"""The trees of arguments and results as plain data: their nodes, by path."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

from jaxtui.text.branches import first_component
from jaxtui.text.dtypes import bits
from jaxtui.wire.report import TreeNode

LEAF = "leaf"


class Held(NamedTuple):
    """How much a part of a tree holds: its leaves, their numbers, and the bytes of these.

    `bytes` is None where a dtype does not tell its size.
    """

    leaves: int
    numbers: int
    bytes: int | None


class ShapedLeaf(Protocol):
    """What tells the size of a leaf."""

    @property
    def shape(self) -> list[int]: ...

    @property
    def dtype(self) -> str: ...


def held(leaves: Iterable[tuple[ShapedLeaf, int]]) -> Held:
    """How much these leaves hold together; each is given with how many like it there are."""
    number, numbers = 0, 0
    known: int | None = 0
    for leaf, count in leaves:
        size, used = math.prod(leaf.shape), bits(leaf.dtype)
        number, numbers = number + count, numbers + count * size
        known = None if known is None or used is None else known + count * -(-size * used // 8)
    return Held(number, numbers, known)


@dataclass(frozen=True, eq=False)
class Tree:
    """A node of a tree with all that is below it; `kind` is as in `TreeNode`, or LEAF.

    `key` is the last component of `path`.
    """

    path: str
    key: str
    kind: str = LEAF
    children: tuple[Tree, ...] = ()

    @property
    def leaf(self) -> bool:
        return self.kind == LEAF

    @cached_property
    def child_of(self) -> Mapping[str, int]:
        """Where the child of each key is among the children."""
        return {child.key: at for at, child in enumerate(self.children)}

    @cached_property
    def leaves(self) -> int:
        """The number of leaves below, 1 for a leaf."""
        return 1 if self.leaf else sum(child.leaves for child in self.children)

    @cached_property
    def everything(self) -> tuple[Tree, ...]:
        """The node and all below it, each before what is below it."""
        return tuple(self._walked())

    def _walked(self) -> Iterator[Tree]:
        yield self
        for child in self.children:
            yield from child._walked()

    def paths(self) -> Iterator[str]:
        """The paths of the leaves, in the tree's order."""
        if self.leaf:
            yield self.path
        for child in self.children:
            yield from child.paths()


@dataclass(frozen=True, eq=False)
class Branches:
    """The tree of an argument or of a result, and its leaves by path."""

    tree: Tree
    leaves: Mapping[str, ShapedLeaf]


def tree_at(path: str, nodes: Mapping[str, TreeNode], key: str = "") -> Tree:
    """The tree at `path`, of which `nodes` has all that are no leaves, by path."""
    node = nodes.get(path)
    if node is None:
        return Tree(path, key)
    children = tuple(tree_at(path + below, nodes, below) for below in node.keys)
    return Tree(path, key, node.kind, children)


def towards(tree: Tree, path: str) -> int:
    """Which child of `tree` leads to the node at `path`."""
    rest = path[len(tree.path) :]
    number = tree.child_of.get(first_component(rest))
    if number is None:  # a class may write its keys as it likes
        number = next(n for n, child in enumerate(tree.children) if rest.startswith(child.key))
    return number
