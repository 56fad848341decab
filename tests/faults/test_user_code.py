"""Whatever a user's function does, keys are answered, nothing is lost, and the next function runs.

Each fault happens in the real explorer, in a pseudo-terminal: the function is run with `n` = 2,
where it goes wrong; keys are pressed meanwhile; then `n` becomes 3, where it is right.
"""

from __future__ import annotations

import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.marked import THERE, processes_of
from tests.support.terminal import (
    BACKSPACE,
    CTRL_C,
    CTRL_Q,
    DOWN,
    END,
    ENTER,
    ESCAPE,
    TAB,
    Terminal,
    explorer,
)
from tests.support.user_faults import FAULTS, session_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(300)]


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark for the environment of a test's processes, which are ended with the test."""
    made = uuid.uuid4().hex
    yield made
    for pid in processes_of(made):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.skipif(not THERE, reason="needs Linux's /proc")
@pytest.mark.parametrize("body", FAULTS.values(), ids=FAULTS.keys())
def test_the_screen_lives_and_the_next_function_runs(body: str, tmp_path: Path, mark: str) -> None:
    (tmp_path / "faulty.toml").write_text(session_of(body))
    terminal = explorer(tmp_path, "faulty.toml", FAULT_MARK=mark)
    try:
        terminal.wait("Run faulty.toml?")
        terminal.wait("not trusted yet")
        terminal.press(DOWN, ENTER)
        terminal.wait(lambda text: "max 2" in text and "ready" in text)
        terminal.press(*[TAB] * 5, END, BACKSPACE, "2")

        # Keys are answered while it goes wrong.
        terminal.press(ESCAPE)
        for _ in range(3):
            terminal.press("?")
            terminal.wait("esc close")
            terminal.press(ESCAPE)
            terminal.wait_until_gone("esc close")

        terminal.press(TAB, END)
        if "ctrl+c ends it" in terminal.text:
            terminal.press(CTRL_C)
        terminal.press(BACKSPACE, "3")
        mended(terminal)
        terminal.press(ESCAPE, CTRL_Q)
        terminal.wait("changes that are in no file")
        terminal.press(CTRL_Q)
        assert terminal.status() == 0
        assert processes_of(mark) == []
    finally:
        terminal.close()


def mended(terminal: Terminal) -> None:
    """Wait for the right function's result, with ctrl+c for what does not end by itself."""

    def ended_or_right(text: str) -> bool:
        if "ctrl+c ends" in text:
            terminal.press(CTRL_C)
        return "max 6" in text and "of the program before" not in text

    terminal.wait(ended_or_right, seconds=120)
