"""What the Map screen does with trees: settings at the nodes of arguments, leaves of the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.program.prefixes import Refused
from jaxtui.program.screen.donation import donating_layer
from jaxtui.program.screen.node_settings import Node, NodeSettings, Table
from jaxtui.program.screen.result_leaves import leaf_picker

if TYPE_CHECKING:
    from jaxtui.program.screen.argument_table import ArgumentTable
    from jaxtui.program.screen.screen import MapScreen


def settings_of(screen: MapScreen) -> NodeSettings:
    """The settings of nodes of a screen, which remember what was typed before."""
    if screen.node_settings is None:
        screen.node_settings = NodeSettings()
    return screen.node_settings


def set_node(screen: MapScreen, event: ArgumentTable.NodeSet) -> None:
    """Put what was typed at a node of an argument into the session, or say why it cannot be."""
    session, typed = screen.explorer.work.session, event.typed
    donating = donating_layer(session.program.layers, screen.layer_list.selected)
    table = Table(screen.arguments.rows, screen.axis_column(), donating)
    node = Node(typed.setting.name, typed.path, typed.text)
    try:
        change = settings_of(screen).of_argument(session, event.row.shown, node, table)
    except Refused as refused:
        typed.line.refuse(str(refused))
        return
    typed.line.close()
    screen.explorer.edit(change.field, change.text)


def pick_leaf(screen: MapScreen) -> None:
    """Ask which leaf of the result is shown, and show it."""
    results, ran = screen.results, screen.results.ran
    if ran is None:
        screen.say("there is no result with leaves yet")
        return
    selected = screen.layer_list.selected
    picker = leaf_picker(screen.explorer, ran, results.leaf, selected, settings_of(screen))

    def picked(path: str | None) -> None:
        if path is not None:
            results.show_leaf(path)
            screen.explorer.show_work()

    screen.app.push_screen(picker, picked)
