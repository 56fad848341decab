"""A bandwidth sweep on the screen's side: events in, a report out."""

from __future__ import annotations

from jaxtui.benchmark.run_recording import COMPLETE, RunRecording
from jaxtui.session.session import Session
from jaxtui.wire.bandwidth import (
    BandwidthMeasured,
    BandwidthReport,
    BandwidthStarted,
    SizeReport,
    SweepPlan,
    average_busbw,
    fit,
)
from jaxtui.wire.protocol import AnyEvent


class SweepRecording(RunRecording):
    """A sweep, event by event."""

    def __init__(self, request: int, session: Session, path: str = "") -> None:
        super().__init__(request, session, path)
        self.plan: SweepPlan | None = None
        self.sizes: list[SizeReport] = []
        self.within: list[SizeReport] = []

    def _measured(self, event: AnyEvent) -> None:
        match event:
            case BandwidthStarted():
                self.environment, self.plan = event.environment, event.plan
            case BandwidthMeasured():
                (self.within if event.within else self.sizes).append(event.size)

    @property
    def begun(self) -> bool:
        return self.plan is not None

    @property
    def sampled(self) -> bool:
        return any(size.samples for size in self.sizes)

    @property
    def right(self) -> bool:
        """Whether no wrong element has been found so far."""
        return not any(size.wrong for size in (*self.sizes, *self.within))

    def report(self) -> BandwidthReport:
        return BandwidthReport(
            **self._head(),
            ok=self.error is None and self.ended == COMPLETE and self.right,
            collective=self.plan,
            sizes=self.sizes,
            fit=fit(self.sizes),
            average_busbw=average_busbw(self.sizes),
            within=self.within,
            within_fit=fit(self.within),
        )
