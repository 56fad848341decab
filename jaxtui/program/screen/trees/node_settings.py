"""Settings at the nodes of arguments and of the result, put into the fields of the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from jaxtui.program import prefixes
from jaxtui.program.prefixes import Refused
from jaxtui.program.screen.axes import split
from jaxtui.program.screen.signature import ArgumentRow
from jaxtui.program.screen.table_rows import AxisColumn, TableRow
from jaxtui.program.screen.trees.columns import DONATE, SHARDING
from jaxtui.program.screen.trees.donation import Donation
from jaxtui.program.screen.trees.settings import (
    ArgumentAxes,
    output_entries,
    placed,
    says_the_same,
)
from jaxtui.program.trees import Tree
from jaxtui.session.field_path import ARGUMENTS, LAYERS, FieldPath
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Session


class Change(NamedTuple):
    """The new text of a field."""

    field: FieldPath
    text: str


class Node(NamedTuple):
    """A setting as it was typed at a node."""

    setting: str
    path: str
    entry: str


class Table(NamedTuple):
    """The table that an argument's row is part of; `donating` is the layer that may donate."""

    rows: Sequence[TableRow]
    column: AxisColumn
    donating: int | None

    @property
    def by_position(self) -> list[TableRow]:
        """The rows of the arguments by position, in order."""
        passed = [row for row in self.rows if row.row.by_position]
        return sorted(passed, key=lambda row: row.row.place or 0)

    def trees(self, count: int) -> list[Tree | None]:
        """The tree of each of `count` arguments, those by position first; None if unknown."""
        known = [None if r.branches is None else r.branches.tree for r in self.by_position]
        return [*known, *[None] * count][:count]


class NodeSettings:
    """Changes settings at nodes, and remembers what was typed before it did.

    A setting that is taken back gives what was typed, not only what means the same.
    """

    def __init__(self) -> None:
        self.selected = -1  # the selected layer
        self._typed: dict[FieldPath, str] = {}
        self._made: dict[FieldPath, str] = {}

    def _before(self, field: FieldPath, text: str) -> str:
        """What was typed into a field whose text is `text` now."""
        if self._made.get(field) != text:
            self._typed[field] = text
        return self._typed[field]

    def _change(self, field: FieldPath, made: str, back: str | None) -> Change:
        """The change to the text `made`, or to what was typed, `back`, if that says the same."""
        text = made if back is None else back
        self._made[field] = text
        return Change(field, text)

    def of_argument(self, session: Session, shown: TableRow, node: Node, table: Table) -> Change:
        """What changes to give a node of the argument of a row a setting.

        Raises Refused where it cannot have it, and for an argument that is gone.
        """
        row, arguments = shown.row, session.program.arguments
        if row.index is None or row.index >= len(arguments) or shown.branches is None:
            raise Refused(f"{row.name} is passed no more")
        if node.setting == DONATE:
            return self._donated(session, row, node, table)
        if node.setting == SHARDING:
            tree = shown.branches.tree
            field, now = ARGUMENTS / row.index / SHARDING, arguments[row.index].sharding
            before, made = self._before(field, now), placed(now, tree, node.path, node.entry)
            same = says_the_same(made, before, tree, prefixes.PLACEMENTS)
            return self._change(field, made, before if same else None)
        return self._with_axis(session, row, node, table)

    def _donated(self, session: Session, row: ArgumentRow, node: Node, table: Table) -> Change:
        if table.donating is None:
            raise Refused("no layer donates arguments")
        if node.path != row.name:
            raise Refused(f"an argument is donated as a whole: set it at {row.name}")
        layer = session.program.layers[table.donating]
        donation = Donation(layer, table.donating, row.name, row.place, len(table.by_position))
        return Change(*donation.turned())

    def _with_axis(self, session: Session, row: ArgumentRow, node: Node, table: Table) -> Change:
        column = table.column
        layer = session.program.layers[column.index]
        field, now = LAYERS / column.index / column.field, str(getattr(layer, column.field))
        if column.cells is None or row.place is None:
            raise Refused(f"{column.field} is {now}, as typed: change it in the layer")
        count = len(column.cells.texts)
        passed = len(table.by_position)
        of = ArgumentAxes(column.cells, table.trees(count), column.default, passed)
        before = self._before(field, now)
        made = of.with_entry(row.place, node.path, node.entry)
        one, other = (split(text, count, column.default) for text in (made, before))
        same = one is not None and other is not None and of.with_cells(one).says(other)
        return self._change(field, made, before if same else None)

    def of_result(self, layer: AnyLayer, index: int, tree: Tree, path: str, entry: str) -> Change:
        """What changes to give a node of what `layer` returns an entry. Raises Refused."""
        known = output_entries(layer)
        if known is None:
            raise Refused(f"{layer.transform} takes no entry for its outputs")
        name, kind = known
        field, now = LAYERS / index / name, str(getattr(layer, name))
        before = self._before(field, now)
        made = prefixes.changed(now, tree, kind, path, entry)
        same = says_the_same(made, before, tree, kind)
        return self._change(field, made, before if same and before.strip() else None)
