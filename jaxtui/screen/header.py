"""The two lines around every screen: where one is and what the engine does, and the next keys."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from jaxtui.screen.header_parts import Part, header

ALWAYS = ("fix", "palette", "help")  # the labels of keys that stay, however little room there is
CLOSE = "close"  # the label of the key out of a dialog, for which even what is said is cut
SOME_KEYS = 12  # cells that are worth showing keys in


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
        return Content.assemble(
            *header(
                self._screens,
                self._active,
                self.size.width,
                where=self.where,
                doing=self.doing,
                alert=self.alert,
            )
        )

    def on_click(self, event: events.Click) -> None:
        line = str(self.render())
        for name, key, label in self._screens:
            shown = next((s for s in (f" {key} {label}", f" {key} ") if s in line), "")
            if shown and 0 <= event.x - line.find(shown) < len(shown):
                self.post_message(self.Chosen(name))
                return


class KeyLine(Widget):
    """What has the focus, and the keys that lead on from here; at the end what was just done."""

    DEFAULT_CSS = """
    KeyLine { height: 1; width: 1fr; background: $panel; color: $text-muted; }
    """

    keys: reactive[tuple[tuple[str, str], ...]] = reactive(())
    said: reactive[str] = reactive("")
    place: reactive[str] = reactive("")

    SECONDS = 5.0

    def say(self, text: str) -> None:
        """Show `text` at the end of the line for a few seconds."""
        self.said = text
        self.set_timer(self.SECONDS, lambda: self._forget(text))

    def _forget(self, text: str) -> None:
        if self.said == text:
            self.said = ""

    def render(self) -> Content:
        """As many keys as fit, none of them cut off; what is said is whole if it fits at all."""
        out = [pair for pair in self.keys if pair[1] == CLOSE]
        text = Content(self.said)
        if out:
            most = max(0, self.size.width - 2 - sum(map(_cells, out)))
            text = text.truncate(min(most, text.cell_length), ellipsis=True)
        said = text.cell_length
        left = self.size.width - 1 - (said + 1 if said else 0)
        if said and left < SOME_KEYS and not out:
            return Content.assemble(" ", text.stylize("bold $text"))
        parts: list[Part] = []
        if self.place and len(self.place) + 2 <= min(left - SOME_KEYS, self.size.width // 3):
            parts.append((f" {self.place} ", "bold $background on $focus"))
            left -= len(self.place) + 2
        parts.append(" ")
        kept: set[tuple[str, str]] = set()
        for pair in self.keys:
            if pair[1] in (*ALWAYS, CLOSE) and _cells(pair) <= left:
                kept.add(pair)
                left -= _cells(pair)
        full = False
        for pair in self.keys:
            full = full or (pair not in kept and left < _cells(pair))
            if pair in kept or not full:
                parts += [(pair[0], "bold $focus"), f" {pair[1]}  "]
                left -= 0 if pair in kept else _cells(pair)
        line = Content.assemble(*parts)
        room = self.size.width - (said + 1 if said else 0)
        return Content.assemble(
            line.truncate(room, pad=True), text.stylize("bold $text"), " " * bool(said)
        )


def _cells(pair: tuple[str, str]) -> int:
    """The cells of a key with its label and the gap behind it."""
    return len(pair[0]) + len(pair[1]) + 3
