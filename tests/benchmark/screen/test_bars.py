"""Speed-ups as intervals on one scale, in the table and as the chart of a run without a sweep."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.benchmark.screen import bars, chart, strategy_colours
from jaxtui.benchmark.screen.rows import BARS_LEAST, Key, layout, report_rows
from jaxtui.benchmark.screen.speed_scale import BAND, ONE, POINT, Interval, axis, bar, scale_of
from jaxtui.screen.cells import text_of, width_of
from jaxtui.text.signs import in_ascii
from jaxtui.wire.benchmark_report import BenchmarkReport
from tests.support import made_benchmarks as made

speeds = st.floats(0.01, 100)


@pytest.fixture(scope="module")
def report() -> BenchmarkReport:
    return made.report(made.whole(1))


@given(st.lists(st.tuples(speeds, speeds, speeds), min_size=1, max_size=6), st.integers(14, 90))
def test_one_scale_holds_every_interval_and_the_one_in_order(
    found: list[tuple[float, float, float]], width: int
) -> None:
    intervals = [Interval(*sorted(parts)) for parts in found]
    scale = scale_of(intervals, intervals[0], width)
    assert scale is not None
    marks = sorted({1.0, *(v for one in intervals for v in (one.low, one.value, one.high))})
    cells = [scale.cell(mark) for mark in marks]
    assert cells == sorted(cells)
    for one in intervals:
        drawn = text_of(bar(one, scale, "strategy-0"))
        assert len(drawn) == width
        assert drawn.count(POINT) == 1
        assert drawn.index(POINT) == scale.cell(one.value)
    assert all(width_of(line) <= width + 6 for line in axis(scale))


def test_the_band_of_the_noise_lies_behind_the_intervals() -> None:
    control = Interval(0.9, 1.0, 1.1)
    scale = scale_of([Interval(1.9, 2.0, 2.1)], control, 60)
    assert scale is not None
    empty, full = text_of(bar(None, scale, "x")), text_of(bar(Interval(0.95, 1, 2), scale, "x"))
    assert empty.strip(" ")[0] == BAND
    assert empty.strip(" ")[-1] == BAND
    assert ONE in empty
    assert full.count(BAND) < empty.count(BAND)


def test_the_baseline_has_no_interval_and_the_control_its_own(report: BenchmarkReport) -> None:
    found = {row.key: row.interval for row in report_rows(report.points[0])}
    assert found[Key("jit(vmap)", 1)] is None
    control = report.points[0].control
    assert control is not None
    shown = found[Key("jit(vmap)", 1, True)]
    assert shown is not None
    assert (shown.low, shown.high) == control.interval
    pmap = found[Key("pmap", 8)]
    assert pmap is not None
    assert (pmap.low, pmap.value, pmap.high) == pytest.approx((1.94, 2.0, 2.06))


@pytest.mark.parametrize("width", [60, 78, 118])
def test_a_run_without_a_sweep_has_its_rows_as_a_chart(report: BenchmarkReport, width: int) -> None:
    alone = [row for row in report.points[0].strategies if row.devices == 1]
    point = msgspec.structs.replace(report.points[0], strategies=alone)
    drawn = chart.lines(msgspec.structs.replace(report, points=[point]), 0, width, 20)
    text = "\n".join(map(text_of, drawn))
    assert text.count(POINT) >= 3
    assert "A/A: jit(vmap) against itself" in text
    assert "0.85 [0.82, 0.88]  slower" in text
    assert max(map(width_of, drawn)) <= width
    assert in_ascii(text).isascii()


def test_the_row_at_the_cursor_is_marked_and_in_the_colour_of_its_strategy(
    report: BenchmarkReport,
) -> None:
    drawn = bars.lines(report.points[0], 90, Key("loop", 1))
    marked = [line for line in drawn if text_of(line).startswith("▌")]
    assert [text_of(line).split()[0] for line in marked] == ["▌loop"]
    assert marked[0][1].style == f"{strategy_colours.style('loop')} strong"


def test_the_table_has_the_bars_where_it_is_wide_enough(report: BenchmarkReport) -> None:
    rows = report_rows(report.points[0])
    for width in (78, BARS_LEAST + 14, 196):
        table = layout(rows, width)
        text = "\n".join(text_of(table.line(number)) for number in range(len(rows)))
        assert (POINT in text) == (width >= BARS_LEAST)
        assert max(width_of(table.line(number)) for number in range(len(rows))) <= width


def test_before_the_first_round_there_is_nothing_to_draw() -> None:
    point = made.report([*made.started(1), *made.prepared(1)]).points[0]
    assert "first round" in text_of(bars.lines(point, 80)[0])
