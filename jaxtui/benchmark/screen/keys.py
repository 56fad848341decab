"""What the keys of the Benchmark screen do."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark import words as bench_words
from jaxtui.benchmark.screen import view
from jaxtui.benchmark.screen.rows import Key
from jaxtui.benchmark.screen.work import BenchmarkWork, Opened
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands
from jaxtui.screen.base import WorkScreen
from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import SessionError

if TYPE_CHECKING:
    from jaxtui.benchmark.screen.table import BenchmarkTable
    from jaxtui.screen.painted_lines import PaintedLines
    from jaxtui.session.diagnosis import Fix
    from jaxtui.session.session import Benchmark
    from jaxtui.wire.benchmark import BenchmarkReport

DIALOG = 76  # cells, as in jaxtui.tcss
TABS = ("answers", "samples", "chart", "row", "output", "compare")
FORMATS = (("md", "Markdown: tables and sentences"), ("csv", "CSV: a row for each strategy"))
NEWEST = " newest"


class BenchmarkBench(Protocol):
    """What the screen needs of the session beside its program."""

    @property
    def benchmark(self) -> BenchmarkWork:
        """The work on the benchmark."""


class BenchmarkKeys(WorkScreen[ProgramWork]):
    """The actions; the screen itself brings the panes."""

    table: BenchmarkTable
    details: PaintedLines

    def __init__(self) -> None:
        super().__init__()
        self.tab = TABS[0]
        self.point: int | None = None  # which of the sweep is shown; None follows the run

    @property
    def bench(self) -> BenchmarkWork:
        """The work on the benchmark."""
        return cast("BenchmarkBench", self.explorer).benchmark

    def put(self, benchmark: Benchmark) -> None:
        """Another benchmark takes the place of this one."""
        explorer, work = self.explorer, self.bench
        if benchmark == work.benchmark:
            return
        if work.subject == "session":
            explorer.edit("benchmark", benchmark, typed=True)
            return
        work.task = msgspec.structs.replace(work.task, benchmark=benchmark)
        work.edited(explorer.now())
        self._rest()
        explorer.show_work()

    def _rest(self) -> None:
        self.set_timer(REST + 0.01, self.explorer.show_work)

    # ------------------------------------------------------------------------------- running

    def action_run(self) -> None:
        """Run the benchmark, unless one runs."""
        explorer, work = self.explorer, self.bench
        if work.subject == "session" and not explorer.work.trusted:
            explorer.files.ask_trust()
            return
        work.open(explorer.now())
        if not work.run(explorer.now()):
            self.say("a benchmark is running: ctrl+c stops it, and keeps what it has")
            return
        self.point = None
        if explorer.work.phase == "gone":
            explorer.restart()
        explorer.show_work()

    def action_pick_subject(self) -> None:
        """Choose whose program is timed."""
        from jaxtui.screen.dialogs import ChoiceDialog

        explorer, work = self.explorer, self.bench
        own = explorer.work.session
        choices = [("task", f"{view.function_text(work.task)}: the tutorial's benchmark task")]
        if not own.program.empty:
            label = f"{view.function_text(own)}: the program of this session"
            choices.append(("session", label))

        def chosen(name: str | None) -> None:
            if name in ("task", "session"):
                work.choose("session" if name == "session" else "task", explorer.now())
                explorer.show_work()

        self.app.push_screen(ChoiceDialog("What is timed?", choices), chosen)

    def action_baseline(self) -> None:
        """Compare all others with the strategy at the cursor."""
        key = self.table.key
        if key is None:
            self.say("there is no row yet")
            return
        asked = self.bench.benchmark
        self.put(msgspec.structs.replace(asked, baseline=key.strategy))
        self.say(f"the others are compared with {key.strategy} from the next run on")

    def action_open_in_map(self) -> None:
        """Open the tutorial's task as the session, with its benchmark."""
        from jaxtui.session.session import Session

        explorer, work = self.explorer, self.bench
        if work.subject == "session":
            self.shell.show_screen("map")
            return
        session: Session = work.session

        def go_on() -> None:
            explorer.open(session)
            self.shell.show_screen("map")

        explorer.files.unless_changed(go_on)

    # -------------------------------------------------------------------------------- looking

    def action_next_tab(self) -> None:
        """Show the next of the details."""
        self._turn(1)

    def action_previous_tab(self) -> None:
        """Show the details before."""
        self._turn(-1)

    def _turn(self, step: int) -> None:
        found = self.tabs()
        at = found.index(self.tab) if self.tab in found else 0
        self.tab = found[(at + step) % len(found)]
        if self.has_class("-low"):
            self.add_class("-details")
        self.details.scroll_home(animate=False)
        self.explorer.show_work()

    def tabs(self) -> list[str]:
        """The details that there are."""
        there = {"compare": self.bench.other is not None, "output": bool(self.bench.output)}
        return [tab for tab in TABS if there.get(tab, True)]

    def action_step_point(self, step: int) -> None:
        """Show the next or the previous value of the sweep."""
        count, shown = self.points()
        if count < 2:
            self.say("there is one point: a sweep, such as batch = 16, 64, has several")
            return
        self.point = max(0, min(count - 1, shown + step))
        self.explorer.show_work()

    def points(self) -> tuple[int, int]:
        """How many points there are, and which is shown."""
        raise NotImplementedError

    def action_flip(self) -> None:
        """Turn between the form and more of the details."""
        self.toggle_class("-details")
        self.show_keys()
        self.call_after_refresh(self.explorer.show_work)

    # ------------------------------------------------------------------------- runs and files

    def action_earlier_runs(self) -> None:
        """Open a run that was kept."""

        def chosen(path: str | None) -> None:
            if path == NEWEST:
                self.bench.show_run(None)
            elif path is not None and (opened := self._read(path)) is not None:
                self.bench.show_run(opened)
            else:
                return
            self.point = None
            self.explorer.show_work()

        newest = [(NEWEST, "the newest of this session")] if self.bench.opened else []
        self._choose_run("Earlier runs", newest, chosen)

    def action_compare(self) -> None:
        """Hold another run against the one that is shown."""
        if self.bench.report is None:
            self.say("nothing is shown to compare with: F5 runs, r opens an earlier run")
            return

        def chosen(path: str | None) -> None:
            if path is not None and (opened := self._read(path)) is not None:
                self.bench.compare_with(opened)
                self.tab = "compare"
                if self.has_class("-low"):
                    self.add_class("-details")
                self.explorer.show_work()

        self._choose_run("Compare with the run of", [], chosen)

    def _choose_run(
        self, heading: str, first: list[tuple[str, str]], chosen: Callable[[str | None], None]
    ) -> None:
        from jaxtui.screen.dialogs import ChoiceDialog

        room = min(DIALOG, int(self.size.width * 0.95)) - 8
        shown = self._shown_path()
        found = [
            (str(run.path), view.run_label(run, room))
            for run in bench_runs.kept()
            if heading == "Earlier runs" or str(run.path) != shown
        ]
        if not found and not first:
            self.say(f"no {'other ' if shown else ''}run is kept in {bench_runs.folder()}")
            return
        self.app.push_screen(ChoiceDialog(heading, [*first, *found]), chosen)

    def _shown_path(self) -> str:
        work = self.bench
        path = work.opened.path if work.opened is not None else work.kept
        return "" if path is None else str(path)

    def _read(self, path: str) -> Opened | None:
        from pathlib import Path

        try:
            return Opened(Path(path), bench_runs.read(path))
        except bench_runs.RunError as error:
            self.say(str(error))
            return None

    def action_export(self) -> None:
        """Save what is shown as JSON, CSV or Markdown."""
        from jaxtui.screen.dialogs import ChoiceDialog, ask_and_write

        report = self.bench.report
        if report is None or not report.points:
            self.say("nothing has been timed yet")
            return
        choices = [("json", "JSON: everything, every sample"), *FORMATS]
        choices.append(("copy", "Copy it as Markdown to the terminal's clipboard"))

        def chosen(kind: str | None) -> None:
            if kind == "copy":
                self.shell.copy(bench_words.markdown(report))
            elif kind is not None:
                text = _written(report, kind)
                ask_and_write(self, text, "Write it to", f"benchmark.{kind}", kind)

        self.app.push_screen(ChoiceDialog("Save this run as", choices), chosen)

    def text_to_copy(self) -> str:
        """The run as Markdown, or the lines of the details when they have the focus."""
        if self.focused is self.details:
            return "\n".join(self.details.texts())
        report = self.bench.report
        if report is not None and report.points:
            return bench_words.markdown(report)
        return "\n".join(self.table.texts())

    # ------------------------------------------------------------------------- faults and fixes

    def row_fault(self) -> Diagnosis | None:
        """Why the row at the cursor is left out, with what would put it in."""
        key = self.table.key
        for reason, fixes in self._reasons(key) if key is not None else ():
            field = fixes[0].field if fixes else "benchmark"
            return Diagnosis(kind="session", field=field, message=reason, fixes=fixes)
        return None

    def _reasons(self, key: Key) -> list[tuple[str, list[Fix]]]:
        shown = self.points()[1]
        report, plan = self.bench.report, self.bench.plan
        if report is not None and shown < len(report.points):
            rows = [
                (r.skipped, r.fixes)
                for r in report.points[shown].strategies
                if (r.name, r.devices) == key[:2]
            ]
        elif plan is not None and shown < len(plan.points):
            rows = [
                (arm.skipped, arm.fixes)
                for arm in plan.points[shown].arms
                if (arm.strategy, arm.devices) == key[:2]
            ]
        else:
            rows = []
        return [(reason, fixes) for reason, fixes in rows if reason is not None]

    def apply(self, fix: Fix) -> None:
        """Apply a fix; one of the benchmark to what is timed, which may be the tutorial's task."""
        if not fix.field.startswith("benchmark."):
            super().apply(fix)
            return
        try:
            self.put(self.bench.fixed(fix))
        except (KeyError, SessionError) as error:
            self.say(str(error))

    # ----------------------------------------------------------------------------- the key line

    def offers(self, command: commands.Command) -> bool:
        """Only what makes sense here and now."""
        match command.action:
            case "screen.run":
                return not self.bench.running
            case "screen.step_point(1)":
                return self.points()[0] > 1
            case "screen.compare" | "screen.export":
                return self.bench.report is not None and not self.bench.running
            case "app.stop":
                return self.bench.running
        return super().offers(command)


def _written(report: BenchmarkReport, kind: str) -> str:
    if kind == "json":
        return bench_runs.to_json(report).decode() + "\n"
    return bench_words.to_csv(report) if kind == "csv" else bench_words.markdown(report)
