"""The settings of an argument's nodes as columns beside its tree."""

from __future__ import annotations

from functools import partial

from jaxtui.program.prefixes import PLACEMENTS
from jaxtui.program.screen.table_rows import AxisColumn, TableRow, Widths
from jaxtui.program.screen.trees import settings as tree_settings
from jaxtui.program.screen.trees.table import Column
from jaxtui.program.trees import Tree

SHARDING, DONATE = "sharding", "donate"


def columns(shown: TableRow, column: AxisColumn, widths: Widths) -> list[Column]:
    """The settings that the nodes of a row's argument may have, below the columns of the table."""
    row, branches = shown.row, shown.branches
    if branches is None or row.index is None:
        return []
    found = []
    tree = branches.tree
    if shown.donated:
        text = f"{DONATE} {shown.donated}"
        found.append(Column(DONATE, len(f"{DONATE} yes"), partial(_of_all, text), switches=True))
    if widths.sharding:
        text_of = partial(tree_settings.shown, row.sharding, tree, PLACEMENTS)
        found.append(Column(SHARDING, widths.sharding - 1, text_of))
    if column.field and row.place is not None:
        axis = partial(_of_all, tree_settings.TYPED)
        if column.cells is not None and row.place < len(column.cells.texts):
            kind = tree_settings.entries_of(column.default)
            axis = partial(tree_settings.shown, column.cells.texts[row.place], tree, kind)
        found.append(Column(column.field, widths.axis - 2, axis))
    return found


def _of_all(text: str, node: Tree) -> str:
    return text if node.leaves else ""
