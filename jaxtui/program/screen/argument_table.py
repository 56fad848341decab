"""The table of arguments, each with its value, sharding and mapped axis, and the parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static

from jaxtui.program.screen.argument_name import ArgumentName
from jaxtui.program.screen.signature import ArgumentRow
from jaxtui.program.screen.table_rows import AxisColumn, TableRow, Widths, widths_of
from jaxtui.screen.field import FieldInput, FieldMessage
from jaxtui.session.diagnosis import Diagnosis

if TYPE_CHECKING:
    from jaxtui.program.screen.trees.argument_tree import ArgumentTree, SettingLine

UNREADABLE = "…"
# 64 rows added together would hold up the question whether a file may run, and keys.
AT_ONCE = 8
PAUSE = 0.1  # seconds until further ones are added


class _ArgumentRow(Vertical):
    """The row of one argument; it is reused when the arguments change."""

    DEFAULT_CSS = """
    _ArgumentRow { height: auto; }
    _ArgumentRow Horizontal { height: 1; }
    _ArgumentRow .name { color: $text; text-wrap: nowrap;
        text-overflow: ellipsis; }
    _ArgumentRow .name.-faulty { color: $text-error; }
    _ArgumentRow .value { width: 1fr; }
    _ArgumentRow .sharding { margin: 0 0 0 1; }
    _ArgumentRow .axis { margin: 0 1; }
    """

    def __init__(self, shown: TableRow, column: AxisColumn, widths: Widths) -> None:
        super().__init__()
        self.shown = shown
        self._first = (shown, column, widths)
        self.value_input = FieldInput(shown.row.value)
        self.value_input.add_class("value")
        self.sharding_input = FieldInput(shown.row.sharding)
        self.sharding_input.add_class("sharding")
        self.sharding_input.display = bool(widths.sharding)
        self.axis_input = FieldInput(cell=True)
        self.axis_input.add_class("axis")
        self.label = ArgumentName(classes="name")
        self.unfolded: ArgumentTree | None = None
        self._message = FieldMessage()

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self.label
            yield self.value_input
            yield self.sharding_input
            yield self.axis_input
        yield self._message

    def on_mount(self) -> None:
        self.show(*self._first)

    def show(self, shown: TableRow, column: AxisColumn, widths: Widths) -> None:
        self.shown = shown
        self._first = (shown, column, widths)
        self.label.styles.width = widths.name
        self.axis_input.styles.width = widths.axis - 2  # its margins
        row = shown.row
        self._show_tree()
        self.label.place_name = f"argument {row.name}"
        self.value_input.place_name = f"value of {row.name}"
        self.sharding_input.place_name = f"sharding of {row.name}"
        self.axis_input.place_name = f"{column.field} of {row.name}"
        self.value_input.placeholder = row.default or (
            "a further one" if row.index is None and row.name[0] == "*" else ""
        )
        self.value_input.follow(row.value)
        misplaced = shown.faulty == "sharding" and bool(widths.sharding)
        of_axis = shown.faulty == "axis"
        self.value_input.set_class(
            shown.diagnosis is not None and not misplaced and not of_axis, "-faulty"
        )
        self._show_sharding(row, widths, shown.diagnosis is not None and misplaced)
        self._show_axis(column, row)
        self.axis_input.set_class(of_axis, "-faulty")
        self.label.set_class(shown.diagnosis is not None and shown.faulty == "name", "-faulty")
        self._message.show(shown.diagnosis)

    def _show_tree(self) -> None:
        """Show the name with its fold sign, and the tree if it is unfolded."""
        shown, column, widths = self._first
        branches = shown.branches
        self.label.show(
            shown.row.name, branches is not None, self.unfolded is not None, widths.marks
        )
        if self.unfolded is not None and branches is not None:
            from jaxtui.program.screen.trees.columns import columns

            self.unfolded.show(branches, columns(shown, column, widths))
        elif self.unfolded is not None:
            self.fold()

    def on_argument_name_turned(self, event: ArgumentName.Turned) -> None:
        """Unfold the argument, or fold it."""
        event.stop()
        branches = self.shown.branches
        if self.unfolded is not None:
            self.fold()
        elif branches is not None:
            from jaxtui.program.screen.trees.argument_tree import ArgumentTree
            from jaxtui.program.screen.trees.columns import columns

            self.unfolded = ArgumentTree(branches, columns(*self._first))
            self._show_tree()
            self.mount(self.unfolded, before=self._message)
            self.unfolded.rows.focus()

    def on_argument_tree_left(self, event: ArgumentTree.Left) -> None:
        event.stop()
        self.fold()

    def fold(self) -> None:
        """Close the tree."""
        if self.unfolded is not None:
            tree, self.unfolded = self.unfolded, None
            had_focus = tree.has_focus_within
            tree.remove()
            if had_focus:
                self.label.focus()
            self._show_tree()
            self.post_message(ArgumentTable.Unfolded())

    def on_argument_tree_resized(self, event: ArgumentTree.Resized) -> None:
        event.stop()
        self.post_message(ArgumentTable.Unfolded())

    def on_setting_line_typed(self, event: SettingLine.Typed) -> None:
        event.stop()
        self.post_message(ArgumentTable.NodeSet(self, event))

    def _show_sharding(self, row: ArgumentRow, widths: Widths, faulty: bool) -> None:
        field = self.sharding_input
        field.display = bool(widths.sharding)
        if widths.sharding:
            field.styles.width = widths.sharding - 1  # its margin
        field.disabled = row.index is None
        field.placeholder = "" if field.disabled else "P()"
        field.follow(row.sharding)
        field.set_class(faulty, "-faulty")

    def _show_axis(self, column: AxisColumn, row: ArgumentRow) -> None:
        maps = bool(column.field) and row.place is not None and row.index is not None
        entries = len(column.cells.texts) if column.cells is not None else 0
        readable = maps and row.place is not None and row.place < entries
        self.axis_input.disabled = not readable
        by_name = row.place is None and row.index is not None
        self.axis_input.placeholder = column.default if maps else column.by_name * by_name
        if readable:
            assert column.cells is not None
            assert row.place is not None
            self.axis_input.follow(column.cells.texts[row.place])
        else:
            self.axis_input.follow(UNREADABLE if maps else "")


class _Heading(Widget):
    """The heading of the columns."""

    DEFAULT_CSS = "_Heading { height: 1; color: $text-muted; }"
    shown: reactive[tuple[str, Widths] | None] = reactive(None)

    def __init__(self, axis: str, widths: Widths) -> None:
        super().__init__()
        self.set_reactive(_Heading.shown, (axis, widths))

    def render(self) -> Content:
        assert self.shown is not None
        axis, widths = self.shown
        # A long heading takes its cells from that of the values, which is short.
        more = max(0, len(axis) + 1 - widths.axis) * (not widths.sharding)
        value = max(0, self.size.width - widths.name - widths.axis - widths.sharding - more)
        sharding = f" {'sharding':{widths.sharding - 1}}" if widths.sharding else ""
        return Content(f"{'':{widths.name}}{'value':{value}}{sharding} {axis}")


class ArgumentTable(Vertical):
    """A row for each argument of the function, and the parameters that values may use."""

    DEFAULT_CSS = """
    ArgumentTable { height: auto; }
    ArgumentTable #argument-rows { height: auto; }
    ArgumentTable #parameters-line { height: 1; }
    ArgumentTable #parameters-line Static { width: 11; color: $text-muted; }
    ArgumentTable #parameters { width: 1fr; }
    """

    class ValueChanged(Message):
        """The value in a row was edited; the receiver calls `input.take()`."""

        def __init__(self, input: FieldInput, row: _ArgumentRow) -> None:
            super().__init__()
            self.input = input
            self.row = row

    class AxisChanged(ValueChanged):
        """The axis in a row was edited."""

    class ShardingChanged(ValueChanged):
        """The sharding in a row was edited."""

    class NodeSet(Message):
        """A setting was typed at a node; the receiver closes or refuses on `typed.line`."""

        def __init__(self, row: _ArgumentRow, typed: SettingLine.Typed) -> None:
            super().__init__()
            self.row = row
            self.typed = typed

    class Unfolded(Message):
        """Arguments are unfolded in another number of lines."""

    class ParametersChanged(Message):
        """The parameters were edited."""

        def __init__(self, input: FieldInput) -> None:
            super().__init__()
            self.input = input

    def __init__(
        self, rows: Sequence[TableRow], column: AxisColumn, parameters: str, *, shards: bool = False
    ) -> None:
        super().__init__(classes="pane")
        self.border_title = "Arguments"
        widths = widths_of(rows, column, shards)
        self._all = (rows, column, widths)  # what there is to be a row for
        self._rows = [_ArgumentRow(row, column, widths) for row in rows[:AT_ONCE]]
        self._growing = False  # that further rows are added soon
        self._heading = _Heading(column.heading, widths)
        self._parameters = FieldInput(
            parameters, placeholder="none; for example batch = 4", id="parameters"
        )
        self._message = FieldMessage()
        self._parameters_message = FieldMessage()
        self._shown: object = None

    def compose(self) -> ComposeResult:
        yield self._heading
        with Vertical(id="argument-rows"):
            yield from self._rows
        yield self._message
        with Horizontal(id="parameters-line"):
            yield Static("parameters")
            yield self._parameters
        yield self._parameters_message

    def on_mount(self) -> None:
        self._grow_later()

    @property
    def rows(self) -> Sequence[TableRow]:
        """What the rows show."""
        return self._all[0]

    @property
    def unfolded_lines(self) -> int:
        """The lines that unfolded arguments take."""
        return sum(row.unfolded.lines for row in self._rows if row.unfolded is not None)

    def show(
        self,
        rows: Sequence[TableRow],
        column: AxisColumn,
        parameters: str,
        *,
        shards: bool = False,
        diagnosis: Diagnosis | None = None,
        parameters_diagnosis: Diagnosis | None = None,
    ) -> None:
        """Show these rows, with their shardings if it `shards`; `diagnosis` is about them all.

        A sharding that is being typed stays on view, even when it is empty for a moment.
        """
        shards = shards or any(row.sharding_input.has_focus for row in self._rows)
        shown = (tuple(rows), column, parameters, shards, diagnosis, parameters_diagnosis)
        if shown == self._shown:
            return
        self._shown = shown
        widths = widths_of(rows, column, shards)
        self._heading.shown = (column.heading, widths)
        for widget, row in zip(self._rows, rows, strict=False):
            widget.show(row, column, widths)
        self._resize(rows, column, widths)
        self._parameters.follow(parameters)
        self._parameters.set_class(parameters_diagnosis is not None, "-faulty")
        self._message.show(diagnosis)
        self._parameters_message.show(parameters_diagnosis)

    def _resize(self, rows: Sequence[TableRow], column: AxisColumn, widths: Widths) -> None:
        """Add or remove row widgets to match `rows`; those beyond AT_ONCE are added later."""
        for widget in self._rows[len(rows) :]:
            widget.remove()
        del self._rows[len(rows) :]
        self._all = (rows, column, widths)
        if not self._growing:
            self._grow()

    def _grow(self) -> None:
        """Add the next of the row widgets that are missing."""
        self._growing = False
        if not self.is_attached:
            return
        rows, column, widths = self._all
        there = len(self._rows)
        added = [_ArgumentRow(row, column, widths) for row in rows[there : there + AT_ONCE]]
        if added:
            self._rows += added
            self.query_one("#argument-rows").mount_all(added)
            self._grow_later()

    def _grow_later(self) -> None:
        if not self._growing and len(self._rows) < len(self._all[0]):
            self._growing = True
            self.set_timer(PAUSE, self._grow)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        for row in self._rows:
            if event.input is row.value_input:
                self.post_message(self.ValueChanged(row.value_input, row))
            elif event.input is row.sharding_input:
                self.post_message(self.ShardingChanged(row.sharding_input, row))
            elif event.input is row.axis_input:
                self.post_message(self.AxisChanged(row.axis_input, row))
        if event.input is self._parameters:
            self.post_message(self.ParametersChanged(self._parameters))
