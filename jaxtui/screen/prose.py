"""Markdown as a screen shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.markdown import Markdown
    from textual.app import App


def prose(text: str, app: App[Any]) -> Markdown:
    """A text of Markdown, whose code can be read on the ground of the app's theme."""
    from rich.markdown import Markdown  # only once there is a text: it takes 20 ms to import

    theme = "ansi_dark" if app.current_theme.dark else "ansi_light"
    return Markdown(text, code_theme=theme, hyperlinks=False)
