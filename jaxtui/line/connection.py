"""One connection between the two ends: a pair of descriptors that never block."""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Iterator

from jaxtui.line.frames import NUMBERED, Frames, NoFrameError
from jaxtui.line.traffic import Traffic

READ_BYTES = 64 * 1024
AHEAD = 64 * 1024  # bytes taken from the traffic before the connection has taken them
NO_FLAGS = 0


class Connection:
    """Sends and receives frames over `reads` and `writes`; `broken` once it cannot."""

    def __init__(self, reads: int, writes: int) -> None:
        self.reads, self.writes = reads, writes
        for descriptor in (reads, writes):
            os.set_blocking(descriptor, False)
        self._frames = Frames()
        self._out = bytearray()
        self.broken = False

    @property
    def stuck(self) -> bool:
        """Whether there is more to write than the connection takes now."""
        return bool(self._out) and not self.broken

    def send(self, data: bytes) -> None:
        self._out += data

    def flush(self, traffic: Traffic | None = None) -> None:
        """Write what can be written now, of `traffic` too."""
        while not self.broken:
            while traffic is not None and len(self._out) < AHEAD:
                if (data := traffic.next()) is None:
                    break
                self._out += data
            if not self._out:
                return
            try:
                written = os.write(self.writes, self._out[:AHEAD])
            except BlockingIOError:
                return
            except OSError:
                self.broken = True
                return
            del self._out[:written]

    def read(self) -> bytes:
        """What has come, b"" if nothing has or the connection is broken."""
        try:
            data = os.read(self.reads, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self.broken = self.broken or not data
        return data

    def frames(self, data: bytes, traffic: Traffic) -> Iterator[tuple[bytes, bytes]]:
        """The frames that `data` completes, counted; what makes no sense breaks the connection."""
        try:
            for kind, payload in self._frames.feed(data):
                if kind in NUMBERED:
                    traffic.count()
                yield kind, payload
        except NoFrameError:
            self.broken = True


class Watched:
    """Descriptors in a selector, each with what to call; what is wanted of them may change."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()

    def want(self, descriptor: int, events: int, call: Callable[[], object]) -> None:
        """Have `call` called at these events of `descriptor`; NO_FLAGS for none."""
        known = self._selector.get_map()
        if descriptor in known:
            if known[descriptor].events == events:
                return
            self._selector.unregister(descriptor)
        if events:
            self._selector.register(descriptor, events, call)

    def drop(self, descriptor: int) -> None:
        """Wait for nothing of `descriptor` any more, which is about to be closed."""
        self.want(descriptor, NO_FLAGS, lambda: None)

    def wait(self, seconds: float) -> None:
        """Wait for events for `seconds` at most, and call what belongs to them."""
        for key, _ in self._selector.select(seconds):
            if key.fd in self._selector.get_map():  # not dropped by an earlier call
                key.data()
