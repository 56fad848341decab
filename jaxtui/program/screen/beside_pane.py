"""A second pane of results, for a terminal that has room for two."""

from __future__ import annotations

from jaxtui.program.screen.result_pane import ResultPane
from jaxtui.program.screen.tab_line import SHARDS, VALUES
from jaxtui.program.screen.work import ProgramWork


class BesidePane(ResultPane):
    """Shows any tab but the values, which stand in the first pane.

    Until the user turns its tabs, that is the notes; without any, the shards if there is more than
    one device, else the program as Python.
    """

    def __init__(self) -> None:
        super().__init__(without=VALUES)
        self.border_title = self._title = "Beside"
        self.tab_line.place_name = "Tabs beside"
        self._turned = False

    def first_tab(self, work: ProgramWork) -> str:
        if work.session.notes.strip():
            return "Notes"
        several = work.environment is not None and work.environment.device_count > 1
        return SHARDS if several else "Python"

    def show_tab(self, name: str) -> None:
        self._turned = True
        super().show_tab(name)

    def show(self, work: ProgramWork, now: float) -> None:
        if not self._turned:
            self.tab_line.active = self.first_tab(work)
        super().show(work, now)
