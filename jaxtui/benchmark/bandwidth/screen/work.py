"""The state behind the Bandwidth screen: the sweep that is running or was run last."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from jaxtui.benchmark.bandwidth import words as bandwidth_words
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.benchmark.screen.timed_work import TimedWork
from jaxtui.collectives.screen.work import AskedCollective, with_draft
from jaxtui.session.session import Benchmark
from jaxtui.wire.bandwidth import BandwidthMeasured, SweepBandwidth
from jaxtui.wire.base import Printed
from jaxtui.wire.benchmark import BenchStage
from jaxtui.wire.protocol import AnyEvent, AnyRequest


class AskedSweep(Struct, frozen=True):
    """A collective and the sizes to sweep it over."""

    collective: AskedCollective
    benchmark: Benchmark


class SweepWork(TimedWork[AskedSweep, SweepRecording]):
    """A session's bandwidth sweep: requests, progress and the recording."""

    SCREEN, TITLE = "bandwidth", "the sweep"
    PAINTED = BandwidthMeasured

    @property
    def asked(self) -> AskedSweep:
        """The collective and, of the session's `[benchmark]` sweep, only the message sizes."""
        benchmark = self.session.benchmark or Benchmark()
        sizes = {name: sizes for name, sizes in benchmark.sweep.items() if name == "bytes"}
        asked = AskedCollective.of(self.open_session)
        return AskedSweep(asked, msgspec.structs.replace(benchmark, sweep=sizes))

    @property
    def stale(self) -> bool:
        """Whether the recording belongs to an earlier version of the collective."""
        return self.recording is not None and self._ran_of != self.asked

    def _progress_words(self, recording: SweepRecording) -> str:
        total = f"/{len(recording.plan.bytes)}" if recording.plan is not None else ""
        return f"bandwidth {len(recording.sizes)}{total}"

    def progress(self) -> str:
        """The current stage in one line, "" when nothing runs."""
        if self._wanted:
            return "It begins as soon as the engine is up."
        recording = self.recording
        if recording is None or recording.ended:
            return ""
        stage = recording.stage
        now = bandwidth_words.progress(stage, recording.plan) if stage is not None else "waiting"
        return f"{now} · ctrl+c stops it and keeps what is there"

    def notice(self, now: float) -> str:
        recording = self.recording
        if (hindrance := super().notice(now)) or recording is None or self.running:
            return hindrance
        if recording.error is not None:
            place = f"{recording.error.field}: " if recording.error.field else ""
            return f"{place}{recording.error.message}"
        if not recording.sizes:
            return f"The sweep {recording.ended} before any size was measured."
        return ""

    def _begun(self, id: int, asked: AskedSweep) -> tuple[SweepRecording, AnyRequest]:
        request = SweepBandwidth(
            id=id,
            composition=asked.collective.composition,
            collective=asked.collective.collective,
            benchmark=asked.benchmark,
            paced=True,
        )
        return SweepRecording(id, with_draft(self.session)), request

    def look(self, now: float) -> None:
        if self._wanted and self.phase == "ready":
            self._start(now)

    def _shows(self, event: AnyEvent) -> bool:
        # Of a stage in which something is timed nothing is painted.
        if isinstance(event, BenchStage):
            return event.stage not in ("warming", "timing")
        return not isinstance(event, Printed)
