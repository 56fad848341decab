"""Search conditions as typed: `nan`, `max`, `> 0.5`, `= 3`, or an index such as `[0, 12]`."""

from __future__ import annotations

import re
from typing import Literal, cast

from msgspec import Struct

EXAMPLES = "nan, inf, max, min, > 0.5, = 3, or an index such as [0, 12]"
Operator = Literal["=", "!=", ">", ">=", "<", "<="]
NAMES = ("nan", "inf", "-inf", "max", "min")
_INDEX = re.compile(r"^\[?\s*(-?\d+(?:\s*,\s*-?\d+)*)\s*,?\s*\]?$")
_COMPARED = re.compile(r"^(==|=|!=|>=|<=|>|<)?\s*(.+)$")


class Condition(Struct, frozen=True):
    """A named element (`nan`, `inf`, `-inf`, `max`, `min`), or a comparison with `number`."""

    name: str = ""
    operator: Operator = "="
    number: complex = 0.0


def index(text: str) -> list[int] | None:
    """Parse `text` as an index, in brackets or with commas; return None if it is a condition."""
    match = _INDEX.match(text.strip())
    if match is None or not ("[" in text or "," in text):
        return None
    return [int(part) for part in match[1].split(",")]


def parse(text: str) -> Condition:
    """Parse a condition. Raises ValueError with a message that lists what can be typed."""
    typed = text.strip().lower()
    name = "inf" if typed == "+inf" else typed
    if name in NAMES:
        return Condition(name=name)
    match = _COMPARED.match(typed)
    if match is None:
        raise ValueError(f"type {EXAMPLES}")
    operator = cast("Operator", "=" if match[1] in (None, "==") else match[1])
    if match[2] in NAMES and operator == "=":
        return Condition(name=match[2])
    return Condition(operator=operator, number=_number(match[2], text))


def unreadable(text: str) -> str:
    """Return why `text` is neither a condition nor an index, or "" if it is one of them."""
    try:
        if index(text) is None:
            parse(text)
    except ValueError as error:
        return str(error)
    return ""


def _number(typed: str, text: str) -> complex:
    if typed in ("true", "false"):
        return int(typed == "true")
    for kind in (int, float, complex):
        try:
            number: complex = kind(typed.replace(" ", ""))
        except ValueError:
            continue
        if number == number:  # NaN equals nothing: it is searched for by name
            return number
    raise ValueError(f"{text.strip()!r} is none of {EXAMPLES}")
