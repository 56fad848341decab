"""The pane of layers: the list, the form of the selected layer, and an error in one of them."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from jaxtui.program.screen.layer_list import LayerForm, LayerList
from jaxtui.program.screen.view import layer_prefix
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.field import FieldMessage
from jaxtui.screen.shell import Workbench
from jaxtui.session.field_path import LAYERS
from jaxtui.session.layers import LAYER_KINDS


class LayersPane(Vertical):
    """Edits the layers of the session that `explorer` works on."""

    def __init__(self, explorer: Workbench[ProgramWork]) -> None:
        super().__init__(id="layers", classes="pane")
        self.border_title = "Layers, the outermost first"
        self._explorer = explorer
        self.listed = LayerList(explorer.work.session.program.layers)
        self.message = FieldMessage()
        self.form: LayerForm | None = None
        self._form_of: int | None = None  # the place of the form's layer in the session

    def compose(self) -> ComposeResult:
        yield self.listed
        yield self.message

    @property
    def edits(self) -> bool:
        """Whether the focus is in the form."""
        focused = self.screen.focused
        return focused is not None and self.form is not None and self.form in focused.ancestors

    def show(self, work: ProgramWork) -> None:
        layers, diagnosis = work.session.program.layers, work.diagnosis
        listed = self.listed
        if len(layers) != len(listed.stack):
            listed.selected = min(max(0, listed.selected), len(layers) - 1)
        listed.stack = tuple(layers)
        below = (diagnosis.field.under(LAYERS) if diagnosis is not None else None) or ()
        faulty = int(below[0]) if below else None
        field = "".join(below[1:2])
        listed.faulty = faulty
        if self.form is not None and self._form_of is not None:
            layer = layers[self._form_of] if self._form_of < len(layers) else None
            if layer is None or layer.transform != self.form.transform:
                self.close_form()
            else:
                self.form.show(layer, diagnosis, field if faulty == self._form_of else "")
        # An error in a layer is shown under the list, unless the form shows it.
        shown = diagnosis if faulty is not None and faulty != self._form_of else None
        noted = next((note for note in work.notes if note.field.under(LAYERS)), None)
        self.message.set_class(shown is None and noted is not None, "-note")
        shown = shown or noted
        self.message.show(shown, layer_prefix(work, shown))

    async def on_layer_list_clicked(self, event: LayerList.Clicked) -> None:
        """Select a layer; a click on the selected one opens its form."""
        if event.index is None:
            self.add()
        elif event.index == self.listed.selected:
            await self.edit()
        else:
            await self._select(event.index)

    async def step(self, step: int) -> None:
        """Select the layer `step` places further out."""
        await self._select(self.listed.selected + step)

    async def _select(self, index: int) -> None:
        layers = self._explorer.work.session.program.layers
        if not 0 <= index < len(layers) or index == self.listed.selected:
            return
        self.listed.selected = index
        if self.form is not None:
            await self.open_form()
        self._explorer.show_work()

    def add(self) -> None:
        """Put another layer around the program."""
        from jaxtui.screen.dialogs import ChoiceDialog

        async def put(transform: str | None) -> None:
            if transform is None:
                return
            layers = self._explorer.work.session.program.layers
            self._explorer.edit(LAYERS, [*layers, LAYER_KINDS[transform]()])
            await self._select(len(layers))
            self.listed.focus()

        choices = [(name, f"{name:16} {kind.about}") for name, kind in LAYER_KINDS.items()]
        self.app.push_screen(ChoiceDialog("Put a layer around the program", choices), put)

    def remove_layer(self) -> None:
        layers = self._explorer.work.session.program.layers
        index = self.listed.selected
        if 0 <= index < len(layers):
            self.close_form()
            self._explorer.edit(LAYERS, [*layers[:index], *layers[index + 1 :]])

    def swap(self, step: int) -> None:
        """Swap the selected layer with the one `step` places further out."""
        layers = list(self._explorer.work.session.program.layers)
        index = self.listed.selected
        other = index + step
        if not (0 <= index < len(layers) and 0 <= other < len(layers)):
            return
        layers[index], layers[other] = layers[other], layers[index]
        self.listed.selected = other
        if self._form_of is not None:
            self._form_of = other
        self._explorer.edit(LAYERS, layers)

    async def edit(self) -> None:
        """Open the form of the selected layer, or close it."""
        if self.form is not None:
            self.close_form()
            return
        if self.listed.selected < 0:
            self.add()
            return
        form = await self.open_form()
        self.screen.set_focus(form.first, scroll_visible=False)
        # The position of the form is known only after layout.
        self.call_after_refresh(form.scroll_visible, animate=False)

    async def open_form(self) -> LayerForm:
        """Show the fields of the selected layer under the list."""
        self.close_form()
        index = self.listed.selected
        form = LayerForm(self._explorer.work.session.program.layers[index])
        self.form, self._form_of = form, index
        await self.mount(form)
        return form

    def close_form(self) -> None:
        if self.form is not None:
            had_focus = self.edits
            self.form.remove()
            self.form = self._form_of = None
            if had_focus:
                self.listed.focus()

    def on_layer_form_changed(self, event: LayerForm.Changed) -> None:
        assert self._form_of is not None
        field = LAYERS / self._form_of / event.field
        self._explorer.edit(field, event.input.take(), typed=True)
