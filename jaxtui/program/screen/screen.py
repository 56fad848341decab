"""The Map screen: compose a program, see every shape, run it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll

from jaxtui.program.screen.argument_table import ArgumentTable
from jaxtui.program.screen.axes import Cells, replaced
from jaxtui.program.screen.function_editor import FunctionEditor
from jaxtui.program.screen.keys import MapKeys
from jaxtui.program.screen.layer_list import LayerForm, LayerList
from jaxtui.program.screen.result_pane import ResultPane
from jaxtui.program.screen.shape_flow import ShapeFlow
from jaxtui.program.screen.signature import with_value
from jaxtui.program.screen.tab_line import PYTHON
from jaxtui.program.screen.view import (
    ParametersText,
    argument_rows,
    axis_column,
    field_of,
    layer_prefix,
    notice,
    script_text,
    source_line,
)
from jaxtui.program.screen.work import Work
from jaxtui.screen import commands, fields
from jaxtui.screen.base import STYLES
from jaxtui.screen.field import FieldMessage
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import AnyLayer
from jaxtui.wire.base import Cancelled, Failed
from jaxtui.wire.program import ProgramView
from jaxtui.wire.results import CellFound, Summarized, WindowRead

# Beside the editor, an argument's row and a layer's: the two lines around the screen, two titles,
# the heading, the parameters, the line that adds a layer; and 8 for messages and a form.
COLUMN_LINES = 15
EDITOR_LEAST = 9
NOT_YET = "none yet: F5 asks whether this file may run"


class MapScreen(MapKeys):
    """Compose on the left; shapes and results on the right. When narrow, one page at a time."""

    NAME = "map"
    CSS_PATH = STYLES
    BINDINGS = commands.bindings("map")

    arguments: ArgumentTable
    layer_message: FieldMessage
    shapes: Vertical

    def __init__(self) -> None:
        super().__init__()
        self._cells: tuple[str, Cells] | None = None  # axis cells as typed, and their joined text
        self._parameters = ParametersText()
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
        title = "Shapes" if work.trusted else f"Shapes · {NOT_YET}"
        if title != self.shapes.border_title:
            self.shapes.border_title = title
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
            printed_stale=work.printed_stale(now),
            diagnosis=diagnosis,
            waiting="waiting for the engine" if work.busy and work.trusted else "",
            values_gone=work.values_gone,
            notes=work.session.notes,
        )

    def _show_listing(self, work: Work, now: float) -> None:
        """The program as a script, or as JAX and XLA have it, when such a tab is on show."""
        if self.results.tab == PYTHON:
            self.results.show_listing(script_text(work.session), "")
        elif (view := self.results.program_view) is not None:
            work.inspect(view, now)
            shown = work.views.get(view)
            if shown is None:
                self.results.show_listing("", self._awaited(work, view))
            else:
                old = shown.composition != work.composition
                self.results.show_listing(shown.text, "of the program before" if old else "")

    def _awaited(self, work: Work, view: ProgramView) -> str:
        if work.phase != "ready":
            return ""
        if view == "equivalents" and work.ran_of != work.composition:
            return "F5 runs the program first"
        return "asking JAX"

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

    def put_found(self, event: CellFound | Failed) -> None:
        """An element of the result was looked for."""
        view = self.results.array_view
        if view is None:
            return
        if isinstance(event, CellFound):
            view.put_found(event.index)
        else:
            view.refuse_find(event.diagnosis.message)

    def diagnosis(self, work: Work) -> Diagnosis | None:
        """What is wrong with what is typed; the parameters only count once they can be read."""
        return work.diagnosis or self._parameters.wrong

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
        joined, cells = replaced(column.cells, row.place, text, column.default)
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
