"""What a tab of the results is, and what it is given to show."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from textual.widget import Widget

from jaxtui.program.screen.work import ProgramWork


class Shown(NamedTuple):
    """What to show: the work, the leaf of the result, and the width in cells."""

    work: ProgramWork
    now: float
    leaf: int
    width: int


class ResultTab:
    """A tab of the results."""

    def __init__(
        self,
        name: str,
        *,
        offered: Callable[[ProgramWork], bool] = lambda work: True,
        note: Callable[[Shown], str] = lambda shown: "",
        caption: Callable[[Shown], str] = lambda shown: "",
    ) -> None:
        """The `note` follows the name; the `caption` is in the pane's title."""
        self.name, self.offered, self.note, self.caption = name, offered, note, caption
        self.text = ""  # what it shows, if that is plain text

    def prepare(self) -> None:
        """Import what the widget needs, ahead of its first use."""

    def widget(self, shown: Shown) -> Widget | None:
        """Return the widget to mount, always the same; None before there is anything to show."""
        raise NotImplementedError

    def update(self, shown: Shown) -> None:
        raise NotImplementedError
