"""An explorer that is left alone writes nothing to its terminal and leaves the machine alone."""

from __future__ import annotations

import sys
import uuid

import pytest

from tests.support.marked import THERE, cpu_seconds, processes_of
from tests.support.terminal import Terminal

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(300),
    pytest.mark.skipif(not THERE, reason="needs Linux's /proc"),
]

SECONDS = 30.0
SHARE = 0.005  # of a core


@pytest.mark.parametrize("key", "12345")
def test_a_screen_that_is_left_alone_writes_and_computes_nothing(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = uuid.uuid4().hex
    monkeypatch.setenv("IDLE_MARK", mark)
    with Terminal([sys.executable, "-m", "jaxtui"]) as terminal:
        terminal.wait(lambda text: "· ready" in text)
        terminal.type("\x1b")
        terminal.settle(1.0)
        terminal.type(key)
        terminal.settle(3.0)  # what the screen asks of the engine is answered
        processes = processes_of(mark)
        assert len(processes) >= 2
        bytes_before, cpu_before = len(terminal.raw), cpu_seconds(processes)
        terminal.listen(SECONDS)
        assert len(terminal.raw) == bytes_before
        assert cpu_seconds(processes) - cpu_before < SECONDS * SHARE * len(processes)
