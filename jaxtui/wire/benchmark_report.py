"""What is planned, measured and worked out of a benchmark, also for `bench --json`.

Times are in seconds, for one call of a strategy over the whole batch, unless noted otherwise.
"""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.wire.report import Environment, ProgramReport

Parameter = int | float | str
Role = Literal["baseline", "strategy", "control"]
Verdict = Literal["faster", "slower", "within noise"]
Flag = Literal["switched out", "waited to run", "stolen", "less CPU", "disturbed"]


class StrategyInfo(Struct, frozen=True, kw_only=True):
    """An available strategy.

    `multi` is true if it splits the batch over several devices, `by_default` if it is timed when no
    strategies are chosen.
    """

    name: str
    title: str
    multi: bool
    by_default: bool = True


# ---------------------------------------------------------------------------------------- the plan


class PlannedArm(Struct, frozen=True, kw_only=True):
    """An arm of the experiment: a strategy on a number of devices.

    The control is the baseline again, for an A/A test. `python` is the strategy as bare JAX code.
    `skipped` is the reason why it is not run, or None; `warning` says what is doubtful about it.
    `operations` is relative to the baseline's. `padded` is the number of examples added so that the
    devices divide the batch. `processes` are those of an engine of several that hold its devices.
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
    processes: list[int] = []


class PlannedPoint(Struct, frozen=True, kw_only=True):
    """One value of the sweep. With an `error` it has no arms and is not run."""

    point: int
    parameters: dict[str, Parameter]
    batch: int
    arms: list[PlannedArm]
    error: Diagnosis | None = None


# ------------------------------------------------------------------------------------ measurements


class Stages(Struct, frozen=True, kw_only=True):
    """Seconds of each stage before the timed calls; None for a stage that an arm does not have.

    `first` is the first call, in which JAX before 0.8 compiles a pmap once more.
    """

    place: float | None = None
    trace: float | None = None
    lower: float | None = None
    compile: float | None = None
    first: float | None = None


class Correct(Struct, frozen=True, kw_only=True):
    """The comparison of an arm's output with the reference: `wrong` of `count` elements differ.

    `max_ulp` is the largest difference in units in the last place of the largest element; None for
    exact dtypes.
    """

    wrong: int
    count: int
    max_ulp: float | None


class Noise(Struct, frozen=True, kw_only=True):
    """System noise during a round; None for what the system does not report.

    `switches` counts involuntary context switches, `waited` is the time that threads of the process
    were runnable but not running, `stolen` the time taken by the hypervisor, and `cpu` the CPU time
    used per second of wall-clock time.
    """

    seconds: float
    switches: int | None
    waited: float | None
    stolen: float | None
    cpu: float | None


class Sample(Struct, frozen=True, kw_only=True):
    """Seconds per call of one `compilation` of the program.

    `order` is the sample's position within its round; all three indices count from 0.
    """

    seconds: float
    round: int
    order: int
    compilation: int = 0
    flags: list[Flag] = []


class ProcessTimes(Struct, frozen=True, kw_only=True):
    """What the clock of one process says of an arm or a message size.

    `samples` are its seconds per call, in the order of all samples, of each of which the slowest
    process counts.
    """

    process: int
    median: float
    samples: list[float]


class Speedup(Struct, frozen=True, kw_only=True):
    """How many times faster than `against`; below 1 is slower. `low` and `high` are 99 % limits."""

    against: str
    value: float
    low: float
    high: float


class Location(Struct, frozen=True, kw_only=True):
    """The location of samples; `low` and `high` are 99 % confidence limits of the median.

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
    """The highest measured rates of `devices` devices together, in FLOP/s and bytes/s."""

    devices: int
    dtype: str
    flops: float
    bytes: float


# ----------------------------------------------------------------------------------------- reports


class StrategyReport(Struct, frozen=True, kw_only=True):
    """A strategy at one point, as `bench --json` prints it.

    The program was compiled `compilations` times, each with its own samples, to average out effects
    of memory layout. A sample averages `calls` calls. `flops_rate` and `bytes_rate` are per second;
    `of_peak` is their fraction of the roofline at this arithmetic intensity. `roof` says whether
    the roofline is the peak that was "measured" or, if a strategy exceeded it, the rate "reached".
    `processes` are those of an engine of several that ran it, with the times by their own clocks.
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
    processes: list[ProcessTimes] = []


class Control(Struct, frozen=True, kw_only=True):
    """The A/A test: the baseline against itself, whose `ratio` shows the noise level."""

    strategy: str
    devices: int
    ratio: float | None
    interval: tuple[float, float] | None
    median: float | None
    verdict: Verdict | None
    samples: list[Sample]


class Round(Struct, frozen=True, kw_only=True):
    """The system noise during a finished round, and the flags derived from it."""

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
    """The scaling efficiency of a strategy on n = `devices` devices relative to one.

    Strong scaling, with the same batch, is T1/(n Tn); weak scaling, with n times the batch, T1/Tn.
    `ceiling` is the most that n virtual devices can reach on the available cores, None for real
    devices.
    """

    kind: Literal["strong", "weak"]
    strategy: str
    devices: int
    point: int
    efficiency: float
    ceiling: float | None


class Conditions(Struct, frozen=True, kw_only=True):
    """The conditions of a run, needed to repeat it.

    `source` is a hash of program, parameters and devices; `affinity` lists the cores that the
    process may use; `load` is the system's load average over 1, 5 and 15 minutes at the start.
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


class TimingReport(Struct, frozen=True, kw_only=True):
    """What the reports of all timed runs begin with.

    `ended` is "complete", "stopped", or the reason for an early end, up to which everything is
    reported. `began` is the time in UTC, ISO 8601.
    """

    session: str
    title: str
    ok: bool
    ended: str
    began: str
    seconds: float
    version: str
    environment: Environment | None


class BenchmarkReport(TimingReport, frozen=True, kw_only=True):
    """What `jaxtui bench --json` prints for a session, and what is kept of a run."""

    conditions: Conditions | None
    program: ProgramReport | None
    points: list[PointReport]
    peaks: list[Peak]
    scaling: list[Scaling]
    notes: list[str]
    composition: Any
    error: Diagnosis | None
