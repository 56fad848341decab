"""What the recordings of all kinds of runs share: the head of the report, and how a run ends."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from msgspec import structs

from jaxtui import __version__
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD
from jaxtui.session.session import Session
from jaxtui.wire.bandwidth import BandwidthReport
from jaxtui.wire.base import Cancelled, Failed, Gone
from jaxtui.wire.benchmark import BenchFinished, BenchStage
from jaxtui.wire.benchmark_report import BenchmarkReport
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.report import Environment

COMPLETE, STOPPED = "complete", "stopped"


class RunRecording:
    """A run that takes samples, event by event; what has come stays. Not for several threads.

    `ended` is "" while it goes on, then "complete", "stopped", or why it ended early. A recording
    of a kind says what has come in `begun`, `sampled` and `_measured`.
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
        self.stage: BenchStage | None = None
        """What it is at, None when that says itself."""
        self.noted: Callable[[AnyEvent], None] | None = None
        """Called with each event of the run."""

    def take(self, event: AnyEvent) -> bool:
        """Handle an event; return whether it belongs to this run. Gone ends every run."""
        if isinstance(event, Gone):
            self.lost("stopped with the engine" if event.wanted else event.reason)
            return True
        if event.id != self.request:
            return False
        match event:
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
            case _:
                self._measured(event)
        if self.noted is not None:
            self.noted(event)
        return True

    def lost(self, reason: str) -> None:
        """The engine died or could not start."""
        if not self.begun and not self.ended:
            self.error = Diagnosis(kind="engine", field=NO_FIELD, message=reason)
        self._end(reason)

    @property
    def begun(self) -> bool:
        """Whether the run has a plan; if it ends before that, the end is an error."""
        raise NotImplementedError

    @property
    def sampled(self) -> bool:
        """Whether there is any sample."""
        raise NotImplementedError

    def report(self) -> BenchmarkReport | BandwidthReport:
        """The report of everything received so far."""
        raise NotImplementedError

    def _measured(self, event: AnyEvent) -> None:
        raise NotImplementedError

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            self.seconds = self.seconds or self._age()
            self.stage = None

    def _age(self) -> float:
        return (datetime.datetime.now(datetime.UTC) - self.began).total_seconds()

    def _head(self) -> dict[str, Any]:
        """The fields that the reports of all runs have."""
        return {
            "session": self.path,
            "title": self.session.title,
            "ended": self.ended or "running",
            "began": self.began.isoformat(timespec="seconds"),
            "seconds": self.seconds or self._age(),
            "version": __version__,
            "environment": self.environment,
            "composition": structs.replace(self.session, notes=""),
            "error": self.error,
        }
