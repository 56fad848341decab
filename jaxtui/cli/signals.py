"""The handlers of ending signals."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator, Sequence
from typing import Any

ENDING = (signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 3.0  # after which a further signal counts; every `finally` block is done by then
_came: list[tuple[int, float]] = []  # the signal that counts, and when it came


class Terminated(BaseException):
    """Raised in the main thread when a signal asks the process to end."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.status = 128 + number


@contextlib.contextmanager
def handled(numbers: Sequence[signal.Signals], handler: Any) -> Iterator[None]:
    """Install `handler` for these signals in the block, except for ignored ones (nohup)."""
    before = {number: signal.getsignal(number) for number in numbers}
    taken = [number for number in numbers if before[number] is not signal.SIG_IGN]
    for number in taken:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def raised() -> contextlib.AbstractContextManager[None]:
    """Make the first ending signal raise Terminated, so that `finally` blocks end the engines.

    Further ones do nothing for AGAIN_SECONDS: they would interrupt those blocks.
    """
    _came.clear()

    def end(number: int, _frame: object) -> None:
        now = time.monotonic()
        if not _came or now - _came[0][1] > AGAIN_SECONDS:
            _came[:] = [(number, now)]
            raise Terminated(number)

    return handled(ENDING, end)


def look() -> None:
    """Raise Terminated if a signal came whose exception was lost: Python's compiler drops any."""
    if _came:
        raise Terminated(_came[0][0])


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Have ending signals wait for the end of the block, which must not wait for anything itself.

    What is written in C may not survive an exception that a handler raises in Python code that it
    calls: msgspec ends the process by a segmentation fault while it looks at a class.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (*ENDING, signal.SIGINT))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
