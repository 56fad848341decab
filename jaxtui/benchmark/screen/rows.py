"""The benchmark table as plain data: a row per strategy and number of devices, and its layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jaxtui.benchmark import words
from jaxtui.benchmark.screen import strategy_colours
from jaxtui.benchmark.screen.speed_scale import Interval, SpeedScale, bar, heading_of, scale_of
from jaxtui.screen.cells import Line, Segment, fit
from jaxtui.text.quantities import TIME_UNITS, percent, prefixed, significant, size
from jaxtui.text.signs import CURSOR
from jaxtui.wire.benchmark_report import (
    Control,
    PlannedArm,
    PlannedPoint,
    PointReport,
    StrategyReport,
)
from jaxtui.wire.report import Environment

NOTHING = "–"


class Key(NamedTuple):
    """Identifies a row, also across runs."""

    strategy: str
    devices: int
    control: bool = False

    @property
    def title(self) -> str:
        """`pmap on 8`, or the strategy alone on a single device."""
        return self.strategy if self.devices == 1 else f"{self.strategy} on {self.devices}"


@dataclass(frozen=True)
class StrategyRow:
    """A row: its figures, or a `note` that says why there are none.

    `part` is its style: baseline, control, faster, slower, noise, skipped, planned or plain.
    """

    key: Key
    name: str
    figures: Mapping[str, str]
    part: str = "plain"
    note: str = ""
    interval: Interval | None = None  # of its speed-up


# ---------------------------------------------------------------------------------------- the rows


def row_of(point: PointReport | PlannedPoint, key: Key) -> StrategyReport | PlannedArm | None:
    """What is measured or planned of the row `key`; for the control, of the baseline."""
    if isinstance(point, PointReport):
        return next((row for row in point.strategies if (row.name, row.devices) == key[:2]), None)
    arms = (arm for arm in point.arms if arm.role != "control")
    return next((arm for arm in arms if (arm.strategy, arm.devices) == key[:2]), None)


def planned_rows(point: PlannedPoint) -> list[StrategyRow]:
    """The rows of a plan: what would be timed, and what is left out and why."""
    rows = []
    for arm in point.arms:
        control = arm.role == "control"
        key = Key(arm.strategy, arm.devices, control)
        name = _name(arm.strategy, arm.role, arm.padded)
        figures = {"devices": str(arm.devices)}
        if arm.skipped is not None:
            rows.append(StrategyRow(key, name, figures, "skipped", f"left out: {arm.skipped}"))
            continue
        note = "the baseline once more: what no difference looks like" if control else ""
        if not note and arm.flops is not None and arm.memory is not None:
            note = f"to be timed: {prefixed(arm.flops)}FLOP, holds {size(arm.memory)}"
        part = "control" if control else "baseline" if arm.role == "baseline" else "planned"
        rows.append(StrategyRow(key, name, figures, part, arm.warning or note))
    return rows


def report_rows(point: PointReport, at: Key | None = None, doing: str = "") -> list[StrategyRow]:
    """The rows of a measured point; row `at` is in the stage `doing`."""
    times = [r.median for r in point.strategies if r.median is not None]
    if point.control is not None and point.control.median is not None:
        times.append(point.control.median)
    texts = dict(zip(times, aligned_seconds(times), strict=True))
    rows = [_strategy_row(report, texts, at, doing) for report in point.strategies]
    if point.control is not None:
        rows.append(_control_row(point.control, texts, at, doing))
    return rows


def _strategy_row(
    report: StrategyReport, texts: Mapping[float, str], at: Key | None, doing: str
) -> StrategyRow:
    key = Key(report.name, report.devices)
    name = _name(report.name, report.role, report.padded)
    figures = {
        "devices": str(report.devices),
        "compile": words.seconds(report.stages.compile, 2),
        "first": words.seconds(report.stages.first, 2),
    }
    if report.skipped is not None:
        return StrategyRow(key, name, figures, "skipped", f"left out: {report.skipped}")
    if report.median is None:
        part = "baseline" if report.role == "baseline" else "planned"
        return StrategyRow(
            key, name, figures, part, f"{doing} …" if key == at else _readiness(report)
        )
    spread = words.spread(report.median, report.low, report.high)
    figures |= {
        "median": texts[report.median],
        "spread": spread.removeprefix("± ") if report.n > 1 else NOTHING,
        "speedup": _speedup(report) if report.role != "baseline" else "1",
        "verdict": _verdict(report),
        "flops": words.rate(report.flops_rate),
        "bytes": words.rate(report.bytes_rate),
        "peak": NOTHING if report.of_peak is None else f"{100 * report.of_peak:.0f} %",
        "samples": str(report.n),
        "processes": words.by_process(report.processes),
    }
    part = {"faster": "faster", "slower": "slower", "within noise": "noise"}.get(
        report.verdict or "", "baseline" if report.role == "baseline" else "plain"
    )
    return StrategyRow(key, name, figures, part, interval=Interval.of(report))


def _readiness(report: StrategyReport) -> str:
    """How far the preparation of a row is that waits for its turn."""
    if report.stages.first is None:
        return "waits"
    return "compiled" if report.correct is None else "ready"


def _speedup(report: StrategyReport) -> str:
    """The speed-up with its interval, which needs more than one round."""
    found = report.speedup
    return f"{found.value:.2f}" if found is not None and report.n == 1 else words.speedup(found)


def _verdict(report: StrategyReport) -> str:
    if report.role == "baseline":
        return "baseline"
    return "few rounds" if too_few(report) else report.verdict or NOTHING


def too_few(report: StrategyReport) -> bool:
    """Whether the rounds are too few for a verdict, however large the difference."""
    return report.verdict == "within noise" and report.seen is None


def _control_row(
    control: Control, texts: Mapping[float, str], at: Key | None, doing: str
) -> StrategyRow:
    key = Key(control.strategy, control.devices, True)
    figures = {"devices": str(control.devices)}
    if control.median is None:
        note = f"{doing} …" if key == at else ""
        return StrategyRow(key, f"A/A {control.strategy}", figures, "control", note)
    figures |= {"median": texts[control.median], "samples": str(len(control.samples))}
    if control.ratio is not None and control.interval is not None:
        low, high = control.interval
        between = f" [{low:.2f}, {high:.2f}]" if len(control.samples) > 1 else ""
        figures["speedup"] = f"{control.ratio:.2f}{between}"
    figures["verdict"] = control.verdict or NOTHING
    name = f"A/A {control.strategy}"
    return StrategyRow(key, name, figures, "control", interval=Interval.of(control))


def speed_scale_of(rows: Sequence[StrategyRow], width: int) -> SpeedScale | None:
    """The scale of the rows' speed-ups, None as long as there is nothing to compare."""
    control = next((row.interval for row in rows if row.key.control), None)
    found = [row.interval for row in rows if row.interval is not None and not row.key.control]
    return scale_of(found, control, width)


def _name(strategy: str, role: str, padded: int) -> str:
    name = strategy + (f" +{padded}" if padded else "")
    return f"A/A {strategy}" if role == "control" else name


# ----------------------------------------------------------------------------------------- figures


def unit_of(values: Sequence[float]) -> tuple[float, str]:
    """The common unit of several times, as (seconds, name): that of the least, or a larger one
    in which the largest stays below 1000."""
    known = [value for value in values if value > 0] or [1.0]
    fitting = [unit for unit in TIME_UNITS if min(known) >= unit[0] * 0.9995] or [TIME_UNITS[-1]]
    larger = [unit for unit in TIME_UNITS if unit[0] >= fitting[0][0]]
    return next((unit for unit in reversed(larger) if max(known) < 999.5 * unit[0]), TIME_UNITS[0])


def aligned_seconds(values: Sequence[float], digits: int = 3) -> list[str]:
    """Times in a common unit, aligned at the decimal point: ` 3.45 ms`, `77.1  ms`."""
    scale, unit = unit_of(values)
    texts = [significant(value / scale, digits) for value in values]
    heads = [text.partition(".")[0] for text in texts]
    tails = ["".join(text.partition(".")[1:]) for text in texts]
    wide, deep = max(map(len, heads), default=0), max(map(len, tails), default=0)
    return [
        f"{head.rjust(wide)}{tail.ljust(deep)} {unit}"
        for head, tail in zip(heads, tails, strict=True)
    ]


# ---------------------------------------------------------------------------------------- headings


def where(environment: Environment | None) -> str:
    """`cpu × 8 (simulated, 2 cores)`."""
    if environment is None:
        return ""
    note = f" (simulated, {environment.cores} cores)" if environment.simulated else ""
    return f"{environment.platform} × {environment.device_count}{note}"


def ceiling_words(environment: Environment | None) -> str:
    """A sentence on the largest speed-up that simulated devices allow, "" for real ones."""
    if environment is None or not environment.simulated:
        return ""
    count, cores = environment.device_count, environment.cores
    most = min(count, cores)
    share = percent(most / count)
    return (
        f"Simulated: {count} virtual devices share {cores} cores, so {count} devices reach at most "
        f"min({count}, {cores})/{count} = {share} of {count} times the speed."
    )


def flagged_words(point: PointReport) -> str:
    """`3 of 25 rounds were noisy: stolen, switched out`, "" if none was."""
    flagged = [found for found in point.rounds if found.flags]
    if not flagged:
        return ""
    kinds = sorted({flag for found in flagged for flag in found.flags})
    were = "was" if len(flagged) == 1 else "were"
    return f"{len(flagged)} of {len(point.rounds)} rounds {were} noisy: {', '.join(kinds)}"


# ------------------------------------------------------------------------------------- the layout


@dataclass(frozen=True)
class StrategyColumn:
    """A column of the table, left out of tables narrower than `least` cells."""

    name: str
    heading: str
    right: bool = True
    least: int = 0


BARS_LEAST = 104  # cells; a narrower table leaves the bars to the chart
COLUMNS = (
    StrategyColumn("devices", "on"),
    StrategyColumn("compile", "compile"),
    StrategyColumn("first", "first call", least=132),
    StrategyColumn("median", "median", right=False),
    StrategyColumn("spread", "± 99 %"),
    StrategyColumn("processes", "by process", right=False, least=BARS_LEAST),
    StrategyColumn("speedup", "speed-up", right=False),
    StrategyColumn("bars", "", right=False, least=BARS_LEAST),
    StrategyColumn("verdict", "verdict", right=False),
    StrategyColumn("flops", "GFLOP/s", least=90),
    StrategyColumn("bytes", "GB/s", least=150),
    StrategyColumn("peak", "of peak", least=140),
    StrategyColumn("samples", "samples", least=160),
)
NAME_LEAST, NAME_MOST = 14, 26
BAR_LEAST, BAR_MOST = 14, 48  # cells of the bars' column


@dataclass(frozen=True)
class StrategyTable:
    """Rows laid out in a width."""

    rows: tuple[StrategyRow, ...]
    columns: tuple[tuple[StrategyColumn, int], ...]
    name_width: int
    gap: int
    width: int
    scale: SpeedScale | None = None  # of the bars

    def heading(self) -> Line:
        parts = [Segment("  " + "strategy".ljust(self.name_width), "heading")]
        for column, width in self.columns:
            bars = column.name == "bars" and self.scale is not None
            heading = heading_of(self.scale) if bars and self.scale else column.heading
            parts.append(Segment(" " * self.gap + _set(heading, width, column.right), "heading"))
        return tuple(parts)

    def line(self, index: int, *, cursor: bool = False) -> Line:
        row = self.rows[index]
        mark = CURSOR if cursor else " "
        name = fit(row.name, self.name_width).ljust(self.name_width)
        colour = strategy_colours.style(row.key.strategy)
        name_part = _NAME_PARTS.get(row.part, colour) + (" cursor" if cursor else "")
        parts = [Segment(mark, "pointer"), Segment(f" {name}", name_part)]
        if row.note:
            return (*parts, *self._noted(row))
        for column, width in self.columns:
            if column.name == "bars" and self.scale is not None:
                drawn = bar(row.interval, self.scale, colour)
                parts += [Segment(" " * self.gap), *drawn]
                continue
            text = row.figures.get(column.name, "")
            part = _VALUE_PARTS.get(column.name, "")
            if column.name in ("verdict", "speedup"):
                part = row.part
            parts.append(Segment(" " * self.gap + _set(text, width, column.right), part))
        return tuple(parts)

    def _noted(self, row: StrategyRow) -> list[Segment]:
        """The figures that are known, then the note in place of the others."""
        parts: list[Segment] = []
        used = 2 + self.name_width
        for column, width in self.columns:
            if column.name not in row.figures or (row.part == "skipped" and parts):
                break
            text = row.figures[column.name]
            parts.append(Segment(" " * self.gap + _set(text, width, column.right)))
            used += self.gap + width
        room = max(0, self.width - used - 2)
        part = row.part if row.part == "skipped" else "note"
        parts.append(Segment("  " + fit(row.note, room), part))
        return parts


_NAME_PARTS = {"control": "control", "skipped": "skipped"}
_VALUE_PARTS = {
    "median": "median",
    **dict.fromkeys(("compile", "first", "samples", "processes"), "quiet"),
}


def _set(text: str, width: int, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def layout(rows: Sequence[StrategyRow], width: int) -> StrategyTable:
    """Lay out the rows in `width` cells; the details have the columns that do not fit."""
    several = any(row.figures.get("processes") for row in rows)
    columns = [
        column
        for column in COLUMNS
        if column.least <= width and (several or column.name != "processes")
    ]
    widths = [
        max([len(column.heading), *(len(row.figures.get(column.name, "")) for row in rows)])
        for column in columns
    ]
    names = max((len(row.name) for row in rows), default=NAME_LEAST)
    called = max(NAME_LEAST, min(names, NAME_MOST))
    scale = None
    if width >= BARS_LEAST:
        left = width - 2 - called - sum(widths) - 2 * len(columns)
        at = next(i for i, column in enumerate(columns) if column.name == "bars")
        if left >= BAR_LEAST:
            widths[at] = min(BAR_MOST, left)
            scale = speed_scale_of(rows, widths[at])
        else:
            del columns[at], widths[at]
    gap = 2 if 2 + called + sum(widths) + 2 * len(columns) <= width else 1
    room = width - 2 - sum(widths) - gap * len(columns)
    name_width = max(NAME_LEAST, min(called, room))
    return StrategyTable(
        tuple(rows), tuple(zip(columns, widths, strict=True)), name_width, gap, width, scale
    )
