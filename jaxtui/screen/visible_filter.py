"""The gate of the screen: nothing that is painted reaches the terminal but as visible text."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from jaxtui.text.printable import visible


class VisibleText(LineFilter):
    """Shows characters that a terminal would act on as signs, and drops links to follow.

    The filters of a line see all that any widget paints of it, borders and titles included. The
    line keeps its width: what grows is cut off at its end.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(
            segment.text.isascii() and segment.text.isprintable() and not _link(segment)
            for segment in segments
        ):
            return segments
        shown = [
            Segment(visible(segment.text), _unlinked(segment.style))
            for segment in segments
            if not segment.control
        ]
        width = Segment.get_line_length(segments)
        return Segment.adjust_line_length(shown, width, pad=False)


def _link(segment: Segment) -> str | None:
    return segment.style.link if segment.style is not None else None


def _unlinked(style: Style | None) -> Style | None:
    return style.update_link(None) if style is not None and style.link else style
