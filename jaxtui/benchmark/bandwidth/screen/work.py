"""What to ask the engine about a bandwidth sweep and when, and what has come of it so far.

No Textual, no clock: like `collective_state.CollectiveWork`, whose collective it sweeps.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.bandwidth import words as bandwidth_words
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.benchmark.screen.work import STOP_SECONDS, UNTIMED
from jaxtui.collectives.screen import work as collective_state
from jaxtui.collectives.screen.work import CollectiveWork
from jaxtui.program.screen.work import QUIET, Work, ended_words
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthReport, SweepBandwidth
from jaxtui.wire.base import Cancel, Printed
from jaxtui.wire.benchmark import BenchStage, Continue
from jaxtui.wire.protocol import AnyEvent, AnyRequest


class Asked(Struct, frozen=True):
    """A collective and the sizes to sweep it over."""

    collective: collective_state.Asked
    benchmark: Benchmark


class SweepWork:
    """The work on a sweep: the state that the Bandwidth screen shows."""

    def __init__(
        self,
        work: Work,
        collective: CollectiveWork,
        *,
        send: Callable[[AnyRequest], None],
        next_id: Callable[[], int],
        keep: Callable[[BandwidthReport], Path] = bench_runs.keep,
    ) -> None:
        self._work = work
        self._collective = collective
        self._send = send
        self._next_id = next_id
        self._keep = keep
        self.recording: SweepRecording | None = None
        self.stopping: float | None = None
        self.said = ""  # what there is to tell the user once, such as where a run is kept
        self.changes = 0  # grows with everything that a screen would show
        self._ran_of: Asked | None = None
        self._wanted = False  # a run that waits for the engine to be up
        self._painting: int | None = None  # the sweep whose newest size is to be painted

    # ------------------------------------------------------------------------- what is shown

    @property
    def asked(self) -> Asked:
        """All that the figures depend on; of the session's sweep only its message sizes."""
        benchmark = self._work.session.benchmark or Benchmark()
        sizes = {name: sizes for name, sizes in benchmark.sweep.items() if name == "bytes"}
        return Asked(self._collective.asked, msgspec.structs.replace(benchmark, sweep=sizes))

    @property
    def running(self) -> bool:
        """Whether a run is in hand."""
        return self.recording is not None and not self.recording.ended

    @property
    def stale(self) -> bool:
        """Whether what is shown is of another collective than what is typed."""
        return self.recording is not None and self._ran_of != self.asked

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with what was asked, as long as it is still what is typed."""
        if self.recording is None or self.recording.error is None or self.stale:
            return None
        return self.recording.error if self.recording.error.kind != "engine" else None

    @property
    def busy(self) -> bool:
        """Whether something is waited for; not while anything is timed: a repaint disturbs it."""
        if self._wanted or self.stopping is not None:
            return True
        stage = self.recording.stage if self.recording is not None else None
        return self.running and (stage is None or stage.stage in UNTIMED)

    def words(self) -> str:
        """What the engine does for the sweep, for the line over every screen; "" nothing."""
        if self.recording is None or self.recording.ended:
            return ""
        if self.stopping is not None:
            return "stopping the sweep"
        plan = self.recording.plan
        total = f"/{len(plan.bytes)}" if plan is not None else ""
        return f"bandwidth {len(self.recording.sizes)}{total}"

    def progress(self) -> str:
        """What is being done, in one line."""
        if self._wanted:
            return "It begins as soon as the engine is up."
        recording = self.recording
        if recording is None or recording.ended:
            return ""
        stage = recording.stage
        now = bandwidth_words.progress(stage, recording.plan) if stage is not None else "waiting"
        return f"{now} · ctrl+c stops it and keeps what is there"

    def notice(self, now: float) -> str:
        """Why nothing comes, or no more; "" when there is nothing to say."""
        work, recording = self._work, self.recording
        if not work.trusted:
            return "This file has not run: its source was not accepted yet. F5 shows it and asks."
        if work.phase == "gone" and work.gone is not None:
            held = " What was measured is kept." if recording and recording.sampled else ""
            return f"{ended_words(work.gone.reason)}.{held} R starts it again, F5 as well."
        if self.stopping is not None and now - self.stopping >= QUIET:
            return "Stopping: the call in hand has to end. ctrl+c again ends the engine."
        if recording is None or self.running:
            return ""
        if recording.error is not None:
            place = f"{recording.error.field}: " if recording.error.field else ""
            return f"{place}{recording.error.message}"
        if not recording.sizes:
            return f"The sweep {recording.ended} before any size was measured."
        return ""

    # ------------------------------------------------------------------------- what is asked

    def run(self, now: float) -> bool:
        """The user asks for a sweep; False while one is in hand."""
        if self.running:
            return False
        self.changes += 1
        if self._work.phase == "ready":
            self._start()
        else:
            self._wanted = True
        return True

    def _start(self) -> None:
        self._wanted, self.stopping = False, None
        self._ran_of = asked = self.asked
        number = self._next_id()
        self.recording = SweepRecording(number, self._collective.session)
        self.changes += 1
        self._send(
            SweepBandwidth(
                id=number,
                composition=asked.collective.composition,
                collective=asked.collective.collective,
                benchmark=asked.benchmark,
                paced=True,
            )
        )

    def stop(self, now: float) -> Literal["", "asked", "end"]:
        """End the sweep: between two samples at first, asked again with the engine."""
        if self._wanted:
            self._wanted = False
            self.changes += 1
            return "asked"
        if not self.running or self.recording is None:
            return ""
        if self.stopping is not None:
            return "end"
        self.stopping = now
        self.changes += 1
        self._send(Cancel(id=self._next_id(), target=self.recording.request))
        return "asked"

    def overdue(self, now: float) -> bool:
        """Whether the call in hand does not end, so that the engine is to be ended."""
        return self.running and self.stopping is not None and now - self.stopping > STOP_SECONDS

    def restarted(self) -> None:
        """A fresh engine is starting; the old one's end is told by Gone."""
        self.stopping = None

    def edited(self, now: float) -> None:
        """What is composed may have changed."""
        self.changes += 1

    def left(self) -> None:
        """The explorer is left: a sweep in hand ends, and what it has is kept."""
        if self.running and self.recording is not None:
            self.recording.lost("stopped when the explorer was left")
            self._ended()

    def take_painted(self) -> Continue | None:
        """What to send once the size that came is on screen. Called when all events are in."""
        if self._wanted and self._work.phase == "ready":
            self._start()
        target, self._painting = self._painting, None
        return None if target is None else Continue(id=self._next_id(), target=target)

    # ------------------------------------------------------------------------- what is answered

    def owns(self, id: int) -> bool:
        """Whether an event with this id answers a request of ours."""
        return id != 0 and self.recording is not None and id == self.recording.request

    def on(self, event: AnyEvent, now: float) -> None:
        """Take in what the engine says, or the client about it."""
        recording = self.recording
        if recording is None or recording.ended or isinstance(event, Printed):
            return
        if not recording.take(event):
            return
        if isinstance(event, BandwidthMeasured):
            self._painting = event.id
        # Of a stage in which something is timed nothing is painted.
        if not isinstance(event, BenchStage) or event.stage not in ("warming", "timing"):
            self.changes += 1
        if not self.running:
            self._ended()

    def _ended(self) -> None:
        assert self.recording is not None
        self.stopping = None
        self.changes += 1
        if not self.recording.sampled:
            return
        try:
            self.said = f"kept as {self._keep(self.recording.report()).name}"
        except bench_runs.RunError as error:
            self.said = str(error)
