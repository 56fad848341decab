"""Arms over the devices of several processes, made ready and timed by all of them in step.

What lies on the devices of the first process alone runs there alone, while the others wait.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from jaxtui.benchmark.engine import peaks
from jaxtui.benchmark.engine.plan import Arm, Point, plan_point
from jaxtui.benchmark.engine.preparing import Placed, Preparation, PreparedArm, computed_case
from jaxtui.benchmark.engine.strategies.layouts import Case
from jaxtui.benchmark.engine.timing import Sampler
from jaxtui.benchmark.engine.together import Meeting, Together
from jaxtui.engine_base import lockstep, processes
from jaxtui.engine_base.processes import Given, Leaves
from jaxtui.results.engine.gathering import FarLeaf
from jaxtui.session.session import Benchmark
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import BenchStageName
from jaxtui.wire.benchmark_report import Stages


@dataclasses.dataclass
class _Own:
    """This process' part in an arm."""

    preparation: Preparation
    stages: Iterator[BenchStageName]
    meeting: Meeting | None = None
    samplers: Sequence[Sampler] = ()


class Arms:
    """The arms of a benchmark's point in one process, known by their numbers.

    An arm without a device of this process has no part in anything here.
    """

    def __init__(self) -> None:
        self._point: Point | None = None
        self._case: Case | None = None
        self._placed: Placed = {}
        self._arms: dict[int, _Own] = {}
        self._peak: tuple[Meeting, Sampler] | None = None

    # ----------------------------------------------------------------------------- the point

    def begin(self, index: int, composition: Composition, benchmark: Benchmark) -> Given:
        """Plan a point and compute its arguments. Raises Diagnosed."""
        if self._point is None or self._point.index != index:
            point = plan_point(index, composition.swept, composition, benchmark)
            self.adopt(point, computed_case(point))
        return self.given()

    def adopt(self, point: Point, case: Case) -> None:
        """Go on with a point that is planned and computed already."""
        self._point, self._case = point, case
        self._placed, self._arms = {}, {}

    def given(self) -> Given:
        """Digests of the point's program and arguments, which have to be the same in all."""
        assert self._point is not None
        assert self._case is not None
        return (
            lockstep.of_program(self._point.shapes.jaxpr),
            lockstep.of_values(self._case.args),
        )

    # ------------------------------------------------------------------------------- an arm

    def prepare(self, number: int, strategy: str, devices: int) -> None:
        """Begin to make an arm ready."""
        assert self._point is not None
        assert self._case is not None
        for arm in self._point.arms:
            planned = arm.planned
            if (planned.strategy, planned.devices) == (strategy, devices) and arm.setup.mine:
                own = Arm(arm.strategy, arm.setup, planned)
                preparation = Preparation(own, self._case, self._placed)
                self._arms[number] = _Own(preparation, preparation.stages_in_turn())
                return

    def preparation(self, number: int) -> Preparation:
        return self._arms[number].preparation

    def advance(self, number: int) -> BenchStageName | None:
        """Do the stage that was named last; return the name of the next, None after the last."""
        return next(self._arms[number].stages, None) if number in self._arms else None

    def compile_again(self, number: int, times: int) -> None:
        """Let `advance` go on with further compilations."""
        if number in self._arms:
            own = self._arms[number]
            own.stages = own.preparation.compiled_again(times)

    def gather(self, number: int) -> Leaves:
        """The leaves of what the arm returned first, for the leader to read."""
        if number not in self._arms:
            return processes.gathered([])
        preparation = self._arms[number].preparation
        leaves = preparation.arm.strategy.spread_leaves(preparation.arm.setup, preparation.output)
        return processes.gathered([("", leaf) for leaf in leaves])

    def time(self, number: int, throughput: bool) -> None:
        """Get ready to take samples, and let go of what the arm returned."""
        if number in self._arms:
            own = self._arms[number]
            ready = own.preparation.result()
            own.meeting = Meeting(ready.arm.setup.devices)
            own.samplers = ready.own_samplers(throughput=throughput)
            own.preparation.output = None

    def sample(self, number: int, compilation: int, calls: int) -> float | None:
        """Seconds per call in this process, once all have met; None without a part in it."""
        if number not in self._arms:
            return None
        own = self._arms[number]
        assert own.meeting is not None
        own.meeting.wait()
        return own.samplers[compilation](calls)

    def drop(self, number: int) -> None:
        """Let go of an arm."""
        self._arms.pop(number, None)

    # ------------------------------------------------------------------------------ the peaks

    def prepare_peak(self, kind: peaks.Kind, count: int, dtype: str, length: int) -> None:
        """Get ready to time what shows a peak of the first `count` devices."""
        assert self._point is not None
        devices = self._point.prepared.devices.devices[:count]
        self._peak = None
        if any(device.process_index == jax.process_index() for device in devices):
            sample = peaks.sampler(kind, devices, jnp.dtype(dtype), length)
            self._peak = Meeting(devices), sample

    def sample_peak(self, calls: int) -> float | None:
        """Seconds per call in this process; None without a part in it."""
        if self._peak is None:
            return None
        meeting, sample = self._peak
        meeting.wait()
        return sample(calls)


# ------------------------------------------------------------------------------------ the leader's


def of_benchmark(number: int) -> Together:
    """The arms of a benchmark, or of what is tried once, in all processes."""
    return Together(f"{__name__}:Arms", number, Arms())


def begin(together: Together, point: Point, case: Case, benchmark: Benchmark) -> None:
    """Have all processes plan this point. Raises Diagnosed where one plans another."""
    together.own.adopt(point, case)
    if processes.several():
        mine, *others = together.step("begin", point.index, point.composition, benchmark)
        for process, given in enumerate(others, 1):
            processes.require_same(f"process {process}", mine, given)


def preparation(
    together: Together, arm: Arm, case: Case, placed: Placed
) -> Preparation | SharedPreparation:
    """What makes an arm ready: all processes that hold its devices, in step."""
    if len(arm.planned.processes) > 1:
        return SharedPreparation(together, arm)
    return Preparation(arm, case, placed)


class SharedPreparation:
    """The stages of one arm in all processes, in turn like those of a Preparation."""

    def __init__(self, together: Together, arm: Arm) -> None:
        self._together = together
        self._number = arm.planned.arm
        self._arm = arm
        together.step("prepare", self._number, arm.planned.strategy, arm.planned.devices)
        self._own: Preparation = together.own.preparation(self._number)

    @property
    def stages(self) -> Stages:
        return self._own.stages

    def stages_in_turn(self) -> Iterator[BenchStageName]:
        stage: BenchStageName | None = None
        while True:
            # What is sent to devices is computed by all processes, or by none.
            computes = stage in ("placing", "first call")
            stage = self._together.step("advance", self._number, communicates=computes)[0]
            if stage is None:
                return
            yield stage

    def compiled_again(self) -> Iterator[BenchStageName]:
        self._together.step("compile_again", self._number, self._own.further)
        while stage := self._together.step("advance", self._number, communicates=True)[0]:
            yield stage

    def result(self) -> PreparedArm:
        ready = self._own.result()
        return dataclasses.replace(
            ready, arm=self._arm, output=None, shared=Shared(self._together, self._arm)
        )


class Shared:
    """What an arm that is ready in several processes gives, and how it is timed there."""

    def __init__(self, together: Together, arm: Arm) -> None:
        self._together = together
        self._arm = arm

    def collected(self) -> list[Any]:
        """The leaves of its first output, the batch leading, added examples left out."""
        setup, planned = self._arm.setup, self._arm.planned
        leaves: Leaves = self._together.step("gather", planned.arm, communicates=True)[0]
        rows = setup.case.batch - planned.padded if planned.padded else None
        return [FarLeaf(leaf, rows) for _, leaf in leaves]

    def samplers(self, compilations: int, *, throughput: bool) -> list[Sampler]:
        number = self._arm.planned.arm
        self._together.step("time", number, throughput, communicates=True)
        return [self._together.sampler("sample", number, k) for k in range(compilations)]

    def drop(self) -> None:
        """Let go of the arm in all processes."""
        self._together.step("drop", self._arm.planned.arm)
