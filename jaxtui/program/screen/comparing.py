"""Keys of the Map screen about runs that are compared, and about the memory that they may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from jaxtui.program.screen.runs import KEPT
from jaxtui.program.screen.tab_line import CHANGES, MEMORY
from jaxtui.session.field_path import SHARDING
from jaxtui.session.session import Sharding

if TYPE_CHECKING:
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.base import WorkScreen

ShowResults = Callable[[str], None]
"""Turns to a tab of the results."""

MEMORY_EXAMPLES = "such as 80 GiB; empty: what the devices here have"


class ComparesFunctions(Protocol):
    """The work that runs another function to hold the program's against it."""

    def compare_with(self, function: str, work: ProgramWork, now: float) -> None: ...


class ComparingBench(Protocol):
    """The part of the explorer that compares runs."""

    @property
    def changes(self) -> ComparesFunctions: ...


def keep_run(screen: WorkScreen[ProgramWork], show_results: ShowResults) -> None:
    """Keep the newest run, to hold what runs from now on against it."""
    runs = screen.explorer.work.runs
    if runs.now is None:
        screen.say("there is no run to keep yet: F5 runs the program")
        return
    runs.keep(runs.now, KEPT)
    show_results(CHANGES)
    screen.explorer.show_work()
    screen.say("this run is kept; C lets it go")


def let_run_go(screen: WorkScreen[ProgramWork]) -> None:
    """Hold runs against the one before again."""
    gone = screen.explorer.work.runs.let_go()
    screen.explorer.show_work()
    screen.say("runs are held against the one before" if gone else "no run is kept")


def compare_with(screen: WorkScreen[ProgramWork], show_results: ShowResults, function: str) -> None:
    """Hold the program against itself with another function, and run it unless it has run."""
    explorer = screen.explorer
    if explorer.work.ran_of != explorer.work.asked and not explorer.work.waits_for_run:
        explorer.run()
    changes = cast("ComparingBench", explorer).changes
    changes.compare_with(function, explorer.work, explorer.now())
    show_results(CHANGES)
    explorer.show_work()


def ask_memory(screen: WorkScreen[ProgramWork], show_results: ShowResults) -> None:
    """Ask what memory a device has, which a program has to fit into."""
    from jaxtui.screen.dialogs import SettingDialog

    sharding = screen.explorer.work.session.sharding or Sharding()

    def chosen(text: str | None) -> None:
        if text is not None:
            show_results(MEMORY)
            screen.explorer.edit(SHARDING, msgspec.structs.replace(sharding, memory=text))

    dialog = SettingDialog("The memory of a device", sharding.memory, MEMORY_EXAMPLES, None)
    screen.app.push_screen(dialog, chosen)
