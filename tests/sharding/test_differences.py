"""What differs between a plan and what was compiled, and between two plans."""

from __future__ import annotations

import msgspec

from jaxtui.sharding import differences
from jaxtui.sharding.flow import Flow
from tests.support import made_plans as made


def test_collectives_are_compared_by_kind_and_axes() -> None:
    plan = made.mlp()
    compared = differences.with_compiled(plan, made.compiled().collectives)
    assert [(one.sort, one.planned, one.compiled) for one in compared] == [
        (("all_reduce", ("model",)), 1, 1),
        (("collective_permute", ("data",)), 0, 1),
    ]
    assert differences.marked(plan, compared) == frozenset()


def test_the_order_of_axes_makes_no_difference() -> None:
    plan = made.mlp(collectives=[made.sent("all_reduce", ["data", "model"], 3, 128)])
    compared = differences.with_compiled(
        plan, [made.sent("all_reduce", ["model", "data"], None, 128)]
    )
    assert all(one.agrees for one in compared)


def test_what_xla_combined_counts_as_its_parts() -> None:
    one = made.sent("all_reduce", ["data"], 3, 128)
    plan = made.mlp(collectives=[one, one])
    (both,) = differences.with_compiled(plan, [msgspec.structs.replace(one, parts=2)])
    assert (both.planned, both.compiled, both.agrees) == (2, 2, True)


def test_what_runs_more_often_than_planned_differs() -> None:
    one = made.sent("all_reduce", ["data"], 3, 128)
    plan = made.mlp(collectives=[one])
    (both,) = differences.with_compiled(plan, [msgspec.structs.replace(one, times=7)])
    assert (both.planned, both.compiled, both.agrees) == (1, 1, False)


def test_the_rows_of_what_was_compiled_otherwise_are_marked() -> None:
    plan = made.mlp()
    compared = differences.with_compiled(plan, [])
    (key,) = differences.marked(plan, compared)
    assert key in {row.key for row in Flow(plan).rows()}


def test_a_plan_does_not_differ_from_itself() -> None:
    found = differences.between(Flow(made.layers()), Flow(made.layers()))
    assert (found.was, found.new, found.gone) == ({}, frozenset(), 0)
    assert found.clauses == ["sent 5.62 GiB as before", "peak 11 GiB as before", "0 rows changed"]


def test_what_changed_between_two_plans() -> None:
    before, after = Flow(made.whole_batch()), Flow(made.mlp())
    found = differences.between(before, after)
    assert found.was[("input", 0)] == "f32[8, 16] 512 B"
    assert found.was[("output", 0)] == "f32[8, 16] 512 B"
    assert ("input", 1) not in found.was
    assert found.clauses[0] == "sent 512 B → 128 B (0.250×)"
    assert found.clauses[2] == "7 rows changed"
    keys = {row.key for row in after.rows({k for k, opened in after.folds() if not opened})}
    assert found.was.keys() <= keys


def test_rows_that_only_one_plan_has_are_new_or_gone() -> None:
    plan = made.mlp()
    bare = msgspec.structs.replace(plan, collectives=[], before=[])
    assert differences.between(Flow(plan), Flow(bare)).gone == 1
    assert differences.between(Flow(bare), Flow(plan)).new == {("collective", 0)}
