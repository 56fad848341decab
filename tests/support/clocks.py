"""A clock that a test can stop and move, so that what is shown depends on no busy machine."""

from __future__ import annotations

import time


class Clock:
    """The time, in seconds, until `hold` is called; from then on as far as the test lets it go on.

    What the explorer says of an answer that takes long is then in no picture by chance.
    """

    def __init__(self) -> None:
        self._ahead = 0.0  # seconds by which the test has let it go on
        self._held: float | None = None

    def __call__(self) -> float:
        return self.now

    @property
    def now(self) -> float:
        """The time, in seconds."""
        time_itself = time.monotonic() if self._held is None else self._held
        return time_itself + self._ahead

    def go_on(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self._ahead += seconds

    def hold(self) -> None:
        """Stand still from now on, but for `go_on`."""
        self._held = time.monotonic()
