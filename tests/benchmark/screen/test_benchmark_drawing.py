"""The table, the samples, the chart, the answers and the details of a benchmark, as text."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.screen import answers as benchmark_answers
from jaxtui.benchmark.screen import chart as benchmark_chart
from jaxtui.benchmark.screen import details as benchmark_details
from jaxtui.benchmark.screen import distributions as benchmark_distributions
from jaxtui.benchmark.screen import rows as benchmark_rows
from jaxtui.benchmark.screen.rows import Key, aligned_seconds, layout, report_rows
from jaxtui.screen.cells import Line, text_of, width_of
from jaxtui.text.signs import in_ascii
from jaxtui.wire.benchmark_report import BenchmarkReport
from tests.support import made_benchmarks as made

WIDTHS = [40, 60, 78, 90, 118, 200]


@pytest.fixture(scope="module")
def report() -> BenchmarkReport:
    return made.report(made.whole(1))


@pytest.fixture(scope="module")
def swept() -> BenchmarkReport:
    return made.report(made.swept(1))


def texts(lines: list[Line]) -> list[str]:
    return [text_of(line).rstrip() for line in lines]


def table_texts(report: BenchmarkReport, width: int) -> list[str]:
    table = layout(report_rows(report.points[0]), width)
    return texts([table.heading(), *(table.line(i) for i in range(len(table.rows)))])


# --------------------------------------------------------------------------------------- the table


def test_every_strategy_is_a_row_also_one_that_is_left_out(report: BenchmarkReport) -> None:
    keys = [row.key for row in report_rows(report.points[0])]
    assert keys == [
        Key("loop", 1),
        Key("jit(vmap)", 1),
        Key("pmap", 1),
        Key("pmap", 8),
        Key("pmap", 3),
        Key("jit(vmap)", 1, True),
    ]


def test_a_row_that_is_left_out_says_why(report: BenchmarkReport) -> None:
    line = next(text for text in table_texts(report, 118) if "left out" in text)
    assert "3 devices do not divide a batch of 64" in line


def test_a_row_has_its_median_its_interval_its_speedup_and_its_verdict(
    report: BenchmarkReport,
) -> None:
    line = next(text for text in table_texts(report, 78) if text.split()[:2] == ["pmap", "8"])
    assert line.split("pmap")[1].split() == [
        *("8", "84", "ms", "32.7", "ms", "2", "%", "2.00", "[1.94,", "2.06]", "faster"),
    ]


def test_the_baseline_and_the_pair_that_shows_noise_are_named(report: BenchmarkReport) -> None:
    lines = table_texts(report, 118)
    assert any("jit(vmap)" in line and "baseline" in line for line in lines)
    assert any("A/A jit(vmap)" in line and "within noise" in line for line in lines)


@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_of_the_table_is_wider_than_it_may_be(report: BenchmarkReport, width: int) -> None:
    table = layout(report_rows(report.points[0]), width)
    least = 78  # below it the figures themselves need more
    for number in range(len(table.rows)):
        assert width_of(table.line(number)) <= max(width, least)


def test_a_wide_table_has_what_a_narrow_one_leaves_to_the_details(
    report: BenchmarkReport,
) -> None:
    assert "GFLOP/s" not in table_texts(report, 78)[0]
    assert "GFLOP/s" in table_texts(report, 100)[0]
    assert "first call" in table_texts(report, 140)[0]


def test_what_is_being_made_ready_says_what_is_done_to_it() -> None:
    events = [*made.started(1), *made.prepared(1)[:1]]
    point = made.report(events).points[0]
    rows = report_rows(point, Key("pmap", 8), "compiling")
    assert [row.note for row in rows if row.key == Key("pmap", 8)] == ["compiling …"]


def test_a_plan_says_of_each_row_what_it_holds_or_why_it_is_left_out() -> None:
    rows = benchmark_rows.planned_rows(made.point())
    notes = {row.key: row.note for row in rows}
    assert notes[Key("loop", 1)] == "to be timed: 6.46 GFLOP, holds 48 MiB"
    assert notes[Key("pmap", 3)] == f"left out: {made.REASON}"


def test_a_row_with_too_few_rounds_for_any_verdict_says_so(report: BenchmarkReport) -> None:
    point = report.points[0]
    rows = [
        msgspec.structs.replace(row, verdict=row.verdict and "within noise", seen=None)
        for row in point.strategies
    ]
    few = msgspec.structs.replace(point, strategies=rows)
    verdicts = {r.figures.get("verdict") for r in benchmark_rows.report_rows(few)}
    assert verdicts == {None, "baseline", "few rounds", "within noise"}  # the last of the control
    said = benchmark_answers.answers(msgspec.structs.replace(report, points=[few]), 0)
    assert "too few rounds so far for any verdict." in said
    assert not any("nothing is faster" in sentence for sentence in said)


def test_what_was_printed_keeps_its_spaces_and_no_line_is_too_wide() -> None:
    text = "a\n" * 250 + "  indented\tby 2\n" + "wide 宽 " * 20
    lines = benchmark_details.printed_lines(text, 30)
    found = texts(lines)
    assert found[0].endswith("52 lines before these")
    assert "  indented      by 2" in found
    assert "".join(text_of(line) for line in lines).endswith("wide 宽 " * 20)
    assert max(width_of(line) for line in lines) <= 30


# ----------------------------------------------------------------------------------------- figures


@given(st.lists(st.floats(1e-9, 1e3), min_size=1, max_size=8))
def test_times_in_one_column_share_a_unit_and_their_points_line_up(values: list[float]) -> None:
    found = aligned_seconds(values)
    assert len({text.split()[-1] for text in found}) == 1
    assert len({len(text) for text in found}) == 1
    points = {text.index(".") for text in found if "." in text}
    assert len(points) <= 1


# ----------------------------------------------------------------------------------------- samples


@pytest.mark.parametrize("width", [60, 78, 118])
def test_samples_of_all_rows_are_drawn_on_one_scale(report: BenchmarkReport, width: int) -> None:
    lines = benchmark_distributions.lines(report.points[0], width)
    assert len(lines) == len(made.ROWS) + 2
    assert all(width_of(line) <= width + 12 for line in lines)
    assert all(in_ascii(text).isascii() for text in texts(lines))


def test_a_faster_strategy_stands_to_the_left_of_a_slower_one(report: BenchmarkReport) -> None:
    rows = benchmark_distributions.samples_of(report.points[0])
    scale = benchmark_distributions.scale_of(rows, 60)
    cells = {row.key: scale.cell(row.median) for row in rows}
    assert cells[Key("pmap", 8)] < cells[Key("jit(vmap)", 1)] < cells[Key("loop", 1)]


@given(
    st.lists(st.floats(1e-6, 10.0), min_size=1, max_size=40),
    st.integers(12, 150),
)
def test_every_sample_falls_on_the_scale(values: list[float], width: int) -> None:
    median = sorted(values)[len(values) // 2]
    row = benchmark_distributions.Samples(Key("a", 1), "a", tuple(values), median)
    scale = benchmark_distributions.scale_of([row], width)
    cells = [scale.cell(value) for value in sorted(values)]
    assert cells == sorted(cells)
    assert 0 <= cells[0] <= cells[-1] < width


def test_without_samples_the_pane_says_when_they_come() -> None:
    events = [*made.started(1), *made.prepared(1)]
    lines = benchmark_distributions.lines(made.report(events).points[0], 78)
    assert texts(lines) == ["Samples come with the first round."]


# ------------------------------------------------------------------------------------------- chart


@pytest.mark.parametrize(("width", "height"), [(40, 8), (78, 12), (118, 20)])
def test_a_chart_of_the_sweep_has_every_value_and_every_strategy(
    swept: BenchmarkReport, width: int, height: int
) -> None:
    drawn = benchmark_chart.lines(swept, 0, width, height)
    whole = "\n".join(texts(drawn))
    assert "over batch (logarithmic)" in whole or width < 60
    assert all(value in whole for value in ("16", "64", "256"))
    assert all(name in whole for name in ("loop", "jit(vmap)", "pmap on 8"))
    assert all(width_of(line) <= width for line in drawn)
    assert in_ascii(whole).isascii()


def test_a_strategy_is_drawn_on_its_most_devices_and_where_the_cursor_is(
    swept: BenchmarkReport,
) -> None:
    def names(selected: Key | None) -> list[str]:
        chart = benchmark_chart.chart_of(swept, 0, selected)
        assert chart is not None
        return [one.name for one in chart.series]

    assert names(None) == ["loop", "jit(vmap)", "pmap on 8"]
    assert names(Key("pmap", 1)) == ["loop", "jit(vmap)", "pmap", "pmap on 8"]


def test_without_a_sweep_the_chart_is_over_the_devices(report: BenchmarkReport) -> None:
    chart = benchmark_chart.chart_of(report, 0, None)
    assert chart is not None
    assert chart.across == "devices"
    spots = {one.name: [spot.x for spot in one.spots] for one in chart.series}
    assert spots["pmap"] == [1.0, 8.0]


def test_a_slower_point_is_drawn_higher(swept: BenchmarkReport) -> None:
    drawn = texts(benchmark_chart.lines(swept, 0, 60, 14, Key("loop", 1)))[1:]
    rows = [n for n, text in enumerate(drawn) for _ in range(text[6:40].count("a"))]
    places = [(drawn[n].index("a", 6), n) for n in rows if "a" in drawn[n][6:40]]
    heights = [n for _, n in sorted(set(places))]
    assert heights == sorted(heights, reverse=True)


def test_values_that_are_no_numbers_stand_side_by_side(swept: BenchmarkReport) -> None:
    names = ("float32", "bfloat16", "float16")
    points = [
        msgspec.structs.replace(point, parameters={"dtype": name})
        for point, name in zip(swept.points, names, strict=True)
    ]
    named = msgspec.structs.replace(swept, points=points)
    chart = benchmark_chart.chart_of(named, 0, None)
    assert chart is not None
    assert [spot.label for spot in chart.series[0].spots] == list(names)
    assert [spot.x for spot in chart.series[0].spots] == [1.0, 2.0, 3.0]


# ----------------------------------------------------------------------------------------- answers


def test_the_fastest_and_the_slowest_are_named_with_their_intervals(
    report: BenchmarkReport,
) -> None:
    said = benchmark_answers.answers(report, 0)
    assert said[0] == (
        "pmap on 8 devices is 2.00 times as fast as jit(vmap) (99 %: 1.94 to 2.06), the fastest "
        "that is beyond noise."
    )
    assert said[1].startswith("loop is the slowest: 1.18 times the time of jit(vmap)")


def test_what_is_within_noise_says_what_would_have_been_seen(report: BenchmarkReport) -> None:
    said = " ".join(benchmark_answers.answers(report, 0))
    assert "smaller than this machine can tell apart today" in said
    assert "pmap (needs > " in said


def test_virtual_devices_say_what_they_can_reach_at_most(report: BenchmarkReport) -> None:
    said = benchmark_answers.answers(report, 0)[-1]
    assert said == (
        "Simulated: 8 virtual devices share 4 cores, so 8 devices reach at most "
        "min(8, 4)/8 = 50 % of 8 times the speed."
    )


def test_noisy_rounds_are_counted(report: BenchmarkReport) -> None:
    assert benchmark_rows.flagged_words(report.points[0]) == "1 of 3 rounds was noisy: stolen"


def test_a_verdict_that_turns_along_the_sweep_says_where(swept: BenchmarkReport) -> None:
    points = []
    for number, point in enumerate(swept.points):
        rows = [
            msgspec.structs.replace(row, verdict="faster" if number else "slower")
            if row.name == "loop"
            else row
            for row in point.strategies
        ]
        points.append(msgspec.structs.replace(point, strategies=rows))
    said = benchmark_answers.answers(msgspec.structs.replace(swept, points=points), 0)
    assert "loop is slower at batch 16, faster from batch 64 on." in said
    assert any(line.startswith("Faster all along the sweep: pmap on 8 devices") for line in said)


def test_compiling_that_pays_back_late_says_from_how_many_calls_on(
    report: BenchmarkReport,
) -> None:
    (point,) = report.points
    stages = msgspec.structs.replace(point.strategies[3].stages, compile=10.0)
    slow = msgspec.structs.replace(point.strategies[3], stages=stages)
    rows = [*point.strategies[:3], slow, *point.strategies[4:]]
    changed = msgspec.structs.replace(
        report, points=[msgspec.structs.replace(point, strategies=rows)]
    )
    said = " ".join(benchmark_answers.answers(changed, 0))
    # 9.916 s longer to get ready than the loop, 44.4 ms saved a call
    assert "it pays from 224 calls on" in said


# ----------------------------------------------------------------------------------------- details


def test_a_row_in_full_has_its_stages_its_samples_and_its_python(report: BenchmarkReport) -> None:
    found = texts(benchmark_details.row_lines(report.points[0], Key("pmap", 8), 100))
    whole = "\n".join(found)
    assert "compile 84 ms" in whole
    assert "3 of 2 calls each" in whole
    assert "all 64 elements agree with the baseline's" in whole
    assert "median 32.4 ms over the 2 that nothing" in whole
    assert "out = pmap" in whole
    assert in_ascii(whole).isascii()


def test_a_row_that_is_left_out_says_why_in_full(report: BenchmarkReport) -> None:
    found = texts(benchmark_details.row_lines(report.points[0], Key("pmap", 3), 100))
    assert found[0] == f"left out      {made.REASON}"


def test_two_runs_of_one_environment_are_compared_by_their_times() -> None:
    before, now = made.report(made.whole(1)), made.report(made.whole(1))
    found = bench_runs.compare(before, now)
    whole = "\n".join(texts(benchmark_details.comparison_lines(found, "noon", 100)))
    assert "Same program, same machine, same versions." in whole
    assert whole.count("within noise") == 4


@pytest.mark.parametrize(
    ("factor", "said"), [(1.08, "within noise"), (1.12, "slower now"), (0.88, "faster now")]
)
def test_what_two_processes_differ_by_with_nothing_changed_is_not_called_faster_or_slower(
    factor: float, said: str
) -> None:
    before = made.report([*made.started(1), *made.prepared(1), *made.rounds(1)])
    now = made.report([*made.started(1), *made.prepared(1), *made.rounds(1, factor=factor)])
    found = bench_runs.compare(before, now)
    lines = texts(benchmark_details.comparison_lines(found, "noon", 100))
    assert any("as much as 10 % apart with nothing changed" in line for line in lines)
    rows = [line for line in lines if line.endswith(("faster now", "slower now", "within noise"))]
    assert len(rows) == 4
    assert all(line.endswith(said) for line in rows)


def test_runs_of_different_environments_are_never_compared_in_silence() -> None:
    before, now = made.report(made.whole(1)), made.report(made.whole(1))
    assert before.environment is not None
    old = msgspec.structs.replace(before.environment, jax="0.6.1")
    found = bench_runs.compare(msgspec.structs.replace(before, environment=old), now)
    lines = benchmark_details.comparison_lines(found, "noon", 100)
    assert "  JAX: 0.6.1  →  0.10.2" in texts(lines)
    assert any(segment.style == "warning" for line in lines for segment in line)
