"""Benchmark answers of the engine, made by hand and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session
from jaxtui.wire.benchmark import (
    BenchFinished,
    BenchGap,
    BenchPeaks,
    BenchPlanned,
    BenchPoint,
    BenchPrepared,
    BenchRound,
    BenchSample,
    BenchStage,
    BenchStarted,
)
from jaxtui.wire.benchmark_report import (
    ArmStatistics,
    BenchmarkReport,
    Conditions,
    Correct,
    Flag,
    Noise,
    Parameter,
    Peak,
    PlannedArm,
    PlannedPoint,
    Role,
    Speedup,
    Stages,
    StrategyInfo,
    Verdict,
)
from jaxtui.wire.protocol import AnyEvent
from tests.support import made_events

STRATEGIES = [
    StrategyInfo(name="loop", title="a Python loop over the jitted function", multi=False),
    StrategyInfo(name="vmap", title="vmap without jit", multi=False),
    StrategyInfo(name="jit(vmap)", title="jit of vmap", multi=False),
    StrategyInfo(name="pmap", title="pmap of vmap", multi=True),
    StrategyInfo(
        name="pmap-without-vmap", title="pmap of the function itself", multi=True, by_default=False
    ),
]
REASON = "3 devices do not divide a batch of 64: 63 and 66 do, or `pad` it"
PAD = Fix(label="fill the batch up", field=FieldPath("benchmark.pad"), text="true")
# (strategy, devices, role, milliseconds of the median, speed-up, verdict) of the rows that run
ROWS: list[tuple[str, int, Role, float, float, Verdict | None]] = [
    ("loop", 1, "strategy", 77.1, 0.85, "slower"),
    ("jit(vmap)", 1, "baseline", 65.4, 1.0, None),
    ("pmap", 1, "strategy", 66.0, 0.99, "within noise"),
    ("pmap", 8, "strategy", 32.7, 2.0, "faster"),
    ("jit(vmap)", 1, "control", 65.9, 0.99, "within noise"),
]
SKIPPED = 4  # number of the arm that is skipped; the control comes after it
ROUNDS = 3


def arms() -> list[PlannedArm]:
    """Return the arms of a point: those of ROWS, and one that is skipped."""
    found = [
        PlannedArm(
            arm=number,
            strategy=strategy,
            devices=devices,
            role=role,
            python=f"out = {strategy}",
            operations=1.0,
            flops=6_460_000_000,
            bytes=16_777_472,
            memory=48 * 2**20,
        )
        for number, (strategy, devices, role, *_) in enumerate(ROWS)
    ]
    left_out = PlannedArm(arm=SKIPPED, strategy="pmap", devices=3, skipped=REASON, fixes=[PAD])
    control = PlannedArm(
        **{name: getattr(found[-1], name) for name in found[-1].__struct_fields__} | {"arm": 5}
    )
    return [*found[:-1], left_out, control]


def point(number: int = 0, parameters: dict[str, Parameter] | None = None) -> PlannedPoint:
    return PlannedPoint(point=number, parameters=parameters or {}, batch=64, arms=arms())


def planned(
    id: int,
    sweep: Sequence[dict[str, Parameter]] = ({},),
    diagnosis: Diagnosis | None = None,
) -> BenchPlanned:
    points = [point(n, dict(p)) for n, p in enumerate(sweep)] if diagnosis is None else []
    return BenchPlanned(id=id, strategies=STRATEGIES, points=points, notes=[], diagnosis=diagnosis)


def started(id: int, sweep: Sequence[dict[str, Parameter]] = ({},)) -> list[AnyEvent]:
    conditions = Conditions(
        baseline="",
        mode="latency",
        rounds=25,
        exact_rounds=False,
        budget=10.0,
        seed=7,
        pad=False,
        source="0123456789abcdef",
        affinity=[0, 1],
        load=[0.0, 0.0, 0.0],
    )
    return [
        BenchStarted(
            id=id,
            environment=made_events.environment(),
            conditions=conditions,
            points=[dict(p) for p in sweep],
            notes=[],
        )
    ]


def prepared(
    id: int, number: int = 0, parameters: dict[str, Parameter] | None = None
) -> list[AnyEvent]:
    """Return the events that plan a point and prepare each of its arms."""
    events: list[AnyEvent] = [BenchPoint(id=id, point=point(number, parameters))]
    for arm in arms():
        if arm.skipped is None:
            events += [
                BenchStage(id=id, point=number, arm=arm.arm, stage="compiling"),
                BenchPrepared(
                    id=id,
                    point=number,
                    arm=arm.arm,
                    stages=Stages(place=0.003, trace=0.002, lower=0.01, compile=0.084, first=0.1),
                    correct=Correct(wrong=0, count=64, max_ulp=1.5),
                    stablehlo=f"hash of {arm.strategy}",
                    compilations=3,
                    calls=2,
                ),
            ]
    return events


def rounds(
    id: int, number: int = 0, count: int = ROUNDS, factor: float = 1.0, of: int = 25
) -> list[AnyEvent]:
    """Return the rounds of a point, the last of which has a noise flag."""
    events: list[AnyEvent] = []
    for n in range(count):
        events += [
            BenchSample(
                id=id,
                point=number,
                arm=arm.arm,
                round=n,
                order=place,
                compilation=n % 3,
                seconds=factor * 1e-3 * row[3] * (1 + 0.01 * (n - 1)),
            )
            for place, (arm, row) in enumerate(zip(running(), ROWS, strict=True))
        ]
        events += [round_over(id, number, n, factor, of), BenchGap(id=id, point=number)]
    return events


def round_over(id: int, number: int, n: int, factor: float = 1.0, of: int = 25) -> BenchRound:
    flags: list[list[Flag]] = [[] for _ in range(n + 1)]
    if n == ROUNDS - 1:
        flags[-1] = ["stolen"]
    return BenchRound(
        id=id,
        point=number,
        round=n,
        rounds=of,
        seconds_left=6.0,
        noise=Noise(seconds=0.4, switches=3, waited=0.001, stolen=0.0, cpu=1.9),
        flags=flags,
        statistics=[
            statistics(arm.arm, row, n + 1, factor)
            for arm, row in zip(running(), ROWS, strict=True)
        ],
    )


def running() -> list[PlannedArm]:
    return [arm for arm in arms() if arm.skipped is None]


def statistics(
    arm: int,
    row: tuple[str, int, Role, float, float, Verdict | None],
    n: int,
    factor: float,
) -> ArmStatistics:
    median = factor * row[3] * 1e-3
    ratio = row[4]
    found = Speedup(against="jit(vmap)", value=ratio, low=0.97 * ratio, high=1.03 * ratio)
    return ArmStatistics(
        arm=arm,
        n=n,
        median=median,
        low=0.98 * median,
        high=1.02 * median,
        mad=0.01 * median,
        iqr=0.02 * median,
        min=0.97 * median,
        clean_median=0.99 * median,
        clean_n=max(1, n - 1),
        speedup=None if row[2] == "baseline" else found,
        p_value=None if row[2] == "baseline" else 0.001,
        verdict=row[5],
        seen=None if row[2] == "baseline" else 0.03,
    )


def finished(id: int, *, stopped: bool = False) -> list[AnyEvent]:
    peaks = [Peak(devices=n, dtype="float32", flops=2e11, bytes=2e10) for n in (1, 8)]
    end = BenchFinished(id=id, stopped=stopped, seconds=12.0)
    return [end] if stopped else [BenchPeaks(id=id, peaks=peaks), end]


def whole(id: int) -> list[AnyEvent]:
    """A whole run of one point."""
    return [*started(id), *prepared(id), *rounds(id), *finished(id)]


SWEEP: tuple[dict[str, Parameter], ...] = ({"batch": 16}, {"batch": 64}, {"batch": 256})


def swept(id: int) -> list[AnyEvent]:
    """A run over three batches, each taking four times as long as the one before."""
    events = started(id, SWEEP)
    for number, parameters in enumerate(SWEEP):
        events += prepared(id, number, parameters)
        events += rounds(id, number, factor=4.0**number)
    return [*events, *finished(id)]


def report(events: Sequence[AnyEvent], session: Session | None = None) -> BenchmarkReport:
    """Return the report of a run with these events."""
    recording = BenchmarkRecording(events[0].id, session or made_events.session())
    for event in events:
        recording.take(event)
    return recording.report()
