"""A text about the program, to read and to search in."""

from __future__ import annotations

import re

from textual.widgets import TextArea
from textual.widgets.text_area import Selection

from jaxtui.text.hanging import hanging

MOST_CHARACTERS = 2_000_000  # of a compiler's text that are shown


class Listing(TextArea):
    """A read-only text about the program, with search."""

    def __init__(self) -> None:
        super().__init__(read_only=True, show_line_numbers=False)
        self.cursor_blink = False
        self._whole = ""

    def show(self, text: str) -> None:
        """Show a text, cut to MOST_CHARACTERS."""
        cut = text[:MOST_CHARACTERS]
        if len(text) > len(cut):
            cut += f"\n… and {len(text) - len(cut):,} characters more"
        self._whole = cut
        self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        """Fold the lines that are longer than the room, each below its last column."""
        fitted = hanging(self._whole, self.wrap_width) if self.wrap_width else self._whole
        if self.text != fitted:
            self.text = fitted

    def find_text(self, text: str) -> bool:
        """Select the next occurrence of `text` after the cursor, else the first one.

        Case is ignored. Returns whether there is one.
        """
        content = "\n".join(self.document.lines)
        row, column = self.selection.end
        behind = sum(len(line) + 1 for line in self.document.lines[:row]) + column
        wanted = re.compile(re.escape(text), re.IGNORECASE)
        found = wanted.search(content, behind) or wanted.search(content)
        if found is None:
            return False
        start, end = (_location(content, place) for place in found.span())
        self.selection = Selection(start, end)
        self.focus(scroll_visible=False)
        # After the dialog has closed and the focus has moved here.
        self.call_after_refresh(self.scroll_cursor_visible, center=True)
        return True


def _location(text: str, place: int) -> tuple[int, int]:
    """Return the line and column of an offset in a text."""
    return text.count("\n", 0, place), place - text.rfind("\n", 0, place) - 1
