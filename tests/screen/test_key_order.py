"""Keys that act on what was typed, pressed right behind it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from textual import events

from jaxtui.app.devices import DevicesScreen
from jaxtui.screen.dialogs import ConfirmDialog
from jaxtui.screen.key_order import PATIENCE
from jaxtui.session.session import load, save
from jaxtui.wire.program import Run
from tests.support import made_events as made
from tests.support.fake_client import Bench

BURST = "1234567890" * 5


@pytest.fixture(autouse=True)
def _own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def burst(bench: Bench, text: str, *keys: str) -> None:
    """Give the app characters and then keys, as a terminal does: without any pause."""
    for character in text:
        bench.app.post_message(events.Key(character, character))
    for key in keys:
        bench.app.post_message(events.Key(key, None))


@pytest.mark.parametrize("between", [(), pytest.param(("tab",), marks=pytest.mark.long)])
async def test_what_was_typed_right_before_it_is_saved(
    tmp_path: Path, between: tuple[str, ...]
) -> None:
    file = tmp_path / "mine.toml"
    save(made.session(), file)
    async with Bench(load(file), path=str(file)).open() as bench:
        await bench.settled()
        bench.app.map_screen.arguments._rows[0].value_input.value = ""
        bench.app.map_screen.arguments._rows[0].value_input.focus()
        await bench.settle()
        burst(bench, BURST, *between, "ctrl+s")
        await bench.until(
            lambda: load(file).program is not None and not bench.explorer.files.changed
        )
        assert load(file).program.arguments[0].value == BURST


async def test_what_was_typed_right_before_it_in_the_source_is_saved(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    save(made.session(), file)
    async with Bench(load(file), path=str(file)).open() as bench:
        await bench.settled()
        bench.app.map_screen.editor.area.focus()
        await bench.settle()
        burst(bench, BURST, "ctrl+s")
        await bench.until(lambda: not bench.explorer.files.changed)
        await bench.settle()
        assert load(file).program.source.startswith(BURST + "def ")


async def test_what_was_typed_right_before_it_is_run() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        runs = len(bench.client.asked(Run))
        bench.app.map_screen.arguments._rows[0].value_input.value = ""
        bench.app.map_screen.arguments._rows[0].value_input.focus()
        await bench.settle()
        burst(bench, BURST, "f5")
        await bench.until(lambda: len(bench.client.asked(Run)) > runs)
        assert bench.client.run.composition.program.arguments[0].value == BURST


async def test_the_devices_typed_right_before_it_are_applied() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("6")
        screen = bench.app.screen
        assert isinstance(screen, DevicesScreen)
        screen._inputs["order"].focus()
        await bench.settle()
        burst(bench, "0,1,2,3,4,5", "f5")
        await bench.until(lambda: bench.session.devices.order is not None)
        assert bench.session.devices.order == [0, 1, 2, 3, 4, 5]


async def test_quitting_right_behind_a_key_still_asks_about_it() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        bench.app.map_screen.editor.area.focus()
        await bench.settle()
        burst(bench, "x", "ctrl+q")
        await bench.settle()
        assert isinstance(bench.app.screen, ConfirmDialog)
        assert bench.session.program.source.startswith("xdef ")


async def test_a_key_behind_one_that_removed_the_field_in_focus_is_acted_on_at_once() -> None:
    async with Bench().open() as bench:
        await bench.settled()
        await bench.press("ctrl+p")
        burst(bench, "x", "escape", "6")
        began = time.monotonic()
        await bench.until(lambda: bench.app.current_mode == "devices")
        assert time.monotonic() - began < PATIENCE
