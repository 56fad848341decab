"""The one place that reaches for names which Textual keeps private; each has a test."""

from __future__ import annotations

from typing import Self

from textual.geometry import Region
from textual.screen import Screen
from textual.timer import Timer
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


class SteadyInput(Input):
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
