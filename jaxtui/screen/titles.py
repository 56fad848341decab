"""Titles of panes as plain text: Textual takes a title for markup, with colours and actions."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from jaxtui.text.printable import visible


def set_title(pane: Widget, title: str) -> None:
    """Put `title` into the border of `pane`, which is painted only if it is another."""
    content = Content(visible(title))
    if content.markup != pane.border_title:
        pane.border_title = content
