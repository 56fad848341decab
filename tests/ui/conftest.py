"""Pictures of screens are compared without what they would fetch."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App

from jaxtui.picture import fetching_nothing


@pytest.fixture(autouse=True)
def _pictures_fetch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    original = App.export_screenshot

    def export_screenshot(self: App[Any], **options: Any) -> str:
        return fetching_nothing(original(self, **options))

    monkeypatch.setattr(App, "export_screenshot", export_screenshot)
