"""A benchmark as the screen's side holds it: gathered from events, and turned into a report.

What has come is kept as it comes, so that neither a stop nor the engine's death loses a sample.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from msgspec import structs

from jaxtui.benchmark import roofline
from jaxtui.benchmark.run_recording import COMPLETE, RunRecording
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Session
from jaxtui.wire.benchmark import (
    BenchPeaks,
    BenchPoint,
    BenchPrepared,
    BenchProgram,
    BenchRound,
    BenchSample,
    BenchStarted,
)
from jaxtui.wire.benchmark_report import (
    ArmStatistics,
    BenchmarkReport,
    Conditions,
    Control,
    Flag,
    Noise,
    Peak,
    PlannedArm,
    PlannedPoint,
    PointReport,
    ProcessTimes,
    Round,
    Sample,
    Scaling,
    Stages,
    StrategyReport,
)
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.report import Environment, ProgramReport


class PointRecord:
    """The data received so far for one point; arms are keyed by their number."""

    def __init__(self, plan: PlannedPoint) -> None:
        self.plan = plan
        self.prepared: dict[int, BenchPrepared] = {}
        self.samples: dict[int, list[Sample]] = {}  # each at the place of its round
        self.by_process: dict[int, list[list[float]]] = {}  # of each sample, as the samples
        self.statistics: dict[int, ArmStatistics] = {}
        self.noise: list[Noise] = []
        self.flags: list[list[Flag]] = []
        self.rounds = 0
        self.seconds_left = 0.0

    def sampled(self, event: BenchSample) -> None:
        """Add a sample of an arm; the flags of its round come later."""
        sample = Sample(
            seconds=event.seconds,
            round=event.round,
            order=event.order,
            compilation=event.compilation,
        )
        self.samples.setdefault(event.arm, []).append(sample)
        each = event.processes or [event.seconds]
        self.by_process.setdefault(event.arm, []).append(each)

    def round_over(self, event: BenchRound) -> None:
        """Add a round, or replace the statistics of the last one with more exact ones."""
        if event.round >= len(self.noise):
            self.noise.append(event.noise)
        before = [*self.flags, *([] for _ in event.flags[len(self.flags) :])]
        for number, (old, new) in enumerate(zip(before, event.flags, strict=False)):
            if old != new:
                for samples in self.samples.values():
                    if number < len(samples):
                        samples[number] = structs.replace(samples[number], flags=new)
        self.flags = event.flags
        self.rounds, self.seconds_left = event.rounds, event.seconds_left
        self.statistics = {found.arm: found for found in event.statistics}

    def skipped(self, arm: PlannedArm) -> str | None:
        """Why an arm is not timed, or None if it is."""
        prepared = self.prepared.get(arm.arm)
        return arm.skipped or (prepared.skipped if prepared is not None else None)


class BenchmarkRecording(RunRecording):
    """A benchmark run, built up event by event. `stage` is None while samples arrive."""

    def __init__(self, request: int, session: Session, path: str = "") -> None:
        super().__init__(request, session, path)
        self.conditions: Conditions | None = None
        self.program: ProgramReport | None = None
        self.parameters: list[dict[str, int | float | str]] = []
        self.points: list[PointRecord] = []
        self.peaks: list[Peak] = []
        self.notes: list[str] = []
        self._finished: list[PointReport] = []

    def _measured(self, event: AnyEvent) -> None:
        match event:
            case BenchStarted():
                self.environment, self.conditions = event.environment, event.conditions
                self.parameters, self.notes = event.points, event.notes
            case BenchPoint():
                self._planned(event.point)
            case BenchProgram():
                self.program = event.report
            case BenchPrepared():
                self.points[event.point].prepared[event.arm] = event
            case BenchSample():
                self.stage = None
                self.points[event.point].sampled(event)
            case BenchRound():
                self.points[event.point].round_over(event)
            case BenchPeaks():
                self.peaks = event.peaks

    def _planned(self, plan: PlannedPoint) -> None:
        if plan.point < len(self.points):
            self.points[plan.point].plan = plan
        else:
            self.points.append(PointRecord(plan))

    @property
    def begun(self) -> bool:
        return bool(self.points)

    @property
    def sampled(self) -> bool:
        return any(point.samples for point in self.points)

    def report(self) -> BenchmarkReport:
        points, notes = self._point_reports(), self.notes
        if self.peaks:
            points = roofline.held_against(points, self.peaks, self.environment)
            notes = [*notes, *([roofline.REACHED] if roofline.raised(points) else [])]
        return BenchmarkReport(
            **self._head(),
            ok=self.error is None and self.ended == COMPLETE,
            conditions=self.conditions,
            program=self.program,
            points=points,
            peaks=self.peaks,
            scaling=scaling(points, self.environment),
            notes=notes,
        )

    def _point_reports(self) -> list[PointReport]:
        """Only the last point still changes: those before it are reported once."""
        for point in self.points[len(self._finished) : -1]:
            self._finished.append(_point_report(point))
        return [*self._finished, *(_point_report(point) for point in self.points[-1:])]


def failed(path: str, title: str, session: Session, error: Diagnosis) -> BenchmarkReport:
    """The report of a run that could not start."""
    recording = BenchmarkRecording(0, session, path)
    recording.error = error
    recording.ended = error.message
    return structs.replace(recording.report(), title=title)


# ------------------------------------------------------------------------------------- the reports


def _point_report(record: PointRecord) -> PointReport:
    plan = record.plan
    rounds = [
        Round(noise=noise, flags=flags)
        for noise, flags in zip(record.noise, record.flags, strict=False)
    ]
    return PointReport(
        parameters=plan.parameters,
        batch=plan.batch,
        control=next((_control(record, arm) for arm in plan.arms if arm.role == "control"), None),
        strategies=[_strategy_report(record, arm) for arm in plan.arms if arm.role != "control"],
        rounds=rounds,
        error=plan.error,
    )


def _control(record: PointRecord, arm: PlannedArm) -> Control:
    found = record.statistics.get(arm.arm)
    speedup = found.speedup if found is not None else None
    return Control(
        strategy=arm.strategy,
        devices=arm.devices,
        ratio=speedup.value if speedup is not None else None,
        interval=(speedup.low, speedup.high) if speedup is not None else None,
        median=found.median if found is not None else None,
        verdict=found.verdict if found is not None else None,
        samples=list(record.samples.get(arm.arm, [])),
    )


_FROM_STATISTICS = tuple(name for name in ArmStatistics.__struct_fields__ if name != "arm")
_FROM_PLAN = (
    *("devices", "role", "python", "operations", "flops", "bytes", "memory", "padded", "fixes"),
    "warning",
)


def _strategy_report(record: PointRecord, arm: PlannedArm) -> StrategyReport:
    prepared = record.prepared.get(arm.arm)
    found = record.statistics.get(arm.arm)
    report = StrategyReport(
        name=arm.strategy,
        stages=prepared.stages if prepared is not None else Stages(),
        samples=list(record.samples.get(arm.arm, [])),
        calls=prepared.calls if prepared is not None else 0,
        compilations=prepared.compilations if prepared is not None else 0,
        correct=prepared.correct if prepared is not None else None,
        stablehlo=prepared.stablehlo if prepared is not None else None,
        skipped=record.skipped(arm),
        processes=_by_process(arm, record.by_process.get(arm.arm, [])),
        **{name: getattr(arm, name) for name in _FROM_PLAN},
    )
    if found is not None:
        report = structs.replace(report, **{n: getattr(found, n) for n in _FROM_STATISTICS})
    elif report.samples:
        report = structs.replace(report, **_of_first_samples(report.samples))
    return _with_rates(report)


def _by_process(arm: PlannedArm, samples: Sequence[Sequence[float]]) -> list[ProcessTimes]:
    """The samples of every process that ran an arm, given every sample by process."""
    if not samples or len(arm.processes) != len(samples[0]):
        return []
    return [
        ProcessTimes(process=process, median=statistics.median(seconds), samples=list(seconds))
        for process, seconds in zip(arm.processes, zip(*samples, strict=True), strict=True)
    ]


def _of_first_samples(samples: Sequence[Sample]) -> dict[str, float]:
    """Statistics of the samples before the first round is over."""
    seconds = [sample.seconds for sample in samples]
    return {"median": statistics.median(seconds), "min": min(seconds), "n": len(seconds)}


def _with_rates(report: StrategyReport) -> StrategyReport:
    median, flops, moved = report.median, report.flops, report.bytes
    if not median or flops is None or moved is None:
        return report
    return structs.replace(report, flops_rate=flops / median, bytes_rate=moved / median)


def scaling(points: Sequence[PointReport], environment: Environment | None) -> list[Scaling]:
    """Strong scaling at every point, weak scaling where the sweep has n times the batch."""
    found: list[Scaling] = []
    for index, point in enumerate(points):
        for report in point.strategies:
            if report.median is None or report.devices == 1:
                continue
            ceiling = _ceiling(report.devices, environment)
            for kind, single in (
                ("strong", _single(point, report.name)),
                ("weak", _single(_share_of(points, point, report.devices), report.name)),
            ):
                if single is None or single.median is None:
                    continue
                efficiency = single.median / report.median
                if kind == "strong":
                    efficiency /= report.devices
                found.append(
                    Scaling(
                        kind="strong" if kind == "strong" else "weak",
                        strategy=report.name,
                        devices=report.devices,
                        point=index,
                        efficiency=efficiency,
                        ceiling=ceiling,
                    )
                )
    return found


def _single(point: PointReport | None, strategy: str) -> StrategyReport | None:
    if point is None:
        return None
    reports = (r for r in point.strategies if r.name == strategy and r.devices == 1)
    return next(reports, None)


def _share_of(
    points: Sequence[PointReport], point: PointReport, devices: int
) -> PointReport | None:
    """The point with the batch of one device's share of `point`, all else alike."""
    for other in points:
        if other.batch * devices != point.batch:
            continue
        different = [
            name for name, value in point.parameters.items() if other.parameters[name] != value
        ]
        if len(different) == 1 and _flops_per_example(other) == _flops_per_example(point):
            return other
    return None


def _flops_per_example(point: PointReport) -> float | None:
    """Distinguishes a larger batch from larger examples."""
    known = [r.flops for r in point.strategies if r.flops is not None]
    return known[0] / point.batch if known and point.batch else None


def _ceiling(devices: int, environment: Environment | None) -> float | None:
    if environment is None or not environment.simulated:
        return None
    return min(devices, environment.cores) / devices
