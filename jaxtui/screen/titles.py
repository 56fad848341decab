"""Panes and their titles as plain text: Textual takes a title for markup, colours and all."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget

from jaxtui.text.printable import visible


def set_title(pane: Widget, title: str) -> None:
    """Put `title` into the border of `pane`, which is painted only if it is another."""
    content = Content(visible(title))
    if content.markup != pane.border_title:
        pane.border_title = content


def pane_of(widget: Widget | None) -> Widget | None:
    """The pane that `widget` is or lies in."""
    within = widget.ancestors_with_self if widget is not None else ()
    return next((w for w in within if isinstance(w, Widget) and w.has_class("pane")), None)


def name_of_pane(widget: Widget) -> str:
    """The name of the pane that `widget` is in, "" outside of any."""
    pane = pane_of(widget)
    title = Content.from_markup(pane.border_title or "").plain if pane is not None else ""
    # Behind these the title says more than the name.
    return title.partition(" · ")[0].partition(",")[0].strip()
