"""The Benchmark screen: what is timed, what came of it, and how far it can be believed."""

from __future__ import annotations

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.screen import answers as benchmark_answers
from jaxtui.benchmark.screen import chart as benchmark_chart
from jaxtui.benchmark.screen import details as benchmark_details
from jaxtui.benchmark.screen import distributions as benchmark_distributions
from jaxtui.benchmark.screen import fields as text
from jaxtui.benchmark.screen import rows, view
from jaxtui.benchmark.screen.form import BenchmarkForm
from jaxtui.benchmark.screen.keys import BenchmarkKeys
from jaxtui.benchmark.screen.table import BenchmarkTable
from jaxtui.program.screen.work import Work
from jaxtui.screen import commands
from jaxtui.screen.base import LOW_BREAKPOINTS, STYLES
from jaxtui.screen.cells import Glyphs, Line, Segment, glyphs
from jaxtui.screen.field import FixedText, Notice
from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.screen.toggles import Toggles
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Session, SessionError
from jaxtui.wire.benchmark import BenchmarkReport, PlannedPoint, PointReport

TITLES = {
    "answers": "What it says",
    "samples": "Samples",
    "chart": "Chart",
    "row": "This row",
    "output": "Output",
    "compare": "Compared",
}


class BenchmarkScreen(BenchmarkKeys):
    """A form, the table of strategies, and details of it that take turns."""

    NAME = "benchmark"
    FLIPPED = ("-details", "form")
    CSS_PATH = STYLES
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS = commands.bindings("benchmark")
    SCOPED_CSS = False
    CSS = """
    #benchmark-form { height: auto; max-height: 12; }
    #benchmark-table { height: auto; padding: 0; }
    #benchmark-progress { height: 1; padding: 0 1; display: none; color: $text-accent; }
    #benchmark-progress.-shown { display: block; }
    #benchmark-notice { max-height: 5; }
    #benchmark-foot { height: 1; padding: 0 1; color: $text-warning; display: none; }
    #benchmark-foot.-shown { display: block; }
    #benchmark-details { height: 1fr; min-height: 6; padding: 0 1; }
    .-low #benchmark-table { height: 1fr; }
    .-low #benchmark-details { display: none; }
    .-details #benchmark-form { display: none; }
    .-low.-details #benchmark-table { height: 9; }
    .-low.-details #benchmark-details { display: block; }
    """

    form: BenchmarkForm

    def __init__(self) -> None:
        super().__init__()
        self._typed: dict[str, tuple[str, object]] = {}  # texts that mean what the session has
        self._wrong: dict[str, Diagnosis] = {}
        self._painted: object = None

    def body(self) -> ComposeResult:
        """The panes, in reading order."""
        with VerticalScroll(id="benchmark-form", classes="pane", can_focus=False) as pane:
            pane.border_title = "Benchmark"
            self.form = BenchmarkForm()
            yield self.form
        with Vertical(id="benchmark-table", classes="pane") as self.table_pane:
            self._progress = FixedText()
            self._progress.id = "benchmark-progress"
            self._notice = Notice(id="benchmark-notice")
            self.table = BenchmarkTable()
            self._foot = FixedText()
            self._foot.id = "benchmark-foot"
            yield self._progress
            yield self._notice
            yield self.table
            yield self._foot
        with Vertical(id="benchmark-details", classes="pane") as self.details_pane:
            self.details = PaintedLines()
            yield self.details

    def on_mount(self) -> None:
        """Begin on the table: F5 fills it."""
        super().on_mount()
        self.table.focus()

    def on_screen_resume(self) -> None:
        """From now on what is composed is planned."""
        self.bench.open(self.explorer.now())
        super().on_screen_resume()

    @property
    def glyphs(self) -> Glyphs:
        """The signs that this terminal has."""
        return glyphs(self.shell.ascii)

    # --------------------------------------------------------------------------- what is shown

    def diagnosis(self, work: Work) -> Diagnosis | None:
        """What is wrong with what is typed, else why the row at the cursor is left out."""
        typed = next(iter(self._wrong.values()), None)
        return typed or self.bench.diagnosis or self.row_fault()

    def show_work(self, work: Work, now: float) -> None:
        """Bring every pane up to date; each leaves alone what has not changed."""
        super().show_work(work, now)
        bench = self.bench
        bench.rested(now)
        if bench.said:
            self.say(bench.said)
            bench.said = ""
        self._show_progress(now)
        shown = (
            bench.changes,
            self.point,
            self.tab,
            self.size,
            self.classes,
            work.environment,
            work.session,
            tuple(self._wrong.values()),
            bench.plan_fresh,
        )
        if shown == self._painted:
            return
        self._painted = shown
        self._show_form()
        self._show_table()
        self._show_details()
        self.show_keys()

    def _show_progress(self, now: float) -> None:
        line = view.progress(self.bench, now, max(30, self.size.width - 2), self.glyphs)
        self._progress.say(line)
        self._progress.set_class(bool(line), "-shown")
        self._notice.say(self.bench.notice(now))

    def _show_form(self) -> None:
        bench, session = self.bench, self.bench.session
        asked = bench.benchmark
        texts = text.texts(asked)
        for name, (typed, meant) in self._typed.items():
            if getattr(asked, name) == meant:
                texts[name] = typed
            else:
                self._wrong.pop(name, None)
        whose = "the tutorial's task" if bench.subject == "task" else "this session's program"
        dot = self.glyphs.dot
        program = f"{view.function_text(session)} {dot} {whose}"
        self.form.show(
            program,
            view.strategy_toggles(asked, bench.strategies),
            view.option_toggles(asked),
            texts,
            view.plan_words(bench),
        )
        self.form.show_fault(next(iter(self._wrong.values()), None) or bench.diagnosis)

    def points(self) -> tuple[int, int]:
        """How many points there are, and which is shown."""
        bench = self.bench
        report = bench.report
        if report is not None and report.points:
            count = len(report.points)
            return count, count - 1 if self.point is None else min(self.point, count - 1)
        count = len(bench.plan.points) if bench.plan is not None else 0
        return count, min(self.point or 0, max(0, count - 1))

    def shown_point(self) -> PointReport | PlannedPoint | None:
        """What the table is of: a point of the run, or of the plan as long as there is none."""
        bench, (count, number) = self.bench, self.points()
        if not count:
            return None
        report = bench.report
        if report is not None and report.points:
            return report.points[number]
        return bench.plan.points[number] if bench.plan is not None else None

    def _show_table(self) -> None:
        bench, place = self.bench, self.points()
        point = self.shown_point()
        environment = self.explorer.work.environment
        report = bench.report
        session = bench.session
        if report is not None and report.points:
            session = _session_of(report, session)
        heading = view.title(
            bench,
            session,
            environment,
            point,
            (place[1], place[0]),
            self.size.width - 4,
            self.glyphs,
        )
        if heading != self.table_pane.border_title:
            self.table_pane.border_title = heading.replace("[", r"\[")
        stale = bench.stale
        if isinstance(point, PointReport):
            shown = rows.report_rows(point, *self._being_prepared(place[1]))
        else:
            shown = rows.planned_rows(point) if point is not None else []
        error = point.error if point is not None else None
        self.table.show_rows(shown, stale=stale)
        foot = view.noise_line(point, self.glyphs)
        if error is not None:
            foot = f"{error.field}: {error.message}"
        self._foot.say(foot)
        self._foot.set_class(bool(foot), "-shown")
        self.call_after_refresh(self._fit_table)

    def _being_prepared(self, number: int) -> tuple[rows.Key | None, str]:
        recording = self.bench.recording
        if recording is None or recording.stage is None or self.bench.opened is not None:
            return None, ""
        stage = recording.stage
        if stage.arm is None or stage.point != number or number >= len(recording.points):
            return None, ""
        arms = {arm.arm: arm for arm in recording.points[number].plan.arms}
        arm = arms.get(stage.arm)
        if arm is None:
            return None, ""
        return rows.Key(arm.strategy, arm.devices, arm.role == "control"), stage.stage

    def _fit_table(self) -> None:
        """As high as the rows where there is room for all; set only when it changes."""
        if self.has_class("-low"):
            wanted: int | str = "1fr"
        else:
            wanted = max(5, min(self.table.wanted_height, self.size.height - 20))
        if wanted != self._table_height:
            self._table_height = wanted
            self.table.styles.height = wanted

    _table_height: int | str = ""

    def on_resize(self, event: events.Resize) -> None:
        """The panes may need another layout."""
        self.call_after_refresh(self._fit_table)
        self.call_after_refresh(self.explorer.show_work)

    # ------------------------------------------------------------------------------- the details

    def _show_details(self) -> None:
        if self.tab not in self.tabs():
            self.tab = "answers"
        names = [
            f"‹{TITLES[tab]}›" if tab == self.tab else f" {TITLES[tab]} " for tab in self.tabs()
        ]
        heading = " ".join(names)
        if heading != self.details_pane.border_title:
            self.details_pane.border_title = heading
            self.details_pane.border_subtitle = "s next"
        width = max(30, self.details.size.width - 1)
        height = max(6, self.details.size.height)
        lines = {
            "answers": self._answers,
            "samples": self._samples,
            "chart": self._chart,
            "row": self._row,
            "output": self._printed,
            "compare": self._compared,
        }[self.tab](width, height)
        self.details.show(lines, stale=self.bench.stale)

    def _answers(self, width: int, height: int) -> list[Line]:
        report, (_, number) = self.bench.report, self.points()
        signs = self.glyphs
        if report is None or not report.points:
            return self._before(width)
        found = benchmark_answers.answers(report, number)
        if self.bench.printed["run"] and self.bench.opened is None:
            found.append(benchmark_details.PRINTED)
        lines = benchmark_details.sentences(found, width, signs)
        if not lines:
            lines = [(Segment("Sentences come with the first round.", "quiet"),)]
        made = [
            line
            for words in view.heading_words(report)
            for line in benchmark_details.wrapped(
                benchmark_details.plain(words, signs), width, "quiet", "  "
            )
        ]
        return [*lines, (), *made]

    def _before(self, width: int) -> list[Line]:
        """What a run does, before there is one."""
        said = [
            "F5 times the same computation in every way of the table: each is checked to compute "
            "the same first, made ready with its stages apart, then all take turns in every round, "
            "in a new order each time.",
            "The baseline is in twice (A/A). A verdict is given only for a difference that is "
            "larger than what the same program shows against itself.",
        ]
        ceiling = rows.ceiling_words(self.explorer.work.environment)
        if ceiling:
            said.append(f"{ceiling[:1].upper()}{ceiling[1:]}.")
        return benchmark_details.sentences(said, width, self.glyphs)

    def _samples(self, width: int, height: int) -> list[Line]:
        point = self.shown_point()
        if not isinstance(point, PointReport):
            return [(Segment("Samples come with the first round.", "quiet"),)]
        return benchmark_distributions.lines(point, width, self.glyphs, self.table.key)

    def _chart(self, width: int, height: int) -> list[Line]:
        report, (_, number) = self.bench.report, self.points()
        if report is None or not report.points:
            return [(Segment("The chart comes with the first round.", "quiet"),)]
        return benchmark_chart.lines(report, number, width, height, self.glyphs, self.table.key)

    def _row(self, width: int, height: int) -> list[Line]:
        point, key = self.shown_point(), self.table.key
        if key is None:
            return []
        name = key.strategy if key.devices == 1 else f"{key.strategy} on {key.devices} devices"
        about = next((s.title for s in self.bench.strategies if s.name == key.strategy), "")
        first: Line = (Segment(name, "strong"), Segment(f"  {about}", "quiet"))
        if isinstance(point, PointReport):
            return [first, *benchmark_details.row_lines(point, key, width, self.glyphs)]
        if point is not None:
            return [first, *benchmark_details.planned_lines(point, key, width, self.glyphs)]
        return [first]

    def _printed(self, width: int, height: int) -> list[Line]:
        return benchmark_details.printed_lines(self.bench.output, width, self.glyphs)

    def _compared(self, width: int, height: int) -> list[Line]:
        report, other = self.bench.report, self.bench.other
        if report is None or other is None:
            return []
        found = bench_runs.compare(other.report, report)
        before = view.moment(other.report.began)
        return benchmark_details.comparison_lines(found, before, width, self.glyphs)

    def on_painted_lines_resized(self, event: PaintedLines.Resized) -> None:
        """Draw the details for the room that there is now."""
        if event.view is self.details and self._painted is not None:
            self._show_details()

    def on_benchmark_table_moved(self, event: BenchmarkTable.Moved) -> None:
        """The details follow the row."""
        if self.tab in ("row", "samples", "chart"):
            self._show_details()
        self.show_keys()

    # ------------------------------------------------------------------------- what was typed

    def on_benchmark_form_changed(self, event: BenchmarkForm.Changed) -> None:
        """A field goes into the benchmark, once it can be read."""
        typed, name = event.input.take(), event.field
        try:
            meant = text.read(name, typed)
        except SessionError as error:
            self._typed[name] = (typed, getattr(self.bench.benchmark, name))
            self._wrong = {
                name: Diagnosis(kind="session", field=error.field, message=error.message)
            }
            self.explorer.show_work()
            return
        self._wrong.pop(name, None)
        self._typed[name] = (typed, meant)
        self.put(msgspec.structs.replace(self.bench.benchmark, **{name: meant}))
        self.explorer.show_work()

    def on_toggles_switched(self, event: Toggles.Switched) -> None:
        """Strategies, or how samples are made."""
        asked, names = self.bench.benchmark, event.names
        if event.toggles is self.form.strategies:
            if not names:
                self.say("at least one strategy is needed")
                return
            chosen = view.chosen_strategies(names, self.bench.strategies)
            baseline = asked.baseline if asked.baseline in names else ""
            self.put(msgspec.structs.replace(asked, strategies=chosen, baseline=baseline))
            return
        self.put(
            msgspec.structs.replace(
                asked,
                quick="quick" in names,
                pad="pad" in names,
                mode="throughput" if "throughput" in names else "latency",
            )
        )

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field runs the benchmark."""
        event.stop()
        if not self._wrong:
            self.action_run()


def _session_of(report: BenchmarkReport, otherwise: Session) -> Session:
    """The session that was timed, if this version can read it."""
    try:
        return bench_runs.session_of(report)
    except bench_runs.RunError:
        return otherwise
