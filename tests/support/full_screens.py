"""The explorer's screens with all that they can show, on a client without an engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from jaxtui.session.session import Benchmark
from jaxtui.wire import bandwidth
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthStarted, SizeReport, SweepBandwidth
from jaxtui.wire.benchmark import Bench as BenchRequest
from jaxtui.wire.benchmark import BenchFinished, PlanBench
from jaxtui.wire.collectives import DescribeCollectives, FindProvenance, RunCollective
from jaxtui.wire.sharding import PlanSharding
from tests.support import (
    made_benchmarks,
    made_collectives,
    made_events,
    made_plans,
    made_sweeps,
)
from tests.support.fake_client import Bench

Fill = Callable[[Bench], Awaitable[None]]
BYTES = [1024 * 4**k for k in range(7)]


async def on_map(bench: Bench) -> None:
    """A program that ran."""
    await bench.settled()


async def on_results(bench: Bench) -> None:
    """The same, turned to the page of results where there is one."""
    await bench.settled()
    if bench.app.map_screen.has_class("-narrow"):
        await bench.press("v")


async def on_sharding(bench: Bench) -> None:
    """A plan of the program, with the cursor on a line that sends something."""
    await bench.settled()
    await bench.press("2")
    await bench.hear(made_plans.planned(bench.client.asked(PlanSharding)[-1].id, made_plans.mlp()))
    await bench.press("down", "down", "down", "down")


async def on_collectives(bench: Bench) -> None:
    """A collective that ran, of which the sources of an element are known."""
    await bench.settled()
    await bench.press("3")
    (described,) = bench.client.take(DescribeCollectives)
    run = bench.client.asked(RunCollective)[-1]
    await bench.hear(made_collectives.described(described.id), made_collectives.psum(run.id))
    await found(bench)


async def found(bench: Bench) -> None:
    """Answer what is asked about sources."""
    for request in bench.client.take(FindProvenance):
        row, *index = request.element
        sources, said = made_collectives.sources_of("psum", row, index)
        words = f"device {row} {index} ← {said}"
        made = made_collectives.sources(request.id, request.result, request.element, sources, words)
        await bench.hear(made)


async def on_bandwidth(bench: Bench) -> None:
    """A finished sweep of a collective."""
    await on_collectives(bench)
    await bench.press("b", "f5")
    id = bench.client.asked(SweepBandwidth)[-1].id
    plan = msgspec.structs.replace(made_sweeps.PLAN, bytes=BYTES, load=[])
    await bench.hear(
        BandwidthStarted(id=id, environment=made_events.environment(), plan=plan),
        *(measured(id, point, size) for point, size in enumerate(BYTES)),
        BenchFinished(id=id, seconds=4.0, stopped=False),
    )


def measured(id: int, point: int, size: int) -> BandwidthMeasured:
    """The figures of a message size on a line of 2 GB/s with a latency of 0.1 ms."""
    seconds = 1e-4 + size / 2e9
    algbw, busbw = bandwidth.rates(size, seconds, 1.75)
    report = SizeReport(
        bytes=size,
        count=size // 4,
        dtype="float32",
        block=[size // 4],
        time_us=seconds * 1e6,
        low_us=seconds * 0.98e6,
        high_us=seconds * 1.02e6,
        algbw=algbw,
        busbw=busbw,
        wrong=0,
        n=1,
        samples=[seconds],
    )
    return BandwidthMeasured(id=id, point=point, size=report)


async def on_benchmark(bench: Bench) -> None:
    """A finished benchmark."""
    await bench.settled()
    await bench.press("4")
    await bench.until(lambda: bool(bench.client.asked(PlanBench)))
    await bench.hear(made_benchmarks.planned(bench.client.asked(PlanBench)[-1].id))
    await bench.press("f5")
    await bench.hear(*made_benchmarks.whole(bench.client.asked(BenchRequest)[-1].id))


async def on_learn(bench: Bench) -> None:
    await bench.settled()
    await bench.press("5")


async def in_a_lesson(bench: Bench) -> None:
    await bench.settled()
    await bench.press("5", "down", "down", "enter")


async def on_devices(bench: Bench) -> None:
    await bench.settled()
    await bench.press("6")


SCREENS: dict[str, Fill] = {
    "map": on_map,
    "results": on_results,
    "sharding": on_sharding,
    "collectives": on_collectives,
    "bandwidth": on_bandwidth,
    "benchmark": on_benchmark,
    "learn": on_learn,
    "lesson": in_a_lesson,
    "devices": on_devices,
}


def full_session(name: str) -> Any:
    """The session for a screen of SCREENS."""
    if name == "benchmark":
        return made_events.session(parameters={"batch": 64}, benchmark=Benchmark())
    if name == "sharding":
        return made_plans.session()
    return made_events.session()
