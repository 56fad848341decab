"""The Map screen: compose a program, see every shape, run it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from jaxtui.protocol import Cancelled, Failed, Summarized, WindowRead
from jaxtui.report import Diagnosis
from jaxtui.session import LAYERS, AnyLayer
from jaxtui.ui import commands, fields
from jaxtui.ui.axes import Cells, replaced
from jaxtui.ui.screens.base import STYLES, WorkScreen
from jaxtui.ui.screens.map_view import (
    ParametersText,
    argument_rows,
    axis_column,
    field_of,
    layer_prefix,
    notice,
    script_text,
    source_line,
)
from jaxtui.ui.signature import with_value
from jaxtui.ui.state import Work
from jaxtui.ui.widgets.argument_table import ArgumentTable
from jaxtui.ui.widgets.field import FieldMessage
from jaxtui.ui.widgets.function_editor import FunctionEditor
from jaxtui.ui.widgets.layer_list import LayerForm, LayerList
from jaxtui.ui.widgets.result_pane import PYTHON, RESULT, ResultPane, TabLine
from jaxtui.ui.widgets.shape_flow import ShapeFlow

ABOUT = {
    "vmap": "map over an axis on one device",
    "pmap": "map over an axis, an element a device",
    "shard_map": "a block of the data to each device of the mesh",
    "jit": "compile it as a whole",
    "grad": "the gradient of a scalar output",
    "value_and_grad": "the output and its gradient",
}

# Beside the editor, an argument's row and a layer's: the two lines around the screen, two titles,
# the heading, the parameters, the line that adds a layer; and 8 for messages and a form.
COLUMN_LINES = 15
EDITOR_LEAST = 9


class MapScreen(WorkScreen):
    """Compose on the left; shapes and results on the right. When narrow, one page at a time."""

    NAME = "map"
    CSS_PATH = STYLES
    BINDINGS = commands.bindings("map")

    editor: FunctionEditor
    arguments: ArgumentTable
    layer_list: LayerList
    layer_message: FieldMessage
    shapes: Vertical
    flow_view: ShapeFlow
    results: ResultPane

    def __init__(self) -> None:
        super().__init__()
        self._cells: tuple[str, Cells] | None = None  # axis cells as typed, and their joined text
        self._parameters = ParametersText()
        self.form: LayerForm | None = None
        self._form_of: int | None = None
        self._shown_flow: object = None
        self._editor_height: int | None = None

    def body(self) -> ComposeResult:
        """The panes, in reading order."""
        with Vertical(id="columns"):
            with VerticalScroll(id="compose", can_focus=False):
                yield from self._compose_side()
            with Vertical(id="shapes", classes="pane") as self.shapes:
                self.shapes.border_title = "Shapes"
                self.flow_view = ShapeFlow()
                yield self.flow_view
            self.results = ResultPane()
            yield self.results

    def _compose_side(self) -> ComposeResult:
        # Made here and not in __init__: an Input wants its screen to be on the stack.
        work, ascii = self.explorer.work, self.jaxtui.ascii
        program = work.session.program
        self.editor = FunctionEditor(
            work.function_name, program.source, program.function, ascii=ascii
        )
        self.arguments = ArgumentTable(
            argument_rows(work),
            axis_column(work.session, len(program.layers) - 1, None),
            fields.pairs_text(work.session.parameters),
        )
        self.layer_list = LayerList(program.layers, ascii=ascii)
        self.layer_message = FieldMessage()
        yield self.editor
        yield self.arguments
        with Vertical(id="layers", classes="pane") as layers:
            layers.border_title = "Layers, the outermost first"
            yield self.layer_list
            yield self.layer_message

    # --------------------------------------------------------------------------- what is shown

    def show_work(self, work: Work, now: float) -> None:
        """Bring every pane up to date; each leaves alone what has not changed."""
        super().show_work(work, now)
        session, diagnosis = work.session, work.diagnosis
        where = field_of(diagnosis)
        program = session.program
        self.editor.show(
            work.function_name,
            program.source,
            program.function,
            diagnosis if where in ("", "program", "source", "function") else None,
        )
        self._show_layers(program.layers, diagnosis, where)
        column = axis_column(session, self.layer_list.selected, self._cells)
        rows = argument_rows(work, diagnosis)
        self._fit_editor(len(rows), len(program.layers))
        self.arguments.show(
            rows,
            column,
            self._parameters.shown(session.parameters),
            diagnosis=diagnosis
            if diagnosis is not None and diagnosis.field == "program.arguments"
            else None,
            parameters_diagnosis=self._parameters.wrong
            or (diagnosis if where == "parameters" else None),
        )
        self._show_flow(work, diagnosis, now)
        self._show_results(work, diagnosis, now)
        self._show_listing(work, now)
        self.key_line.keys = self.keys(self.focused)

    def _show_layers(self, layers: list[AnyLayer], diagnosis: Diagnosis | None, where: str) -> None:
        listed = self.layer_list
        if len(layers) != len(listed.stack):
            listed.selected = min(max(0, listed.selected), len(layers) - 1)
        listed.stack = tuple(layers)
        faulty, field = None, ""
        if where == "layers" and diagnosis is not None:
            _, _, index, *rest = diagnosis.field.split(".")
            faulty, field = int(index), rest[0] if rest else ""
        listed.faulty = faulty
        if self.form is not None and self._form_of is not None:
            layer = layers[self._form_of] if self._form_of < len(layers) else None
            if layer is None or layer.transform != self.form.transform:
                self.close_form()
            else:
                self.form.show(layer, diagnosis, field if faulty == self._form_of else "")
        # What is wrong with a layer stands under the list, unless it stands in its form.
        shown = diagnosis if faulty is not None and faulty != self._form_of else None
        self.layer_message.show(shown, layer_prefix(self.explorer.work, shown))

    def _show_flow(self, work: Work, diagnosis: Diagnosis | None, now: float) -> None:
        program = work.session.program
        names = tuple(argument.name for argument in program.arguments)
        shown = (work.flow, diagnosis, work.flow_stale(now), source_line(program.source), names)
        if shown != self._shown_flow:
            self._shown_flow = shown
            self.flow_view.update_flow(*shown)
            self._fit_flow()

    def _fit_flow(self) -> None:
        """As high as the flow; set only when it changes, since that lays the screen out anew."""
        size = self.size
        lines = self.flow_view.get_content_height(size, size, self.flow_view.size.width)
        self.shapes.styles.height = lines + 1  # its title

    def _fit_editor(self, arguments: int, layers: int) -> None:
        """The editor gets the lines that the rest of its column leaves; the room for messages and
        a form stays free, so that an error moves nothing."""
        rest = COLUMN_LINES + arguments + layers
        lines = max(EDITOR_LEAST, self.size.height - rest)
        height = lines if self.has_class("-wide") else None
        if height != self._editor_height:
            self._editor_height = self.editor.styles.height = height

    def on_resize(self) -> None:
        """The flow may need other lines in another width, and the editor others in its column."""
        if self.composed:
            self.call_after_refresh(self._fit_flow)
            self.call_after_refresh(self.show_work, self.explorer.work, self.explorer.now())

    def _show_results(self, work: Work, diagnosis: Diagnosis | None, now: float) -> None:
        environment = work.environment
        self.results.show(
            work.ran,
            environment.devices if environment is not None else [],
            stale=work.result_stale(now),
            notice=notice(work),
            printed=work.printed,
            diagnosis=diagnosis,
            waiting="waiting for the engine" if work.busy and work.trusted else "",
            values_gone=work.values_gone,
        )

    def _show_listing(self, work: Work, now: float) -> None:
        """The program as a script, or as JAX and XLA have it, when such a tab is on show."""
        if self.results.tab == PYTHON:
            self.results.show_listing(script_text(work.session), "")
        elif (view := self.results.compiler_view) is not None:
            work.inspect(view, now)
            shown = work.views.get(view)
            if shown is None:
                self.results.show_listing("", "asking JAX" if work.phase == "ready" else "")
            else:
                old = shown.composition != work.composition
                self.results.show_listing(shown.text, "of the program before" if old else "")

    # ------------------------------------------------------------------------- what was typed

    def on_function_editor_source_changed(self, event: FunctionEditor.SourceChanged) -> None:
        """The source goes into the session."""
        self.explorer.edit("program.source", event.area.take(), typed=True)

    def on_function_editor_reference_changed(self, event: FunctionEditor.ReferenceChanged) -> None:
        """The reference goes into the session."""
        self.explorer.edit("program.function", event.input.take(), typed=True)

    def on_argument_table_value_changed(self, event: ArgumentTable.ValueChanged) -> None:
        """The value of an argument goes into the session, or a further argument does."""
        work, row = self.explorer.work, event.row.shown.row
        arguments = with_value(
            work.session.program.arguments, work.signature, row, event.input.take()
        )
        self.explorer.edit("program.arguments", arguments, typed=True)

    def on_argument_table_axis_changed(self, event: ArgumentTable.AxisChanged) -> None:
        """The axis goes into its place in the in_axes of the layer that the column is of."""
        session, row = self.explorer.work.session, event.row.shown.row
        text = event.input.take()
        column = axis_column(session, self.layer_list.selected, self._cells)
        if column.cells is None or row.place is None or row.place >= len(column.cells.texts):
            return
        if column.cells.texts[row.place] == text:
            return
        joined, cells = replaced(column.cells, row.place, text, column.field)
        self._cells = (joined, cells)
        field = f"program.layers.{column.index}.{column.field}"
        self.explorer.edit(field, joined, typed=True)

    def on_argument_table_parameters_changed(self, event: ArgumentTable.ParametersChanged) -> None:
        """The parameters go into the session once they can be read."""
        session = self.explorer.work.session
        parameters = self._parameters.typed(event.input.take(), session.parameters)
        if parameters != session.parameters:
            self.explorer.edit("parameters", parameters, typed=True)
        else:
            self.explorer.show_work()

    def on_layer_form_changed(self, event: LayerForm.Changed) -> None:
        """A layer's field goes into the session."""
        field = f"program.layers.{self._form_of}.{event.field}"
        self.explorer.edit(field, event.input.take(), typed=True)

    # ------------------------------------------------------------------------------- layers

    async def on_layer_list_clicked(self, event: LayerList.Clicked) -> None:
        """Select a layer; a click on the selected one opens its form."""
        if event.index is None:
            self.action_add_layer()
        elif event.index == self.layer_list.selected:
            await self.action_edit_layer()
        else:
            await self._select(event.index)

    async def action_select_previous(self) -> None:
        """Select the next layer outward, which stands above."""
        await self._select(self.layer_list.selected + 1)

    async def action_select_next(self) -> None:
        """Select the next layer inward."""
        await self._select(self.layer_list.selected - 1)

    async def _select(self, index: int) -> None:
        layers = self.explorer.work.session.program.layers
        if not 0 <= index < len(layers) or index == self.layer_list.selected:
            return
        self.layer_list.selected = index
        if self.form is not None:
            await self.open_form()
        self.explorer.show_work()

    def action_add_layer(self) -> None:
        """Put another layer around the program."""
        from jaxtui.ui.screens.dialogs import ChoiceDialog

        async def add(transform: str | None) -> None:
            if transform is None:
                return
            layers = self.explorer.work.session.program.layers
            self.explorer.edit("program.layers", [*layers, LAYERS[transform]()])
            await self._select(len(layers))
            self.layer_list.focus()

        choices = [(name, f"{name:16} {ABOUT[name]}") for name in LAYERS]
        self.app.push_screen(ChoiceDialog("Put a layer around the program", choices), add)

    def action_remove_layer(self) -> None:
        """Remove the selected layer."""
        layers = self.explorer.work.session.program.layers
        index = self.layer_list.selected
        if 0 <= index < len(layers):
            self.close_form()
            self.explorer.edit("program.layers", [*layers[:index], *layers[index + 1 :]])

    def action_move_out(self) -> None:
        """Swap the selected layer with the one around it."""
        self._swap(self.layer_list.selected, 1)

    def action_move_in(self) -> None:
        """Swap the selected layer with the one inside it."""
        self._swap(self.layer_list.selected, -1)

    def _swap(self, index: int, step: int) -> None:
        layers = list(self.explorer.work.session.program.layers)
        other = index + step
        if not (0 <= index < len(layers) and 0 <= other < len(layers)):
            return
        layers[index], layers[other] = layers[other], layers[index]
        self.layer_list.selected = other
        if self._form_of is not None:
            self._form_of = other
        self.explorer.edit("program.layers", layers)

    async def action_edit_layer(self) -> None:
        """Open the form of the selected layer, or close it."""
        if self.form is not None:
            self.close_form()
            return
        if self.layer_list.selected < 0:
            self.action_add_layer()
            return
        form = await self.open_form()
        self.set_focus(form.first, scroll_visible=False)
        # Once it is laid out: before that there is no telling where it will be.
        self.call_after_refresh(form.scroll_visible, animate=False)

    async def open_form(self) -> LayerForm:
        """Show the fields of the selected layer under the list."""
        self.close_form()
        index = self.layer_list.selected
        form = LayerForm(self.explorer.work.session.program.layers[index])
        self.form, self._form_of = form, index
        await self.query_one("#layers").mount(form)
        return form

    def close_form(self) -> None:
        """Put the form away."""
        if self.form is not None:
            had_focus = self.focused is not None and self.form in self.focused.ancestors
            self.form.remove()
            self.form = self._form_of = None
            if had_focus:
                self.layer_list.focus()

    # ------------------------------------------------------------------------------- results

    def action_next_output(self) -> None:
        """Show the next leaf of the result."""
        self.results.step_leaf(1)

    def action_previous_output(self) -> None:
        """Show the leaf before."""
        self.results.step_leaf(-1)

    def action_next_tab(self) -> None:
        """Turn to the next tab."""
        self.results.step_tab(1)
        self.explorer.show_work()

    def action_previous_tab(self) -> None:
        """Turn to the tab before."""
        self.results.step_tab(-1)
        self.explorer.show_work()

    def on_tab_line_chosen(self, event: TabLine.Chosen) -> None:
        """Turn to the clicked tab."""
        self.results.show_tab(event.name)
        self.explorer.show_work()

    def put(self, event: WindowRead | Summarized | Failed | Cancelled) -> None:
        """A part of the result has come, or will not."""
        view = self.results.array_view
        if view is None:
            return
        if isinstance(event, WindowRead):
            view.put(event)
        elif isinstance(event, Summarized):
            view.put_summary(event.summary, event.device, event.result)
        elif isinstance(event, Failed):
            view.refuse(event.diagnosis.message)
        else:
            view.refuse("reading these values was given up; move the cursor to read them")

    def diagnosis(self, work: Work) -> Diagnosis | None:
        """What is wrong with what is typed; the parameters only count once they can be read."""
        return work.diagnosis or self._parameters.wrong

    def text_to_copy(self) -> str:
        """What has the focus, as text."""
        focused, view = self.focused, self.results.array_view
        if focused is self.flow_view:
            return self.flow_view.text
        if focused is self.layer_list or focused is self.editor.name_line:
            return self.explorer.work.session.program.source
        if view is not None and self.results.tab == RESULT:
            return view.cursor_text or ""
        return self.results.text_to_copy()

    # ------------------------------------------------------------------------------- function

    def action_pick_function(self) -> None:
        """Let the user choose another function."""
        from jaxtui.ui.screens.picker import pick_function

        pick_function(self.jaxtui, self.editor)

    def action_edit_source(self) -> None:
        """Edit the source, or the file that the function comes from, in $EDITOR."""
        from jaxtui.ui.external_editor import edit_function

        edit_function(self.jaxtui)

    # ------------------------------------------------------------------------------- pages

    def action_flip(self) -> None:
        """Turn between composing and results; matters only when there is no room for both."""
        self.toggle_class("-results")
        self._show_keys(self.focused)

    def leave_field(self) -> None:
        """Leave the field: a form is put away, else nothing has the focus."""
        if (
            self.form is not None
            and self.focused is not None
            and self.form in self.focused.ancestors
        ):
            self.close_form()
        else:
            super().leave_field()

    def scopes(self) -> tuple[str, ...]:
        """The layers' keys work while they have the focus."""
        if self.focused is self.layer_list:
            return ("layers", "map", "app")
        return ("map", "app")

    def label_of(self, command: commands.Command) -> str:
        """The flip key names the page that it leads to."""
        if command.action == "screen.flip" and self.has_class("-results"):
            return "compose"
        return command.label

    def offers(self, command: commands.Command) -> bool:
        """A fix is offered when there is one, the other page when there are two."""
        if command.action == "app.apply_fix":
            diagnosis = self.explorer.work.diagnosis
            return diagnosis is not None and bool(diagnosis.fixes)
        if command.action == "screen.flip":
            return self.has_class("-narrow")
        return True
