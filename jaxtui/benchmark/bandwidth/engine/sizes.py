"""The message sizes of a sweep in every process, measured in step.

A collective among the devices of the first process alone is measured there, while the others wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jaxtui.benchmark.bandwidth.engine import messages
from jaxtui.benchmark.bandwidth.engine.measured import Measured
from jaxtui.benchmark.bandwidth.engine.messages import SweptCollective
from jaxtui.benchmark.engine.timing import Sampler
from jaxtui.benchmark.engine.together import Meeting, Together
from jaxtui.engine_base import processes
from jaxtui.session.session import Session


class Sizes:
    """The message size in hand in one process."""

    def __init__(self) -> None:
        self._subject: SweptCollective | None = None
        self._measured: Measured | None = None
        self._meeting: Meeting | None = None
        self._sample: Sampler | None = None

    def begin(self, session: Session, folder: str, dtype: str, lead: tuple[int, ...]) -> None:
        """Prepare the collective that the leader has checked and tried."""
        self._subject = messages.swept(session, folder, dtype, lead)

    def size(self, count: int) -> None:
        """Begin a message size."""
        assert self._subject is not None
        self.adopt(Measured(self._subject, count))

    def adopt(self, measured: Measured) -> None:
        self._measured, self._meeting, self._sample = measured, None, None

    def place(self, seed: int) -> None:
        if self._takes_part:
            self._size.place(seed)

    def call_first(self) -> None:
        if self._takes_part:
            self._size.call_first()

    def check(self) -> tuple[int, list[int]]:
        """How many elements of this process' rows are wrong, and which rows these are."""
        wrong, rows = 0, list[int]()
        for found, held in self._size.checked() if self._takes_part else ():
            wrong, rows = wrong + found, held
        return wrong, rows

    def time(self, throughput: bool) -> None:
        """Get ready to take samples."""
        if self._takes_part:
            self._meeting = Meeting(self._size.subject.devices)
            self._sample = self._size.sampler(throughput=throughput)

    def sample(self, calls: int) -> float | None:
        """Seconds per call in this process, once all have met; None without a part in it."""
        if self._meeting is None or self._sample is None:
            return None
        self._meeting.wait()
        return self._sample(calls)

    @property
    def _size(self) -> Measured:
        assert self._measured is not None
        return self._measured

    @property
    def _takes_part(self) -> bool:
        return bool(self._size.subject.mine)


class Shared:
    """The stages of one size, made by all processes that hold the collective's devices."""

    def __init__(self, together: Together, measured: Measured) -> None:
        self._together = together
        self._measured = measured
        together.own.adopt(measured)
        self._alone = len(measured.subject.processes) < 2
        if not self._alone:
            self._others("size", measured.count)

    def step(self, method: str, *args: Any) -> list[Any]:
        """What `method` gives in each process; this one's alone where it has all devices."""
        if self._alone:
            return [getattr(self._together.own, method)(*args)]
        return self._together.step(method, *args, communicates=True)

    def _others(self, method: str, *args: Any) -> None:
        step = self._together.as_step(method, *args)
        processes.stepped(step, lambda: None)

    def checked(self) -> Iterator[None]:
        """Count the wrong elements on all devices, part by part."""
        measured = self._measured
        measured.wrong = 0
        rows: list[int] = []
        if self._alone:
            for found, held in measured.checked():
                measured.wrong += found
                rows = held
                yield
        else:
            for found, held in self.step("check"):
                measured.wrong += found
                rows = [*rows, *held]
        if sorted(rows) != list(range(measured.subject.rows)):
            measured.wrong = max(1, measured.wrong)

    def sampler(self, *, throughput: bool) -> Sampler:
        """A sampler until the slowest process is done."""
        if self._alone:
            return self._measured.sampler(throughput=throughput)
        self.step("time", throughput)
        return self._together.sampler("sample")


def of_sweep(number: int) -> Together:
    """The sizes of a sweep in all processes."""
    return Together(f"{__name__}:Sizes", number, Sizes())


def begin(together: Together, subject: SweptCollective) -> None:
    """Have all processes prepare a collective. Raises Diagnosed where one cannot."""
    if len(subject.processes) > 1:
        args = (subject.session, subject.folder, subject.dtype.name, subject.lead)
        processes.stepped(together.as_step("begin", *args), lambda: None)
