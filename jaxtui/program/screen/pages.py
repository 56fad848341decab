"""The pages of a screen that has no room for all: composing, results, and a lesson's text."""

from __future__ import annotations

from textual.widget import Widget

from jaxtui.program.screen.results_side import ResultsSide


class PagedScreen(ResultsSide):
    """Turns between its pages; what is called from elsewhere also turns away from a lesson's text.

    The page of results is on view with the class `-results`, and the text of a lesson, if it takes
    the whole screen, with `-reading` and without `-beside`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._left: Widget | None = None  # what had the focus on the hidden page

    def action_flip(self) -> None:
        """Turn to the next page; a lesson's text, where it takes the whole screen, is the first."""
        if self.leave_text():
            return
        if self.has_class("-lesson") and self.has_class("-results"):
            self._turn_text()
        self.flip()

    def flip(self) -> None:
        """Turn between composing and results."""
        self.toggle_class("-results")
        self._leave_hidden()
        self.show_keys()

    def leave_text(self) -> bool:
        """Turn away from a lesson's text that takes the whole screen. Return whether it did."""
        reads = self.has_class("-lesson") and self.has_class("-reading")
        return reads and self._turn_text()

    def _turn_text(self) -> bool:
        if self.has_class("-beside"):
            return False
        self.shell.turn_lesson()
        return True

    def show_page(self, page: str) -> None:
        self.leave_text()
        one_at_a_time = self.has_class("-narrow") and not self.has_class("-stacked")
        if one_at_a_time and self.has_class("-results") != bool(page):
            self.flip()

    def show_results(self, tab: str) -> None:
        """Turn to the results, and there to a tab."""
        self.leave_text()
        super().show_results(tab)

    def _leave_hidden(self) -> None:
        """Take the focus away from fields of the hidden page, and give it back on return."""
        if not self.has_class("-narrow"):
            return
        if not self.has_class("-results"):
            if self.focused is None and self._left is not None and self._left.is_attached:
                # A widget cannot have the focus before it is on show.
                self.call_after_refresh(self.set_focus, self._left)
        elif self.focused is not None and self.query_one("#compose") in self.focused.ancestors:
            self._left = self.focused
            self.set_focus(None)
