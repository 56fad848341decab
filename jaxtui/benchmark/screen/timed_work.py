"""Runs that take samples: one at a time, continuing behind other screens, kept on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

from jaxtui.benchmark import journal, kept_runs
from jaxtui.benchmark.run_recording import RunRecording
from jaxtui.screen.open_session import OpenSession, ended_words
from jaxtui.screen.work import QUIET, AwaitedWork
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.base import Event
from jaxtui.wire.benchmark import BenchStageName, Continue
from jaxtui.wire.protocol import AnyEvent, AnyRequest

STOP_SECONDS = 2.0  # for the engine to come to the end of a sample, after which it is ended
# Stages in which nothing is timed: the seconds of these may be counted on the screen.
UNTIMED: frozenset[BenchStageName] = frozenset(
    {"tracing", "placing", "lowering", "compiling", "first call", "comparing"}
)

Asked = TypeVar("Asked")
Recorded = TypeVar("Recorded", bound=RunRecording)


class TimedWork(AwaitedWork, Generic[Asked, Recorded]):
    """A run that measures an `Asked` and is recorded in a `Recorded`.

    The engine waits between samples until those that it sent are painted.
    """

    PAINTED: ClassVar[type[Event]]
    """The event after which the engine waits until all is on screen."""
    KEPT_HINT: ClassVar[str] = ""
    """What follows the words of where a run is kept."""

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.keep: Callable[[kept_runs.AnyRun], Path] = kept_runs.keep
        self.recording: Recorded | None = None
        self.kept: Path | None = None
        self.stopping: float | None = None
        self.said = ""  # what there is to tell the user once, such as where a run is kept
        self.changes = 0  # grows with everything that a screen would show
        self._ran_of: Asked | None = None
        self._wanted = False  # a run that waits for the engine to be up
        self._journal: journal.Journal | None = None
        self._painting: int | None = None  # the run that waits until what came is painted

    # ------------------------------------------------------------------------- what is shown

    @property
    def asked(self) -> Asked:
        """Everything the figures depend on."""
        raise NotImplementedError

    @property
    def running(self) -> bool:
        return self.recording is not None and not self.recording.ended

    @property
    def timing(self) -> bool:
        """Whether calls are being timed, or warmed up for timing."""
        if self.recording is None or self.recording.ended:
            return False
        stage, started = self.recording.stage, self.recording.environment is not None
        return started and (stage is None or stage.stage not in UNTIMED)

    @property
    def busy(self) -> bool:
        """Whether the screen counts the seconds of a wait.

        Never while anything is timed: repainting would compete with the samples.
        """
        if self._wanted or self.stopping is not None:
            return True
        return self.running and not self.timing

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The error of the run, unless the input has changed since."""
        error = self.recording.error if self.recording is not None else None
        if error is None or error.kind == "engine" or self._ran_of != self.asked:
            return None
        return error

    def words(self) -> str:
        if self.recording is None or self.recording.ended:
            return ""
        if self.stopping is not None:
            return f"stopping {self.TITLE}"
        return self._progress_words(self.recording)

    def _progress_words(self, recording: Recorded) -> str:
        raise NotImplementedError

    @property
    def _runs_source(self) -> bool:
        """Whether the run executes the session's own source, which must be trusted."""
        return True

    def notice(self, now: float) -> str:
        """Why there are no (more) results, "" when there is nothing to say."""
        if not self.trusted and self._runs_source:
            return self.open_session.untrusted
        if self.phase == "gone" and self.gone is not None:
            sampled = self.recording is not None and self.recording.sampled
            held = " What was measured is kept." if sampled else ""
            return f"{ended_words(self.gone.reason)}.{held} R starts it again, F5 as well."
        if self.stopping is not None and now - self.stopping >= QUIET:
            return "Stopping: the call in hand has to end. ctrl+c again ends the engine."
        return ""

    # ------------------------------------------------------------------------- what is asked

    def edited(self, now: float) -> None:
        self.changes += 1

    def run(self, now: float) -> bool:
        """Start a run, once the engine is up. Returns False if one is running."""
        if self.running:
            return False
        self.changes += 1
        if self.phase == "ready":
            self._start(now)
        else:
            self._wanted = True
        return True

    def _start(self, now: float) -> None:
        self._wanted, self.stopping, self.kept = False, None, None
        self._ran_of = asked = self.asked
        self.recording, request = self._begun(self._next_id(), asked)
        self._journal = journal.Journal(self.recording)
        self.changes += 1
        self._send(request)

    def _begun(self, id: int, asked: Asked) -> tuple[Recorded, AnyRequest]:
        """An empty recording of a run, and the request for it."""
        raise NotImplementedError

    def stop(self, now: float) -> Literal["", "asked", "end"]:
        """Stop the run after the current sample; asked again, by ending the engine."""
        if self._wanted:
            self._wanted = False
        elif self.recording is None or not self.running:
            return ""
        elif self.stopping is not None:
            return "end"
        else:
            self.stopping = now
            self._cancel(self.recording.request)
        self.changes += 1
        return "asked"

    def overdue(self, now: float) -> bool:
        return self.running and self.stopping is not None and now - self.stopping > STOP_SECONDS

    def restarted(self, now: float, *, ended: bool = False) -> None:
        self._forget_engine()

    def _forget_engine(self) -> None:
        self.stopping = None

    def left(self) -> None:
        if self.recording is not None and self.running:
            self.recording.lost("stopped when the explorer was left")
            self._conclude()

    def take_painted(self) -> Continue | None:
        target, self._painting = self._painting, None
        return None if target is None else Continue(id=self._next_id(), target=target)

    # ------------------------------------------------------------------------- what is answered

    def owns(self, id: int) -> bool:
        """Whether `id` is that of a request of this work."""
        return id != 0 and self.recording is not None and id == self.recording.request

    def on(self, event: AnyEvent, now: float) -> bool:
        if self.recording is not None and self.running and self.recording.take(event):
            if isinstance(event, self.PAINTED):
                self._painting = event.id
            if self._shows(event):
                self.changes += 1
            self._conclude()
        return self.owns(event.id)

    def _shows(self, event: AnyEvent) -> bool:
        """Whether an event is painted at once, even during timing."""
        raise NotImplementedError

    def _conclude(self) -> None:
        """Keep a run that has ended."""
        if self._journal is None or self.recording is None or not self.recording.ended:
            return
        self.stopping = None
        self.changes += 1
        ended, self._journal = self._journal, None
        try:
            self.kept = ended.end(self.keep)
            if self.kept is not None:
                self.said = f"kept as {self.kept.name}{self.KEPT_HINT}"
        except kept_runs.RunError as error:
            self.said = str(error)
