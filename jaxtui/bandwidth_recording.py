"""A bandwidth sweep as the screen's side holds it: gathered from events, turned into a report."""

from __future__ import annotations

import datetime

from msgspec import structs

from jaxtui import __version__
from jaxtui.bandwidth import BandwidthReport, SizeReport, SweepPlan, average_busbw, fit
from jaxtui.benchmarks import COMPLETE, STOPPED
from jaxtui.protocol import (
    AnyEvent,
    BandwidthMeasured,
    BandwidthStarted,
    BenchFinished,
    BenchStage,
    Cancelled,
    Failed,
    Gone,
)
from jaxtui.report import Diagnosis, Environment
from jaxtui.session import Session


class SweepRecording:
    """A sweep, event by event; what has come stays. Not for several threads.

    `ended` is "" while it goes on, then "complete", "stopped", or why it ended early.
    """

    def __init__(self, request: int, session: Session, path: str = "") -> None:
        self.request = request
        self.session = session
        self.path = path
        self.began = datetime.datetime.now(datetime.UTC)
        self.ended = ""
        self.seconds = 0.0
        self.error: Diagnosis | None = None
        self.environment: Environment | None = None
        self.plan: SweepPlan | None = None
        self.sizes: list[SizeReport] = []
        self.stage: BenchStage | None = None
        """What it is at, for as long as it goes on."""

    def take(self, event: AnyEvent) -> bool:
        """Take an event in; whether it belongs to this run. Gone ends every run."""
        if isinstance(event, Gone):
            self.lost("stopped with the engine" if event.wanted else event.reason)
            return True
        if event.id != self.request:
            return False
        match event:
            case BandwidthStarted():
                self.environment, self.plan = event.environment, event.plan
            case BandwidthMeasured():
                self.sizes.append(event.size)
            case BenchStage():
                self.stage = event
            case BenchFinished():
                self.seconds = event.seconds
                self._end(STOPPED if event.stopped else COMPLETE)
            case Cancelled():
                self._end(STOPPED)
            case Failed():
                self.error = event.diagnosis
                self._end(event.diagnosis.message)
        return True

    def lost(self, reason: str) -> None:
        """The engine is gone, or could not start."""
        if self.plan is None and not self.ended:
            self.error = Diagnosis(kind="engine", field="", message=reason)
        self._end(reason)

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            self.seconds = self.seconds or self._age()
            self.stage = None

    def _age(self) -> float:
        return (datetime.datetime.now(datetime.UTC) - self.began).total_seconds()

    @property
    def sampled(self) -> bool:
        """Whether any size was measured."""
        return any(size.samples for size in self.sizes)

    @property
    def right(self) -> bool:
        """Whether no element was wrong, as far as they were looked at."""
        return not any(size.wrong for size in self.sizes)

    def report(self) -> BandwidthReport:
        """All of it so far."""
        return BandwidthReport(
            session=self.path,
            title=self.session.title,
            ok=self.error is None and self.ended == COMPLETE and self.right,
            ended=self.ended or "running",
            began=self.began.isoformat(timespec="seconds"),
            seconds=self.seconds or self._age(),
            version=__version__,
            environment=self.environment,
            collective=self.plan,
            sizes=self.sizes,
            fit=fit(self.sizes),
            average_busbw=average_busbw(self.sizes),
            composition=structs.replace(self.session, notes=""),
            error=self.error,
        )
