"""The fields of the Sharding screen: their texts, and the parts of the session that texts mean."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from jaxtui.screen import fields
from jaxtui.session.field_path import ARGUMENTS, DEVICES, SHARDING, FieldPath
from jaxtui.session.session import Session, SessionError, Sharding

MESH_FIELDS = ("mesh", "axis_types", "machine", "memory", "bandwidth", "latency")
LABELS = {"axis_types": "types"}
PLACEHOLDERS = {
    "axis_types": "auto; or model = explicit",
    "machine": "tpu-v5p, h100, …",
    "memory": "of one device: 95 GB",
    "bandwidth": "50 GB/s; or data = 50 GB/s",
    "latency": "1 us",
}


def mesh_placeholder(session: Session) -> str:
    """What an empty mesh stands for: that of the device set, if that has one."""
    devices = session.devices
    if devices.mesh:
        return fields.pairs_text(devices.mesh)
    return "any: data = 4096, model = 16"


def types_placeholder(session: Session) -> str:
    """What empty types stand for: those of the device set, if the mesh is its."""
    devices, part = session.devices, session.sharding or Sharding()
    if devices.axis_types and part.mesh in (None, devices.mesh):
        return _pairs(dict(devices.axis_types))
    return PLACEHOLDERS["axis_types"]


def argument_field(index: int) -> FieldPath:
    """The field of an argument's sharding."""
    return ARGUMENTS / index / "sharding"


def texts(session: Session) -> dict[FieldPath, str]:
    """The text of each field."""
    part = session.sharding or Sharding()
    found = {
        SHARDING / "mesh": fields.pairs_text(part.mesh),
        SHARDING / "axis_types": _pairs(dict(part.axis_types or {})),
        SHARDING / "machine": part.machine,
        SHARDING / "memory": part.memory,
        SHARDING / "bandwidth": _pairs(part.bandwidth),
        SHARDING / "latency": _pairs(part.latency),
    }
    for index, argument in enumerate(session.program.arguments):
        found[argument_field(index)] = argument.sharding
    return found


def value(session: Session, name: str) -> Any:
    """The value of a field of the session's `sharding`."""
    return getattr(session.sharding or Sharding(), name)


def changed(session: Session, name: str, text: str) -> Sharding | None:
    """The session's `sharding` with `text` in field `name`; None if nothing is given in it.

    Raises SessionError at the field.
    """
    part = session.sharding or Sharding()
    meant: Any = text.strip()
    try:
        if name == "mesh":
            meant = fields.mesh(text)
        elif name == "axis_types":
            meant = _axis_types(text, part.mesh or session.devices.mesh or {})
        elif name in ("bandwidth", "latency") and "=" in text:
            meant = _named(text, "data = 50 GB/s" if name == "bandwidth" else "data = 1 us")
    except SessionError as error:
        raise SessionError(error.message, SHARDING / name) from error
    part = msgspec.structs.replace(part, **{name: meant})
    return None if part == Sharding() else part


def at_form(field: FieldPath) -> FieldPath:
    """The field of the form for a fault at `field`; a mesh may be that of the device set."""
    if field in (DEVICES / "mesh", DEVICES / "axis_types"):
        return SHARDING / field.name
    keys = field.under(SHARDING)
    return SHARDING / keys[0] if keys else field


def _pairs(value: str | dict[str, str]) -> str:
    if isinstance(value, str):
        return value
    return ", ".join(f"{name} = {text}" for name, text in value.items())


def _named(text: str, example: str) -> dict[str, str]:
    """`a = x, b = y` as a mapping. Raises SessionError."""
    found: dict[str, str] = {}
    for part in re.split(r"[,\n]", text):
        if not part.strip():
            continue
        name, sign, value = part.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise SessionError(f"{part.strip()!r} is not of the form {example}")
        found[name.strip().strip("'\"")] = value.strip().strip("'\"")
    return found


def _axis_types(text: str, mesh: dict[str, int]) -> dict[str, str] | None:
    """The type of each axis named; one word stands for all axes. Raises SessionError."""
    bare = text.strip().strip("{}")
    if not bare:
        return None
    found = _named(bare, "model = explicit") if "=" in bare else dict.fromkeys(mesh, bare)
    for kind in found.values():
        if kind not in ("auto", "explicit"):
            raise SessionError(f"{kind!r} is no type of an axis: auto or explicit")
    return found or None
