"""Clocks for pictures, which a busy machine must not change."""

from __future__ import annotations

import time


class Clock:
    """The time, in seconds, until `hold` is called, from when on it stands still.

    What the explorer says of an answer that takes long is then in no picture.
    """

    def __init__(self) -> None:
        self._most = float("inf")

    def __call__(self) -> float:
        return min(time.monotonic(), self._most)

    def hold(self) -> None:
        self._most = time.monotonic()
