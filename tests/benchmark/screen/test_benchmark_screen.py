"""The Benchmark screen: the task is ready, a run fills the table, and what it measured stays."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from textual.widgets import Input, OptionList

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.screen.screen import BenchmarkScreen
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Benchmark, Session
from jaxtui.wire.base import Cancel, Gone, Printed
from jaxtui.wire.benchmark import Bench as BenchRequest
from jaxtui.wire.benchmark import BenchGap, BenchRound, BenchStage, Continue, PlanBench
from tests.support import made_benchmarks as made
from tests.support import made_events
from tests.support.fake_client import Bench
from tests.support.tables import one_in

SIZES = [(80, 24), (120, 40)]
OWN = Benchmark(sweep={"batch": [16, 64, 256]})


@pytest.fixture(autouse=True)
def _own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")


def screen(bench: Bench) -> BenchmarkScreen:
    found = bench.app.screen
    assert isinstance(found, BenchmarkScreen)
    return found


def session(benchmark: Benchmark | None = None) -> Session:
    return made_events.session(parameters={"batch": 64}, benchmark=benchmark)


async def plan(bench: Bench, **answer: Any) -> None:
    await bench.until(lambda: bool(bench.client.asked(PlanBench)))
    await bench.hear(made.planned(bench.client.asked(PlanBench)[-1].id, **answer))


@asynccontextmanager
async def opened(
    benchmark: Benchmark | None = None, size: tuple[int, int] = (120, 40), **options: Any
) -> AsyncIterator[Bench]:
    """The screen with its plan."""
    async with Bench(session(benchmark), **options).open(size) as bench:
        await bench.settled()
        await bench.press("4")
        await plan(bench)
        yield bench


def number(bench: Bench) -> int:
    return bench.client.asked(BenchRequest)[-1].id


async def begin(bench: Bench) -> int:
    """F5, and a point is made ready."""
    await bench.press("f5")
    id = number(bench)
    await bench.hear(*made.started(id), *made.prepared(id))
    await bench.hear(BenchStage(id=id, point=0, arm=5, stage="warming"))
    return id


def row(bench: Bench, name: str) -> str:
    """The line of the table that begins with `name`."""
    lines = (line.strip("│▌ ") for line in bench.text.splitlines())
    return next(line for line in lines if line.startswith(f"{name} "))


async def run(bench: Bench, events: Callable[[int], list] = made.whole) -> None:
    """A whole run."""
    await bench.press("f5")
    await bench.hear(*events(number(bench)))


# ------------------------------------------------------------------------------------ before a run


async def test_the_tutorials_task_is_there_one_key_from_running() -> None:
    async with opened() as bench:
        assert "benchmark_task(matrix)" in bench.text
        assert "batch 64 · n 256" in bench.text
        assert "F5 times 5 rows" in bench.text
        assert "to be timed: 6.46 GFLOP" in bench.text
        await bench.press("f5")
        assert len(bench.client.asked(BenchRequest)) == 1


async def test_virtual_devices_are_called_simulated_before_anything_is_timed() -> None:
    async with opened() as bench:
        assert "cpu × 8 (simulated, 4 cores)" in bench.text
        assert "min(8, 4)/8 = 50 %" in bench.text


async def test_a_strategy_that_cannot_run_is_a_row_with_its_reason() -> None:
    async with opened(size=(80, 24)) as bench:
        assert "left out: 3 devices do not divide" in bench.text
        screen(bench).tab = "row"
        await bench.press("G", "k", "v")
        assert made.REASON in " ".join(bench.text.replace("│", " ").split())


async def test_the_fix_that_a_row_offers_goes_into_the_benchmark() -> None:
    async with opened(Benchmark()) as bench:
        await bench.press("G", "k", "f")
        assert bench.session.benchmark is not None
        assert bench.session.benchmark.pad


async def test_the_program_of_the_session_can_be_picked() -> None:
    async with opened() as bench:
        await bench.press("p", "down", "enter")
        assert "matrix_vector_product(matrix, vector)" in bench.text
        assert "this session's program" in bench.text
        await bench.until(lambda: len(bench.client.asked(PlanBench)) == 2)
        assert bench.client.asked(PlanBench)[-1].composition.program == bench.session.program


# --------------------------------------------------------------------------------------- the form


async def test_strategies_are_switched_one_by_one() -> None:
    async with opened(Benchmark()) as bench:
        screen(bench).form.strategies.focus()
        await bench.press("right", "space")
        assert bench.session.benchmark is not None
        assert bench.session.benchmark.strategies == ["loop", "jit(vmap)", "pmap"]
        await bench.press("space")
        assert bench.session.benchmark.strategies == []


async def test_the_last_strategy_stays() -> None:
    async with opened(Benchmark(strategies=["loop"])) as bench:
        screen(bench).form.strategies.focus()
        await bench.press("space")
        assert bench.session.benchmark == Benchmark(strategies=["loop"])
        assert "at least one strategy" in bench.text


async def test_a_sweep_is_typed_as_it_is_read() -> None:
    async with opened(Benchmark()) as bench:
        screen(bench).form.inputs["sweep"].focus()
        await bench.press(*"batch = 16, ")
        assert bench.session.benchmark == Benchmark(sweep={"batch": [16]})
        assert screen(bench).form.inputs["sweep"].value == "batch = 16, "
        await bench.press(*"64")
        assert bench.session.benchmark == Benchmark(sweep={"batch": [16, 64]})


@pytest.mark.long
async def test_b_compares_the_others_with_the_row_at_the_cursor_from_the_next_run_on() -> None:
    async with opened(Benchmark()) as bench:
        await run(bench)
        await bench.press("G", "k", "k", "b")
        assert screen(bench).table.key == ("pmap", 8, False)
        assert bench.session.benchmark == Benchmark(baseline="pmap")
        assert "the others are compared with pmap from the next run on" in bench.text
        assert screen(bench).form.inputs["baseline"].value == "pmap"
        assert "of the settings before" in bench.text
        await bench.press("f5")
        assert bench.client.asked(BenchRequest)[-1].benchmark.baseline == "pmap"


async def test_b_of_the_tutorials_task_leaves_the_session_alone() -> None:
    async with opened() as bench:
        before = bench.session
        await bench.press("g", "b")
        assert bench.explorer.benchmark.task.benchmark.baseline == "loop"
        assert bench.session == before


async def test_b_without_a_row_says_so() -> None:
    async with Bench(session()).open() as bench:
        await bench.settled()
        await bench.press("4", "b")
        assert "there is no row yet" in bench.text


async def test_m_opens_the_tutorials_task_in_the_map_with_its_benchmark() -> None:
    async with opened() as bench:
        task = bench.explorer.benchmark.session
        await bench.press("m")
        assert bench.app.current_mode == "map"
        assert bench.session == task
        assert bench.session.benchmark is not None
        assert "def benchmark_task(matrix)" in bench.text
        await bench.press("4")
        assert bench.explorer.benchmark.subject == "session"


async def test_m_asks_before_it_takes_the_place_of_what_was_typed() -> None:
    async with opened() as bench:
        bench.explorer.edit(FieldPath("title"), "typed")
        await bench.press("m")
        assert bench.app.screen.is_modal
        await bench.press("escape")
        assert bench.session.title == "typed"
        assert bench.app.current_mode == "benchmark"


async def test_m_of_the_sessions_own_program_only_turns_to_the_map() -> None:
    async with opened(Benchmark()) as bench:
        before = bench.session
        await bench.press("m")
        assert bench.app.current_mode == "map"
        assert bench.session == before


@pytest.mark.long
async def test_a_text_that_cannot_be_read_is_marked_and_changes_nothing() -> None:
    async with opened(Benchmark()) as bench:
        screen(bench).form.inputs["rounds"].focus()
        await bench.press(*"some")
        assert "! 'some' is not a number of rounds" in bench.text
        assert bench.session.benchmark == Benchmark()


async def test_what_the_engine_finds_wrong_stands_under_the_fields() -> None:
    wrong = Diagnosis(
        kind="session",
        field=FieldPath("benchmark.sweep.m"),
        message="neither source nor value says m",
    )
    async with opened(Benchmark()) as bench:
        screen(bench).form.inputs["sweep"].focus()
        await bench.press(*"m = 1")
        await bench.until(lambda: len(bench.client.asked(PlanBench)) >= 2)
        await bench.hear(made.planned(bench.client.asked(PlanBench)[-1].id, diagnosis=wrong))
        assert "! neither source nor value says m" in bench.text


async def test_what_is_changed_of_the_tutorials_task_leaves_the_session_alone() -> None:
    async with opened() as bench:
        before = bench.session
        screen(bench).form.options.focus()
        await bench.press("space")
        assert bench.explorer.benchmark.benchmark.quick
        assert bench.session == before


# ------------------------------------------------------------------------------------------ a run


async def test_every_row_says_how_far_it_is_from_the_plan_to_its_first_figures() -> None:
    async with opened() as bench:
        await bench.press("f5")
        id = number(bench)
        planned, _, loop, *_ = made.prepared(id)
        placing = BenchStage(id=id, point=0, arm=0, stage="placing")
        await bench.hear(*made.started(id), planned, placing)
        assert row(bench, "loop").endswith("placing …")
        assert row(bench, "jit(vmap)").endswith("waits")
        compiled = msgspec.structs.replace(loop, correct=None)
        await bench.hear(compiled, BenchStage(id=id, point=0, arm=1, stage="compiling"))
        assert row(bench, "loop").endswith("compiled")
        assert row(bench, "jit(vmap)").endswith("compiling …")
        await bench.hear(*made.prepared(id), BenchStage(id=id, point=0, arm=5, stage="calibrating"))
        assert row(bench, "jit(vmap)").endswith("ready")
        assert row(bench, "A/A jit(vmap)").endswith("calibrating …")
        first, *_ = made.rounds(id, count=1)
        await bench.hear(first, BenchGap(id=id, point=0))
        assert "first round, 1/5 rows" in bench.text
        assert "76.3 ms" in row(bench, "loop")
        assert row(bench, "jit(vmap)").endswith("ready")
        assert bench.client.asked(Continue)[-1].target == id


async def test_the_table_fills_as_rounds_come() -> None:
    async with opened() as bench:
        id = await begin(bench)
        assert "ready" in bench.text
        await bench.hear(*made.rounds(id, count=1))
        assert "round 1/25" in bench.text
        assert "32.7 ms" in bench.text
        assert "2.00" in bench.text
        assert "[1.94, 2.06]" not in bench.text  # one round has no interval
        assert "about 6 s left" in bench.text
        await bench.hear(*made.rounds(id)[-7:])
        assert "round 2/25" in bench.text
        assert "2.00 [1.94, 2.06]" in bench.text
        assert "1 of 2 rounds" not in bench.text


async def test_what_the_function_prints_while_it_is_timed_has_a_place() -> None:
    async with opened() as bench:
        assert "Output" not in bench.text
        id = await begin(bench)
        await bench.hear(Printed(id=id, stream="stdout", text="from the task\n\x1b[2Jclears\n"))
        await bench.hear(*made.rounds(id, count=1))
        assert "The function prints: Output has what it printed." in bench.text
        screen(bench).tab = "row"
        await bench.press("s")
        assert "‹Output›" in bench.text
        assert "from the task" in bench.text
        assert r"\x1b[2Jclears" in bench.text
        await bench.hear(*made.finished(id))
        assert "from the task" in bench.text
        await bench.press("f5")
        assert "from the task" not in bench.text


async def test_what_the_function_prints_while_it_is_planned_is_shown_as_well() -> None:
    async with Bench(session()).open() as bench:
        await bench.settled()
        await bench.press("4")
        await bench.until(lambda: bool(bench.client.asked(PlanBench)))
        id = bench.client.asked(PlanBench)[-1].id
        await bench.hear(Printed(id=id, stream="stdout", text="traced\n"), made.planned(id))
        await bench.press("S")
        assert "‹Output›" in bench.text
        assert "traced" in bench.text


@pytest.mark.long
async def test_samples_and_rounds_are_not_painted_before_a_gap() -> None:
    async with opened() as bench:
        id = await begin(bench)
        shown: list[float] = []
        await bench.until(lambda: bench.explorer._ticking is None)
        paint = bench.explorer.show_work
        bench.explorer.show_work = lambda: (shown.append(0.0), paint())[1]  # type: ignore[method-assign]
        *timed, gap = made.rounds(id, count=1)
        assert isinstance(timed[-1], BenchRound)
        await bench.hear(*timed)
        assert not shown
        await bench.hear(gap)
        assert len(shown) == 1


async def test_the_engine_goes_on_once_the_round_is_on_screen() -> None:
    async with opened() as bench:
        id = await begin(bench)
        assert not bench.client.asked(Continue)
        await bench.hear(*made.rounds(id, count=1))
        await bench.until(lambda: bool(bench.client.asked(Continue)))
        assert [request.target for request in bench.client.asked(Continue)] == [id]


async def test_the_header_of_every_screen_says_how_far_the_run_is() -> None:
    async with opened() as bench:
        id = await begin(bench)
        await bench.hear(*made.rounds(id, count=2))
        assert "benchmark 2/25" in bench.text.splitlines()[0]
        await bench.press("1")
        assert "benchmark 2/25" in bench.text.splitlines()[0]
        told = len(bench.client.asked(Continue))
        await bench.hear(made.round_over(id, 0, 2), BenchGap(id=id, point=0))
        await bench.until(lambda: len(bench.client.asked(Continue)) == told + 1)


async def test_a_second_run_is_refused_in_words() -> None:
    async with opened() as bench:
        await begin(bench)
        await bench.press("f5")
        assert len(bench.client.asked(BenchRequest)) == 1
        assert "a benchmark is running" in bench.text


async def test_ctrl_c_stops_and_keeps_what_is_there() -> None:
    async with opened() as bench:
        id = await begin(bench)
        await bench.hear(*made.rounds(id))
        await bench.press("ctrl+c")
        assert bench.client.asked(Cancel)[-1].target == id
        assert not bench.client.restarts
        await bench.hear(*made.finished(id, stopped=True))
        assert "stopped" in bench.text
        assert "32.7 ms" in bench.text
        assert [run.ended for run in bench_runs.kept()] == ["stopped"]


async def test_a_second_ctrl_c_ends_the_engine() -> None:
    async with opened() as bench:
        id = await begin(bench)
        await bench.hear(*made.rounds(id))
        await bench.press("ctrl+c", "ctrl+c")
        assert len(bench.client.restarts) == 1
        await bench.hear(Gone(reason="ended", status=-9, wanted=True))
        assert "32.7 ms" in bench.text
        assert len(bench_runs.kept()) == 1


async def test_a_dead_engine_leaves_the_table_and_says_so() -> None:
    async with opened() as bench:
        id = await begin(bench)
        await bench.hear(*made.rounds(id))
        await bench.hear(Gone(reason="it was killed (SIGKILL)", status=-9, wanted=False))
        assert "The engine has ended: it was killed (SIGKILL)." in bench.text
        assert "What was measured is kept." in bench.text
        assert "32.7 ms" in bench.text


async def test_results_of_other_settings_say_so() -> None:
    async with opened(Benchmark()) as bench:
        await run(bench)
        assert "of the settings before" not in bench.text
        screen(bench).form.options.focus()
        await bench.press("space")
        assert "of the settings before" in bench.text


async def test_leaving_the_explorer_keeps_the_run_in_hand() -> None:
    async with opened() as bench:
        id = await begin(bench)
        await bench.hear(*made.rounds(id))
    assert [run.ended for run in bench_runs.kept()] == ["stopped when the explorer was left"]


# ------------------------------------------------------------------------------------- afterwards


async def test_the_points_of_a_sweep_are_shown_one_at_a_time() -> None:
    async with opened(OWN) as bench:
        await run(bench, made.swept)
        assert "batch 256" in bench.text
        assert "point 3 of 3" in bench.text
        await bench.press("[", "[")
        assert "point 1 of 3" in bench.text
        assert "32.7 ms" in bench.text


async def test_the_details_take_turns() -> None:
    async with opened(OWN) as bench:
        await run(bench, made.swept)
        assert "‹What it says›" in bench.text
        assert "is 2.00 times as fast as jit(vmap)" in bench.text
        await bench.press("s")
        assert "‹Samples›" in bench.text
        await bench.press("s")
        assert "over batch (logarithmic)" in bench.text
        await bench.press("s")
        assert "‹This row›" in bench.text
        assert "getting ready" in bench.text
        await bench.press("s")
        assert "‹What it says›" in bench.text


@pytest.mark.long
async def test_an_earlier_run_is_opened_and_compared_with() -> None:
    bench_runs.keep(made.report(made.swept(1), session(OWN)))
    async with opened(OWN) as bench:
        await bench.press("r")
        assert "4 rows, 3 points" in bench.text or "5 rows, 3 points" in bench.text
        await bench.press("enter")
        assert "the run of" in bench.text
        assert "point 3 of 3" in bench.text
        await bench.press("r", "enter")
        await run(bench, made.swept)
        await bench.press("c", "end", "enter")
        assert "‹Compared›" in bench.text
        assert "Same program, same machine, same versions." in bench.text


async def test_over_an_earlier_run_nothing_stands_of_one_that_was_stopped() -> None:
    bench_runs.keep(made.report(made.swept(1), session(OWN)))
    async with opened(OWN) as bench:
        await run(bench, lambda id: [*made.started(id), *made.finished(id, stopped=True)])
        assert "The run stopped before anything was timed." in bench.text
        await bench.press("r", "enter")
        assert "the run of" in bench.text
        assert "before anything was timed" not in bench.text


@pytest.mark.long
async def test_a_run_is_written_in_each_format(tmp_path: Path) -> None:
    async with opened() as bench:
        await run(bench)
        for place, kind in enumerate(("json", "md", "csv")):
            target = tmp_path / f"out.{kind}"
            await bench.press("x")
            bench.app.screen.query_one(OptionList).highlighted = place
            await bench.press("enter")
            bench.app.screen.query_one(Input).value = str(target)
            await bench.press("enter")
            assert target.exists(), bench.text
        read = json.loads((tmp_path / "out.json").read_text())
        assert len(read["points"][0]["strategies"][0]["samples"]) == made.ROUNDS
        assert "| loop | 1 |" in (tmp_path / "out.md").read_text()
        assert ",name,devices,role,median," in (tmp_path / "out.csv").read_text()


@pytest.mark.long
async def test_a_file_that_is_there_already_is_not_written_over(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    target.write_text("mine")
    async with opened() as bench:
        await run(bench)
        await bench.press("x", "enter")
        bench.app.screen.query_one(Input).value = str(target)
        await bench.press("enter")
        assert target.read_text() == "mine"
        assert "is there already" in bench.text


async def test_everything_on_screen_is_ascii_when_asked() -> None:
    async with opened(OWN, ascii=True) as bench:
        await run(bench, made.swept)
        for _ in range(4):
            assert bench.text.isascii()
            await bench.press("s")


# --------------------------------------------------------------------------------------- pictures

Compare = Callable[..., bool]


def look(prepare: Callable[[Bench], Any], **options: Any) -> tuple[Bench, Any]:
    bench = Bench(session(options.pop("benchmark", OWN)), **options)

    async def fill(bench: Bench) -> None:
        await bench.settled()
        await bench.press("4")
        await plan(bench, sweep=made.SWEEP)
        await prepare(bench)

    return bench, bench.pictured(fill)


async def _nothing(bench: Bench) -> None:
    return


async def _half(bench: Bench) -> None:
    await bench.press("f5")
    id = number(bench)
    await bench.hear(*made.started(id, made.SWEEP), *made.prepared(id, 0, made.SWEEP[0]))
    await bench.hear(*made.rounds(id))


async def _chart(bench: Bench) -> None:
    await run(bench, made.swept)
    await bench.press("s", "s", "v")


@pytest.mark.parametrize("size", SIZES)
def test_picture_before_a_run(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, ready = look(_nothing)
    assert snap_compare(bench.app, terminal_size=size, run_before=ready)


@pytest.mark.parametrize("size", one_in(2, SIZES))
def test_picture_of_a_run(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, ready = look(_half)
    assert snap_compare(bench.app, terminal_size=size, run_before=ready)


@pytest.mark.parametrize("size", one_in(2, SIZES))
def test_picture_of_the_chart(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, ready = look(_chart)
    assert snap_compare(bench.app, terminal_size=size, run_before=ready)


def test_picture_in_ascii(snap_compare: Compare) -> None:
    bench, ready = look(_chart, ascii=True)
    assert snap_compare(bench.app, terminal_size=(120, 40), run_before=ready)
