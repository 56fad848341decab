"""A list of the names that may complete what is being typed; it never takes the focus or a key.

It appears once typing pauses, and goes with the next key. `ctrl+space` puts the first of the names
into the text, and pressed again the next one in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.geometry import Offset
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input, TextArea

from jaxtui.screen.cells import fit
from jaxtui.text.printable import visible
from jaxtui.text.signs import CURSOR

if TYPE_CHECKING:
    from textual.dom import DOMNode

PAUSE = 0.3  # seconds without a key, after which names are offered
WIDEST = 60  # cells
MARGIN = 3  # cells before the names

TextWidget = Input | TextArea


class Offered(NamedTuple):
    """A name and what it takes; `rest` is what is missing of it at the cursor."""

    name: str
    signature: str
    rest: str


class State(NamedTuple):
    """A text, and the row and column of its cursor."""

    text: str
    cursor: tuple[int, int]


def state_of(widget: TextWidget) -> State:
    """What a widget holds."""
    if isinstance(widget, Input):
        return State(widget.value, (0, widget.cursor_position))
    return State(widget.text, widget.cursor_location)


def line_before(widget: TextWidget) -> str:
    """The cursor's line up to the cursor, "" if that is within a word or text is selected."""
    state = state_of(widget)
    row, column = state.cursor
    line = state.text if isinstance(widget, Input) else widget.document.get_line(row)
    behind = line[column : column + 1]
    return "" if widget.selected_text or behind.isalnum() or behind == "_" else line[:column]


class Completion(Widget):
    """The list below the cursor."""

    DEFAULT_CSS = """
    Completion {
        display: none;
        overlay: screen;
        constrain: inside none;
        width: auto;
        height: auto;
        background: $panel;
        color: $foreground;
        padding: 0 1;
    }
    Completion.-shown { display: block; }
    """
    can_focus = False

    def __init__(self, names: Callable[[TextWidget, str], Sequence[Offered]]) -> None:
        """`names` gives the names that fit a widget's line up to its cursor."""
        super().__init__()
        self._names = names
        self._timer: Timer | None = None
        self._widget: TextWidget | None = None
        self._text = ""  # what it held at the last key
        self._offered: Sequence[Offered] = ()
        self._at = -1  # the name that was put in last
        self._state: State | None = None  # of which the names are
        self._sought: State | None = None  # for which names were looked for last
        self._puts_in = False

    def on_mount(self) -> None:
        self._timer = self.set_interval(PAUSE, self._offer, pause=True)
        self.watch(self.screen, "focused", self._focus_moved, init=False)

    # ------------------------------------------------------------------------------- what is typed

    def _focus_moved(self, focused: DOMNode | None) -> None:
        self._hide()
        if self._timer is not None:
            self._timer.pause()
        self._widget = focused if isinstance(focused, TextWidget) else None
        if self._widget is None:
            return
        self._text = state_of(self._widget).text
        # A widget that is watched already is not watched twice.
        self.watch(self._widget, "selection", self._moved, init=False)
        if isinstance(self._widget, Input):  # the key that deletes moves no cursor
            self.watch(self._widget, "value", self._moved, init=False)

    def _moved(self) -> None:
        widget = self._widget
        if widget is None or not widget.has_focus or self._timer is None or self._puts_in:
            return
        self._hide()
        text = state_of(widget).text
        if text != self._text:  # it changes before its cursor moves
            self._text = text
            self._timer.reset()
            self._timer.resume()

    def _offer(self) -> None:
        """Show the names that fit, if typing has paused within one."""
        if self._timer is not None:
            self._timer.pause()
        widget = self._widget
        if widget is None or not widget.has_focus or widget.screen is not self.app.screen:
            return
        self._sought = state_of(widget)
        self._offered = self._names(widget, line_before(widget))
        if not self._offered:
            self.remove_class("-shown")
            return
        self._at, self._state = -1, self._sought
        self.absolute_offset = self._place(widget.cursor_screen_offset)
        self.add_class("-shown")
        self.refresh(layout=True)

    def _place(self, cursor: Offset) -> Offset:
        """Where the list stands: its names under, or above, what is typed, never over it."""
        first, lines = self._offered[0], len(self._offered) + 1
        below = cursor.y + 1 + lines <= self.screen.size.height
        typed = len(first.name) - len(first.rest)
        return Offset(cursor.x - typed - MARGIN, cursor.y + 1 if below else cursor.y - lines)

    def again(self) -> None:
        """Further names are known: show them, unless something was typed since."""
        widget = self._widget
        if widget is not None and not self._offered and self._sought == state_of(widget):
            self._offer()

    def _hide(self) -> None:
        self._offered, self._state, self._sought = (), None, None
        self.remove_class("-shown")

    # ------------------------------------------------------------------------------- what is chosen

    def complete(self, widget: TextWidget) -> None:
        """Put the first name in, or the next in place of the one that was put in last."""
        if widget is self._widget and self._state != state_of(widget):
            self._offer()
        if widget is not self._widget or not self._offered:
            return
        before = self._offered[self._at].rest if self._at >= 0 else ""
        self._at = (self._at + 1) % len(self._offered)
        self._puts_in = True
        try:
            self._put_in(widget, self._offered[self._at].rest, len(before))
        finally:
            self._puts_in = False
        self._state = state_of(widget)
        self._text = self._state.text
        self.refresh()

    @staticmethod
    def _put_in(widget: TextWidget, text: str, over: int) -> None:
        """Put `text` in the place of the `over` characters before the cursor."""
        if isinstance(widget, Input):
            end = widget.cursor_position
            widget.replace(text, end - over, end)
            widget.cursor_position = end - over + len(text)
            return
        row, column = widget.cursor_location
        place = (row, column - over), (row, column)
        widget.replace(text, *place, maintain_selection_offset=False)

    # ------------------------------------------------------------------------------------- painting

    def render(self) -> Content:
        chosen = max(0, self._at)
        lines = [
            Content.assemble(
                (f"{CURSOR} " if number == chosen else "  ", "$focus"),
                (visible(one.name), "bold" if number == chosen else ""),
                (fit(visible(one.signature), WIDEST - len(one.name)), "$text-muted"),
            )
            for number, one in enumerate(self._offered)
        ]
        return Content("\n").join([*lines, Content.styled("ctrl+space takes it", "$text-muted")])
