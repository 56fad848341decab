"""Passes what has come over a line on to a descriptor, as fast as that takes it."""

from __future__ import annotations

import os
from collections import deque

from jaxtui.line.traffic import Traffic


class Spout:
    """A descriptor that never blocks, and the payloads that it has not taken yet."""

    def __init__(self, descriptor: int, traffic: Traffic) -> None:
        os.set_blocking(descriptor, False)
        self.descriptor = descriptor
        self._traffic = traffic
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._written = 0  # bytes of the first
        self.gone = False  # nobody reads it any more

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    def add(self, payload: bytes, *, numbered: bool = True) -> None:
        """Pass `payload` on, which came in a numbered frame unless it is this side's own."""
        self._waiting.append((payload, numbered))
        self.flush()

    def flush(self) -> None:
        """Write what the descriptor takes now; what nobody reads is dropped."""
        while self._waiting:
            payload, numbered = self._waiting[0]
            while self._written < len(payload) and not self.gone:
                try:
                    self._written += os.write(self.descriptor, payload[self._written :])
                except BlockingIOError:
                    return
                except OSError:
                    self.gone = True
            self._waiting.popleft()
            self._written = 0
            if numbered:
                self._traffic.pass_on(payload)

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
