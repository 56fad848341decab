"""The discussion of a benchmark says what the figures say, and no more."""

from __future__ import annotations

import msgspec

from jaxtui.app.learn.discussion import NOT_YET, UNDER_WAY, discussed, discussion
from jaxtui.wire.benchmark import Bench as Bench_
from jaxtui.wire.benchmark_report import (
    BenchmarkReport,
    PointReport,
    Speedup,
    Stages,
    StrategyReport,
    Verdict,
)
from tests.support import made_benchmarks, made_events
from tests.support.fake_client import Bench


def row(
    name: str, devices: int, value: float, verdict: Verdict | None, compile: float = 0.02
) -> StrategyReport:
    speedup = Speedup(against="jit(vmap)", value=value, low=value * 0.9, high=value * 1.1)
    return StrategyReport(
        name=name,
        devices=devices,
        role="strategy",
        python="",
        stages=Stages(compile=compile),
        samples=[],
        calls=1,
        median=0.004,
        speedup=speedup,
        verdict=verdict,
    )


def point(batch: int, *rows: StrategyReport) -> PointReport:
    return PointReport(
        parameters={"batch": batch}, batch=batch, control=None, strategies=list(rows), rounds=[]
    )


def report(*points: PointReport, simulated: bool = True) -> BenchmarkReport:
    environment = msgspec.structs.replace(made_events.environment(), simulated=simulated)
    found = made_benchmarks.report(made_benchmarks.whole(1))
    return msgspec.structs.replace(found, points=list(points), environment=environment)


def test_each_strategy_is_followed_along_the_sweep_with_its_verdicts() -> None:
    said = discussion(
        report(
            point(8, row("loop", 1, 0.5, "slower"), row("pmap", 8, 0.25, "slower")),
            point(64, row("loop", 1, 0.25, "slower"), row("pmap", 8, 1.02, "within noise")),
            point(256, row("loop", 1, 0.25, "slower"), row("pmap", 8, 2.5, "faster")),
        )
    )
    text = "\n".join(said)
    assert "loop is slower (2.00 to 4.00 times the time), batch 8 to batch 256." in text
    assert (
        "pmap on 8 devices is slower (4.00 times the time), batch 8; then within noise, batch 64; "
        "then faster (2.50 times as fast), batch 256." in text
    )
    assert "earn back what it costs to use them at batch 256 only." in text
    assert "20 ms to compile" in text
    assert "as long as 5.00 of its calls" in text
    assert "would look 6.00 times as slow" in text


def test_a_size_where_one_of_two_strategies_wins_is_not_said_to_lose() -> None:
    said = discussion(
        report(
            point(8, row("pmap", 8, 2.0, "faster"), row("shard_map", 8, 0.5, "slower")),
            point(64, row("pmap", 8, 0.5, "slower"), row("shard_map", 8, 2.0, "faster")),
        )
    )
    assert "At every size here several devices earn back" in "\n".join(said)


def test_one_device_and_many_are_told_apart() -> None:
    said = discussion(
        report(point(8, row("pmap", 1, 0.8, "slower"), row("pmap", 8, 3.0, "faster")))
    )
    one = next(text for text in said if text.startswith("On a single device."))
    many = next(text for text in said if text.startswith("On 8 devices."))
    assert "pmap is slower (1.25 times the time), batch 8." in one
    assert "At every size here several devices earn back" in many


def test_without_a_verdict_nothing_is_claimed() -> None:
    said = discussion(report(point(8, row("pmap", 8, 1.0, None)), point(64)))
    assert not any(text.startswith(("On ", "A loop")) for text in said)
    noise = discussion(report(point(8, row("pmap", 8, 1.0, "within noise"))))
    assert "Nothing here shows that several devices earn back" in "\n".join(noise)


def test_virtual_devices_and_real_ones_are_told_apart() -> None:
    assert "share" in discussion(report(point(8)))[-1]
    assert discussion(report(point(8), simulated=False))[-1].startswith(
        "Elsewhere. These are real devices"
    )


async def test_before_and_during_a_run_there_is_no_discussion() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        work = bench.explorer.benchmark
        assert discussed(work) == [NOT_YET]
        work.run(bench.explorer.now())
        id = bench.client.asked(Bench_)[-1].id
        await bench.hear(*made_benchmarks.started(id))
        assert discussed(work) == [UNDER_WAY]
