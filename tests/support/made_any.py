"""Values of any type that a session, a request, an event or a recording has, from its fields."""

from __future__ import annotations

import types
import typing
from typing import Any

import msgspec
from msgspec import structs

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
    if kind == list[int]:
        return [1, 1]  # also the two ends of a range
    if kind == list[list[int]]:
        return [[1, 1], [1, 1]]  # also a block of an array of that shape
    if origin is list:
        return [value_of(kind, text) for kind in _alternatives(parts[0])]
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


def _alternatives(kind: Any) -> tuple[Any, ...]:
    """The kinds of which each is to stand in a list, such as those of a layer."""
    union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return typing.get_args(kind) if union else (kind,)


def poisoned(value: Any, text: str) -> Any:
    """`value` with `text` before every text of every field of it that takes any."""
    if isinstance(value, msgspec.Struct):
        kinds = typing.get_type_hints(type(value))
        changes = {
            name: poisoned(getattr(value, name), text)
            for name in value.__struct_fields__
            if _takes_any_text(kinds[name])
        }
        return structs.replace(value, **changes)
    if type(value) is str:
        return text + value
    if isinstance(value, list):
        return [poisoned(item, text) for item in value]
    if isinstance(value, dict):
        return {key: poisoned(item, text) for key, item in value.items()}
    return value


def _takes_any_text(kind: Any) -> bool:
    if typing.get_origin(kind) is typing.Literal:
        return False
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return all(_takes_any_text(one) for one in typing.get_args(kind))
    return True
