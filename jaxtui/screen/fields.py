"""The text of fields that hold data, such as parameters and a mesh: shown, and read back."""

from __future__ import annotations

import re
from collections.abc import Mapping

from jaxtui.session import host_names
from jaxtui.session.field_path import DEVICES, PARAMETERS, FieldPath
from jaxtui.session.session import AxisTypeName, SessionError, check_parameters

_TYPES: dict[str, AxisTypeName] = {"auto": "auto", "explicit": "explicit"}
_PAIR = re.compile(r"^\s*['\"]?(?P<name>\w+)['\"]?\s*[=:]\s*(?P<number>[^=:]+?)\s*$")


def pairs_text(pairs: dict[str, int] | None) -> str:
    """`{"x": 4, "y": 2}` as `x = 4, y = 2`."""
    return ", ".join(f"{name} = {number}" for name, number in (pairs or {}).items())


def parameters(text: str) -> dict[str, int]:
    """`batch = 4, n = 8` as a mapping. Raises SessionError at `parameters`."""
    found = _pairs(text, PARAMETERS, "batch = 4")
    try:
        check_parameters(found)
    except SessionError as error:
        raise SessionError(error.message, PARAMETERS) from error
    return found


def mesh(text: str) -> dict[str, int] | None:
    """`x = 4, y = 2` as a mapping, None for no text. Raises SessionError at `devices.mesh`."""
    found = _pairs(
        text.strip().removeprefix("{").removesuffix("}"), DEVICES / "mesh", "x = 4, y = 2"
    )
    for name, size in found.items():
        if size < 1:
            raise SessionError(f"axis {name} needs a size of at least 1", DEVICES / "mesh")
    return found or None


def axis_types(text: str) -> dict[str, AxisTypeName] | None:
    """`x = explicit` as a mapping, None for no text. Raises SessionError at its field."""
    field = DEVICES / "axis_types"
    found: dict[str, AxisTypeName] = {}
    for part in _parts(text.strip().removeprefix("{").removesuffix("}")):
        match = _PAIR.match(part)
        kind = match["number"].strip("'\"") if match is not None else ""
        if match is None or kind not in _TYPES:
            raise SessionError(f"{part} is not of the form x = explicit, y = auto", field)
        if match["name"] in found:
            raise SessionError(f"{match['name']} is given twice", field)
        found[match["name"]] = _TYPES[kind]
    return found or None


def types_text(types: Mapping[str, AxisTypeName] | None) -> str:
    """`{"x": "explicit"}` as `x = explicit`."""
    return ", ".join(f"{name} = {kind}" for name, kind in (types or {}).items())


def order(text: str) -> list[int] | None:
    """`3, 2, 1, 0` as a list, None for no text. Raises SessionError at `devices.order`."""
    bare = text.strip().removeprefix("[").removesuffix("]")
    parts = [part for part in re.split(r"[,\s]+", bare) if part]
    ids = [_integer(part, DEVICES / "order") for part in parts]
    if len(set(ids)) != len(ids):
        raise SessionError("a device is listed twice", DEVICES / "order")
    return ids or None


def hosts(text: str) -> list[str] | None:
    """`a, b` as a list, None for no text. Raises SessionError at `devices.hosts`."""
    names = host_names.split(text)
    if fault := host_names.fault(names):
        raise SessionError(fault, DEVICES / "hosts")
    return names or None


def count(text: str) -> int | None:
    """How many devices, None for no text. Raises SessionError at `devices.count`."""
    if not text.strip():
        return None
    number = _integer(text.strip(), DEVICES / "count")
    if number < 1:
        raise SessionError("at least one device is needed", DEVICES / "count")
    return number


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"[,\n]", text) if part.strip()]


def _pairs(text: str, field: FieldPath, example: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in _parts(text):
        match = _PAIR.match(part)
        if match is None:
            raise SessionError(f"{part!r} is not of the form {example}", field)
        name = match["name"]
        if name in found:
            raise SessionError(f"{name} is given twice", field)
        found[name] = _integer(match["number"], field)
    return found


def _integer(text: str, field: FieldPath) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise SessionError(f"{text!r} is not a whole number", field) from None
