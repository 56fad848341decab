"""How screens look at 80×24, 120×40 and 200×60; pictures to compare with lie beside this file."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
import pytest
from textual.pilot import Pilot

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.text import memory_tables
from jaxtui.wire.memory_report import MemoryBatches, MemoryBudget, MemoryReport, MemoryRow
from jaxtui.wire.program import Inspect, Inspected
from tests.support import made_events as made
from tests.support.fake_client import Bench

SIZES = [(80, 24), (120, 40)]
WRONG = Diagnosis(
    kind="axes",
    field=FieldPath("program.layers.0.in_axes"),
    message="vector has rank 2: there is no axis 3",
    fixes=[Fix(label="in_axes (0, 0)", field=FieldPath("program.layers.0.in_axes"), text="(0, 0)")],
)


MEMORY = MemoryReport(
    devices=1,
    together=96,
    arguments=48,
    outputs=16,
    temporaries=32,
    donated=0,
    compiles=False,
    modelled=False,
    budget=MemoryBudget(bytes=64, words="typed", shared=False),
    fits=False,
    intermediates=[
        MemoryRow(
            shape="f32[2, 2, 2]",
            bytes=32,
            count=1,
            at_peak=1,
            file="",
            line=2,
            code="return jnp.dot(matrix, vector)",
        )
    ],
    batches=MemoryBatches(size=1, of=2, bytes=48),
)


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")


def look(*keys: str, wrong: bool = False, **options: object) -> tuple[Bench, Callable]:
    """A bench, and what brings its screen to where the picture is taken."""
    bench = Bench(**options)  # type: ignore[arg-type]

    async def fill(bench: Bench) -> None:
        await bench.settled()
        if wrong:
            bench.explorer.edit(FieldPath("program.layers.0.in_axes"), "(0, 3)")
            await bench.trace_answered(diagnosis=WRONG, signature=None)
        await bench.press(*keys)

    return bench, bench.pictured(fill)


Compare = Callable[..., bool]
Prepare = Callable[[Pilot[None]], Awaitable[None]]


@pytest.mark.parametrize("size", SIZES)
def test_map(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, prepare = look()
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


def test_map_with_a_second_tab_beside_the_values(snap_compare: Compare) -> None:
    noted = msgspec.structs.replace(made.session(), notes="Read the shapes from left to right.")
    bench, prepare = look(session=noted)
    assert snap_compare(bench.app, terminal_size=(200, 60), run_before=prepare)


def test_map_results_page(snap_compare: Compare) -> None:
    bench, prepare = look("v")
    assert snap_compare(bench.app, terminal_size=(80, 24), run_before=prepare)


@pytest.mark.parametrize("size", SIZES)
def test_map_with_an_error(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, prepare = look(wrong=True)
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


def test_map_with_the_form_of_a_layer(snap_compare: Compare) -> None:
    bench, prepare = look(*["tab"] * 8, "enter")
    assert snap_compare(bench.app, terminal_size=(120, 40), run_before=prepare)


@pytest.mark.parametrize("size", SIZES)
def test_devices(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, prepare = look("6")
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


def test_learn(snap_compare: Compare) -> None:
    bench, prepare = look("5")
    assert snap_compare(bench.app, terminal_size=(120, 40), run_before=prepare)


def test_map_in_ascii(snap_compare: Compare) -> None:
    bench, prepare = look(ascii=True)
    assert snap_compare(bench.app, terminal_size=(120, 40), run_before=prepare)


@pytest.mark.parametrize("size", [(80, 24), pytest.param((120, 40), marks=pytest.mark.long)])
def test_a_lesson(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, prepare = look("5", "down", "down", "enter")
    assert snap_compare(bench.app, terminal_size=size, run_before=prepare)


@pytest.mark.long
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_the_memory_of_a_program(snap_compare: Compare, size: tuple[int, int]) -> None:
    bench, prepare = look("M", *"64 B", "enter")

    async def answered(pilot: Pilot[None]) -> None:
        await prepare(pilot)
        await bench.until(lambda: any(one.view == "memory" for one in bench.client.asked(Inspect)))
        asked = next(one for one in bench.client.asked(Inspect) if one.view == "memory")
        text = memory_tables.memory(MEMORY, keys=True)
        await bench.hear(Inspected(id=asked.id, view="memory", text=text, memory=MEMORY))
        await bench.until(lambda: "does NOT fit" in bench.text)

    assert snap_compare(bench.app, terminal_size=size, run_before=answered)
