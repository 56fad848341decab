"""What a dtype's name says, without NumPy: its family, JAX's short form, its bits and digits.

Names are those of the reports: NumPy's and ml_dtypes' ("float32", "float8_e4m3fn"), "key<fry>" for
typed PRNG keys, and the names of Python's types ("int", "str") for leaves that are no arrays.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Literal

from jaxtui.text.printable import clean

Family = Literal["float", "complex", "integer", "bool", "text"]

_NAME = re.compile(r"(bfloat|float|complex|uint|int)(\d+)(\w*)")
_FAMILIES: dict[str, Family] = {
    "bfloat": "float",
    "float": "float",
    "complex": "complex",
    "uint": "integer",
    "int": "integer",
}
_LETTERS = {"bfloat": "bf", "float": "f", "complex": "c", "uint": "u", "int": "i"}
_KEY_BITS = {"key<fry>": 64, "key<rbg>": 128, "key<urbg>": 128}
_PRECISIONS = {
    "float32": (24, -149),
    "complex64": (24, -149),
    "float16": (11, -24),
    "bfloat16": (8, -133),
}
_SMALL = re.compile(r"e(\d+)m(\d+)(?:b(\d+))?([a-z]*)")


def family(dtype: str) -> Family:
    """What kind of elements a dtype has; keys and objects of Python's own types are text."""
    match = _NAME.fullmatch(dtype)
    if match is None:
        return "bool" if dtype == "bool" else "text"
    return _FAMILIES[match[1]]


def is_key(dtype: str) -> bool:
    """Whether elements are typed PRNG keys."""
    return dtype.startswith("key<")


def short(dtype: str) -> str:
    """The dtype as JAX abbreviates it: float32 is f32, bfloat16 bf16; other names as they are."""
    match = _NAME.fullmatch(dtype)
    return dtype if match is None else _LETTERS[match[1]] + match[2] + match[3]


def bits(dtype: str) -> int | None:
    """How many bits an element has (a bool has a byte); None where the name does not tell."""
    match = _NAME.fullmatch(dtype)
    if match is not None:
        return int(match[2])
    return 8 if dtype == "bool" else _KEY_BITS.get(dtype)


def significand_bits(dtype: str) -> int:
    """The bits of the significand of a float or complex dtype, the hidden one included."""
    return _precision(dtype)[0]


@lru_cache
def _precision(dtype: str) -> tuple[int, int]:
    """The significand's bits, and the exponent of two of the smallest possible last bit."""
    small = _SMALL.search(dtype)
    if small is None:
        return _PRECISIONS.get(dtype, (53, -1074))
    exponent, mantissa = int(small[1]), int(small[2])
    bias = int(small[3] or 2 ** (exponent - 1) - (small[4] != "fnuz"))
    # A dtype without a mantissa has no subnormal numbers: its zero exponent is one like others.
    return mantissa + 1, (1 if mantissa else 0) - bias - mantissa


def shortest(value: float, dtype: str) -> float:
    """The nearest of the shortest decimals that round to `value` in a float or complex dtype."""
    precision, least = _precision(dtype)
    if precision >= 53 or not value or not math.isfinite(value):
        return value
    fraction, exponent = math.frexp(abs(value))
    last = max(exponent - precision, least)
    above = math.ldexp(0.5, last)  # half the way to the next element
    # Under a power of two elements lie closer, unless they are subnormal.
    closer = fraction == 0.5 and exponent - precision > least
    below = above / 2 if closer else above
    # In the middle between two elements a number is rounded to the one with the even significand.
    even = int(math.ldexp(abs(value), -last)) % 2 == 0

    def rounds_to_it(found: float) -> bool:
        distance = abs(found) - abs(value)
        room = above if distance > 0 else below
        return abs(distance) < room or (even and abs(distance) == room)

    for digits in range(1, 17):
        found = float(f"{value:.{digits}g}")
        if rounds_to_it(found):
            return found
        if closer and rounds_to_it(found := _next_up(value, digits)):
            return found
    return value


def _next_up(value: float, digits: int) -> float:
    """The decimal of `digits` digits after the one nearest to `value`, away from zero."""
    mantissa, _, exponent = f"{abs(value):.{digits - 1}e}".partition("e")
    following = int(mantissa.replace(".", "")) + 1
    return math.copysign(float(f"{following}e{int(exponent) - digits + 1}"), value)


def short_dtype(name: str) -> str:
    """JAX's short form, and "key" for keys of any kind; other names as they are."""
    return "key" if is_key(name) else clean(short(name))
