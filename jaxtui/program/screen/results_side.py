"""The part of the Map screen that shows what came of the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widget import Widget

from jaxtui.program.screen.beside_pane import BesidePane
from jaxtui.program.screen.finding import Finding
from jaxtui.program.screen.listing.screen import ListingScreen
from jaxtui.program.screen.result_pane import ResultPane
from jaxtui.program.screen.tab_line import SHARDS, VALUES, TabLine
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.titles import pane_of
from jaxtui.screen.widths import WIDEST

if TYPE_CHECKING:
    from jaxtui.results.screen.shards_view import ShardsView


class ResultsSide(ListingScreen):
    """Shows the results, in a wide terminal two tabs of them, and acts on the pane in hand."""

    beside: BesidePane | None

    def __init__(self) -> None:
        super().__init__()
        self.beside = None
        self.finding = Finding(self)

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

    def update_results(self, work: ProgramWork, now: float) -> None:
        """Bring what is on view of the results up to date."""
        self.results.show(work, now)
        if self.beside is not None and self.beside.is_mounted and self.has_class("-widest"):
            self.beside.leaf, self.beside.in_first = self.results.leaf, self.results.tab
            self.beside.show(work, now)

    # --------------------------------------------------------------------------- leaves, tabs

    def action_next_output(self) -> None:
        self.results.step_leaf(1)
        self.explorer.show_work()

    def action_previous_output(self) -> None:
        self.results.step_leaf(-1)
        self.explorer.show_work()

    def action_next_input(self) -> None:
        """Show the next input beside the output, in the pane in hand."""
        view = self._shards()
        if view is not None:
            view.show_input(view.first + 1)

    def action_pick_input(self) -> None:
        from jaxtui.program.screen.trees.on_map import pick_input

        view = self._shards()
        if view is not None:
            pick_input(self, self.results, view)

    def _shards(self) -> ShardsView | None:
        """The shards with inputs, in the pane that has them on view, else turned to in the first.

        None, which is said, if there are none.
        """
        panes = [self.pane_in_hand, self.results, *([self.beside] if self.beside else [])]
        pane = next((pane for pane in panes if pane.tab == SHARDS), None)
        if pane is None:
            pane = self.results
            self.show_results(SHARDS)
            self.explorer.show_work()
        view = pane.shards_view
        if view is None or not view.has_inputs:
            self.say("there is no run with arguments yet")
            return None
        return view

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

    def show_results(self, tab: str) -> None:
        """Turn to the results, and there to a tab."""
        self.results.show_tab(tab)
        self.show_page("-results")

    def action_heat_map(self) -> None:
        """Paint the values as a heat map, or as numbers again."""
        self.show_results(VALUES)
        self.explorer.show_work()
        if (view := self.results.array_view) is not None:
            view.action_heat_map()

    def action_find(self) -> None:
        self.finding.ask(self.pane_in_hand)

    def result_to_copy(self) -> str:
        """What is copied of the pane in hand."""
        pane, view = self.pane_in_hand, self.results.array_view
        if view is not None and pane.tab == VALUES:
            return view.cursor_text or ""
        return pane.text_to_copy()

    # ------------------------------------------------------------------------- runs and memory

    def action_device_memory(self) -> None:
        from jaxtui.program.screen.comparing import ask_memory

        ask_memory(self, self.show_results)

    def action_keep_run(self) -> None:
        from jaxtui.program.screen.comparing import keep_run

        keep_run(self, self.show_results)

    def action_let_run_go(self) -> None:
        from jaxtui.program.screen.comparing import let_run_go

        let_run_go(self)
