"""What many tests share: a real engine with 8 CPU devices."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from asking import Asker

from jaxtui.client import EngineSettings


@pytest.fixture(scope="module")
def engine() -> Iterator[Asker]:
    """A real engine with 8 virtual CPU devices, one for each test module."""
    asker = Asker(EngineSettings(platform="cpu", count=8))
    yield asker
    asker.client.close()
