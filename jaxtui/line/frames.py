"""The frames between the two ends of a line: a kind, a length in four bytes, and a payload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

VERSION = 1
"""Of these frames and what is in them; both ends must have the same."""

MAGIC = b"\0jaxtui line\n"  # what comes before it was written by a shell's startup files
MOST = 1 << 20  # bytes of a payload; a larger length means that these are no frames
PIECE = 32 * 1024  # bytes of the engine's stream in a frame at most

# Numbered: they carry a program's streams, and arrive whole, once and in order.
INPUT, OUTPUT, ERRORS, OUTPUT_END, EXIT = b"I", b"O", b"E", b"C", b"X"
NUMBERED = frozenset((INPUT, OUTPUT, ERRORS, OUTPUT_END, EXIT))
# Not numbered: the first of each side, a sign of life, a question and an answer that tell how long
# the line is, an end that is asked for, and its answer.
HELLO, WELCOME, REFUSED, BEAT, PING, PONG, END, BYE = (
    *(b"H", b"W", b"R", b"B", b"P", b"G"),
    *(b"Q", b"Y"),
)
KINDS = NUMBERED | {HELLO, WELCOME, REFUSED, BEAT, PING, PONG, END, BYE}


class NoFrameError(Exception):
    """What came is not a sequence of frames."""


def frame(kind: bytes, payload: bytes = b"") -> bytes:
    """A frame of this kind."""
    return kind + len(payload).to_bytes(4, "big") + payload


def told(kind: bytes, **fields: Any) -> bytes:
    """A frame whose payload are named values."""
    return frame(kind, json.dumps(fields).encode())


def heard(payload: bytes) -> dict[str, Any]:
    """The named values in a payload. Raises NoFrameError."""
    try:
        fields = json.loads(payload)
    except ValueError as error:
        raise NoFrameError(f"no values: {error}") from error
    if not isinstance(fields, dict):
        raise NoFrameError("no values")
    return fields


class Frames:
    """Splits a stream that arrives in pieces into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield kind and payload of each frame that `data` completes. Raises NoFrameError."""
        self._rest += data
        start = 0
        try:
            while len(self._rest) - start >= 5:
                kind = bytes(self._rest[start : start + 1])
                length = int.from_bytes(self._rest[start + 1 : start + 5], "big")
                if kind not in KINDS or length > MOST:
                    raise NoFrameError(f"no frame begins with {bytes(self._rest[start:][:40])!r}")
                end = start + 5 + length
                if len(self._rest) < end:
                    return
                payload = bytes(self._rest[start + 5 : end])
                start = end
                yield kind, payload
        finally:
            del self._rest[:start]
