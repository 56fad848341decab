"""Messages about a benchmark: planning it, timing it, and what comes of each sample.

Times are in seconds, for one call of a strategy over the whole batch, unless noted otherwise.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.benchmark_report import (
    ArmStatistics,
    Conditions,
    Correct,
    Flag,
    Noise,
    Peak,
    PlannedPoint,
    Stages,
    StrategyInfo,
)
from jaxtui.wire.report import Environment, ProgramReport

BenchStageName = Literal[
    "tracing",
    "placing",
    "lowering",
    "compiling",
    "first call",
    "comparing",
    "warming",
    "calibrating",
    "timing",
    "peaks",
]


class PlanBench(Request, frozen=True, kw_only=True):
    """Ask what a Bench of this would time and what it would skip. Light.

    Nothing is compiled or computed. A newer PlanBench replaces a queued one.
    """

    composition: Composition
    benchmark: Benchmark


class Bench(Request, frozen=True, kw_only=True):
    """Time the strategies of `benchmark` over its sweep, on the worker.

    A second Bench waits for the first to end. A Cancel stops a running one between two samples: it
    then sends BenchFinished with `stopped`, and what was measured stays valid. If `paced`, the
    engine waits at each BenchGap for Continue, for at most 0.1 s, so that the screen can be painted
    while nothing is timed.
    """

    composition: Composition
    benchmark: Benchmark
    paced: bool = False


class Continue(Request, frozen=True, kw_only=True):
    """The screen has painted all events so far of the paced Bench or SweepBandwidth `target`."""

    target: int


class BenchPlanned(Event, frozen=True, kw_only=True):
    """Answers PlanBench.

    `strategies` are all that exist. A `diagnosis` applies to the whole benchmark.
    """

    strategies: list[StrategyInfo]
    points: list[PlannedPoint]
    notes: list[str]
    diagnosis: Diagnosis | None = None


class BenchStarted(Event, frozen=True, kw_only=True):
    """A Bench begins; `points` are the parameters at each point of the sweep, in order."""

    environment: Environment
    conditions: Conditions
    points: list[dict[str, int | float | str]]
    notes: list[str]


class BenchPoint(Event, frozen=True, kw_only=True):
    """A point begins; sent again when its baseline fails and another strategy replaces it."""

    point: PlannedPoint


class BenchProgram(Event, frozen=True, kw_only=True):
    """The program's report at the first point, with the output of the baseline."""

    report: ProgramReport


class BenchStage(Event, frozen=True, kw_only=True):
    """A stage of `arm` has begun, or of the point or the whole run if `arm` is None."""

    point: int
    arm: int | None
    stage: BenchStageName


class BenchPrepared(Event, frozen=True, kw_only=True):
    """An arm was compiled, was warmed up (sent again), or failed (`skipped` is the reason).

    `stablehlo` is a hash of its program, which was compiled `compilations` times.
    """

    point: int
    arm: int
    stages: Stages
    correct: Correct | None = None
    stablehlo: str | None = None
    compilations: int = 1
    calls: int = 1
    skipped: str | None = None


class BenchSample(Event, frozen=True, kw_only=True):
    """One sample: seconds per call, averaged over `calls` calls of one compilation of the arm.

    `processes` has those of every process, where several take part, of which the slowest counts.
    """

    point: int
    arm: int
    round: int
    order: int
    compilation: int
    seconds: float
    processes: list[float] = field(default_factory=list)


class BenchGap(Event, frozen=True, kw_only=True):
    """A `paced` Bench pauses until Continue, so that the screen can be painted.

    Samples and rounds received since the last gap should be painted now, not on arrival, when
    painting would disturb the timing.
    """

    point: int


class BenchRound(Event, frozen=True, kw_only=True):
    """A round has ended. `flags` are those of every round of the point so far, this one last.

    `rounds` is the number of rounds expected, `seconds_left` the estimated time left for the point.
    """

    point: int
    round: int
    rounds: int
    seconds_left: float
    noise: Noise
    flags: list[list[Flag]]
    statistics: list[ArmStatistics]


class BenchPeaks(Event, frozen=True, kw_only=True):
    """The devices' peak rates, measured after all points."""

    peaks: list[Peak]


class BenchFinished(Event, frozen=True, kw_only=True):
    """A Bench or a SweepBandwidth has ended, by a Cancel if `stopped`.

    Before it, a BenchRound with more exact statistics is sent for every point that has samples.
    """

    stopped: bool
    seconds: float
