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
    """`jaxtui  1 Map  5 Learn …        cpu × 8 · JAX 0.10.2 · ready`."""

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
        """The line, fitted to the width; the engine's status is the last part to go."""
        ways = ((True, True), (False, True), (True, False), (False, False))
        choices = [(self._names(roomy), self._status(roomy, where)) for roomy, where in ways]
        choices.append((self._keys(), self._status(False, False)))
        for left, right in choices:
            if _length(left) + _length(right) < self.size.width:
                break
        else:
            left = []
        gap = max(0, self.size.width - _length(left) - _length(right))
        return Content.assemble(*left, " " * gap, *right)

    def _names(self, roomy: bool) -> list[Part]:
        """The names of the screens, after the program's own if there is room."""
        brand: list[Part] = [(" jaxtui ", "bold $text")] if roomy else []
        return brand + [
            (
                f" {key} {label} " if roomy else f" {key} {label}",
                "bold $text on $surface" if name == self._active else "$text-muted",
            )
            for name, key, label in self._screens
        ]

    def _keys(self) -> list[Part]:
        """The keys of the screens, with the name of the active one."""
        return [
            (f" {key} {label}", "bold $text on $surface")
            if name == self._active
            else (f" {key}", "$text-muted")
            for name, key, label in self._screens
        ]

    def _status(self, roomy: bool, where: bool) -> list[Part]:
        place = self.where if roomy else self.where.replace("JAX ", "")
        shown: list[Part] = [(f"{place} · ", "$text-muted")] if where and self.where else []
        return [*shown, (self.doing, "bold $text-warning" if self.alert else "$text"), " "]

    def on_click(self, event: events.Click) -> None:
        line = str(self.render())
        for name, key, label in self._screens:
            shown = next((s for s in (f" {key} {label}", f" {key} ") if s in line), "")
            if shown and 0 <= event.x - line.find(shown) < len(shown):
                self.post_message(self.Chosen(name))
                return


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
        """As many keys as fit, none of them cut off."""
        if self.said:
            return Content.assemble(" ", (self.said, "bold $text"))
        parts: list[Part] = [" "]
        left = self.size.width - 1
        for key, label in self.keys:
            if left < len(key) + len(label) + 3:
                break
            parts += [(key, "bold $focus"), f" {label}  "]
            left -= len(key) + len(label) + 3
        return Content.assemble(*parts)


def _length(parts: Sequence[Part]) -> int:
    return sum(len(part if isinstance(part, str) else part[0]) for part in parts)
