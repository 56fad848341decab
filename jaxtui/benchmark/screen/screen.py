"""The Benchmark screen: what is timed, the results, and how reliable they are."""

from __future__ import annotations

from typing import Protocol, cast

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from jaxtui.benchmark import words as bench_words
from jaxtui.benchmark.screen import view
from jaxtui.benchmark.screen.detail_tabs import TABS, Details, DetailTab
from jaxtui.benchmark.screen.fields import TypedTexts
from jaxtui.benchmark.screen.form import BenchmarkForm
from jaxtui.benchmark.screen.run_dialogs import RunDialogs
from jaxtui.benchmark.screen.table import BenchmarkTable
from jaxtui.benchmark.screen.table_pane import TablePane
from jaxtui.benchmark.screen.work import BenchmarkWork
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands
from jaxtui.screen.base import LOW_BREAKPOINTS, STYLES, WorkScreen
from jaxtui.screen.command_table import Command
from jaxtui.screen.field import FieldTyped
from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.screen.toggles import Toggles
from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import BENCHMARK
from jaxtui.session.session import Benchmark, Session, SessionError


class BenchmarkBench(Protocol):
    """The part of the explorer that this screen needs."""

    @property
    def benchmark(self) -> BenchmarkWork:
        """The open session's benchmark."""


class BenchmarkScreen(WorkScreen[ProgramWork]):
    """A form, the table of strategies, and tabs of details."""

    NAME = "benchmark"
    FLIPPED = ("-details", "form")
    CSS_PATH = STYLES
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS = commands.bindings("benchmark")
    SCOPED_CSS = False
    CSS = """
    #benchmark-form { height: auto; max-height: 12; }
    #benchmark-table { height: auto; padding: 0; }
    #benchmark-progress { height: 1; padding: 0 1; display: none; color: $soft; }
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
        self.tab = TABS[0].name
        self._texts = TypedTexts()
        self._painted: object = None

    def body(self) -> ComposeResult:
        with VerticalScroll(id="benchmark-form", classes="pane", can_focus=False) as pane:
            pane.border_title = "Benchmark"
            self.form = BenchmarkForm()
            yield self.form
        self.table_pane = TablePane(self.bench)
        self.table = self.table_pane.table
        yield self.table_pane
        with Vertical(id="benchmark-details", classes="pane") as self.details_pane:
            self.details = PaintedLines()
            self.details.place_name = "Details"
            yield self.details

    def on_mount(self) -> None:
        super().on_mount()
        self.table.focus()

    def on_screen_resume(self) -> None:
        self.bench.open(self.explorer.now())
        super().on_screen_resume()

    # --------------------------------------------------------------------------- what is shown

    def diagnosis(self, work: ProgramWork) -> Diagnosis | None:
        """The fault in the form, else why the selected row is left out."""
        left_out = view.left_out(self.table_pane.shown_point(), self.table.key)
        return self._texts.wrong or self.bench.diagnosis or left_out

    def show_work(self, work: ProgramWork, now: float) -> None:
        super().show_work(work, now)
        bench = self.bench
        bench.ask_due(now)
        if bench.said:
            self.say(bench.said)
            bench.said = ""
        self.table_pane.show_progress(now)
        shown = (
            bench.changes,
            self.table_pane.point,
            self.tab,
            self.size,
            self.form.size.width,  # a lesson beside it takes some
            self.classes,
            work.environment,
            work.session,
            self._texts.wrong,
            bench.plan_fresh,
        )
        if shown == self._painted:
            return
        self._painted = shown
        self._show_form()
        self.table_pane.show(work.environment)
        self._show_details()
        self.show_keys()

    def _show_form(self) -> None:
        bench, session = self.bench, self.bench.session
        asked = bench.benchmark
        texts = self._texts.shown(asked)
        program = f"{view.function_text(session)} · this session's program"
        if bench.subject == "task":
            program = view.task_text(session, self.explorer.work.session, self.form.size.width)
        self.form.show(
            program,
            view.strategy_toggles(asked, bench.strategies),
            view.option_toggles(asked),
            texts,
            view.plan_words(bench),
        )
        self.form.show_fault(self._texts.wrong or bench.diagnosis)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.table_pane.fit)
        self.call_after_refresh(self.explorer.show_work)

    # ------------------------------------------------------------------------------- the details

    def _show_details(self) -> None:
        tabs = self.tabs()
        if self.tab not in [tab.name for tab in tabs]:
            self.tab = TABS[0].name
        names = [f"‹{tab.title}›" if tab.name == self.tab else f" {tab.title} " for tab in tabs]
        heading = " ".join(names)
        if heading != self.details_pane.border_title:
            self.details_pane.border_title = heading
            self.details_pane.border_subtitle = "s next"
        width = max(30, self.details.size.width - 1)
        height = max(6, self.details.size.height)
        there = Details(
            self.bench,
            self.explorer.work.environment,
            self.table_pane.points()[1],
            self.table_pane.shown_point(),
            self.table.key,
            width,
            height,
        )
        lines = next(tab for tab in tabs if tab.name == self.tab).lines(there)
        self.details.show(lines, stale=self.bench.stale)

    def on_painted_lines_resized(self, event: PaintedLines.Resized) -> None:
        if event.view is self.details and self._painted is not None:
            self._show_details()

    def on_benchmark_table_moved(self, event: BenchmarkTable.Moved) -> None:
        if any(tab.follows for tab in TABS if tab.name == self.tab):
            self._show_details()
        self.show_keys()

    # ------------------------------------------------------------------------- what was typed

    def on_field_typed(self, event: FieldTyped) -> None:
        self.put(self._texts.typed(event.field, event.input.take(), self.bench.benchmark))
        self.explorer.show_work()

    def on_toggles_switched(self, event: Toggles.Switched) -> None:
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
        event.stop()
        if self._texts.wrong is None:
            self.action_run()

    # --------------------------------------------------------------------------------- actions

    @property
    def bench(self) -> BenchmarkWork:
        return cast("BenchmarkBench", self.explorer).benchmark

    def put(self, benchmark: Benchmark) -> None:
        """Replace the benchmark, of the session or of the tutorial's task."""
        explorer, work = self.explorer, self.bench
        if benchmark == work.benchmark:
            return
        if work.subject == "session":
            explorer.edit(BENCHMARK, benchmark, typed=True)
            return
        work.task = msgspec.structs.replace(work.task, benchmark=benchmark)
        work.edited(explorer.now())
        self.set_timer(REST + 0.01, explorer.show_work)
        explorer.show_work()

    # ------------------------------------------------------------------------------- running

    @property
    def unread(self) -> list[str]:
        return self._texts.unread

    def action_run(self) -> None:
        explorer, work = self.explorer, self.bench
        if work.subject == "session" and not explorer.files.may_run():
            return
        work.open(explorer.now())
        if not work.run(explorer.now()):
            self.say("a benchmark is running: ctrl+c stops it, and keeps what it has")
            return
        self.table_pane.point = None
        if explorer.work.phase == "gone":
            explorer.restart()
        explorer.show_work()

    def action_pick_subject(self) -> None:
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
        key = self.table.key
        if key is None:
            self.say("there is no row yet")
            return
        asked = self.bench.benchmark
        self.put(msgspec.structs.replace(asked, baseline=key.strategy))
        self.say(f"the others are compared with {key.strategy} from the next run on")

    def action_open_in_map(self) -> None:
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
        self._turn(1)

    def action_previous_tab(self) -> None:
        self._turn(-1)

    def _turn(self, step: int) -> None:
        names = [tab.name for tab in self.tabs()]
        at = names.index(self.tab) if self.tab in names else 0
        self.details.scroll_home(animate=False)
        self._turn_to(names[(at + step) % len(names)])

    def _turn_to(self, tab: str) -> None:
        self.tab = tab
        if self.has_class("-low"):
            self.add_class("-details")
        self.explorer.show_work()

    def tabs(self) -> list[DetailTab]:
        return [tab for tab in TABS if tab.there(self.bench)]

    def action_step_point(self, step: int) -> None:
        count, shown = self.table_pane.points()
        if count < 2:
            self.say("there is one point: a sweep, such as batch = 16, 64, has several")
            return
        self.table_pane.point = max(0, min(count - 1, shown + step))
        self.explorer.show_work()

    def action_flip(self) -> None:
        self.toggle_class("-details")
        self.show_keys()
        self.call_after_refresh(self.explorer.show_work)

    def action_earlier_runs(self) -> None:
        def opened() -> None:
            self.table_pane.point = None
            self.explorer.show_work()

        RunDialogs(self, self.bench).open_earlier(opened)

    def action_compare(self) -> None:
        RunDialogs(self, self.bench).compare(lambda: self._turn_to("compare"))

    def action_export(self) -> None:
        RunDialogs(self, self.bench).export()

    def text_to_copy(self) -> str:
        """The focused details, else the run as Markdown, else the table."""
        if self.focused is self.details:
            return "\n".join(self.details.texts())
        report = self.bench.report
        if report is not None and report.points:
            return bench_words.markdown(report)
        return "\n".join(self.table.texts())

    def apply(self, fix: Fix) -> None:
        if fix.field.under(BENCHMARK) is None:
            super().apply(fix)
            return
        try:
            self.put(self.bench.fixed(fix))
        except (KeyError, SessionError) as error:
            self.say(str(error))

    # ----------------------------------------------------------------------------- the key line

    def label_of(self, command: Command) -> str:
        """Where the details are on view anyway, turning only takes the form away."""
        if command.action == "screen.flip" and not (
            self.has_class("-low") or self.has_class("-details")
        ):
            return "hide form"
        return super().label_of(command)

    def offers(self, command: Command) -> bool:
        match command.action:
            case "screen.run":
                return not self.bench.running
            case "screen.step_point(1)":
                return self.table_pane.points()[0] > 1
            case "screen.compare" | "screen.export":
                return self.bench.report is not None and not self.bench.running
            case "app.stop":
                return self.bench.running
        return super().offers(command)
