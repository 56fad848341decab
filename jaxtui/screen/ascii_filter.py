"""The whole screen in ASCII, for terminals and fonts that have nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

from jaxtui.text import signs


class PlainText(LineFilter):
    """Puts the ASCII character in the place of each sign once all is painted."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            segment if segment.control else Segment(signs.in_ascii(segment.text), segment.style)
            for segment in segments
        ]


def as_typed(filters: Sequence[LineFilter]) -> list[LineFilter]:
    """The filters of a widget that shows what the user types: that stays as it is."""
    return [one for one in filters if not isinstance(one, PlainText)]
