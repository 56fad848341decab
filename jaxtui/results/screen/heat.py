"""Heat maps: where an element lies between minimum and maximum, as a shade or as characters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jaxtui.text.number_formats import number

LEVELS = 24  # shades on each side of zero; more than a reader can tell apart
_BLOCKS = ("  ", " ░", "░░", "░▒", "▒▒", "▒▓", "▓▓", "▓█", "██")
_SIGNED_BLOCKS = " ░▒▓█"


@dataclass(frozen=True, slots=True)
class Scale:
    """The range of the elements; it diverges from zero if zero lies inside."""

    low: float
    high: float

    @property
    def diverging(self) -> bool:
        """Whether negative and positive elements have different hues."""
        return self.low < 0 < self.high

    def position(self, value: float) -> float:
        """Map `value` to [0, 1], or to [-1, 1] with zero at 0 if the scale diverges."""
        if self.diverging:
            return max(-1.0, min(1.0, value / max(-self.low, self.high)))
        if self.high <= self.low:
            return 0.5
        return max(0.0, min(1.0, (value - self.low) / (self.high - self.low)))

    def level(self, value: float) -> int:
        """Return the position as the number of a shade, from -LEVELS to LEVELS."""
        return round(self.position(value) * LEVELS)


def magnitude(cell: Any) -> float | None:
    """Return what a heat map shows of a cell: its value, or the modulus of a complex number."""
    if isinstance(cell, list | tuple):
        return math.hypot(*(float(number(part)) for part in cell))
    try:
        return float(number(cell))
    except (OverflowError, ValueError):
        return None


def odd_mark(value: float | None) -> str:
    """Return two characters for an element that has no place on the scale."""
    if value is None or math.isnan(value):
        return "××"
    return ("+" if value > 0 else "-") + "∞"


def density(scale: Scale, value: float) -> str:
    """Return two characters, denser for a larger value; a minus sign marks a negative one."""
    position = scale.position(value)
    if scale.diverging and value < 0:
        return "-" + _SIGNED_BLOCKS[round(-position * (len(_SIGNED_BLOCKS) - 1))]
    return _BLOCKS[round(position * (len(_BLOCKS) - 1))]


def sign_mark(scale: Scale, value: float) -> str:
    """Return two characters to draw on a shade, since hue alone does not show the sign."""
    return " -" if scale.diverging and value < 0 else "  "
