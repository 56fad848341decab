"""Markdown as a screen shows it."""

from __future__ import annotations

import pytest
from textual.color import Color
from textual.widgets import Static

from jaxtui.screen.contrast import contrast
from jaxtui.screen.prose import prose
from jaxtui.screen.themes import DARK, LIGHT, ThemedApp

TEXT = "Words.\n\n```python\ndef f(x):\n    return x * 2  # twice\n```\n"


@pytest.mark.parametrize("theme", [DARK, LIGHT])
async def test_code_in_prose_can_be_read_on_the_ground_of_the_theme(theme: str) -> None:
    app = ThemedApp()
    async with app.run_test() as pilot:
        app.theme = theme
        shown = Static(prose(TEXT, app))
        await app.mount(shown)
        await pilot.pause()
        seen = 0
        for y in range(shown.size.height):
            for text, style, _ in shown.render_line(y):
                if style is not None and style.color is not None and text.strip():
                    ground = style.bgcolor or shown.background_colors[1].rich_color
                    colours = [
                        Color(*colour.get_truecolor(app.ansi_theme))
                        for colour in (style.color, ground)
                    ]
                    assert contrast(*colours) >= 3.0, (text, style)
                    seen += 1
        assert seen > 4
