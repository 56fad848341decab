"""What a benchmark would time: its points, its arms, and why some of them must not run.

Everything here is traced only: every strategy has to give the same shapes with the same number of
operations, and to fit in memory, before anything is computed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import msgspec
from jax import tree_util

from jaxtui.benchmark.engine import comparison, operations
from jaxtui.benchmark.engine.case import case_of
from jaxtui.benchmark.engine.comparison import Leaves
from jaxtui.benchmark.engine.operations import OperationCount
from jaxtui.benchmark.engine.request import check, device_counts, notes, sweep
from jaxtui.benchmark.engine.strategies.layouts import SPLIT, Case, Setup
from jaxtui.benchmark.engine.strategies.table import BASELINE, DEFAULT, TABLE, Strategy, fitting
from jaxtui.benchmark.engine.together import processes_of
from jaxtui.engine_base import failures
from jaxtui.engine_base.devices import available_memory
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.memory import byte_size
from jaxtui.program.engine import evaluation
from jaxtui.program.engine.prepared import Prepared, prepare
from jaxtui.program.engine.shapes import Shapes, refuse_abstract
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import BENCHMARK, PROGRAM
from jaxtui.session.session import Benchmark
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import BenchPlanned, PlanBench
from jaxtui.wire.benchmark_report import Correct, Parameter, PlannedArm, PlannedPoint, StrategyInfo

SAME = 1.05  # the most that two strategies' operations may differ by
WARN, REFUSE = 0.5, 0.8  # of the memory that is available

_UNBOUND = re.compile(r"unbound axis name:? *(\w+)")


@dataclass(frozen=True)
class Reference:
    """What every strategy has to compute: the work, and the shapes with the batch leading.

    `one_by_one` are the operations of all examples apart, in which what does not depend on the
    example is done anew for each. `bytes` are those of all inputs and outputs, the least that has
    to be moved.
    """

    work: OperationCount
    one_by_one: int
    shapes: list[tuple[tuple[int, ...], Any]]
    paths: list[str]
    bytes: int


@dataclass
class Arm:
    """A strategy on its devices, as planned. `setup` holds shapes until the values are computed."""

    strategy: Strategy
    setup: Setup
    planned: PlannedArm

    @property
    def runs(self) -> bool:
        return self.planned.skipped is None

    def change(self, **changes: Any) -> None:
        self.planned = msgspec.structs.replace(self.planned, **changes)

    def skip(self, reason: str, fixes: list[Fix] | None = None) -> None:
        self.change(skipped=reason, fixes=fixes or [])


@dataclass
class Point:
    """One value of the sweep, planned."""

    index: int
    parameters: dict[str, Parameter]
    composition: Composition
    prepared: Prepared
    shapes: Shapes
    case: Case
    reference: Reference
    arms: list[Arm]

    @property
    def planned(self) -> PlannedPoint:
        return PlannedPoint(
            point=self.index,
            parameters=self.parameters,
            batch=self.case.batch,
            arms=[arm.planned for arm in self.arms],
        )

    def compared(self, expected: Leaves, found: Leaves) -> Correct:
        """Count the elements of `found` that are wrong, given the `expected` outputs."""
        work = self.reference.work
        dtypes = [leaf.dtype for leaf in (*tree_util.tree_leaves(self.case.structs), *expected)]
        return comparison.compared(
            expected,
            found,
            longest=work.longest,
            # Nothing is computed on floating-point numbers, so that all bits must agree.
            exact=work.floating == 0,
            epsilon=comparison.epsilon_of(dtypes, work.longest),
        )


# ------------------------------------------------------------------------------------- the request


def plan(request: PlanBench) -> BenchPlanned:
    """The plan of every point; a failure of the request as a whole is its `diagnosis`."""
    planned: list[PlannedPoint] = []
    found: list[str] = []
    failure = None
    try:
        check(request.benchmark, request.composition)
        found = notes(request.composition)
        for index, parameters in enumerate(sweep(request.benchmark)):
            try:
                point = plan_point(index, parameters, request.composition, request.benchmark)
                planned.append(point.planned)
            except Diagnosed as error:
                planned.append(failed_point(index, parameters, error.diagnosis))
    except Diagnosed as error:
        failure = error.diagnosis
    return BenchPlanned(
        id=request.id,
        strategies=[
            StrategyInfo(name=s.name, title=s.title, multi=s.multi, by_default=s.by_default)
            for s in TABLE.values()
        ],
        points=planned,
        notes=found,
        diagnosis=failure,
    )


def failed_point(index: int, parameters: dict[str, Parameter], failure: Diagnosis) -> PlannedPoint:
    """A point at which nothing can be timed, because of `failure`."""
    return PlannedPoint(point=index, parameters=parameters, batch=0, arms=[], error=failure)


# ---------------------------------------------------------------------------------------- a point


def plan_point(
    index: int, parameters: dict[str, Parameter], composition: Composition, benchmark: Benchmark
) -> Point:
    """Trace every strategy at one value of the sweep. Raises Diagnosed when it cannot be timed."""
    here = msgspec.structs.replace(composition, swept=parameters)
    prepared = prepare(here)
    counts = device_counts(benchmark, len(prepared.devices.devices))
    shapes = evaluation.trace_prepared(prepared)
    refuse_abstract(shapes, "a benchmark")
    case = case_of(prepared, [value.tree for value in shapes.values])
    reference = _reference(case, meshed=prepared.devices.in_context != "never")
    arms = [
        _planned_arm(strategy, count, case, prepared, benchmark)
        for strategy in map(TABLE.__getitem__, benchmark.strategies or DEFAULT)
        for count in (counts if strategy.multi else [1])
    ]
    for arm in arms:
        if arm.runs:
            _require_same(arm, reference)
    _require_fitting(arms)
    point = Point(index, parameters, here, prepared, shapes, case, reference, arms)
    choose_baseline(point, benchmark)
    return point


def _reference(case: Case, *, meshed: bool) -> Reference:
    """What the strategies are compared with; `meshed` programs were traced with a mesh in context,
    which strategies do not have: each lays the devices out in its own way."""
    mapped = jax.vmap(case.function, in_axes=case.in_axes, axis_name=case.axis_name)
    try:
        jaxpr, output = jax.make_jaxpr(mapped, return_shape=True)(*case.structs)
    except BaseException as error:  # also SystemExit: the user's code may call exit()
        words = failures.describe(error)
        if meshed:
            words = (
                "each strategy lays the devices out in its own way, so that the session's mesh is "
                f"not in context, and this function needs it: {words}"
            )
        raise diagnosed("function", PROGRAM, words) from error
    given = tree_util.tree_leaves(case.structs)
    size = sum(byte_size(x) for x in (*given, *jaxpr.out_avals))
    return Reference(
        work=operations.work(jaxpr.jaxpr),
        one_by_one=_one_by_one(case),
        shapes=[(tuple(aval.shape), aval.dtype) for aval in jaxpr.out_avals],
        paths=[tree_util.keystr(p) for p, _ in tree_util.tree_flatten_with_path(output)[0]],
        bytes=size,
    )


def _one_by_one(case: Case) -> int:
    structs = jax.eval_shape(lambda *args: case.example(args, 0), *case.structs)
    # One that speaks to the other examples speaks to them on their devices.
    others = None if case.axis_name is None else [(case.axis_name, case.batch)]
    try:
        jaxpr = jax.make_jaxpr(case.function, axis_env=others)(*structs)
    except BaseException:  # also SystemExit; it cannot be done alone
        return 0
    return operations.work(jaxpr.jaxpr).operations * case.batch


def _planned_arm(
    strategy: Strategy, count: int, case: Case, prepared: Prepared, benchmark: Benchmark
) -> Arm:
    devices = prepared.devices.devices[:count]
    planned = PlannedArm(
        arm=0, strategy=strategy.name, devices=count, processes=processes_of(devices)
    )
    arm = Arm(strategy, Setup(case, devices), planned)
    if planned.processes and 0 not in planned.processes:
        arm.skip("of several processes the first has to take part: none of these devices is its")
        return arm
    if strategy.layout is SPLIT and not arm.setup.even:
        arm.skip("a pmap needs as many devices of each process, one process after the other")
        return arm
    missing = -case.batch % count
    if missing and not benchmark.pad:
        below, above = fitting(case, count)
        sizes = f"{below} and {above} do" if below else f"{above} does"
        arm.skip(
            f"{count} devices do not divide a batch of {case.batch}: {sizes}, or `pad` it",
            [Fix(label="fill the batch up", field=BENCHMARK / "pad", text="true")],
        )
    elif missing:
        arm.setup = Setup(case.padded(case.batch + missing), devices)
        arm.change(padded=missing)
    if arm.runs:
        arm.change(python=strategy.python(arm.setup))
    return arm


def _require_same(arm: Arm, reference: Reference) -> None:
    """Skip an arm that does not compute what the others do, and say what it does instead."""
    strategy, setup = arm.strategy, arm.setup
    try:
        built = strategy.build(setup)
        closed, output = jax.make_jaxpr(built.whole or built.step or built.call, return_shape=True)(
            *strategy.structs(setup)
        )
        shapes = strategy.output_shapes(setup, output)
    except BaseException as error:  # also SystemExit: the user's code may call exit()
        arm.skip(_in_words(error))
        return
    calls = strategy.calls(setup)
    done = operations.work(closed.jaxpr).times(calls)
    examples = setup.case.batch / (setup.case.batch - arm.planned.padded)
    wanted = reference.work.operations * examples
    ratio = done.operations / wanted if wanted else (1.0 if not done.operations else float("inf"))
    held = operations.peak_bytes(closed.jaxpr)
    if strategy.per_example:
        # The other examples' inputs and outputs lie there meanwhile.
        held += (calls - 1) * sum(byte_size(aval) for aval in (*closed.in_avals, *closed.out_avals))
    arm.change(
        operations=ratio,
        flops=reference.work.floating,
        bytes=reference.bytes,
        memory=held,
    )
    wrong = _shapes_differ(shapes, reference, setup.case.batch, arm.planned.padded)
    most = max(1.0, reference.one_by_one / reference.work.operations) if wanted else 1.0
    if wrong or not 1 / SAME <= ratio <= SAME * most:
        arm.skip(_not_the_same(arm, wrong, ratio))
    elif ratio > SAME:
        arm.change(
            warning=f"takes {ratio:.3g} × the operations: what is the same for every example is "
            "done anew for each"
        )


def _shapes_differ(
    shapes: Sequence[tuple[tuple[int, ...], Any]], reference: Reference, batch: int, padded: int
) -> str:
    expected = [
        ((batch, *shape[1:]) if padded else shape, dtype) for shape, dtype in reference.shapes
    ]
    for (shape, dtype), (wanted, wanted_dtype) in zip(shapes, expected, strict=False):
        if shape != wanted or dtype != wanted_dtype:
            return f"gives {dtype}{list(shape)} where {wanted_dtype}{list(wanted)} is meant"
    if len(shapes) != len(expected):
        return f"gives {len(shapes)} arrays where {len(expected)} are meant"
    return ""


def _not_the_same(arm: Arm, shapes: str, ratio: float) -> str:
    said = [shapes] if shapes else []
    if not 1 / SAME <= ratio <= SAME:  # of shapes that differ it says the more
        said.append(f"takes {ratio:.3g} × the operations")
    if arm.planned.memory is not None and ratio > 2:
        said.append(f"holds {quantities.size(arm.planned.memory)} at once")
    meant = arm.strategy.mistake
    return f"not the same computation: {', '.join(said)}{f'. {meant}' if meant else ''}"


def _in_words(error: BaseException) -> str:
    if isinstance(error, NameError) and (found := _UNBOUND.search(str(error))):
        return (
            f"the function speaks to the other examples of the batch (over {found[1]}), which "
            "this does not keep together"
        )
    return failures.describe(error)


def _require_fitting(arms: list[Arm]) -> None:
    """Skip what would not fit beside the others' inputs, and warn of what nearly would not."""
    available = available_memory()
    if available is None:
        return
    for arm in arms:
        if not arm.runs or arm.planned.memory is None:
            continue
        needed = per_memory(arm, arm.planned.memory)
        others = _inputs_of_others(arm, arms)
        share = (needed + others) / max(1, available)
        words = f"{quantities.size(needed)}, beside {quantities.size(others)} of the others' inputs"
        if share > REFUSE:
            arm.skip(f"does not fit: needs {words}; {quantities.size(available)} is free")
        elif share > WARN:
            arm.change(warning=f"needs {words} of {quantities.size(available)} that is free")


def per_memory(arm: Arm, size: int) -> int:
    """Bytes in one memory of `size` on all the arm's devices: virtual devices share theirs."""
    return size if jax.default_backend() == "cpu" else size // arm.planned.devices


def _inputs_of_others(arm: Arm, arms: list[Arm]) -> int:
    """Strategies of one layout share their inputs."""
    seen = {input_key(arm)}
    total = 0
    for other in arms:
        key = input_key(other)
        if other.runs and key not in seen:
            seen.add(key)
            given = tree_util.tree_leaves(other.setup.case.structs)
            total += per_memory(other, sum(byte_size(leaf) for leaf in given))
    return total


def input_key(arm: Arm) -> tuple[str, int, int]:
    """Arms with the same key have the same inputs on the same devices."""
    return (arm.strategy.layout.name, arm.setup.count, arm.setup.case.batch)


def choose_baseline(point: Point, benchmark: Benchmark) -> None:
    """Give the roles, and the baseline's second arm its place at the end.

    The baseline is the one asked for, else `jit(vmap)`, else `vmap`, else the first that runs.
    """
    arms = [arm for arm in point.arms if arm.planned.role != "control"]
    wanted = [benchmark.baseline, BASELINE, "vmap", *(arm.planned.strategy for arm in arms)]
    running = [arm for arm in arms if arm.runs]
    baseline = next(
        (arm for name in wanted for arm in reversed(running) if arm.planned.strategy == name), None
    )
    for index, arm in enumerate(arms):
        arm.change(arm=index, role="baseline" if arm is baseline else "strategy")
    if baseline is not None:
        again = msgspec.structs.replace(baseline.planned, arm=len(arms), role="control")
        arms.append(Arm(baseline.strategy, baseline.setup, again))
    point.arms = arms
