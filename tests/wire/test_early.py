"""An engine that starts before its devices are known."""

from __future__ import annotations

import subprocess
import sys

import pytest

from jaxtui.wire import early
from jaxtui.wire.base import Ready
from jaxtui.wire.early import EarlyEngine
from jaxtui.wire.launch import StartedEngine
from jaxtui.wire.process import EngineSettings
from tests.support.asking import Heard, no_children

WAITS = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process that starts early be one that only waits for its input."""
    monkeypatch.setattr(early, "command", lambda: WAITS)


def test_it_gets_the_devices_that_it_is_told():
    with EarlyEngine() as started:
        engine = StartedEngine(EngineSettings(platform="cpu", count=3), started)
    ready = Heard(engine.client()).next(Ready)
    assert (ready.environment.platform, ready.environment.device_count) == ("cpu", 3)
    engine.close()
    assert no_children()


@pytest.mark.usefixtures("waiting")
def test_it_is_ended_for_an_engine_that_is_another_command():
    with EarlyEngine() as started:
        engine = StartedEngine(EngineSettings(command=("no-such-program-here",)), started)
        assert not no_children()
    assert no_children()
    engine.close()


@pytest.mark.usefixtures("waiting")
def test_it_is_ended_for_an_engine_of_several_processes():
    with EarlyEngine() as started:
        StartedEngine(EngineSettings(processes=2), started).close()
        assert not no_children()
    assert no_children()


@pytest.mark.usefixtures("waiting")
def test_it_is_ended_when_its_settings_cannot_be_read():
    with pytest.raises(SystemExit), EarlyEngine():
        raise SystemExit(2)
    assert no_children()


def test_a_python_that_cannot_start_is_told_by_the_engine_itself(monkeypatch):
    monkeypatch.setattr(early, "command", lambda: ["no-such-program-here"])
    with EarlyEngine() as started:
        assert started.take() is None


@pytest.mark.long
def test_the_end_of_its_input_ends_it():
    told = [*early.command(), early.TOLD]
    assert subprocess.run(told, stdin=subprocess.DEVNULL, check=False).returncode == 0
