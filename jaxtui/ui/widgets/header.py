"""The two lines around every screen: where one is and what the engine does, and the next keys."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

Part = str | tuple[str, str]


class HeaderLine(Widget):
    """`jaxtui  1 Map  4 Learn …        cpu × 8 · JAX 0.10.2 · ready`."""

    DEFAULT_CSS = """
    HeaderLine { height: 1; width: 1fr; background: $panel; color: $text; }
    """

    where: reactive[str] = reactive("")
    doing: reactive[str] = reactive("")
    alert: reactive[bool] = reactive(False)

    class Chosen(Message):
        """The name of another screen was clicked."""

        def __init__(self, screen: str) -> None:
            super().__init__()
            self.screen = screen

    def __init__(self, screens: Sequence[tuple[str, str, str]], active: str) -> None:
        """`screens` are (name, key, label), in order."""
        super().__init__()
        self._screens = tuple(screens)
        self._active = active

    def render(self) -> Content:
        """The line, fitted to the width: what the engine does is the last thing to go."""
        width = self.size.width
        left: list[Part] = [(" jaxtui ", "bold $accent")]
        for name, key, label in self._screens:
            style = "bold $text on $surface" if name == self._active else "$text-muted"
            left.append((f" {key} {label} ", style))
        right: list[Part] = [(self.doing, "bold $warning" if self.alert else "$text"), " "]
        if self.where:
            full: list[Part] = [(f"{self.where} · ", "$text-muted"), *right]
            if _length(left) + _length(full) + 1 <= width:
                right = full
        if _length(left) + _length(right) + 1 > width:
            left = left[1:] if _length(left[1:]) + _length(right) + 1 <= width else []
        gap = max(0, width - _length(left) - _length(right))
        return Content.assemble(*left, " " * gap, *right)

    def on_click(self, event: events.Click) -> None:
        """Go to the screen whose name was clicked."""
        start = len(" jaxtui ")
        for name, key, label in self._screens:
            end = start + len(f" {key} {label} ")
            if start <= event.x < end:
                self.post_message(self.Chosen(name))
            start = end


class KeyLine(Widget):
    """The keys that lead on from here; for a moment, what was just done instead."""

    DEFAULT_CSS = """
    KeyLine { height: 1; width: 1fr; background: $panel; color: $text-muted; }
    """

    keys: reactive[tuple[tuple[str, str], ...]] = reactive(())
    said: reactive[str] = reactive("")

    SECONDS = 5.0

    def say(self, text: str) -> None:
        """Show `text` in place of the keys for a few seconds."""
        self.said = text
        self.set_timer(self.SECONDS, lambda: self._forget(text))

    def _forget(self, text: str) -> None:
        if self.said == text:
            self.said = ""

    def render(self) -> Content:
        """As many keys as fit, none of them cut."""
        if self.said:
            return Content.assemble(" ", (self.said, "bold $text"))
        parts: list[Part] = [" "]
        left = self.size.width - 1
        for key, label in self.keys:
            if left < len(key) + len(label) + 3:
                break
            parts += [(key, "bold $accent"), f" {label}  "]
            left -= len(key) + len(label) + 3
        return Content.assemble(*parts)


def _length(parts: Sequence[Part]) -> int:
    return sum(len(part if isinstance(part, str) else part[0]) for part in parts)
