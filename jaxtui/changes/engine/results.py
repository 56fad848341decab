"""Two kept results, leaf by leaf, and whether what differs is more than rounding."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from jax import tree_util

from jaxtui.benchmark.engine import comparison, operations, sensitivity
from jaxtui.changes.engine.differences import Difference, difference
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine.cost import elements_touched
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.shapes import Shapes
from jaxtui.results.engine.cells import nested
from jaxtui.results.engine.store import KeptLeaf, ResultStore, assemble, reading
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import LeafChange, LeafType, Verdict
from jaxtui.wire.changes import CompareResults, ResultsCompared

# A program is run with its operations rounded at random if it touches so many elements at most, in
# so many operations: each of these is run by itself, some times over.
MOST_ELEMENTS, MOST_OPERATIONS = 1_000_000, 500


def compared(
    request: CompareResults,
    store: ResultStore,
    on_stage: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> ResultsCompared:
    """Compare two results. Raises Diagnosed if one is no longer kept, and GivenUp if cancelled."""
    on_stage("comparing")
    now = {leaf.path: (number, leaf) for number, leaf in enumerate(store.leaves(request.result))}
    before = {leaf.path: leaf for leaf in store.leaves(request.before)}
    rounding = _Rounding(request.composition)
    changes = []
    for path in [*before, *(path for path in now if path not in before)]:
        number, leaf = now.get(path, (0, None))
        changes.append(_change(path, before.get(path), leaf, number, rounding, cancelled))
    return ResultsCompared(id=request.id, leaves=changes)


def _type(leaf: KeptLeaf | None) -> LeafType | None:
    return None if leaf is None else LeafType(leaf.dtype, list(leaf.shape))


def _change(
    path: str,
    before: KeptLeaf | None,
    now: KeptLeaf | None,
    number: int,
    rounding: _Rounding,
    cancelled: Callable[[], bool],
) -> LeafChange:
    tell = functools.partial(LeafChange, path=path, before=_type(before), now=_type(now))
    if before is None or now is None:
        return tell(verdict="added" if before is None else "removed")
    if before.shape != now.shape:
        return tell(verdict="other")
    try:
        with reading(before), reading(now):
            found = difference(before, now, cancelled)
            if found is None:
                why = "other processes hold a part of it"
                return tell(verdict="unknown", count=now.size, why=why)
            values = _values_at(found, before, now)
    except Diagnosed as error:
        return tell(verdict="unknown", count=now.size, why=error.diagnosis.message)
    verdict, bound, why = rounding.verdict(found, before, now, number)
    return tell(
        verdict=verdict,
        count=now.size,
        differing=found.differing,
        distance=_finite(found.distance) if found.differing and now.sort not in _TEXTS else None,
        relative=found.relative if found.relative else None,
        at=None if found.at is None else list(found.at),
        nan_before=found.nan_before,
        nan_now=found.nan_now,
        bound=bound,
        why=why,
        **values,
    )


_TEXTS = ("key", "text")


def _finite(distance: float) -> float | str:
    return distance if math.isfinite(distance) else "inf"


def _values_at(found: Difference, before: KeptLeaf, now: KeptLeaf) -> dict[str, Any]:
    """The elements where the distance is largest."""
    if found.at is None:
        return {}
    index = tuple((i, i + 1) for i in found.at)
    values = {}
    for name, leaf in (("value_before", before), ("value_now", now)):
        element = assemble(leaf.parts, index)
        value = None if element is None else nested(element, leaf.sort)
        for _ in leaf.shape:
            value = value[0] if value is not None else None
        values[name] = value
    return values


class _Rounding:
    """What rounding may do to the results of a program, which is traced when it is first asked."""

    def __init__(self, composition: Composition) -> None:
        self._composition = composition

    def verdict(
        self, found: Difference, before: KeptLeaf, now: KeptLeaf, number: int
    ) -> tuple[Verdict, float | None, str]:
        """The verdict on the leaf `number` of the results now, the distance that rounding may make,
        and more about it in words."""
        if before.dtype != now.dtype:
            return "other", None, ""
        if not found.differing:
            return "same", None, ""
        inexact = {"float", "complex"}
        shapes = self._shapes if {before.sort, now.sort} <= inexact else None
        if shapes is None or shapes.jaxpr is None or not math.isfinite(found.distance):
            return "differs", None, ""
        bound = self._bound(shapes, found.scale, (before.dtype, now.dtype))
        if found.distance <= bound:
            return "rounding", bound, ""
        if not bound:
            return "differs", None, ""
        moves = self._moves
        if moves is not None and number < len(moves) and found.distance <= 2 * moves[number]:
            return "enlarged", 2 * moves[number], sensitivity.enlarging(shapes.jaxpr)
        return "differs", bound, ""

    @functools.cached_property
    def _shapes(self) -> Shapes | None:
        try:
            with rehearsal():
                return trace_prepared(prepare(self._composition))
        except Diagnosed:  # a file that it runs is another one now
            return None

    def _bound(self, shapes: Shapes, scale: float, names: tuple[str, str]) -> float:
        """As the benchmark judges two ways to compute the same: 16 eps of the largest, times the
        root of the longest sum on the way; 0 where nothing is computed."""
        work = operations.work(shapes.jaxpr.jaxpr)
        if not work.floating:
            return 0.0
        given = tree_util.tree_leaves([value.tree for value in shapes.values])
        dtypes = [leaf.dtype for leaf in given if is_array(leaf)]
        epsilon = comparison.epsilon_of([*dtypes, *names], work.longest)
        return 16 * epsilon * scale * math.sqrt(work.longest)

    @functools.cached_property
    def _moves(self) -> list[float] | None:
        shapes = self._shapes
        if shapes is None or any(value.abstract for value in shapes.values):
            return None
        touched = elements_touched(shapes.jaxpr, [value.tree for value in shapes.values])
        count = sum(len(equations) for equations, _ in walk(shapes.jaxpr))
        if touched is None or touched > MOST_ELEMENTS or count > MOST_OPERATIONS:
            return None
        try:
            with rehearsal():
                return sensitivity.moves(shapes, operations.work(shapes.jaxpr.jaxpr).longest)
        except Exception:  # what a callback of the user's raises for what it was not given
            return None
