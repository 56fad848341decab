"""The discussion of a benchmark's figures: the user's own, where a book has its author's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from jaxtui.benchmark import words
from jaxtui.text.quantities import significant

if TYPE_CHECKING:
    from jaxtui.benchmark.screen.work import BenchmarkWork
    from jaxtui.wire.benchmark_report import BenchmarkReport, PointReport, StrategyReport
    from jaxtui.wire.report import Environment

    Rows = list[tuple[PointReport, StrategyReport]]  # a strategy along the sweep

DIVIDING = ("pmap", "shard_map")  # the strategies that divide the batch over devices
NOT_YET = "Your figures: none yet. F5 on the Benchmark screen (4) measures them."
UNDER_WAY = "Your figures: the run is under way; the discussion comes when it is over."


def discussed(work: BenchmarkWork) -> list[str]:
    """Paragraphs about the newest run, or why there are none."""
    report = work.report
    if report is None:
        return [NOT_YET]
    if work.words():
        return [UNDER_WAY]
    return discussion(report)


def discussion(report: BenchmarkReport) -> list[str]:
    """Paragraphs in the order of the tutorial's discussion, from the figures of one run."""
    found = [_head(report)]
    found += _against(report, "loop", "A loop or vmap", LOOP)
    found += _against(report, "vmap", "vmap without jit", PLAIN)
    found += _devices(report)
    found += _compiling(report)
    if report.environment is not None:
        found.append(_hardware(report.environment))
    return found


LOOP = "Each turn of a Python loop is a call of its own; vmap makes them one."
ONE = "There is nothing to share out on one device; what differs is the price of a call."
PLAIN = "Without jit every operation of the function is a call; jit makes them one program."


def _head(report: BenchmarkReport) -> str:
    environment = report.environment
    if environment is None:
        return "Your figures"
    kind = "virtual CPU" if environment.simulated else environment.platform
    return f"Your figures, on {environment.device_count} {kind} devices, JAX {environment.jax}"


def _rows(report: BenchmarkReport, name: str, devices: int) -> Rows:
    """The strategy on so many devices, at each point where it has a verdict."""
    return [
        (point, row)
        for point in report.points
        for row in point.strategies
        if (row.name, row.devices) == (name, devices)
        and row.verdict is not None
        and row.speedup is not None
    ]


def _against(report: BenchmarkReport, name: str, title: str, why: str) -> list[str]:
    rows = _rows(report, name, 1)
    return [f"{title}. {_course(rows)} {why}"] if rows else []


def _course(rows: Rows) -> str:
    """How a strategy fares along the sweep, in one sentence."""
    parts = []
    for verdict, same in groupby(rows, key=lambda one: one[1].verdict):
        found = list(same)
        places = [words.point_title(point) for point, _ in found]
        at = places[0] if len(places) == 1 else f"{places[0]} to {places[-1]}"
        parts.append(f"{verdict}{_factors(verdict, [row for _, row in found])}, {at}")
    baseline = rows[0][1].speedup
    assert baseline is not None
    name = rows[0][1].name
    devices = f" on {rows[0][1].devices} devices" if rows[0][1].devices > 1 else ""
    return f"Against {baseline.against}, {name}{devices} is {'; then '.join(parts)}."


def _factors(verdict: str | None, rows: list[StrategyReport]) -> str:
    """` (2.1 to 3.4 times the time)`, "" within noise."""
    ratios = [row.speedup.value for row in rows if row.speedup is not None]
    if verdict == "faster":
        low, high, what = min(ratios), max(ratios), "times as fast"
    elif verdict == "slower":
        low, high, what = 1 / max(ratios), 1 / min(ratios), "times the time"
    else:
        return ""
    one, other = significant(low), significant(high)
    return f" ({one} {what})" if one == other else f" ({one} to {other} {what})"


def _devices(report: BenchmarkReport) -> Iterator[str]:
    """What one device and all of them do, where the batch is divided over devices."""
    counts = {row.devices for p in report.points for row in p.strategies if row.name in DIVIDING}
    for devices in sorted({1, max(counts, default=1)}):
        found = [rows for name in DIVIDING if (rows := _rows(report, name, devices))]
        if not found:
            continue
        title = f"On {devices} devices" if devices > 1 else "On a single device"
        last = _earned(report, found) if devices > 1 else ONE
        yield f"{title}. {' '.join(map(_course, found))} {last}"


def _earned(report: BenchmarkReport, found: list[Rows]) -> str:
    """At which points one of the rows on many devices is faster than the baseline."""
    won = {words.point_title(p) for rows in found for p, row in rows if row.verdict == "faster"}
    if not won:
        return "Nothing here shows that several devices earn back what it costs to use them."
    places = [words.point_title(point) for point in report.points]
    if won == set(places):
        return "At every size here several devices earn back what it costs to use them."
    at = ", ".join(place for place in places if place in won)
    return f"These figures show several devices earn back what it costs to use them at {at} only."


def _compiling(report: BenchmarkReport) -> Iterator[str]:
    """How many calls a compilation costs, at the last point."""
    if not report.points:
        return
    point = report.points[-1]
    rows = [row for row in point.strategies if row.median and row.stages.compile]
    if not rows:
        return
    slowest = max(rows, key=lambda row: row.stages.compile or 0.0)
    assert slowest.stages.compile is not None
    assert slowest.median is not None
    calls = slowest.stages.compile / slowest.median
    yield (
        f"Compiling. At {words.point_title(point) or 'this size'}, {slowest.name} takes "
        f"{words.seconds(slowest.stages.compile, 2)} to compile, as long as {significant(calls)} "
        f"of its calls. Timed with its first call, it would look {significant(calls + 1)} times as "
        f"slow as it is."
    )


def _hardware(environment: Environment) -> str:
    if environment.simulated:
        return (
            f"Elsewhere. These devices are virtual: {environment.device_count} of them share "
            f"{environment.cores} cores, so they cannot be faster than one program that uses all "
            f"cores. On real accelerators each device brings its own arithmetic and memory, so "
            f"several of them win once there is work enough. A loop mostly loses by more there, "
            f"since each call has to reach the device; and what is sent between devices has a "
            f"price that is not seen here."
        )
    return (
        "Elsewhere. These are real devices: the figures hold for this machine, its links and this "
        "release of JAX. Faster links move the turning point to smaller batches, slower ones to "
        "larger ones."
    )
