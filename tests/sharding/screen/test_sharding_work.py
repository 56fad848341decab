"""The work behind the Sharding screen: what is asked when, and what the answers belong to."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import NAMED, QUIET, REST
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Session, Sharding, with_field
from jaxtui.sharding.screen.work import STOPPED, ShardingWork
from jaxtui.wire.base import Cancelled, Event, Failed, Gone
from jaxtui.wire.sharding import (
    AdviseSharding,
    CompileSharding,
    ExplainSharding,
    PlanSharding,
    SearchShardings,
    ShardingAdvised,
    ShardingExplained,
    ShardingsFound,
)
from tests.support import made_events
from tests.support import made_plans as made
from tests.support.fake_client import FakeClient

WRONG = Diagnosis(
    kind="axes",
    field=FieldPath("program.arguments.0.sharding"),
    message="the mesh has no axis 'nope'",
)


class Desk:
    """A work on a client without an engine, with its clock."""

    def __init__(self, session: Session | None = None, *, ready: bool = True) -> None:
        self.client = FakeClient()
        self.now = 1000.0
        self.opened = OpenSession(
            session or made.session(), send=self.client.send, next_id=self.client.next_id
        )
        self.work = ShardingWork(self.opened)
        if ready:
            self.hear(made_events.ready())

    def hear(self, *events: Any) -> None:
        for event in events:
            if not self.work.on(event, self.now):
                self.opened.on(event, self.now)

    def edit(self, field: str, value: Any) -> None:
        self.opened.edit(with_field(self.opened.session, FieldPath(field), value))
        self.work.edited(self.now)

    def open(self) -> Desk:
        self.work.open(self.now)
        return self

    def planned(self) -> Desk:
        """The screen is open, and the newest plan has come."""
        self.open()
        self.hear(made.planned(self.plans[-1].id))
        return self

    @property
    def plans(self) -> list[PlanSharding]:
        return self.client.asked(PlanSharding)


def test_nothing_is_planned_before_the_screen_is_open_nor_while_it_is_not_on_view() -> None:
    desk = Desk()
    desk.edit("program.arguments.0.sharding", "P('model')")
    assert desk.plans == []
    desk.open()
    assert len(desk.plans) == 1
    desk.work.close()
    desk.edit("program.arguments.0.sharding", "P()")
    assert len(desk.plans) == 1
    desk.open()
    assert len(desk.plans) == 2
    assert desk.plans[-1].composition.program.arguments[0].sharding == "P()"


def test_each_key_plans_anew_at_once() -> None:
    desk = Desk().planned()
    for text in ("P(", "P('data'", "P('data')"):
        desk.edit("program.arguments.1.sharding", text)
        assert desk.plans[-1].composition.program.arguments[1].sharding == text
    desk.edit("sharding", Sharding(mesh={"data": 4096, "model": 16}))
    assert desk.plans[-1].sharding.mesh == {"data": 4096, "model": 16}


def test_another_screens_field_plans_nothing_anew() -> None:
    desk = Desk().planned()
    desk.edit("notes", "other")
    assert len(desk.plans) == 1


def test_the_plan_before_stays_and_is_called_old_only_after_a_moment() -> None:
    desk = Desk().planned()
    before = desk.work.flow
    desk.edit("program.arguments.0.sharding", "P()")
    assert desk.work.flow is before
    assert not desk.work.stale(desk.now)
    assert desk.work.stale(desk.now + 2 * QUIET)
    desk.hear(made.planned(desk.plans[-1].id, made.whole_batch()))
    assert not desk.work.stale(desk.now + 2 * QUIET)
    assert desk.work.plan == made.whole_batch()


def test_an_answer_to_an_earlier_key_is_shown_until_the_newest_comes() -> None:
    desk = Desk().planned()
    desk.edit("program.arguments.0.sharding", "P(")
    first = desk.plans[-1]
    desk.edit("program.arguments.0.sharding", "P()")
    desk.hear(made.planned(first.id, made.whole_batch()))
    assert desk.work.plan == made.whole_batch()
    assert desk.work.stale(desk.now + 2 * QUIET)
    # A fault of a text that was typed over is not one of what is typed.
    desk.hear(made.planned(desk.plans[-1].id), made.planned(first.id, None, WRONG))
    assert desk.work.diagnosis is None


def test_a_fault_stays_until_the_next_plan_and_the_flow_with_it() -> None:
    desk = Desk().planned()
    desk.edit("program.arguments.0.sharding", "P('nope')")
    desk.hear(made.planned(desk.plans[-1].id, None, WRONG))
    assert desk.work.diagnosis == WRONG
    assert desk.work.flow is not None
    assert desk.work.stale(desk.now)
    desk.work.rested(desk.now + 1)
    assert len(desk.plans) == 2  # it is not asked for again
    desk.edit("program.arguments.0.sharding", "P()")
    assert desk.work.diagnosis == WRONG
    desk.hear(made.planned(desk.plans[-1].id))
    assert desk.work.diagnosis is None


def test_a_failed_plan_is_a_fault_too() -> None:
    desk = Desk().open()
    desk.hear(Failed(id=desk.plans[-1].id, diagnosis=WRONG))
    assert desk.work.diagnosis == WRONG


def test_a_long_plan_names_itself_and_can_be_ended() -> None:
    desk = Desk().open()
    desk.now += NAMED
    assert desk.work.doing(desk.now) == "planning 2 s · ctrl+c ends it"
    desk.work.restarted(desk.now, ended=True)
    desk.opened.restarted(desk.now)
    desk.hear(made_events.ready())
    desk.work.rested(desk.now)
    assert len(desk.plans) == 1
    assert "planning 2 s" in desk.work.notice()
    desk.work.run(desk.now)
    assert len(desk.plans) == 2


def test_what_ended_an_engine_is_not_planned_again_by_itself() -> None:
    desk = Desk().open()
    desk.hear(Gone(reason="it crashed", status=-9, wanted=False))
    assert "It crashed" in desk.work.notice() or "it crashed" in desk.work.notice()
    desk.opened.restarted(desk.now)
    desk.hear(made_events.ready())
    desk.work.rested(desk.now)
    assert len(desk.plans) == 1
    desk.edit("program.arguments.0.sharding", "P()")
    assert len(desk.plans) == 2


def test_a_fresh_engine_is_asked_for_nothing_that_is_known() -> None:
    desk = Desk().planned()
    desk.work.restarted(desk.now)
    desk.opened.restarted(desk.now)
    desk.hear(made_events.ready())
    desk.work.rested(desk.now)
    assert len(desk.plans) == 2  # files that the program reads may have changed
    desk.hear(Cancelled(id=desk.plans[-1].id))
    assert desk.work.flow is not None


def test_an_untrusted_session_is_not_planned() -> None:
    desk = Desk()
    desk.opened.trusted = False
    desk.open()
    assert desk.plans == []
    assert "not accepted yet" in desk.work.notice()


def test_a_plan_whose_indices_lead_nowhere_raises() -> None:
    desk = Desk().open()
    with pytest.raises(IndexError):
        desk.hear(made.planned(desk.plans[-1].id, made.mlp(scopes=[9, 9, 9, 9])))


# ---------------------------------------------------------------------------------- compilation


def test_compiling_is_asked_for_where_the_devices_are() -> None:
    desk = Desk().planned()
    desk.work.run(desk.now)
    (request,) = desk.client.asked(CompileSharding)
    assert desk.work.compiling
    desk.hear(made.was_compiled(request.id))
    assert desk.work.compared is not None
    desk.edit("program.arguments.0.sharding", "P()")
    desk.hear(made.planned(desk.plans[-1].id, made.whole_batch()))
    assert desk.work.compared is None


def test_nothing_is_compiled_for_devices_that_are_not_there() -> None:
    desk = Desk().open()
    desk.hear(made.planned(desk.plans[-1].id, made.mlp(here=False)))
    desk.work.run(desk.now)
    assert desk.client.asked(CompileSharding) == []


def test_a_compilation_that_failed_says_why() -> None:
    desk = Desk().planned()
    desk.work.run(desk.now)
    (request,) = desk.client.asked(CompileSharding)
    desk.hear(Failed(id=request.id, diagnosis=WRONG))
    assert desk.work.compared is None
    assert desk.work.compile_failure == WRONG


# --------------------------------------------------------------------------------- the details


def test_why_is_asked_dimension_by_dimension_and_once() -> None:
    desk = Desk().planned()
    for dimension in (0, 1):
        desk.work.explain(-1, 2, desk.now)
        desk.work.explain(-1, 2, desk.now)
        (request,) = desk.client.take(ExplainSharding)
        assert (request.value, request.dimension) == (-1, dimension)
        assert desk.work.explained((-1, dimension)) is None
        desk.hear(ShardingExplained(id=request.id, axes=["data"], origins=[], lost=[]))
        assert desk.work.explained((-1, dimension)) is not None
    desk.work.explain(-1, 2, desk.now)
    assert desk.client.take(ExplainSharding) == []


def test_a_question_that_was_cancelled_is_asked_again() -> None:
    desk = Desk().planned()
    desk.work.explain(2, 1, desk.now)
    (request,) = desk.client.take(ExplainSharding)
    desk.hear(Cancelled(id=request.id))
    desk.work.explain(2, 1, desk.now)
    assert len(desk.client.take(ExplainSharding)) == 1


def test_advice_and_why_wait_until_typing_rests_and_the_plan_is_there() -> None:
    desk = Desk().planned()
    desk.edit("program.arguments.0.sharding", "P()")
    desk.work.advise(desk.now)
    desk.work.explain(0, 2, desk.now)
    assert desk.client.asked(AdviseSharding) == []
    assert desk.client.asked(ExplainSharding) == []
    desk.hear(made.planned(desk.plans[-1].id))
    desk.now += REST
    desk.work.advise(desk.now)
    desk.work.advise(desk.now)
    (request,) = desk.client.asked(AdviseSharding)
    desk.hear(ShardingAdvised(id=request.id, advice=[]))
    assert desk.work.advised_of == desk.work.ran_of
    desk.work.advise(desk.now)
    assert len(desk.client.asked(AdviseSharding)) == 1


# ------------------------------------------------------------------------------------ a search


def found(id: int, count: int, *, done: bool) -> Event:
    return ShardingsFound(id=id, found=made.found(count), tried=10 * count, done=done)


def test_a_search_streams_what_it_finds() -> None:
    desk = Desk().planned()
    desk.work.hold("x")
    desk.work.search(desk.now)
    (request,) = desk.client.asked(SearchShardings)
    assert request.fixed == ["x"]
    desk.hear(found(request.id, 1, done=False), found(request.id, 3, done=False))
    assert desk.work.searching
    assert desk.work.words() == "searching 30/200 · ctrl+c stops"
    desk.hear(found(request.id, 4, done=True))
    assert not desk.work.searching
    assert desk.work.found is not None
    assert len(desk.work.found.found) == 4


def test_ctrl_c_stops_a_search_without_ending_the_engine() -> None:
    desk = Desk().planned()
    assert desk.work.stop(desk.now) == ""
    desk.work.search(desk.now)
    (request,) = desk.client.asked(SearchShardings)
    assert desk.work.in_hand is None
    assert desk.work.stop(desk.now) == "asked"
    assert desk.client.cancels == [request.id]
    assert not desk.work.overdue(desk.now + STOPPED)
    assert desk.work.overdue(desk.now + STOPPED + 1)
    desk.hear(Cancelled(id=request.id))
    assert not desk.work.overdue(desk.now + STOPPED + 1)


def test_an_edit_stops_a_search() -> None:
    desk = Desk().planned()
    desk.work.search(desk.now)
    (request,) = desk.client.asked(SearchShardings)
    desk.edit("program.arguments.0.sharding", "P()")
    assert desk.client.cancels == [request.id]


def test_a_search_that_failed_says_why() -> None:
    desk = Desk().planned()
    desk.work.search(desk.now)
    (request,) = desk.client.asked(SearchShardings)
    desk.hear(Failed(id=request.id, diagnosis=WRONG))
    assert desk.work.search_failure == WRONG


def test_another_session_takes_nothing_over() -> None:
    desk = Desk().planned()
    desk.work.keep()
    desk.work.hold("x")
    desk.opened.edit(msgspec.structs.replace(made.session(), title="other"))
    desk.work.replaced(desk.now)
    work = desk.work
    assert (work.kept, work.fixed, work.ran) == (None, frozenset(), None)
    assert len(desk.plans) == 2
