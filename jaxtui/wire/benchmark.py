"""What a benchmark plans, measures and concludes: Structs for the wire and for `bench --json`.

Times are seconds for one call of a strategy over the whole batch.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.session import Benchmark
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.report import Environment, ProgramReport

Parameter = int | float | str
Role = Literal["baseline", "strategy", "control"]
Verdict = Literal["faster", "slower", "within noise"]
Flag = Literal["switched out", "waited to run", "stolen", "less CPU", "disturbed"]
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


class StrategyInfo(Struct, frozen=True, kw_only=True):
    """A strategy that there is.

    `multi`: it divides the batch over several devices; `by_default`: it is timed when none are
    chosen.
    """

    name: str
    title: str
    multi: bool
    by_default: bool = True


# ---------------------------------------------------------------------------------------- the plan


class PlannedArm(Struct, frozen=True, kw_only=True):
    """One row of a point: a strategy on so many devices.

    The control is the baseline again, the A/A pair. `python` is the strategy in bare JAX.
    `skipped` says why it is not run, None when it is; `warning` what is doubtful. `operations` is
    relative to the baseline's. `padded` counts the examples that were added.
    """

    arm: int
    strategy: str
    devices: int
    role: Role = "strategy"
    python: str = ""
    operations: float | None = None
    flops: int | None = None
    bytes: int | None = None
    memory: int | None = None
    padded: int = 0
    skipped: str | None = None
    fixes: list[Fix] = []
    warning: str | None = None


class PlannedPoint(Struct, frozen=True, kw_only=True):
    """One value of the sweep. With an `error` it has no arms and nothing of it is run."""

    point: int
    parameters: dict[str, Parameter]
    batch: int
    arms: list[PlannedArm]
    error: Diagnosis | None = None


# ------------------------------------------------------------------------------------ measurements


class Stages(Struct, frozen=True, kw_only=True):
    """Seconds of what comes before steady running, None where there is no such stage.

    `first` is the first call. Before 0.8 JAX compiles a pmap for it once more.
    """

    place: float | None = None
    trace: float | None = None
    lower: float | None = None
    compile: float | None = None
    first: float | None = None


class Correct(Struct, frozen=True, kw_only=True):
    """An arm's output against the reference's: how many elements of `count` are wrong, and the
    largest difference in units of the last place of the largest element (None for exact types)."""

    wrong: int
    count: int
    max_ulp: float | None


class Noise(Struct, frozen=True, kw_only=True):
    """What the system did to a round, None where it does not tell.

    `switches` are involuntary context switches; `waited` seconds that threads of the process were
    ready and not running, `stolen` seconds that the hypervisor took, `cpu` the CPU seconds used
    for each second of the clock.
    """

    seconds: float
    switches: int | None
    waited: float | None
    stolen: float | None
    cpu: float | None


class Sample(Struct, frozen=True, kw_only=True):
    """Seconds per call of one `compilation` of the program; `order` is its place in its round (all
    from 0)."""

    seconds: float
    round: int
    order: int
    compilation: int = 0
    flags: list[Flag] = []


class Speedup(Struct, frozen=True, kw_only=True):
    """How many times faster than `against`, below 1 slower; `low` and `high` bound it at 99 %."""

    against: str
    value: float
    low: float
    high: float


class Location(Struct, frozen=True, kw_only=True):
    """Where samples lie: `low` and `high` bound the median at 99 %.

    `mad` is not scaled to a normal's sigma. `p90` is None below 64 samples, `p99` below 662.
    """

    n: int
    median: float
    low: float
    high: float
    mad: float
    iqr: float
    min: float
    p90: float | None = None
    p99: float | None = None


class ArmStatistics(Location, frozen=True, kw_only=True):
    """What an arm's samples come to, after whole rounds.

    `clean_median` is of the rounds without a flag. The baseline has no speed-up and no verdict.
    `seen` is the smallest effect that would have had a verdict (0.03 is 3 %), None when the rounds
    are too few for any.
    """

    arm: int
    clean_median: float | None = None
    clean_n: int = 0
    speedup: Speedup | None = None
    p_value: float | None = None
    verdict: Verdict | None = None
    seen: float | None = None


class Peak(Struct, frozen=True, kw_only=True):
    """The most that was measured on `devices` devices together: operations and bytes a second."""

    devices: int
    dtype: str
    flops: float
    bytes: float


# ----------------------------------------------------------------------------------------- reports


class StrategyReport(Struct, frozen=True, kw_only=True):
    """A strategy at one point, as `bench --json` prints it.

    `compilations` is how many times the program was compiled, each with samples of its own, so
    that what lies where in memory weighs less. `calls` is how many calls one sample averages.
    `flops_rate` and `bytes_rate` are a second; `of_peak` relates them to what the roofline allows
    at this intensity; its `roof` is the peak that was measured, or where a strategy was faster the
    most that was reached.
    """

    name: str
    devices: int
    role: Role
    python: str
    stages: Stages
    samples: list[Sample]
    calls: int
    compilations: int = 1
    median: float | None = None
    low: float | None = None
    high: float | None = None
    mad: float | None = None
    iqr: float | None = None
    min: float | None = None
    n: int = 0
    p90: float | None = None
    p99: float | None = None
    clean_median: float | None = None
    clean_n: int = 0
    speedup: Speedup | None = None
    p_value: float | None = None
    verdict: Verdict | None = None
    seen: float | None = None
    correct: Correct | None = None
    operations: float | None = None
    flops: int | None = None
    bytes: int | None = None
    memory: int | None = None
    flops_rate: float | None = None
    bytes_rate: float | None = None
    of_peak: float | None = None
    roof: Literal["measured", "reached"] | None = None
    padded: int = 0
    stablehlo: str | None = None
    skipped: str | None = None
    fixes: list[Fix] = []
    warning: str | None = None


class Control(Struct, frozen=True, kw_only=True):
    """The A/A pair: the baseline against itself. Its `ratio` is what no difference looks like."""

    strategy: str
    devices: int
    ratio: float | None
    interval: tuple[float, float] | None
    median: float | None
    verdict: Verdict | None
    samples: list[Sample]


class Round(Struct, frozen=True, kw_only=True):
    """A finished round: what the system did to it, and the flags that follow from that."""

    noise: Noise
    flags: list[Flag]


class PointReport(Struct, frozen=True, kw_only=True):
    """One value of the sweep."""

    parameters: dict[str, Parameter]
    batch: int
    control: Control | None
    strategies: list[StrategyReport]
    rounds: list[Round]
    error: Diagnosis | None = None


class Scaling(Struct, frozen=True, kw_only=True):
    """A strategy on `devices` devices against itself on one.

    Strong: the same batch, T1/(n Tn). Weak: n times the batch, T1/Tn. `ceiling` is what n virtual
    devices can reach on the cores there are, None where devices are real.
    """

    kind: Literal["strong", "weak"]
    strategy: str
    devices: int
    point: int
    efficiency: float
    ceiling: float | None


class Conditions(Struct, frozen=True, kw_only=True):
    """How the run was made, so that it can be made again.

    `source` is a hash of program, parameters and devices; `affinity` the cores the process may
    use, `load` the system's load average over 1, 5 and 15 minutes when it began.
    """

    baseline: str
    mode: Literal["latency", "throughput"]
    rounds: int
    exact_rounds: bool
    budget: float
    seed: int
    pad: bool
    source: str
    affinity: list[int]
    load: list[float]


class MeasuredReport(Struct, frozen=True, kw_only=True):
    """What the reports of all runs begin with.

    `ended` is "complete", "stopped", or why it ended early; what was measured before is there.
    `began` is the time in UTC, ISO 8601.
    """

    session: str
    title: str
    ok: bool
    ended: str
    began: str
    seconds: float
    version: str
    environment: Environment | None


class BenchmarkReport(MeasuredReport, frozen=True, kw_only=True):
    """What `jaxtui bench --json` prints for a session, and what is kept of a run."""

    conditions: Conditions | None
    program: ProgramReport | None
    points: list[PointReport]
    peaks: list[Peak]
    scaling: list[Scaling]
    notes: list[str]
    composition: Any
    error: Diagnosis | None


class PlanBench(Request, frozen=True, kw_only=True):
    """What a Bench of this would time, and why it would skip what it skips. Light.

    A newer PlanBench replaces a waiting one. Nothing is compiled or computed.
    """

    composition: Composition
    benchmark: Benchmark


class Bench(Request, frozen=True, kw_only=True):
    """Time the strategies of `benchmark` over its sweep, on the worker.

    A second Bench waits for the first to end. Cancel ends a running one at the next gap between
    two samples: it then ends with BenchFinished (`stopped`), and what was measured holds. With
    `paced`, at each BenchGap the engine waits for Continue, or for 0.1 s, so that a screen can be
    painted while nothing is timed.
    """

    composition: Composition
    benchmark: Benchmark
    paced: bool = False


class Continue(Request, frozen=True, kw_only=True):
    """The screen has painted what it got of the paced Bench or SweepBandwidth `target`."""

    target: int


class BenchPlanned(Event, frozen=True, kw_only=True):
    """Answers PlanBench; `strategies` are all that there are. A `diagnosis` holds for the whole."""

    strategies: list[StrategyInfo]
    points: list[PlannedPoint]
    notes: list[str]
    diagnosis: Diagnosis | None = None


class BenchStarted(Event, frozen=True, kw_only=True):
    """A Bench begins; `points` are the values of its sweep in order."""

    environment: Environment
    conditions: Conditions
    points: list[dict[str, int | float | str]]
    notes: list[str]


class BenchPoint(Event, frozen=True, kw_only=True):
    """A point begins, as planned; sent again when its baseline falls out and another takes over."""

    point: PlannedPoint


class BenchProgram(Event, frozen=True, kw_only=True):
    """The program as it ran at the first point, its output that of the baseline."""

    report: ProgramReport


class BenchStage(Event, frozen=True, kw_only=True):
    """A stage of `arm` (None: of the point or the whole run) has begun."""

    point: int
    arm: int | None
    stage: BenchStageName


class BenchPrepared(Event, frozen=True, kw_only=True):
    """An arm is compiled, warm (sent again), or falls out (`skipped` says why).

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
    """One sample: seconds per call, averaged over the arm's `calls` of one of its compilations."""

    point: int
    arm: int
    round: int
    order: int
    compilation: int
    seconds: float


class BenchGap(Event, frozen=True, kw_only=True):
    """Of a `paced` Bench: nothing is timed until Continue, so that what came can be painted.

    Samples and rounds that came before it are to be painted now, and not when they came.
    """

    point: int


class BenchRound(Event, frozen=True, kw_only=True):
    """A round is over. `flags` are those of every round of the point so far, this one last.

    `rounds` is how many there will be as far as is known, `seconds_left` an estimate for the point.
    """

    point: int
    round: int
    rounds: int
    seconds_left: float
    noise: Noise
    flags: list[list[Flag]]
    statistics: list[ArmStatistics]


class BenchPeaks(Event, frozen=True, kw_only=True):
    """What the devices reach at most, measured after the points."""

    peaks: list[Peak]


class BenchFinished(Event, frozen=True, kw_only=True):
    """Ends a Bench or a SweepBandwidth; `stopped`: a Cancel ended it. For every point of a Bench
    that has samples a BenchRound with more exact statistics precedes it."""

    stopped: bool
    seconds: float
