"""One message size of a sweep: its data, its first call and check, its samples and report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import jax
import msgspec

from jaxtui.benchmark.bandwidth.engine import messages
from jaxtui.benchmark.bandwidth.engine.messages import SweptCollective
from jaxtui.benchmark.engine import sampling_statistics, timing
from jaxtui.benchmark.engine.plan import REFUSE
from jaxtui.benchmark.engine.together import times_of
from jaxtui.engine_base.devices import available_memory
from jaxtui.engine_base.errors import diagnosed
from jaxtui.session.field_path import BENCHMARK
from jaxtui.text import quantities
from jaxtui.wire import bandwidth as figures
from jaxtui.wire.bandwidth import MICRO, SizeReport
from jaxtui.wire.benchmark_report import Noise, Round

SWEPT = BENCHMARK / "sweep" / "bytes"


class Measured:
    """The measurements of one message size so far, as far as this process makes them."""

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
        self.each: list[list[float]] = []  # the samples by process
        self.noise: list[Noise] = []
        self.disturbed: list[bool] = []
        self.skipped: str | None = None
        self._host: Any = None
        self._result: Any = None

    def require_fitting(self) -> None:
        """Raise Diagnosed if the message needs too much of the free memory."""
        size, available = needed(self.subject, self.count), available_memory()
        if available is not None and size > REFUSE * available:
            words = f"needs {quantities.size(size)}; {quantities.size(available)} is free"
            raise diagnosed("memory", SWEPT, f"does not fit: {words}")

    def place(self, seed: int) -> None:
        """Create the data and place it on the devices."""
        self._host = messages.data(self.subject, self.count, seed)
        self.inputs = (jax.block_until_ready(self.subject.placed(self._host)),)

    def call_first(self) -> None:
        """Make the first call, which compiles."""
        began = time.perf_counter()
        self._result = jax.block_until_ready(self.call(*self.inputs))
        self.first = time.perf_counter() - began

    def checked(self) -> Iterator[tuple[int, list[int]]]:
        """The wrong elements of the rows that this process holds, and which these are, by parts.

        What is needed for it is let go at the end.
        """
        yield from messages.wrong_elements(self.subject, self._host, self._result)
        self._host = self._result = None

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
            reach=self.subject.reach,
            ranks=self.subject.ranks,
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
            processes=times_of(self.each, self.subject.processes),
            rounds=[Round(noise=n, flags=f) for n, f in zip(self.noise, flags, strict=True)],
        )


def needed(subject: SweptCollective, count: int) -> int:
    """Bytes in one memory: input, output, and as much again while XLA moves it. Virtual devices
    share their memory, which holds the data made on the host as well."""
    given, made = subject.footprint(count)
    if jax.default_backend() == "cpu":
        return subject.rows * (2 * given + 2 * made + given)
    return 2 * (given + made)
