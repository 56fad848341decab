"""The rows of a benchmark as bars: each speed-up with its interval, on one scale.

loop       ░     ├──●────┤        2.61 [2.2, 3.1]  faster
jit(vmap)  │                      1                baseline
           1×    2×      3×
"""

from __future__ import annotations

from collections.abc import Sequence

from jaxtui.benchmark.screen import strategy_colours
from jaxtui.benchmark.screen.rows import Key, StrategyRow, report_rows, speed_scale_of
from jaxtui.benchmark.screen.speed_scale import BAND, POINT, SpeedScale, axis, bar
from jaxtui.screen.cells import Line, Segment, fit
from jaxtui.text import signs
from jaxtui.wire.benchmark_report import PointReport

BAR_LEAST, BAR_MOST = 10, 60  # cells
NAME_MOST = 26


def lines(point: PointReport, width: int, selected: Key | None = None) -> list[Line]:
    """The bars of all timed rows with their figures, the axis, and what the band is."""
    rows = [row for row in report_rows(point) if "median" in row.figures]
    if speed_scale_of(rows, BAR_LEAST) is None:
        return [(Segment("Bars come with the first round of two rows or more.", "quiet"),)]
    names = min(NAME_MOST, max(len(_name(row)) for row in rows))
    speeds = max(len(row.figures.get("speedup", "")) for row in rows)
    figures = [_figures(row, speeds) for row in rows]
    room = width - names - 4 - max(map(len, figures))
    scale = speed_scale_of(rows, max(BAR_LEAST, min(BAR_MOST, room)))
    assert scale is not None
    drawn: list[Line] = []
    for row, text in zip(rows, figures, strict=True):
        here = row.key == selected
        style = strategy_colours.style(row.key.strategy)
        name = fit(_name(row), names).ljust(names)
        name_style = f"{style} strong" if here else style
        drawn.append(
            (
                Segment(signs.CURSOR if here else " ", "pointer"),
                Segment(f"{name} ", name_style),
                *bar(row.interval, scale, style),
                Segment("  "),
                Segment(text, row.part if row.part in ("faster", "slower") else ""),
            )
        )
    indent = Segment(" " * (names + 2))
    drawn += [(indent, *line) for line in axis(scale)]
    return [*drawn, *_said(point, scale, width)]


def _name(row: StrategyRow) -> str:
    return f"A/A {row.key.title}" if row.key.control else row.key.title


def _figures(row: StrategyRow, width: int) -> str:
    return f"{row.figures.get('speedup', ''):{width}}  {row.figures.get('verdict', '')}".rstrip()


def _said(point: PointReport, scale: SpeedScale, width: int) -> list[Line]:
    baseline = next((row for row in point.strategies if row.role == "baseline"), None)
    against = "the baseline" if baseline is None else baseline.name
    how = ", on a logarithmic scale" if scale.logarithmic else ""
    said = [f"{POINT} times as fast as {against}, with its 99 % interval{how}"]
    if scale.band is not None:
        low, high = scale.band
        said.append(f"{BAND} A/A: {against} against itself, {low:.2f} to {high:.2f}")
    together = " · ".join(said)
    texts: Sequence[str] = [together] if len(together) + 1 <= width else said
    return [(Segment(f" {fit(text, width - 1)}", "quiet"),) for text in texts]
