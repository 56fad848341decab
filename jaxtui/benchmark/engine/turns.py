"""Who may use the machine when: samples run alone, other work and painting in between."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar, cast

PAINT_SECONDS = 0.1  # the longest that a paced run waits for the screen
# How long the screen is left as it is. A paint takes tens of milliseconds: rounds may be shorter.
ROUND_SECONDS = 0.2  # at the end of a round
SAMPLE_SECONDS = 0.5  # within one
_PAINT_STEP = 0.02  # seconds, between two looks at whether the run is given up
_END = object()

T = TypeVar("T")


class Turns:
    """Samples and light requests take turns on the machine: neither begins inside the other.

    A light request waits for the end of the sample; the next sample waits for all light requests
    that are there.
    """

    def __init__(self) -> None:
        self._change = threading.Condition()
        self._sampling = False
        self._light = 0
        self._disturbances = 0

    @contextmanager
    def sample(self) -> Iterator[None]:
        with self._change:
            self._change.wait_for(lambda: self._light == 0)
            self._sampling = True
        try:
            yield
        finally:
            with self._change:
                self._sampling = False
                self._change.notify_all()

    @contextmanager
    def light(self) -> Iterator[None]:
        with self._change:
            self._light += 1
            self._change.wait_for(lambda: not self._sampling)
        try:
            yield
        finally:
            with self._change:
                self._light -= 1
                self._disturbances += 1
                self._change.notify_all()

    def alone(self, steps: Iterator[T]) -> Iterator[T]:
        """Run each step alone, while no light request runs."""
        while True:
            with self.sample():
                step = next(steps, _END)
            if step is _END:
                return
            yield cast(T, step)

    def disturb(self) -> None:
        """Count other work that ran on the sampling thread."""
        with self._change:
            self._disturbances += 1

    def disturbances(self) -> int:
        """How often other work has run so far."""
        return self._disturbances


class Pace:
    """Lets the screen be painted between samples: until it says go on, or for PAINT_SECONDS."""

    def __init__(self) -> None:
        self._go = threading.Event()
        self._painted = time.monotonic()

    def go(self) -> None:
        """Signal that the screen is painted. Called from another thread."""
        self._go.set()

    def due(self, seconds: float) -> bool:
        """Whether the screen was last painted at least `seconds` ago."""
        return time.monotonic() - self._painted >= seconds

    def gap(self, event: T) -> Iterator[T | None]:
        """Yield `event`, then None until the screen is painted or PAINT_SECONDS have passed."""
        self._go.clear()
        yield event
        end = time.monotonic() + PAINT_SECONDS
        while not self._go.wait(_PAINT_STEP) and time.monotonic() < end:
            yield None
        self._painted = time.monotonic()
