"""What one end of a line has sent and received: enough to go on over another connection."""

from __future__ import annotations

from collections import deque

from jaxtui.line.frames import BEAT, NoFrameError, frame

WINDOW = 2 << 20  # bytes that the other end may hold and not have passed on yet
TELLS = 64 * 1024  # bytes passed on, after which the other end is told


class Traffic:
    """The numbered frames of both directions. Knows no connection and no clock.

    A frame is kept until the other end has received it. Not more than WINDOW bytes are sent that
    the other end has not passed on, so that it can always read, and so notice that a line lives
    while whatever it passes the bytes on to takes none.
    """

    def __init__(self) -> None:
        self._kept: deque[tuple[int, bytes]] = deque()  # frames, with the bytes up to their ends
        self._kept_bytes = 0
        self._first = 0  # number of the first frame kept: how many the other end has received
        self._unsent = 0  # index in `_kept` of the next one to send
        self._sent_bytes = 0  # up to that one
        self._put_bytes = 0
        self._passed_there = 0  # bytes that the other end has passed on
        self.received = 0  # frames
        self._passed_on = 0  # bytes
        self._told = 0  # bytes passed on, as the other end knows

    # ----------------------------------------------------------------------------- to send

    @property
    def waiting(self) -> int:
        """Bytes that the other end has not received."""
        return self._kept_bytes

    @property
    def full(self) -> bool:
        """Whether whoever writes has to wait."""
        return self._kept_bytes >= WINDOW

    def put(self, kind: bytes, payload: bytes = b"") -> None:
        data = frame(kind, payload)
        self._put_bytes += len(data)
        self._kept.append((self._put_bytes, data))
        self._kept_bytes += len(data)

    def next(self) -> bytes | None:
        """The next frame to send, None if there is none or the other end has enough."""
        if self._unsent == len(self._kept) or self._sent_bytes - self._passed_there >= WINDOW:
            return None
        self._sent_bytes, data = self._kept[self._unsent]
        self._unsent += 1
        return data

    def resume(self, received: int, passed_on: int) -> None:
        """Send what the other end lacks over a new connection. Raises NoFrameError."""
        self._forget(received, passed_on)
        self._unsent = 0
        self._sent_bytes = self._put_bytes - self._kept_bytes

    def _forget(self, received: int, passed_on: int) -> None:
        arrived = received - self._first
        if not 0 <= arrived <= len(self._kept):
            raise NoFrameError(f"{received} frames cannot have arrived")
        for _ in range(arrived):
            self._kept_bytes -= len(self._kept.popleft()[1])
        self._first = received
        self._unsent = max(0, self._unsent - arrived)
        self._passed_there = max(self._passed_there, passed_on)

    # -------------------------------------------------------------------------- to receive

    def count(self) -> None:
        """A numbered frame was received."""
        self.received += 1

    def pass_on(self, payload: bytes) -> None:
        """The frame with this payload has been passed on as a whole."""
        self._passed_on += len(payload) + 5

    @property
    def tells(self) -> bool:
        """Whether enough was passed on for the other end to be told at once."""
        return self._passed_on - self._told >= TELLS

    def known(self) -> dict[str, int]:
        """What the other end has to know to resume."""
        self._told = self._passed_on
        return {"received": self.received, "passed_on": self._passed_on}

    def beat(self) -> bytes:
        """A sign of life, which says what arrived."""
        return frame(BEAT, b"".join(n.to_bytes(8, "big") for n in self.known().values()))

    def hear_beat(self, payload: bytes) -> None:
        """Take in the other end's beat. Raises NoFrameError."""
        if len(payload) != 16:
            raise NoFrameError("a beat of another length")
        self._forget(int.from_bytes(payload[:8], "big"), int.from_bytes(payload[8:], "big"))
