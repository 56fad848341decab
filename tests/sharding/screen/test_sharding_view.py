"""The texts of the details, and the collective that a row opens."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from jaxtui.session import collective_program
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import SOURCE, FieldPath
from jaxtui.session.session import Devices, Session
from jaxtui.sharding.costs import Links
from jaxtui.sharding.screen import view
from jaxtui.sharding.words import text_of
from jaxtui.wire.base import Composition
from jaxtui.wire.collectives import CollectiveRan, RunCollective
from jaxtui.wire.sharding import (
    Advice,
    Origin,
    SearchedGroup,
    SentCollective,
    ShardingExplained,
)
from tests.support import made_plans as made

KINDS = list(view.OPERATION_OF)
AXES = [["model"], ["data"], ["data", "model"]]


def opened(
    kind: str, axes: list[str], size: int, session: Session | None = None
) -> tuple[Session, str]:
    session = session or made.session()
    sent: SentCollective = made.sent(kind, axes, 1, size)
    collective, said = view.as_collective(sent, made.mlp(), session, 8)
    return msgspec.structs.replace(session, collective=collective), said


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axes", AXES, ids="_".join)
def test_a_collective_opens_and_runs_on_the_devices_that_are_here(
    engine: Any, kind: str, axes: list[str]
) -> None:
    session, said = opened(kind, axes, 1024)
    assert said == ""
    request = RunCollective(
        id=engine.next_id(),
        composition=Composition.of(session, "."),
        collective=session.collective,
        values=100,
    )
    ran = engine.ask(request)[0]
    assert isinstance(ran, CollectiveRan), ran
    assert ran.wrong == 0
    ranks = {"model": 2, "data": 4}.get("_".join(axes), 8)
    assert {len(group) for group in ran.groups} == {ranks}
    shape = ran.report.before[0].shape
    assert shape[0] == 8
    assert 4 * math.prod(shape[1:]) == 1024


def test_over_axes_that_are_not_here_it_goes_over_all_devices_and_says_so() -> None:
    session, said = opened("all_gather", ["x"], 64, made.session(devices=Devices(count=8)))
    assert session.collective is not None
    assert session.collective.via == "pmap"
    assert session.collective.options["axis_name"] == "x"
    assert said == "over all 8 devices here, not over 1 of x"
    collective_program.as_program(session)


def test_a_block_that_is_too_large_to_run_by_itself_is_cut_and_says_so() -> None:
    session, said = opened("all_reduce", ["model"], 2**30)
    assert session.collective is not None
    assert session.collective.value == f"ones((devices, {2**20}))"
    assert said == "with blocks of 4 MiB, not 1 GiB"


def lines(parts: list[Any]) -> list[str]:
    return [text_of(line) for line in parts]


def test_why_tells_what_would_be_without_an_annotation() -> None:
    plan = made.mlp()
    known = [
        ShardingExplained(
            axes=["data"],
            origins=[
                Origin(label="x: P('data')", field="f", line=None, without=[]),
                Origin(label="a constraint", field="f", line=2, without=["data"]),
            ],
            lost=[],
        ),
        ShardingExplained(axes=[], origins=[], lost=["at line 2, by dot_general"]),
    ]
    assert lines(view.why(plan, plan.inputs[0], known, 80)) == [
        "dimension 0, size 8: over data",
        "   from x: P('data'); without it: whole",
        "   from a constraint (line 2), too; without it the same",
        "dimension 1, size 16: whole",
        "   lost: at line 2, by dot_general",
    ]


def test_why_waits_tells_a_fault_and_knows_scalars() -> None:
    plan = made.mlp()
    fault = Diagnosis(kind="runtime", field=FieldPath(""), message="it failed")
    told = lines(view.why(plan, plan.inputs[0], [None, fault], 80))
    assert told[1] == "   asking …"
    assert told[3] == "   it failed"
    scalar = made.array("s", [], [])
    assert lines(view.why(plan, scalar, [], 80)) == ["A scalar has no dimension to divide."]


def test_advice_of_several_fixes_has_a_row_for_each() -> None:
    one = Fix(label="divide x", field=FieldPath("program.arguments.0.sharding"), text="P('data')")
    source = Fix(label="constrain h: 3 ms becomes 1 ms", field=SOURCE, text="def f():\n    pass\n")
    rows = view.advice_rows([Advice(line=3, message="m" * 5, bytes=64, fixes=[one, source])], 80)
    assert [(text_of(row.parts), row.fix) for row in rows] == [
        ("line 3  64 B  mmmmm", one),
        ("  → divide x:  P('data')", one),
        ("  → constrain h: 3 ms becomes 1 ms", source),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("P('data', None)", "P('data')", True),
        ("", "P()", False),
        ("P(None,'m')", "P(None, 'm', None)", True),
        ("P('data')", "P('model')", False),
        ("P(('a', 'b'))", "P('a', 'b')", False),
    ],
)
def test_specs_that_mean_the_same_are_told_alike(one: str, other: str, same: bool) -> None:
    assert (view._bare(one) == view._bare(other)) is same


def test_links_are_told_once_or_for_each_axis() -> None:
    plan = made.mlp()
    assert view.timed(plan, Links()) == "timed by 1.0 µs a step, 10.0 GB/s"
    told = view.timed(plan, Links(bandwidth={"model": 100e9}))
    assert told == "data 1.0 µs a step, 10.0 GB/s; model 1.0 µs a step, 100 GB/s"


def test_clauses_break_between_each_other() -> None:
    clauses = [("one clause", ""), ("another", "quiet"), ("a third one", "")]
    assert lines(view.flowed(clauses, 24)) == ["one clause · another", "a third one"]
    assert lines(view.flowed([("longer than its room", "")], 10)) == ["longer th…"]


def test_the_groups_of_a_search_take_three_lines_at_most() -> None:
    groups = [
        SearchedGroup(argument="params", pattern=f"**/layer_{n}/kernel", arrays=n, bytes=1, ways=9)
        for n in range(1, 30)
    ]
    alone = SearchedGroup(argument="x", pattern="", arrays=1, bytes=1, ways=4)
    (first, _, last) = [text_of(line) for line in view.search_groups([*groups, alone], 60)]
    assert first == "params in 29 groups: **/layer_1/kernel 9 ways,"
    assert last.endswith("…")
    assert max(len(first), len(last)) <= 60
    short = view.search_groups(groups[1:2], 60)
    assert [text_of(line) for line in short] == [
        "params in 1 group: **/layer_2/kernel 9 ways (2 alike)"
    ]
