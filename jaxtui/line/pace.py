"""The times that both ends of a line go by, and a clock that also runs while the host sleeps."""

from __future__ import annotations

import time

TICK = 0.5  # seconds; at least so often either end looks at the clock
BEAT = 1.5  # seconds between the signs of life of either end
SILENT = 6.0  # seconds without any after which a line counts as lost
ASLEEP = 2.0  # seconds between two looks at the clock that mean that this process was stopped
UNPROVEN = 30.0  # seconds for which a program is kept of which its user never heard
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Seconds, among them those for which this host slept."""
    return time.clock_gettime(_CLOCK)


class Looks:
    """Tells for how long this process was stopped between two looks at the clock.

    Of a line that is not heard while nobody listens nothing can be said.
    """

    def __init__(self) -> None:
        self._at = clock()

    def missed(self) -> float:
        """Seconds to leave out since the last call, usually 0."""
        before, self._at = self._at, clock()
        return self._at - before if self._at - before > ASLEEP else 0.0
