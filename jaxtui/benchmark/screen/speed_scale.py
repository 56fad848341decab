"""A scale of speed-ups, and an interval drawn on it before the noise of the A/A pair.

░░│░   ├──●────┤
0.9 1  2       3
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxtui.screen.cells import Line, Segment, join
from jaxtui.text import signs
from jaxtui.text.quantities import significant
from jaxtui.wire.benchmark_report import Control, StrategyReport

LOGARITHMIC_FROM = 4.0  # the largest speed-up over the smallest
POINT, BAND, ONE = "●", "░", "│"
NOISE = 1.05  # a scale of less would show noise as a difference
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True)
class Interval:
    """A speed-up with its 99 % limits; those of a single round are the speed-up itself."""

    low: float
    value: float
    high: float

    @classmethod
    def of(cls, report: StrategyReport | Control) -> Interval | None:
        """That of a row, or of the baseline against itself; None for the baseline."""
        if isinstance(report, Control):
            value, limits = report.ratio, report.interval
        else:
            found = None if report.role == "baseline" else report.speedup
            value = None if found is None else found.value
            limits = None if found is None else (found.low, found.high)
        if value is None:
            return None
        low, high = limits or (value, value)
        if not all(math.isfinite(part) and part > 0 for part in (low, value, high)):
            return None
        return cls(min(low, value), value, max(high, value))


@dataclass(frozen=True)
class SpeedScale:
    """Speed-ups from `low` to `high`, 1 among them, over `width` cells."""

    low: float
    high: float
    width: int
    band: tuple[float, float] | None = None  # the interval of the A/A pair

    @property
    def logarithmic(self) -> bool:
        return self.high / self.low >= LOGARITHMIC_FROM

    def cell(self, value: float) -> int:
        """The cell of a value, clamped to the scale."""
        share = (value - self.low) / (self.high - self.low)
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        return max(0, min(self.width - 1, round(share * (self.width - 1))))


def scale_of(
    intervals: Sequence[Interval], control: Interval | None, width: int
) -> SpeedScale | None:
    """One scale for all rows, None as long as there is nothing to compare."""
    if not intervals:
        return None
    found = [*intervals, *([] if control is None else [control])]
    low, high = min(1.0, *(one.low for one in found)), max(1.0, *(one.high for one in found))
    if high / low < NOISE:
        low, high = low / NOISE, high * NOISE
    return SpeedScale(low, high, width, None if control is None else (control.low, control.high))


def bar(interval: Interval | None, scale: SpeedScale, style: str) -> Line:
    """A row of the picture, `scale.width` cells: its interval before the band and the 1."""
    cells = [Segment(" ")] * scale.width
    if scale.band is not None:
        for at in range(scale.cell(scale.band[0]), scale.cell(scale.band[1]) + 1):
            cells[at] = Segment(BAND, "rule")
    cells[scale.cell(1.0)] = Segment(ONE, "quiet")
    if interval is not None:
        first, last = scale.cell(interval.low), scale.cell(interval.high)
        for at in range(first, last + 1):
            cells[at] = Segment(signs.RULE, style)
        if first < last:
            cells[first], cells[last] = Segment("├", style), Segment("┤", style)
        cells[scale.cell(interval.value)] = Segment(POINT, f"{style} strong")
    return join(cells)


def heading_of(scale: SpeedScale) -> str:
    """`slower │ faster` over the bars, as far as there is room on either side of the 1."""
    at = scale.cell(1.0)
    left = "slower " if at >= len("slower ") else ""
    right = " faster" if scale.width - at > len(" faster") else ""
    return f"{left:>{at}}{ONE}{right}".ljust(scale.width)


def axis(scale: SpeedScale) -> tuple[Line, Line]:
    """The rule under the bars, and the speed-ups along it."""
    rule = [signs.RULE] * scale.width
    marks = [" "] * (scale.width + 6)
    free = 0
    for value in _ticks(scale):
        text, cell = f"{significant(value, 2)}×", scale.cell(value)
        start = max(0, cell - (len(text) - 1) // 2)
        if start < free or start + len(text) > scale.width + 1:
            continue
        rule[cell] = "┬"
        marks[start : start + len(text)] = list(text)
        free = start + len(text) + 1
    return (
        (Segment("".join(rule), "rule"),),
        (Segment("".join(marks).rstrip(), "quiet"),),
    )


def _ticks(scale: SpeedScale) -> Iterator[float]:
    """1 first, whose mark must not be crowded out, or round values from the least on."""
    if scale.logarithmic:
        first, last = math.floor(math.log10(scale.low)), math.ceil(math.log10(scale.high))
        values = [step * 10.0**power for power in range(first, last + 1) for step in _STEPS]
    else:
        rough = (scale.high - scale.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * s for s in (1, 2, 5, 10) if power * s >= rough)
        count = math.floor(scale.high / step) + 1
        values = [n * step for n in range(math.floor(scale.low / step), count)]
    for value in values:
        if scale.low * 0.9999 <= value <= scale.high * 1.0001:
            yield value
