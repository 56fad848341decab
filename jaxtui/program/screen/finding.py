"""What `/` looks for on the Map screen: a path, an element of the result, or a text."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from jaxtui.program.screen.path_finder import PATHS, find_path, finder_of
from jaxtui.program.screen.tab_line import VALUES
from jaxtui.results.condition import EXAMPLES, unreadable

if TYPE_CHECKING:
    from jaxtui.program.screen.result_pane import ResultPane
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.base import WorkScreen

ANY_CASE = "lower and upper case are the same"


class Finding:
    """Asks what is looked for in what has the focus, else in the results, and remembers it."""

    def __init__(self, screen: WorkScreen[ProgramWork]) -> None:
        self._screen = screen
        self._results: ResultPane | None = None
        self._element = self._text = ""  # what was looked for last, in arrays and in texts

    def ask(self, results: ResultPane) -> None:
        """Ask what to find, and find it."""
        self._results, finder = results, finder_of(self._screen.focused)
        if finder is not None:
            self._ask("Find a path", finder.sought, PATHS, None, partial(find_path, finder))
        elif results.tab == VALUES and results.array_view is not None:
            self._ask("Find an element", self._element, EXAMPLES, unreadable, self._find_element)
        elif results.listed:
            self._ask("Find in this text", self._text, ANY_CASE, None, self._find_text)
        else:
            self._screen.say("there is nothing to find here; s turns to the other tabs")

    def _ask(
        self,
        title: str,
        text: str,
        examples: str,
        unreadable: Callable[[str], str] | None,
        find: Callable[[str], None],
    ) -> None:
        from jaxtui.screen.dialogs import FindDialog

        def chosen(answer: str | None) -> None:
            if answer is not None:
                find(answer)

        self._screen.app.push_screen(FindDialog(title, text, examples, unreadable), chosen)

    def _find_element(self, text: str) -> None:
        self._element = text
        if self._results is not None and self._results.array_view is not None:
            self._results.array_view.find(text)

    def _find_text(self, text: str) -> None:
        self._text = text
        if self._results is not None and not self._results.find_text(text):
            self._screen.say(f"{text!r} is not in this text")
