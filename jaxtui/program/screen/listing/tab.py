"""The tabs of the results that show a program as text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING

from textual.widget import Widget

from jaxtui.program.screen.result_tab import ResultTab, Shown
from jaxtui.screen.screens import load
from jaxtui.wire.listing import Links

if TYPE_CHECKING:
    from jaxtui.program.screen.listing.lexer import Language
    from jaxtui.program.screen.listing.pane import ListingPane


class ProgramTab(ResultTab):
    """Shows a program in one of its languages."""

    def __init__(
        self,
        name: str,
        language: Language,
        read: Callable[[Shown], tuple[str, Links | None, bool]],
        caption: Callable[[Shown], str] = lambda shown: "",
    ) -> None:
        """`read` gives the text, its links, and whether they are of an earlier program."""
        super().__init__(name, caption=caption)
        self.language: Language = language
        self.pane: ListingPane | None = None
        self._read = read

    @property
    def linked(self) -> bool:
        """Whether its lines are linked to those of the source."""
        return self.language != "python"

    def widget(self, shown: Shown) -> Widget:
        return self.made()

    def made(self) -> ListingPane:
        """The pane, which is made when it is first called for: the first paint need not wait."""
        if self.pane is None:
            made = load("jaxtui.program.screen.listing.pane:ListingPane")
            self.pane = made(self.name, self.language)
        return self.pane

    def update(self, shown: Shown) -> None:
        self.text, links, stale = self._read(shown)
        text = self.text
        if links is None and self.linked:  # why there is no listing
            lines = (textwrap.fill(line, max(20, shown.width - 4)) for line in text.split("\n"))
            text = "\n".join(lines)
        self.made().show(text, links, stale=stale)
