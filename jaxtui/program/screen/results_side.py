"""The part of the Map screen that shows what came of the program."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from jaxtui.program.screen.beside_pane import BesidePane
from jaxtui.program.screen.function_editor import FunctionEditor
from jaxtui.program.screen.path_finder import PATHS, find_path, finder_of
from jaxtui.program.screen.result_pane import ResultPane
from jaxtui.program.screen.tab_line import VALUES, TabLine
from jaxtui.program.screen.work import ProgramWork
from jaxtui.results.condition import EXAMPLES, unreadable
from jaxtui.screen.base import WorkScreen, pane_of

if TYPE_CHECKING:
    from jaxtui.program.screen.listing.pane import ListingPane

WIDEST = 160  # columns from which two tabs of the results stand side by side
ANY_CASE = "lower and upper case are the same"


class ResultsSide(WorkScreen[ProgramWork]):
    """Shows the results, in a wide terminal two tabs of them, and acts on the pane in hand."""

    editor: FunctionEditor
    results: ResultPane
    beside: BesidePane | None

    def __init__(self) -> None:
        super().__init__()
        self.beside = None
        self._sought = self._sought_text = ""  # what was looked for last, in arrays and in texts

    def results_side(self) -> ComposeResult:
        with Horizontal(id="results"):
            self.results = ResultPane()
            yield self.results

    @property
    def main_pane(self) -> Widget:
        return self.results

    @property
    def pane_in_hand(self) -> ResultPane:
        """The pane beside the first if it has the focus, else the first."""
        beside = self.beside
        return beside if beside is not None and pane_of(self.focused) is beside else self.results

    def on_resize(self) -> None:
        """Show a second tab beside the first where there is room for both."""
        wide = self.size.width >= WIDEST
        self.set_class(wide, "-widest")
        if wide and self.composed and self.beside is None:
            self.beside = BesidePane()
            self.query_one("#results").mount(self.beside)
            self.beside.call_after_refresh(self.explorer.show_work)

    def show_results(self, work: ProgramWork, now: float) -> None:
        """Bring what is on view of the results up to date."""
        self.results.show(work, now)
        if self.beside is not None and self.beside.is_mounted and self.has_class("-widest"):
            self.beside.leaf = self.results.leaf
            self.beside.show(work, now)

    # --------------------------------------------------------------------------- leaves, tabs

    def action_next_output(self) -> None:
        self.results.step_leaf(1)
        self.explorer.show_work()

    def action_previous_output(self) -> None:
        self.results.step_leaf(-1)
        self.explorer.show_work()

    def action_next_tab(self) -> None:
        self._turn_tab(1)

    def action_previous_tab(self) -> None:
        self._turn_tab(-1)

    def _turn_tab(self, step: int) -> None:
        pane = self.pane_in_hand
        pane.step_tab(step)
        self.explorer.show_work()
        if self.focused is None and pane.program is not None:
            self.call_after_refresh(pane.program.view.focus)

    def on_tab_line_chosen(self, event: TabLine.Chosen) -> None:
        pane = event.line.parent
        if isinstance(pane, ResultPane):
            pane.show_tab(event.name)
            self.explorer.show_work()

    def show_result(self, tab: str) -> None:
        """Turn to a tab of the results, and to their page."""
        self._show_page("-results")
        self.results.show_tab(tab)
        self.explorer.show_work()

    def _show_page(self, page: str) -> None:
        """Turn to the page of results, or with "" to the other, where only one is on view."""
        if self.has_class("-narrow") and self.has_class("-results") != bool(page):
            self.action_flip()

    def action_flip(self) -> None:
        raise NotImplementedError

    def action_heat_map(self) -> None:
        """Paint the values as a heat map, or as numbers again."""
        self.show_result(VALUES)
        if (view := self.results.array_view) is not None:
            view.action_heat_map()

    def result_to_copy(self) -> str:
        """What is copied of the pane in hand."""
        pane, view = self.pane_in_hand, self.results.array_view
        if view is not None and pane.tab == VALUES:
            return view.cursor_text or ""
        return pane.text_to_copy()

    # ------------------------------------------------------------------------------- to find

    def action_find(self) -> None:
        pane, finder = self.pane_in_hand, finder_of(self.focused)
        if finder is not None:
            self._ask("Find a path", finder.sought, PATHS, None, partial(find_path, finder))
        elif pane.tab == VALUES and self.results.array_view is not None:
            self._ask("Find an element", self._sought, EXAMPLES, unreadable, self._find_element)
        elif pane.listed:
            find = partial(self._find_text, pane)
            self._ask("Find in this text", self._sought_text, ANY_CASE, None, find)
        else:
            self.say("there is nothing to find here; s turns to the other tabs")

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

        self.app.push_screen(FindDialog(title, text, examples, unreadable), chosen)

    def _find_element(self, text: str) -> None:
        self._sought = text
        if self.results.array_view is not None:
            self.results.array_view.find(text)

    def _find_text(self, pane: ResultPane, text: str) -> None:
        self._sought_text = text
        if not pane.find_text(text):
            self.say(f"{text!r} is not in this text")

    # ------------------------------------------------------------------------------- listings

    def action_follow_line(self) -> None:
        from jaxtui.program.screen.listing.following import follow_line

        pane = follow_line(self.pane_in_hand, self.editor, self.say)
        if pane is not None:
            self._show_page("-results")
            self.explorer.show_work()
            self.call_after_refresh(pane.view.focus)

    def action_listing_source(self) -> None:
        from jaxtui.program.screen.listing.following import go_to_source

        pane = self._listing()
        if pane is not None and go_to_source(pane, self.editor, self.say):
            self._show_page("")
            self.call_after_refresh(self.editor.arrive)

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

    # ------------------------------------------------------------------------- runs and memory

    def action_device_memory(self) -> None:
        from jaxtui.program.screen.comparing import ask_memory

        ask_memory(self, self.show_result)

    def action_keep_run(self) -> None:
        from jaxtui.program.screen.comparing import keep_run

        keep_run(self, self.show_result)

    def action_let_run_go(self) -> None:
        from jaxtui.program.screen.comparing import let_run_go

        let_run_go(self)
