"""What the Map screen does with trees: settings at the nodes of arguments, leaves of the result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxtui.program.prefixes import Refused
from jaxtui.program.screen.trees.donation import donating_layer
from jaxtui.program.screen.trees.node_settings import Node, NodeSettings, Table
from jaxtui.program.screen.trees.result_leaves import input_picker, leaf_picker

if TYPE_CHECKING:
    from jaxtui.program.screen.argument_table import ArgumentTable
    from jaxtui.program.screen.result_pane import ResultPane
    from jaxtui.program.screen.table_rows import AxisColumn, TableRow
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.results.screen.shards_view import ShardsView
    from jaxtui.screen.base import WorkScreen
    from jaxtui.screen.shell import Workbench


def set_node(
    bench: Workbench[ProgramWork],
    event: ArgumentTable.NodeSet,
    rows: Sequence[TableRow],
    column: AxisColumn,
    settings: NodeSettings,
) -> None:
    """Put what was typed at a node of an argument into the session, or say why it cannot be."""
    session, typed = bench.work.session, event.typed
    table = Table(rows, column, donating_layer(session.program.layers, settings.selected))
    node = Node(typed.setting.name, typed.path, typed.text)
    try:
        change = settings.of_argument(session, event.row.shown, node, table)
    except Refused as refused:
        typed.line.refuse(str(refused))
        return
    typed.line.close()
    bench.edit(change.field, change.text)


def pick_input(screen: WorkScreen[ProgramWork], results: ResultPane, view: ShardsView) -> None:
    """Ask which leaf of the arguments stands beside the shards of the output."""
    ran = results.ran
    if ran is None:
        return
    paths = [leaf.name + leaf.path for leaf in ran.report.inputs]

    def picked(path: str | None) -> None:
        if path in paths:
            view.show_input(paths.index(path))

    screen.app.push_screen(input_picker(ran, paths[view.first]), picked)


def pick_leaf(screen: WorkScreen[ProgramWork], results: ResultPane, settings: NodeSettings) -> None:
    """Ask which leaf of the result is shown, and show it."""
    ran = results.ran
    if ran is None:
        screen.say("there is no result with leaves yet")
        return

    def picked(path: str | None) -> None:
        if path is not None:
            results.show_leaf(path)
            screen.explorer.show_work()

    screen.app.push_screen(leaf_picker(screen.explorer, ran, results.leaf, settings), picked)
