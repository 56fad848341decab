"""The editor of the function: its source, or the reference that it is imported by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.color import Color
from textual.containers import Vertical
from textual.content import Content
from textual.filter import LineFilter
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget
from textual.widgets import Input, TextArea
from textual.widgets.text_area import TextAreaTheme

from jaxtui.screen.ascii_filter import as_typed
from jaxtui.screen.field import COMPLETE, FieldInput, FieldMessage, complete
from jaxtui.screen.start_page import StartPage, line
from jaxtui.screen.textual_private import EditsAtOnce
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text.signs import UNFOLDED

INDENT = 4  # columns, after a line that ends in a colon


NO_FUNCTION = "no function yet"
UNREAD = "no function: the source has an error"
NOT_MADE = "the source makes no function"


class FunctionName(Widget, can_focus=True):
    """The name of the function; opens the picker."""

    DEFAULT_CSS = """
    FunctionName { height: 1; text-style: bold; }
    FunctionName:focus { background: $boost; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("enter,space,down", "screen.pick_function", "Pick another function")
    ]

    place_name = "Function's name"
    HINTS = (("enter", "pick"),)
    text: reactive[str] = reactive("")
    without: reactive[str] = reactive(NO_FUNCTION)

    def __init__(self, text: str) -> None:
        super().__init__()
        self.set_reactive(FunctionName.text, text)

    def render(self) -> Content:
        name = (self.text or self.without)[: max(0, self.size.width - 4)]
        gap = " " * max(1, self.size.width - len(name) - 2)
        return Content.assemble((name, "$text"), gap, (f"{UNFOLDED} ", "$focus"))

    async def on_click(self) -> None:
        await self.run_action("screen.pick_function")


THEME = "jaxtui"
_CAPTURES = {
    "code-word": "keyword keyword.function keyword.return keyword.operator conditional repeat "
    "include exception operator boolean",
    "code-name": "function function.call function.builtin method method.call",
    "code-type": "class type type.class type.builtin constructor",
    "code-literal": "number float string string.documentation",
    "quiet": "comment info_string",
}
SYNTAX = {name: token for token, names in _CAPTURES.items() for name in names.split()}
"""The tokens of what the editor tells apart in Python."""


class SourceArea(EditsAtOnce, TextArea):
    """The source of the function, with automatic indentation."""

    DEFAULT_CSS = """
    SourceArea, SourceArea:focus { border: none; padding: 0; height: 1fr; min-height: 3;
        background: $background; }
    SourceArea.-faulty .text-area--cursor-line { background: $error 15%; }
    """

    place_name = "Editor"
    HINTS = (("ctrl+a", "all"),)
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+a,f7", "select_all", "Select all; typing replaces it", show=False),
        COMPLETE,
    ]
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ctrl+z,ctrl+y", "Undo and redo what was typed"),
        ("ctrl+x,ctrl+v", "Cut and paste; the terminal's own paste works, too"),
        ("ctrl+c", "Copy what is selected, if nothing runs"),
        ("shift+up,shift+down", "Select lines; so do the other arrows"),
        ("ctrl+left,ctrl+right", "Go to the word before, or the next"),
        ("ctrl+w,ctrl+k,ctrl+u", "Delete a word, to the end, to the start of the line"),
        ("enter", "A new line, indented"),
        ("tab,escape", "Go to the next field; leave the editor, for the keys that are letters"),
    )

    def __init__(self, text: str) -> None:
        super().__init__(
            text,
            soft_wrap=False,
            show_line_numbers=True,
            compact=True,
            tab_behavior="focus",
            placeholder="write a function here, or paste lines that have one",
        )
        self.cursor_blink = False
        self._known = text

    def on_mount(self) -> None:
        self._dress()
        self.app.theme_changed_signal.subscribe(self, lambda theme: self._dress())

    def _dress(self) -> None:
        """Take the colours of code from the theme."""
        found = self.app.theme_variables
        colours = {name: Color.parse(found[token]).rich_color for name, token in SYNTAX.items()}
        styles = {name: Style(color=colour) for name, colour in colours.items()}
        self.register_theme(TextAreaTheme(THEME, syntax_styles=styles))
        self.theme = "css"  # one of the same name is not taken anew
        self.theme = THEME

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Leave out the app's filter that replaces signs by ASCII."""
        return as_typed(super().get_line_filters())

    def on_blur(self) -> None:
        """Show the beginning of the lines."""
        self.scroll_to(0, animate=False, immediate=True)

    def follow(self, text: str) -> None:
        """Show the session's `text`, unless it is what the editor held before."""
        if text == self._known:
            return
        self._known = text
        if text != self.text:
            with self.prevent(TextArea.Changed):
                self.load_text(text)

    def take(self) -> str:
        """Return the typed text, to be put into the session now."""
        self._known = self.text
        return self._known

    def action_complete(self) -> None:
        complete(self)

    def highlight_python(self) -> None:
        """Colour the source; loads the grammar, which the first paint need not wait for."""
        self.language = "python"

    async def on_key(self, event: events.Key) -> None:
        """Indent a new line."""
        if event.key == "enter" and not self.read_only:
            event.stop()
            event.prevent_default()
            self.replace("\n" + self._indent(), *self.selection, maintain_selection_offset=False)

    def _indent(self) -> str:
        """Return the indentation of a line after the cursor's."""
        row, column = self.selection.start
        before = self.document.get_line(row)[:column]
        indent = re.match(r"[ \t]*", before)
        assert indent is not None
        code = before.partition("#")[0].rstrip()
        return indent[0] + (" " * INDENT if code.endswith(":") else "")


def _is_elsewhere(source: str, reference: str) -> bool:
    """Whether the function is not one of the source, so that its reference is shown instead."""
    return ":" in reference or bool(reference and not source.strip())


class FunctionEditor(Vertical):
    """The name of the function, and its source or reference with what is wrong with it."""

    DEFAULT_CSS = """
    FunctionEditor { height: 1fr; min-height: 6; }
    FunctionEditor #reference { display: none; }
    FunctionEditor.-reference #reference { display: block; }
    FunctionEditor.-reference SourceArea { display: none; }
    """

    class SourceChanged(Message):
        """The source was edited; the receiver calls `area.take()`."""

        def __init__(self, area: SourceArea) -> None:
            super().__init__()
            self.area = area

    class ReferenceChanged(Message):
        """The reference was edited; the receiver calls `input.take()`."""

        def __init__(self, input: FieldInput) -> None:
            super().__init__()
            self.input = input

    def __init__(self, name: str, source: str, reference: str, *, greets: bool = False) -> None:
        """With `greets` the ways to begin are shown until `end_start`."""
        super().__init__(classes="pane")
        self.border_title = "Function"
        self._start = StartPage() if greets else None
        self.name_line = FunctionName(name)
        self.area = SourceArea(source)
        self.reference = FieldInput(
            reference, placeholder="module:name or path/to/file.py:name", id="reference"
        )
        self._message = FieldMessage()
        self.set_class(_is_elsewhere(source, reference), "-reference")

    def compose(self) -> ComposeResult:
        yield self.name_line
        yield self.reference
        yield self.area
        yield self._message
        if self._start is not None:
            yield self._start

    def on_mount(self) -> None:
        self.call_after_refresh(self.area.highlight_python)

    def show(
        self,
        name: str,
        source: str,
        reference: str,
        diagnosis: Diagnosis | None,
        note: Diagnosis | None = None,
    ) -> None:
        """Show the function; the diagnosis is about its source or its reference, as is a note."""
        self.name_line.text = name
        self.name_line.without = _without(source, reference, diagnosis)
        asked = self.has_class("-reference") and self.reference.has_focus
        imported = asked or _is_elsewhere(source, reference)
        self.set_class(imported, "-reference")
        self.area.follow(source)
        self.reference.follow(reference)
        self.area.set_class(diagnosis is not None, "-faulty")
        self.reference.set_class(diagnosis is not None, "-faulty")
        self._message.set_class(diagnosis is None and note is not None, "-note")
        self.set_class(note is not None, "-noted")
        self._message.show(diagnosis or note)

    def show_start(self, page: bool) -> None:
        """Show the ways to begin, as a `page` in the free half or in the title; see `end_start`."""
        if self._start is not None:
            self._start.set_class(page, "-shown")
            self.border_title = "Function" if page else f"Function · {line()}"

    def end_start(self) -> None:
        """Something was changed: take the start page away for good."""
        if self._start is not None:
            self._start.remove()
            self._start = None
            self.border_title = "Function"

    def arrive(self) -> None:
        """Take the focus, with the cursor's line in the middle."""
        self.area.focus()
        row = self.area.cursor_location[0]
        self.area.scroll_to(0, max(0, row - self.area.size.height // 2), animate=False)

    def ask_reference(self) -> None:
        self.add_class("-reference")
        self.reference.focus()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self.post_message(self.SourceChanged(self.area))

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.ReferenceChanged(self.reference))


def _without(source: str, reference: str, diagnosis: Diagnosis | None) -> str:
    """What stands in place of a function's name where none can be told."""
    if not source.strip() or reference.strip():
        return NO_FUNCTION
    return NOT_MADE if diagnosis is None or diagnosis.kind != "syntax" else UNREAD
