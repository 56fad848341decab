"""What the places of a screen that can have the focus are called: its panes and fields."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from textual.content import Content
from textual.errors import NoWidget
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static


class Place(NamedTuple):
    """A widget that is in sight and can have the focus, and its name."""

    widget: Widget
    name: str


def places(screen: Screen[Any]) -> list[Place]:
    """The places that are in sight, in the order of tab."""
    found = []
    for widget in screen.focus_chain:
        with contextlib.suppress(NoWidget):  # it was not laid out yet
            if screen.find_widget(widget).visible_region.area:
                found.append(Place(widget, name_of(widget)))
    return found


def pane_of(widget: Widget | None) -> str:
    """The name of the pane that a widget is in, "" outside of any."""
    for node in widget.ancestors_with_self if widget is not None else ():
        if isinstance(node, Widget) and node.has_class("pane"):
            # Behind these the title says more than the name.
            title = Content.from_markup(node.border_title or "").plain
            return title.partition(" · ")[0].partition(",")[0].strip()
    return ""


def name_of(widget: Widget) -> str:
    """The name of a pane or field."""
    own = getattr(widget, "place_name", "")
    if own:
        return str(own)
    pane = pane_of(widget)
    if isinstance(widget, Input) and isinstance(widget.parent, Widget):
        for other in widget.parent.children:
            if isinstance(other, Static) and str(other.content).strip():
                return str(other.content).strip()
    return pane or type(widget).__name__
