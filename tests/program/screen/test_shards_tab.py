"""Shards on Map: the inputs of the run beside its output, by key and by path."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from jaxtui.program.screen.result_tabs import _processes
from jaxtui.program.screen.tab_line import SHARDS
from jaxtui.results.screen.shards_view import ShardsView
from jaxtui.wire.report import Input, Shard
from tests.support import made_events as made
from tests.support.fake_client import Bench

WHOLE = [Shard(device=0, index=[[0, 2], [0, 2], [0, 2]])]
INPUTS = [
    Input(name="matrix", path="", shape=[2, 2, 2], dtype="int32", placed="given", shards=WHOLE),
    *(
        Input(
            name="vector",
            path=f"['{key}']",
            shape=[2, 2],
            dtype="float32",
            placed="given",
            shards=[Shard(device=0, index=[[0, 2], [0, 2]])],
        )
        for key in "abcdef"
    ),
]


@asynccontextmanager
async def ran(
    size: tuple[int, int] = (120, 40), inputs: list[Input] = INPUTS
) -> AsyncIterator[Bench]:
    async with Bench().open(size) as bench:
        await bench.hear(made.ready())
        await bench.trace_answered()
        await bench.hear(made.ran(bench.client.run.id, inputs=inputs))
        yield bench


def view(bench: Bench) -> ShardsView:
    found = bench.app.map_screen.results.shards_view
    assert found is not None
    return found


def shown(bench: Bench) -> list[str]:
    return [laid.name for laid in view(bench).laid_out.arrays]


async def test_the_next_input_turns_to_the_shards_and_goes_on_from_there() -> None:
    async with ran() as bench:
        await bench.press("i")
        assert bench.app.map_screen.results.tab == SHARDS
        assert view(bench).first == 1
        assert shown(bench)[0] == "vector['a']"
        assert shown(bench)[-1] == "out"
        await bench.press(*["i"] * 6)
        assert view(bench).first == 0


async def test_an_input_is_picked_by_its_path() -> None:
    async with ran() as bench:
        await bench.press("I")
        assert "Leaves of the arguments" in bench.text
        await bench.press(*"['d']", "enter")
        assert shown(bench)[0] == "vector['d']"
        assert "Inputs as given: nothing is compiled as a whole." in bench.text


@pytest.mark.long
async def test_the_table_is_copied_as_text() -> None:
    async with ran() as bench:
        await bench.press("i")
        view(bench).focus()
        await bench.press("y")
        copied = bench.app.map_screen.text_to_copy()
        assert copied == view(bench).text
        assert copied.splitlines()[0] == "vector['a'] f32[2, 2]"
        assert "sent to the terminal's clipboard" in bench.text


@pytest.mark.long
async def test_the_keys_of_the_view_are_in_the_key_line() -> None:
    async with ran() as bench:
        await bench.press("i")
        view(bench).focus()
        await bench.settled()
        assert "↑↓ device  ←→ by block" in bench.text


@pytest.mark.long
async def test_without_inputs_there_is_a_word_for_it() -> None:
    async with ran(inputs=[]) as bench:
        await bench.press("i")
        assert "there is no run with arguments yet" in bench.text
        await bench.press("I")
        assert "Leaves of the arguments" not in bench.text


@pytest.mark.long
async def test_beside_the_values_the_inputs_go_by_in_the_pane_that_has_them() -> None:
    async with ran((200, 60)) as bench:
        beside = bench.app.map_screen.beside
        assert beside is not None
        await bench.until(lambda: beside.is_mounted)
        beside.show_tab(SHARDS)
        bench.app.explorer.show_work()
        await bench.press("i")
        assert beside.shards_view is not None
        assert beside.shards_view.first == 1
        assert bench.app.map_screen.results.tab != SHARDS


def test_a_process_is_named_with_its_host() -> None:
    alone = made.environment(2)
    assert _processes(None) == _processes(alone) == {}
    devices = [
        msgspec.structs.replace(device, process=at) for at, device in enumerate(alone.devices)
    ]
    one_host = msgspec.structs.replace(alone, devices=devices)
    assert _processes(one_host) == {0: "0", 1: "1"}
    assert _processes(msgspec.structs.replace(one_host, hosts=["gpu-1", "gpu-2"])) == {
        0: "0 gpu-1",
        1: "1 gpu-2",
    }
