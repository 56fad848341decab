"""A line with the names of the results' tabs, shortened to fit."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

VALUES = "Result"  # the tab that is shown first
SHARDS = "Shards"  # which device holds what
REMARKS = "Remarks"  # what a result may not be as one expects
CHANGES = "Changes"  # against another run
MEMORY = "Memory"  # what takes it, line by line
GAP = "  "  # between the names of tabs
SHORT = {"Equivalents": "Equiv", MEMORY: "Mem"}


class TabLine(Widget, can_focus=True):
    """The names of the tabs; the arrow keys turn them."""

    DEFAULT_CSS = """
    TabLine { height: 1; }
    TabLine:focus { background: $boost; }
    """
    place_name = "Result tabs"
    HINTS = (("←→", "turn"),)
    BINDINGS: ClassVar[list[BindingType]] = [
        ("right,l", "screen.next_tab", "Show the next tab"),
        ("left,h", "screen.previous_tab", "Show the tab before"),
    ]

    tabs: reactive[tuple[tuple[str, str], ...]] = reactive(())
    active: reactive[str] = reactive(VALUES)

    class Chosen(Message):
        """A tab was clicked."""

        def __init__(self, line: TabLine, name: str) -> None:
            super().__init__()
            self.line, self.name = line, name

    def render(self) -> Content:
        parts: list[str | tuple[str, str]] = []
        labels, gap = self._labels()
        warned = {name for name, note in self.tabs if name == REMARKS or note.startswith("!")}
        for name, label in labels:
            style = "$text-warning" if name in warned else "$text-muted"
            if name == self.active:
                style = "bold underline $focus"
            elif name == "Error":
                style = "$text-error"
            parts += [(label, style), gap]
        return Content.assemble(*parts[:-1]).truncate(self.size.width, ellipsis=True)

    def _labels(self) -> tuple[list[tuple[str, str]], str]:
        """Return pairs (name, label) and the gap between labels: with whole notes if they fit,
        else only their numbers, else closer together, else shortened."""
        numbers = [(name, note.partition(" ")[0]) for name, note in self.tabs]
        whole = [(name, f"{name} {note}".rstrip()) for name, note in self.tabs]
        brief = [(name, f"{name} {number}".rstrip()) for name, number in numbers]
        tight = [(name, f"{SHORT.get(name, name)} {number}".rstrip()) for name, number in numbers]
        # A mark stays, whatever room there is.
        short = [
            (name, SHORT.get(name, name) + (" !" if note.startswith("!") else ""))
            for name, note in self.tabs
        ]
        for labels, gap in ((whole, GAP), (brief, GAP), (brief, " "), (tight, " "), (short, " ")):
            if len(gap.join(label for _, label in labels)) <= self.size.width:
                return labels, gap
        # Drop labels on the left until the active one is in view.
        names = [name for name, _ in short]
        shown = names.index(self.active) + 1 if self.active in names else len(names)
        while shown > 1 and len(" ".join(label for _, label in short[:shown])) > self.size.width:
            short, shown = short[1:], shown - 1
        return short, " "

    def on_click(self, event: events.Click) -> None:
        labels, gap = self._labels()
        start = self.gutter.left
        for name, label in labels:
            end = start + len(label)
            if start <= event.x < end:
                self.post_message(self.Chosen(self, name))
            start = end + len(gap)
