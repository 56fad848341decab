"""Other ways to compute what a program computes, each run once and held against its result.

What a vmap or a pmap means is what a loop over the examples gives; here that is seen on the
program itself.
"""

from __future__ import annotations

import functools
import itertools
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
from jax import tree_util

from jaxtui.benchmark.engine import arms, comparison, sensitivity
from jaxtui.benchmark.engine.case import case_of
from jaxtui.benchmark.engine.comparison import Leaves
from jaxtui.benchmark.engine.plan import Arm, Point, plan_point
from jaxtui.benchmark.engine.preparing import Placed, computed_case, why
from jaxtui.benchmark.engine.strategies.layouts import Case
from jaxtui.benchmark.engine.strategies.table import on_host
from jaxtui.benchmark.engine.together import Together
from jaxtui.engine_base import processes
from jaxtui.engine_base.errors import GivenUp
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import evaluation
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.shapes import refuse_abstract
from jaxtui.results.engine.gathering import FarLeaf, Gathered
from jaxtui.session.session import Benchmark
from jaxtui.wire.base import Composition

SAME = "the same, bit for bit"
ROUNDING = "the same but for rounding"
_numbers = itertools.count(-1, -1)  # of what is tried; those of benchmarks are of their requests


def text(
    composition: Composition, on_stage: Callable[[str], None], cancelled: Callable[[], bool]
) -> str:
    """Each strategy with what its result is against the program's, then each as Python.

    Raises Diagnosed when the program has no batch that strategies could be run over, and GivenUp
    when `cancelled()` turned true between two of them.
    """
    # What the function prints was seen when the program ran.
    with rehearsal():
        point = _planned(composition)
        leaves = evaluation.run(composition, lambda stage: None, cancelled).leaves
        case = computed_case(point)
        together = arms.of_benchmark(next(_numbers))
        try:
            arms.begin(together, point, case, _asked(_devices(point)))
            tried = _Tried(together, case, point, [_leaf(leaf) for _, leaf in leaves])
            verdicts = []
            for arm in _arms(point):
                if cancelled():
                    raise GivenUp
                on_stage("comparing")
                verdicts.append(tried.verdict(arm))
        finally:
            together.end()
    return "\n".join(_lines(point, verdicts))


def _planned(composition: Composition) -> Point:
    """The strategies, those over several devices on as many as divide the batch."""
    prepared = prepare(composition)
    shapes = evaluation.trace_prepared(prepared)
    refuse_abstract(shapes, "to compute the same in other ways")
    batch = case_of(prepared, [value.tree for value in shapes.values]).batch
    count = len(prepared.devices.devices)
    dividing = max(n for n in range(1, count + 1) if batch % n == 0)
    return plan_point(0, {}, composition, _asked(dividing))


def _asked(devices: int) -> Benchmark:
    return Benchmark(devices=[devices])


def _devices(point: Point) -> int:
    return max(arm.planned.devices for arm in point.arms)


def _arms(point: Point) -> list[Arm]:
    return [arm for arm in point.arms if arm.planned.role != "control"]


def _leaf(leaf: Any) -> Any:
    """A leaf of the result on the host, or to be read in parts if other processes hold some."""
    return FarLeaf(leaf) if isinstance(leaf, Gathered) else on_host(leaf)


class _Tried:
    """The ways that are tried, and what the program gave: `expected`."""

    def __init__(self, together: Together, case: Case, point: Point, expected: Leaves) -> None:
        self._together = together
        self._case = case
        self._point = point
        self._expected = expected
        self._placed: Placed = {}
        self._rounding = Rounding(point, case)

    def verdict(self, arm: Arm) -> str:
        """How the strategy's result compares with the program's, in words."""
        if arm.planned.skipped is not None:
            return arm.planned.skipped
        try:
            preparation = arms.preparation(self._together, arm, self._case, self._placed)
            for _ in preparation.stages_in_turn():
                pass
            ready = preparation.result()
            said = self._said(ready.collected())
            if ready.shared is not None:
                ready.shared.drop()
        except BaseException as error:  # also SystemExit: the user's code may call exit()
            return why(error)
        return said

    def _said(self, found: Leaves) -> str:
        expected = self._expected
        said = compared(expected, found, self._point)
        alike = [leaf.shape for leaf in expected] == [leaf.shape for leaf in found]
        if said.startswith("NOT") and alike:
            return self._rounding.explains(expected, found) or said
        return said


def compared(expected: Leaves, found: Leaves, point: Point) -> str:
    """`the same, bit for bit`, or how far apart the two are."""
    if [leaf.shape for leaf in expected] != [leaf.shape for leaf in found]:
        return f"other shapes: {[leaf.shape for leaf in found]}"
    if not comparison.compared(expected, found, longest=1, exact=True, epsilon=0.0).wrong:
        return SAME
    correct = point.compared(expected, found)
    if correct.wrong:
        return f"NOT the same: {comparison.words(correct)}"
    return f"{ROUNDING}, at most {correct.max_ulp:.2g} eps of the largest"


class Rounding:
    """Whether a difference is one that the program makes of rounding.

    The program runs for it once, when it is first asked; of several processes, with its arguments
    in `case`, the first runs all of the batch.
    """

    def __init__(self, point: Point, case: Case | None = None) -> None:
        self._point = point
        self._case = case

    @functools.cached_property
    def _moves(self) -> list[float] | None:
        longest = self._point.reference.work.longest
        try:
            if processes.several() and self._case is not None:
                return sensitivity.moves_of(*_vmapped(self._case), longest)
            return sensitivity.moves(self._point.shapes, longest)
        except Exception:  # what a callback of the user's raises for what it was not given
            return None

    def explains(self, expected: Leaves, found: Leaves) -> str:
        """How a difference comes from rounding, in words; "" where it does not."""
        apart = [
            max((sensitivity.distance(x, y) for x, y in comparison.parts(a, b)), default=0.0)
            for a, b in zip(expected, found, strict=True)
        ]
        moves = self._moves
        if (
            moves is None
            or len(moves) != len(apart)
            or any(d > 2 * m for d, m in zip(apart, moves, strict=True))
        ):
            return ""
        enlarged = sensitivity.enlarging(self._point.shapes.jaxpr)
        return (
            f"{ROUNDING}, which this function enlarges ({enlarged}): it differs by up to "
            f"{max(apart):.2g}, and moves as far when its operations round otherwise"
        )


def _vmapped(case: Case) -> tuple[Any, list[Any]]:
    """The function over its batch as a closed jaxpr, and its arguments."""
    mapped = jax.vmap(case.function, in_axes=case.in_axes, axis_name=case.axis_name)
    return jax.make_jaxpr(mapped)(*case.structs), tree_util.tree_leaves(case.args)


def _lines(point: Point, verdicts: Sequence[str]) -> Iterator[str]:
    case, arms = point.case, _arms(point)
    yield f"{case.name} over a batch of {case.batch}: other ways, held against the result"
    if processes.several():
        yield "Ways on one device run in process 0 alone."
    yield ""
    names = [_name(arm) for arm in arms]
    width = max(map(len, names))
    skipped = [arm.planned.skipped for arm in arms]
    shared_by = {said for said in skipped if said is not None and skipped.count(said) > 1}
    for name, verdict in zip(names, verdicts, strict=True):
        if verdict not in shared_by:
            yield f"{name:{width}}  {verdict}"
    for said in dict.fromkeys(found for found in skipped if found in shared_by):
        ways = [name for name, found in zip(names, skipped, strict=True) if found == said]
        yield f"{f'{len(ways)} ways cannot':{width}}  {said}: {', '.join(ways)}"
    yield ""
    yield "And as Python, given the function and its arguments:"
    # What each begins with stands here once.
    shared = "\n".join(case.definitions)
    if shared:
        yield ""
        yield shared.rstrip()
    for arm, name in zip(arms, names, strict=True):
        if arm.planned.python and arm.planned.skipped is None:
            yield ""
            yield f"# {name}: {arm.strategy.title}"
            yield textwrap.dedent(arm.planned.python.removeprefix(shared).lstrip("\n"))


def _name(arm: Arm) -> str:
    count = arm.planned.devices
    if not arm.strategy.multi:
        return arm.planned.strategy
    return f"{arm.planned.strategy}, {count} device{'s' if count > 1 else ''}"
