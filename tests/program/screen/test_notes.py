"""A note about a result is marked at its tab, at its field and over the result."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from jaxtui.session.diagnosis import Diagnosis, Edit, Fix
from jaxtui.session.field_path import DEVICES, LAYERS, SOURCE
from jaxtui.session.session import Session
from jaxtui.wire.base import Printed
from jaxtui.wire.program import Ran
from tests.support import made_events as made
from tests.support.fake_client import Bench

AT_LAYER = Diagnosis(kind="note", field=LAYERS / 0 / "in_axes", message="a word at the field")
LONG = "the first words of it, " + "and many more " * 20 + "to the end"
OF_SOURCE = Diagnosis(kind="note", field=SOURCE, message=LONG)
FIX = Fix("7 devices, and another source", DEVICES / "count", "7", (Edit(SOURCE, "f = jnp.sin"),))


async def run_with(bench: Bench, *notes: Diagnosis, printed: str = "") -> None:
    await bench.hear(made.ready())
    await bench.hear(made.traced(bench.client.trace.id))
    ran: Ran = made.ran(bench.client.run.id)
    if printed:
        await bench.hear(Printed(id=ran.id, stream="stderr", text=printed))
    await bench.hear(replace(ran, report=replace(ran.report, notes=list(notes))))


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_a_note_is_marked_at_its_tab_and_at_its_layer(size: tuple[int, int]) -> None:
    async with Bench().open(size) as bench:
        await run_with(bench, OF_SOURCE, AT_LAYER)
        if size[0] < 100:
            await bench.press("v")
        else:
            assert "! vmap in_axes: a word at the field" in bench.text
        assert "Remarks" in bench.text
        assert "! the first words of it" in bench.text
        assert "to the end" not in bench.text
        await bench.press("s")
        assert "to the end" in bench.text


async def test_a_note_goes_with_the_program_that_it_is_of() -> None:
    async with Bench().open() as bench:
        await run_with(bench, OF_SOURCE)
        assert "Remarks" in bench.text
        bench.explorer.edit(SOURCE, made.SOURCE + "\n")
        await bench.settle()
        assert "Remarks" not in bench.text


async def test_the_fix_of_a_note_changes_all_its_fields_as_one_step() -> None:
    async with Bench().open() as bench:
        before: Session = bench.session
        await run_with(bench, replace(OF_SOURCE, fixes=[FIX]))
        await bench.press("escape", "f")
        after = bench.session
        assert (after.devices.count, after.program.source) == (7, "f = jnp.sin")
        await bench.press("u")
        assert bench.session == before


async def test_a_warning_in_the_output_is_marked_at_its_tab() -> None:
    async with Bench().open() as bench:
        text = "mlir.py:9: UserWarning: Some donated buffers were not usable: float32[8,4].\n"
        await run_with(bench, printed=text)
        assert "Output !" in bench.text
