""" "When is which faster?": sentences derived from the figures of a run alone."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

from jaxtui.benchmark import words
from jaxtui.benchmark.screen.rows import Key, ceiling_words, flagged_words, too_few
from jaxtui.text.quantities import percent, significant
from jaxtui.wire.benchmark_report import BenchmarkReport, PointReport, StrategyReport

OVERHEAD_FROM = 1.15  # a time a batch that is this much over the baseline's is worth explaining


def answers(report: BenchmarkReport, index: int) -> list[str]:
    """Sentences about point `index` of the sweep, then about the whole sweep and the devices."""
    if not report.points:
        return []
    point = report.points[index]
    found = [*_fastest(point), *_loop(point), *_pays_off(point), *_sure(point)]
    found += _crossings(report)
    found += _devices(report, index)
    return found


def named(row: StrategyReport) -> str:
    """`pmap on 8 devices`, `vmap`."""
    return row.name if row.devices == 1 else f"{row.name} on {row.devices} devices"


def _timed(point: PointReport) -> list[StrategyReport]:
    return [row for row in point.strategies if row.median is not None]


def _baseline(point: PointReport) -> StrategyReport | None:
    return next((row for row in _timed(point) if row.role == "baseline"), None)


# ------------------------------------------------------------------------------------ one point


def _fastest(point: PointReport) -> list[str]:
    baseline = _baseline(point)
    others = [row for row in _timed(point) if row.speedup is not None and row is not baseline]
    if baseline is None or not others:
        return []
    at = words.point_title(point)
    place = f"At {at}: " if at else ""
    faster = [row for row in others if row.verdict == "faster"]
    slower = [row for row in others if row.verdict == "slower"]
    said = []
    if faster:
        best = max(faster, key=_ratio)
        assert best.speedup is not None
        found = best.speedup
        said.append(
            f"{place}{named(best)} is {significant(found.value)} times as fast as {baseline.name} "
            f"(99 %: {found.low:.2f} to {found.high:.2f}), the fastest that is beyond noise."
        )
    elif all(too_few(row) for row in others):
        said.append(f"{place}too few rounds so far for any verdict.")
    else:
        said.append(f"{place}nothing is faster than {baseline.name} beyond noise.")
    if slower:
        worst = min(slower, key=_ratio)
        assert worst.speedup is not None
        found = worst.speedup
        least, most = significant(1 / found.high), significant(1 / found.low)
        said.append(
            f"{named(worst)} is the slowest: {significant(1 / found.value)} times the time of "
            f"{baseline.name} (99 %: {least} to {most})."
        )
    return said


def _ratio(row: StrategyReport) -> float:
    return row.speedup.value if row.speedup is not None else 1.0


def _loop(point: PointReport) -> list[str]:
    """The cost per example of dispatching from a Python loop, which batching saves."""
    baseline = _baseline(point)
    loop = next((row for row in _timed(point) if row.name == "loop"), None)
    if baseline is None or loop is None or not point.batch or loop.verdict != "slower":
        return []
    assert loop.median is not None
    assert baseline.median is not None
    each = (loop.median - baseline.median) / point.batch
    if loop.median < OVERHEAD_FROM * baseline.median:
        return []
    return [
        f"The Python loop pays {words.seconds(each)} more for each of the {point.batch} examples "
        f"than {baseline.name}: the smaller an example's own work, the more that matters."
    ]


def _pays_off(point: PointReport) -> list[str]:
    """After how many calls the fastest strategy has paid back its longer compilation."""
    rows = [row for row in _timed(point) if row.verdict in ("faster", None)]
    best = min(rows, key=lambda row: row.median or math.inf, default=None)
    if best is None:
        return []
    for other in _timed(point):
        saved = (other.median or 0.0) - (best.median or 0.0)
        more = ready_seconds(best) - ready_seconds(other)
        apart = other.verdict == "slower" or (best.verdict == "faster" and other.verdict is None)
        if apart and saved > 0 and more > saved:
            calls = math.ceil(more / saved)
            return [
                f"{named(best)} takes {words.seconds(more, 2)} longer to get ready than "
                f"{named(other)} and saves {words.seconds(saved, 2)} a call: "
                f"it pays from {calls:,} calls on."
            ]
    return []


def ready_seconds(row: StrategyReport) -> float:
    """Seconds until the first result: trace, lower, compile, first call."""
    stages = row.stages
    return sum(s or 0.0 for s in (stages.trace, stages.lower, stages.compile, stages.first))


def _sure(point: PointReport) -> list[str]:
    """How reliable the measurement is: the A/A ratio, detectable differences, noisy rounds."""
    said = []
    control = point.control
    if control is not None and control.ratio is not None and control.interval is not None:
        low, high = control.interval
        said.append(
            f"The same program timed twice (A/A) came out {control.ratio:.2f} "
            f"[{low:.2f}, {high:.2f}]: differences of that size mean nothing here."
        )
    unsure = [row for row in _timed(point) if row.verdict == "within noise" and not too_few(row)]
    if unsure:
        needed = [
            f"{named(row)} (needs > {percent(row.seen)})" if row.seen is not None else named(row)
            for row in unsure
        ]
        said.append(
            "Differences smaller than this machine can tell apart today, which are within noise: "
            f"{_listed(needed)}."
        )
    flagged = flagged_words(point)
    if flagged:
        said.append(f"{flagged}. They count; the details of a row have the median without them.")
    return said


def _listed(names: Iterable[str]) -> str:
    found = list(names)
    if len(found) > 4:
        found = [*found[:3], f"{len(found) - 3} more"]
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"


# ------------------------------------------------------------------------------------- the sweep


def _crossings(report: BenchmarkReport) -> list[str]:
    """Where along the sweep the verdict on a strategy changes."""
    if len(report.points) < 2:
        return []
    rows: dict[Key, list[tuple[str, StrategyReport]]] = {}
    for point in report.points:
        for row in _timed(point):
            if row.verdict is not None:
                key = Key(row.name, row.devices)
                rows.setdefault(key, []).append((words.point_title(point), row))
    said = []
    steady: dict[str, list[str]] = {}
    for found in rows.values():
        name, verdicts = named(found[0][1]), {row.verdict for _, row in found}
        if len(verdicts) > 1:
            said.append(f"{name} is {_course(found)}.")
        elif len(found) > 1:
            steady.setdefault(str(verdicts.pop()), []).append(name)
    for verdict, names in steady.items():
        said.append(f"{verdict.capitalize()} all along the sweep: {_listed(names)}.")
    return said


def _course(found: Sequence[tuple[str, StrategyReport]]) -> str:
    """`slower at batch 1, within noise at batch 8, faster from batch 64 on`."""
    parts = []
    for verdict, same in itertools.groupby(found, key=lambda one: one[1].verdict):
        places = [place for place, _ in same]
        if len(places) == 1:
            parts.append(f"{verdict} at {places[0]}")
        elif places[-1] == found[-1][0]:
            parts.append(f"{verdict} from {places[0]} on")
        else:
            parts.append(f"{verdict} from {places[0]} to {places[-1]}")
    return ", ".join(parts)


def _devices(report: BenchmarkReport, index: int) -> list[str]:
    said = []
    scaling = [found for found in report.scaling if found.point == index]
    for kind, meaning in (("strong", "the same batch"), ("weak", "as much a device")):
        rows = [found for found in scaling if found.kind == kind]
        if not rows:
            continue
        best = max(rows, key=lambda found: (found.devices, found.efficiency))
        ceiling = "" if best.ceiling is None else f", of the {percent(best.ceiling)} there can be"
        said.append(
            f"{kind.capitalize()} scaling ({meaning}): {best.strategy} on {best.devices} devices "
            f"reaches {percent(best.efficiency)} of {best.devices} times one{ceiling}."
        )
    ceiling = ceiling_words(report.environment)
    return [*said, ceiling] if ceiling else said
