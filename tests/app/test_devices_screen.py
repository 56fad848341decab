"""The Devices screen: what JAX sees, and the device set to work on."""

from __future__ import annotations

import msgspec
import pytest

from jaxtui.app import device_pictures
from jaxtui.app.devices import DevicesScreen
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Devices
from jaxtui.wire.base import Describe, Failed, Gone, Log
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Trace
from tests.support import made_events as made
from tests.support.fake_client import Bench


async def opened(bench: Bench) -> DevicesScreen:
    await bench.settled()
    await bench.press("6")
    screen = bench.app.screen
    assert isinstance(screen, DevicesScreen)
    return screen


async def put(bench: Bench, screen: DevicesScreen, **texts: str) -> None:
    for name, text in texts.items():
        screen._inputs[name].value = text
    await bench.settle()
    await bench.press("f5")


async def test_all_devices_and_the_environment_are_shown() -> None:
    async with Bench().open((120, 50)) as bench:
        await opened(bench)
        assert "Virtual devices: 8 share 4 cores." in bench.text
        assert "0.10.2, jaxlib 0.10.2" in bench.text
        assert isinstance(bench.client.requests[-1], Describe)


async def test_another_count_starts_another_engine_and_nothing_composed_is_lost() -> None:
    async with Bench().open() as bench:
        screen = await opened(bench)
        program = bench.session.program
        await put(bench, screen, count="4")
        assert bench.client.settings.count == 4
        assert len(bench.client.restarts) == 1
        assert bench.session.program == program
        assert bench.client.trace.composition.devices == Devices(platform="cpu", count=4)


async def test_another_engine_has_as_many_processes_as_the_one_before() -> None:
    async with Bench().open() as bench:
        bench.client.settings = EngineSettings(platform="cpu", count=8, processes=2)
        screen = await opened(bench)
        await put(bench, screen, count="4")
        assert bench.client.restarts == [EngineSettings(platform="cpu", count=4, processes=2)]


async def test_order_and_mesh_alone_need_no_other_engine() -> None:
    async with Bench().open() as bench:
        screen = await opened(bench)
        await put(bench, screen, order="3, 2, 1, 0", mesh="x = 2, y = 2")
        assert bench.client.restarts == []
        devices = bench.client.trace.composition.devices
        assert devices.order == [3, 2, 1, 0]
        assert devices.mesh == {"x": 2, "y": 2}


async def test_the_axes_of_the_mesh_are_given_types() -> None:
    async with Bench().open((80, 24)) as bench:
        screen = await opened(bench)
        await put(bench, screen, mesh="x = 4, y = 2", axis_types="{'y': 'explicit', x = auto}")
        assert bench.client.restarts == []
        devices = bench.client.trace.composition.devices
        assert devices.axis_types == {"y": "explicit", "x": "auto"}
        assert screen._inputs["axis_types"].value == "y = explicit, x = auto"
        wrong = Diagnosis(
            kind="devices", field=FieldPath("devices.axis_types"), message="no axis 'z'"
        )
        await put(bench, screen, axis_types="z = explicit")
        await bench.trace_answered(diagnosis=wrong, signature=None)
        assert screen._inputs["axis_types"].has_class("-faulty")
        assert "! no axis 'z'" in bench.text
        await put(bench, screen, axis_types="")
        assert bench.session.devices.axis_types is None


async def test_after_it_is_written_anew_a_field_is_gone_on_with_at_its_end() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("6")
        field = bench.app.screen._inputs["order"]
        field.focus()
        await bench.press(*"3,2,1,0", "enter")
        assert field.value == "3, 2, 1, 0"
        await bench.press(*",4", "enter")
        assert bench.session.devices.order == [3, 2, 1, 0, 4]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        pytest.param("count", "many", marks=pytest.mark.long),
        pytest.param("order", "1, 1", marks=pytest.mark.long),
        ("mesh", "x = 0"),
        ("axis_types", "x = manual"),
        ("axis_types", "explicit"),
        ("axis_types", "x = auto, x = auto"),
    ],
)
async def test_what_cannot_be_is_refused_at_its_field(field: str, text: str) -> None:
    async with Bench().open() as bench:
        screen = await opened(bench)
        before, traces = bench.session, len(bench.client.asked(Trace))
        await put(bench, screen, **{field: text})
        assert screen._inputs[field].has_class("-faulty")
        assert screen._inputs[field].value == text
        assert bench.session == before
        assert len(bench.client.asked(Trace)) == traces


async def test_what_the_engine_refuses_stands_at_its_field() -> None:
    async with Bench().open() as bench:
        screen = await opened(bench)
        await put(bench, screen, order="9")
        wrong = Diagnosis(
            kind="devices", field=FieldPath("devices.order"), message="there is no device 9"
        )
        await bench.trace_answered(diagnosis=wrong, signature=None)
        assert screen._inputs["order"].has_class("-faulty")
        assert "! there is no device 9" in bench.text


NOPE = Diagnosis(
    kind="devices",
    field=FieldPath("devices.platform"),
    message="there is no platform nope",
    fixes=[Fix(label="use cpu", field=FieldPath("devices.platform"), text="cpu")],
)


async def test_a_platform_that_jax_cannot_start_with_stands_at_its_field_with_its_fix() -> None:
    async with Bench().open((120, 50)) as bench:
        screen = await opened(bench)
        await put(bench, screen, platform="nope")
        gone = Gone(reason="there is no platform nope", status=3, wanted=False)
        await bench.hear(Failed(id=0, diagnosis=NOPE), gone)
        assert "cannot start · 6 Devices" in bench.text
        assert screen._inputs["platform"].has_class("-faulty")
        assert "! there is no platform nope" in bench.text
        assert "The engine before saw:" in bench.text
        assert "f fix" in bench.text
        await bench.press("f")
        assert bench.client.settings.platform == "cpu"
        assert screen._inputs["platform"].value == "cpu"
        assert "! there is" not in bench.text
        await bench.hear(made.ready())
        assert "The engine before saw:" not in bench.text
        assert "· ready" in bench.text


async def test_the_newest_line_of_the_log_is_in_view() -> None:
    async with Bench().open() as bench:
        await opened(bench)
        await bench.hear(*(Log(line=f"line {number}") for number in range(100)))
        screen = bench.app.screen
        log = screen.query_one("#engine-log")
        assert log.is_vertical_scroll_end


async def test_the_header_counts_the_devices_that_are_worked_on() -> None:
    async with Bench().open() as bench:
        screen = await opened(bench)
        assert "cpu × 8 · JAX" in bench.text
        await put(bench, screen, order="3, 2, 1")
        assert "cpu × 3 of 8 · JAX" in bench.text
        await put(bench, screen, order="7, 6, 5, 4, 3, 2, 1, 0")
        assert "cpu × 8 · JAX" in bench.text


async def test_a_fault_of_another_screen_is_not_mended_from_here() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        fix = Fix(
            label="in_axes (0, None)", field=FieldPath("program.layers.0.in_axes"), text="(0, None)"
        )
        wrong = Diagnosis(
            kind="axes", field=FieldPath("program.layers.0.in_axes"), message="no", fixes=[fix]
        )
        await bench.trace_answered(diagnosis=wrong)
        before = bench.session
        await opened(bench)
        assert "f fix" not in bench.text
        await bench.press("f")
        assert bench.session == before
        assert "there is nothing to fix" in bench.text


async def test_the_mesh_is_drawn_with_its_axes_named() -> None:
    async with Bench().open((120, 60)) as bench:
        screen = await opened(bench)
        assert "devices 8: each cell is the id of a device" in bench.text
        await put(bench, screen, mesh="x = 4, y = 2")
        assert "x ↓  y →  0  1" in bench.text.replace("   ", "  ")
        await put(bench, screen, mesh="x = 3")
        assert device_pictures.NO_MESH in bench.text


async def test_memory_is_that_of_the_engine_and_its_host_and_of_devices_where_told() -> None:
    async with Bench().open((120, 60)) as bench:
        await opened(bench)
        assert "400 MiB of 16 GiB" in bench.text
        assert "8 GiB of 16 GiB" in bench.text
        assert "This backend tells no memory of its devices." in bench.text
        assert "not told" not in bench.text


def test_devices_that_tell_their_memory_have_a_bar_each() -> None:
    seen = made.environment(2)
    first = msgspec.structs.replace(seen.devices[0], memory_used=2**30, memory_limit=4 * 2**30)
    told = msgspec.structs.replace(seen, devices=[first, seen.devices[1]], engine_memory=None)
    lines = device_pictures.memory(told, 78).plain.split("\n")
    assert lines[0].startswith("device 0  ")
    assert lines[0].count("█") == pytest.approx(
        (lines[0].count("█") + lines[0].count("░")) / 4, abs=1
    )
    assert lines[0].endswith("1 GiB of 4 GiB")
    assert lines[1].split() == ["engine", "not", "told"]
    assert len(lines) == 3


async def test_memory_is_asked_for_only_while_the_screen_is_shown_and_the_engine_rests() -> None:
    async with Bench().open() as bench:
        screen = await opened(bench)

        def asked() -> int:
            return sum(isinstance(request, Describe) for request in bench.client.requests)

        assert screen._looking is not None
        before = asked()
        screen._look()
        assert asked() == before + 1
        bench.explorer.open_session.meanwhile = "benchmark 3/25"
        screen._look()
        assert asked() == before + 1
        bench.explorer.open_session.meanwhile = ""
        await bench.press("1")
        assert screen._looking is None
