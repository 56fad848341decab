"""A start ends in ready or in a reason, and a process that hangs is told from a slow one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jaxtui.wire import start_limit
from jaxtui.wire.base import Gone
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.start_limit import SECONDS, SLOW_SECONDS, StartLimit
from tests.support.asking import Heard


@pytest.mark.parametrize(
    ("share", "ends", "words"),
    [
        (0.0, SECONDS, "hangs: it has used no processor"),
        (0.9, SECONDS, "although it has computed for 5"),
        (0.2, SLOW_SECONDS, "has computed for 60 s only"),
    ],
)
def test_the_time_until_ready_goes_by_the_processor_time_used(monkeypatch, share, ends, words):
    now = 1000.0
    monkeypatch.setattr(start_limit, "_processor_seconds", lambda group: share * (now - 1000.0))
    limit = StartLimit(1, now)
    while not (fault := limit.fault(now)):
        now += 0.5
        assert now < 1000.0 + ends + 5.0
    assert now >= 1000.0 + ends
    assert words in fault


@pytest.mark.long
def test_an_engine_that_hangs_at_its_start_is_ended_with_the_reason(tmp_path: Path):
    path = tmp_path / "engine.py"
    path.write_text("import time; time.sleep(600)")
    client = EngineClient(EngineSettings(command=(sys.executable, str(path))))
    heard = Heard(client)
    client.start()
    gone = heard.next(Gone, seconds=100)
    client.close()
    assert not gone.wanted
    assert "and hangs" in gone.reason
