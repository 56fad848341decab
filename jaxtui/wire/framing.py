"""Framing of messages in a byte stream: each follows its length, in four bytes, big-endian."""

from __future__ import annotations

from collections.abc import Callable, Iterator

MAX_FRAME = 64 * 1024 * 1024  # bytes; a larger length means that the stream has no frames


class FramingError(Exception):
    """The byte stream is not a sequence of frames."""


def read_body(read: Callable[[int], bytes]) -> bytes | None:
    """Read the body of the next frame; None at the end of the stream.

    `read(n)` returns up to n bytes, or b"" at the end, as a raw file does. Raises FramingError when
    the stream ends inside a frame or a length exceeds MAX_FRAME.
    """
    header = _read_exactly(read, 4)
    if header is None:
        return None
    length = int.from_bytes(header, "big")
    if length > MAX_FRAME:
        raise FramingError(f"a frame of {length} bytes is over the limit of {MAX_FRAME}")
    body = _read_exactly(read, length)
    if body is None and length:
        raise FramingError("the stream ended inside a frame")
    return body or b""


def _read_exactly(read: Callable[[int], bytes], count: int) -> bytes | None:
    """Read `count` bytes; None when the stream ends before the first of them."""
    parts: list[bytes] = []
    missing = count
    while missing:
        part = read(missing)
        if not part:
            if parts:
                raise FramingError("the stream ended inside a frame")
            return None
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


class FrameBuffer:
    """Splits a stream that arrives in pieces into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies of the frames that `data` completes.

        Raises FramingError at a length over MAX_FRAME, after yielding the bodies before it.
        """
        self._rest += data
        start = 0
        try:
            while len(self._rest) - start >= 4:
                length = int.from_bytes(self._rest[start : start + 4], "big")
                if length > MAX_FRAME:
                    begin = bytes(self._rest[start : start + 60]).decode("utf-8", "replace")
                    raise FramingError(f"no frame begins with {begin!r}")
                end = start + 4 + length
                if len(self._rest) < end:
                    return
                body = bytes(self._rest[start + 4 : end])
                start = end
                yield body
        finally:
            del self._rest[:start]
