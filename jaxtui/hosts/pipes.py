"""Writing to pipes without ever waiting for who reads them."""

from __future__ import annotations

import os
import selectors
from contextlib import suppress

from jaxtui.hosts import messages

FULL = 4 * 1024 * 1024  # bytes not yet taken, above which no more should be read to be passed on


class Pipe:
    """The writing end of a pipe, with the bytes that it has not taken yet."""

    def __init__(self, descriptor: int, selector: selectors.BaseSelector) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor, self._selector = descriptor, selector
        self.waiting = bytearray()

    def put(self, data: bytes) -> None:
        self.waiting += data
        self.write()

    def write(self) -> None:
        """Write what the pipe takes now. Raises OSError when nobody reads it any more."""
        with suppress(BlockingIOError):
            while self.waiting:
                written = os.write(self._descriptor, memoryview(self.waiting)[: messages.CHUNK])
                del self.waiting[:written]
        known = self._descriptor in self._selector.get_map()
        if self.waiting and not known:
            self._selector.register(self._descriptor, selectors.EVENT_WRITE, self.write)
        elif known and not self.waiting:
            self._selector.unregister(self._descriptor)
