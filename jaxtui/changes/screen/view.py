"""The tab that shows what changed against another run."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Protocol, cast

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from jaxtui.changes import words
from jaxtui.changes.words import Row
from jaxtui.program.screen.runs import Runs
from jaxtui.program.screen.work import ProgramWork

if TYPE_CHECKING:
    from jaxtui.changes.screen.work import ChangesWork
    from jaxtui.screen.base import WorkScreen

LABEL = 16  # cells of the column of labels
STYLES = {
    "": "",
    "quiet": "$text-muted",
    "removed": "$text-error",
    "added": "$code-type",
    "wrong": "$text-warning",
}
KEPT_JUST_NOW = (
    "This run is kept. Change something and run it: what changed against this run stands here then."
    " C lets it go."
)


class ChangesBench(Protocol):
    """The part of the explorer that this view needs."""

    @property
    def changes(self) -> ChangesWork: ...


class ChangesView(VerticalScroll):
    """What changed, a line for each thing; long ones wrap beside their label."""

    DEFAULT_CSS = """
    ChangesView { padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__(can_focus=True)
        self._lines = Static("", markup=False)
        self._shown: object = None
        self.text = ""

    def compose(self) -> ComposeResult:
        yield self._lines

    def show(self, work: ProgramWork, now: float) -> None:
        """Show the newest runs, and ask for what is not known of them yet."""
        if not self.is_attached:
            return
        changes = self._work
        changes.follow(work, now)
        rows = _rows(work.runs, changes)
        width = max(20, self.size.width - 2 * 2)
        if (rows, width) != self._shown:
            self._shown = (rows, width)
            self.text = "\n".join(f"{row.label:{LABEL}}{row.text}" for row in rows)
            self._lines.update(_painted(rows, width))

    @property
    def _work(self) -> ChangesWork:
        screen = cast("WorkScreen[ProgramWork]", self.screen)
        return cast("ChangesBench", screen.explorer).changes

    def on_mount(self) -> None:
        self._show_again()

    def on_resize(self) -> None:
        """Wrap the lines anew."""
        self._show_again()

    def _show_again(self) -> None:
        screen = cast("WorkScreen[ProgramWork]", self.screen)
        self.show(screen.explorer.work, screen.explorer.now())


def _rows(runs: Runs, changes: ChangesWork) -> list[Row]:
    if runs.other:
        return [Row("", f"running {runs.other} …", "quiet")]
    if runs.said:
        return [Row("", runs.said, "wrong"), Row("", "C turns to the run before again.", "quiet")]
    if runs.now is not None and runs.reference is runs.now:
        return [Row("", KEPT_JUST_NOW)]
    found = changes.changes
    if found is None:
        return [Row("", "F5 runs the program, to hold it against this.", "quiet")]
    return words.rows(found, changes.waiting)


def _painted(rows: list[Row], width: int) -> Content:
    """The rows with their labels in a column of their own, wrapped beside it."""
    lines: list[Content] = []
    labelled = any(row.label for row in rows)
    indent = LABEL if labelled else 0
    for row in rows:
        parts = textwrap.wrap(row.text, max(10, width - indent), drop_whitespace=True) or [""]
        for number, part in enumerate(parts):
            label = "" if number else row.label
            lines.append(Content.assemble((f"{label:{indent}}", "bold"), (part, STYLES[row.style])))
    return Content("\n").join(lines)
