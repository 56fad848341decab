"""The Bandwidth screen, opened from Collectives: a sweep of the collective over message sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical

from jaxtui.benchmark.bandwidth import words as bandwidth_words
from jaxtui.benchmark.bandwidth.screen import view as sweep_view
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands
from jaxtui.screen.base import LOW_BREAKPOINTS, STYLES, WorkScreen
from jaxtui.screen.cells import Line, Segment
from jaxtui.screen.command_table import Command
from jaxtui.screen.field import Notice
from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.screen.titles import set_title
from jaxtui.session.diagnosis import Diagnosis

if TYPE_CHECKING:
    from jaxtui.benchmark.bandwidth.screen.work import SweepWork
    from jaxtui.wire.bandwidth import BandwidthReport

FORMATS = [
    ("json", "JSON: everything, every sample"),
    ("csv", "CSV: a row for each size"),
    ("md", "Markdown: the table and what it says"),
    ("copy", "Copy it as CSV to the terminal's clipboard"),
]
INVITATION = (
    "F5 sends messages of growing size through this collective, many calls for each timing, and "
    "checks every element that every device gets against NumPy: time, bandwidth, #wrong.",
    'The sizes are those of the session: sweep = { bytes = ["1K..16M"] } under [benchmark].',
)


class SweepBench(Protocol):
    """The part of the explorer that this screen needs."""

    @property
    def sweep(self) -> SweepWork:
        """The open session's bandwidth sweep."""


class BandwidthScreen(WorkScreen[ProgramWork]):
    """A table of sizes, and a chart of time over size."""

    NAME = "bandwidth"
    FLIPPED = ("-flipped", "table")
    CSS_PATH = STYLES
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS = commands.bindings("bandwidth")
    SCOPED_CSS = False
    CSS = """
    #sweep { height: 1fr; padding: 0; }
    #sweep-notice { max-height: 5; }
    #sweep-progress { height: 1; color: $soft; }
    #sweep PaintedLines { padding: 0 1; }
    #sweep-chart { height: 40%; min-height: 15; padding: 0 1; }
    .-low #sweep-chart { display: none; }
    .-low.-flipped #sweep { display: none; }
    .-low.-flipped #sweep-chart { display: block; height: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: object = None

    @property
    def sweep(self) -> SweepWork:
        return cast("SweepBench", self.explorer).sweep

    def body(self) -> ComposeResult:
        with Vertical(id="sweep", classes="pane") as self.pane:
            self._notice = Notice(id="sweep-notice")
            self._progress = Notice(id="sweep-progress")
            self.lines = PaintedLines()
            yield self._notice
            yield self._progress
            yield self.lines
        self.chart = PaintedLines(id="sweep-chart", classes="pane")
        self.chart.border_title = "Time over message size"
        yield self.chart

    def on_mount(self) -> None:
        super().on_mount()
        self.lines.focus()

    def diagnosis(self, work: ProgramWork) -> Diagnosis | None:
        return self.sweep.diagnosis

    def show_work(self, work: ProgramWork, now: float) -> None:
        super().show_work(work, now)
        sweep = self.sweep
        if sweep.said:
            self.say(sweep.said)
            sweep.said = ""
        self._notice.say(sweep.notice(now))
        self._progress.say(sweep.progress())
        self._show_sweep()
        self.show_keys()

    def _show_sweep(self) -> None:
        sweep = self.sweep
        shown = (sweep.changes, self.lines.size, self.chart.size)
        if shown == self._shown:
            return
        self._shown = shown
        report = sweep.recording.report() if sweep.recording is not None else None
        set_title(self.pane, sweep_view.title(report))
        width = max(20, self.lines.content_size.width - 1)
        if report is None or not report.sizes:
            texts = INVITATION if report is None else ()
            self.lines.show(sweep_view.paragraphs(texts, width))
            self.chart.show([])
            return
        lines: list[Line] = sweep_view.table(report, width)
        if sweep.stale:
            changed = "of the collective before: F5 sweeps what is typed now"
            lines = [(Segment(changed, "warning"),), *lines]
        lines += [(), *sweep_view.said(report, width)]
        self.lines.show(lines, stale=sweep.stale)
        room = self.chart.content_size
        self.chart.show(sweep_view.chart(report, room.width, room.height), stale=sweep.stale)

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self.explorer.show_work)

    def action_run(self) -> None:
        explorer = self.explorer
        if not explorer.files.may_run():
            return
        if explorer.work.phase == "gone":
            explorer.restart()
        if not self.sweep.run(explorer.now()):
            self.say("the sweep is running; ctrl+c stops it")
        explorer.show_work()

    def action_flip(self) -> None:
        self.toggle_class("-flipped")
        (self.chart if self.has_class("-flipped") else self.lines).focus()
        self.call_after_refresh(self.explorer.show_work)

    def action_back(self) -> None:
        self.app.pop_screen()

    def leave_field(self) -> None:
        self.action_back()

    @property
    def _measured(self) -> BandwidthReport | None:
        recording = self.sweep.recording
        return recording.report() if recording is not None and recording.sizes else None

    def text_to_copy(self) -> str:
        report = self._measured
        return bandwidth_words.to_csv(report) if report is not None else ""

    def action_export(self) -> None:
        from jaxtui.benchmark.screen.run_dialogs import ask_and_export

        report = self._measured
        if report is None:
            self.say("nothing has been measured yet")
            return

        def written(kind: str) -> str:
            words = bandwidth_words
            return words.markdown(report) if kind == "md" else words.to_csv(report)

        ask_and_export(self, report, "Save this sweep as", "bandwidth", FORMATS, written)

    def offers(self, command: Command) -> bool:
        if command.action == "app.stop":
            return command.scope == "bandwidth" and self.sweep.running
        if command.action == "screen.run":
            return not self.sweep.running
        if command.action == "screen.flip":
            return self.has_class("-low")
        if command.action in ("screen.export", "app.copy"):
            return self._measured is not None
        return super().offers(command)
