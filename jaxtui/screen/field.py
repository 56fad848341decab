"""A text field that shows a part of the session, and the line that says what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.filter import LineFilter
from textual.geometry import Region
from textual.message import Message
from textual.reactive import reactive
from textual.strip import Strip
from textual.widgets import Input, Static, TextArea

from jaxtui.screen.ascii_filter import as_typed
from jaxtui.screen.textual_private import SteadyInput
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import SOURCE
from jaxtui.text import signs
from jaxtui.text.diagnosis import place

# Puts in a name that fits what is typed, on screens that have a `Completion`.
COMPLETE = Binding(
    "ctrl+@", "complete", "Complete a name, and again for the next that fits", show=False
)


def complete(widget: Input | TextArea) -> None:
    """Complete the name before the cursor, if the screen offers names."""
    for completion in widget.screen.query("Completion"):
        completion.complete(widget)  # type: ignore[attr-defined]  # found by its name


class TypedInput(SteadyInput):
    """A one-line input in which a typed text is shown as it was typed, also in ASCII."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+a", "select_all", "Select all; typing replaces it", show=False)
    ]
    KEYS: ClassVar[tuple[tuple[str, str], ...]] = (
        ("ctrl+w,ctrl+k,ctrl+u", "Delete a word, to the end, to the start"),
        ("ctrl+left,ctrl+right", "Go to the word before, or the next"),
        ("ctrl+@", "On the Map screen: complete a name, and again for the next that fits"),
        ("enter", "Run"),
        ("tab,escape", "Go to the next field; leave the field, for the keys that are letters"),
    )
    cursor_blink = reactive(False, init=False)
    place_name = ""  # what it is called where places are listed, by default as its label says

    def get_line_filters(self) -> Sequence[LineFilter]:
        """The app's filters, the ASCII one only while the placeholder shows."""
        filters = super().get_line_filters()
        return as_typed(filters) if self.value else filters


class FieldInput(TypedInput):
    """A one-line field in which typed text is never overwritten by an older text.

    `follow` shows the session's text; `take` returns the typed text for the session. Only a text
    other than the last of these replaces that in the field, so a keystroke whose message is still
    queued survives any number of updates.
    """

    DEFAULT_CSS = """
    FieldInput { background: $surface; }
    FieldInput:focus { background: $boost; background-tint: $foreground 5%; }
    FieldInput.-faulty { color: $text-error; background: $error 15%; }
    """

    BINDINGS: ClassVar[list[BindingType]] = [COMPLETE]

    def __init__(
        self, value: str = "", *, placeholder: str = "", id: str | None = None, cell: bool = False
    ) -> None:
        """A short `cell` is selected when it gets the focus, so that typing replaces its text."""
        super().__init__(value, placeholder=placeholder, compact=True, select_on_focus=cell, id=id)
        self._known = value

    def on_blur(self) -> None:
        """Show the beginning of a text that does not fit."""
        self.scroll_to(0, animate=False, immediate=True)

    def on_focus(self, event: events.Focus) -> None:
        # A click has its own place for the cursor, which it finds by what is on view now.
        self.call_later(self._show_cursor)

    def _show_cursor(self) -> None:
        if self.has_focus:
            place = cell_len(self.value[: self.cursor_position])
            self.scroll_to_region(Region(place, 0, 1, 1), force=True, animate=False)

    def render_line(self, y: int) -> Strip:
        """Mark where the text is cut off, unless it is being typed."""
        width = self.scrollable_content_region.width
        if self.has_focus or y or width < 1 or cell_len(self.value) <= width:
            return super().render_line(y)
        mark = signs.ELLIPSIS
        if getattr(self.app, "ascii", False):
            mark = signs.in_ascii(mark)
        shown = set_cell_size(self.value, max(0, width - cell_len(mark))) + mark
        return Strip([Segment(shown)]).extend_cell_length(width + 1).apply_style(self.rich_style)

    def action_complete(self) -> None:
        complete(self)

    @property
    def pending(self) -> bool:
        """Whether the text has not been handed over."""
        return self.value != self._known

    def follow(self, text: str) -> None:
        """Show the session's `text` if it has changed; a cursor at the end stays there."""
        if text == self._known:
            return
        self._known = text
        if text != self.value:
            at_end = self.cursor_position >= len(self.value)
            with self.prevent(Input.Changed):
                self.value = text
            if at_end:
                self.cursor_position = len(text)

    def take(self) -> str:
        """Return the typed text, to be put into the session now."""
        self._known = self.value
        return self.value


class FieldTyped(Message):
    """The user typed into `input`, which is that of a form's `field`."""

    def __init__(self, input: FieldInput, field: str) -> None:
        super().__init__()
        self.input = input
        self.field = field


class FixedText(Static):
    """A text in a place of fixed size, whose changes need no new layout."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__("", markup=False, id=id, classes=classes)
        self._said = ""

    def say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            self.update(text, layout=False)


class Notice(Static):
    """A text that takes up space only while it is not empty."""

    DEFAULT_CSS = """
    Notice { display: none; height: auto; padding: 0 1; color: $text-warning; }
    Notice.-shown { display: block; }
    """

    def __init__(self, id: str | None = None) -> None:
        super().__init__("", markup=False, id=id)
        self._said = ""

    def say(self, text: str) -> bool:
        """Show `text`. Return whether it differs from the text shown before."""
        if text == self._said:
            return False
        self._said = text
        self.set_class(bool(text), "-shown")
        self.update(self._drawn(text))
        return True

    def _drawn(self, text: str) -> str | Content:
        return text


FIX = "\nf  "  # what stands before a fix in a message


class FieldMessage(Notice):
    """The error of the field above, with the fix for it; hidden while there is none."""

    DEFAULT_CSS = """
    FieldMessage { color: $text-error; padding: 0 0 0 2; }
    FieldMessage.-note { color: $text-warning; }
    """

    def _drawn(self, text: str) -> Content:
        """The key of a fix in the colour of keys, and what it does in that of text."""
        message, between, fix = text.partition(FIX)
        if not between:
            return Content(text)
        return Content.assemble(message, "\n", ("f", "bold $focus"), ("  " + fix, "$foreground"))

    def show(self, diagnosis: Diagnosis | None, prefix: str = "") -> None:
        self.say(summary(diagnosis, prefix) if diagnosis is not None else "")


def summary(diagnosis: Diagnosis, prefix: str = "") -> str:
    """The diagnosis in a line or two: `! line 2: …` and its fixes."""
    in_source = diagnosis.field == SOURCE
    where = place(diagnosis) if in_source else ""
    lines = [f"! {prefix}{where}{diagnosis.message}"]
    if diagnosis.fixes:
        lines.append(f"{FIX[1:]}{diagnosis.fixes[0].label}" + _others(len(diagnosis.fixes) - 1))
    return "\n".join(lines)


def fix_words(fix: Fix) -> str:
    """What a fix does; the new text too, if it is one line that the label does not have."""
    told = fix.text in fix.label or "\n" in fix.text or bool(fix.also)
    return fix.label if told else f"{fix.label}:  {fix.text}"


def _others(number: int) -> str:
    return f" (or {number} other{'s' if number > 1 else ''})" if number else ""
