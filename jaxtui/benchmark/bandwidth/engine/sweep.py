"""A bandwidth sweep as a generator: message size by message size, resumed sample by sample.

In the manner of nccl-tests: warm-up, many calls in each timing, results in memory of their own
(out of place), every device's data checked against the reference. As in a benchmark, it yields
events, or None where it only gives way, and thrown a GivenUp it ends with what it has.
"""

from __future__ import annotations

import time
from collections.abc import Generator

import msgspec

from jaxtui.benchmark.bandwidth.engine import messages, sizes
from jaxtui.benchmark.bandwidth.engine.measured import SWEPT, Measured, needed
from jaxtui.benchmark.bandwidth.engine.messages import SweptCollective
from jaxtui.benchmark.engine import timing
from jaxtui.benchmark.engine.plan import WARN
from jaxtui.benchmark.engine.preparing import why
from jaxtui.benchmark.engine.request import check_extent
from jaxtui.benchmark.engine.timed_run import Events, TimedRun
from jaxtui.benchmark.engine.timing import Method
from jaxtui.benchmark.engine.together import each_of
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.collectives.engine.run import session_of
from jaxtui.engine_base.devices import available_memory, environment
from jaxtui.engine_base.errors import GivenUp, diagnosed
from jaxtui.session.field_path import BENCHMARK
from jaxtui.session.session import Benchmark
from jaxtui.wire import bandwidth as figures
from jaxtui.wire.bandwidth import (
    BandwidthMeasured,
    BandwidthStarted,
    SweepBandwidth,
    SweepPlan,
)
from jaxtui.wire.base import Composition
from jaxtui.wire.protocol import AnyEvent

FEWEST = 5  # samples that a size gets even when its budget is over
BUDGET = 2.0  # seconds of samples for each size
WARM_SECONDS, WARM_MOST = 0.1, 0.5


def events(
    request: SweepBandwidth, turns: Turns, pace: Pace, method: Method | None = None
) -> Generator[AnyEvent | None]:
    """Yield all events of a SweepBandwidth. Raises Diagnosed if nothing can be measured."""
    yield from _Sweep(request, turns, pace, method).events()


class _Sweep(TimedRun):
    """One sweep, from its request to its end."""

    def __init__(
        self, request: SweepBandwidth, turns: Turns, pace: Pace, method: Method | None
    ) -> None:
        method = method or Method(
            warm_seconds=WARM_SECONDS,
            warm_most=WARM_MOST,
            throughput=request.benchmark.mode == "throughput",
        )
        super().__init__(request, turns, pace, method, BUDGET)
        self.collective = request.collective

    def events(self) -> Events:
        _check(self.asked)
        session = session_of(self.composition, self.collective)
        yield self._stage(0, None, "tracing")
        subject = messages.subject_of(session, self.composition.folder)
        beside, why_not = messages.within_a_process(subject)
        plan = self._plan(subject, beside, _counts(subject, self.asked))
        if why_not:
            plan = msgspec.structs.replace(plan, notes=[*plan.notes, why_not])
        yield from self._to_the_end(self._measurements(subject, beside, plan))

    def _measurements(
        self, subject: SweptCollective, beside: SweptCollective | None, plan: SweepPlan
    ) -> Events:
        yield BandwidthStarted(id=self.id, environment=environment(), plan=plan)
        together = sizes.of_sweep(self.id)
        try:
            sizes.begin(together, subject)
            for point, size in enumerate(plan.bytes):
                for one in (subject, beside):
                    if one is not None:
                        measured = Measured(one, one.count_for(size))
                        shared = sizes.Shared(together, measured)
                        yield from self._size(point, measured, shared, within=one is beside)
        finally:
            together.end()

    def _plan(
        self, subject: SweptCollective, beside: SweptCollective | None, counts: list[int]
    ) -> SweepPlan:
        convention = subject.convention
        swept = Composition.of(subject.session, "", self.composition.program)
        return SweepPlan(
            operation=subject.operation,
            via=self.collective.via,
            options=self.collective.options,
            dtype=subject.dtype.name,
            ranks=subject.ranks,
            devices=subject.rows,
            groups=subject.checked.groups,
            family=convention.family,
            factor=convention.factor(subject.ranks),
            formula=convention.formula,
            size_means=convention.size,
            count_means=convention.count,
            bytes=[subject.bytes_of(count) for count in counts],
            notes=_notes(subject),
            reach=subject.reach,
            within_ranks=beside.ranks if beside is not None else 0,
            **self._conditions(swept),
        )

    # -------------------------------------------------------------------------------- one size

    def _size(
        self, point: int, measured: Measured, shared: sizes.Shared, *, within: bool
    ) -> Events:
        try:
            measured.require_fitting()
            yield from self._prepare(point, shared)
            yield from self._time(point, measured, shared)
        except GivenUp:
            if measured.samples:
                yield self._told(point, measured, within=within)
            raise
        except Exception as error:
            measured.skipped = why(error)
        told = self._told(point, measured, within=within)
        if self.pace is None:
            yield told
        else:
            yield from self.pace.gap(told)

    def _told(self, point: int, measured: Measured, *, within: bool) -> BandwidthMeasured:
        return BandwidthMeasured(id=self.id, point=point, size=measured.report(), within=within)

    def _prepare(self, point: int, shared: sizes.Shared) -> Events:
        """Place the data, call once, and check every element of the result."""
        yield self._stage(point, None, "placing")
        shared.step("place", self.seed + point)
        yield self._stage(point, None, "compiling")
        shared.step("call_first")
        yield self._stage(point, None, "comparing")
        yield from shared.checked()

    def _time(self, point: int, measured: Measured, shared: sizes.Shared) -> Events:
        sample = shared.sampler(throughput=self.method.throughput)
        yield self._stage(point, None, "warming")
        for _ in self.turns.alone(timing.warm(sample, self.method)):
            yield None
        for calls in self.turns.alone(timing.calibrated(sample, self.method)):
            measured.calls = calls
            yield None
        yield self._stage(point, None, "timing")
        began = time.perf_counter()
        while not self._enough(len(measured.samples), time.perf_counter() - began):
            before, disturbances = timing.read_meters(), self.turns.disturbances()
            with self.turns.sample():
                seconds = sample(measured.calls)
            measured.noise.append(timing.noise(before, timing.read_meters()))
            measured.disturbed.append(self.turns.disturbances() > disturbances)
            measured.samples.append(seconds)
            measured.each.append(each_of(sample))
            yield None

    def _enough(self, done: int, spent: float) -> bool:
        if done >= self.extent.rounds:
            return True
        return not self.extent.exact and done >= FEWEST and spent >= self.extent.budget


# --------------------------------------------------------------------------------- what is asked


def _check(asked: Benchmark) -> None:
    """Raise Diagnosed at the first field of the benchmark that a sweep does not support."""
    for name in asked.sweep:
        if name != "bytes":
            message = f"a collective is swept over message sizes, bytes; it has no {name}"
            raise diagnosed("session", BENCHMARK / "sweep" / name, message)
    check_extent(asked)


def _counts(subject: SweptCollective, asked: Benchmark) -> list[int]:
    """The elements of each message: of the sizes asked for, or of those that fit well."""
    if "bytes" not in asked.sweep:
        sizes = figures.default_sizes(simulated=environment().simulated)
        counts = [subject.count_for(size) for size in sizes]
        available = available_memory()
        fitting = [c for c in counts if not available or needed(subject, c) <= WARN * available]
        return sorted(set(fitting or counts[:1]))
    try:
        sizes = figures.sizes_from(asked.sweep["bytes"])
    except figures.SizesError as error:
        raise diagnosed("session", SWEPT / error.index, error.message) from error
    if not sizes:
        raise diagnosed("session", SWEPT, "no size is given")
    return sorted({subject.count_for(size) for size in sizes})


def _notes(subject: SweptCollective) -> list[str]:
    notes = []
    if environment().simulated:
        notes.append(
            "simulated: virtual CPU devices of one host, between processes over its loopback"
            if subject.reach == "between processes"
            else "simulated: virtual CPU devices share one memory, and no link is measured"
        )
    if subject.ranks == 1:
        notes.append("one rank: nothing is sent")
    lengths = {len(group) for group in subject.checked.groups}
    if len(lengths) > 1:
        notes.append(f"groups differ in size; n is the largest, {subject.ranks}")
    return notes
