"""The help: all keys, by screen and pane."""

from __future__ import annotations

import textwrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from jaxtui.screen import commands
from jaxtui.screen.commands import key_name
from jaxtui.screen.dialogs import Dialog
from jaxtui.screen.screens import BY_NAME, SCREENS, load

Keys = list[tuple[str, str]]  # the names of keys, and what they do


def _sections(first: str) -> list[tuple[str, Keys]]:
    """The keys by (title, keys), those of the screen named `first` before all others."""
    found = [
        (title, [(commands.key_names(c), c.help) for c in commands.in_scopes(scope) if c.keys])
        for scope, title in HEADINGS
    ]
    entry = BY_NAME.get(first)
    own = {title for _, title in entry.headings} | {t for t, _ in entry.panes} if entry else set()
    return sorted([*found, *_widget_keys()], key=lambda section: section[0] not in own)


def _widget_keys() -> list[tuple[str, Keys]]:
    """The keys of panes that bring their own."""
    return [
        (
            title,
            [
                (", ".join(key_name(key) for key in binding.key.split(",")), binding.description)
                for binding in load(place).BINDINGS
                if isinstance(binding, Binding)
            ],
        )
        for screen in SCREENS
        for title, place in screen.panes
    ]


HEADINGS = (*(heading for screen in SCREENS for heading in screen.headings), ("app", "Everywhere"))
KEY_CELLS = 22  # cells for the names of keys


class HelpDialog(Dialog[None]):
    """All keys, by the pane they work in; those of the screen named `first` come first."""

    BINDINGS: ClassVar[list[BindingType]] = [("q,question_mark", "refuse", "Close")]
    TITLE = "Keys"
    KEYS = "esc, q or ? closes"

    def __init__(self, first: str = "") -> None:
        super().__init__()
        self._first = first

    def body(self) -> ComposeResult:
        with VerticalScroll(can_focus=True):
            self._table = Static()
            yield self._table

    def on_resize(self) -> None:
        """Lay out the table once the box has its new size."""
        self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        width = self._table.content_size.width
        if width:
            self._table.update(Content("\n").join(self._lines(width)))

    def _lines(self, width: int) -> list[Content]:
        lines: list[Content] = []
        room = max(16, width - KEY_CELLS - 3)
        for title, keys in _sections(self._first):
            lines.append(Content.styled(title, "bold $text"))
            for names, about in keys:
                first, *more = textwrap.wrap(about, room)
                lines.append(
                    Content.assemble((f"  {names:{KEY_CELLS}}", "bold"), (f" {first}", "$text"))
                )
                lines += [Content.styled(" " * (KEY_CELLS + 3) + part, "$text") for part in more]
            lines.append(Content(""))
        return lines
