"""The dialogs that every screen has: choose, confirm, and ask for a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static

from jaxtui.screen.base import ROW_BREAKPOINTS, STYLES
from jaxtui.screen.dismissed_once import DismissedOnce
from jaxtui.screen.field import TypedInput
from jaxtui.screen.filter_list import Choice, FilterList
from jaxtui.screen.header import CLOSE, KeyLine
from jaxtui.screen.titles import set_title

T = TypeVar("T")

Keys = tuple[tuple[str, str], ...]

ESC = ("esc", CLOSE)
FILTERED_FROM = 8  # choices, from which on typing filters them


class Dialog(DismissedOnce, ModalScreen[T]):
    """A quiet box in the middle; escape answers None."""

    BINDINGS: ClassVar[list[BindingType]] = [("escape", "refuse", "Close")]
    AUTO_FOCUS = "*"
    CSS_PATH = STYLES
    VERTICAL_BREAKPOINTS = ROW_BREAKPOINTS
    TITLE: ClassVar[str] = ""
    KEYS: ClassVar[Keys] = (("enter", "choose"), ESC)

    def __init__(self, title: str = "") -> None:
        """`title` replaces TITLE over the box."""
        super().__init__()
        self._heading = title or self.TITLE
        self.key_line = KeyLine()

    def on_mount(self) -> None:
        self.watch(self, "focused", self.show_keys)

    def show_keys(self) -> None:
        self.key_line.keys = self.keys(self.focused)

    def keys(self, focused: Widget | None) -> Keys:
        """The (key, label) pairs of the key line while `focused` has the focus."""
        return self.KEYS

    def say(self, text: str) -> None:
        self.key_line.say(text)

    def action_refuse(self) -> None:
        self.dismiss(None)

    def stop_work(self) -> bool:
        """End what the dialog itself runs; return whether there was anything."""
        return False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog") as box:
            set_title(box, self._heading)  # which may be a name of a file
            yield from self.body()
        yield self.key_line

    def body(self) -> ComposeResult:
        yield from ()


class FilterLine(Widget):
    """What is typed to filter the list below, and how much of it is left."""

    DEFAULT_CSS = "FilterLine { height: 1; margin: 0 0 1 0; } .-short FilterLine { margin: 0; }"
    shown: reactive[tuple[str, int]] = reactive(("", 0))

    def show(self, text: str, left: int) -> None:
        self.shown = text, left

    def render(self) -> Content:
        text, left = self.shown
        if not text:
            return Content.assemble(("> ", "$focus"), ("type to filter", "$text-muted"))
        many = "  nothing has this" if not left else f"  {left}"
        return Content.assemble(("> ", "$focus"), text, ("_", "$focus"), (many, "$text-muted"))


class ChoiceDialog(Dialog[str]):
    """One of several; answers its name. Typing filters a long list."""

    def __init__(self, title: str, choices: Sequence[tuple[str, str]]) -> None:
        """`choices` are (name, label) pairs."""
        super().__init__(title)
        self._choices = list(choices)
        self._filters = len(self._choices) >= FILTERED_FROM

    def body(self) -> ComposeResult:
        if self._filters:
            yield FilterLine()
        yield FilterList([Choice(label) for _, label in self._choices], filters=self._filters)

    def on_filter_list_typed(self, event: FilterList.Typed) -> None:
        self.query_one(FilterLine).show(event.text, event.left)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._choices[FilterList.place_of(event.option)][0])


class ConfirmDialog(ChoiceDialog):
    """A question with an explanation; answers the name of a choice."""

    def __init__(self, title: str, text: str, choices: Sequence[tuple[str, str]]) -> None:
        super().__init__(title, choices)
        self._text = text

    def body(self) -> ComposeResult:
        yield Static(self._text, markup=False, classes="explanation")
        yield from super().body()


class FindDialog(Dialog[str]):
    """Asks what is looked for; the same again finds the next."""

    KEYS = (("enter", "next"), ESC)
    EMPTY = False  # whether nothing is an answer, too

    def __init__(
        self, title: str, text: str, examples: str, unreadable: Callable[[str], str] | None
    ) -> None:
        """`unreadable` returns why a text cannot be searched for, "" if it can."""
        super().__init__(title)
        self._text = text
        self._examples = examples
        self._unreadable = unreadable

    def body(self) -> ComposeResult:
        yield TypedInput(self._text, compact=True)
        yield Static(self._examples, markup=False, classes="explanation", id="find-message")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        text = event.value
        message = "" if text.strip() or self.EMPTY else "nothing is typed yet"
        if not message and self._unreadable is not None:
            message = self._unreadable(text)
        if message:
            self.query_one("#find-message", Static).update(f"! {message}")
        else:
            self.dismiss(text)


class SettingDialog(FindDialog):
    """Asks for a setting, which may be empty."""

    KEYS = (("enter", "take it"), ESC)
    EMPTY = True
