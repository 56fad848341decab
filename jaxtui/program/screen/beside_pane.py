"""A second pane of results, for a terminal that has room for two."""

from __future__ import annotations

from jaxtui.program.screen.result_pane import ResultPane
from jaxtui.program.screen.tab_line import SHARDS, VALUES
from jaxtui.program.screen.work import ProgramWork


class BesidePane(ResultPane):
    """Shows any tab but the values, which stand in the first pane.

    Until the user turns its tabs, that is the notes; without any, the shards if there is more than
    one device; else the program as Python. What the first pane shows is passed over.
    """

    def __init__(self) -> None:
        super().__init__(without=VALUES)
        self.border_title = self._title = "Beside"
        self.tab_line.place_name = "Tabs beside"
        self._turned = False
        self.in_first = VALUES  # the tab that the first pane shows

    def first_tab(self, work: ProgramWork) -> str:
        several = work.environment is not None and work.environment.device_count > 1
        noted = bool(work.session.notes.strip())
        wanted = ["Notes"] * noted + [SHARDS] * several + ["Python", "Output"]
        return next(tab for tab in wanted if tab != self.in_first)

    def show_tab(self, name: str) -> None:
        self._turned = True
        super().show_tab(name)

    def show(self, work: ProgramWork, now: float) -> None:
        if not self._turned:
            self.tab_line.active = self.first_tab(work)
        super().show(work, now)
