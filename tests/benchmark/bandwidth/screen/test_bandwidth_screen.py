"""The Bandwidth screen over Collectives: a sweep asked for, followed, stopped and kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jaxtui.benchmark.bandwidth.screen.screen import BandwidthScreen
from jaxtui.collectives.screen.screen import CollectivesScreen
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Benchmark, Collective, Devices, Session
from jaxtui.wire import bandwidth
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthStarted, SizeReport, SweepBandwidth
from jaxtui.wire.base import Failed, Gone
from jaxtui.wire.benchmark import BenchFinished, BenchStage, Continue
from jaxtui.wire.collectives import DescribeCollectives, FindProvenance, RunCollective
from tests.support import made_collectives as made
from tests.support import made_events, made_sweeps
from tests.support.fake_client import Bench

pytestmark = pytest.mark.long

PSUM = Collective(operation="psum", value="arange(16.0).reshape(8, 2)")
BYTES = [1024 * 2**k for k in range(8)]
PLAN = msgspec.structs.replace(made_sweeps.PLAN, bytes=BYTES, load=[])


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@asynccontextmanager
async def opened(
    size: tuple[int, int] = (120, 40), benchmark: Benchmark | None = None, **options: Any
) -> AsyncIterator[Bench]:
    """The explorer on a collective that has run, its bandwidth on screen."""
    session = Session(
        devices=Devices(platform="cpu", count=8), collective=PSUM, benchmark=benchmark
    )
    bench = Bench(session, **options)
    async with bench.app.run_test(size=size) as bench.pilot:
        while not bench.app.begun:
            await bench.settle()
        nothing = Diagnosis(
            kind="function", field=FieldPath("program"), message="there is no function yet"
        )
        await bench.hear(made_events.ready(), Failed(id=bench.client.trace.id, diagnosis=nothing))
        (described,) = bench.client.take(DescribeCollectives)
        run = bench.client.asked(RunCollective)[-1]
        await bench.hear(made.described(described.id), made.psum(run.id))
        for request in bench.client.take(FindProvenance):
            row, *index = request.element
            sources, said = made.sources_of("psum", row, index)
            found = made.sources(request.id, request.result, request.element, sources, said)
            await bench.hear(found)
        await bench.press("b")
        assert isinstance(bench.app.screen, BandwidthScreen)
        yield bench


def measured(id: int, point: int, **changes: Any) -> BandwidthMeasured:
    size, seconds = BYTES[point], 1e-4 + BYTES[point] / 2e9
    algbw, busbw = bandwidth.rates(size, seconds, 1.75)
    figures = {"time_us": seconds * 1e6, "low_us": seconds * 0.98e6, "high_us": seconds * 1.02e6}
    figures |= {"algbw": algbw, "busbw": busbw, "wrong": 0, "n": 1, "samples": [seconds]}
    count = size // 4
    report = SizeReport(
        bytes=size, count=count, dtype="float32", block=[count], **{**figures, **changes}
    )
    return BandwidthMeasured(id=id, point=point, size=report)


async def begun(bench: Bench) -> int:
    """A sweep is asked for and has begun; its request."""
    await bench.press("f5")
    request = bench.client.asked(SweepBandwidth)[-1]
    environment = made_events.ready().environment
    stage = BenchStage(id=request.id, point=0, arm=None, stage="compiling")
    started = BandwidthStarted(id=request.id, environment=environment, plan=PLAN)
    await bench.hear(started, stage)
    return request.id


# ----------------------------------------------------------------------------- what is asked for


async def test_f5_sweeps_the_collective_over_the_sessions_message_sizes() -> None:
    both = Benchmark(sweep={"bytes": ["1K..4K"], "batch": [1, 2]}, rounds=3)
    async with opened(benchmark=both) as bench:
        assert "F5 sends messages of growing size" in bench.text
        assert not bench.client.asked(SweepBandwidth)
        await bench.press("f5")
        (request,) = bench.client.asked(SweepBandwidth)
        assert request.collective == PSUM
        assert request.paced
        # Its other parameters are those of the program's benchmark.
        assert request.benchmark == Benchmark(sweep={"bytes": ["1K..4K"]}, rounds=3)
        await bench.press("f5")
        assert len(bench.client.asked(SweepBandwidth)) == 1


async def test_a_sweep_that_is_asked_for_early_begins_with_the_engine() -> None:
    async with opened() as bench:
        await bench.press("R", "f5")
        assert "It begins as soon as the engine is up" in bench.text
        assert not bench.client.asked(SweepBandwidth)
        await bench.hear(made_events.ready())
        assert len(bench.client.asked(SweepBandwidth)) == 1


async def test_a_file_that_is_not_trusted_is_not_swept() -> None:
    session = Session(collective=PSUM)
    bench = Bench(session, trusted=False)
    async with bench.app.run_test(size=(120, 40)) as bench.pilot:
        while not bench.app.begun:
            await bench.settle()
        await bench.press("escape", "b", "f5")
        assert "Run it: I trust this file" in bench.text
        assert not bench.client.asked(SweepBandwidth)


# ---------------------------------------------------------------------------------- what is seen


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_size_is_on_screen_as_soon_as_it_is_measured(size: tuple[int, int]) -> None:
    async with opened(size) as bench:
        id = await begun(bench)
        assert "size 1/8  1 KiB  compiling" in bench.text
        await bench.hear(measured(id, 0), measured(id, 1))
        assert "psum via pmap · 8 ranks · float32 · simulated" in bench.text
        row = next(line for line in bench.text.splitlines() if "2,048" in line)
        assert row.split()[:8] == ["2,048", "512", "101.0", "±", "2", "%", "0.020", "0.035"]
        assert "█" in row
        assert "#wrong" in bench.text
        assert "bandwidth 2/8" in bench.text
        # Painted: the engine may go on.
        assert bench.client.asked(Continue)[-1].target == id


async def test_the_fit_and_the_chart_grow_with_the_sizes() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0))
        assert "comes here once there are two sizes" in bench.text
        await bench.hear(*(measured(id, point) for point in range(1, 8)))
        await bench.hear(BenchFinished(id=id, stopped=False, seconds=1.0))
        assert "t = 100 µs + S / 2.00 GB/s" in bench.text
        assert "every element on every device agrees" in bench.text
        assert "a measured" in bench.text
        assert "b α + S/β" in bench.text
        assert "kept as" in bench.text


async def test_low_terminals_turn_between_table_and_chart() -> None:
    async with opened((80, 24)) as bench:
        id = await begun(bench)
        await bench.hear(*(measured(id, point) for point in range(8)))
        assert "#wrong" in bench.text
        assert "a measured" not in bench.text
        await bench.press("v")
        assert "a measured" in bench.text
        assert "#wrong" not in bench.text
        await bench.press("v")
        assert "#wrong" in bench.text


async def test_wrong_elements_stand_out() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0, wrong=3))
        assert "1 KiB: 3 elements are wrong" in bench.text
        assert "agrees with the NumPy reference" not in bench.text


async def test_plain_signs_are_enough() -> None:
    async with opened(ascii=True) as bench:
        id = await begun(bench)
        await bench.hear(*(measured(id, point) for point in range(8)))
        assert "#wrong" in bench.text
        assert bench.text.isascii()


async def test_figures_of_another_collective_are_marked() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0), BenchFinished(id=id, stopped=False, seconds=1.0))
        assert "of the collective before" not in bench.text
        bench.explorer.edit(FieldPath("collective"), Collective(operation="pmax", value=PSUM.value))
        await bench.settle()
        assert "of the collective before: F5 sweeps what is typed now" in bench.text


# --------------------------------------------------------------------------------------- its end


async def test_stopping_keeps_what_is_there() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0))
        await bench.press("ctrl+c")
        assert id in bench.client.cancels
        await bench.hear(measured(id, 1), BenchFinished(id=id, stopped=True, seconds=1.0))
        assert "Ended early: stopped. What was measured stands." in bench.text
        assert "2,048" in bench.text
        kept = bench.explorer.sweep.recording
        assert kept is not None
        assert len(kept.report().sizes) == 2


async def test_a_second_stop_ends_the_engine_and_keeps_what_is_there() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0))
        await bench.press("ctrl+c", "ctrl+c")
        assert bench.client.restarts
        await bench.hear(Gone(reason="ended", status=-9, wanted=True))
        assert "1,024" in bench.text
        assert not bench.explorer.sweep.running


async def test_an_engine_that_dies_leaves_the_sizes_that_were_measured(tmp_path: Path) -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0))
        await bench.hear(Gone(reason="killed by signal 9", status=-9, wanted=False))
        assert "The engine has ended: killed by signal 9. What was measured is kept." in bench.text
        assert "1,024" in bench.text
        assert len(list((tmp_path / "jaxtui" / "bandwidth").glob("*.json"))) == 1


async def test_what_cannot_be_swept_is_said_with_its_fix() -> None:
    async with opened() as bench:
        await bench.press("f5")
        request = bench.client.asked(SweepBandwidth)[-1]
        fix = Fix(label="shard_map", field=FieldPath("collective.via"), text="shard_map")
        why = Diagnosis(
            kind="collective",
            field=FieldPath("collective.via"),
            message="nothing is sent",
            fixes=[fix],
        )
        await bench.hear(Failed(id=request.id, diagnosis=why))
        assert "collective.via: nothing is sent" in bench.text
        await bench.press("f")
        assert bench.session.collective is not None
        assert bench.session.collective.via == "shard_map"


async def test_going_back_leaves_the_sweep_at_work() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.press("b")
        assert isinstance(bench.app.screen, CollectivesScreen)
        assert "bandwidth 0/8" in bench.text
        await bench.hear(measured(id, 0))
        await bench.press("b")
        assert "1,024" in bench.text
        await bench.press("escape")
        assert isinstance(bench.app.screen, CollectivesScreen)


async def test_the_sweep_can_be_copied_and_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened() as bench:
        await bench.press("x")
        assert "nothing has been measured yet" in bench.text
        id = await begun(bench)
        await bench.hear(measured(id, 0), BenchFinished(id=id, stopped=False, seconds=1.0))
        await bench.press("y")
        assert bench.app.clipboard.startswith("operation,via,ranks,bytes")
        await bench.press("x")
        await bench.press("down", "enter")
        await bench.press("enter")
        (written,) = tmp_path.glob("*.csv")
        assert written.read_text() == bench.app.clipboard


async def test_a_sweep_that_is_not_on_view_is_named_before_ctrl_c_stops_it() -> None:
    async with opened() as bench:
        id = await begun(bench)
        await bench.hear(measured(id, 0))
        await bench.press("b", "ctrl+c")
        assert id not in bench.client.cancels
        assert "the sweep is running; ctrl+c once more stops it and keeps" in bench.text
        await bench.press("ctrl+c")
        assert id in bench.client.cancels


async def test_what_a_sweep_does_is_told_whole_in_a_narrow_terminal() -> None:
    async with opened(size=(80, 24)) as bench:
        said = " ".join(" ".join(bench.app.screen.lines.texts()).split())
        assert "many calls for each timing, and checks every element" in said
        assert "under [benchmark]." in said
        assert all(len(text) < 80 for text in bench.app.screen.lines.texts())
