"""The dialogs about whole runs: open an earlier one, compare with one, save the one on show."""

from __future__ import annotations

from collections.abc import Callable

from jaxtui.benchmark import journal, kept_runs
from jaxtui.benchmark import words as bench_words
from jaxtui.benchmark.screen import view
from jaxtui.benchmark.screen.work import BenchmarkWork, Opened
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.base import WorkScreen

DIALOG = 76  # cells, as in jaxtui.tcss
FORMATS = [
    ("json", "JSON: everything, every sample"),
    ("md", "Markdown: tables and sentences"),
    ("csv", "CSV: a row for each strategy"),
    ("copy", "Copy it as Markdown to the terminal's clipboard"),
]
NEWEST = " newest"


class RunDialogs:
    """Asks on `screen` about the runs of `bench`."""

    def __init__(self, screen: WorkScreen[ProgramWork], bench: BenchmarkWork) -> None:
        self._screen, self._bench = screen, bench

    def open_earlier(self, then: Callable[[], None]) -> None:
        """Show a kept run that the user picks, then call `then`."""

        def chosen(path: str | None) -> None:
            if path == NEWEST:
                self._bench.show_run(None)
            elif path is not None and (opened := self._read(path)) is not None:
                self._bench.show_run(opened)
            else:
                return
            then()

        newest = [(NEWEST, "the newest of this session")] if self._bench.opened else []
        self._choose_run("Earlier runs", newest, chosen)

    def compare(self, then: Callable[[], None]) -> None:
        """Compare the shown run with a kept one that the user picks, then call `then`."""
        if self._bench.report is None:
            self._screen.say("nothing is shown to compare with: F5 runs, r opens an earlier run")
            return

        def chosen(path: str | None) -> None:
            if path is not None and (opened := self._read(path)) is not None:
                self._bench.compare_with(opened)
                then()

        self._choose_run("Compare with the run of", [], chosen)

    def _choose_run(
        self, heading: str, first: list[tuple[str, str]], chosen: Callable[[str | None], None]
    ) -> None:
        from jaxtui.screen.dialogs import ChoiceDialog

        try:
            journal.recover()
        except kept_runs.RunError as error:
            self._screen.say(str(error))
        room = min(DIALOG, int(self._screen.size.width * 0.95)) - 8
        shown = self._shown_path()
        found = [
            (str(run.path), view.run_label(run, room))
            for run in kept_runs.kept()
            if heading == "Earlier runs" or str(run.path) != shown
        ]
        if not found and not first:
            self._screen.say(f"no {'other ' if shown else ''}run is kept in {kept_runs.folder()}")
            return
        self._screen.app.push_screen(ChoiceDialog(heading, [*first, *found]), chosen)

    def _shown_path(self) -> str:
        work = self._bench
        path = work.opened.path if work.opened is not None else work.kept
        return "" if path is None else str(path)

    def _read(self, path: str) -> Opened | None:
        from pathlib import Path

        try:
            return Opened(Path(path), kept_runs.read(path))
        except kept_runs.RunError as error:
            self._screen.say(str(error))
            return None

    def export(self) -> None:
        report = self._bench.report
        if report is None or not report.points:
            self._screen.say("nothing has been timed yet")
            return

        def written(kind: str) -> str:
            return bench_words.to_csv(report) if kind == "csv" else bench_words.markdown(report)

        ask_and_export(self._screen, report, "Save this run as", "benchmark", FORMATS, written)


def ask_and_export(
    screen: WorkScreen[ProgramWork],
    report: kept_runs.AnyRun,
    heading: str,
    name: str,
    formats: list[tuple[str, str]],
    written: Callable[[str], str],
) -> None:
    """Ask for one of `formats`, then copy the report or write it into a file called like `name`.

    `written` gives the report in every format but JSON, "copy" included.
    """
    from jaxtui.screen.dialogs import ChoiceDialog
    from jaxtui.screen.path_dialog import ask_and_write

    def chosen(kind: str | None) -> None:
        if kind == "copy":
            screen.shell.copy(written(kind))
        elif kind is not None:
            json = kind == "json"
            text = kept_runs.to_json(report).decode() + "\n" if json else written(kind)
            ask_and_write(screen, text, "Write it to", f"{name}.{kind}", kind)

    screen.app.push_screen(ChoiceDialog(heading, formats), chosen)
