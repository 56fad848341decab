"""The pane of the benchmark table: progress, notice, the table of one point, and its noise."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from textual.app import ComposeResult
from textual.containers import Vertical

from jaxtui.benchmark import kept_runs
from jaxtui.benchmark.screen import rows, view
from jaxtui.benchmark.screen.table import BenchmarkTable
from jaxtui.benchmark.screen.work import BenchmarkWork
from jaxtui.screen.field import FixedText, Notice
from jaxtui.screen.titles import set_title
from jaxtui.wire.benchmark_report import PlannedPoint, PointReport
from jaxtui.wire.report import Environment


class TablePane(Vertical):
    """Shows one point of the sweep, the newest unless `point` is set."""

    def __init__(self, bench: BenchmarkWork) -> None:
        super().__init__(id="benchmark-table", classes="pane")
        self._bench = bench
        self.point: int | None = None  # which of the sweep is shown; None follows the run
        self.table = BenchmarkTable()
        self._progress = FixedText(id="benchmark-progress")
        self._notice = Notice(id="benchmark-notice")
        self._foot = FixedText(id="benchmark-foot")
        self._table_height: int | str = ""

    def compose(self) -> ComposeResult:
        yield self._progress
        yield self._notice
        yield self.table
        yield self._foot

    def _points(self) -> Sequence[PointReport | PlannedPoint]:
        """The points of the run, or of the plan until a run has points."""
        report, plan = self._bench.report, self._bench.plan
        if report is not None and report.points:
            return report.points
        return plan.points if plan is not None else []

    def points(self) -> tuple[int, int]:
        """The number of points, and the index of the shown one."""
        points = self._points()
        newest = len(points) - 1 if points and isinstance(points[0], PointReport) else 0
        shown = newest if self.point is None else self.point
        return len(points), max(0, min(shown, len(points) - 1))

    def shown_point(self) -> PointReport | PlannedPoint | None:
        points = self._points()
        return points[self.points()[1]] if points else None

    def show_progress(self, now: float) -> None:
        line = view.progress(self._bench, now, max(30, self.screen.size.width - 2))
        self._progress.say(line)
        self._progress.set_class(bool(line), "-shown")
        self._notice.say(self._bench.notice(now))

    def show(self, environment: Environment | None) -> None:
        bench, place = self._bench, self.points()
        point = self.shown_point()
        report = bench.report
        session = bench.session
        if report is not None and report.points:
            with suppress(kept_runs.RunError):
                session = kept_runs.session_of(report)
        width = self.screen.size.width - 4
        set_title(self, view.title(bench, session, environment, point, (place[1], place[0]), width))
        foot = ""
        if isinstance(point, PointReport):
            shown = rows.report_rows(point, *view.being_prepared(bench, place[1]))
            foot = rows.flagged_words(point)
        else:
            shown = rows.planned_rows(point) if point is not None else []
        self.table.show_rows(shown, stale=bench.stale)
        if point is not None and point.error is not None:
            foot = f"{point.error.field}: {point.error.message}"
        self._foot.say(foot)
        self._foot.set_class(bool(foot), "-shown")
        self.call_after_refresh(self.fit)

    def fit(self) -> None:
        """Fit the height of the table to its rows and the screen."""
        if self.screen.has_class("-low"):
            wanted: int | str = "1fr"
        else:
            wanted = max(5, min(self.table.wanted_height, self.screen.size.height - 20))
        if wanted != self._table_height:
            self._table_height = wanted
            self.table.styles.height = wanted
