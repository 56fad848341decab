"""The line to an engine on another host, as the screens tell of it.

Uses neither Textual nor a clock, as `OpenSession`.
"""

from __future__ import annotations

import math

from jaxtui.wire.base import LineState

LOST = "the line to the engine broke and is taken up again by itself; F5 tries at once"
BACK = "the line to the engine is back, with all that it holds"
WAITS = (
    "the line to the engine is lost: it is taken up again by itself, and R starts another engine"
)
LONGEST = 0.5  # seconds of a round trip for which what is old is not shown as such
_MINUTE = 60.0


class EngineLine:
    """Whether the line is lost, since when, and how long the engine is kept without it."""

    def __init__(self) -> None:
        self.lost = False
        self.back_at = -math.inf  # when it was last taken up again
        self.round_trip = 0.0  # seconds that an answer takes over the line alone
        self.reason = ""  # why it broke, or why the last attempt failed
        self._since = 0.0
        self._until = 0.0

    def reset(self) -> None:
        """There is another engine, or none."""
        self.lost, self.round_trip = False, 0.0

    def on(self, state: LineState, now: float) -> None:
        """Take in what became of the line."""
        if state.state == "measured":
            self.round_trip = min(state.round_trip, LONGEST)
            return
        if state.state == "connected":
            self.lost, self.back_at = False, now
            return
        self.lost = True
        self.reason = state.reason or self.reason
        self._since, self._until = now - state.silent, now + state.kept

    def words(self, now: float) -> str:
        """The state of a lost line in a few words, "" for one that is there."""
        if not self.lost:
            return ""
        return f"line lost {now - self._since:.0f} s · reconnecting · engine kept {self.kept(now)}"

    def kept(self, now: float) -> str:
        """For how long the engine is still kept."""
        left = max(0.0, self._until - now)
        return f"{left:.0f} s" if left < 2 * _MINUTE else f"{left / _MINUTE:.0f} min"
