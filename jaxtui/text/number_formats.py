"""The formats that write elements of an array, each text of one format equally long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from jaxtui.text.printable import escaped
from jaxtui.text.signs import ELLIPSIS


class Format(Protocol):
    """Writes any cell of one array."""

    @property
    def width(self) -> int:
        """The length of every text."""

    def text(self, cell: Any) -> str:
        """The cell as text, `width` characters long."""


@dataclass(frozen=True, slots=True)
class Words:
    """A word for each value."""

    words: dict[Any, str]
    width: int

    def text(self, cell: Any) -> str:
        return self.words.get(cell, "#" * self.width).rjust(self.width)


@dataclass(frozen=True, slots=True)
class Text:
    """Text, left-aligned and shortened in its middle; what would break a line is escaped."""

    width: int

    def text(self, cell: Any) -> str:
        return shorten(escaped(str(cell)), self.width).ljust(self.width)


@dataclass(frozen=True, slots=True)
class Integer:
    """Decimal integers, right-aligned."""

    width: int

    def text(self, cell: Any) -> str:
        """The integer; `#` where it is wider than the format."""
        written = str(cell)
        return written.rjust(self.width) if len(written) <= self.width else "#" * self.width


@dataclass(frozen=True, slots=True)
class Hexadecimal:
    """Integers as all of the dtype's bits, in two's complement."""

    bits: int

    @property
    def width(self) -> int:
        return 2 + -(-self.bits // 4)

    def text(self, cell: Any) -> str:
        return f"0x{cell & ((1 << self.bits) - 1):0{self.width - 2}x}"


@dataclass(frozen=True, slots=True)
class Fixed:
    """Positional decimals, aligned on the point.

    With `trim`, zeros at the end are left out where the digits are the element's own; zeros that
    stand there say that digits were rounded away. No more than `known` significant digits are
    written after the point.
    """

    width: int
    decimals: int
    trim: bool
    known: int = 17

    def text(self, cell: Any) -> str:
        value = number(cell)
        if not math.isfinite(value):
            return _word(value, self.width)
        whole = written = f"{value:#.{self.decimals}f}"
        beyond = len(written.lstrip("-0.").replace(".", "")) - self.known
        if beyond > 0:
            written = f"{value:#.{max(0, self.decimals - beyond)}f}"
        if self.trim and float(written) == value:
            written = written.rstrip("0")
        written = written.ljust(len(whole))
        fits = len(written) <= self.width
        return written.rjust(self.width) if fits else squeeze(value, self.width)


@dataclass(frozen=True, slots=True)
class Scientific:
    """One digit before the point and an exponent of at most `exponent` characters."""

    width: int
    decimals: int
    exponent: int

    def text(self, cell: Any) -> str:
        value = number(cell)
        if not math.isfinite(value):
            return _word(value, self.width)
        written = f"{value:#.{self.decimals}e}"
        exponent = len(written) - written.index("e")
        written += " " * (self.exponent - exponent)
        fits = len(written) <= self.width
        return written.rjust(self.width) if fits else squeeze(value, self.width)


@dataclass(frozen=True, slots=True)
class Full:
    """Every digit that an element has, aligned on the point: `left` before and `right` after it."""

    left: int
    right: int
    exponent: bool

    @property
    def width(self) -> int:
        return self.left + self.right

    def text(self, cell: Any) -> str:
        value = float(number(cell))
        if not math.isfinite(value):
            return _word(value, self.width)
        before, after = around_point(value, self.exponent)
        if len(before) > self.left or len(after) > self.right:
            return squeeze(value, self.width)
        return before.rjust(self.left) + after.ljust(self.right)


@dataclass(frozen=True, slots=True)
class Complex:
    """Real and imaginary part, each in the format `part`."""

    part: Format

    @property
    def width(self) -> int:
        return 2 * self.part.width + 1

    def text(self, cell: Any) -> str:
        """The number as `re+imj`."""
        real, imaginary = (number(part) for part in cell)
        negative = math.copysign(1, imaginary) < 0 and not math.isnan(imaginary)
        signed = ("-" if negative else "+") + self.part.text(abs(imaginary)).strip()
        width = self.part.width
        if len(signed) > width:
            signed = "#" * width
        return self.part.text(real).strip().rjust(width) + signed.rjust(width) + "j"


def squeeze(value: float | int, width: int) -> str:
    """A finite number in `width` characters, with as many digits as go in; `#` if none does."""
    for decimals in range(max(0, width - 6), -1, -1):
        written = f"{value:.{decimals}e}"
        if len(written) <= width:
            return written.rjust(width)
    return "#" * width


def number(cell: Any) -> float | int:
    """A real cell as a number; the words that JSON needs for nan and inf are understood."""
    return float(cell) if isinstance(cell, str) else cell


def shorten(text: str, width: int) -> str:
    """The text in at most `width` characters: its middle goes, as its ends tell more."""
    if len(text) <= width:
        return text
    room = width - 1
    if room < 2:
        return (text[:room] + ELLIPSIS)[:width]
    return text[: room - room // 2] + ELLIPSIS + text[len(text) - room // 2 :]


def significant(value: float | int) -> tuple[int, int]:
    """How many digits the shortest text of a finite number has, and its decimal exponent."""
    digits = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(digits.exponent, int)
    count = len(digits.digits)
    return count, (digits.exponent + count - 1 if value else 0)


def exponent_of(value: float | int) -> int:
    """The exponent of ten of a finite number, 0 for zero."""
    return significant(value)[1]


def around_point(value: float, exponent: bool) -> tuple[str, str]:
    """The shortest text that gives the number back, parted before its point."""
    written = _with_exponent(value) if exponent else repr(value)
    at = next((place for place, char in enumerate(written) if char in ".e"), len(written))
    return written[:at], written[at:]


def _with_exponent(value: float) -> str:
    """repr in scientific notation; formatting with `e` would break ties differently."""
    sign, digits, _ = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    point = "." + "".join(rest) if rest else ""
    return f"{'-' * sign}{first}{point}e{exponent_of(value):+03d}"


def _word(value: float, width: int) -> str:
    """nan, inf or -inf; `#` where even that is too wide."""
    word = str(float(value))
    return word.rjust(width) if len(word) <= width else "#" * width
