"""A bandwidth sweep of a collective: its sizes, the figures, and the report. GB are 10^9 bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from jaxtui.session.collective_catalogue import Family
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark, Collective
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.benchmark import MeasuredReport, Round
from jaxtui.wire.report import Environment

GIGA = 1e9
MICRO = 1e-6


class SizesError(Exception):
    """A text that is no message size; `index` is its place in the list of sizes."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.message = message
        self.index = index


# ------------------------------------------------------------------------------------------- sizes

SMALLEST = 1024
LARGEST, LARGEST_SIMULATED = 128 * 1024**2, 16 * 1024**2
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def doubling(smallest: int, largest: int) -> list[int]:
    """`smallest`, twice that, and so on up to `largest` bytes."""
    sizes = []
    while smallest <= largest:
        sizes.append(smallest)
        smallest *= 2
    return sizes


def default_sizes(*, simulated: bool) -> list[int]:
    """The sizes of a sweep that names none; fewer where devices share this host's memory."""
    return doubling(SMALLEST, LARGEST_SIMULATED if simulated else LARGEST)


def sizes_from(values: Sequence[int | float | str]) -> list[int]:
    """Sizes in bytes, ascending: numbers, texts such as "64K" or "1 MiB" (powers of 1024), and
    "1K..16M" for each size twice the one before. Raises SizesError."""
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
    """What is swept and how. `ranks` is n, the devices of one group; `devices` are all that work.

    `factor` is the convention's for these ranks, `bytes` the sizes that will be measured.
    `rounds` is how many samples a size gets, unless `exact_rounds` fewer once `budget` seconds are
    over. Each call has the same input, so small messages stay in caches.
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


class SizeReport(Struct, frozen=True, kw_only=True):
    """One message size: `bytes` is S, `block` the shape of what each device gives.

    Times are microseconds for one call, until the slowest device is done: `time_us` is the median
    of the samples, `low_us` and `high_us` bound it at 99 %. `algbw` and `busbw` are GB/s. `wrong`
    counts the elements, on all devices, that differ from the NumPy reference. `samples` are
    seconds, each averaging `calls` calls. `first` is the seconds of the first call, which compiles.
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


class Fit(Struct, frozen=True, kw_only=True):
    """t = α + S/β: `alpha_us` µs for a message of no size, `beta` GB/s of algorithm bandwidth.

    `worst` is how far the farthest size lies from it, relative to its time.
    """

    alpha_us: float
    beta: float
    worst: float


def rates(size: int, seconds: float, factor: float) -> tuple[float, float]:
    """Algorithm and bus bandwidth, in GB/s, of `size` bytes in `seconds`."""
    algorithm = size / seconds / GIGA
    return algorithm, factor * algorithm


def fit(sizes: Sequence[SizeReport]) -> Fit | None:
    """The α and β that come closest to all times, each error relative to its time.

    None with fewer than three sizes, or where larger messages do not take longer.
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
    """The mean bus bandwidth over the sizes, which nccl-tests ends with."""
    known = [size.busbw for size in sizes if size.busbw is not None]
    return sum(known) / len(known) if known else None


class BandwidthReport(MeasuredReport, frozen=True, kw_only=True):
    """What `jaxtui bench --json` prints for a session with a collective: its `composition`."""

    collective: SweepPlan | None
    sizes: list[SizeReport]
    fit: Fit | None
    average_busbw: float | None
    composition: Any
    error: Diagnosis | None


class SweepBandwidth(Request, frozen=True, kw_only=True):
    """Time a collective over the message sizes in `benchmark.sweep["bytes"]`, on the worker.

    `composition` as in RunCollective; of the collective's value only the dtype and the number of
    rows are looked at. It waits and is cancelled as a Bench is, and `paced` at BandwidthMeasured.
    """

    composition: Composition
    collective: Collective
    benchmark: Benchmark
    paced: bool = False


class BandwidthStarted(Event, frozen=True, kw_only=True):
    """A SweepBandwidth begins. BenchStages tell what it is at, their points counting the sizes."""

    environment: Environment
    plan: SweepPlan


class BandwidthMeasured(Event, frozen=True, kw_only=True):
    """One message size is done: measured, skipped, or as far as it came when it was stopped."""

    point: int
    size: SizeReport
