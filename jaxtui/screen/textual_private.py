"""The one place that reaches for names which Textual keeps private; each has a test."""

from __future__ import annotations

import functools
import os
import select
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TextIO

from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key
from textual.geometry import Region
from textual.screen import Screen
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

PAINT_SECONDS = 0.001


class PromptScreen(Screen[None]):
    """A screen whose changes are painted nearly at once.

    Textual paints at its next 60th of a second, and again 16 ms are gone after the answer to a
    key. What changes on these screens changes rarely.
    """

    _soon: Timer | None = None

    @property
    def _update_timer(self) -> Timer:
        if self._soon is None:
            self._soon = self.set_interval(
                PAINT_SECONDS, self._on_timer_update, name="screen_update", pause=True
            )
        return self._soon


class EditsAtOnce(Widget if TYPE_CHECKING else object):  # type: ignore[misc]  # see below
    """For a text field that acts itself on the keys that edit its text or move its cursor.

    Textual handles a character in the field, but lets the keys of a field's bindings travel up to
    the app first. It looks for a widget's styles in its first base only, if that is a widget.
    """

    def editing_action(self, key: str) -> str:
        """The action of the field's own that `key` has, "" if it has none."""
        actions = (b.action for b in self._bindings.key_to_bindings.get(key, ()))
        return next((a for a in actions if a != "submit" and "." not in a), "")

    async def on_key(self, event: Key) -> None:
        if action := self.editing_action(event.key):
            event.stop()
            event.prevent_default()
            await self.run_action(action)


class SteadyInput(EditsAtOnce, Input):
    """An input that needs no new layout when its text changes, since its size is fixed.

    Textual lays out the whole screen with every key.
    """

    _value_changes = False

    def _watch_value(self, value: str) -> None:
        self._value_changes = True
        try:
            super()._watch_value(value)
        finally:
            self._value_changes = False

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        layout = layout and not self._value_changes
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class LosableTerminal:
    """A terminal to write to, which may vanish: what is written then is dropped.

    Textual's thread for output would end with an error, and the app hang once the queue is full.
    """

    _HELD = 64 * 1024  # characters held back until the next flush

    def __init__(self, file: TextIO, lost: Callable[[], object]) -> None:
        """`lost` is called, on the thread for output, when the terminal is gone."""
        self._descriptor = file.fileno()
        self._encoding, self._errors = file.encoding, file.errors or "strict"
        self._lost: Callable[[], object] | None = lost
        self._pieces: list[str] = []
        self._length = 0

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, text: str) -> None:
        self._pieces.append(text)
        self._length += len(text)
        if self._length > self._HELD:
            self.flush()

    def flush(self) -> None:
        data = memoryview("".join(self._pieces).encode(self._encoding, self._errors))
        self._pieces, self._length = [], 0
        while data and self._lost is not None:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # another process has set the terminal so
                select.select([], [self._descriptor], [])
            except OSError:
                lost, self._lost = self._lost, None
                lost()


class TerminalDriver(LinuxDriver):
    """A driver that says when its terminal is gone, by calling the `terminal_lost` of its app."""

    def __init__(self, app: Any, **options: Any) -> None:
        super().__init__(app, **options)
        assert sys.__stderr__ is not None
        self._terminal_lost: Callable[[], object] = app.terminal_lost
        self._file: Any = LosableTerminal(sys.__stderr__, self._terminal_lost)

    def run_input_thread(self) -> None:
        try:
            super().run_input_thread()
        except OSError:
            self._terminal_lost()


@functools.cache
def page_only_what_is_laid_out() -> None:
    """Let page up and down do nothing in a list that has no room, as in the tiniest terminals.

    Textual looks the highlighted option's line up, which raises KeyError before a layout with room.
    """
    from textual.widgets import OptionList

    move = OptionList._move_page

    def move_page(options: OptionList, direction: Any) -> None:
        if (options.highlighted or 0) in options._index_to_line:
            move(options, direction)

    OptionList._move_page = move_page  # type: ignore[method-assign, assignment]
