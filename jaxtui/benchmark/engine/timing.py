"""The clock: warm-up, calibration, samples, and what else the system did meanwhile."""

from __future__ import annotations

import gc
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle, repeat
from pathlib import Path
from typing import Any, TypeVar

import jax

from jaxtui.wire.benchmark_report import Flag, Noise

_TASKS = Path("/proc/self/task")
_STAT = Path("/proc/stat")
MOST_CALLS = 1 << 20  # in one sample

Sampler = Callable[[int], float]
N = TypeVar("N", int, float)


@dataclass(frozen=True)
class Method:
    """How samples are made.

    `sample_seconds`: as long as this a sample takes at least. Warm-up: at least `warm_calls` calls
    and `warm_seconds`, until both halves agree, at most `warm_most` seconds. `throughput` blocks
    on the last call of a sample only.
    """

    sample_seconds: float = 0.01
    warm_calls: int = 3
    warm_seconds: float = 0.2
    warm_most: float = 2.0
    throughput: bool = False


AGREEMENT = 0.05  # of the medians of both halves of a warm-up


def sampler(
    call: Callable[..., Any], inputs: tuple[Any, ...], output: Any, *, throughput: bool
) -> Sampler:
    """`sample(calls)`: seconds per call of `call(*inputs)` over so many calls, all waited for.

    `output` is what it returned before: of a single array its own method is the shortest wait.
    The garbage collector is off meanwhile.
    """
    wait: Callable[[Any], Any] = (
        _wait_for_array if isinstance(output, jax.Array) else jax.block_until_ready
    )
    timed = _timed_throughput if throughput else _timed_latency

    def sample(calls: int) -> float:
        enabled = gc.isenabled()
        gc.disable()
        try:
            return timed(call, inputs, wait, calls) / calls / 1e9
        finally:
            if enabled:
                gc.enable()

    return sample


def _wait_for_array(array: Any) -> None:
    array.block_until_ready()


def _timed_latency(
    call: Callable[..., Any], inputs: tuple[Any, ...], wait: Callable[[Any], Any], calls: int
) -> int:
    clock = time.perf_counter_ns
    if wait is _wait_for_array:
        began = clock()
        for _ in repeat(None, calls):
            call(*inputs).block_until_ready()
        return clock() - began
    began = clock()
    for _ in repeat(None, calls):
        wait(call(*inputs))
    return clock() - began


def _timed_throughput(
    call: Callable[..., Any], inputs: tuple[Any, ...], wait: Callable[[Any], Any], calls: int
) -> int:
    output = None
    began = time.perf_counter_ns()
    for _ in repeat(None, calls):
        output = call(*inputs)
    wait(output)
    return time.perf_counter_ns() - began


def in_turn(samplers: Sequence[Sampler]) -> Sampler:
    """A sampler that cycles through `samplers`, one per call."""
    following = cycle(samplers)

    def sample(calls: int) -> float:
        return next(following)(calls)

    return sample


def warm(sample: Sampler, method: Method) -> Iterator[float]:
    """Call until the times are steady; yields the seconds of each call."""
    taken: list[float] = []
    began = time.perf_counter()
    while True:
        taken.append(sample(1))
        yield taken[-1]
        seconds = time.perf_counter() - began
        if len(taken) < method.warm_calls or seconds < method.warm_seconds:
            continue
        if seconds >= method.warm_most or steady(taken):
            return


def steady(taken: Sequence[float]) -> bool:
    """Whether the medians of both halves agree within 5 %."""
    half = len(taken) // 2
    early, late = statistics.median(taken[:half]), statistics.median(taken[half:])
    return abs(early - late) <= AGREEMENT * min(early, late)


def calibrated(sample: Sampler, method: Method) -> Iterator[int]:
    """Double the calls of a sample until it takes long enough; yields each count, the last fits."""
    calls = 1
    while True:
        seconds = sample(calls) * calls
        yield calls
        if seconds >= method.sample_seconds or calls >= MOST_CALLS:
            return
        calls *= 2


# ------------------------------------------------------------------------------------------- noise


@dataclass(frozen=True)
class Meters:
    """The system's counters at one moment, in seconds; None where it does not tell."""

    wall: float
    switches: int
    cpu: float
    waited: float | None
    stolen: float | None


def read_meters() -> Meters:
    """The counters of this process, all its threads together, and of the machine's steal."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Meters(
        wall=time.perf_counter(),
        switches=usage.ru_nivcsw,
        cpu=usage.ru_utime + usage.ru_stime,
        waited=_waited(),
        stolen=_stolen(),
    )


def _waited() -> float | None:
    """Seconds that the threads of this process were ready to run and did not."""
    total, found = 0, False
    with suppress(OSError):
        for task in os.listdir(_TASKS):
            with suppress(OSError, ValueError, IndexError):  # a thread may end meanwhile
                total += int((_TASKS / task / "schedstat").read_bytes().split()[1])
                found = True
    return total / 1e9 if found else None


def _stolen() -> float | None:
    """Seconds that a hypervisor gave to others, on all cores together."""
    with suppress(OSError, ValueError, IndexError), _STAT.open("rb") as file:
        return int(file.readline().split()[8]) / os.sysconf("SC_CLK_TCK")
    return None


def noise(before: Meters, after: Meters) -> Noise:
    """What happened between two readings."""
    seconds = after.wall - before.wall
    return Noise(
        seconds=seconds,
        switches=after.switches - before.switches,
        waited=_difference(before.waited, after.waited),
        stolen=_difference(before.stolen, after.stolen),
        cpu=(after.cpu - before.cpu) / seconds if seconds > 0 else None,
    )


def together(parts: Sequence[Noise]) -> Noise:
    """What happened in all `parts`, at least one, of a round."""
    seconds = sum(part.seconds for part in parts)
    cpu = _sum([None if part.cpu is None else part.cpu * part.seconds for part in parts])
    return Noise(
        seconds=seconds,
        switches=_sum([part.switches for part in parts]),
        waited=_sum([part.waited for part in parts]),
        stolen=_sum([part.stolen for part in parts]),
        cpu=None if cpu is None or seconds <= 0 else cpu / seconds,
    )


def _sum(values: Sequence[N | None]) -> N | None:
    """None when any is not known."""
    known = [value for value in values if value is not None]
    return sum(known[1:], known[0]) if len(known) == len(values) else None


def _difference(before: float | None, after: float | None) -> float | None:
    # A thread that ended takes its counters with it.
    return None if before is None or after is None else max(0.0, after - before)


def flags(rounds: Sequence[Noise], disturbed: Sequence[bool]) -> list[list[Flag]]:
    """For each round what was unusual about it, compared with the other rounds.

    Virtual devices always wait for one another's cores, so that only what stands out from the
    median by five deviations, and by a part that could matter, is a sign of others.
    """
    limits: dict[str, float] = {
        "switches": _upper([r.switches for r in rounds], 0.5, 20),
        "waited": _upper([_share(r.waited, r) for r in rounds], 0.0, 0.05),
        "cpu": -_upper([None if r.cpu is None else -r.cpu for r in rounds], 0.1, 0.05),
    }
    marked: list[list[Flag]] = []
    for found, was_disturbed in zip(rounds, disturbed, strict=True):
        row: list[Flag] = []
        if found.switches is not None and found.switches > limits["switches"]:
            row.append("switched out")
        share = _share(found.waited, found)
        if share is not None and share > limits["waited"]:
            row.append("waited to run")
        if (_share(found.stolen, found) or 0.0) > 0.01:
            row.append("stolen")
        if found.cpu is not None and found.cpu < limits["cpu"]:
            row.append("less CPU")
        if was_disturbed:
            row.append("disturbed")
        marked.append(row)
    return marked


def _share(seconds: float | None, found: Noise) -> float | None:
    return None if seconds is None or found.seconds <= 0 else seconds / found.seconds


def _upper(values: Sequence[float | None], relative: float, least: float) -> float:
    """The median, plus the largest of five median deviations, a part of it, and `least`."""
    known = [value for value in values if value is not None]
    if not known:
        return float("inf")
    middle = statistics.median(known)
    deviation = statistics.median(abs(value - middle) for value in known)
    return middle + max(5 * deviation, relative * abs(middle), least)
