"""Elements of an array as text that lines up: one format for all of an array's cells.

A format is chosen from what is known of the whole array (its least and greatest element), not from
the cells in view, so that nothing shifts while one scrolls. Its `text` is exactly `width` long.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from jaxtui.text.dtypes import Family, bits, family, shortest, significand_bits
from jaxtui.text.number_formats import (
    Complex,
    Fixed,
    Format,
    Full,
    Hexadecimal,
    Integer,
    Scientific,
    Text,
    Words,
    around_point,
    exponent_of,
    number,
    significant,
)
from jaxtui.text.printable import escaped

Notation = Literal["auto", "fixed", "scientific", "full", "decimal", "hex"]

NOTATIONS: dict[Family, tuple[Notation, ...]] = {
    "float": ("auto", "fixed", "scientific", "full"),
    "complex": ("auto", "fixed", "scientific", "full"),
    "integer": ("decimal", "hex"),
    "bool": ("auto",),
    "text": ("auto", "full"),
}
MAX_DIGITS = 17  # the digits that give any float64 back
# Significant digits where nothing else is asked for; of "fixed" the digits after the point.
DIGITS: dict[Notation, int] = {"auto": 5, "fixed": 4, "scientific": 4}
_HUGE_RANGE = 1e12  # of all positive or all negative elements, which one scale of decimals hides
_TEXT_WIDTH = 18
_FULL_TEXT_WIDTH = 72
_POSITIONAL_LIMIT = 16  # decimal digits before the point beyond which Python's repr has an exponent


@dataclass(frozen=True, slots=True)
class Style:
    """How numbers are to be written; `digits` None is the notation's own choice."""

    notation: Notation = "auto"
    digits: int | None = None


@dataclass(frozen=True, slots=True)
class Extent:
    """What is known of an array's elements.

    `low` and `high` bound the finite ones (of complex numbers, their parts), `non_finite` says
    that others may occur, `longest` is the length of the longest text. `cells` are all elements
    when they are few enough to have been looked at, else None.
    """

    low: float | int | None = None
    high: float | int | None = None
    non_finite: bool = False
    longest: int = 0
    cells: tuple[Any, ...] | None = None

    def merge(self, other: Extent) -> Extent:
        """The extent of the elements of both; `cells` stay those of this one."""
        lows = [low for low in (self.low, other.low) if low is not None]
        highs = [high for high in (self.high, other.high) if high is not None]
        return Extent(
            low=min(lows, key=_with_zero_sign) if lows else None,
            high=max(highs) if highs else None,
            non_finite=self.non_finite or other.non_finite,
            longest=max(self.longest, other.longest),
            cells=self.cells,
        )


def known_digits(dtype: str) -> int:
    """The significant decimal digits that give every element of a float or complex dtype back."""
    return math.ceil(1 + significand_bits(dtype) * math.log10(2))


def extent_of(cells: Iterable[Any], dtype: str, complete: bool = False) -> Extent:
    """What these cells say; with `complete` they are all there are."""
    cells = tuple(cells)
    known = cells if complete else None
    kind = family(dtype)
    if kind == "text":
        return Extent(
            longest=max((len(escaped(str(cell))) for cell in cells), default=0), cells=known
        )
    parts = [part for cell in cells for part in cell] if kind == "complex" else cells
    numbers = [number(part) for part in parts]
    finite = [value for value in numbers if math.isfinite(value)]
    return Extent(
        low=min(finite, key=_with_zero_sign) if finite else None,
        high=max(finite) if finite else None,
        non_finite=len(finite) < len(numbers),
        cells=known,
    )


def choose(dtype: str, extent: Extent, style: Style) -> Format:
    """The format for an array of `dtype` whose elements are within `extent`."""
    kind = family(dtype)
    if kind == "float":
        return _choose_real(known_digits(dtype), dtype, extent, style)
    if kind == "complex":
        return _choose_complex(dtype, extent, style)
    if kind == "integer":
        return _choose_integer(dtype, extent, style)
    if kind == "bool":
        return Words({True: "T", False: "F"}, 1)
    limit = _FULL_TEXT_WIDTH if style.notation == "full" else _TEXT_WIDTH
    return Text(max(1, min(extent.longest, limit)))


def cell_of(value: Any, dtype: str) -> Any:
    """An element of a report's values as the cell that is written: floats at their shortest."""
    kind = family(dtype)
    if kind == "float":
        return shortest(number(value), dtype)
    if kind == "complex":
        return [shortest(number(part), dtype) for part in value]
    return value


def texts(values: Iterable[Any], dtype: str) -> list[str]:
    """All of these elements of a report with every digit that they have, equally long.

    They are as the array view shows them where it is asked for as many digits.
    """
    cells = [cell_of(value, dtype) for value in values]
    extent = extent_of(cells, dtype, complete=True)
    if family(dtype) == "text":
        chosen: Format = Text(max(1, extent.longest))
    else:
        chosen = choose(dtype, extent, Style(digits=MAX_DIGITS))
    return [chosen.text(cell) for cell in cells]


def full_text(cell: Any, dtype: str) -> str:
    """The cell with every digit that it has."""
    kind = family(dtype)
    if kind == "complex":
        real, imaginary = (number(part) for part in cell)
        sign = "-" if math.copysign(1, imaginary) < 0 and not math.isnan(imaginary) else "+"
        return f"{real!r}{sign}{abs(imaginary)!r}j"
    if kind == "float":
        return repr(float(number(cell)))
    return str(cell)


def statistic(value: Any) -> str:
    """A figure of a summary in at most four digits after the first, whole integers in full.

    A complex one comes as its two parts; "nan" and "inf" may be texts.
    """
    if isinstance(value, list | tuple):
        real, imaginary = (statistic(part) for part in value)
        return f"{real}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    if isinstance(value, int | str):
        return str(value)
    exact = repr(value).removesuffix(".0")
    return exact if len(exact) <= 6 else f"{value:.5g}"


# ------------------------------------------------------------------------------------------ choice


def _choose_real(known: int, dtype: str, extent: Extent, style: Style) -> Format:
    if extent.low is None or extent.high is None:
        return Fixed(4 if extent.non_finite else 6, 1, True)
    if style.notation == "full":
        return _fit_full(known, extent)
    magnitude = exponent_of(max(abs(extent.low), abs(extent.high)))
    if style.notation == "fixed" and magnitude < _POSITIONAL_LIMIT:
        wanted = DIGITS["fixed"] if style.digits is None else style.digits
        return replace(_fit_fixed(extent, wanted, trim=False), known=known)
    if style.notation == "auto":
        digits = DIGITS["auto"] if style.digits is None else style.digits
        decimals = max(1, digits - 1 - magnitude)
        needed = _needed_decimals(extent, decimals)
        # Where every digit is asked for none is to be lost.
        enough = needed <= decimals or digits < MAX_DIGITS
        if enough and _positional(magnitude, known, extent, decimals):
            fixed = _fit_fixed(extent, min(decimals, needed), trim=True)
            return replace(fixed, known=known)
        return _fit_scientific(min(known, digits), dtype, extent)
    digits = min(known, DIGITS["scientific"] if style.digits is None else style.digits)
    return _fit_scientific(digits, dtype, extent)


def _positional(magnitude: int, known: int, extent: Extent, decimals: int) -> bool:
    """Whether decimals without an exponent show these elements well enough."""
    if not -4 <= magnitude < (7 if known > 5 else 5):
        return False
    least = min((abs(value) for value in _finite(extent) if value), default=None)
    if least is not None:
        return least >= 0.5 * 10.0**-decimals
    low, high = extent.low or 0.0, extent.high or 0.0
    least, largest = sorted((abs(low), abs(high)))
    return low * high <= 0 or largest < _HUGE_RANGE * least


def _fit_fixed(extent: Extent, decimals: int, trim: bool) -> Fixed:
    bounds = [_signed_low(extent), extent.high]
    left = max(len(f"{bound:#.{decimals}f}") for bound in bounds)
    return Fixed(max(left, 4) if extent.non_finite else left, decimals, trim)


def _fit_scientific(digits: int, dtype: str, extent: Extent) -> Scientific:
    known = _finite(extent)
    decimals = digits - 1
    if known:
        decimals = min(decimals, max(significant(value)[0] for value in known) - 1)
        exponent = max(len(f"{value:.0e}".partition("e")[2]) for value in known) + 1
    else:
        exponent = 5 if known_digits(dtype) == MAX_DIGITS else 4
    sign = math.copysign(1, _signed_low(extent)) < 0
    return Scientific(max(sign + 2 + decimals + exponent, 4), decimals, exponent)


def _fit_full(known: int, extent: Extent) -> Full:
    bounds = [_signed_low(extent), extent.high or 0]
    exponent = max(abs(bound) for bound in bounds) >= 10.0**_POSITIONAL_LIMIT
    cells = _finite(extent)
    if cells:
        pairs = [around_point(float(value), exponent) for value in cells]
        right = max(len(after) for _, after in pairs)
        left = max(len(before) for before, _ in pairs)
    else:
        # After the point: the known digits behind three zeros, or all but one and an exponent.
        right = 1 + known + (4 if known == MAX_DIGITS else 3)
        left = max(len(around_point(float(bound), exponent)[0]) for bound in bounds)
    return Full(max(left, 4 - right) if extent.non_finite else left, right, exponent)


def _choose_complex(dtype: str, extent: Extent, style: Style) -> Format:
    if extent.low is None or extent.high is None:
        return Complex(Fixed(4 if extent.non_finite else 6, 1, False))
    largest = max(abs(extent.low), abs(extent.high))
    parts = None
    if extent.cells is not None:
        parts = tuple(number(part) for cell in extent.cells for part in cell)
    both_signs = replace(extent, low=-float(largest), high=largest, cells=parts)
    part = _choose_real(known_digits(dtype), dtype, both_signs, style)
    if isinstance(part, Full):
        # The imaginary part always has a sign, which the known cells need not have had.
        return Complex(replace(part, left=part.left + 1))
    if isinstance(part, Fixed):
        return Complex(replace(part, trim=False, known=known_digits(dtype)))
    return Complex(part)


def _choose_integer(dtype: str, extent: Extent, style: Style) -> Format:
    bounds = [bound for bound in (extent.low, extent.high) if bound is not None]
    if style.notation == "hex":
        size = bits(dtype)
        assert size is not None, f"{dtype} is no integer dtype"
        return Hexadecimal(size)
    return Integer(max((len(str(bound)) for bound in bounds), default=4))


# ----------------------------------------------------------------------------------------- helpers


def _with_zero_sign(value: float | int) -> tuple[float | int, float]:
    return (value, math.copysign(1, value))


def _signed_low(extent: Extent) -> float | int:
    """The least element, -0.0 if an unseen zero may be negative."""
    low = 0.0 if extent.low is None else extent.low
    if low == 0 and (extent.cells is None or math.copysign(1, low) < 0):
        return -0.0
    return low


def _finite(extent: Extent) -> list[float | int]:
    numbers = (number(cell) for cell in extent.cells or ())
    return [value for value in numbers if math.isfinite(value)]


def _needed_decimals(extent: Extent, otherwise: int) -> int:
    """The decimals that write all elements in full, `otherwise` if they are unknown."""
    if extent.cells is None:
        return otherwise
    needs = (significant(value) for value in _finite(extent))
    return max((max(0, count - 1 - exponent) for count, exponent in needs), default=0)
