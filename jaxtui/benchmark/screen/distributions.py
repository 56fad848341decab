"""The distribution of the samples of every strategy: a histogram per line, on a common scale."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from jaxtui.benchmark.screen import strategy_colours
from jaxtui.benchmark.screen.rows import Key, aligned_seconds, unit_of
from jaxtui.screen.cells import Line, Segment, fit, join
from jaxtui.text import signs
from jaxtui.text.quantities import significant
from jaxtui.wire.benchmark_report import PointReport

BLOCKS = " ▁▂▃▄▅▆▇█"
LOGARITHMIC_FROM = 4.0  # the largest over the smallest
NAME_MOST = 26
LEAST_WIDTH = 12


@dataclass(frozen=True)
class Samples:
    """The samples of one row, in seconds."""

    key: Key
    name: str
    seconds: tuple[float, ...]
    median: float


@dataclass(frozen=True)
class TimeScale:
    """A linear or logarithmic scale from `low` to `high` seconds over `width` cells."""

    low: float
    high: float
    width: int
    logarithmic: bool

    def cell(self, value: float) -> int:
        """The cell of a value, clamped to the scale."""
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return max(0, min(self.width - 1, int(share * self.width)))

    def at(self, cell: int) -> float:
        """The value at the left edge of a cell."""
        share = cell / self.width
        if self.logarithmic:
            return self.low * math.exp(share * math.log(self.high / self.low))
        return self.low + share * (self.high - self.low)


def samples_of(point: PointReport) -> list[Samples]:
    """All rows that have samples, in the order of the table."""
    found = []
    for report in point.strategies:
        if report.samples and report.median is not None:
            seconds = tuple(sample.seconds for sample in report.samples)
            key = Key(report.name, report.devices)
            found.append(Samples(key, key.title, seconds, report.median))
    control = point.control
    if control is not None and control.samples and control.median is not None:
        seconds = tuple(sample.seconds for sample in control.samples)
        key = Key(control.strategy, control.devices, True)
        found.append(Samples(key, f"A/A {control.strategy}", seconds, control.median))
    return found


def scale_of(rows: Sequence[Samples], width: int) -> TimeScale:
    """A scale from the least sample to the largest 95th percentile or median of all rows."""
    low = min(min(row.seconds) for row in rows)
    high = max(sorted(row.seconds)[math.ceil(0.95 * len(row.seconds)) - 1] for row in rows)
    high = max(high, *(row.median for row in rows))
    if high <= low:
        low, high = low * 0.95, high * 1.05
    margin = (high / low) ** 0.02
    logarithmic = high / low > LOGARITHMIC_FROM
    return TimeScale(low / margin, high * margin, width, logarithmic)


def lines(point: PointReport, width: int, selected: Key | None = None) -> list[Line]:
    """The histograms and their axis; a rule marks the baseline's median in all of them."""
    rows = samples_of(point)
    if not rows:
        return [(Segment("Samples come with the first round.", "quiet"),)]
    names = min(NAME_MOST, max(len(row.name) for row in rows))
    medians = aligned_seconds([row.median for row in rows])
    room = max(LEAST_WIDTH, width - names - len(medians[0]) - 5)
    scale = scale_of(rows, room)
    baseline = next((r for r in point.strategies if r.role == "baseline"), None)
    at = scale.cell(baseline.median) if baseline is not None and baseline.median else None
    drawn: list[Line] = []
    for row, median in zip(rows, medians, strict=True):
        marked = row.key == selected
        style = strategy_colours.style(row.key.strategy)
        mark = signs.CURSOR if marked else " "
        name = fit(row.name, names).ljust(names)
        drawn.append(
            (
                Segment(mark, "pointer"),
                Segment(f"{name} ", style + (" strong" if marked else "")),
                *_histogram(row, scale, at, style),
                Segment("  " + median, ""),
            )
        )
    return [*drawn, *_axis(scale, names + 2)]


def _histogram(row: Samples, scale: TimeScale, baseline: int | None, style: str) -> list[Segment]:
    counts = [0] * scale.width
    beyond = 0
    for value in row.seconds:
        if value > scale.high:
            beyond += 1
        else:
            counts[scale.cell(value)] += 1
    most = max(counts, default=1) or 1
    middle = scale.cell(row.median)
    parts: list[Segment] = []
    for cell, count in enumerate(counts):
        level = math.ceil(count / most * (len(BLOCKS) - 1))
        if level:
            parts.append(Segment(BLOCKS[level], "middle" if cell == middle else style))
        elif cell == middle:
            parts.append(Segment(BLOCKS[1], "middle"))
        else:
            parts.append(Segment("│" if cell == baseline else " ", "rule"))
    parts.append(Segment("▸" if beyond else " ", "beyond"))
    return list(join(parts))


def _axis(scale: TimeScale, indent: int) -> list[Line]:
    unit, name = unit_of([scale.low])
    marks = [" "] * (scale.width + 12)
    rule = [signs.RULE] * scale.width
    for cell in range(0, scale.width - 4, 16):
        text = significant(scale.at(cell) / unit, 3)
        if cell == 0:
            text += f" {name}"
        marks[cell : cell + len(text)] = list(text)
        rule[cell] = "┬"
    how = " logarithmic" if scale.logarithmic else ""
    return [
        (Segment(" " * indent), Segment("".join(rule), "rule"), Segment(how, "quiet")),
        (Segment(" " * indent), Segment("".join(marks).rstrip(), "quiet")),
    ]
