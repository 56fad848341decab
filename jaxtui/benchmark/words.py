"""A benchmark in words and tables: text for a terminal, Markdown, CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from jaxtui.text import plain, quantities
from jaxtui.text.quantities import counted, percent, significant
from jaxtui.text.signs import in_ascii
from jaxtui.wire.benchmark_report import (
    BenchmarkReport,
    Control,
    Parameter,
    PointReport,
    ProcessTimes,
    Scaling,
    Speedup,
    StrategyReport,
)
from jaxtui.wire.report import Environment

_HEADINGS = (
    *("strategy", "dev", "compile", "median", "± 99 %", "speed-up", "verdict", "sees"),
    *("GFLOP/s", "GB/s", "of peak"),
)
_RIGHT = frozenset({1, 2, 3, 4, 7, 8, 9, 10})


# ------------------------------------------------------------------------------------- figures


def seconds(value: float | None, digits: int = 3) -> str:
    """A time with its unit, `digits` of it: "77.1 ms"; a dash where there is none."""
    return "–" if value is None else quantities.seconds(value, digits)


def spread(median: float | None, low: float | None, high: float | None) -> str:
    """Half the width of the median's 99 % interval, relative to the median: "± 2 %"."""
    if median is None or low is None or high is None:
        return "–"
    return f"± {percent((high - low) / 2 / median)}"


def speedup(found: Speedup | None) -> str:
    """A speed-up with its interval: "0.85 [0.81, 0.88]"."""
    if found is None:
        return "1"
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"


def verdict(report: StrategyReport) -> str:
    """The verdict; "within noise" also gives the smallest effect that would have shown."""
    if report.verdict is None:
        return "–"
    if report.verdict == "within noise" and report.seen is not None:
        return f"within noise (needs > {percent(report.seen)})"
    return report.verdict


def by_process(found: Sequence[ProcessTimes]) -> str:
    """The least and the largest median of the processes that ran it: "205–212 µs"."""
    if not found:
        return ""
    if len(found) == 1:
        return f"{found[0].process} alone"
    medians = [times.median for times in found]
    least, unit = seconds(min(medians)).rsplit(" ", 1)
    most = seconds(max(medians))
    return f"{least}–{most}" if most.endswith(f" {unit}") else f"{least} {unit}–{most}"


def rate(value: float | None) -> str:
    """Operations or bytes a second in billions."""
    return "–" if value is None else significant(value / 1e9, 3)


def parameters(known: Mapping[str, Parameter]) -> str:
    """Parameters with their values: "batch 64 · n 256"."""
    return " · ".join(f"{name} {value}" for name, value in known.items())


def point_title(point: PointReport) -> str:
    """The swept parameters of a point with their values."""
    return parameters(point.parameters)


def _title(point: PointReport) -> str:
    return " · ".join(filter(None, (point_title(point), f"{point.batch} examples")))


def point_rows(point: PointReport) -> list[list[str]]:
    """One row of cells for each strategy that ran, the A/A pair last."""
    several = by_processes(point)
    ran = [report for report in point.strategies if report.skipped is None]
    rows = [_row(r) + ([by_process(r.processes) or "–"] if several else []) for r in ran]
    control = point.control
    if control is not None and control.median is not None:
        rows.append(_control_row(control) + (["–"] if several else []))
    return rows


def by_processes(point: PointReport) -> bool:
    """Whether an engine of several processes timed it, so that rows say so too."""
    return any(report.processes for report in point.strategies)


def headings(point: PointReport) -> list[str]:
    """The headings of `point_rows`."""
    return [*_HEADINGS, *(["by process"] if by_processes(point) else [])]


def _row(report: StrategyReport) -> list[str]:
    name = f"{report.name} (baseline)" if report.role == "baseline" else report.name
    if report.padded:
        name += f" +{report.padded}"
    return [
        name,
        str(report.devices),
        seconds(report.stages.compile, 2),
        seconds(report.median),
        spread(report.median, report.low, report.high),
        speedup(report.speedup),
        report.verdict or "–",
        "–" if report.seen is None else percent(report.seen),
        rate(report.flops_rate),
        rate(report.bytes_rate),
        "–" if report.of_peak is None else percent(report.of_peak),
    ]


def _control_row(control: Control) -> list[str]:
    low, high = control.interval or (math.nan, math.nan)
    ratio = "–" if control.ratio is None else f"{control.ratio:.2f} [{low:.2f}, {high:.2f}]"
    cells = [f"{control.strategy} again (A/A)", str(control.devices), "–"]
    return [*cells, seconds(control.median), "–", ratio, control.verdict or "–", *["–"] * 4]


def reasons(point: PointReport) -> list[str]:
    """Why strategies did not run, and what is doubtful of those that did."""
    lines = [] if point.error is None else [f"{point.error.field}: {point.error.message}"]
    for report in point.strategies:
        name = f"{report.name} on {counted(report.devices, 'device')}"
        if report.skipped is not None:
            lines.append(f"{name} is left out: {report.skipped}")
        elif report.warning is not None:
            lines.append(f"{name}: {report.warning}")
    flagged = [number for number, found in enumerate(point.rounds) if found.flags]
    if flagged:
        kinds = sorted({flag for found in point.rounds for flag in found.flags})
        lines.append(
            f"{len(flagged)} of {len(point.rounds)} rounds are marked: {', '.join(kinds)}; "
            "they count, and JSON has the medians without them"
        )
    return lines


# ------------------------------------------------------------------------------------ conclusions


def findings(report: BenchmarkReport) -> list[str]:
    """What the run says, in sentences: the fastest at each point, and where the order changes."""
    lines = [line for point in report.points for line in _fastest(point)]
    if len(report.points) > 1:
        lines += _over_the_sweep(report.points)
    return lines


def _fastest(point: PointReport) -> list[str]:
    ran = [r for r in point.strategies if r.median is not None]
    faster = [r for r in ran if r.verdict == "faster" and r.speedup is not None]
    baseline = next((r for r in ran if r.role == "baseline"), None)
    if baseline is None or len(ran) < 2:
        return []
    where = f"{point_title(point)}: " if point.parameters else ""
    if not faster:
        return [f"{where}nothing is faster than {baseline.name} beyond noise"]
    best = max(faster, key=lambda r: r.speedup.value if r.speedup is not None else 0.0)
    found = f"{speedup(best.speedup)} × as fast as {baseline.name}"
    return [f"{where}{best.name} on {counted(best.devices, 'device')} is the fastest, {found}"]


def _over_the_sweep(points: Sequence[PointReport]) -> list[str]:
    verdicts: dict[tuple[str, int], dict[str, list[str]]] = {}
    for point in points:
        for r in point.strategies:
            if r.verdict is not None:
                by_verdict = verdicts.setdefault((r.name, r.devices), {})
                by_verdict.setdefault(r.verdict, []).append(point_title(point))
    return [
        f"{name} on {counted(devices, 'device')}: "
        + "; ".join(f"{word} at {', '.join(places)}" for word, places in found.items())
        for (name, devices), found in verdicts.items()
        if len(found) > 1
    ]


def scaling_words(found: Scaling, points: Sequence[PointReport]) -> str:
    """One scaling figure as a sentence."""
    where = f" at {point_title(points[found.point])}" if points[found.point].parameters else ""
    ceiling = "" if found.ceiling is None else f" (these cores allow {percent(found.ceiling)})"
    efficiency = percent(found.efficiency)
    return (
        f"{found.kind} scaling of {found.strategy} to {counted(found.devices, 'device')}{where}: "
        f"{efficiency}{ceiling}"
    )


def heading(report: BenchmarkReport) -> list[str]:
    """What was run, where and how, and how it ended."""
    lines = []
    seen, made = report.environment, report.conditions
    if seen is not None:
        lines.append(machine(seen))
    if made is not None:
        least = "" if made.exact_rounds else "at least "
        waited = "every call waited for" if made.mode == "latency" else "the last call waited for"
        lines.append(f"{least}{made.rounds} rounds, {waited}, seed {made.seed}")
    if report.ended != "complete":
        lines.append(f"ended early: {report.ended}")
    return [*lines, *report.notes]


def machine(seen: Environment) -> str:
    """The devices, CPU and host of a run, in one line."""
    simulated = f", simulated on {seen.cores} cores" if seen.simulated else ""
    return f"{plain.device_set(seen)}{simulated}; {seen.cpu}; {seen.host}"


# ---------------------------------------------------------------------------------- whole reports


def text(report: BenchmarkReport, *, ascii: bool = False) -> str:
    """The report for a terminal."""
    parts = ["\n".join(heading(report))]
    for point in report.points:
        rows = point_rows(point)
        block = [_title(point) if point.batch else point_title(point)]
        if rows:
            block.append(plain.aligned([headings(point), *rows], _RIGHT))
        parts.append("\n".join([*block, *reasons(point)]))
    parts.append("\n".join(findings(report)))
    parts.append("\n".join(scaling_words(found, report.points) for found in report.scaling))
    return titled(report.session, report.title, parts, ascii=ascii)


def titled(session: str, title: str, parts: Sequence[str], *, ascii: bool) -> str:
    """A report under the user's own words of it, which stay as they are."""
    whole = "\n\n".join(filter(None, parts))
    named = "  ".join(filter(None, (session, title)))
    return "\n\n".join(filter(None, (named, in_ascii(whole) if ascii else whole)))


def markdown(report: BenchmarkReport) -> str:
    """The report as Markdown, tables and all."""
    lines = [f"# {report.title or report.session or 'Benchmark'}", ""]
    lines += [f"- {line}" for line in [*heading(report), report.began]]
    for point in report.points:
        lines += ["", f"## {_title(point)}", ""]
        rows = point_rows(point)
        if rows:
            lines += markdown_table(headings(point), _RIGHT, rows)
        lines += ["", *(f"- {line}" for line in reasons(point))] if reasons(point) else []
    said = findings(report) + [scaling_words(found, report.points) for found in report.scaling]
    if said:
        lines += ["", "## What it says", "", *(f"- {line}" for line in said)]
    return "\n".join(lines) + "\n"


def markdown_table(
    headings: Sequence[str], right: frozenset[int], rows: Iterable[Sequence[str]]
) -> list[str]:
    """The lines of a Markdown table, with the columns `right` aligned to the right."""
    marks = ["---:" if i in right else "---" for i in range(len(headings))]
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        for cells in (headings, marks, *rows)
    ]


_COLUMNS = (
    *("name", "devices", "role", "median", "low", "high", "mad", "iqr", "min", "n", "p90", "p99"),
    *("clean_median", "clean_n", "p_value", "verdict", "seen", "calls", "flops", "bytes"),
    *("flops_rate", "bytes_rate", "of_peak", "operations", "memory", "padded", "stablehlo"),
    *("skipped", "warning", "compilations"),
)
_STAGES = ("place", "trace", "lower", "compile", "first")


def to_csv(report: BenchmarkReport) -> str:
    """One row for each strategy at each point, times in seconds; the A/A pair as a row, too.
    The last column has the medians of an engine's several processes.

    Raw samples are in the JSON.
    """
    names = list(dict.fromkeys(name for point in report.points for name in point.parameters))
    ratio = ("against", "speedup", "speedup_low", "speedup_high")
    rows: list[list[object]] = [
        [*names, "examples", *_COLUMNS, *ratio, *_STAGES, "wrong", "max_ulp", "processes"]
    ]
    for point in report.points:
        place = [*(point.parameters.get(name, "") for name in names), point.batch]
        rows += [[*place, *_csv_cells(strategy)] for strategy in point.strategies]
        if point.control is not None:
            rows.append([*place, *_csv_control(point.control)])
    return csv_of(rows)


def csv_of(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV; None is an empty cell."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _csv_cells(report: StrategyReport) -> list[object]:
    found, correct = report.speedup, report.correct
    ratio = [found.against, found.value, found.low, found.high] if found is not None else [None] * 4
    checked = [correct.wrong, correct.max_ulp] if correct is not None else [None] * 2
    cells = [getattr(report, name) for name in _COLUMNS]
    stages = [getattr(report.stages, name) for name in _STAGES]
    each = " ".join(f"{times.process}:{times.median:.6g}" for times in report.processes)
    return [*cells, *ratio, *stages, *checked, each]


def _csv_control(control: Control) -> list[object]:
    known = {
        "name": control.strategy,
        "devices": control.devices,
        "role": "control",
        "median": control.median,
        "n": len(control.samples),
        "verdict": control.verdict,
    }
    cells = [known.get(name) for name in _COLUMNS]
    ratio = [control.strategy, control.ratio, *(control.interval or (None, None))]
    return [*cells, *ratio, *[None] * (len(_STAGES) + 3)]
