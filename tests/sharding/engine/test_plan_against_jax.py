"""Where a plan says that arrays lie is where bare JAX lays them out."""

from __future__ import annotations

from collections.abc import Iterator

import jax
import pytest

from jaxtui.session.session import Sharding
from jaxtui.sharding.engine.plan import plan_of
from tests.support.bare_sharding import (
    ShardedCase,
    in_part_of_an_axis,
    intermediates,
    partitioned_by_shardy,
    planned_intermediates,
    spec_of,
    typed,
    untold,
    without_trailing,
)
from tests.support.sharded_programs import PROGRAMS, parameters
from tests.support.tables import one_in


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


def test_the_table_has_many_programs() -> None:
    assert len({case.name for case in PROGRAMS}) == len(PROGRAMS) >= 300


@pytest.mark.parametrize("case", one_in(2, parameters()))
def test_every_array_lies_where_jax_lays_it(case: ShardedCase) -> None:
    plan = plan_of(case.composition, Sharding())
    assert not plan.unplanned
    function, given, mesh = case.bare()
    planned = dict(enumerate(planned_intermediates(plan)))
    skipped = {number for number, array in planned.items() if untold(array)}
    with case.context(mesh):
        told, asked = intermediates(function, given, skipped)
        compiled = jax.jit(function).lower(*given).compile()
    assert told == {number: planned[number] for number in sorted(asked)}
    leaves = zip(plan.outputs, jax.tree.leaves(compiled.output_shardings), strict=True)
    for planned_output, sharding in leaves:
        if not in_part_of_an_axis(planned_output.spec):
            wanted = without_trailing(spec_of(sharding, 0))
            assert without_trailing(planned_output.spec) == wanted


@pytest.mark.parametrize("case", parameters([case for case in PROGRAMS if case.is_explicit]))
def test_every_array_lies_as_its_type_says(case: ShardedCase) -> None:
    plan = plan_of(case.composition, Sharding())
    function, given, mesh = case.bare()
    with case.context(mesh):
        assert planned_intermediates(plan) == typed(function, given)
