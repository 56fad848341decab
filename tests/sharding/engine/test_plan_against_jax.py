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
    without_trailing,
)
from tests.support.sharded_programs import PROGRAMS


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in PROGRAMS])
def test_every_array_lies_where_jax_lays_it(case: ShardedCase) -> None:
    plan = plan_of(case.composition, Sharding())
    assert not plan.unplanned
    function, given, mesh = case.bare()
    planned = dict(enumerate(planned_intermediates(plan)))
    parts = {number for number, (_, _, spec) in planned.items() if in_part_of_an_axis(spec)}
    with case.context(mesh):
        told = intermediates(function, given, parts)
        compiled = jax.jit(function).lower(*given).compile()
    assert {n: v for n, v in planned.items() if n not in parts} == told
    leaves = zip(plan.outputs, jax.tree.leaves(compiled.output_shardings), strict=True)
    for planned_output, sharding in leaves:
        if not in_part_of_an_axis(planned_output.spec):
            wanted = without_trailing(spec_of(sharding, 0))
            assert without_trailing(planned_output.spec) == wanted
