"""The small dialogs: choose, confirm, name a file, trust a file, and help."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.reactive import reactive
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from jaxtui.screen.base import ROW_BREAKPOINTS, STYLES, WorkScreen
from jaxtui.screen.cells import Segment
from jaxtui.screen.dismissed_once import DismissedOnce
from jaxtui.screen.field import TypedInput
from jaxtui.screen.filter_list import Choice, FilterList
from jaxtui.screen.header import CLOSE, KeyLine
from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.screen.titles import set_title
from jaxtui.text.printable import visible

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


class TextDialog(ConfirmDialog):
    """A question about a text, which is shown; answers the name of a choice."""

    def __init__(
        self, title: str, explanation: str, text: str, choices: Sequence[tuple[str, str]]
    ) -> None:
        super().__init__(title, explanation, choices)
        self._shown = text

    def body(self) -> ComposeResult:
        explanation, choices = super().body()
        yield explanation
        yield SourceLines(self._shown)
        yield choices

    def on_mount(self) -> None:
        self.query_one(OptionList).focus()

    def keys(self, focused: Widget | None) -> Keys:
        if isinstance(focused, SourceLines):
            return (("↑↓", "scroll"), ("tab", "choices"), ESC)
        return (("enter", "choose"), ("tab", "text"), ESC)


ALL = "This is all that it holds:"
UNKNOWN = "jaxtui has not written this one. Nothing of it has run."
CHANGED = "this changed since it was accepted; as it is now, it has not run."


_HOSTS = 4  # that are named


class TrustDialog(TextDialog):
    """Shows the source of a file before anything of it runs; answers "run" or "leave"."""

    def __init__(
        self,
        path: str,
        text: str,
        function: str,
        *,
        files: Mapping[str, str] | None = None,
        changes: str = "",
        hosts: Sequence[str] = (),
    ) -> None:
        """`function` is the reference to a function in a file or module, "" for none.

        `hosts` are those that the session logs in to. `files` are the texts of the files that run
        with it, and `changes` is what changed since the same session was accepted, as a diff.
        """
        files = files or {}
        shown = "shown below" if files else "which is not shown here"
        runs = f" It also runs {function}, {shown}." if function else ""
        if hosts:
            named = ", ".join(hosts[:_HOSTS]) + (", …" if len(hosts) > _HOSTS else "")
            runs += f" It logs in to {named} by ssh, and runs there."
        parts = [f"{changes}\n\n{ALL}\n\n"] if changes else []
        parts.append(text)
        parts += [f"\n==== {name}\n\n{content}" for name, content in sorted(files.items())]
        super().__init__(
            f"Run {os.path.basename(path) or 'this session'}?",
            f"A session file is code, and {CHANGED if changes else UNKNOWN}{runs}"
            f"{'' if changes else ' ' + ALL}",
            "".join(parts),
            [
                ("leave", "Leave it: look at it without running anything"),
                ("run", "Run it: I trust this file"),
            ],
        )


class SourceLines(PaintedLines):
    """A text, however long, cut into lines of the widget's width as far as they are on view."""

    def __init__(self, text: str) -> None:
        super().__init__(classes="source")
        self._text = text

    def on_resize(self, event: events.Resize) -> None:
        width = max(1, self.size.width)
        lines = (visible(line.expandtabs()) for line in self._text.splitlines())
        self.show([(Segment(part),) for line in lines for part in cut(line, width)])
        super().on_resize(event)


def cut(line: str, width: int) -> list[str]:
    """Return `line` in parts of at most `width` cells, at least one."""
    if len(line) <= width and line.isascii():
        return [line]
    parts, part, cells = [], "", 0
    for character in line:
        wide = cell_len(character)
        if part and cells + wide > width:
            parts.append(part)
            part, cells = "", 0
        part += character
        cells += wide
    return [*parts, part]


class _PathInput(TypedInput):
    """The field for the name, from which an arrow leads into the list below."""

    BINDINGS: ClassVar[list[BindingType]] = [("down", "screen.into_list", "Go to the list")]


class PathDialog(Dialog[str]):
    """Asks for a file's name; completes it from the folder.

    Under it are the `recent` files and the session files of the folder that have what is typed.
    """

    def __init__(
        self, title: str, path: str, *, must_exist: bool, recent: Sequence[str] = ()
    ) -> None:
        super().__init__(title)
        self._path = path
        self._must_exist = must_exist
        self._recent = list(recent)
        self._offered: list[str] = []

    def body(self) -> ComposeResult:
        yield _PathInput(
            self._path, placeholder="name.toml", compact=True, suggester=PathSuggester()
        )
        yield Static("", markup=False, id="path-message")
        self._offered = self._matching(self._path)
        if self._must_exist and self._offered:
            yield OptionList(*self._listed(), compact=True)

    def _listed(self) -> list[Option]:
        return [Option(Content(visible(name))) for name in self._offered]

    def _matching(self, typed: str) -> list[str]:
        """The files to choose from, those of before first, that have what is typed."""
        if not self._must_exist:
            return []
        known = {os.path.abspath(name): name for name in [*self._recent, *session_files(typed)]}
        words = os.path.expanduser(typed).casefold().split()
        return [n for n in known.values() if all(word in n.casefold() for word in words)]

    def on_input_changed(self, event: Input.Changed) -> None:
        for listed in self.query(OptionList):
            if not listed.styles.has_rule("height"):
                listed.styles.height = max(1, listed.outer_size.height)  # so that nothing moves
            self._offered = self._matching(event.value)
            listed.set_options(self._listed())

    def keys(self, focused: Widget | None) -> Keys:
        if isinstance(focused, OptionList):
            return (("enter", "choose"), ("tab", "name"), ESC)
        listed = (("↓", "list"),) if self._offered else ()
        return (("→", "complete"), *listed, ("enter", "take it"), ESC)

    def action_into_list(self) -> None:
        """Go on from the field into the list."""
        for listed in self.query(OptionList):
            listed.focus()
            listed.highlighted = 0 if self._offered else None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        path = os.path.expanduser(event.value.strip())
        if self._must_exist and not os.path.exists(path) and len(self._offered) == 1:
            path = self._offered[0]
        message = self._refusal(path)
        if message:
            self.query_one("#path-message", Static).update(f"! {message}")
        else:
            self.dismiss(path)

    def _refusal(self, path: str) -> str:
        if not path:
            return "a name is needed"
        if os.path.isdir(path):
            return f"{path} is a folder"
        if self._must_exist and not os.path.exists(path):
            return f"there is no file {path}"
        if not self._must_exist and not os.path.isdir(os.path.dirname(path) or "."):
            return f"there is no folder {os.path.dirname(path)}"
        return ""

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(self._offered[event.option_index])


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


class PathSuggester(Suggester):
    """Completes the name of a file or a folder."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        folder, start = os.path.split(value)
        if not start:
            return None
        try:
            names = sorted(os.listdir(os.path.expanduser(folder) or "."))
        except OSError:
            return None
        for name in names:
            if name.startswith(start):
                path = os.path.join(folder, name)
                return path + "/" if os.path.isdir(os.path.expanduser(path)) else path
        return None


def session_files(path: str) -> list[str]:
    """The session files in the folder of `path`."""
    folder = Path(os.path.dirname(os.path.expanduser(path)) or ".")
    try:
        names = sorted(file.name for file in folder.glob("*.toml"))
    except OSError:
        return []
    return [str(folder / name) for name in names]


def write_new(path: str, text: str) -> str:
    """Write `text` into a file that is not there yet; return in words how it went."""
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return f"{path} is there already: choose another name"
    except OSError as error:
        return f"cannot write {path}: {error.strerror}"
    return f"written to {path}"


def ask_and_write(
    screen: WorkScreen[Any],
    text: str | Callable[[str], str],
    title: str,
    name: str = "",
    kind: str = "",
) -> None:
    """Ask for a file, starting from `name`, write `text` into it, and say on `screen` how it went.

    `text` may be a function of the file's path. With a `kind` the name gets that extension. No file
    that is there is written over.
    """

    def chosen(path: str | None) -> None:
        if path is None:
            return
        place = f"{path}.{kind}" if kind and not path.endswith(f".{kind}") else path
        screen.say(write_new(place, text if isinstance(text, str) else text(place)))

    screen.app.push_screen(PathDialog(title, name, must_exist=False), chosen)
