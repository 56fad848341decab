"""The Map screen: compose a program, see every shape, run it."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widget import Widget

from jaxtui.program.screen.argument_table import ArgumentTable
from jaxtui.program.screen.axes import Cells, replaced
from jaxtui.program.screen.flow.shape_flow import ShapeFlow
from jaxtui.program.screen.flow.trees import FlowTrees
from jaxtui.program.screen.function_editor import FunctionEditor
from jaxtui.program.screen.layer_list import LayerList
from jaxtui.program.screen.layers_pane import LayersPane
from jaxtui.program.screen.offer import LayersOffer, with_fixes
from jaxtui.program.screen.pages import PagedScreen
from jaxtui.program.screen.signature import with_value
from jaxtui.program.screen.tab_line import MEMORY
from jaxtui.program.screen.table_rows import AxisColumn
from jaxtui.program.screen.trees.donation import donating_layer
from jaxtui.program.screen.view import (
    ParametersText,
    argument_rows,
    axis_column,
    field_of,
    shows_shardings,
    source_line,
)
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands, fields
from jaxtui.screen.base import STYLES
from jaxtui.screen.command_table import Command
from jaxtui.screen.titles import set_title
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import ARGUMENTS, FUNCTION, LAYERS, PARAMETERS, SOURCE
from jaxtui.session.session import Session

if TYPE_CHECKING:
    from jaxtui.program.screen.trees.node_settings import NodeSettings
    from jaxtui.screen.completion import Completion

# Beside the editor, an argument's row and a layer's: the two lines around the screen, two titles,
# the heading, the parameters, the line that adds a layer; and 8 for messages and a form.
COLUMN_LINES = 15
EDITOR_LEAST = 9
EDITOR_REST, START_LINES = 5, 6  # title, name and lines to type on; the start page
# From so many lines on an editor is as tall as its text, up to the next multiple of 8: what stands
# below it comes near, and moves rarely while one types.
EDITOR_AMPLE, EDITOR_STEP = 28, 8
NOT_YET = "none yet: F5 asks whether this file may run"
CHANGED = "as before: F5 asks whether the changed file may run"


class MapScreen(PagedScreen):
    """Composing on the left, shapes and results on the right; if narrow, one page at a time."""

    NAME = "map"
    FLIPPED = ("-results", "compose")
    CSS_PATH = STYLES
    BINDINGS = commands.bindings("map")

    arguments: ArgumentTable
    layers_pane: LayersPane
    layer_list: LayerList
    flow_view: ShapeFlow
    shapes: Vertical

    def __init__(self) -> None:
        super().__init__()
        self._cells: tuple[str, Cells] | None = None  # axis cells as typed, and their joined text
        self._parameters = ParametersText()
        self._trees = FlowTrees()
        self.node_settings: NodeSettings | None = None
        self._shown_flow: object = None
        self._editor_height: int | None = None
        self._offer = LayersOffer()
        self._first: Session | None = None  # the session that is shown with the start page
        self.completion: Completion | None = None

    def body(self) -> ComposeResult:
        with Vertical(id="columns"):
            with VerticalScroll(id="compose", can_focus=False):
                yield from self._compose_side()
            with Vertical(id="shapes", classes="pane") as self.shapes:
                self.shapes.border_title = "Shapes"
                self.flow_view = ShapeFlow()
                yield self.flow_view
            yield from self.results_side()

    def _compose_side(self) -> ComposeResult:
        # Made here and not in __init__: an Input wants its screen to be on the stack.
        work = self.explorer.work
        program = work.session.program
        greets = self.shell.greets
        self._first = work.session if greets else None
        self.editor = FunctionEditor(
            work.function_name, program.source, program.function, greets=greets
        )
        self.arguments = ArgumentTable(
            argument_rows(work),
            axis_column(work.session, len(program.layers) - 1, None),
            fields.pairs_text(work.session.parameters),
            shards=shows_shardings(work.session),
        )
        self.layers_pane = LayersPane(self.explorer)
        self.layer_list = self.layers_pane.listed
        yield self.editor
        yield self.arguments
        yield self.layers_pane

    def open(self) -> None:
        super().open()
        self.call_after_refresh(self._offer_names)

    def _offer_names(self) -> None:
        """Have names offered while they are typed, which the first paint need not wait for."""
        from jaxtui.program.screen.offering import offering

        self.completion = offering(self)
        self.mount(self.completion)
        self.call_after_refresh(self.results.prepare)

    def axis_column(self) -> AxisColumn:
        """The column of axes beside the arguments."""
        return axis_column(self.explorer.work.session, self.layer_list.selected, self._cells)

    # --------------------------------------------------------------------------- what is shown

    def show_work(self, work: ProgramWork, now: float) -> None:
        """Update every pane; each skips what has not changed."""
        super().show_work(work, now)
        session, diagnosis = work.session, work.diagnosis
        where = field_of(diagnosis)
        program = session.program
        offered = self._offer.of(work)
        here = diagnosis if where in ("", "program", "source", "function") else None
        if here is not None and offered is not None:
            here = with_fixes(here, offered)
        self.editor.show(work.function_name, program.source, program.function, here, note=offered)
        self.layers_pane.show(work)
        column = self.axis_column()
        self._trees.follow(work.flow)
        donating = donating_layer(program.layers, self.layer_list.selected)
        rows = argument_rows(work, diagnosis, self._trees, donating, column)
        self._fit_editor(len(rows) + self.arguments.unfolded_lines, len(program.layers))
        self._show_start(session)
        self.arguments.show(
            rows,
            column,
            self._parameters.shown(session.parameters),
            shards=shows_shardings(session),
            diagnosis=diagnosis if diagnosis is not None and diagnosis.field == ARGUMENTS else None,
            parameters_diagnosis=self._parameters.wrong
            or (diagnosis if where == "parameters" else None),
        )
        self._show_flow(work, diagnosis, now)
        self.update_results(work, now)
        self.show_keys()
        if self.completion is not None:
            self.completion.again()

    def _show_flow(self, work: ProgramWork, diagnosis: Diagnosis | None, now: float) -> None:
        hint = CHANGED if work.open_session.changed else "" if work.trusted else NOT_YET
        set_title(self.shapes, f"Shapes · {hint}" if hint else "Shapes")
        program = work.session.program
        names = tuple(argument.name for argument in program.arguments)
        line = source_line(program.source, program.function_name)
        shown = (work.flow, diagnosis, work.flow_stale(now), line, names)
        if shown != self._shown_flow:
            self._shown_flow = shown
            self.flow_view.update_flow(*shown)
            self._fit_flow()

    def _fit_flow(self) -> None:
        """Fit the height to the flow; called only if it changes, since it triggers a new layout."""
        if self.maximized is self.shapes:
            return
        size = self.size
        lines = self.flow_view.get_content_height(size, size, self.flow_view.size.width)
        self.shapes.styles.height = lines + 1  # its title

    def _fit_editor(self, arguments: int, layers: int) -> None:
        """Give the editor the lines that its column has left, less room for messages and a form,
        so that an error moves nothing; where these are many, as many as its text needs."""
        rest = COLUMN_LINES + arguments + layers
        lines = max(EDITOR_LEAST, self.size.height - rest)
        if lines >= EDITOR_AMPLE:
            wanted = self.explorer.work.session.program.source.count("\n") + START_LINES
            lines = min(lines, EDITOR_REST + EDITOR_STEP * math.ceil(wanted / EDITOR_STEP))
        height = lines if self.has_class("-wide") else None
        if height != self._editor_height and self.maximized is not self.editor:
            self._editor_height = self.editor.styles.height = height

    def _show_start(self, session: Session) -> None:
        """Keep the start page up to the first change."""
        if self._first is None:
            return
        if session == self._first:
            free = (self._editor_height or 0) - session.program.source.count("\n") - EDITOR_REST
            self.editor.show_start(free >= START_LINES and self.has_class("-wide"))
        else:
            self._first = None
            self.editor.end_start()

    def on_resize(self) -> None:
        """Fit flow and editor to the new size."""
        if self.composed:
            self.call_after_refresh(self._fit_flow)
            self.call_after_refresh(self.show_work, self.explorer.work, self.explorer.now())

    @property
    def left_column(self) -> Widget | None:
        return self.query_one("#compose") if self.has_class("-wide") else None

    def diagnosis(self, work: ProgramWork) -> Diagnosis | None:
        """Return the error in what is typed, else one in the text of the parameters.

        What the lines in the editor offer comes before its fixes.
        """
        notes = work.views.memory_notes if self.results.tab == MEMORY else work.notes
        mendable = next((note for note in notes if note.fixes), None)
        found = work.diagnosis or self._parameters.wrong or mendable
        offered = self._offer.of(work)
        if found is None or offered is None:
            return found or offered
        return with_fixes(found, offered)

    # ------------------------------------------------------------------------- what was typed

    def on_function_editor_source_changed(self, event: FunctionEditor.SourceChanged) -> None:
        self.explorer.edit(SOURCE, event.area.take(), typed=True)

    def on_function_editor_reference_changed(self, event: FunctionEditor.ReferenceChanged) -> None:
        self.explorer.edit(FUNCTION, event.input.take(), typed=True)

    def on_argument_table_value_changed(self, event: ArgumentTable.ValueChanged) -> None:
        """Put the value of an argument, or a further argument, into the session."""
        work, row = self.explorer.work, event.row.shown.row
        arguments = with_value(
            work.session.program.arguments, work.signature, row, event.input.take()
        )
        self.explorer.edit(ARGUMENTS, arguments, typed=True)

    def on_argument_table_sharding_changed(self, event: ArgumentTable.ShardingChanged) -> None:
        """Put the sharding of an argument into the session."""
        text, index = event.input.take(), event.row.shown.row.index
        arguments = self.explorer.work.session.program.arguments
        if index is not None and index < len(arguments) and arguments[index].sharding != text:
            self.explorer.edit(ARGUMENTS / index / "sharding", text, typed=True)

    def on_argument_table_axis_changed(self, event: ArgumentTable.AxisChanged) -> None:
        """Put the axis into its place in the field of the column's layer."""
        row, text = event.row.shown.row, event.input.take()
        column = self.axis_column()
        if column.cells is None or row.place is None or row.place >= len(column.cells.texts):
            return
        if column.cells.texts[row.place] == text:
            return
        passed = sum(shown.row.by_position for shown in self.arguments.rows)
        joined, cells = replaced(column.cells, row.place, text, column.default, passed)
        self._cells = (joined, cells)
        field = LAYERS / column.index / column.field
        self.explorer.edit(field, joined, typed=True)

    def on_argument_table_node_set(self, event: ArgumentTable.NodeSet) -> None:
        """Put a setting of a part of an argument into the text of its field."""
        from jaxtui.program.screen.trees.on_map import set_node

        set_node(self.explorer, event, self.arguments.rows, self.axis_column(), self._for_nodes())

    def _for_nodes(self) -> NodeSettings:
        """What sets the nodes of trees, for the selected layer."""
        from jaxtui.program.screen.trees.node_settings import NodeSettings

        self.node_settings = self.node_settings or NodeSettings()
        self.node_settings.selected = self.layer_list.selected
        return self.node_settings

    def on_argument_table_unfolded(self) -> None:
        self.explorer.show_work()

    @property
    def unread(self) -> list[str]:
        return ["parameters"] if self._parameters.wrong is not None else []

    def on_argument_table_parameters_changed(self, event: ArgumentTable.ParametersChanged) -> None:
        """Put the parameters into the session if they can be read."""
        session = self.explorer.work.session
        parameters = self._parameters.typed(event.input.take(), session.parameters)
        if parameters != session.parameters:
            self.explorer.edit(PARAMETERS, parameters, typed=True)
        else:
            self.explorer.show_work()

    # ------------------------------------------------------------------------------- layers

    async def action_select_previous(self) -> None:
        await self.layers_pane.step(1)  # the next layer outward stands above

    async def action_select_next(self) -> None:
        await self.layers_pane.step(-1)

    def action_add_layer(self) -> None:
        self.layers_pane.add()

    def action_remove_layer(self) -> None:
        self.layers_pane.remove_layer()

    def action_move_out(self) -> None:
        self.layers_pane.swap(1)

    def action_move_in(self) -> None:
        self.layers_pane.swap(-1)

    async def action_edit_layer(self) -> None:
        await self.layers_pane.edit()

    # ------------------------------------------------------------------------------- results

    def action_pick_leaf(self) -> None:
        from jaxtui.program.screen.trees.on_map import pick_leaf

        pick_leaf(self, self.results, self._for_nodes())

    def text_to_copy(self) -> str:
        focused = self.focused
        if focused is self.flow_view:
            return self.flow_view.text
        if focused is self.layer_list or focused is self.editor.name_line:
            return self.explorer.work.session.program.source
        return self.result_to_copy()

    # ------------------------------------------------------------------------------- function

    def begin_to_write(self) -> None:
        """Go to the editor, on whatever page it is, with all of its text selected."""
        self.leave_text()
        if self.has_class("-results"):
            self.flip()
        # At once: what is typed right behind the key belongs into the text.
        area = self.editor.area
        self.set_focus(area) if area.focusable else area.focus()
        area.select_all()

    def action_write(self) -> None:
        from jaxtui.program.screen.picker import write_here

        write_here(self.explorer)
        self.begin_to_write()

    def action_pick_function(self) -> None:
        from jaxtui.program.screen.comparing import compare_with
        from jaxtui.program.screen.picker import pick_function

        pick_function(self, self.editor, partial(compare_with, self, self.show_results))

    def action_edit_source(self) -> None:
        from jaxtui.program.screen.external_editor import edit_function

        edit_function(self)

    # ------------------------------------------------------------------------------- pages

    def action_run(self) -> None:
        self.leave_text()
        self.explorer.run()
        work = self.explorer.work
        if work.trusted and work.diagnosis is None:
            self.show_page("-results")

    def leave_field(self) -> None:
        """Close the form if the focus is in it, else leave the field."""
        if self.layers_pane.edits:
            self.layers_pane.close_form()
        else:
            super().leave_field()

    def scopes(self) -> tuple[str, ...]:
        if self.focused is self.layer_list:
            return ("layers", "map", "app")
        pane = getattr(self.focused, "SCOPE", "")
        return (pane, "map", "app") if pane else ("map", "app")

    def offers(self, command: Command) -> bool:
        """Offer turning the page if there are two, and finding if there is room for its key."""
        if command.action == "screen.flip":
            return self.has_class("-narrow") and not self.has_class("-stacked")
        if command.action == "screen.add_layer":
            return self.focused is self.layer_list
        if command.action in ("screen.move_out", "screen.move_in"):
            return len(self.explorer.work.session.program.layers) > 1
        if command.action == "screen.find" and command.scope == "map":
            return self.has_class("-wide") and self.scopes()[0] != "tree"
        return super().offers(command)
