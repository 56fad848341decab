"""What many tests share: a real engine with 8 CPU devices."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from asking import Asker

from jaxtui.client import EngineSettings


def pytest_configure() -> None:
    """Let no process of a test begin with signals ignored, as under nohup or behind a shell's &."""
    for number in (signal.SIGHUP, signal.SIGINT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


@pytest.fixture(scope="module")
def engine() -> Iterator[Asker]:
    """A real engine with 8 virtual CPU devices, one for each test module."""
    asker = Asker(EngineSettings(platform="cpu", count=8))
    yield asker
    asker.client.close()
