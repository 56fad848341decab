"""A benchmark as a generator: prepared arm by arm, then resumed sample by sample.

Every value it yields is an event to send, or None where it only gives way. Thrown a GivenUp, it
ends with what it has. No setting of JAX is changed over a yield, since others work on the same
thread in between.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Sequence
from typing import Any

import jax.numpy as jnp
from jax import tree_util

from jaxtui.benchmark.engine import arms as shared_arms
from jaxtui.benchmark.engine import comparison, peaks, timing
from jaxtui.benchmark.engine import plan as plans
from jaxtui.benchmark.engine import request as asked_for
from jaxtui.benchmark.engine.plan import Arm, Point
from jaxtui.benchmark.engine.preparing import (
    Placed,
    PreparedArm,
    computed_case,
    program_report,
    why,
)
from jaxtui.benchmark.engine.rounds import Rounds
from jaxtui.benchmark.engine.strategies.layouts import Case
from jaxtui.benchmark.engine.timed_run import Events, TimedRun
from jaxtui.benchmark.engine.timing import Method, Sampler
from jaxtui.benchmark.engine.together import processes_of
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.engine_base.devices import environment
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.wire.benchmark import (
    Bench,
    BenchGap,
    BenchPeaks,
    BenchPoint,
    BenchPrepared,
    BenchProgram,
    BenchStarted,
)
from jaxtui.wire.benchmark_report import Conditions, Peak, Stages
from jaxtui.wire.protocol import AnyEvent

BUDGET = 10.0  # seconds of rounds at each point, once there are enough of them


def events(
    request: Bench, turns: Turns, pace: Pace, method: Method | None = None
) -> Generator[AnyEvent | None]:
    """Yield all events of a Bench. Raises Diagnosed if nothing of it can be timed."""
    yield from _Run(request, turns, pace, method).events()


class _Run(TimedRun):
    """One benchmark, from its request to its end."""

    def __init__(self, request: Bench, turns: Turns, pace: Pace, method: Method | None) -> None:
        method = method or Method(throughput=request.benchmark.mode == "throughput")
        super().__init__(request, turns, pace, method, BUDGET)
        self.together = shared_arms.of_benchmark(self.id)
        self.order = random.Random(self.seed)
        self.timed: list[Point] = []

    def events(self) -> Events:
        asked_for.check(self.asked, self.composition)
        points = asked_for.sweep(self.asked)
        first = self._first_that_can_be(points)
        try:
            yield from self._to_the_end(self._measurements(points, first))
        finally:
            self.together.end()

    def _measurements(self, points: list[dict[str, Any]], first: Point) -> Events:
        yield self._started(points)
        for index, parameters in enumerate(points):
            yield from self._point(index, parameters, first if index == first.index else None)
        yield from self._peaks()

    def _first_that_can_be(self, points: list[dict[str, Any]]) -> Point:
        failure: Diagnosed | None = None
        for index, parameters in enumerate(points):
            try:
                return self._planned(index, parameters)
            except Diagnosed as error:
                failure = failure or error
        assert failure is not None
        raise failure

    def _planned(self, index: int, parameters: dict[str, Any]) -> Point:
        return plans.plan_point(index, parameters, self.composition, self.asked)

    def _started(self, points: list[dict[str, Any]]) -> BenchStarted:
        conditions = Conditions(
            baseline=self.asked.baseline,
            pad=self.asked.pad,
            **self._conditions(self.composition),
        )
        return BenchStarted(
            id=self.id,
            environment=environment(),
            conditions=conditions,
            points=points,
            notes=asked_for.notes(self.composition),
        )

    def _gap(self, point: int) -> Events:
        """Let the screen paint what arrived, before the next timed call."""
        if self.pace is not None:
            yield from self.pace.gap(BenchGap(id=self.id, point=point))

    # ------------------------------------------------------------------------------- one point

    def _point(self, index: int, parameters: dict[str, Any], point: Point | None) -> Events:
        yield self._stage(index, None, "tracing")
        try:
            point = point or self._planned(index, parameters)
            yield BenchPoint(id=self.id, point=point.planned)
            yield self._stage(index, None, "placing")
            case = computed_case(point)
            shared_arms.begin(self.together, point, case, self.asked)
        except Diagnosed as error:
            failed = plans.failed_point(index, parameters, error.diagnosis)
            yield BenchPoint(id=self.id, point=failed)
            return
        ready: list[PreparedArm] = []
        yield from self._prepare(point, case, ready)
        yield from self._compare(point, ready)
        yield BenchPoint(id=self.id, point=point.planned)
        if not ready:
            return
        if not self.timed:
            yield BenchProgram(id=self.id, report=program_report(point, ready[0]))
        yield from self._warm(point, ready)
        yield from self._gap(index)
        self.timed.append(point)
        rounds = Rounds(
            request=self.id,
            point=index,
            ready=ready,
            extent=self.extent,
            turns=self.turns,
            order=self.order,
            seed=self.seed,
            pace=self.pace,
        )
        yield from rounds.events()

    def _prepare(self, point: Point, case: Case, ready: list[PreparedArm]) -> Events:
        """Make each arm ready, then the control; what cannot be falls out.

        The baseline comes first and the control last. That is compiled anew, so that the A/A pair
        shows what two compilations of one program differ by. A baseline that cannot be compiled
        anew is none: the next one takes over.
        """
        placed: Placed = {}
        for arm in point.arms:
            if arm.runs and arm.planned.role != "control":
                yield from self._ready(point, arm, case, placed, ready)
        plans.choose_baseline(point, self.asked)
        while ready:
            ready.sort(key=lambda one: one.arm.planned.role != "baseline")
            control, arms = point.arms[-1], len(ready)
            yield from self._ready(point, control, case, placed, ready)
            if len(ready) > arms:
                return
            baseline = ready.pop(0)
            baseline.arm.skip(control.planned.skipped or "")
            yield self._prepared(point, baseline)
            plans.choose_baseline(point, self.asked)

    def _ready(
        self, point: Point, arm: Arm, case: Case, placed: Placed, ready: list[PreparedArm]
    ) -> Events:
        """Place, trace, lower, compile and call an arm once, and compile it again."""
        preparation = None
        try:
            preparation = shared_arms.preparation(self.together, arm, case, placed)
            for stage in preparation.stages_in_turn():
                yield self._stage(point.index, arm.planned.arm, stage)
            for stage in preparation.compiled_again():
                yield self._stage(point.index, arm.planned.arm, stage)
            ready.append(preparation.result())
        except (GivenUp, GeneratorExit):
            raise
        except BaseException as error:  # also SystemExit: the user's code may call exit()
            arm.skip(why(error))
            yield BenchPrepared(
                id=self.id,
                point=point.index,
                arm=arm.planned.arm,
                stages=preparation.stages if preparation else Stages(),
                skipped=arm.planned.skipped,
            )
        else:
            yield self._prepared(point, ready[-1])

    def _compare(self, point: Point, ready: list[PreparedArm]) -> Events:
        """Remove from `ready` the arms whose values differ from the baseline's."""
        if not ready:
            return
        expected = ready[0].collected()
        for one in _in_order(ready[:-1]):
            yield self._stage(point.index, one.index, "comparing")
            one.correct = point.compared(expected, one.collected())
            if one.correct.wrong:
                one.arm.skip(comparison.words(one.correct))
                ready.remove(one)
                yield self._prepared(point, one)

    def _prepared(self, point: Point, one: PreparedArm) -> BenchPrepared:
        return BenchPrepared(
            id=self.id,
            point=point.index,
            arm=one.index,
            stages=one.stages,
            correct=one.correct,
            stablehlo=one.stablehlo,
            compilations=len(one.compiled),
            calls=one.calls,
            skipped=one.arm.planned.skipped,
        )

    def _warm(self, point: Point, ready: list[PreparedArm]) -> Events:
        for one in _in_order(ready):
            one.ready_to_sample(throughput=self.method.throughput)
            sample = timing.in_turn(one.samplers)
            yield self._stage(point.index, one.index, "warming")
            for _ in self.turns.alone(timing.warm(sample, self.method)):
                yield None
            yield self._stage(point.index, one.index, "calibrating")
            yield from self._gap(point.index)
            for calls in self.turns.alone(timing.calibrated(sample, self.method)):
                one.calls = calls
                yield None
            yield self._prepared(point, one)

    # ------------------------------------------------------------------------------------ peaks

    def _peaks(self) -> Events:
        """The peaks on as many devices as anything was timed on, in the inputs' widest float."""
        if not self.timed:
            return
        used = {a.planned.devices for p in self.timed for a in p.arms if a.runs}
        leaves = tree_util.tree_leaves([point.case.structs for point in self.timed])
        floats = [x.dtype for x in leaves if jnp.issubdtype(x.dtype, jnp.floating)]
        dtype = max(floats, key=lambda d: d.itemsize, default=jnp.dtype("float32"))
        devices = self.timed[0].prepared.devices.devices
        simulated = devices[0].platform == "cpu" and len(devices) > 1
        yield self._stage(self.timed[-1].index, None, "peaks")
        yield from self._gap(self.timed[-1].index)
        found: list[Peak] = []
        found_in_turn = peaks.measured(devices, sorted(used), dtype, sampled=self._peak_sampler)
        for peak in self.turns.alone(found_in_turn):
            if isinstance(peak, Peak):
                found.append(peak)
            yield None
        yield BenchPeaks(id=self.id, peaks=peaks.shared(found) if simulated else found)

    def _peak_sampler(self, kind: peaks.Kind, count: int, dtype: Any, length: int) -> Sampler:
        """Of all processes that hold the first `count` devices."""
        devices = self.timed[0].prepared.devices.devices[:count]
        if len(processes_of(devices)) < 2:
            return peaks.sampler(kind, devices, dtype, length)
        name = jnp.dtype(dtype).name
        self.together.step("prepare_peak", kind, count, name, length, communicates=True)
        return self.together.sampler("sample_peak")


def _in_order(ready: Sequence[PreparedArm]) -> list[PreparedArm]:
    """As the rows stand in the table."""
    return sorted(ready, key=lambda one: one.index)
