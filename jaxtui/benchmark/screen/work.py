"""The state behind the Benchmark screen: the plan and the run of a benchmark.

What is timed is the session's program if it has a benchmark, else the tutorial's task.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from jaxtui import lessons
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.benchmark.screen.timed_work import UNTIMED, TimedWork
from jaxtui.screen.open_session import NAMED, OpenSession
from jaxtui.screen.work import PRINTED_CHARACTERS, REST
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import BENCHMARK
from jaxtui.session.session import Benchmark, Session, with_field
from jaxtui.wire.base import Composition, Failed, Gone, Printed, Ready
from jaxtui.wire.benchmark import (
    Bench,
    BenchGap,
    BenchPlanned,
    BenchPoint,
    BenchRound,
    BenchSample,
    BenchStage,
    PlanBench,
)
from jaxtui.wire.benchmark_report import BenchmarkReport, PlannedArm, StrategyInfo
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import Environment

Subject = Literal["session", "task"]

TASK = "benchmark"
"""The lesson with the tutorial's benchmark."""


class AskedBenchmark(Struct, frozen=True):
    """A benchmark and everything its figures depend on."""

    composition: Composition
    benchmark: Benchmark
    file_changes: int = 0


class Opened(Struct, frozen=True):
    """A kept run, read from disk."""

    path: Path
    report: BenchmarkReport


class BenchmarkWork(TimedWork[AskedBenchmark, BenchmarkRecording]):
    """The benchmark of a session: requests, plan, recording, and the runs opened to look at."""

    SCREEN, TITLE = "benchmark", "the benchmark"
    PAINTED = BenchGap
    KEPT_HINT = "; r lists earlier runs"

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.active = False  # the screen has been opened: before that nothing is asked
        self.chosen: Subject | None = None
        self.task = self._given = lessons.load(TASK)
        assert self.task.benchmark is not None
        self._most = max(self.task.benchmark.devices)
        self.plan: BenchPlanned | None = None
        self.plan_of: AskedBenchmark | None = None
        self.strategies: list[StrategyInfo] = []
        self.opened: Opened | None = None  # shown in place of the run
        self.other: Opened | None = None  # compared with what is shown
        self.printed = {"trace": "", "run": ""}  # by the function, while planned and while timed
        self.stage_since = 0.0
        self.point_since = 0.0
        self.durations: list[float] = []  # of the points that are over
        self._plan_id = 0
        self._planning: AskedBenchmark | None = None
        self._rest_at = 0.0
        self._known: AskedBenchmark | None = None
        self._report: tuple[int, BenchmarkReport] | None = None
        if open_session.environment is not None:
            self._fit_task(open_session.environment)

    # ------------------------------------------------------------------------- what is composed

    @property
    def subject(self) -> Subject:
        """Whose program is timed."""
        if self.chosen is not None:
            return self.chosen
        return "task" if self.open_session.session.benchmark is None else "session"

    @property
    def session(self) -> Session:
        """The timed session, on the open session's devices."""
        own = self.open_session.session
        if self.subject == "task":
            return msgspec.structs.replace(self.task, devices=own.devices)
        return msgspec.structs.replace(own, benchmark=own.benchmark or Benchmark())

    @property
    def benchmark(self) -> Benchmark:
        return self.session.benchmark or Benchmark()

    @property
    def asked(self) -> AskedBenchmark:
        session, composition = self.session, self.open_session.composition
        composition = msgspec.structs.replace(
            composition, program=session.program, parameters=session.parameters
        )
        changes = self.open_session.file_changes if self.subject == "session" else 0
        return AskedBenchmark(composition, self.benchmark, changes)

    def choose(self, subject: Subject, now: float) -> None:
        self.chosen = subject
        self.edited(now)
        self._rest_at = now

    def fixed(self, fix: Fix) -> Benchmark:
        """The benchmark after a fix. Raises KeyError, SessionError."""
        changed = with_field(self.session, fix.field, fix.text).benchmark
        assert changed is not None
        return changed

    # ------------------------------------------------------------------------- what is shown

    @property
    def report(self) -> BenchmarkReport | None:
        """The report on show: of the opened run, else of the newest so far."""
        if self.opened is not None:
            return self.opened.report
        if self.recording is None or not self._worth_showing(self.recording):
            return None
        if self._report is None or self._report[0] != self.changes:
            self._report = (self.changes, self.recording.report())
        return self._report[1]

    @staticmethod
    def _worth_showing(recording: BenchmarkRecording) -> bool:
        """False for a run that ended before any sample: the plan tells more."""
        failed = any(point.plan.error is not None for point in recording.points)
        return not recording.ended or recording.sampled or failed

    @property
    def output(self) -> str:
        """What the function printed while it was timed, else while it was planned."""
        if self.opened is not None:
            return ""
        return self.printed["run"] or self.printed["trace"]

    @property
    def stale(self) -> bool:
        """Whether the report belongs to an earlier version of the input."""
        if self.opened is not None:
            return False
        return self.recording is not None and not self.running and self._ran_of != self.asked

    @property
    def plan_fresh(self) -> bool:
        """Whether the plan belongs to the current input."""
        return self.plan is not None and self.plan_of == self.asked

    @property
    def diagnosis(self) -> Diagnosis | None:
        if self.plan is not None and self.plan_fresh and self.plan.diagnosis is not None:
            return self.plan.diagnosis
        return super().diagnosis

    @property
    def busy(self) -> bool:
        return self._planning is not None or super().busy

    def _progress_words(self, recording: BenchmarkRecording) -> str:
        stage = recording.stage
        if stage is not None:
            return f"benchmark: {stage.stage}"
        point = recording.points[-1] if recording.points else None
        if point is None or not point.rounds:
            return "benchmark"
        return f"benchmark {len(point.noise)}/{point.rounds}"

    @property
    def _runs_source(self) -> bool:
        return self.subject == "session"

    def notice(self, now: float) -> str:
        recording = self.recording
        if hindrance := super().notice(now):
            return hindrance
        if self._wanted:
            return "It begins as soon as the engine is up."
        if recording is None or self.opened is not None:
            return ""
        if recording.error is not None:
            # What is wrong with a field of this screen stands at the field, too.
            field = recording.error.field
            place = "" if not field or field.under(BENCHMARK) else f"{field}: "
            return f"{place}{recording.error.message}"
        if recording.ended and not self._worth_showing(recording):
            return f"The run {recording.ended} before anything was timed."
        return ""

    @property
    def arm_in_stage(self) -> PlannedArm | None:
        """The row that the current stage prepares, None if the stage is not about one."""
        recording = self.recording
        stage = recording.stage if recording is not None else None
        if recording is None or stage is None or stage.point >= len(recording.points):
            return None
        arms = recording.points[stage.point].plan.arms
        return next((arm for arm in arms if arm.arm == stage.arm), None)

    def stage_words(self, now: float) -> str:
        """The stage and its row, with its seconds after a while."""
        recording = self.recording
        if recording is None or recording.stage is None:
            return ""
        stage, arm = recording.stage, self.arm_in_stage
        name = "" if arm is None else f" {arm.strategy}"
        if arm is not None and arm.devices > 1:
            name += f" on {arm.devices} devices"
        waited = now - self.stage_since
        counted = stage.stage in UNTIMED and waited >= NAMED
        return f"{stage.stage}{name}" + (f", {waited:.0f} s" if counted else "")

    def seconds_left(self, now: float) -> float | None:
        """Estimated seconds until the end of the run, None before the first round."""
        recording = self.recording
        if recording is None or not recording.points or not recording.points[-1].rounds:
            return None
        here = recording.points[-1].seconds_left
        others = len(recording.parameters) - len(recording.points)
        done = self.durations
        each = sum(done) / len(done) if done else now - self.point_since + here
        return here + max(0, others) * each

    # ------------------------------------------------------------------------- what is asked

    def open(self, now: float) -> None:
        """The screen is shown: plan from now on."""
        if not self.active:
            self.active = True
            self._rest_at = now
        self.ask_due(now)

    def edited(self, now: float) -> None:
        asked = self.asked
        if asked != self._known:
            self._known = asked
            self._rest_at = now + REST
            self.changes += 1

    def ask_due(self, now: float) -> None:
        """Send the requests that are due once typing has paused."""
        if not self.active or self.phase != "ready" or now < self._rest_at:
            return
        if self._wanted:
            self._start(now)
        # The plan of what is being timed is told with the run; tracing takes the place of samples.
        if self.running or not (self.trusted or self.subject == "task"):
            return
        asked = self.asked
        if asked in (self.plan_of, self._planning):
            return
        self._plan_id = self._next_id()
        self._planning = asked
        self.printed["trace"] = ""
        self._send(
            PlanBench(id=self._plan_id, composition=asked.composition, benchmark=asked.benchmark)
        )

    def _send(self, request: AnyRequest) -> None:
        self.open_session.send(request, own=not self._runs_source)

    def run(self, now: float) -> bool:
        asked = super().run(now)
        if asked:
            self.opened = None
        return asked

    def _start(self, now: float) -> None:
        if self._planning is not None:
            self._cancel(self._plan_id)
            self._planning = None
        self.printed["run"] = ""
        self.durations, self.point_since, self.stage_since = [], now, now
        super()._start(now)

    def _begun(self, id: int, asked: AskedBenchmark) -> tuple[BenchmarkRecording, AnyRequest]:
        request = Bench(id=id, composition=asked.composition, benchmark=asked.benchmark, paced=True)
        return BenchmarkRecording(id, self.session), request

    def _forget_engine(self) -> None:
        super()._forget_engine()
        self._planning = None
        self.plan_of = None

    def show_run(self, opened: Opened | None) -> None:
        """Show an earlier run; None shows the newest again."""
        self.opened = opened
        self.changes += 1

    def compare_with(self, other: Opened | None) -> None:
        self.other = other
        self.changes += 1

    # ------------------------------------------------------------------------- what is answered

    def _fit_task(self, environment: Environment) -> None:
        """Let the tutorial's task, as long as nobody has changed it, divide over what there is."""
        benchmark = self._given.benchmark
        if self.task is self._given and benchmark is not None:
            counts = [min(self._most, environment.device_count)]
            fitted = msgspec.structs.replace(benchmark, devices=counts)
            self.task = self._given = msgspec.structs.replace(self._given, benchmark=fitted)

    def owns(self, id: int) -> bool:
        return super().owns(id) or (id != 0 and id == self._plan_id)

    def on(self, event: AnyEvent, now: float) -> bool:
        if isinstance(event, Printed):
            self._on_printed(event)
            return self.owns(event.id)
        if isinstance(event, Gone):
            self._forget_engine()
        elif isinstance(event, Ready):
            self._fit_task(event.environment)
            self._rest_at = min(self._rest_at, now)
        elif event.id and event.id == self._plan_id:
            self._on_plan(event)
        if self.recording is not None and self.running:
            self._note_moments(event, self.recording, now)
        return super().on(event, now)

    def _shows(self, event: AnyEvent) -> bool:
        return not isinstance(event, BenchSample | BenchRound)

    def _note_moments(self, event: AnyEvent, recording: BenchmarkRecording, now: float) -> None:
        if event.id != recording.request:
            return
        if isinstance(event, BenchStage):
            self.stage_since = now
        elif isinstance(event, BenchPoint) and event.point.point >= len(recording.points):
            if recording.points:
                self.durations.append(now - self.point_since)
            self.point_since = now

    def _on_printed(self, event: Printed) -> None:
        if not self.owns(event.id):
            return
        kind = "trace" if event.id == self._plan_id else "run"
        self.printed[kind] = (self.printed[kind] + event.text)[-PRINTED_CHARACTERS:]
        # While samples come it is painted with the next round, as they are.
        if kind == "trace" or not self.timing:
            self.changes += 1

    def _on_plan(self, event: AnyEvent) -> None:
        planning, self._planning = self._planning, None
        match event:
            case BenchPlanned():
                self.plan, self.plan_of = event, planning
                self.strategies = event.strategies
            case Failed():
                self.plan_of = planning
                self.plan = BenchPlanned(
                    id=event.id,
                    strategies=self.strategies,
                    points=[],
                    notes=[],
                    diagnosis=event.diagnosis,
                )
        self.changes += 1
