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
from jaxtui.screen.screens import SCREENS, load


def _widget_keys() -> list[tuple[str, list[tuple[str, str]]]]:
    """The keys of panes that bring their own, as (title, (keys, what they do))."""
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
    """All keys, by the pane they work in."""

    BINDINGS: ClassVar[list[BindingType]] = [("q,question_mark", "refuse", "Close")]
    TITLE = "Keys"
    KEYS = "esc, q or ? closes"

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
        sections = [
            (title, [(commands.key_names(c), c.help) for c in commands.in_scopes(scope) if c.keys])
            for scope, title in HEADINGS
        ]
        for title, keys in [*sections, *_widget_keys()]:
            lines.append(Content.styled(title, "bold $accent"))
            for names, about in keys:
                first, *more = textwrap.wrap(about, room)
                lines.append(
                    Content.assemble((f"  {names:{KEY_CELLS}}", "bold"), (f" {first}", "$text"))
                )
                lines += [Content.styled(" " * (KEY_CELLS + 3) + part, "$text") for part in more]
            lines.append(Content(""))
        return lines
