"""A clock that goes on with the screen instead of with the time, however busy the machine is."""

from __future__ import annotations

START = 1000.0  # seconds
STEP = 0.05  # seconds for which the screen settles once


class Clock:
    """The time, in seconds, as far as a test has let it go on, until `hold` is called.

    What the explorer says of an answer that takes long is then in no test and no picture by chance.
    """

    def __init__(self) -> None:
        self.now = START
        self._held = False

    def __call__(self) -> float:
        return self.now

    def settle(self) -> None:
        """Let as much time pass as the screen is given to settle."""
        if not self._held:
            self.now += STEP

    def go_on(self, seconds: float) -> None:
        """Let so much time pass at once."""
        self.now += seconds

    def hold(self) -> None:
        """Stand still from now on, but for `go_on`."""
        self._held = True
