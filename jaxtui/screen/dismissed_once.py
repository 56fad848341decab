"""Screens that are left once, however many keys ask for it."""

from __future__ import annotations

from typing import Any, cast

from textual.await_complete import AwaitComplete
from textual.screen import Screen


class DismissedOnce:
    """Put before the class of a screen, makes its second dismissal do nothing.

    Textual takes away whatever screen is on top by then: a burst of keys, or enter and a click,
    would take the one behind a dialog with it, and at last the app.
    """

    # No Screen itself, since Textual takes the styles of the first base that is one.
    def dismiss(self, result: Any = None) -> AwaitComplete:
        screen = cast("Screen[Any]", self)
        return Screen.dismiss(screen, result) if screen.is_current else AwaitComplete()
