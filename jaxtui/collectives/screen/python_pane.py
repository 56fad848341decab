"""The collective as Python, beside what it does, on a screen with room for both."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from jaxtui.program.screen.plain_listing import Listing


class PythonPane(Vertical):
    """The script that the screen exports."""

    DEFAULT_CSS = """
    PythonPane { height: 1fr; min-height: 4; }
    PythonPane Listing { height: 1fr; border: none; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(classes="pane", id="collective-python")
        self.border_title = "As Python · x writes it to a file"
        self._listing = Listing()

    def compose(self) -> ComposeResult:
        yield self._listing

    def show(self, script: str) -> None:
        self._listing.show(script)
