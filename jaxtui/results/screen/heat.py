"""Heat maps: where an element lies between the least and the greatest, as a shade or as signs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from jaxtui.text.number_formats import number

LEVELS = 24  # shades told apart; more than a terminal's reader can
_BLOCKS = ("  ", " ░", "░░", "░▒", "▒▒", "▒▓", "▓▓", "▓█", "██")
_SIGNED_BLOCKS = " ░▒▓█"
_ASCII = " .:=*#%@"


@dataclass(frozen=True, slots=True)
class Scale:
    """A range of elements; it diverges from zero when that lies inside."""

    low: float
    high: float

    @property
    def diverging(self) -> bool:
        """Whether negative and positive elements are told apart."""
        return self.low < 0 < self.high

    def position(self, value: float) -> float:
        """From 0 (least) to 1 (greatest); when diverging from -1 to 1 with zero as 0."""
        if self.diverging:
            return max(-1.0, min(1.0, value / max(-self.low, self.high)))
        if self.high <= self.low:
            return 0.5
        return max(0.0, min(1.0, (value - self.low) / (self.high - self.low)))

    def level(self, value: float) -> int:
        """The position in whole shades, from -LEVELS to LEVELS."""
        return round(self.position(value) * LEVELS)


def magnitude(cell: Any) -> float | None:
    """What a heat map shows of a cell: its value, of a complex one the magnitude."""
    if isinstance(cell, list | tuple):
        return math.hypot(*(float(number(part)) for part in cell))
    try:
        return float(number(cell))
    except (OverflowError, ValueError):
        return None


def odd_mark(value: float | None, ascii_only: bool) -> str:
    """Two characters for what has no place on the scale."""
    if value is None or math.isnan(value):
        return "xx" if ascii_only else "××"
    return ("+" if value > 0 else "-") + ("i" if ascii_only else "∞")


def density(scale: Scale, value: float, ascii_only: bool) -> str:
    """Two characters as dense as the element is large; of a negative one the first is its sign."""
    position = scale.position(value)
    if scale.diverging and value < 0:
        ramp = _ASCII if ascii_only else _SIGNED_BLOCKS
        return "-" + ramp[round(-position * (len(ramp) - 1))]
    if ascii_only:
        return _ASCII[round(position * (len(_ASCII) - 1))] * 2
    return _BLOCKS[round(position * (len(_BLOCKS) - 1))]


def sign_mark(scale: Scale, value: float) -> str:
    """Two characters to stand on a shade: hues alone do not tell the signs apart."""
    return " -" if scale.diverging and value < 0 else "  "
