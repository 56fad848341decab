"""The trees of arguments and results as plain data: their nodes, by path."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from jaxtui.wire.report import TreeNode

LEAF = "leaf"


class Held(NamedTuple):
    """How much there is below a node: leaves, numbers and bytes (None where unknown)."""

    leaves: int
    numbers: int
    bytes: int | None


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

    def paths(self) -> Iterator[str]:
        """The paths of the leaves, in the tree's order."""
        if self.leaf:
            yield self.path
        for child in self.children:
            yield from child.paths()


def tree_at(path: str, nodes: Mapping[str, TreeNode], key: str = "") -> Tree:
    """The tree at `path`, of which `nodes` has all that are no leaves, by path."""
    node = nodes.get(path)
    if node is None:
        return Tree(path, key)
    children = tuple(tree_at(path + below, nodes, below) for below in node.keys)
    return Tree(path, key, node.kind, children)
