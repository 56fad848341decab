"""A bandwidth sweep of a collective: message sizes, bandwidths, messages, report.

Sizes and factors are those of nccl-tests (its doc/PERFORMANCE.md). When a message of S bytes takes
time t, the algorithm bandwidth is S/t. The bus bandwidth, factor × S/t, is what the link of each
rank carries, independent of the number of ranks n. 1 GB is 10^9 bytes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct, field

from jaxtui.session.collective_catalogue import Family
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark, Collective
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.benchmark_report import ProcessTimes, Round, TimingReport
from jaxtui.wire.report import Environment

Reach = Literal["", "within a process", "between processes"]
GIGA = 1e9
MICRO = 1e-6


class SizesError(Exception):
    """An invalid message size; `index` is its position in the list of sizes."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.message = message
        self.index = index


# ------------------------------------------------------------------------------------------- sizes

SMALLEST = 1024
LARGEST, LARGEST_SIMULATED = 128 * 1024**2, 16 * 1024**2
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def doubling(smallest: int, largest: int) -> list[int]:
    """Sizes from `smallest` to at most `largest` bytes, each twice the one before."""
    sizes = []
    while smallest <= largest:
        sizes.append(smallest)
        smallest *= 2
    return sizes


def default_sizes(*, simulated: bool) -> list[int]:
    """The sizes of a sweep that names none; fewer if devices are simulated in the host's memory."""
    return doubling(SMALLEST, LARGEST_SIMULATED if simulated else LARGEST)


def sizes_from(values: Sequence[int | float | str]) -> list[int]:
    """Parse message sizes into bytes, sorted and without duplicates.

    A value is a number, a text such as "64K" or "1 MiB" (powers of 1024), or a range "1K..16M" in
    which each size is twice the one before. Raises SizesError.
    """
    found: set[int] = set()
    for index, value in enumerate(values):
        first, dots, last = str(value).partition("..")
        if not dots:
            found.add(_bytes(first, index))
            continue
        sizes = doubling(_bytes(first, index), _bytes(last, index))
        if not sizes:
            raise SizesError(f"{value!r} goes down: the smaller size comes first", index)
        found.update(sizes)
    return sorted(found)


def _bytes(text: str, index: int) -> int:
    match = re.fullmatch(r"\s*(\d+)(?:\.0)?\s*(?:([KMG])(?:i?B)?|B)?\s*", text, re.IGNORECASE)
    size = int(match[1]) * _UNITS[(match[2] or "").upper()] if match else 0
    if not 0 < size < 2**62:
        message = f"{text.strip()!r} is no size: bytes, such as 4096, 64K, 1M, or 1K..16M"
        raise SizesError(message, index)
    return size


# ----------------------------------------------------------------------------------------- figures


class SweepPlan(Struct, frozen=True, kw_only=True):
    """The plan of a sweep. `ranks` is n, the devices of one group; `devices` counts all groups'.

    `factor` is the convention's for these ranks, `bytes` are the sizes to measure. A size gets
    `rounds` samples, or fewer once `budget` seconds have passed, unless `exact_rounds`. All calls
    have the same input, so small messages stay in caches. Of an engine of several processes,
    `reach` says whether the collective stays within a process; if not, each size is also sent
    within the first, among `within_ranks` of its devices (0 if it cannot be).
    """

    operation: str
    via: str
    options: dict[str, str]
    dtype: str
    ranks: int
    devices: int
    groups: list[list[int]]
    family: Family
    factor: float
    formula: str
    size_means: str
    count_means: str
    bytes: list[int]
    mode: Literal["latency", "throughput"]
    rounds: int
    exact_rounds: bool
    budget: float
    seed: int
    source: str
    affinity: list[int]
    load: list[float]
    notes: list[str]
    reach: Reach = ""
    within_ranks: int = 0


class SizeReport(Struct, frozen=True, kw_only=True):
    """One message size: `bytes` is S, `block` the shape of each device's input.

    Times are microseconds per call, until the slowest device is done: `time_us` is the median of
    the samples, `low_us` and `high_us` are its 99 % confidence limits. `algbw` and `busbw` are
    GB/s. `wrong` counts the elements, on all devices, that differ from the NumPy reference.
    `samples` are seconds per call, each averaged over `calls` calls. `first` is the duration of the
    first call in seconds, which includes compilation. `reach` is empty in an engine of one process;
    `processes` has the times by each process' own clock, in seconds.
    """

    bytes: int
    count: int
    dtype: str
    block: list[int]
    time_us: float | None = None
    low_us: float | None = None
    high_us: float | None = None
    min_us: float | None = None
    algbw: float | None = None
    busbw: float | None = None
    wrong: int | None = None
    n: int = 0
    calls: int = 0
    first: float | None = None
    samples: list[float] = []
    rounds: list[Round] = []
    skipped: str | None = None
    reach: Reach = ""
    ranks: int | None = None
    processes: list[ProcessTimes] = []


class Fit(Struct, frozen=True, kw_only=True):
    """The model t = α + S/β: latency `alpha_us` in µs, algorithm bandwidth `beta` in GB/s.

    `worst` is the largest relative error of the model's time over all sizes.
    """

    alpha_us: float
    beta: float
    worst: float


def rates(size: int, seconds: float, factor: float) -> tuple[float, float]:
    """The algorithm and the bus bandwidth in GB/s of a message of `size` bytes in `seconds`."""
    algorithm = size / seconds / GIGA
    return algorithm, factor * algorithm


def fit(sizes: Sequence[SizeReport]) -> Fit | None:
    """Fit α and β to the times by least squares of the relative errors.

    None with fewer than three sizes, or if larger messages do not take longer.
    """
    points = [(x.bytes, x.time_us * MICRO) for x in sizes if x.time_us]
    if len({size for size, _ in points}) < 3:
        return None
    # Errors relative to t: 1 = α/t + (1/β) S/t, a line through u = 1/t and v = S/t.
    u = [1 / t for _, t in points]
    v = [size / t for size, t in points]
    uu, vv = _dot(u, u), _dot(v, v)
    uv, su, sv = _dot(u, v), sum(u), sum(v)
    determinant = uu * vv - uv * uv
    if determinant <= 0:
        return None
    alpha = (su * vv - sv * uv) / determinant
    slope = (uu * sv - uv * su) / determinant
    if alpha < 0:
        alpha, slope = 0.0, sv / vv
    if slope <= 0:
        return None
    worst = max(abs((alpha + size * slope) / t - 1) for size, t in points)
    return Fit(alpha_us=alpha / MICRO, beta=1 / slope / GIGA, worst=worst)


def _dot(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def average_busbw(sizes: Sequence[SizeReport]) -> float | None:
    """The mean bus bandwidth over the sizes, which nccl-tests reports last, or None."""
    known = [size.busbw for size in sizes if size.busbw is not None]
    return sum(known) / len(known) if known else None


class BandwidthReport(TimingReport, frozen=True, kw_only=True):
    """The output of `jaxtui bench --json` for a session with a collective: its `composition`.

    `within` are the sizes that were also sent within the first of several processes, with a fit of
    their own.
    """

    collective: SweepPlan | None
    sizes: list[SizeReport]
    fit: Fit | None
    average_busbw: float | None
    composition: Any
    error: Diagnosis | None
    within: list[SizeReport] = field(default_factory=list)
    within_fit: Fit | None = None


class SweepBandwidth(Request, frozen=True, kw_only=True):
    """Time a collective over the message sizes in `benchmark.sweep["bytes"]`, on the worker.

    `composition` is as in RunCollective; only the dtype and the number of rows of the collective's
    value matter. It is queued and cancelled like a Bench; if `paced`, it waits for Continue after
    each BandwidthMeasured.
    """

    composition: Composition
    collective: Collective
    benchmark: Benchmark
    paced: bool = False


class BandwidthStarted(Event, frozen=True, kw_only=True):
    """A SweepBandwidth begins; in the BenchStage events that follow, `point` indexes its sizes."""

    environment: Environment
    plan: SweepPlan


class BandwidthMeasured(Event, frozen=True, kw_only=True):
    """A message size was measured or skipped, or was stopped with the samples so far.

    `within`: it was sent within the first process beside the session's own collective.
    """

    point: int
    size: SizeReport
    within: bool = False
