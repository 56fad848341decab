"""The real program in a pseudo-terminal, read as a user reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.terminal import (
    BACKSPACE,
    CTRL_C,
    CTRL_Q,
    CTRL_S,
    DOWN,
    END,
    ENTER,
    ESCAPE,
    TAB,
    Terminal,
    explorer,
)

ENDLESS = """
[devices]
platform = "cpu"
count = 2

[program]
source = '''
def turns(x, n):
    while n > 5:
        pass
    return x * n
'''

[[program.arguments]]
name = "x"
value = "arange(3)"

[[program.arguments]]
name = "n"
value = "2"

[[program.layers]]
transform = "vmap"
in_axes = "(0, None)"
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    started: list[Terminal] = []

    def begin(*arguments: str) -> Terminal:
        started.append(explorer(tmp_path, *arguments))
        return started[-1]

    yield begin
    for terminal in started:
        terminal.close()


def test_it_opens_on_a_result_follows_keys_and_leaves_the_terminal_clean(
    start: Callable[..., Terminal],
) -> None:
    terminal = start()
    text = terminal.wait(lambda text: "53." in text and "ready" in text)
    assert "i32[‹2›, 2, 2]" in text
    assert all(number in text for number in (" 5.", "11.", "39."))

    terminal.press(TAB, TAB, TAB, END, *"+1")
    text = terminal.wait(lambda text: "60." in text and "of the program before" not in text)
    assert "of the program before" not in text

    terminal.press(*"+")
    terminal.wait("of the program before")
    assert "60." in terminal.text
    terminal.press(BACKSPACE, ESCAPE, CTRL_Q)
    terminal.wait("changes that are in no file")
    terminal.press(CTRL_Q)
    assert terminal.status() == 0


@pytest.mark.long
def test_an_endless_function_is_named_ended_and_the_next_key_works(
    start: Callable[..., Terminal], tmp_path: Path
) -> None:
    (tmp_path / "turns.toml").write_text(ENDLESS)
    terminal = start("turns.toml")
    terminal.wait("Run turns.toml?")
    terminal.wait("not trusted yet")
    terminal.press(DOWN, ENTER)
    terminal.wait(lambda text: "i32[3]" in text and "ran " in text)

    # name, source, value and axis of x, value of n
    terminal.press(*[TAB] * 5, END, BACKSPACE, "7")
    terminal.wait("ctrl+c ends it")
    terminal.press(CTRL_C)
    terminal.wait("You ended the engine")
    terminal.press(BACKSPACE, "4")
    terminal.wait(lambda text: "max 8" in text and "of the program before" not in text)
    terminal.wait("ready")
    terminal.press(CTRL_S)
    terminal.wait("saved turns.toml")
    assert 'value = "4"' in (tmp_path / "turns.toml").read_text()
    terminal.press(ESCAPE, CTRL_Q)
    assert terminal.status() == 0

    # What was saved here is trusted from now on.
    again = start("turns.toml")
    again.wait(lambda text: "ran " in text and "ready" in text)
    again.press("q")
    assert again.status() == 0
