"""The rows of a flow: which there are, in what order, and what folding leaves of them."""

from __future__ import annotations

import msgspec
import pytest

from jaxtui.sharding.flow import Flow, Row
from jaxtui.wire.sharding import Scope, ShardingPlan
from tests.support import made_plans as made


def told(plan: ShardingPlan, rows: list[Row]) -> list[str]:
    """Each row in short, indented by its depth."""
    found = []
    names = {
        "input": lambda row: f"in {plan.inputs[row.at].name}{plan.inputs[row.at].path}",
        "argument": lambda row: f"argument {row.part.label}",
        "results": lambda row: f"results {row.part.label}",
        "value": lambda row: plan.values[row.at].name or plan.values[row.at].op,
        "collective": lambda row: plan.collectives[row.at].kind,
        "scope": lambda row: f"scope {plan.scope_list[row.at].label}",
        "output": lambda row: f"out{plan.outputs[row.at].path}",
        "line": lambda row: f"line {row.part.number}",
    }
    for row in rows:
        name = names[row.kind](row)
        sign = {None: "", True: "v ", False: "> "}[row.opened]
        found.append(f"{'  ' * row.depth}{sign}{name}")
    return found


def opened(flow: Flow) -> list[Row]:
    return flow.rows({key for key, unfolded in flow.folds() if not unfolded})


def test_a_folded_line_shows_its_named_value_and_what_is_sent() -> None:
    plan = made.mlp()
    assert told(plan, Flow(plan).rows()) == [
        "in x",
        "in w1",
        "in w2",
        "> line 2",
        "  h",
        "line 3",
        "  dot_general",
        "  all_reduce",
        "out",
    ]


def test_what_a_layer_returns_is_the_output_and_not_what_the_last_line_made() -> None:
    plan = made.mlp()
    returned = made.value("", "jit", None, [8, 16], [["data"], []])
    plan = msgspec.structs.replace(plan, values=[*plan.values, returned], scopes=[*plan.scopes, -1])
    assert told(plan, Flow(plan).rows())[-4:] == [
        "> line 3",
        "  dot_general",
        "  all_reduce",
        "out",
    ]
    assert "  jit" in told(plan, opened(Flow(plan)))


def test_a_name_that_says_nothing_does_not_stand_for_its_line() -> None:
    plan = made.mlp()
    values = [
        msgspec.structs.replace(one, name="_") if one.line == 3 else one for one in plan.values
    ]
    plan = msgspec.structs.replace(plan, values=values)
    names = [row.at for row in Flow(plan).rows() if row.kind == "value"]
    assert [plan.values[at].op for at in names][-1] == "dot_general"


def test_an_opened_line_shows_every_value_and_the_call_in_it() -> None:
    plan = made.mlp()
    assert told(plan, opened(Flow(plan)))[3:8] == [
        "v line 2",
        "  dot_general",
        "  v scope relu",
        "    max",
        "  h",
    ]


def test_a_loop_is_a_row_around_its_lines_on_the_line_that_calls_it() -> None:
    plan = made.layers()
    rows = told(plan, Flow(plan).rows())
    assert rows == [
        "v argument params",
        "  in params['qkv']",
        "  in params['up']",
        "  in params['down']",
        "  in params['head']",
        "in x",
        "line 8",
        "  v scope scan",
        "    > line 3",
        "      a",
        "      all_reduce",
        "    line 4",
        "      x",
        "    > line 5",
        "      h",
        "    > line 6",
        "      all_reduce",
        "      add",
        "  x",
        "line 9",
        "  dot_general",
        "out",
    ]


def test_a_folded_loop_hides_all_that_is_in_it() -> None:
    plan = made.layers()
    flow = Flow(plan)
    (loop,) = [row for row in flow.rows() if row.kind == "scope"]
    folded = told(plan, flow.rows({loop.key}))
    assert folded[6:10] == ["line 8", "  > scope scan", "  x", "line 9"]


def test_what_is_sent_behind_the_last_value_of_a_loop_stands_in_it() -> None:
    plan = made.layers()
    # In front of the value behind the loop, and as often as the loop turns.
    moved = msgspec.structs.replace(plan, before=[3, 9])
    rows = told(moved, Flow(moved).rows())
    assert rows.index("      all_reduce", 12) < rows.index("  x")
    once = [*plan.collectives[:1], msgspec.structs.replace(plan.collectives[1], times=1)]
    outside = msgspec.structs.replace(moved, collectives=once)
    assert "  all_reduce" in told(outside, Flow(outside).rows())


def test_an_argument_of_many_arrays_is_folded_at_first() -> None:
    arrays = [made.array("p", [8], [[]], path=f"[{i}]") for i in range(100)]
    plan = made.mlp(inputs=arrays)
    rows = told(plan, Flow(plan).rows())
    assert rows[:2] == ["> argument p", "> line 2"]


def test_a_large_loop_is_folded_at_first_and_a_manual_call_is_not_hidden() -> None:
    plan = made.many(100)
    loop = msgspec.structs.replace(
        plan,
        scopes=[0] * 100,
        scope_list=[Scope(label="while", parent=-1, turns=None)],
        collectives=[],
        before=[],
    )
    assert told(loop, Flow(loop).rows()) == ["in v0", "line 1", "  > scope while", "out"]
    manual = made.mlp(
        scope_list=[Scope(label="shard_map", parent=-1, turns=1, manual=True)],
    )
    assert "  v scope shard_map" in told(manual, Flow(manual).rows())


def test_a_plan_of_ten_thousand_values_has_a_row_for_each_line_and_value() -> None:
    rows = Flow(made.many(10_000)).rows()
    assert len([row for row in rows if row.kind == "value"]) == 10_000
    assert len([row for row in rows if row.kind == "line"]) == 10_000
    assert len([row for row in rows if row.kind == "collective"]) == 100
    assert len({row.key for row in rows}) == len(rows)


@pytest.mark.parametrize("plan", [made.mlp(), made.layers(), made.many(50)])
def test_keys_are_those_of_the_same_program_on_another_mesh(plan: ShardingPlan) -> None:
    other = msgspec.structs.replace(plan, mesh=dict.fromkeys(plan.mesh, 64))
    assert [row.key for row in Flow(plan).rows()] == [row.key for row in Flow(other).rows()]


@pytest.mark.parametrize(
    "changes",
    [{"scopes": [7, 0, -1, -1]}, {"scopes": []}],
)
def test_indices_that_lead_nowhere_are_refused(changes: dict[str, list[int]]) -> None:
    with pytest.raises(IndexError):
        Flow(made.mlp(**changes))


def test_scopes_that_lie_in_each_other_end() -> None:
    around = [Scope(label="a", parent=1, turns=1), Scope(label="b", parent=0, turns=1)]
    plan = made.mlp(scopes=[0, 1, 0, 1], scope_list=around)
    assert len(opened(Flow(plan))) >= 4


def test_the_arrays_of_a_tree_fold_by_their_paths_at_each_level() -> None:
    plan = made.tree(2)
    assert told(plan, Flow(plan).rows())[:10] == [
        "v argument params",
        "  v argument ['layers']",
        "    v argument [0]",
        "      in params['layers'][0]['bias']",
        "      in params['layers'][0]['kernel']",
        "    v argument [1]",
        "      in params['layers'][1]['bias']",
        "      in params['layers'][1]['kernel']",
        "  in params['head']",
        "out",
    ]


def test_a_large_tree_and_as_many_outputs_are_folded_and_opened_level_by_level() -> None:
    plan = made.tree(100, outputs=True)
    flow = Flow(plan)
    assert told(plan, flow.rows()) == [
        "> argument params",
        "> results ['layers']",
        "out['head']",
    ]
    first = flow.rows()[0].key
    layers = flow.rows({first})[1]
    rows = told(plan, flow.rows({first, layers.key}))
    assert rows[:3] == ["v argument params", "  v argument ['layers']", "    > argument [0]"]
    assert len(rows) == 2 + 100 + 1 + 2
    assert len(opened(flow)) == 2 * (1 + 100 + 200) + 1 + 2
