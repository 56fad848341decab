"""Letters on every pane and field: the one that is pressed goes there."""

from __future__ import annotations

import string
from typing import Any

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from jaxtui.screen.places import Place, places

LETTERS = "asdfgjklewruiopvncmtyhbxqz" + string.ascii_uppercase + string.digits
"""Those under the fingers first."""


class JumpLabel(Widget):
    """The letter of a place, at its left upper corner."""

    DEFAULT_CSS = """
    JumpLabel { position: absolute; layer: jump; width: 3; height: 1;
        background: $focus; color: $background; text-style: bold; }
    """

    def __init__(self, letter: str, place: Place) -> None:
        super().__init__()
        self.letter, self.place = letter, place
        self.styles.offset = place.widget.region.offset

    def render(self) -> Content:
        return Content(f" {self.letter} ")


class JumpKeys(Widget, can_focus=True):
    """Has the focus, and no room on screen, while a letter is waited for."""

    place_name = "Go to"
    takes_all_keys = True
    HINTS = (("its letter", "goes there"), ("esc", "back"))
    DEFAULT_CSS = "JumpKeys { position: absolute; layer: jump; width: 1; height: 1; }"

    def __init__(self, labels: list[JumpLabel], before: Widget | None) -> None:
        super().__init__()
        self._labels, self._before = labels, before
        self.styles.offset = (-1, 0)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        """Go where the letter says; any other key goes back."""
        event.stop()
        event.prevent_default()
        chosen = next((x.place.widget for x in self._labels if x.letter == event.character), None)
        self._end(chosen or self._before)

    def on_blur(self) -> None:
        self._end(None)

    def back(self) -> None:
        """Give the focus back."""
        self._end(self._before)

    def _end(self, focused: Widget | None) -> None:
        labels, self._labels = self._labels, []
        if not labels:
            return
        screen = self.screen
        if focused is not None or screen.focused is self:
            screen.set_focus(focused if focused is not None and focused.is_attached else None)
        screen.remove_children([*labels, self])


def show_jump(screen: Screen[Any]) -> None:
    """Put a letter on every place that is in sight; take them away if they are there."""
    if isinstance(screen.focused, JumpKeys):
        screen.focused.back()
        return
    found = places(screen)
    labels = [JumpLabel(*pair) for pair in zip(LETTERS, found, strict=False)]
    keys = JumpKeys(labels, screen.focused)
    screen.mount(*labels, keys)
    screen.set_focus(keys, scroll_visible=False)
