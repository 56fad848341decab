"""Reading messages in the encoding of protocol buffers, without their schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

Value: TypeAlias = "int | bytes"

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


class Message:
    """The fields of an encoded message by their numbers. Raises ValueError for what is none."""

    def __init__(self, data: bytes) -> None:
        self._fields: dict[int, list[Value]] = {}
        for number, value in _fields(data):
            self._fields.setdefault(number, []).append(value)

    def number(self, field: int) -> int:
        """The last value of an integer field; 0, its default, if it is not there."""
        value = self._fields.get(field, [0])[-1]
        return value if isinstance(value, int) else 0

    def numbers(self, field: int) -> list[int]:
        """The values of a repeated integer field, packed or not."""
        found: list[int] = []
        for value in self._fields.get(field, []):
            found += [value] if isinstance(value, int) else _packed(value)
        return found

    def text(self, field: int) -> str:
        """The last value of a string field; "" if it is not there."""
        value = self._fields.get(field, [b""])[-1]
        return value.decode(errors="replace") if isinstance(value, bytes) else ""

    def message(self, field: int) -> Message:
        """The last message in a field; one without fields if there is none."""
        value = self._fields.get(field, [b""])[-1]
        return Message(value if isinstance(value, bytes) else b"")

    def messages(self, field: int) -> list[Message]:
        """All messages of a repeated field."""
        return [Message(value) for value in self._fields.get(field, []) if isinstance(value, bytes)]


def _packed(data: bytes) -> list[int]:
    found, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        found.append(number)
    return found


def _fields(data: bytes) -> Iterator[tuple[int, Value]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise ValueError(f"no field has the wire type {kind}")
        if at + length > len(data):
            raise ValueError("the message ends within a field")
        yield key >> 3, data[at : at + length]
        at += length


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a position, in 7 bits a byte, and the position behind it."""
    number = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
    raise ValueError("the message ends within a number")
