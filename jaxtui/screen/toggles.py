"""Several things to switch on and off, in as few lines as they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widget import Widget

from jaxtui.screen.line_scroller import ways

GAP = 2  # cells between two


class Toggle(NamedTuple):
    """One of them: its name, whether it is on, and what it means."""

    name: str
    on: bool
    about: str = ""


class Toggles(Widget, can_focus=True):
    """`[x] loop  [ ] vmap …`; arrows go from one to the next, space switches."""

    DEFAULT_CSS = """
    Toggles { height: auto; width: 1fr; }
    Toggles:focus { background: $foreground 4%; }
    """
    place_name = ""
    HINTS = (("space", "switch"), ("a", "all"))
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways(
            "left right up down",
            left="The one before",
            right="The next one",
            up="The line above",
            down="The line below",
        ),
        Binding("space,enter", "switch", "Switch it on or off"),
        Binding("a", "all", "All of them, or only this one"),
    ]

    class Switched(Message):
        """One or several were switched; `names` are those that are on."""

        def __init__(self, toggles: Toggles, names: list[str]) -> None:
            super().__init__()
            self.toggles = toggles
            self.names = names

    class Moved(Message):
        """The cursor is on another."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._items: tuple[Toggle, ...] = ()
        self._at = 0

    @property
    def current(self) -> Toggle | None:
        return self._items[self._at] if self._items else None

    def show(self, items: Sequence[Toggle]) -> None:
        shown = tuple(items)
        if shown == self._items:
            return
        names = [item.name for item in self._items]
        anew = [item.name for item in shown] != names
        self._items = shown
        self._at = min(self._at, max(0, len(shown) - 1))
        self.refresh(layout=anew)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return max(1, len(self._lines(width)))

    def _lines(self, width: int) -> list[list[int]]:
        lines: list[list[int]] = []
        used = 0
        for index, item in enumerate(self._items):
            cells = len(item.name) + 4 + GAP
            if not lines or used + cells - GAP > width:
                lines.append([])
                used = 0
            lines[-1].append(index)
            used += cells
        return lines

    def render(self) -> Content:
        rows = []
        for line in self._lines(self.size.width):
            parts: list[Content] = []
            for index in line:
                item = self._items[index]
                here = index == self._at and self.has_focus
                mark = "[x]" if item.on else "[ ]"
                style = "bold reverse" if here else ("$text" if item.on else "$text-muted")
                text = Content.styled(f"{mark} {item.name}", style)
                parts += [text, Content(" " * GAP)]
            rows.append(Content("").join(parts))
        return Content("\n").join(rows)

    def action_sideways(self, step: int) -> None:
        if self._items:
            self._go((self._at + step) % len(self._items))

    def action_move(self, step: int) -> None:
        lines = self._lines(self.size.width)
        for number, line in enumerate(lines):
            if self._at in line and 0 <= number + step < len(lines):
                other = lines[number + step]
                self._go(other[min(line.index(self._at), len(other) - 1)])
                return

    def _go(self, index: int) -> None:
        self._at = index
        self.refresh()
        self.post_message(self.Moved())

    def action_switch(self) -> None:
        on = [item.name for i, item in enumerate(self._items) if item.on != (i == self._at)]
        self.post_message(self.Switched(self, on))

    def action_all(self) -> None:
        """Switch all on; if they all are, leave only the one at the cursor on."""
        names = [item.name for item in self._items]
        if all(item.on for item in self._items) and names:
            names = [names[self._at]]
        self.post_message(self.Switched(self, names))

    def on_focus(self) -> None:
        self.refresh()
        self.post_message(self.Moved())

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        lines = self._lines(self.size.width)
        if not 0 <= event.y < len(lines):
            return
        start = 0
        for index in lines[event.y]:
            end = start + len(self._items[index].name) + 4
            if start <= event.x < end:
                self._at = index
                self.action_switch()
                return
            start = end + GAP
