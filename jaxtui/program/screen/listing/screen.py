"""What a screen with an editor and results does with the listings among its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.base import WorkScreen

if TYPE_CHECKING:
    from jaxtui.program.screen.function_editor import FunctionEditor
    from jaxtui.program.screen.listing.pane import ListingPane
    from jaxtui.program.screen.result_pane import ResultPane


class ListingScreen(WorkScreen[ProgramWork]):
    """A screen on which a line of the source leads to listings, and they to it."""

    editor: FunctionEditor
    results: ResultPane

    @property
    def pane_in_hand(self) -> ResultPane:
        """The pane of results that keys act on."""
        return self.results

    def action_flip(self) -> None:
        """Turn to the other page, where only one is on view."""
        raise NotImplementedError

    def action_follow_line(self) -> None:
        from jaxtui.program.screen.listing.following import follow_line

        pane = follow_line(self.pane_in_hand, self.editor, self.say)
        if pane is not None:
            self.show_page("-results")
            self.explorer.show_work()
            self.call_after_refresh(pane.view.focus)

    def action_listing_source(self) -> None:
        from jaxtui.program.screen.listing.following import go_to_source

        pane = self._listing()
        if pane is not None and go_to_source(pane, self.editor, self.say):
            self.show_page("")
            self.call_after_refresh(self.editor.arrive)

    def show_page(self, page: str) -> None:
        """Turn to the page of results, or with "" to the other, where only one is on view."""
        if self.has_class("-narrow") and self.has_class("-results") != bool(page):
            self.action_flip()

    def action_listing_collective(self, step: int) -> None:
        pane = self._listing()
        if pane is not None and not pane.step_collective(step):
            self.say("no collectives here: nothing in this text speaks to another device")

    def action_listing_fold(self) -> None:
        pane = self._listing()
        if pane is not None and not pane.view.toggle():
            self.say("nothing is folded into this line")

    def action_fold_listing(self, folded: bool) -> None:
        if (pane := self._listing()) is not None:
            pane.view.fold(all_of_it=folded)

    def _listing(self) -> ListingPane | None:
        """The program's text on view; without one it is said how to get there."""
        pane = self.pane_in_hand.program
        if pane is None:
            self.say("s turns to Jaxpr, StableHLO and HLO, whose lines this is for")
        return pane
