"""What an app paints, as a terminal would show it."""

from __future__ import annotations

from typing import Any

from textual.app import App


def painted(app: App[Any]) -> list[str]:
    """The lines on screen, after the app's filters."""
    return [
        "".join(segment.text for segment in strip)
        for strip in app.screen._compositor.render_strips()
    ]
