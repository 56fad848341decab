"""A bandwidth sweep as styled lines: the table with its bars, the findings, the chart."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from jaxtui.benchmark.bandwidth import words
from jaxtui.benchmark.screen import chart as benchmark_chart
from jaxtui.benchmark.screen.chart import Chart, Series, Spot
from jaxtui.benchmark.screen.rows import Key
from jaxtui.screen.cells import Line, Segment
from jaxtui.text import quantities
from jaxtui.wire.bandwidth import GIGA, MICRO, BandwidthReport, SizeReport

BAR_MOST = 32  # cells
ROOMY = 100  # columns, for a row with all there is to say of it
# The dtype is the same in every row: it stands in the title.
_SHOWN = tuple(index for index, name in enumerate(words.HEADINGS) if name != "type")
_EIGHTHS = " ▏▎▍▌▋▊▉"


def title(report: BandwidthReport | None) -> str:
    """The title of the pane: operation, ranks, dtype, and whether devices are simulated."""
    plan = report.collective if report is not None else None
    if plan is None:
        return "Bandwidth"
    ranks = quantities.counted(plan.ranks, "rank")
    if plan.within_ranks:
        ranks = f"{plan.ranks} and {plan.within_ranks} ranks"
    parts = ["Bandwidth", f"{plan.operation} via {plan.via}", ranks, plan.dtype]
    if report is not None and report.environment is not None and report.environment.simulated:
        parts.append("simulated")
    return " · ".join(parts)


def table(report: BandwidthReport, width: int) -> list[Line]:
    """Two heading lines and a line per message size, ending in a bar of its bus bandwidth."""
    sizes = words.measured(report)
    named = report.collective is not None and bool(report.collective.reach)
    narrow = named and width < ROOMY
    cells = [_cells(words.row(size), narrow=narrow) for size in sizes]
    heads = [_cells(row, narrow=narrow) for row in words.headings(report)]
    widths = [max(len(cell) for cell in column) for column in zip(*heads, *cells, strict=True)]
    room = min(BAR_MOST, width - sum(widths) - 2 * len(widths))
    best = max((size.busbw or 0.0 for size in sizes), default=0.0)
    found: list[Line] = [
        (Segment(_row(row, widths, named=named), style),)
        for row, style in zip(heads, ("heading", "quiet"), strict=True)
    ]
    for size, row in zip(sizes, cells, strict=True):
        style = "slower" if size.wrong else ("quiet" if size in report.within else "")
        share = (size.busbw or 0.0) / best if best else 0.0
        found.append(
            (
                Segment(_row(row, widths, named=named), style),
                Segment(f"  {_bar(share, room)}", "bars"),
            )
        )
    return found


def _cells(row: Sequence[str], *, narrow: bool) -> list[str]:
    """What is shown of a row: where it reaches in front, and `narrow` without its count."""
    shown = [row[index] for index in _SHOWN if not (narrow and words.HEADINGS[index] == "count")]
    return [*row[len(words.HEADINGS) :], *shown]


def _row(cells: Sequence[str], widths: Sequence[int], *, named: bool) -> str:
    """The cells in line at their right; `named` rows begin with a name, in line at its left."""
    first = cells[0].ljust(widths[0]) if named else cells[0].rjust(widths[0])
    rest = zip(cells[1:], widths[1:], strict=True)
    return "  ".join([first, *(cell.rjust(width) for cell, width in rest)])


def _bar(share: float, room: int) -> str:
    if room < 4:
        return ""
    eighths = round(share * room * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()


def said(report: BandwidthReport, width: int) -> list[Line]:
    """The findings of the sweep, and the conventions behind its figures."""
    lines: list[Line] = []
    if report.ended not in ("complete", "running"):
        ended = f"Ended early: {report.ended}. What was measured stands."
        lines += _wrapped(ended, width, "warning")
    plan = report.collective
    for text in words.findings(report):
        style = "warning" if "wrong" in text or "left out" in text else "strong"
        lines += _wrapped(text, width, style)
    if plan is not None:
        for text in [*words.conventions(plan), *plan.notes]:
            lines += _wrapped(text, width, "quiet")
    return lines


def paragraphs(texts: Sequence[str], width: int) -> list[Line]:
    """Quiet paragraphs, separated by empty lines."""
    lines: list[Line] = []
    for text in texts:
        lines += [()] if lines else []
        lines += _wrapped(text, width, "quiet")
    return lines


def _wrapped(text: str, width: int, style: str) -> list[Line]:
    return [(Segment(part, style),) for part in textwrap.wrap(text, width)]


def chart(report: BandwidthReport, width: int, height: int) -> list[Line]:
    """Time over message size, with the fitted latency-bandwidth line α + S/β."""
    sizes = [size for size in report.sizes if size.time_us]
    if len(sizes) < 2:
        text = "Time over message size comes here once there are two sizes."
        return [(Segment(text, "quiet"),)]
    measured = Series(Key("measured", 1), "measured", tuple(map(_spot, sizes)))
    series = [measured]
    found = report.fit
    if found is not None:
        model = tuple(
            _placed(size, found.alpha_us * MICRO + size.bytes / (found.beta * GIGA))
            for size in sizes
        )
        series.append(Series(Key("fit", 1), "α + S/β", model))
    within = [size for size in report.within if size.time_us]
    if within:
        series[0] = Series(measured.key, "between processes", measured.spots)
        series.append(Series(Key("within", 1), "within a process", tuple(map(_spot, within))))
    return benchmark_chart.drawn(Chart("message size", tuple(series)), width, height)


def _spot(size: SizeReport) -> Spot:
    assert size.time_us is not None
    low, high = size.low_us or size.time_us, size.high_us or size.time_us
    label = quantities.exact_size(size.bytes)
    return Spot(float(size.bytes), label, size.time_us * MICRO, low * MICRO, high * MICRO)


def _placed(size: SizeReport, seconds: float) -> Spot:
    return Spot(float(size.bytes), quantities.exact_size(size.bytes), seconds, seconds, seconds)
