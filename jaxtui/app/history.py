"""Undo and redo."""

from __future__ import annotations

import math
from collections import deque

from jaxtui.session.session import Session

Steps = deque[Session]

STEPS = 200  # that are kept
TYPING = 1.0  # seconds between two keystrokes of one step
_PARTS = {
    "program": "the program",
    "parameters": "the parameters",
    "devices": "the device set",
    "collective": "the collective",
    "benchmark": "the benchmark",
    "sharding": "the mesh to plan on",
}


class History:
    """The steps to undo and redo; typing into one field without a pause is one step."""

    def __init__(self) -> None:
        self._before: Steps = deque(maxlen=STEPS)
        self._after: Steps = deque()
        self._typed_in = ""
        self._typed_at = -math.inf

    def note(self, before: Session, field: str, now: float, *, typed: bool) -> None:
        """Record `before`, as `field` changes at `now` (in seconds of a monotonic clock)."""
        goes_on = typed and field == self._typed_in and now - self._typed_at < TYPING
        if not goes_on:
            self._before.append(before)
        self._typed_in, self._typed_at = (field if typed else ""), now
        self._after.clear()

    def undo(self, session: Session) -> Session | None:
        """Return the session before the last step, or None; `session` can then be redone."""
        return self._step(self._before, self._after, session)

    def redo(self, session: Session) -> Session | None:
        """Return the session that the last undo replaced, or None."""
        return self._step(self._after, self._before, session)

    def forget(self) -> None:
        self._before.clear()
        self._after.clear()
        self._typed_in = ""

    def _step(self, source: Steps, target: Steps, session: Session) -> Session | None:
        if not source:
            return None
        target.append(session)
        self._typed_in = ""
        return source.pop()


def changed(before: Session, after: Session) -> str:
    """Name the parts in which two sessions differ; what changed may be on another screen."""
    words = [name for part, name in _PARTS.items() if getattr(before, part) != getattr(after, part)]
    return " and ".join(words) or "the title or the notes"
