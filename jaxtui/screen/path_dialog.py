"""The dialog that asks for a file's name, and what is written into a new file."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.suggester import Suggester
from textual.widget import Widget
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from jaxtui.screen.base import WorkScreen
from jaxtui.screen.dialogs import ESC, Dialog, Keys
from jaxtui.screen.field import TypedInput
from jaxtui.text.printable import visible


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
