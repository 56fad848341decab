"""Dialogs about a text, which they show: a question about it, and whether a file may run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.widget import Widget
from textual.widgets import OptionList

from jaxtui.screen.cells import Segment
from jaxtui.screen.dialogs import ESC, ConfirmDialog, Keys
from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.text.printable import visible


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
