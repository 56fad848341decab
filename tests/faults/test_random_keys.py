"""No series of keys, pastes, clicks and sizes ends the explorer or makes it deaf."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.screen import Screen

from tests.support import made_events as made
from tests.support.fake_client import Bench
from tests.support.tables import one_in

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
SIGNS = "space,full_stop,comma,slash,question_mark,left_parenthesis,right_parenthesis,equals_sign"
OTHERS = "[]+-*'\"\\<>|;:!@#$%^&~`{}_é‹漢🙂"
KEYS = [
    *LETTERS,
    *SIGNS.split(","),
    *OTHERS,
    *["up", "down", "left", "right", "home", "end", "pageup", "pagedown"],
    *["tab", "shift+tab", "enter", "escape"],
    *["backspace", "delete", "insert", "shift+up", "shift+down", "ctrl+left", "ctrl+right"],
    *(f"f{n}" for n in range(1, 13)),
    *(f"ctrl+{letter}" for letter in "abcdefghijklmnoprstuvwxy"),
]
SIZES = [(1, 1), (1, 40), (200, 1), (10, 4), (40, 10), (80, 24), (120, 40), (200, 60)]
TEXTS = ["arange(9)", "(0, None)", "\x1b[31mred\x07", "x" * 3000, "a\nb\tc\r\n", "\u202e漢字\u200b"]


@pytest.fixture(autouse=True)
def _own_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """Keys may save, open and export files: all of them in a folder of the test's."""
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    for name in ("EDITOR", "VISUAL"):
        monkeypatch.setenv(name, "true")


async def act(bench: Bench, chance: random.Random) -> None:
    """Do one thing that a user, a cat or a network can do."""
    what = chance.random()
    if what < 0.9:
        await bench.send_key(chance.choice(KEYS), waits=1)
    elif what < 0.94:
        bench.app.post_message(events.Paste(chance.choice(TEXTS)))
    elif what < 0.98:
        width, height = bench.app.size
        await bench.click(chance.randrange(max(1, width)), chance.randrange(max(1, height)))
    else:
        await bench.resize(*chance.choice(SIZES))


async def press(seed: int, count: int) -> None:
    """Do `count` things on explorers that are opened anew whenever one is left."""
    chance = random.Random(seed)
    while count > 0:
        bench = Bench()
        async with bench.open(chance.choice(SIZES[4:])):
            await bench.settled()
            while count > 0 and not bench.app._exit:
                await act(bench, chance)
                count -= 1
                if count % 100 == 0:
                    await answer(bench)
            if not bench.app._exit:
                await still_hears(bench)


async def answer(bench: Bench) -> None:
    """Let the engine answer what it was asked last."""
    await bench.hear(made.ready())
    if bench.client.requests:
        await bench.hear(made.traced(bench.client.trace.id))


async def still_hears(bench: Bench) -> None:
    """Escape leads out of every dialog and field, and a key to another screen."""
    await bench.resize(120, 40)
    for _ in range(12):
        await bench.send_key("escape")
        await bench.settle()
    screen: Screen[Any] = bench.app.screen
    assert not screen.is_modal, screen
    await bench.send_key("1")
    await bench.until(lambda: bench.app.current_mode == "map")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", one_in(2, range(2)))
async def test_five_hundred_random_keys_leave_it_alive(seed: int) -> None:
    await press(seed, count=500)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(2, 12))
async def test_twenty_thousand_random_keys_leave_it_alive(seed: int) -> None:
    await press(seed, count=2000)
