"""Picking a leaf of the result by path, and where a layer puts the axes of what it returns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from jaxtui.program.prefixes import Kind, Refused
from jaxtui.program.screen.flow.trees import FlowTrees, returned_tree
from jaxtui.program.screen.trees import settings as tree_settings
from jaxtui.program.screen.trees.leaf_picker import LeafPicker
from jaxtui.program.screen.trees.node_settings import NodeSettings
from jaxtui.program.screen.trees.settings import output_entries
from jaxtui.program.screen.trees.table import Column
from jaxtui.program.screen.work import ProgramWork
from jaxtui.program.trees import LEAF, Branches, Tree
from jaxtui.screen.shell import Workbench
from jaxtui.session.layers import AnyLayer
from jaxtui.wire.program import Ran

WIDTH = 14  # cells of a setting


def result_tree(ran: Ran) -> Branches:
    """The tree of the result, or all leaves on one level if it is not known."""
    outputs = {output.path: output for output in ran.report.outputs}
    tree = returned_tree(ran.flow, 0)
    if tree is None or list(tree.paths()) != list(outputs):
        leaves = tuple(Tree(path, path, LEAF) for path in outputs)
        tree = Tree("", "", "", leaves)
    return Branches(tree, outputs)


def input_picker(ran: Ran, path: str) -> LeafPicker:
    """The dialog for the arguments of a run, of which the leaf at `path` is shown."""
    leaves = {leaf.name + leaf.path: leaf for leaf in ran.report.inputs}
    flow = FlowTrees()
    flow.follow(ran.flow)
    known = {name: branches.tree for name, branches in (flow.arguments | flow.single).items()}
    names = dict.fromkeys(leaf.name for leaf in ran.report.inputs)
    trees = tuple(replace(known[name], key=name) for name in names if name in known)
    if [path for tree in trees for path in tree.paths()] != list(leaves):
        trees = tuple(Tree(path, path, LEAF) for path in leaves)
    return LeafPicker(Branches(Tree("", "", "tuple", trees), leaves), path, of="arguments")


@dataclass(frozen=True)
class Returning:
    """A layer with an entry for every output, at `index`, and the field and kind of the entries."""

    index: int
    field: str
    kind: Kind

    def column(self, layers: Sequence[AnyLayer], tree: Tree) -> Column:
        text = getattr(layers[self.index], self.field)
        shown = partial(tree_settings.shown, text, tree, self.kind)
        return Column(f"{self.field} of {layers[self.index].transform}", WIDTH, shown)


def returning_layer(
    layers: Sequence[AnyLayer], selected: int, ran: Ran, tree: Tree
) -> Returning | None:
    """The layer whose entries for outputs are shown: the selected one, else the next one inward,
    else any, if it returns the same tree as the whole program; None without one."""
    if len(ran.flow.levels) != len(layers) + 1:
        return None
    for index in [*range(selected, -1, -1), *range(selected + 1, len(layers))]:
        known = output_entries(layers[index]) if 0 <= index < len(layers) else None
        if known is None:
            continue
        own = returned_tree(ran.flow, len(layers) - 1 - index)
        if own is not None and list(own.paths()) == list(tree.paths()):
            return Returning(index, *known)
    return None


def leaf_picker(
    bench: Workbench[ProgramWork], ran: Ran, leaf: int, settings: NodeSettings
) -> LeafPicker:
    """The dialog for a result whose leaf `leaf` is shown."""
    branches, path = result_tree(ran), ran.report.outputs[leaf].path
    tree, work = branches.tree, bench.work
    returning = None
    if not work.result_stale(bench.now()):
        layers = work.session.program.layers
        returning = returning_layer(layers, settings.selected, ran, tree)
    if returning is None:
        return LeafPicker(branches, path)

    def columns() -> list[Column]:
        return [returning.column(bench.work.session.program.layers, tree)]

    put: Callable[[str, str], str] = partial(_put, bench, settings, returning, tree)
    return LeafPicker(branches, path, columns, put)


def _put(
    bench: Workbench[ProgramWork],
    settings: NodeSettings,
    returning: Returning,
    tree: Tree,
    path: str,
    entry: str,
) -> str:
    """Set the entry of a node in the session; return why it cannot be, "" once it is."""
    layers = bench.work.session.program.layers
    try:
        layer = layers[returning.index]
        change = settings.of_result(layer, returning.index, tree, path, entry)
    except (Refused, IndexError) as refused:
        return str(refused)
    bench.edit(change.field, change.text)
    return ""
