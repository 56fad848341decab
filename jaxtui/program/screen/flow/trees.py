"""The trees of a program's arguments and outputs, as its newest shape flow has them."""

from __future__ import annotations

from jaxtui.program.trees import Branches, Tree, tree_at
from jaxtui.wire.report import Flow, FlowLeaf, TreeNode


class FlowTrees:
    """Follows the flows of a program; what has not changed is the same object again."""

    def __init__(self) -> None:
        self.arguments: dict[str, Branches] = {}  # of those that are trees
        self.single: dict[str, Branches] = {}  # of those that are one leaf
        self._flow: Flow | None = None
        self._given: list[TreeNode] = []
        self._trees: dict[str, Tree] = {}

    def follow(self, flow: Flow | None) -> None:
        """Take the trees of `flow`; one that knows of no arguments changes nothing."""
        if flow is self._flow or flow is None or not flow.levels:
            return
        inputs = flow.levels[0].inputs
        if inputs is None:
            return
        self._flow = flow
        leaves = {leaf.path: leaf for leaf in inputs}
        if flow.given != self._given:
            self._given = flow.given
            self._trees = _outermost(flow.given)
        known = {name: Branches(tree, leaves) for name, tree in self._trees.items()}
        self.arguments = {name: b for name, b in known.items() if b.tree.children}
        self.single = {name: Branches(Tree(name, ""), leaves) for name in _alone(leaves, known)}


def _outermost(nodes: list[TreeNode]) -> dict[str, Tree]:
    """The trees by their paths: of the nodes that lie in no other."""
    by_path = {node.path: node for node in nodes}
    inside = {node.path + key for node in nodes for key in node.keys}
    return {path: tree_at(path, by_path) for path in by_path if path not in inside}


def _alone(leaves: dict[str, FlowLeaf], trees: dict[str, Branches]) -> list[str]:
    """The arguments that are a leaf themselves: their path is a name alone."""
    return [path for path in leaves if path.isidentifier() and path not in trees]


def returned_tree(flow: Flow, level: int) -> Tree | None:
    """The tree of what is returned at a level of the flow; None where that is not known."""
    for at in range(min(level, len(flow.levels) - 1), -1, -1):
        nodes, outputs = flow.levels[at].returned, flow.levels[at].outputs
        if nodes is not None:
            return tree_at("", {node.path: node for node in nodes})
        if outputs is None:
            return None
    return None
