"""Sweeps over the devices of several processes: what is sent where, checked and timed by all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from jaxtui.benchmark.bandwidth import words
from jaxtui.benchmark.bandwidth.engine import sizes
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.session.session import Benchmark, Collective, Devices, Program, Session
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthReport, SweepBandwidth
from jaxtui.wire.base import Cancel, Composition, Failed
from jaxtui.wire.benchmark import BenchFinished, BenchStage
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.collectives import CollectiveRan, RunCollective
from tests.support.asking import Asker

ROWS = "arange(16.0).reshape(8, 2)"
DEVICES = Devices(platform="cpu", count=8)
COMPOSITION = Composition(program=Program(), devices=DEVICES)


@pytest.fixture(scope="module")
def two() -> Iterator[Asker]:
    engine = Asker(EngineSettings(platform="cpu", count=8, processes=2))
    yield engine
    engine.client.close()


def request(engine: Asker, collective: Collective, **asked: Any) -> SweepBandwidth:
    benchmark = Benchmark(rounds=3, sweep={"bytes": ["1K", "16K"]})
    return SweepBandwidth(
        id=engine.next_id(), composition=COMPOSITION, collective=collective, benchmark=benchmark
    )


def swept(engine: Asker, collective: Collective, stop_at: type | None = None) -> BandwidthReport:
    sent = request(engine, collective)
    recording = SweepRecording(sent.id, Session(devices=DEVICES, collective=collective))
    engine.client.send(sent)
    while not recording.ended:
        event = engine.heard.until(lambda e: e.id == sent.id, seconds=60)
        recording.take(event)
        if stop_at is not None and isinstance(event, stop_at):
            engine.client.send(Cancel(id=engine.next_id(), target=sent.id))
            stop_at = None
    return recording.report()


class Others:
    """Two processes of which the second says what the test has it say."""

    def __init__(self, rows: list[int], wrong: int) -> None:
        self.own = self
        self.found = [(0, [0, 1]), (wrong, rows)]

    def adopt(self, measured: Any) -> None: ...

    def as_step(self, method: str, *args: Any) -> None: ...

    def step(self, method: str, *args: Any, communicates: bool) -> list[Any]:
        assert communicates
        return self.found


class Subject:
    processes = (0, 1)
    rows = 4


class Measured:
    subject, count, wrong = Subject(), 1, None


@pytest.mark.parametrize(
    ("rows", "said", "wrong"), [([2, 3], 0, 0), ([2, 3], 5, 5), ([2], 0, 1), ([1, 2], 3, 3)]
)
def test_wrong_and_missing_rows_of_every_process_count(
    monkeypatch: pytest.MonkeyPatch, rows: list[int], said: int, wrong: int
) -> None:
    monkeypatch.setattr(sizes.processes, "stepped", lambda step, own: [own()])
    measured: Any = Measured()
    together: Any = Others(rows, said)
    for _ in sizes.Shared(together, measured).checked():
        pass
    assert measured.wrong == wrong


@pytest.mark.long
@pytest.mark.parametrize("via", ["pmap", "shard_map"])
@pytest.mark.parametrize(
    ("operation", "value", "options"),
    [
        ("psum", ROWS, {}),
        ("pmax", "arange(16).reshape(8, 2)", {}),
        ("all_gather", ROWS, {"tiled": "True"}),
        ("psum_scatter", "arange(128.0).reshape(8, 8, 2)", {}),
        ("all_to_all", "arange(128.0).reshape(8, 8, 2)", {"split_axis": "0", "concat_axis": "0"}),
    ],
)
def test_a_sweep_is_right_and_timed_by_every_process_and_within_one(
    two: Asker, operation: str, value: str, options: dict[str, str], via: str
) -> None:
    collective = Collective(operation=operation, via=via, value=value, options=options)
    report = swept(two, collective)
    assert report.ok, report
    assert report.collective is not None
    assert (report.collective.ranks, report.collective.within_ranks) == (8, 4)
    assert [size.reach for size in report.sizes] == ["between processes"] * 2
    assert [size.reach for size in report.within] == ["within a process"] * 2
    assert {size.wrong for size in (*report.sizes, *report.within)} == {0}
    for size in report.sizes:
        assert [times.process for times in size.processes] == [0, 1]
        slowest = [max(pair) for pair in zip(*(t.samples for t in size.processes), strict=True)]
        assert size.samples == slowest
    text = words.text(report)
    assert "within a process" in text
    assert "between processes" in words.to_csv(report)


@pytest.mark.long
def test_what_stays_within_a_process_says_so(two: Asker) -> None:
    groups = {"axis_index_groups": "[[0, 1, 2, 3], [4, 5, 6, 7]]"}
    report = swept(two, Collective(operation="psum", via="pmap", value=ROWS, options=groups))
    assert [size.reach for size in report.sizes] == ["within a process"] * 2
    assert report.within == []
    ring = {"perm": "[(i, (i + 1) % 8) for i in range(8)]"}
    report = swept(two, Collective(operation="ppermute", via="pmap", value=ROWS, options=ring))
    assert report.ok
    assert report.within == []
    assert any("between processes only" in note for note in report.collective.notes)


@pytest.mark.long
@pytest.mark.parametrize("event", [BenchStage, BandwidthMeasured])
def test_a_sweep_that_is_stopped_ends_in_all_processes(two: Asker, event: type) -> None:
    collective = Collective(operation="psum", via="pmap", value=ROWS)
    assert swept(two, collective, stop_at=event).ended == "stopped"
    ran, _ = two.ask(
        RunCollective(id=two.next_id(), composition=COMPOSITION, collective=collective)
    )
    assert isinstance(ran, CollectiveRan)


@pytest.mark.long
def test_a_collective_that_cannot_be_swept_is_refused(two: Asker) -> None:
    sent = request(two, Collective(operation="psum", via="vmap", value=ROWS))
    two.client.send(sent)
    answer = two.heard.until(lambda e: e.id == sent.id and isinstance(e, Failed | BenchFinished))
    assert isinstance(answer, Failed)
    assert answer.diagnosis.field == "collective.via"
