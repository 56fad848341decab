"""Quantities in words, alike on every screen and in every report: bytes, times, rates, shares.

One convention. What is stored or sent is counted in powers of 1024 (KiB, MiB), as JAX and XLA
count memory and as nccl-tests steps its sizes; what is done per second is counted in powers of
1000 (GB/s, GFLOP/s), as nccl-tests prints bandwidths. A zero at the end of a number says that
digits were rounded away there; an exact count ends with its last digit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

# Seconds, largest unit first.
TIME_UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_BYTE_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_WHOLE = 10_000  # bytes; fewer are written to the last one
_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def size(count: int) -> str:
    """`count` bytes (at least 0) in words: "96 B", "4,096 B", "16 MiB", "1.50 GiB".

    Exact below 10,000, else three digits, four from 1,000 to 1,023 of a unit.
    """
    if count < _WHOLE:
        return f"{count:,} B"
    for power, unit in enumerate(_BYTE_UNITS, start=1):
        scale = 1024**power
        if 2 * count < 2047 * scale:  # less is not rounded up to 1,024
            return f"{_of(count, scale)} {unit}"
    return f"over 1,000 {_BYTE_UNITS[-1]}"


def _of(count: int, scale: int) -> str:
    """`count / scale` with three digits, or fewer if they are exact."""
    value = count / scale
    decimals = next((d for d, end in ((2, 9.995), (1, 99.95)) if value < end), 0)
    written = f"{value:,.{decimals}f}"
    # A float may have lost the bytes that are over: whole numbers tell.
    exact = count * 10**decimals % scale == 0
    return written.rstrip("0").rstrip(".") if exact and decimals else written


def exact_size(count: int) -> str:
    """`count` bytes to the last one, as one would type them: "64 KiB", "4092 B"."""
    for power, unit in reversed(list(enumerate(_BYTE_UNITS[:3], start=1))):
        if count and count % 1024**power == 0:
            return f"{count // 1024**power} {unit}"
    return f"{count} B"


def seconds(value: float, digits: int = 3) -> str:
    """A time, given in seconds, with `digits` digits in the unit that suits it: "77.1 ms"."""
    if value == 0:
        return "0 s"
    value = _rounded(value, digits)
    scale, unit = next((unit for unit in TIME_UNITS if abs(value) >= unit[0]), TIME_UNITS[-1])
    return f"{significant(value / scale, digits)} {unit}"


def elapsed(value: float) -> str:
    """Seconds that one run took by the wall clock, no finer than that tells: "0.4 ms", "3.2 s"."""
    if value < 1e-4:
        return "under 0.1 ms"
    number, unit = (value, "s") if value >= 0.9995 else (value * 1e3, "ms")
    return f"{number:.1f} {unit}" if number < 9.95 else f"{number:,.0f} {unit}"


def significant(value: float, digits: int = 3) -> str:
    """A number with so many digits and no exponent: "3.21", "1,280"."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    value = _rounded(value, digits)
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 9)}f}"


def percent(share: float) -> str:
    """A share in percent: "2 %", and below one "0.4 %"."""
    percent = 100 * share
    return f"{percent:.1f} %" if abs(percent) < 1 else f"{percent:.0f} %"


def prefixed(number: float) -> str:
    """A number with its power of 1000, to be followed by a unit: "1.23 G"."""
    number = _rounded(number, 3)
    scale, prefix = next((p for p in _PREFIXES if abs(number) >= p[0]), (1.0, ""))
    return f"{significant(number / scale)} {prefix}"


def _rounded(value: float, digits: int) -> float:
    """`value` rounded to `digits` digits, so that 0.9999 gets the unit and digits of 1.00."""
    return float(f"{value:.{digits - 1}e}")


def ranges(numbers: Iterable[int], dash: str) -> list[str]:
    """Join successive numbers: with the dash "–", 0, 1, 2 and 5 are "0–2" and "5"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return [f"{run[0]}{dash}{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs]


def counted(number: int, noun: str) -> str:
    """The number with its noun, as in "1 core", "2 cores" or "2 entries"."""
    if number != 1:
        after_consonant = noun.endswith("y") and noun[-2:-1] not in "aeiou"
        noun = f"{noun.removesuffix('y')}ies" if after_consonant else f"{noun}s"
    return f"{number} {noun}"
