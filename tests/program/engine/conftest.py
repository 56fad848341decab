"""No program that another test ran is kept."""

from __future__ import annotations

from collections import OrderedDict

import pytest

from jaxtui.program.engine import kept_programs


@pytest.fixture(autouse=True)
def _nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_programs, "_kept", OrderedDict())
