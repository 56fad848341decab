"""The rounds of one point: each times all arms in a new random order."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from jaxtui.benchmark.engine import sampling_statistics as sampling
from jaxtui.benchmark.engine import timing, turns
from jaxtui.benchmark.engine.preparing import PreparedArm
from jaxtui.benchmark.engine.sampling_statistics import Ratio
from jaxtui.benchmark.engine.together import each_of
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.engine_base.errors import GivenUp
from jaxtui.wire.benchmark import BenchGap, BenchRound, BenchSample
from jaxtui.wire.benchmark_report import ArmStatistics, Flag, Noise, Speedup
from jaxtui.wire.protocol import AnyEvent

PRECISE = 0.02  # half the width of an interval that needs no more rounds
LIVE_RESAMPLES, FINAL_RESAMPLES = 499, 9999


@dataclass(frozen=True)
class StoppingRule:
    """How many rounds: at least `rounds`, and unless `exact` more until all is precise or `budget`
    seconds have passed."""

    rounds: int
    exact: bool
    budget: float


@dataclass
class Rounds:
    """The rounds of one point. `ready` has the baseline first and its control last."""

    request: int
    point: int
    ready: Sequence[PreparedArm]
    extent: StoppingRule
    turns: Turns
    order: random.Random
    seed: int
    pace: Pace | None = None
    noise: list[Noise] = field(default_factory=list)
    disturbed: list[bool] = field(default_factory=list)
    decks: dict[int, list[int]] = field(default_factory=dict)
    disturbances: int = field(init=False)

    def __post_init__(self) -> None:
        self.disturbances = self.turns.disturbances()

    def events(self) -> Iterator[AnyEvent | None]:
        """Yield every sample and round. On GivenUp, yield the rounds so far and reraise it."""
        began = time.perf_counter()
        try:
            while True:
                yield from self._one()
                spent = time.perf_counter() - began
                found = self.statistics(LIVE_RESAMPLES)
                wanted, left = self._wanted(spent, found)
                if len(self.noise) >= wanted:
                    break
                yield self._event(found, wanted, left)
                if self._due(turns.ROUND_SECONDS):
                    yield from self._gap()
        except GivenUp:
            if self.noise:
                yield self._event(self.statistics(LIVE_RESAMPLES), len(self.noise), 0.0)
            raise
        yield self._event(self.statistics(FINAL_RESAMPLES), len(self.noise), 0.0)

    def _one(self) -> Iterator[AnyEvent | None]:
        order = list(self.ready)
        self.order.shuffle(order)
        number = len(self.noise)
        before = timing.read_meters()
        noise: list[Noise] = []
        measured: list[tuple[PreparedArm, float]] = []
        for place, ready in enumerate(order):
            compilation = self._next_compilation(ready)
            sample = ready.samplers[compilation]
            with self.turns.sample():
                seconds = sample(ready.calls)
            measured.append((ready, seconds))
            yield BenchSample(
                id=self.request,
                point=self.point,
                arm=ready.index,
                round=number,
                order=place,
                compilation=compilation,
                seconds=seconds,
                processes=each_of(sample),
            )
            if self._due(turns.SAMPLE_SECONDS) and ready is not order[-1]:
                noise.append(timing.noise(before, timing.read_meters()))
                yield from self._gap()
                before = timing.read_meters()
        # Only whole rounds count: each is a pair of every arm with the baseline.
        for ready, seconds in measured:
            ready.samples.append(seconds)
        noise.append(timing.noise(before, timing.read_meters()))
        self.noise.append(timing.together(noise))
        # What came between two rounds has taken the caches from the second.
        disturbances = self.turns.disturbances()
        self.disturbed.append(disturbances > self.disturbances)
        self.disturbances = disturbances

    def _next_compilation(self, ready: PreparedArm) -> int:
        """Each compilation of an arm as often as its others, in an order of the arm's own, so that
        a pair is seldom one of the same two."""
        waiting = self.decks.setdefault(ready.index, [])
        if not waiting:
            waiting.extend(range(len(ready.samplers)))
            self.order.shuffle(waiting)
        return waiting.pop()

    def _due(self, seconds: float) -> bool:
        return self.pace is not None and self.pace.due(seconds)

    def _gap(self) -> Iterator[AnyEvent | None]:
        assert self.pace is not None
        yield from self.pace.gap(BenchGap(id=self.request, point=self.point))

    def _event(self, found: list[ArmStatistics], wanted: int, left: float) -> BenchRound:
        return BenchRound(
            id=self.request,
            point=self.point,
            round=len(self.noise) - 1,
            rounds=wanted,
            seconds_left=left,
            noise=self.noise[-1],
            flags=timing.flags(self.noise, self.disturbed),
            statistics=found,
        )

    def _wanted(self, spent: float, found: list[ArmStatistics]) -> tuple[int, float]:
        """The estimated number of rounds, and the seconds until they are done."""
        done = len(self.noise)
        each = spent / done
        if done < self.extent.rounds:
            return self.extent.rounds, (self.extent.rounds - done) * each
        left = self.extent.budget - spent
        if self.extent.exact or left <= 0 or _precise(found):
            return done, 0.0
        return done + max(1, int(left / each)), left

    def statistics(self, resamples: int) -> list[ArmStatistics]:
        """The statistics of each arm over the complete rounds."""
        flags = timing.flags(self.noise, self.disturbed)
        return arm_statistics(self.ready, flags, seed=self.seed, resamples=resamples)


def _precise(found: Sequence[ArmStatistics]) -> bool:
    return all(
        Ratio(x.speedup.value, x.speedup.low, x.speedup.high).half_width <= PRECISE
        for x in found
        if x.speedup is not None
    )


def arm_statistics(
    ready: Sequence[PreparedArm], flags: Sequence[Sequence[Flag]], *, seed: int, resamples: int
) -> list[ArmStatistics]:
    """The statistics of every arm; `ready` has the baseline first and its control last."""
    baseline, control = ready[0], ready[-1]
    ratios = [
        sampling.paired_ratio(baseline.samples, arm.samples, seed=seed, resamples=resamples)
        for arm in ready
    ]
    others = ready[1:-1]
    raw = [sampling.mann_whitney(baseline.samples, arm.samples) for arm in others]
    p_values = dict(zip([arm.index for arm in others], sampling.holm(raw), strict=True))
    p_values[control.index] = sampling.mann_whitney(baseline.samples, control.samples)
    found = []
    for arm, ratio in zip(ready, ratios, strict=True):
        # The control is held to no control.
        beside = None if arm is control else ratios[-1]
        row = _location(arm, flags)
        if arm is not baseline:
            against = baseline.arm.planned.strategy
            p_value = p_values[arm.index]
            compilations = min(len(baseline.compiled), len(arm.compiled))
            least = sampling.least_effect(compilations, beside)
            seen = sampling.smallest_effect(
                baseline.samples, arm.samples, ratio, least, tests=max(1, len(others))
            )
            row = msgspec.structs.replace(
                row,
                speedup=Speedup(against=against, value=ratio.value, low=ratio.low, high=ratio.high),
                p_value=p_value,
                verdict=sampling.verdict(p_value, ratio, least),
                seen=seen,
            )
        found.append(row)
    return found


def _location(arm: PreparedArm, flags: Sequence[Sequence[Flag]]) -> ArmStatistics:
    where = sampling.location(arm.samples)
    clean = [seconds for seconds, marks in zip(arm.samples, flags, strict=True) if not marks]
    return ArmStatistics(
        **msgspec.structs.asdict(where),
        arm=arm.index,
        clean_median=statistics.median(clean) if clean else None,
        clean_n=len(clean),
    )
