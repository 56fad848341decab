"""Encoded messages are read as protocol buffers are defined, and what is none is refused."""

from __future__ import annotations

import pytest

from jaxtui.memory.engine.protobuf import Message

# From the guide to the encoding: field 1 = 150; field 2 = "testing"; field 3 holds the first.
NUMBER, TEXT, INNER = b"\x08\x96\x01", b"\x12\x07testing", b"\x1a\x03\x08\x96\x01"


def test_fields_have_the_values_of_the_guide() -> None:
    message = Message(NUMBER + TEXT + INNER)
    assert message.number(1) == 150
    assert message.text(2) == "testing"
    assert message.message(3).number(1) == 150
    assert [one.number(1) for one in message.messages(3)] == [150]


def test_a_field_that_is_not_there_has_its_default() -> None:
    message = Message(b"")
    assert (message.number(1), message.text(2), message.numbers(4)) == (0, "", [])
    assert message.message(3).number(1) == 0


def test_repeated_numbers_may_be_packed_or_not() -> None:
    assert Message(b"\x22\x06\x03\x8e\x02\x9e\xa7\x05").numbers(4) == [3, 270, 86942]
    assert Message(b"\x20\x03\x20\x8e\x02").numbers(4) == [3, 270]


def test_fields_of_fixed_width_are_skipped() -> None:
    message = Message(b"\x29" + bytes(8) + b"\x35" + bytes(4) + NUMBER)
    assert message.number(1) == 150


@pytest.mark.parametrize("data", [b"\x08", b"\x12\x07test", b"\x0b", b"\x96", b"\x29\x00"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"message|wire type"):
        Message(data)
