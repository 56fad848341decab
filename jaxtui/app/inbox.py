"""The events that have come and are not handled yet."""

from __future__ import annotations

import threading
from collections import deque

from jaxtui.app.joined_events import joined
from jaxtui.wire.benchmark import BenchRound, BenchSample
from jaxtui.wire.protocol import AnyEvent


class Inbox:
    """Queues events for the event loop; any thread may put them in."""

    def __init__(self) -> None:
        self._events: deque[AnyEvent] = deque()
        self._lock = threading.Lock()
        self._announced = False  # that events wait

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: AnyEvent) -> bool:
        """Queue an event. Returns whether it is to be announced that events wait."""
        with self._lock:
            self._events.append(event)
            # Samples and rounds are painted in the next gap: until then the machine is left alone.
            announces = not self._announced and not isinstance(event, BenchSample | BenchRound)
            self._announced = self._announced or announces
            return announces

    def put_back(self, events: list[AnyEvent]) -> None:
        """Queue events again, before those that came meanwhile; the caller announces them."""
        with self._lock:
            self._events.extendleft(reversed(events))
            self._announced = True

    def take(self) -> list[AnyEvent]:
        """Return all that wait, joined where many say what one does."""
        with self._lock:
            events = joined(self._events)
            self._events.clear()
            self._announced = False
            return events
