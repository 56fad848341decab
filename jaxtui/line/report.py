"""What the near end of a line tells of it: one JSON object a line."""

from __future__ import annotations

import json
import os
from typing import Any


class Report:
    """Writes to a descriptor what becomes of the line; without one, nothing.

    Each object has `state`. For "lost", "connecting" and "connected" it has `silent`, the seconds
    since the other end was heard, `kept`, those for which the program there lives on, and `reason`;
    for "measured" it has `round_trip` in seconds.
    """

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_blocking(descriptor, False)

    def say(self, state: str, **figures: Any) -> None:
        if self._descriptor is None:
            return
        try:
            os.write(self._descriptor, json.dumps({"state": state, **figures}).encode() + b"\n")
        except OSError:  # nobody reads: what is to be done does not depend on it
            return
