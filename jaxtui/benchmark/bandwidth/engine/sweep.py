"""A bandwidth sweep as a generator: message size by message size, resumed sample by sample.

In the manner of nccl-tests: warm-up, many calls in each timing, results in memory of their own
(out of place), every device's data checked against the reference. As in a benchmark, it yields
events, or None where it only gives way, and thrown a GivenUp it ends with what it has.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import jax
import msgspec

from jaxtui.benchmark.bandwidth.engine import messages
from jaxtui.benchmark.bandwidth.engine.messages import SweptCollective
from jaxtui.benchmark.engine import sampling_statistics, timing
from jaxtui.benchmark.engine.plan import REFUSE, WARN
from jaxtui.benchmark.engine.preparing import why
from jaxtui.benchmark.engine.request import check_extent
from jaxtui.benchmark.engine.timed_run import Events, TimedRun
from jaxtui.benchmark.engine.timing import Method
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.collectives.engine.run import session_of
from jaxtui.engine_base.devices import available_memory, environment
from jaxtui.engine_base.errors import GivenUp, diagnosed
from jaxtui.session.field_path import BENCHMARK
from jaxtui.session.session import Benchmark
from jaxtui.text import quantities
from jaxtui.wire import bandwidth as figures
from jaxtui.wire.bandwidth import (
    MICRO,
    BandwidthMeasured,
    BandwidthStarted,
    SizeReport,
    SweepBandwidth,
    SweepPlan,
)
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark_report import Noise, Round
from jaxtui.wire.protocol import AnyEvent

FEWEST = 5  # samples that a size gets even when its budget is over
BUDGET = 2.0  # seconds of samples for each size
WARM_SECONDS, WARM_MOST = 0.1, 0.5
SWEPT = BENCHMARK / "sweep" / "bytes"


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
        counts = _counts(subject, self.asked)
        plan = self._plan(subject, counts)
        yield from self._to_the_end(self._measurements(subject, counts, plan))

    def _measurements(self, subject: SweptCollective, counts: list[int], plan: SweepPlan) -> Events:
        yield BandwidthStarted(id=self.id, environment=environment(), plan=plan)
        for point, count in enumerate(counts):
            yield from self._size(point, _Measured(subject, count))

    def _plan(self, subject: SweptCollective, counts: list[int]) -> SweepPlan:
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
            **self._conditions(swept),
        )

    # -------------------------------------------------------------------------------- one size

    def _size(self, point: int, measured: _Measured) -> Events:
        try:
            measured.require_fitting()
            yield from self._prepare(point, measured)
            yield from self._time(point, measured)
        except GivenUp:
            if measured.samples:
                yield self._told(point, measured)
            raise
        except Exception as error:
            measured.skipped = why(error)
        told = self._told(point, measured)
        if self.pace is None:
            yield told
        else:
            yield from self.pace.gap(told)

    def _told(self, point: int, measured: _Measured) -> BandwidthMeasured:
        return BandwidthMeasured(id=self.id, point=point, size=measured.report())

    def _prepare(self, point: int, measured: _Measured) -> Events:
        """Place the data, call once, and check every element of the result."""
        yield self._stage(point, None, "placing")
        host = measured.place(self.seed + point)
        yield self._stage(point, None, "compiling")
        result = measured.call_first()
        yield self._stage(point, None, "comparing")
        measured.wrong = 0
        for wrong in messages.wrong_elements(measured.subject, host, result):
            measured.wrong += wrong
            yield None

    def _time(self, point: int, measured: _Measured) -> Events:
        sample = measured.sampler(throughput=self.method.throughput)
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
            yield None

    def _enough(self, done: int, spent: float) -> bool:
        if done >= self.extent.rounds:
            return True
        return not self.extent.exact and done >= FEWEST and spent >= self.extent.budget


class _Measured:
    """The measurements of one message size so far."""

    def __init__(self, subject: SweptCollective, count: int) -> None:
        self.subject = subject
        self.count = count
        self.size = subject.bytes_of(count)
        self.call = subject.call()
        self.inputs: tuple[Any, ...] = ()
        self.first: float | None = None
        self.wrong: int | None = None
        self.calls = 0
        self.samples: list[float] = []
        self.noise: list[Noise] = []
        self.disturbed: list[bool] = []
        self.skipped: str | None = None

    def require_fitting(self) -> None:
        """Raise Diagnosed if the message needs too much of the free memory."""
        needed, available = _needed(self.subject, self.count), available_memory()
        if available is not None and needed > REFUSE * available:
            words = f"needs {quantities.size(needed)}; {quantities.size(available)} is free"
            raise diagnosed("memory", SWEPT, f"does not fit: {words}")

    def place(self, seed: int) -> Any:
        """Create the data and place it on the devices; return the host's copy."""
        host = messages.data(self.subject, self.count, seed)
        self.inputs = (jax.block_until_ready(self.subject.placed(host)),)
        return host

    def call_first(self) -> jax.Array:
        """Make the first call, which compiles, and return its result."""
        began = time.perf_counter()
        result: jax.Array = jax.block_until_ready(self.call(*self.inputs))
        self.first = time.perf_counter() - began
        return result

    def sampler(self, *, throughput: bool) -> timing.Sampler:
        array = self.inputs[0]
        return timing.sampler(self.call, self.inputs, array, throughput=throughput)

    def report(self) -> SizeReport:
        known = SizeReport(
            bytes=self.size,
            count=self.count,
            dtype=self.subject.dtype.name,
            block=list(self.subject.block(self.count)),
            wrong=self.wrong,
            first=self.first,
            skipped=self.skipped,
        )
        return known if not self.samples else self._with_figures(known)

    def _with_figures(self, known: SizeReport) -> SizeReport:
        where = sampling_statistics.location(self.samples)
        factor = self.subject.convention.factor(self.subject.ranks)
        algbw, busbw = figures.rates(self.size, where.median, factor)
        flags = timing.flags(self.noise, self.disturbed)
        return msgspec.structs.replace(
            known,
            time_us=where.median / MICRO,
            low_us=where.low / MICRO,
            high_us=where.high / MICRO,
            min_us=where.min / MICRO,
            algbw=algbw,
            busbw=busbw,
            n=where.n,
            calls=self.calls,
            samples=self.samples,
            rounds=[Round(noise=n, flags=f) for n, f in zip(self.noise, flags, strict=True)],
        )


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
        fitting = [c for c in counts if not available or _needed(subject, c) <= WARN * available]
        return sorted(set(fitting or counts[:1]))
    try:
        sizes = figures.sizes_from(asked.sweep["bytes"])
    except figures.SizesError as error:
        raise diagnosed("session", SWEPT / error.index, error.message) from error
    if not sizes:
        raise diagnosed("session", SWEPT, "no size is given")
    return sorted({subject.count_for(size) for size in sizes})


def _needed(subject: SweptCollective, count: int) -> int:
    """Bytes in one memory: input, output, and as much again while XLA moves it. Virtual devices
    share their memory, which holds the data made on the host as well."""
    given, made = subject.footprint(count)
    if jax.default_backend() == "cpu":
        return subject.rows * (2 * given + 2 * made + given)
    return 2 * (given + made)


def _notes(subject: SweptCollective) -> list[str]:
    notes = []
    if environment().simulated:
        notes.append("simulated: virtual CPU devices share one memory, and no link is measured")
    if subject.ranks == 1:
        notes.append("one rank: nothing is sent")
    sizes = {len(group) for group in subject.checked.groups}
    if len(sizes) > 1:
        notes.append(f"groups differ in size; n is the largest, {subject.ranks}")
    return notes
