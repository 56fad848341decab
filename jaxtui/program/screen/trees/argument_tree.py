"""The tree of an argument, by path, with the settings of its nodes, and a line to type one in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from jaxtui.program.screen.trees.rows import MIXED, TreeRows
from jaxtui.program.screen.trees.settings import TYPED
from jaxtui.program.screen.trees.table import Column, TreeTable
from jaxtui.program.trees import Branches
from jaxtui.screen.cells import fit_middle
from jaxtui.screen.field import FixedText, TypedInput

LEAST = 4  # rows on view, if there are as many
PART = 3  # of the lines of the screen, one in so many are rows


class SettingInput(TypedInput):
    """Where a setting is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "give_up", "Close")]
    DEFAULT_CSS = "SettingInput { width: 1fr; background: $boost; }"

    class GivenUp(Message):
        """What is typed is not wanted."""

    def action_give_up(self) -> None:
        self.post_message(self.GivenUp())


class SettingLine(Horizontal):
    """The line in which the setting of a node is typed; hidden unless it is."""

    DEFAULT_CSS = """
    SettingLine { height: 1; display: none; }
    SettingLine.-shown { display: block; }
    SettingLine FixedText { width: auto; max-width: 60%; color: $focus; }
    """

    class Typed(Message):
        """A setting was typed for the node at `path`; the receiver calls `close` or `refuse`."""

        def __init__(self, line: SettingLine, setting: Column, path: str, text: str) -> None:
            super().__init__()
            self.line, self.setting, self.path, self.text = line, setting, path, text

    def __init__(self, rows: TreeRows) -> None:
        super().__init__()
        self._rows = rows
        self._label = FixedText()
        self._input = SettingInput(compact=True)
        self._of: tuple[Column, str] | None = None
        self._lit = False  # whether the cursor of the rows shows without the focus

    def compose(self) -> ComposeResult:
        yield self._label
        yield self._input

    def ask(self) -> None:
        """Ask for the setting at the cursor, or turn it if there is nothing to type."""
        row, setting = self._rows.row, self._rows.setting
        if row is None or setting is None:
            return
        path, text = row.tree.path, setting.text_of(row.tree)
        if setting.switches:
            # A message that a parent's handler posts would not go beyond that parent.
            self.call_later(self._turn, setting, path, text)
            return
        self._of = (setting, path)
        label = (
            f"{setting.name} of {fit_middle(self._rows.path, max(8, self._rows.size.width // 2))} "
        )
        self._label.update(label)
        self._input.value = "" if text in (MIXED, TYPED) else text
        self._input.select_all()
        self.add_class("-shown")
        self._lit, self._rows.lit = self._rows.lit, True
        self._input.focus(scroll_visible=False)
        # Where it stands is known only after layout.
        self.call_after_refresh(self.scroll_visible, animate=False)

    def _turn(self, setting: Column, path: str, text: str) -> None:
        self.post_message(self.Typed(self, setting, path, text))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._of is not None:
            setting, path = self._of
            self.post_message(self.Typed(self, setting, path, event.value))

    def on_setting_input_given_up(self) -> None:
        self.close()

    def close(self) -> None:
        """Go back to the rows."""
        self._rows.say("")
        if self._of is not None:
            self._of, self._rows.lit = None, self._lit
            self.remove_class("-shown")
            self._rows.focus(scroll_visible=False)

    def refuse(self, reason: str) -> None:
        """Say why the setting cannot be as it was typed."""
        self._rows.say(reason)


class ArgumentTree(Vertical):
    """An argument unfolded below its row."""

    DEFAULT_CSS = """
    ArgumentTree { height: auto; }
    ArgumentTree TreeRows { height: 4; }
    """

    class Resized(Message):
        """It takes another number of lines."""

    class Left(Message):
        """It is to be closed."""

        def __init__(self, tree: ArgumentTree) -> None:
            super().__init__()
            self.tree = tree

    def __init__(self, branches: Branches, columns: Sequence[Column]) -> None:
        super().__init__()
        self.rows = TreeRows()
        self.line = SettingLine(self.rows)
        self._shown: object = None
        self._lines = 0
        self._branches = branches
        self.show(branches, columns)

    def compose(self) -> ComposeResult:
        yield self.rows
        yield self.line

    def on_mount(self) -> None:
        self._fit()

    @property
    def lines(self) -> int:
        """The lines that it takes."""
        return self._lines

    def show(self, branches: Branches, columns: Sequence[Column]) -> None:
        """Show this tree and these settings; what was unfolded stays so."""
        table = self.rows.table
        if table is None:
            table = TreeTable(branches.tree, branches.leaves)
        elif branches is not self._branches:
            table = TreeTable(branches.tree, branches.leaves, table.open_paths)
        self._branches = branches
        self.rows.put(table, columns)
        self._fit()

    def _fit(self) -> None:
        """Take the lines that the rows need, up to a part of the screen's."""
        if not self.is_attached or self.rows.table is None:
            return
        most = max(LEAST, self.screen.size.height // PART)
        lines = min(len(self.rows.table.rows), most) + 1
        if lines != self._lines:
            self._lines = lines
            self.rows.styles.height = lines
            self.post_message(self.Resized())
            # Where it stands is known only after layout.
            self.call_after_refresh(self._stay_in_view)

    def _stay_in_view(self) -> None:
        if self.rows.has_focus:
            self.rows.scroll_visible(animate=False)

    def on_tree_rows_moved(self, event: TreeRows.Moved) -> None:
        event.stop()
        self._fit()

    def on_tree_rows_set(self, event: TreeRows.Set) -> None:
        event.stop()
        self.line.ask()

    def on_tree_rows_left(self, event: TreeRows.Left) -> None:
        event.stop()
        self.post_message(self.Left(self))
