"""An arm made ready to be timed: placed, traced, lowered, compiled and called, each on a clock."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import jax
import msgspec
from jax import tree_util

from jaxtui.benchmark.engine import timing
from jaxtui.benchmark.engine.case import case_of
from jaxtui.benchmark.engine.comparison import Leaves
from jaxtui.benchmark.engine.plan import REFUSE, Arm, Point, input_key, per_memory
from jaxtui.benchmark.engine.strategies.layouts import Case
from jaxtui.benchmark.engine.timing import Sampler
from jaxtui.engine_base import failures
from jaxtui.engine_base.devices import available_memory
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.program.engine import expressions, input_placements, placing
from jaxtui.results.engine.blocks import whole
from jaxtui.results.engine.gathering import FarLeaf
from jaxtui.results.engine.store import ResultStore
from jaxtui.session.field_path import PROGRAM
from jaxtui.text import quantities
from jaxtui.wire.benchmark import BenchStageName
from jaxtui.wire.benchmark_report import Correct, Stages
from jaxtui.wire.report import LayerReport, ProgramReport

VALUES = 10_000  # elements of an output that are reported one by one
# Two compilations of one program differ by what lies where: by 1 to 2 %, constant in a process.
COMPILATIONS = 5
COMPILING_SECONDS = 2.0  # the most that the further ones of an arm may take together
LARGEST_PROGRAM = 1 << 24  # characters of StableHLO; its constants are held by each compilation


@dataclass
class PreparedArm:
    """An arm that can be timed, and what it returned the first time.

    `compiled` holds the same program so many times, each called as `call(*inputs)`; `samplers` are
    theirs. What is `shared` with other processes has no output of its own.
    """

    arm: Arm
    compiled: Sequence[Callable[..., Any]]
    inputs: tuple[Any, ...]
    output: Any
    stages: Stages
    stablehlo: str | None
    correct: Correct | None = None
    samplers: Sequence[Sampler] = ()
    calls: int = 1
    samples: list[float] = field(default_factory=list)
    shared: Shared | None = None

    @property
    def index(self) -> int:
        return self.arm.planned.arm

    def own_samplers(self, *, throughput: bool) -> list[Sampler]:
        """A sampler of each compilation, by the clock of this process alone."""
        return [
            timing.sampler(call, self.inputs, self.output, throughput=throughput)
            for call in self.compiled
        ]

    def ready_to_sample(self, *, throughput: bool) -> None:
        """Make the samplers, of all processes if it is shared, and let go of the output."""
        if self.shared is None:
            self.samplers = self.own_samplers(throughput=throughput)
        else:
            self.samplers = self.shared.samplers(len(self.compiled), throughput=throughput)
        self.output = None

    def collected(self) -> Leaves:
        """The first output, the batch leading, added examples left out: on the host, or to be read
        in parts if it is shared."""
        if self.shared is not None:
            return self.shared.collected()
        setup, padded = self.arm.setup, self.arm.planned.padded
        leaves = self.arm.strategy.collect(setup, self.output)
        return [leaf[: setup.case.batch - padded] for leaf in leaves] if padded else leaves


Placed = dict[tuple[str, int, int], tuple[tuple[Any, ...], float]]


class Shared(Protocol):
    """What is asked of an arm that several processes share."""

    def collected(self) -> Leaves: ...

    def samplers(self, compilations: int, *, throughput: bool) -> list[Sampler]: ...

    def drop(self) -> None: ...


class Preparation:
    """The stages of one arm. `placed` are the inputs so far, which arms of one layout share."""

    def __init__(self, arm: Arm, case: Case, placed: Placed) -> None:
        padded = arm.planned.padded
        full = case.padded(case.batch + padded) if padded else case
        arm.setup = replace(arm.setup, case=full)
        self.arm = arm
        self.stages = Stages()
        self._placed = placed
        self._built = arm.strategy.build(arm.setup)
        self._compiled = [self._built.call]
        self._inputs: tuple[Any, ...] = ()
        self._stablehlo: str | None = None
        self._most = 1
        self.output: Any = None

    def stages_in_turn(self) -> Iterator[BenchStageName]:
        """Yields each stage before it does it. Raises whatever JAX and the user's code raise."""
        yield "placing"
        self._place()
        if self._built.step is not None:
            yield from self._compile()
        yield "first call"
        self.output, seconds = _timed(
            lambda: jax.block_until_ready(self._built.call(*self._inputs))
        )
        self._took(first=seconds)

    @property
    def further(self) -> int:
        """How many further compilations take little time."""
        took = sum(x or 0.0 for x in (self.stages.trace, self.stages.lower, self.stages.compile))
        return min(self._most - 1, int(COMPILING_SECONDS / took)) if took else 0

    def compiled_again(self, times: int | None = None) -> Iterator[BenchStageName]:
        """After stages_in_turn(): compile it anew, `times` or as often as takes little time. Yields
        and raises as that does.

        What runs operation by operation is not compiled by its arm, so that it stays as it is.
        """
        if self._built.step is None:
            return
        given = self.arm.strategy.step_inputs(self.arm.setup, self._inputs)
        for _ in range(self.further if times is None else times):
            yield "compiling"
            built = self.arm.strategy.build(self.arm.setup)
            jax.block_until_ready(built.step(*given))
            self._compiled.append(built.call)

    def result(self) -> PreparedArm:
        return PreparedArm(
            arm=self.arm,
            compiled=self._compiled,
            inputs=self._inputs,
            output=self.output,
            stages=self.stages,
            stablehlo=self._stablehlo,
        )

    def _took(self, **seconds: float) -> None:
        self.stages = msgspec.structs.replace(self.stages, **seconds)

    def _place(self) -> None:
        key = input_key(self.arm)
        if key not in self._placed:
            place = self.arm.strategy.place
            self._placed[key] = _timed(lambda: jax.block_until_ready(place(self.arm.setup)))
        self._inputs, seconds = self._placed[key]
        self._took(place=seconds)

    def _compile(self) -> Iterator[BenchStageName]:
        step = self._built.step
        given = self.arm.strategy.step_inputs(self.arm.setup, self._inputs)
        if hasattr(step, "trace"):
            yield "tracing"
            traced, seconds = _timed(lambda: step.trace(*given))
            self._took(trace=seconds)
            yield "lowering"
            lowered, seconds = _timed(traced.lower)
        else:  # a pmap: its lowering traces as well
            yield "lowering"
            lowered, seconds = _timed(lambda: step.lower(*given))
        self._took(lower=seconds)
        text = lowered.as_text()
        self._stablehlo = hashlib.sha256(text.encode()).hexdigest()[:16]
        self._most = COMPILATIONS if len(text) <= LARGEST_PROGRAM else 1
        yield "compiling"
        compiled, seconds = _timed(lowered.compile)
        self._took(compile=seconds)
        self._require_fitting(compiled)

    def _require_fitting(self, compiled: Any) -> None:
        """Refuse, too, what XLA says will not fit. Raises Diagnosed."""
        analysis = compiled.memory_analysis()
        names = ("argument", "output", "temp")
        sizes = [getattr(analysis, f"{name}_size_in_bytes", 0) or 0 for name in names]
        needed = per_memory(self.arm, sum(sizes) * self.arm.planned.devices)
        available = available_memory()
        if available is not None and needed > REFUSE * available:
            words = f"needs {quantities.size(needed)}; {quantities.size(available)} is free"
            raise diagnosed("memory", PROGRAM, f"does not fit once compiled: {words}")


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


def why(error: BaseException) -> str:
    """Why an arm cannot be timed, in one line."""
    if isinstance(error, Diagnosed):
        return error.diagnosis.message
    if failures.out_of_memory(error):
        return f"does not fit: {failures.describe(error)}"
    return failures.describe(error)


def computed_case(point: Point) -> Case:
    """The point's case with its arguments computed. Raises Diagnosed at the value that fails."""
    prepared = point.prepared
    with jax.default_device(prepared.devices.first):
        values = []
        for index, argument in enumerate(prepared.composition.program.arguments):
            field = placing.value_field(index)
            with placing.for_value(argument.value, prepared.devices):
                values.append(expressions.concrete_value(argument.value, prepared.known, field))
        return case_of(prepared, values)


def _kept(leaf: FarLeaf) -> Any:
    """The leaf as a result is kept; of one with added examples what counts."""
    return leaf.gathered if leaf.rows is None else leaf.read(whole(leaf.shape))


def program_report(point: Point, baseline: PreparedArm) -> ProgramReport:
    """The program as `run` reports it, its output that of the baseline."""
    recorder = point.shapes.recorder
    depth = len(recorder.layers)
    leaves: list[Any] = tree_util.tree_leaves(baseline.output)
    if baseline.shared is not None:
        leaves = [_kept(leaf) for leaf in baseline.collected()]
    elif [tuple(leaf.shape) for leaf in leaves] != [s for s, _ in point.reference.shapes]:
        leaves = list(baseline.collected())
    store = ResultStore()
    store.keep(0, list(zip(point.reference.paths, leaves, strict=True)))
    levels = recorder.flow().levels
    return ProgramReport(
        function=recorder.function.name,
        inputs=input_placements.untold(recorder),  # each strategy places them in its own way
        layers=[
            LayerReport(
                transform=layer.transform,
                axis_size=levels[depth - layer.index].size,
                inside=recorder.inside(depth - layer.index),
            )
            for layer in recorder.layers
        ],
        outputs=store.outputs(0, VALUES),
    )
