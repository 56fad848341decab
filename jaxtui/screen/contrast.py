"""How well a colour can be told from its ground, by WCAG 2, also where both are of 16 colours."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from textual.color import BLACK, WHITE, Color

CONTRAST = 4.5  # the least of WCAG 2 for text
LEAST = 4.0  # between two of 16 colours, few pairs of which reach that on every terminal

# The 16 colours as the Linux console has them, and as xterm has them: most terminals are between.
PALETTES = (
    "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa"
    " 555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff",
    "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5"
    " 7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff",
)


def contrast(colour: Color, ground: Color) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21, of a colour on an opaque ground."""
    shown = ground + colour
    lighter, darker = sorted((_luminance(shown), _luminance(ground)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Color) -> float:
    parts = (part / 255 for part in (colour.r, colour.g, colour.b))
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def legible(colour: Color, grounds: Sequence[Color]) -> Color:
    """`colour`, brought nearer to black or white until it is legible on all `grounds`."""
    away = max((BLACK, WHITE), key=lambda end: min(contrast(end, ground) for ground in grounds))
    for step in range(20):
        found = colour.blend(away, step / 20)
        if min(contrast(found, ground) for ground in grounds) >= CONTRAST:
            return found
    return away


@functools.cache
def among_sixteen(ink: int, ground: int) -> float:
    """The contrast of two of the 16 colours, by number, in the worst of `PALETTES`."""
    palettes = ([Color.parse(f"#{one}") for one in palette.split()] for palette in PALETTES)
    return min(contrast(colours[ink], colours[ground]) for colours in palettes)
