"""A text chart of time over the swept parameter, or over the number of devices.

Curves are drawn in braille, two by four dots to a cell. Every series has a letter, shown at its
points and in the legend, so that series are told apart without colours. An axis is logarithmic
when its values span a factor of `LOGARITHMIC_FROM` or more.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jaxtui.benchmark.screen import bars, strategy_colours
from jaxtui.benchmark.screen.rows import Key, unit_of
from jaxtui.screen.cells import Line, Segment, fit, join, width_of
from jaxtui.text import signs
from jaxtui.text.quantities import significant
from jaxtui.wire.benchmark_report import BenchmarkReport, Parameter, PointReport, StrategyReport

LETTERS = "abcdefghijklmnopqrstuvwxyz"
LOGARITHMIC_FROM = 4.0  # the largest over the smallest
LEAST_WIDTH, LEAST_HEIGHT = 30, 6
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


@dataclass(frozen=True)
class Spot:
    """One measurement: the median in seconds and the bounds of its confidence interval."""

    x: float
    label: str
    seconds: float
    low: float
    high: float


@dataclass(frozen=True)
class Series:
    """The measurements of one strategy on a number of devices."""

    key: Key
    name: str
    spots: tuple[Spot, ...]


@dataclass(frozen=True)
class Chart:
    """The series to draw; `across` names the horizontal axis."""

    across: str
    series: tuple[Series, ...]


# ------------------------------------------------------------------------------- what is drawn


def chart_of(report: BenchmarkReport, index: int, selected: Key | None) -> Chart | None:
    """Time over the swept parameter through point `index`, else over devices, else None."""
    point = report.points[index]
    name = _swept(report)
    if name is None:
        return _over_devices(point)
    others = [
        other
        for other in report.points
        if all(v == point.parameters.get(k) for k, v in other.parameters.items() if k != name)
    ]
    numbers = all(_is_number(other.parameters[name]) for other in others)
    found: dict[Key, list[Spot]] = {}
    for place, other in enumerate(others):
        value = other.parameters[name]
        x = float(value) if numbers else float(place + 1)
        for row in other.strategies:
            if row.median is not None:
                key = Key(row.name, row.devices)
                found.setdefault(key, []).append(_spot(x, str(value), row))
    series = [
        Series(key, key.title, tuple(sorted(found[key], key=lambda spot: spot.x)))
        for key in _chosen(found, selected)
    ]
    return Chart(name, tuple(series)) if series else None


def _swept(report: BenchmarkReport) -> str | None:
    values: dict[str, set[Parameter]] = {}
    for point in report.points:
        for name, value in point.parameters.items():
            values.setdefault(name, set()).add(value)
    most = max(values, key=lambda name: len(values[name]), default=None)
    return most if most is not None and len(values[most]) > 1 else None


def _chosen(found: dict[Key, list[Spot]], selected: Key | None) -> list[Key]:
    """Every strategy on its largest number of devices, and the selected row."""
    most: dict[str, int] = {}
    for key in found:
        most[key.strategy] = max(most.get(key.strategy, 0), key.devices)
    return [k for k in found if most[k.strategy] == k.devices or k == selected]


def _over_devices(point: PointReport) -> Chart | None:
    rows: dict[str, list[StrategyReport]] = {}
    for row in point.strategies:
        if row.median is not None:
            rows.setdefault(row.name, []).append(row)
    series = [
        Series(
            Key(name, max(row.devices for row in found)),
            name,
            tuple(
                _spot(float(row.devices), str(row.devices), row)
                for row in sorted(found, key=lambda row: row.devices)
            ),
        )
        for name, found in rows.items()
    ]
    if not any(len(one.spots) > 1 for one in series):
        return None
    return Chart("devices", tuple(series))


def _spot(x: float, label: str, row: StrategyReport) -> Spot:
    median = row.median or 0.0
    return Spot(x, label, median, row.low or median, row.high or median)


def _is_number(value: Parameter) -> bool:
    return isinstance(value, int | float) and value > 0


# ------------------------------------------------------------------------------- how it is drawn


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    size: int  # in dots

    @property
    def logarithmic(self) -> bool:
        return self.low > 0 and self.high / self.low >= LOGARITHMIC_FROM

    def at(self, value: float) -> int:
        if self.high <= self.low:
            return self.size // 2
        share = (value - self.low) / (self.high - self.low)
        if self.logarithmic:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        return max(0, min(self.size - 1, round(share * (self.size - 1))))


class _Canvas:
    """A grid of braille cells, each in the style drawn last, with letters on top."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._dots = [[0] * width for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]
        self._letters: dict[tuple[int, int], tuple[str, str]] = {}

    def dot(self, x: int, y: int, style: str) -> None:
        """Set the dot at (x, y), counted in dots from the lower left."""
        column, row = x // 2, self.height - 1 - y // 4
        if 0 <= column < self.width and 0 <= row < self.height:
            self._dots[row][column] |= _DOTS[3 - y % 4][x % 2]
            self._styles[row][column] = style

    def line(self, start: tuple[int, int], end: tuple[int, int], style: str) -> None:
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            share = step / steps
            x = round(start[0] + share * (end[0] - start[0]))
            y = round(start[1] + share * (end[1] - start[1]))
            self.dot(x, y, style)

    def letter(self, x: int, y: int, text: str, style: str) -> None:
        """Put a letter at the cell of a dot, or next to it if that cell has one."""
        column, row = x // 2, self.height - 1 - y // 4
        for shift in (0, 1, -1, 2, -2, 3):
            place = (row, column + shift)
            if 0 <= place[1] < self.width and place not in self._letters:
                self._letters[place] = (text, style)
                return

    def row(self, number: int) -> list[Segment]:
        parts: list[Segment] = []
        for column in range(self.width):
            placed = self._letters.get((number, column))
            if placed is not None:
                text, style = placed
            else:
                dots = self._dots[number][column]
                text, style = (
                    (chr(0x2800 + dots), self._styles[number][column]) if dots else (" ", "")
                )
            parts.append(Segment(text, style))
        return list(join(parts))


def lines(
    report: BenchmarkReport,
    index: int,
    width: int,
    height: int,
    selected: Key | None = None,
) -> list[Line]:
    """The chart of a report in `width` x `height` cells; without a sweep, its rows as bars."""
    chart = chart_of(report, index, selected)
    if chart is None:
        return bars.lines(report.points[index], width, selected)
    return drawn(chart, width, height, selected)


def drawn(chart: Chart, width: int, height: int, selected: Key | None = None) -> list[Line]:
    """A chart with axes and legend; it is taller than `height` when that is too little."""
    legend_width = max(len(one.name) for one in chart.series) + 4
    beside = width >= LEAST_WIDTH + legend_width + 12
    legend = _legend(chart, selected)
    below = 0 if beside else len(list(_flowed(legend, width)))
    plot = max(LEAST_HEIGHT, height - 3 - below)
    plotted = _plot(chart, width - (legend_width + 2 if beside else 0), plot, selected)
    return _with_legend(plotted, legend, width, legend_width, beside=beside)


def _plot(chart: Chart, width: int, height: int, selected: Key | None) -> list[Line]:
    spots = [spot for one in chart.series for spot in one.spots]
    low, high = min(s.low for s in spots), max(s.high for s in spots)
    unit, unit_name = unit_of([min(s.seconds for s in spots)])
    ticks = _ticks(low, high)
    labels = {tick: significant(tick / unit, 2) for tick in ticks}
    margin = max(map(len, labels.values())) + 1
    room = max(LEAST_WIDTH // 2, width - margin - 2)
    canvas = _Canvas(room, height)
    xs = [spot.x for spot in spots]
    across = _Scale(min(xs), max(xs), 2 * room - 6)
    up = _Scale(low, high, 4 * height)
    _draw(chart, canvas, across, up, selected)
    at = {height - 1 - up.at(tick) // 4: text for tick, text in labels.items()}
    heading = f"{unit_name} a call{_how(up)}, over {chart.across}{_how(across)}"
    rows: list[Line] = [(Segment(fit(heading, width), "quiet"),)]
    for number in range(height):
        text = at.get(number, "").rjust(margin)
        edge = "┤" if number in at else "│"
        rows.append((Segment(text, "quiet"), Segment(edge, "rule"), *canvas.row(number)))
    rows += _below(chart, across, margin, room)
    return rows


def _how(scale: _Scale) -> str:
    return " (logarithmic)" if scale.logarithmic else ""


def _draw(chart: Chart, canvas: _Canvas, across: _Scale, up: _Scale, selected: Key | None) -> None:
    # The selected series last: it is not drawn over.
    order = sorted(enumerate(chart.series), key=lambda item: item[1].key == selected)
    for _, one in order:
        style = strategy_colours.style(one.key.strategy)
        places = [(across.at(spot.x) + 2, up.at(spot.seconds)) for spot in one.spots]
        for start, end in itertools.pairwise(places):
            canvas.line(start, end, style)
        for spot, (x, _) in zip(one.spots, places, strict=True):
            canvas.line((x, up.at(spot.low)), (x, up.at(spot.high)), style)
    for number, one in reversed(order):
        style = strategy_colours.style(one.key.strategy)
        strong = " strong" if one.key == selected else ""
        for spot in one.spots:
            x, y = across.at(spot.x) + 2, up.at(spot.seconds)
            canvas.letter(x, y, LETTERS[number % len(LETTERS)], style + strong)


def _ticks(low: float, high: float) -> list[float]:
    """A few round values between `low` and `high`."""
    if high / low >= LOGARITHMIC_FROM:
        first = math.floor(math.log10(low))
        last = math.ceil(math.log10(high))
        fine = [m * 10.0**e for e in range(first, last + 1) for m in (1, 2, 5)]
        inside = [tick for tick in fine if low <= tick <= high]
        coarse = [tick for tick in inside if f"{tick:e}".startswith("1.0")]
        return coarse if len(inside) > 7 and len(coarse) > 1 else inside or [low, high]
    step = 10 ** math.floor(math.log10((high - low) or low))
    while (high - low) / step < 2:
        step /= 2
    first_step = math.ceil(low / step)
    return [step * n for n in range(first_step, math.floor(high / step) + 1)] or [low, high]


def _below(chart: Chart, across: _Scale, margin: int, room: int) -> list[Line]:
    rule = [signs.RULE] * room
    marks = [" "] * (room + 12)
    places = {spot.x: spot.label for one in chart.series for spot in one.spots}
    free = 0
    for x in sorted(places):
        cell, text = (across.at(x) + 2) // 2, places[x]
        rule[min(cell, room - 1)] = "┬"
        start = max(0, cell - len(text) // 2)
        if start >= free:
            marks[start : start + len(text)] = list(text)
            free = start + len(text) + 1
    named = "".join(marks).rstrip()[: room + 1]
    return [
        (Segment(" " * margin), Segment("└" + "".join(rule), "rule")),
        (Segment(" " * (margin + 1)), Segment(named, "quiet")),
    ]


def _legend(chart: Chart, selected: Key | None) -> list[Line]:
    """A letter and a name per series, those slowest at the last point first."""
    order = sorted(enumerate(chart.series), key=lambda item: -item[1].spots[-1].seconds)
    return [
        (
            Segment(signs.CURSOR if one.key == selected else " ", "pointer"),
            Segment(LETTERS[number % len(LETTERS)], strategy_colours.style(one.key.strategy)),
            Segment(f" {one.name}", "strong" if one.key == selected else ""),
        )
        for number, one in order
    ]


def _flowed(legend: Sequence[Line], width: int) -> Iterator[Line]:
    """The entries of the legend side by side, wrapped at `width`."""
    row: tuple[Segment, ...] = ()
    for entry in legend:
        if row and width_of(row) + width_of(entry) + 2 > width:
            yield row
            row = ()
        row = (*row, *entry, Segment("  "))
    if row:
        yield row


def _with_legend(
    drawn: Sequence[Line], legend: Sequence[Line], width: int, legend_width: int, *, beside: bool
) -> list[Line]:
    if not beside:
        return [*drawn, *_flowed(legend, width)]
    plot = width - legend_width
    rows: list[Line] = []
    for number in range(max(len(drawn), len(legend) + 1)):
        left = drawn[number] if number < len(drawn) else ()
        entry = legend[number - 1] if 0 < number <= len(legend) else ()
        gap = Segment(" " * max(0, plot - width_of(left)))
        rows.append((*left, gap, *entry))
    return rows
