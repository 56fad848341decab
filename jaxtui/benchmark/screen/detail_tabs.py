"""The tabs of details under the benchmark table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from jaxtui.benchmark import kept_runs
from jaxtui.benchmark.screen import answers as benchmark_answers
from jaxtui.benchmark.screen import chart as benchmark_chart
from jaxtui.benchmark.screen import details as benchmark_details
from jaxtui.benchmark.screen import distributions as benchmark_distributions
from jaxtui.benchmark.screen import rows, view
from jaxtui.benchmark.screen.work import BenchmarkWork
from jaxtui.screen.cells import Line, Segment
from jaxtui.wire.benchmark_report import PlannedPoint, PointReport
from jaxtui.wire.report import Environment


class Details(NamedTuple):
    """The input of a tab: the point, the selected row, and the room in cells."""

    bench: BenchmarkWork
    environment: Environment | None
    number: int
    point: PointReport | PlannedPoint | None
    key: rows.Key | None
    width: int
    height: int


class DetailTab(NamedTuple):
    """A tab of the details; one that `follows` depends on the selected row."""

    name: str
    title: str
    lines: Callable[[Details], list[Line]]
    follows: bool = False
    there: Callable[[BenchmarkWork], bool] = lambda bench: True


def _answers(there: Details) -> list[Line]:
    report, number, width = there.bench.report, there.number, there.width
    if report is None or not report.points:
        return _before(there)
    found = benchmark_answers.answers(report, number)
    if there.bench.printed["run"] and there.bench.opened is None:
        found.append(benchmark_details.PRINTED)
    lines = benchmark_details.sentences(found, width)
    if not lines:
        lines = [(Segment("Sentences come with the first round.", "quiet"),)]
    made = [
        line
        for words in view.heading_words(report)
        for line in benchmark_details.wrapped(words, width, "quiet", "  ")
    ]
    said = [*lines, (), *made]
    if not isinstance(there.point, PointReport):
        return said
    # Where there is room, the samples that it is said of.
    samples = [(), *_samples(there)]
    return said if len(said) + len(samples) > there.height else [*said, *samples]


def _before(there: Details) -> list[Line]:
    """What a run will do, shown until there is one."""
    said = [
        "F5 times the same computation in every way of the table: each is checked to compute "
        "the same first, made ready with its stages apart, then all take turns in every round, "
        "in a new order each time.",
        "The baseline is in twice (A/A). A verdict is given only for a difference that is "
        "larger than what the same program shows against itself.",
    ]
    ceiling = rows.ceiling_words(there.environment)
    return benchmark_details.sentences([*said, ceiling] if ceiling else said, there.width)


def _samples(there: Details) -> list[Line]:
    point = there.point
    if not isinstance(point, PointReport):
        return [(Segment("Samples come with the first round.", "quiet"),)]
    return benchmark_distributions.lines(point, there.width, there.key)


def _chart(there: Details) -> list[Line]:
    report, number = there.bench.report, there.number
    if report is None or not report.points:
        return [(Segment("The chart comes with the first round.", "quiet"),)]
    return benchmark_chart.lines(report, number, there.width, there.height, there.key)


def _row(there: Details) -> list[Line]:
    point, key = there.point, there.key
    if key is None:
        return []
    name = key.strategy if key.devices == 1 else f"{key.strategy} on {key.devices} devices"
    about = next((s.title for s in there.bench.strategies if s.name == key.strategy), "")
    first: Line = (Segment(name, "strong"), Segment(f"  {about}", "quiet"))
    if point is None:
        return [first]
    return [first, *benchmark_details.row_lines(point, key, there.width)]


def _printed(there: Details) -> list[Line]:
    return benchmark_details.printed_lines(there.bench.output, there.width)


def _compared(there: Details) -> list[Line]:
    report, other = there.bench.report, there.bench.other
    if report is None or other is None:
        return []
    found = kept_runs.compare(other.report, report)
    before = view.moment(other.report.began)
    return benchmark_details.comparison_lines(found, before, there.width)


TABS = (
    DetailTab("answers", "What it says", _answers, follows=True),
    DetailTab("samples", "Samples", _samples, follows=True),
    DetailTab("chart", "Chart", _chart, follows=True),
    DetailTab("row", "This row", _row, follows=True),
    DetailTab("output", "Output", _printed, there=lambda bench: bool(bench.output)),
    DetailTab("compare", "Compared", _compared, there=lambda bench: bench.other is not None),
)
