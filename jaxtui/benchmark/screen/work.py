"""What to ask the engine about a benchmark and when, and what has come of it so far.

No Textual, no clock: like `state.Work`, beside which it works on the same engine. What is timed is
the program of the session when it has a benchmark, else the tutorial's task.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from jaxtui import lessons
from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.program.screen.work import NAMED, PRINTED_CHARACTERS, QUIET, REST, Work, ended_words
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.session import Benchmark, Session, with_field
from jaxtui.wire.base import Cancel, Cancelled, Composition, Failed, Gone, Printed, Ready
from jaxtui.wire.benchmark import (
    Bench,
    BenchGap,
    BenchmarkReport,
    BenchPlanned,
    BenchPoint,
    BenchRound,
    BenchSample,
    BenchStage,
    BenchStageName,
    Continue,
    PlanBench,
    StrategyInfo,
)
from jaxtui.wire.protocol import AnyEvent, AnyRequest

STOP_SECONDS = 2.0  # for the engine to come to the end of a sample, after which it is ended
# Stages in which nothing is timed: the seconds of these may be counted on the screen.
UNTIMED: frozenset[BenchStageName] = frozenset(
    {"tracing", "placing", "lowering", "compiling", "first call", "comparing"}
)
Subject = Literal["session", "task"]

TASK = "benchmark"
"""The lesson with the tutorial's benchmark."""


class Asked(Struct, frozen=True):
    """A benchmark with all that its figures depend on."""

    composition: Composition
    benchmark: Benchmark


class Opened(Struct, frozen=True):
    """A run that was kept, read back."""

    path: Path
    report: BenchmarkReport


class BenchmarkWork:
    """The work on a benchmark: the state that the Benchmark screen shows."""

    def __init__(
        self,
        work: Work,
        *,
        send: Callable[[AnyRequest], None],
        next_id: Callable[[], int],
        keep: Callable[[BenchmarkReport], Path] = bench_runs.keep,
    ) -> None:
        self._work = work
        self._send = send
        self._next_id = next_id
        self._keep = keep
        self.active = False  # the screen has been opened: before that nothing is asked
        self.chosen: Subject | None = None
        self.task = lessons.load(TASK)
        self.plan: BenchPlanned | None = None
        self.plan_of: Asked | None = None
        self.strategies: list[StrategyInfo] = []
        self.recording: BenchmarkRecording | None = None
        self.opened: Opened | None = None  # shown in place of the run
        self.other: Opened | None = None  # compared with what is shown
        self.kept: Path | None = None
        self.said = ""  # what there is to tell the user once, such as where a run is kept
        self.printed = {"trace": "", "run": ""}  # by the function, while planned and while timed
        self.stopping: float | None = None
        self.stage_since = 0.0
        self.point_since = 0.0
        self.durations: list[float] = []  # of the points that are over
        self.changes = 0  # grows with everything that a screen would show
        self._ran_of: Asked | None = None
        self._plan_id = 0
        self._planning: Asked | None = None
        self._planning_since = 0.0
        self._rest_at = 0.0
        self._known: Asked | None = None
        self._wanted = False  # a run that waits for the engine to be up
        self._painting: int | None = None  # the Bench that waits until what came is painted
        self._report: tuple[int, BenchmarkReport] | None = None

    # ------------------------------------------------------------------------- what is composed

    @property
    def subject(self) -> Subject:
        """Whose program is timed."""
        if self.chosen is not None:
            return self.chosen
        return "task" if self._work.session.benchmark is None else "session"

    @property
    def session(self) -> Session:
        """What is timed, on the session's own devices, with its benchmark."""
        own = self._work.session
        if self.subject == "task":
            return msgspec.structs.replace(self.task, devices=own.devices)
        return msgspec.structs.replace(own, benchmark=own.benchmark or Benchmark())

    @property
    def benchmark(self) -> Benchmark:
        """What is asked."""
        return self.session.benchmark or Benchmark()

    @property
    def asked(self) -> Asked:
        """All that the figures depend on."""
        session = self.session
        return Asked(
            Composition(
                program=session.program,
                parameters=session.parameters,
                devices=session.devices,
                folder=self._work.folder,
            ),
            self.benchmark,
        )

    def choose(self, subject: Subject, now: float) -> None:
        """Time the session's program, or the tutorial's task."""
        self.chosen = subject
        self.edited(now)
        self._rest_at = now

    def fixed(self, fix: Fix) -> Benchmark:
        """The benchmark with a fix applied to one of its fields. Raises KeyError, SessionError."""
        changed = with_field(self.session, fix.field, fix.text).benchmark
        assert changed is not None
        return changed

    # ------------------------------------------------------------------------- what is shown

    @property
    def running(self) -> bool:
        """Whether a run is in hand."""
        return self.recording is not None and not self.recording.ended

    @property
    def report(self) -> BenchmarkReport | None:
        """What is shown: a run that was opened, else the newest as far as it has come."""
        if self.opened is not None:
            return self.opened.report
        if self.recording is None or not self._worth_showing(self.recording):
            return None
        if self._report is None or self._report[0] != self.changes:
            self._report = (self.changes, self.recording.report())
        return self._report[1]

    @staticmethod
    def _worth_showing(recording: BenchmarkRecording) -> bool:
        """Not a run that was ended before anything was timed: the plan says more."""
        failed = any(point.plan.error is not None for point in recording.points)
        return not recording.ended or recording.sampled or failed

    @property
    def output(self) -> str:
        """What the function printed: while it was timed, else while the plan was made."""
        if self.opened is not None:
            return ""
        return self.printed["run"] or self.printed["trace"]

    @property
    def stale(self) -> bool:
        """Whether what is shown is not of what is typed."""
        if self.opened is not None:
            return False
        return self.recording is not None and not self.running and self._ran_of != self.asked

    @property
    def plan_fresh(self) -> bool:
        """Whether the plan is of what is typed."""
        return self.plan is not None and self.plan_of == self.asked

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with what is typed."""
        if self.plan is not None and self.plan_of == self.asked and self.plan.diagnosis is not None:
            return self.plan.diagnosis
        recording = self.recording
        if recording is not None and recording.error is not None and self._ran_of == self.asked:
            return recording.error if recording.error.kind != "engine" else None
        return None

    @property
    def busy(self) -> bool:
        """Whether something is waited for whose seconds are to be counted.

        Not while anything is timed: a repaint would share the machine with a sample.
        """
        if self._wanted or self.stopping is not None or self._planning is not None:
            return True
        return self.running and not self.timing

    @property
    def timing(self) -> bool:
        """Whether samples are being taken, or calls that warm up for them."""
        if self.recording is None or self.recording.ended:
            return False
        stage = self.recording.stage
        started = self.recording.environment is not None
        return started and (stage is None or stage.stage not in UNTIMED)

    def words(self) -> str:
        """What the engine does for the benchmark, for the line over every screen; "" nothing."""
        recording = self.recording
        if recording is None or recording.ended:
            return ""
        if self.stopping is not None:
            return "stopping the benchmark"
        stage = recording.stage
        if stage is not None:
            return f"benchmark: {stage.stage}"
        point = recording.points[-1] if recording.points else None
        if point is None or not point.rounds:
            return "benchmark"
        return f"benchmark {len(point.noise)}/{point.rounds}"

    def notice(self, now: float) -> str:
        """What stands over the table: why nothing comes, "" when there is nothing to say."""
        work, recording = self._work, self.recording
        if not work.trusted and self.subject == "session":
            return "This file has not run: its source was not accepted yet. F5 shows it and asks."
        if work.phase == "gone" and work.gone is not None:
            held = " What was measured is kept." if recording and recording.sampled else ""
            ended = ended_words(work.gone.reason)
            return f"{ended}.{held} R starts it again, F5 as well."
        if self.stopping is not None:
            waited = now - self.stopping
            if waited >= QUIET:
                return "Stopping: the call in hand has to end. ctrl+c again ends the engine."
        if self._wanted:
            return "It begins as soon as the engine is up."
        if recording is None or self.opened is not None:
            return ""
        if recording.error is not None:
            # What is wrong with a field of this screen stands at the field, too.
            field = recording.error.field
            place = "" if not field or field.startswith("benchmark.") else f"{field}: "
            return f"{place}{recording.error.message}"
        if recording.ended and not self._worth_showing(recording):
            return f"The run {recording.ended} before anything was timed."
        return ""

    def stage_words(self, now: float) -> str:
        """What is being prepared, with its seconds once they are many."""
        recording = self.recording
        if recording is None or recording.stage is None:
            return ""
        stage = recording.stage
        arm = None
        if stage.arm is not None and stage.point < len(recording.points):
            arms = recording.points[stage.point].plan.arms
            arm = next((arm for arm in arms if arm.arm == stage.arm), None)
        name = "" if arm is None else f" {arm.strategy}"
        if arm is not None and arm.devices > 1:
            name += f" on {arm.devices} devices"
        waited = now - self.stage_since
        counted = stage.stage in UNTIMED and waited >= NAMED
        return f"{stage.stage}{name}" + (f", {waited:.0f} s" if counted else "")

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the end of the run, None as long as no round tells."""
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
        """The screen is on view."""
        if not self.active:
            self.active = True
            self._rest_at = now
        self.rested(now)

    def edited(self, now: float) -> None:
        """What is composed may have changed: plan it once typing rests."""
        asked = self.asked
        if asked != self._known:
            self._known = asked
            self._rest_at = now + REST
            self.changes += 1

    def rested(self, now: float) -> None:
        """Typing may have come to rest."""
        if not self.active or self._work.phase != "ready" or now < self._rest_at:
            return
        if self._wanted:
            self._start(now)
        asked = self.asked
        if self.plan_of == asked or self._planning == asked or not self._may_plan():
            return
        self._plan_id = self._next_id()
        self._planning, self._planning_since = asked, now
        self.printed["trace"] = ""
        self._send(
            PlanBench(id=self._plan_id, composition=asked.composition, benchmark=asked.benchmark)
        )

    def _may_plan(self) -> bool:
        # The plan of what is being timed is told with the run; tracing takes the place of samples.
        if self.running:
            return False
        return self._work.trusted or self.subject == "task"

    def run(self, now: float) -> bool:
        """The user asks for a run; False while one is in hand, which another never runs beside."""
        if self.running:
            return False
        self.opened = None
        if self._work.phase == "ready":
            self._start(now)
        else:
            self._wanted = True
        self.changes += 1
        return True

    def _start(self, now: float) -> None:
        self._wanted = False
        if self._planning is not None:
            self._send(Cancel(id=self._next_id(), target=self._plan_id))
            self._planning = None
        asked = self.asked
        self._ran_of = asked
        number = self._next_id()
        self.recording = BenchmarkRecording(number, self.session)
        self.kept, self.stopping = None, None
        self.printed["run"] = ""
        self.durations, self.point_since, self.stage_since = [], now, now
        self._send(
            Bench(id=number, composition=asked.composition, benchmark=asked.benchmark, paced=True)
        )

    def stop(self, now: float) -> Literal["", "asked", "end"]:
        """End the run: between two samples at first, asked again with the engine."""
        if self._wanted:
            self._wanted = False
            return "asked"
        if not self.running or self.recording is None:
            return ""
        if self.stopping is None:
            self.stopping = now
            self._send(Cancel(id=self._next_id(), target=self.recording.request))
            self.changes += 1
            return "asked"
        return "end"

    def overdue(self, now: float) -> bool:
        """Whether the call in hand does not end, so that the engine is to be ended."""
        return self.running and self.stopping is not None and now - self.stopping > STOP_SECONDS

    def restarted(self) -> None:
        """A fresh engine is starting; the old one's end is told by Gone."""
        self._forget_engine()

    def left(self) -> None:
        """The explorer is left: a run in hand ends, and what it has is kept."""
        if self.running and self.recording is not None:
            self.recording.lost("stopped when the explorer was left")
            self._conclude()

    def _forget_engine(self) -> None:
        self._planning = None
        self.plan_of = None
        self.stopping = None

    def take_painted(self) -> Continue | None:
        """What to send once what came is on screen."""
        target, self._painting = self._painting, None
        return None if target is None else Continue(id=self._next_id(), target=target)

    def show_run(self, opened: Opened | None) -> None:
        """Show an earlier run, or the newest again."""
        self.opened = opened
        self.changes += 1

    def compare_with(self, other: Opened | None) -> None:
        """Hold another run against what is shown."""
        self.other = other
        self.changes += 1

    # ------------------------------------------------------------------------- what is answered

    def owns(self, id: int) -> bool:
        """Whether an event with this id answers a request of ours."""
        if id == 0:
            return False
        recording = self.recording
        return id == self._plan_id or (recording is not None and id == recording.request)

    def on(self, event: AnyEvent, now: float) -> None:
        """Take in what the engine says, or the client about it."""
        if isinstance(event, Gone):
            self._forget_engine()
        elif isinstance(event, Ready):
            self._rest_at = min(self._rest_at, now)
        if isinstance(event, Printed):
            self._on_printed(event)
            return
        if event.id == self._plan_id and event.id:
            self._on_plan(event)
        recording = self.recording
        if recording is None or not self.running:
            return
        self._note_moments(event, recording, now)
        if recording.take(event):
            if not isinstance(event, BenchSample | BenchRound):
                self.changes += 1
            if isinstance(event, BenchGap):
                self._painting = event.id
            self._conclude()

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
            case Cancelled():
                pass
        self.changes += 1

    def _conclude(self) -> None:
        """Keep a run that is over."""
        recording = self.recording
        if recording is None or not recording.ended:
            return
        self.stopping = None
        self.changes += 1
        if not recording.sampled:
            return
        try:
            self.kept = self._keep(recording.report())
            self.said = f"kept as {self.kept.name}; r lists earlier runs"
        except bench_runs.RunError as error:
            self.said = str(error)
