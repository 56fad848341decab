"""Every array and every collective of a real plan has its place in the flow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from jaxtui.session.session import Sharding
from jaxtui.sharding.columns import Columns
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.flow import Flow, ScopeGroup
from jaxtui.sharding.words import text_of
from tests.support.bare_sharding import ShardedCase, partitioned_by_shardy
from tests.support.sharded_programs import parameters


@pytest.fixture(autouse=True)
def _shardy() -> Iterator[None]:
    with partitioned_by_shardy():
        yield


@pytest.mark.parametrize("case", parameters())
def test_each_stands_on_one_row_and_a_folded_scope_tells_of_its_collectives(
    case: ShardedCase,
) -> None:
    plan = plan_of(case.composition, Sharding())
    flow = Flow(plan)
    opened = flow.rows({key for key, unfolded in flow.folds() if not unfolded})
    kinds = Counter(row.kind for row in opened)
    assert sorted(row.at for row in opened if row.kind == "value") == list(range(len(plan.values)))
    assert kinds["input"] == len(plan.inputs)
    assert kinds["output"] == len(plan.outputs)
    folded = flow.rows()
    shown = [row.at for row in folded if row.kind == "collective"]
    told = [
        number
        for row in folded
        if isinstance(row.part, ScopeGroup) and not row.opened
        for number in row.part.collectives
    ]
    assert sorted([*shown, *told]) == list(range(len(plan.collectives)))
    columns = Columns(flow, 78)
    assert all(len(text_of(columns.row(row))) <= 78 for row in (*opened, *folded))
