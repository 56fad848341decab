"""Fewer events for the same: an engine may send any number of some of them for one request."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from jaxtui.wire.base import Described, Printed, Ready, Stage
from jaxtui.wire.protocol import AnyEvent


def joined(events: Iterable[AnyEvent]) -> list[AnyEvent]:
    """Join what is printed in succession, and keep the last of equal states in succession.

    These are all the events that an engine may send any number of for one request.
    """
    kept: list[list[AnyEvent]] = []
    for event in events:
        if not kept:
            kept.append([event])
            continue
        before = kept[-1][-1]
        match before, event:
            case Printed(), Printed() if (before.id, before.stream) == (event.id, event.stream):
                kept[-1].append(event)
            case (Stage(), Stage()) | (Ready(), Ready()) | (Described(), Described()) if (
                before.id == event.id
            ):
                kept[-1] = [event]
            case _:
                kept.append([event])
    return [_one(events) for events in kept]


def _one(events: list[AnyEvent]) -> AnyEvent:
    first = events[0]
    if len(events) == 1 or not isinstance(first, Printed):
        return first
    text = "".join(event.text for event in events if isinstance(event, Printed))
    return msgspec.structs.replace(first, text=text)
