"""Values of any type that a session, a request, an event or a recording has, from its fields."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec

from jaxtui.session.field_path import FieldPath


def value_of(kind: Any, text: str) -> Any:
    """A value of type `kind` of which each text, wherever any text may stand, is `text`."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return value_of(parts[0], text)
    if origin is typing.Literal:
        return parts[0]
    if origin in (typing.Union, types.UnionType):
        return value_of(next(part for part in parts if part is not types.NoneType), text)
    if origin in (list, typing.Sequence):
        return [value_of(parts[0], text)]
    if origin is tuple:
        return tuple(value_of(part, text) for part in parts if part is not ...)
    if origin is dict:
        return {value_of(parts[0], text): value_of(parts[1], text)}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = typing.get_type_hints(kind, include_extras=True)
        return kind(**{name: value_of(hints[name], text) for name in kind.__struct_fields__})
    if kind is FieldPath:
        return FieldPath(text)
    plain: dict[Any, Any] = {str: text, Any: text, int: 1, float: 1.5, bool: True, bytes: b"1"}
    return plain[kind]
