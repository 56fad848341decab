"""Whatever a session or an engine holds is painted as visible text."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from jaxtui.screen.visible_filter import VisibleText
from tests.cli.test_output import BAD, HOSTILE

BLACK = Color(0, 0, 0)


def test_a_line_keeps_its_width_and_loses_links() -> None:
    line = [Segment("a" + HOSTILE, Style(link="http://x/\x07")), Segment("日本 end")]
    shown = VisibleText().apply(line, BLACK)
    assert Segment.get_line_length(shown) == Segment.get_line_length(line)
    assert not BAD & set("".join(segment.text for segment in shown))
    assert not any(segment.style and segment.style.link for segment in shown)
