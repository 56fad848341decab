"""The leaves of the result, by path: one is picked, and `out_axes` set at any node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Literal

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widget import Widget
from textual.widgets import Input

from jaxtui.program.screen.trees.argument_tree import SettingInput, SettingLine
from jaxtui.program.screen.trees.rows import TreeRows
from jaxtui.program.screen.trees.table import Column, TreeTable
from jaxtui.program.trees import Branches
from jaxtui.screen.dialogs import ESC, Dialog, Keys
from jaxtui.screen.field import TypedInput
from jaxtui.text.signs import DOT

LEAST, AROUND = 3, 7  # lines of the rows at least, and of the box around them
OUT = "out"  # what stands before the paths

Set = Callable[[str, str], str]
"""Puts the setting of a node, by path, into the session; returns why not, "" if it is done."""


class Filter(TypedInput):
    """What the paths on view have in them; the keys of the rows go to them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "rows('move', -1)", "Up"),
        ("down", "rows('move', 1)", "Down"),
        ("pageup", "rows('page', -1)", "A page up"),
        ("pagedown", "rows('page', 1)", "A page down"),
    ]

    def __init__(self, rows: TreeRows) -> None:
        super().__init__(placeholder="type a part of the path", compact=True)
        self._rows = rows

    def action_rows(self, way: str, step: int) -> None:
        if way == "move":
            self._rows.action_move(step)
        else:
            self._rows.action_page(step)


class LeafPicker(Dialog[str]):
    """Asks which leaf of the result, or of the arguments, is shown; answers its path."""

    TITLE = "Leaves of the result"
    DEFAULT_CSS = """
    LeafPicker .dialog { width: 100; height: auto; max-height: 90%; }
    LeafPicker Filter { margin: 0 0 1 0; }
    """

    def __init__(
        self,
        branches: Branches,
        path: str,
        columns: Callable[[], Sequence[Column]] = list,
        put: Set | None = None,
        of: Literal["result", "arguments"] = "result",
    ) -> None:
        """`path` is that of the leaf that is shown. `columns` are the settings as they are now, and
        `put` changes one of them."""
        named = [f"right: {column.name}" for column in columns()]
        super().__init__(f" {DOT} ".join([f"Leaves of the {of}", *named]))
        self._root = OUT if of == "result" else ""
        self.rows = TreeRows()
        self.rows.lit = True
        self.line = SettingLine(self.rows)
        self._branches, self._path = branches, path
        self._columns, self._put = columns, put
        self._table = TreeTable(branches.tree, branches.leaves)

    def body(self) -> ComposeResult:
        yield Filter(self.rows)
        yield self.rows
        yield self.line

    def keys(self, focused: Widget | None) -> Keys:
        if isinstance(focused, SettingInput):
            return (("enter", "take it"), ("esc", "leave it"))
        if focused is self.rows:
            return (("enter", "show, fold, set"), ("←→", "fold"), ("tab", "filter"), ESC)
        return (("enter", "show the leaf"), ("↑↓", "leaves"), ("tab", "fold, set"), ESC)

    def on_mount(self) -> None:
        # As high as all that can be unfolded, so that it stays so; their path has a line, too.
        room = max(LEAST, self.app.size.height * 9 // 10 - AROUND)
        self.rows.styles.height = min(len(self._branches.tree.everything) + 1, room)
        self.rows.put(self._table, self._columns(), self._root)
        shown = next((n for n in self._branches.tree.everything if n.path == self._path), None)
        if shown is not None:
            self.rows.go_to(self._table.reveal(shown))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        wanted = event.value.strip()
        table = self._table.only(wanted) if wanted else self._table
        self.rows.put(table, self._columns(), self._root)
        self.rows.go_to(0 if wanted else self.rows.cursor)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.rows.action_choose()

    def on_tree_rows_chosen(self, event: TreeRows.Chosen) -> None:
        if event.rows.row is not None:
            self.dismiss(event.rows.row.tree.path)

    def on_tree_rows_set(self, event: TreeRows.Set) -> None:
        self.line.ask()

    def on_setting_line_typed(self, event: SettingLine.Typed) -> None:
        refusal = self._put(event.path, event.text) if self._put is not None else ""
        if refusal:
            event.line.refuse(refusal)
            return
        event.line.close()
        assert self.rows.table is not None
        self.rows.put(self.rows.table, self._columns(), self._root)
