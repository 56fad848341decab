"""The styles in which lines are painted are those of the stylesheet, mixed with the background."""

from __future__ import annotations

from typing import ClassVar

from rich.color import Color as RichColor
from textual.app import ComposeResult
from textual.color import Color

from jaxtui.screen.painted_lines import PaintedLines
from jaxtui.screen.themes import ThemedApp


class Lines(PaintedLines):
    DEFAULT_CSS = """
    Lines {
        background: #000000;
        color: #ffffff;
        .painted--half { color: #ffffff 50%; }
        .painted--lit { background: #ff0000; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"painted--half", "painted--lit"}


class Host(ThemedApp):
    def compose(self) -> ComposeResult:
        yield Lines()


def hex_of(colour: RichColor | None) -> str:
    assert colour is not None
    return Color.from_rich_color(colour).hex


async def test_a_pale_colour_is_mixed_with_the_background_and_names_are_combined() -> None:
    async with Host().run_test() as pilot:
        lines = pilot.app.query_one(Lines)
        grey = hex_of(lines.style_of("half").color)
        assert grey in ("#7F7F7F", "#808080")
        both = lines.style_of("half strong")
        assert both.bold
        assert hex_of(both.color) == grey
        assert hex_of(lines.style_of("half lit").bgcolor) == "#FF0000"
        assert hex_of(lines.style_of("").color) == "#FFFFFF"
