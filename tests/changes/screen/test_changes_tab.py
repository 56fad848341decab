"""The tab of changes on the Map screen, and the keys that say what a run is held against."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import ARGUMENTS, SOURCE
from jaxtui.wire.base import Cancelled, Composition, Failed, Gone
from jaxtui.wire.change_report import Figures, LeafChange, LeafType, SentFigure
from jaxtui.wire.changes import CompareResults, FiguresTaken, ResultsCompared, TakeFigures
from jaxtui.wire.program import Run
from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.tables import one_in

Compare = Callable[..., bool]
WRONG = Diagnosis(kind="arguments", field=ARGUMENTS, message="x is missing")
SIZES = pytest.mark.parametrize("size", one_in(2, [(80, 24), (120, 40)]), ids=["80x24", "120x40"])
OTHER = made.SOURCE.replace("jnp.dot(matrix, vector)", "2 * jnp.dot(matrix, vector)")
DIFFERS = LeafChange(
    path="",
    before=LeafType("float32", [2, 2]),
    now=LeafType("float32", [2, 2]),
    verdict="differs",
    count=4,
    differing=4,
    distance=53.0,
    relative=1.0,
    at=[1, 1],
    value_before=53.0,
    value_now=106.0,
    bound=1e-5,
)


def figures(composition: Composition) -> Figures:
    doubled = composition.program.source == OTHER
    return Figures(
        primitives={"dot_general": 1, **({"mul": 1} if doubled else {})},
        flops=48.0 if doubled else 40.0,
        bytes_accessed=1024.0,
        arguments=96,
        outputs=16,
        temporaries=0,
        donated=0,
        collectives=[SentFigure(kind="all-reduce", count=1, bytes=64)] if doubled else [],
    )


async def edited(bench: Bench, source: str = OTHER) -> None:
    """Change the source, and have it traced and run."""
    bench.explorer.edit(SOURCE, source)
    await bench.trace_answered()
    await bench.rest(REST)
    assert bench.client.run.composition.program.source == source
    await bench.hear(made.ran(bench.client.run.id))


def told(bench: Bench) -> str:
    """All that the tab says, however narrow it is."""
    return bench.app.map_screen.results.text_to_copy()


async def answered(bench: Bench) -> None:
    """Answer what the tab asks, as long as it asks."""
    for _ in range(6):
        for taken in bench.client.take(TakeFigures):
            await bench.hear(FiguresTaken(id=taken.id, figures=figures(taken.composition)))
        for asked in bench.client.take(CompareResults):
            await bench.hear(ResultsCompared(id=asked.id, leaves=[DIFFERS]))


async def test_the_run_before_is_held_against_the_newest() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        first = bench.client.run.id
        assert "Changes" not in bench.text
        assert not bench.client.asked(CompareResults)
        await edited(bench)
        assert "Changes" in bench.text
        await bench.press("s")
        (asked,) = bench.client.asked(CompareResults)
        assert (asked.before, asked.result) == (first, bench.client.run.id)
        assert "comparing …" in bench.text
        await answered(bench)
        assert "against the run before" in bench.text
        for words in (
            "+ return 2 * jnp.dot(matrix, vector)",
            "out  f32[2, 2] differs: 4 of 4, by up to 53 (100 %)",
            "mul 0 → 1",
            "all-reduce 0 → 1",
            "40 → 48   +20.0 %",
        ):
            assert words in told(bench)
        assert bench.client.run.held == first


@pytest.mark.long
async def test_the_same_again_is_held_against_what_was_before_it() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        first = bench.client.run.id
        await edited(bench)
        await bench.press("f5")
        assert bench.client.run.held == first
        await bench.hear(made.ran(bench.client.run.id))
        await bench.press("s")
        assert bench.client.asked(CompareResults)[-1].before == first


@pytest.mark.long
async def test_a_run_that_is_kept_stays_the_reference_until_it_is_let_go() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        first = bench.client.run.id
        await bench.press("c")
        assert "This run is kept." in bench.text
        for source in (OTHER, OTHER.replace("2 *", "3 *")):
            await edited(bench, source)
            assert bench.client.run.held == first
            assert bench.client.asked(CompareResults)[-1].before == first
        second = bench.client.asked(CompareResults)[-2].result
        await bench.press("C")
        assert bench.client.asked(CompareResults)[-1].before == second
        assert "against the run before" in bench.text
        await bench.press("C")
        assert "no run is kept" in bench.text


async def test_another_function_of_the_source_is_run_beside() -> None:
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        await bench.hear(
            made.traced(bench.client.trace.id, choices=["other", "matrix_vector_product"])
        )
        await bench.hear(made.ran(bench.client.run.id))
        now = bench.client.run.id
        await bench.press("p")
        assert "compare with other of this source" in bench.text
        await bench.press("down", "enter")
        other = bench.client.run
        assert (other.composition.program.function, other.held) == ("other", now)
        assert bench.session.program.function == ""
        assert "running other" in bench.text
        await bench.hear(made.ran(other.id))
        (asked,) = bench.client.asked(CompareResults)
        assert (asked.before, asked.result) == (other.id, now)
        assert "against other" in bench.text
        assert bench.explorer.work.ran is not None
        assert bench.explorer.work.ran.result == now


async def test_a_program_that_has_not_run_is_run_before_the_other_function() -> None:
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        choices = ["other", "matrix_vector_product"]
        await bench.trace_answered(choices=choices, cost=10**9)
        assert not bench.client.asked(Run)
        await bench.press("p", "down", "enter")
        (run,) = bench.client.asked(Run)
        assert run.composition.program.function == ""
        await bench.hear(made.ran(run.id))
        assert bench.client.run.composition.program.function == "other"
        assert bench.client.run.held == run.id


@pytest.mark.long
async def test_a_function_that_does_not_run_says_why() -> None:
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        await bench.hear(
            made.traced(bench.client.trace.id, choices=["other", "matrix_vector_product"])
        )
        await bench.hear(made.ran(bench.client.run.id))
        await bench.press("p", "down", "enter")
        failed = Failed(id=bench.client.run.id, diagnosis=WRONG)
        await bench.hear(failed)
        assert "x is missing" in bench.text
        await bench.press("C")
        assert "x is missing" not in bench.text


@pytest.mark.long
async def test_values_that_went_with_their_engine_are_said_to_be_gone() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("c")
        await answered(bench)
        bench.client.say(Gone(reason="it was aborted", status=-6, wanted=False))
        await bench.settle()
        await bench.press("f5")
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(made.ran(bench.client.run.id))
        await edited(bench)
        await answered(bench)
        assert not bench.client.asked(CompareResults)
        assert "the values went with the engine that ran it" in told(bench)
        assert "mul 0 → 1" in told(bench)


@pytest.mark.long
async def test_what_ended_an_engine_is_not_asked_for_again() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await edited(bench)
        await bench.press("s")
        assert bench.client.take(TakeFigures)
        bench.client.say(Gone(reason="it was aborted", status=-6, wanted=False))
        await bench.settle()
        await bench.press("f5")
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(made.ran(bench.client.run.id))
        asked = [one.composition.program.source for one in bench.client.asked(TakeFigures)]
        assert OTHER not in asked
        await answered(bench)
        assert "the engine ended while this was asked of it" in told(bench)


@pytest.mark.long
async def test_figures_of_a_file_that_changed_are_not_those_of_the_run_before() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.explorer.reread()
        await bench.trace_answered()
        await bench.until(lambda: len(bench.client.asked(Run)) == 2)
        await bench.hear(made.ran(bench.client.run.id))
        await bench.press("s")
        await answered(bench)
        assert "a file that it runs has changed since" in told(bench)
        # From now on they are taken with each run.
        bench.explorer.reread()
        await bench.trace_answered()
        await bench.until(lambda: len(bench.client.asked(Run)) == 3)
        await bench.hear(made.ran(bench.client.run.id))
        await answered(bench)
        assert "has changed since" not in told(bench)


async def test_a_run_waits_for_no_comparison() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await edited(bench)
        await bench.press("s")
        (asked,) = bench.client.take(CompareResults)
        await bench.press("f5")
        assert asked.id in bench.client.cancels
        await bench.hear(Cancelled(id=asked.id))
        await bench.hear(made.ran(bench.client.run.id))
        (again,) = bench.client.asked(CompareResults)
        assert (again.before, again.result) == (asked.before, bench.client.run.id)


@pytest.mark.long
async def test_another_session_has_no_run_before() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await edited(bench)
        assert "Changes" in bench.text
        bench.explorer.open(made.session())
        await bench.trace_answered()
        await bench.until(lambda: "Changes" not in bench.text)


@SIZES
def test_picture(
    snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    bench = Bench()

    async def fill(bench: Bench) -> None:
        await bench.settled()
        if size[0] == 80:
            await bench.press("v")
        await edited(bench)
        await bench.press("s")
        await answered(bench)

    assert snap_compare(bench.app, terminal_size=size, run_before=bench.pictured(fill))
