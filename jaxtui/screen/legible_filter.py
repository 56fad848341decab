"""Text that stays legible on the row of the cursor, and wherever else text has a ground of its own.

A style says the colour of a text and another, such as that of the cursor's row, what it stands on;
the two meet only once all is painted.
"""

from __future__ import annotations

import functools

from rich.color import Color as RichColor
from rich.color import ColorSystem, ColorType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from jaxtui.screen.contrast import LEAST, among_sixteen, legible

_BLACK, _BRIGHT_WHITE = 0, 15
_BRIGHT = 8  # what is added to the number of a colour for its bright one
# Block elements: both colours of one are data.
_DRAWN = frozenset({" ", *map(chr, range(0x2580, 0x25A0))})


class LegibleText(LineFilter):
    """Gives a text another colour where its own is not legible on its ground.

    `lit` is the ground of the cursor's row in a theme that says its colours. None stands for the 16
    colours of the terminal, any of which may be a ground.
    """

    def __init__(self, lit: Color | None) -> None:
        super().__init__()
        self._lit = lit

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if not any(self._concerns(segment) for segment in segments):
            return segments
        return [
            Segment(segment.text, _legible(segment.style, self._lit))
            if self._concerns(segment) and segment.style is not None
            else segment
            for segment in segments
        ]

    def _concerns(self, segment: Segment) -> bool:
        text, style, control = segment
        if style is None or control or style.bgcolor is None or _DRAWN.issuperset(text):
            return False
        return self._lit is None or style.bgcolor == self._lit.rich_color


@functools.lru_cache(maxsize=1024)
def _legible(style: Style, lit: Color | None) -> Style:
    return of_sixteen(style) if lit is None else _on_lit(style, lit)


def _on_lit(style: Style, lit: Color) -> Style:
    if style.color is None or style.color.triplet is None or style.reverse:
        return style
    own = Color.from_rich_color(style.color)
    found = legible(own, [lit])
    return style if found == own else style + Style(color=found.rich_color)


def of_sixteen(style: Style) -> Style:
    """The style, with a text that is legible on its ground wherever the ground is a colour."""
    ink, ground = _number(style.color), _number(style.bgcolor)
    if style.reverse:
        ink, ground = ground, ink
    if ground is None or (ink is not None and among_sixteen(ink, ground) >= LEAST):
        return style
    kindred = [] if ink is None else [ink ^ _BRIGHT]
    ends = sorted((_BLACK, _BRIGHT_WHITE), key=lambda end: -among_sixteen(end, ground))
    found = next((one for one in kindred if among_sixteen(one, ground) >= LEAST), ends[0])
    named = RichColor(f"color({found})", ColorType.STANDARD, found)
    changed = style + (Style(bgcolor=named) if style.reverse else Style(color=named))
    # Many terminals show bold black as grey.
    return changed + Style(bold=False) if found == _BLACK else changed


def _number(colour: RichColor | None) -> int | None:
    """Which of the 16 colours it is, None for the terminal's own default."""
    if colour is None or colour.is_default:
        return None
    return colour.downgrade(ColorSystem.STANDARD).number
