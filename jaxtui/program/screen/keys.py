"""What the keys of the Map screen do."""

from __future__ import annotations

from collections.abc import Callable

from textual.widget import Widget

from jaxtui.program.screen.function_editor import FunctionEditor
from jaxtui.program.screen.layer_list import LayerForm, LayerList
from jaxtui.program.screen.result_pane import ResultPane
from jaxtui.program.screen.shape_flow import ShapeFlow
from jaxtui.program.screen.tab_line import RESULT, TabLine
from jaxtui.results.condition import EXAMPLES, unreadable
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.session.layers import LAYERS

ANY_CASE = "lower and upper case are the same"


class MapKeys(WorkScreen):
    """The actions; the screen itself brings the panes."""

    editor: FunctionEditor
    layer_list: LayerList
    flow_view: ShapeFlow
    results: ResultPane

    def __init__(self) -> None:
        super().__init__()
        self.form: LayerForm | None = None
        self._form_of: int | None = None  # the place of the form's layer in the session
        self._left: Widget | None = None  # what had the focus on the page that is turned
        self._sought = self._sought_text = ""  # what was looked for last, in arrays and in texts

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
        from jaxtui.screen.dialogs import ChoiceDialog

        async def add(transform: str | None) -> None:
            if transform is None:
                return
            layers = self.explorer.work.session.program.layers
            self.explorer.edit("program.layers", [*layers, LAYERS[transform]()])
            await self._select(len(layers))
            self.layer_list.focus()

        choices = [(name, f"{name:16} {kind.about}") for name, kind in LAYERS.items()]
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

    def action_find(self) -> None:
        """Find an element of the result, or a text in the listing that is shown."""
        view = self.results.array_view
        if self.results.tab == RESULT and view is not None:
            self._ask("Find an element", self._sought, EXAMPLES, unreadable, self._find_element)
        elif self.results.listed:
            self._ask("Find in this text", self._sought_text, ANY_CASE, None, self._find_text)
        else:
            self.say("there is nothing to find here; s turns to the other tabs")

    def _ask(
        self,
        title: str,
        text: str,
        examples: str,
        unreadable: Callable[[str], str] | None,
        find: Callable[[str], None],
    ) -> None:
        from jaxtui.screen.dialogs import FindDialog

        def chosen(answer: str | None) -> None:
            if answer is not None:
                find(answer)

        self.app.push_screen(FindDialog(title, text, examples, unreadable), chosen)

    def _find_element(self, text: str) -> None:
        self._sought = text
        if self.results.array_view is not None:
            self.results.array_view.find(text)

    def _find_text(self, text: str) -> None:
        self._sought_text = text
        if not self.results.find_text(text):
            self.say(f"{text!r} is not in this text")

    # ------------------------------------------------------------------------------- function

    def action_pick_function(self) -> None:
        """Let the user choose another function."""
        from jaxtui.program.screen.picker import pick_function

        pick_function(self.jaxtui, self.editor)

    def action_edit_source(self) -> None:
        """Edit the source, or the file that the function comes from, in $EDITOR."""
        from jaxtui.program.screen.external_editor import edit_function

        edit_function(self.jaxtui)

    # ------------------------------------------------------------------------------- pages

    def action_run(self) -> None:
        """Run what is composed, and turn to the page on which its result will stand."""
        self.explorer.run()
        work = self.explorer.work
        if work.trusted and work.diagnosis is None and not self.has_class("-results"):
            self.action_flip()

    def action_flip(self) -> None:
        """Turn between composing and results; matters only when there is no room for both."""
        self.toggle_class("-results")
        self._leave_hidden()
        self._show_keys(self.focused)

    def _leave_hidden(self) -> None:
        """What is typed never goes into a field of the other page; back there, it goes on in it."""
        if not self.has_class("-narrow"):
            return
        if not self.has_class("-results"):
            if self.focused is None and self._left is not None and self._left.is_attached:
                # A widget cannot have the focus before it is on show.
                self.call_after_refresh(self.set_focus, self._left)
        elif self.focused is not None and self.query_one("#compose") in self.focused.ancestors:
            self._left = self.focused
            self.set_focus(None)

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
        """A fix is offered when there is one, the other page when there are two.

        What is not needed all the time is offered where there is room.
        """
        if command.action == "app.apply_fix":
            diagnosis = self.explorer.work.diagnosis
            return diagnosis is not None and bool(diagnosis.fixes)
        if command.action == "screen.flip":
            return self.has_class("-narrow")
        if command.action == "screen.find":
            return self.has_class("-wide")
        return True
