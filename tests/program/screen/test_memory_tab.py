"""The tab about memory: what memory a device has is typed, and a fix makes the program fit."""

from __future__ import annotations

from typing import Any

import pytest

from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import LAYERS, PROGRAM
from jaxtui.session.layers import Map
from jaxtui.session.session import Sharding
from jaxtui.wire.program import Inspect, Inspected
from tests.support import made_events as made
from tests.support.fake_client import Bench

FIX = Fix(
    "1 of 2 at once, by jax.lax.map: 64 B", LAYERS, '[{"transform": "map", "batch_size": "1"}]'
)
NOTE = Diagnosis(kind="memory", field=LAYERS / 0, message="it takes more", fixes=[FIX])
TOO_LARGE = Diagnosis(kind="memory", field=PROGRAM, message="needs 9 GiB of memory; 1 GiB is free")


def memory_asked(bench: Bench) -> list[Inspect]:
    return [one for one in bench.client.asked(Inspect) if one.view == "memory"]


async def answered(bench: Bench, **answer: Any) -> None:
    request = memory_asked(bench)[-1]
    await bench.hear(Inspected(id=request.id, view="memory", text="takes 128 B", **answer))


async def test_the_memory_of_a_device_is_typed_and_asked_with() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("M", *"64 B", "enter")
        assert bench.session.sharding == Sharding(memory="64 B")
        await bench.until(lambda: bool(memory_asked(bench)))
        assert memory_asked(bench)[-1].sharding == Sharding(memory="64 B")
        await answered(bench, notes=[NOTE])
        assert "takes 128 B" in bench.text
        await bench.press("f")
        assert bench.session.program.layers == [Map(batch_size="1")]


@pytest.mark.long
async def test_another_memory_is_asked_about_anew() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("M", *"64 B", "enter")
        await bench.until(lambda: bool(memory_asked(bench)))
        await answered(bench, notes=[NOTE])
        await bench.press("M", *["backspace"] * 4, "enter")
        assert bench.session.sharding == Sharding(memory="")
        await bench.until(lambda: len(memory_asked(bench)) == 2)
        assert "of the program before" in bench.text
        await answered(bench)
        await bench.press("f")
        assert "there is nothing to fix" in bench.text


async def test_a_fix_of_the_memory_is_applied_only_where_it_is_on_view() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        layers = bench.session.program.layers
        await bench.press("M", *"64 B", "enter")
        await bench.until(lambda: bool(memory_asked(bench)))
        await answered(bench, notes=[NOTE])
        await bench.press("s", "f")
        assert bench.session.program.layers == layers


async def test_a_program_that_is_refused_as_too_large_is_offered_batches_by_itself() -> None:
    async with Bench().open() as bench:
        await bench.hear(made.ready())
        await bench.trace_answered(diagnosis=TOO_LARGE)
        await bench.until(lambda: bool(memory_asked(bench)))
        await answered(bench, notes=[NOTE])
        assert bench.explorer.work.diagnosis is not None
        assert bench.explorer.work.diagnosis.fixes == [FIX]
        await bench.press("f")
        assert bench.session.program.layers == [Map(batch_size="1")]
