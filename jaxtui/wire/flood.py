"""Notices an engine that sends events without end, faster than anyone can look at them."""

from __future__ import annotations

from collections import Counter

WINDOW_SECONDS = 0.25
# Of one window, after which the rest waits for the next.
EVENTS, BYTES, BUSY_SECONDS = 2500, 4 * 1024 * 1024, WINDOW_SECONDS / 2
FULL_WINDOWS = 12  # in a row, which are a flood: no request has so many answers


class FloodGate:
    """Holds an engine's events back once there are too many, so that its writes wait.

    Nothing is lost of a burst, however large. `flood` names the stream of one that does not end.
    """

    def __init__(self) -> None:
        self.flood = ""
        self._window = 0
        self._full_windows = 0
        self._bytes = 0
        self._busy = 0.0
        self._kinds: Counter[str] = Counter()

    def passes(self, kind: str, size: int, seconds: float, now: float) -> bool:
        """Count an event, and return whether more may be read in this window.

        It had `size` bytes, and was decoded and delivered in the `seconds` before `now`.
        """
        window = int(now / WINDOW_SECONDS)
        if window != self._window:
            since = window - self._window
            follows = since <= 1 + seconds / WINDOW_SECONDS
            self._full_windows = self._full_windows + since if follows and self._full else 0
            self._window, self._bytes, self._busy = window, 0, 0.0
            self._kinds.clear()
        self._kinds[kind] += 1
        self._bytes += size
        self._busy += seconds
        if self._full_windows >= FULL_WINDOWS:
            [(most, _)] = self._kinds.most_common(1)
            seconds = FULL_WINDOWS * WINDOW_SECONDS
            self.flood = f"it sent {most} without end for {seconds:.0f} s, and was ended"
        return not self._full

    @property
    def _full(self) -> bool:
        many = self._kinds.total() >= EVENTS or self._bytes >= BYTES
        return many or self._busy >= BUSY_SECONDS

    def opens_at(self) -> float:
        """When the window ends, on the clock of `passes`."""
        return (self._window + 1) * WINDOW_SECONDS
