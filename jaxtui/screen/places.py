"""What the places of a screen that can have the focus are called: its panes and fields."""

from __future__ import annotations

import contextlib
from typing import Any, NamedTuple

from textual.errors import NoWidget
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input, Static

from jaxtui.screen.titles import name_of_pane


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


def name_of(widget: Widget) -> str:
    """The name of a pane or field."""
    own = getattr(widget, "place_name", "")
    if own:
        return str(own)
    pane = name_of_pane(widget)
    if isinstance(widget, Input) and isinstance(widget.parent, Widget):
        label = ""  # the nearest before it, since several fields may stand in a line
        for other in widget.parent.children:
            if other is widget:
                break
            if isinstance(other, Static) and str(other.content).strip():
                label = str(other.content).strip()
        if label:
            return label
    return pane or type(widget).__name__
