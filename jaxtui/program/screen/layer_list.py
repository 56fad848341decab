"""The stack of layers, outermost first, and the form that edits one of them."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, Static

from jaxtui.screen import commands
from jaxtui.screen.field import FieldInput, FieldMessage
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.layers import AnyLayer


def layer_summary(layer: AnyLayer) -> str:
    """Summarize a layer: `in (0, None)  out 0  name batch`."""
    typed = layer.typed()
    parts = []
    for name, field in layer.fields().items():
        text = typed.get(name, field.default if field.always else "")
        if text:
            parts.append(f"{field.short or name} {text}")
    return "  ".join(parts)


class LayerList(Widget, can_focus=True):
    """A line for each layer, outermost first, and a last one that adds a layer."""

    DEFAULT_CSS = """
    LayerList { height: auto; }
    """
    BINDINGS = commands.bindings("layers")

    stack: reactive[tuple[AnyLayer, ...]] = reactive((), layout=True)
    selected: reactive[int] = reactive(0)
    faulty: reactive[int | None] = reactive(None)

    class Clicked(Message):
        """A line was clicked; `index` is the layer's, None for the line that adds."""

        def __init__(self, index: int | None) -> None:
            super().__init__()
            self.index = index

    def __init__(self, layers: Sequence[AnyLayer]) -> None:
        super().__init__()
        self.set_reactive(LayerList.stack, tuple(layers))
        self.set_reactive(LayerList.selected, len(layers) - 1)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return len(self.stack) + 1

    def render(self) -> Content:
        lines = [self._line(index) for index in reversed(range(len(self.stack)))]
        add = Content.assemble(
            ("   + a", "$focus"), (" puts another layer around all", "$text-muted")
        )
        return Content("\n").join([*lines, add])

    def _line(self, index: int) -> Content:
        layer = self.stack[index]
        chosen = index == self.selected
        pointer = "▸" if chosen else " "
        mark = "!" if index == self.faulty else " "
        name = "bold $text-error" if index == self.faulty else "bold"
        back = " on $boost" if chosen and self.has_focus else ""
        line = Content.assemble(
            (f"{pointer}{mark} ", f"$focus{back}"),
            (f"{layer.transform}", f"{name}{back}"),
            (f"  {layer_summary(layer)}", f"$text{back}"),
        )
        return line.truncate(max(4, self.size.width), ellipsis=True)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        index = len(self.stack) - 1 - event.y
        self.post_message(self.Clicked(index if index >= 0 else None))


class LayerForm(Vertical):
    """The fields of one layer, a line each."""

    DEFAULT_CSS = """
    LayerForm { height: auto; margin: 0 0 0 2; }
    LayerForm Horizontal { height: 1; }
    LayerForm Static.label { width: 16; color: $text-muted; text-wrap: nowrap;
        text-overflow: ellipsis; }
    LayerForm FieldInput { width: 1fr; }
    """

    class Changed(Message):
        """A field was edited; the receiver calls `input.take()`."""

        def __init__(self, input: FieldInput, field: str) -> None:
            super().__init__()
            self.input = input
            self.field = field

    def __init__(self, layer: AnyLayer) -> None:
        super().__init__()
        self.transform = layer.transform
        self._fields = {
            name: FieldInput(getattr(layer, name), placeholder=f"{field.default} (default)")
            for name, field in layer.fields().items()
        }
        self._messages = {name: FieldMessage() for name in self._fields}

    def compose(self) -> ComposeResult:
        for name, field in self._fields.items():
            with Horizontal():
                yield Static(name, markup=False, classes="label")
                yield field
            yield self._messages[name]

    def on_mount(self) -> None:
        wide = max(len(name) for name in self._fields) + 1
        for label in self.query("Static.label"):
            label.styles.width = wide

    @property
    def first(self) -> FieldInput:
        return next(iter(self._fields.values()))

    def show(self, layer: AnyLayer, diagnosis: Diagnosis | None, faulty: str) -> None:
        """Show the layer's fields, with the diagnosis at the field named `faulty`."""
        for name, field in self._fields.items():
            field.follow(getattr(layer, name))
            wrong = diagnosis if name == faulty else None
            field.set_class(wrong is not None, "-faulty")
            self._messages[name].show(wrong)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        for name, field in self._fields.items():
            if field is event.input:
                self.post_message(self.Changed(field, name))
