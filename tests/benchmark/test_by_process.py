"""What the clocks of several processes say: recorded, written, and shown beside the figures."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from jaxtui.benchmark import words
from jaxtui.benchmark.bandwidth import words as bandwidth_words
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.benchmark.bandwidth.screen import view
from jaxtui.benchmark.screen import details
from jaxtui.benchmark.screen.rows import Key, layout, planned_rows, report_rows
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthReport, BandwidthStarted, SizeReport
from jaxtui.wire.benchmark import BenchPoint, BenchSample
from jaxtui.wire.benchmark_report import BenchmarkReport, PlannedPoint, ProcessTimes
from jaxtui.wire.protocol import AnyEvent
from tests.support import made_benchmarks, made_events
from tests.support.made_sweeps import PLAN


def spread(point: PlannedPoint) -> PlannedPoint:
    """The point with its arms on eight devices in two processes."""
    arms = [replace(a, processes=[0, 1] if a.devices == 8 else [0]) for a in point.arms]
    return replace(point, arms=arms)


def timed_by_two(event: AnyEvent) -> AnyEvent:
    """The event as an engine of two processes sends it, the first of which is faster."""
    if isinstance(event, BenchPoint):
        return replace(event, point=spread(event.point))
    if isinstance(event, BenchSample) and made_benchmarks.arms()[event.arm].devices == 8:
        return replace(event, processes=[0.9 * event.seconds, event.seconds])
    return event


@pytest.fixture(scope="module")
def report() -> BenchmarkReport:
    return made_benchmarks.report([timed_by_two(e) for e in made_benchmarks.whole(1)])


def test_every_sample_of_every_process_is_in_the_report(report: BenchmarkReport) -> None:
    for row in report.points[0].strategies:
        if row.skipped is not None:
            assert row.processes == []
            continue
        seconds = [sample.seconds for sample in row.samples]
        assert row.processes[-1].samples == seconds
        if row.devices == 8:
            assert [times.process for times in row.processes] == [0, 1]
            assert row.processes[0].samples == [pytest.approx(0.9 * s) for s in seconds]
        else:
            assert [times.process for times in row.processes] == [0]


def test_a_report_of_one_process_says_nothing_of_processes() -> None:
    alone = made_benchmarks.report(made_benchmarks.whole(1))
    assert not any(row.processes for row in alone.points[0].strategies)
    assert "by process" not in words.text(alone)
    assert "by process" not in "".join(s.text for s in layout(_rows(alone), 120).heading())


def _rows(report: BenchmarkReport) -> Any:
    return report_rows(report.points[0])


def times(*medians: float) -> list[ProcessTimes]:
    return [ProcessTimes(process=n, median=m, samples=[m]) for n, m in enumerate(medians)]


@pytest.mark.parametrize(
    ("medians", "said"),
    [
        ((), ""),
        ((0.001,), "0 alone"),
        ((0.000212, 0.000205), "205–212 µs"),
        ((0.0012, 0.0009, 0.001), "900 µs–1.20 ms"),
    ],
)
def test_the_medians_of_the_processes_are_a_range(medians: tuple[float, ...], said: str) -> None:
    assert words.by_process(times(*medians)) == said


@pytest.mark.parametrize("written", [words.text, words.markdown])
def test_texts_say_how_far_the_processes_are_apart(
    report: BenchmarkReport, written: Callable[[BenchmarkReport], str]
) -> None:
    text = written(report)
    assert "by process" in text
    assert "0 alone" in text


def test_csv_has_the_median_of_every_process(report: BenchmarkReport) -> None:
    rows = list(csv.DictReader(io.StringIO(words.to_csv(report))))
    found = {(row["name"], row["devices"], row["role"]): row["processes"] for row in rows}
    assert found["jit(vmap)", "1", "baseline"].startswith("0:")
    assert any(cell.count(":") == 2 for cell in found.values())
    assert found["jit(vmap)", "1", "control"] == ""


@pytest.mark.parametrize(("width", "shown"), [(78, False), (118, True), (198, True)])
def test_the_table_has_room_for_it_from_some_width_on(
    report: BenchmarkReport, width: int, shown: bool
) -> None:
    table = layout(_rows(report), width)
    lines = ["".join(s.text for s in table.line(i)) for i in range(len(table.rows))]
    assert ("by process" in "".join(s.text for s in table.heading())) is shown
    assert any("0 alone" in line for line in lines) is shown
    assert all(len(line) <= width for line in lines)


def test_the_details_of_a_row_say_who_ran_it(report: BenchmarkReport) -> None:
    point = report.points[0]
    alone, shared = (
        next(row for row in point.strategies if row.devices == n and row.skipped is None)
        for n in (1, 8)
    )
    for row, said in ((alone, "process 0 alone"), (shared, "the slowest counts")):
        lines = details.row_lines(point, Key(row.name, row.devices), 100)
        assert said in "\n".join("".join(s.text for s in line) for line in lines)
    planned = spread(made_benchmarks.point())
    assert planned_rows(planned)
    lines = details.row_lines(planned, Key(shared.name, 8), 100)
    assert "0, 1 together" in "\n".join("".join(s.text for s in line) for line in lines)


# --------------------------------------------------------------------------------------- sweeps


def size(count: int, seconds: float, *, within: bool) -> SizeReport:
    return SizeReport(
        bytes=count,
        count=count // 4,
        dtype="float32",
        block=[count // 4],
        time_us=seconds * 1e6,
        low_us=seconds * 0.9e6,
        high_us=seconds * 1.1e6,
        algbw=count / seconds / 1e9,
        busbw=2 * count / seconds / 1e9,
        wrong=0,
        n=1,
        samples=[seconds],
        reach="within a process" if within else "between processes",
        ranks=4 if within else 8,
        processes=[] if within else times(0.8 * seconds, seconds),
    )


@pytest.fixture
def sweep() -> BandwidthReport:
    recording = SweepRecording(1, made_events.session())
    plan = replace(PLAN, reach="between processes", within_ranks=4)
    recording.take(BandwidthStarted(id=1, environment=made_events.environment(), plan=plan))
    for point, count in enumerate(PLAN.bytes):
        for within in (False, True):
            measured = size(count, 1e-3 * (point + 1) / (4 if within else 1), within=within)
            recording.take(BandwidthMeasured(id=1, point=point, size=measured, within=within))
    return recording.report()


def test_a_sweep_keeps_what_stays_within_a_process_apart(sweep: BandwidthReport) -> None:
    assert [size.reach for size in sweep.sizes] == ["between processes"] * 2
    assert [size.reach for size in sweep.within] == ["within a process"] * 2
    assert sweep.average_busbw == pytest.approx(sum(x.busbw or 0 for x in sweep.sizes) / 2)


def test_each_size_between_processes_is_followed_by_that_within_one(
    sweep: BandwidthReport,
) -> None:
    rows = bandwidth_words.text(sweep).splitlines()
    shown = [row for row in rows if row.startswith(" ") or row[:1].isdigit()]
    reaches = [row.rpartition("  ")[2] for row in shown if row.endswith(("processes", "process"))]
    assert reaches == ["between processes", "within a process"] * 2
    assert "differ by at most 25 %" in bandwidth_words.text(sweep)
    cells = list(csv.DictReader(io.StringIO(bandwidth_words.to_csv(sweep))))
    assert [row["ranks"] for row in cells] == ["8", "8", "4", "4"]
    assert cells[0]["process_us"] == "0:800 1:1000"


@pytest.mark.parametrize("width", [78, 118, 198])
def test_the_table_of_a_sweep_says_where_a_size_went(sweep: BandwidthReport, width: int) -> None:
    lines = ["".join(s.text for s in line) for line in view.table(sweep, width)]
    assert [line[:17].rstrip() for line in lines[2:]] == [
        "between processes",
        "within a process",
    ] * 2
    assert all(len(line) <= width for line in lines)
    drawn = view.chart(sweep, width, 12)
    assert "within a process" in "\n".join("".join(s.text for s in line) for line in drawn)
