"""What is asked of the engine about a collective, and when."""

from __future__ import annotations

import msgspec
import pytest

from jaxtui.collectives.screen.work import DRAFT, CollectiveWork
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Collective, Session
from jaxtui.wire.base import Cancel, Failed, Gone, Log, Stage
from jaxtui.wire.collectives import DescribeCollectives, FindProvenance, RunCollective
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from tests.support import made_collectives as made
from tests.support import made_events

SOURCE = "def total(x):\n    return lax.psum(x, 'devices')\n"
NOT_THERE = Diagnosis(
    kind="collective",
    field=FieldPath("collective.value"),
    message="9 blocks, but 8 devices",
    fixes=[Fix(label="eight", field=FieldPath("collective.value"), text="ones(8)")],
)


class Desk:
    """A CollectiveWork on an engine that is ready, and what a test does to it."""

    def __init__(self, session: Session | None = None) -> None:
        self.sent: list[AnyRequest] = []
        self._id = 0
        self.now = 100.0
        self.open_session = OpenSession(
            session or made_events.session(), send=self.sent.append, next_id=self._next
        )
        self.state = CollectiveWork(self.open_session)
        self.restart()
        self.hear(made_events.ready())

    def _next(self) -> int:
        self._id += 1
        return self._id

    def edit(self, **changes: object) -> None:
        collective = msgspec.structs.replace(self.state.collective, **changes)
        session = self.open_session.session
        self.put(msgspec.structs.replace(session, collective=collective))

    def put(self, session: Session) -> None:
        self.open_session.edit(session)
        self.state.edited(self.now)

    def hear(self, event: AnyEvent) -> None:
        self.state.on(event, self.now)
        self.open_session.on(event, self.now)

    def restart(self, *, ended: bool = False) -> None:
        self.state.restarted(self.now, ended=ended)
        self.open_session.restarted(self.now)

    def rest(self) -> None:
        self.now += REST
        self.state.rested(self.now)

    def of(self, kind: type) -> list:
        return [request for request in self.sent if isinstance(request, kind)]

    def ran(self) -> Desk:
        """Opened, and its collective has run."""
        self.state.open(self.now)
        self.state.on(made.psum(self.of(RunCollective)[-1].id), self.now)
        return self


def test_nothing_is_asked_before_the_screen_is_opened() -> None:
    desk = Desk()
    desk.rest()
    assert desk.sent == []


def test_opening_the_screen_runs_the_tutorials_psum() -> None:
    desk = Desk()
    desk.state.open(desk.now)
    (request,) = desk.of(RunCollective)
    assert request.collective == DRAFT
    assert len(desk.of(DescribeCollectives)) == 1
    assert desk.open_session.session.collective is None


def test_an_edit_runs_once_typing_rests() -> None:
    desk = Desk().ran()
    desk.edit(value="ones(8)")
    desk.state.rested(desk.now)
    assert len(desk.of(RunCollective)) == 1
    desk.rest()
    assert desk.of(RunCollective)[-1].collective.value == "ones(8)"


def test_another_argument_of_the_map_screen_runs_nothing() -> None:
    desk = Desk().ran()
    session = desk.open_session.session
    program = msgspec.structs.replace(session.program, arguments=[])
    desk.put(msgspec.structs.replace(session, program=program))
    desk.rest()
    assert len(desk.of(RunCollective)) == 1
    assert not desk.state.result_stale


def test_a_newer_run_gives_the_older_up_and_its_late_answer_is_dropped() -> None:
    desk = Desk()
    desk.state.open(desk.now)
    first = desk.of(RunCollective)[-1].id
    desk.edit(value="ones(8)")
    desk.rest()
    assert [request.target for request in desk.of(Cancel)] == [first]
    desk.state.on(made.psum(first), desk.now)
    assert desk.state.ran is None


def test_what_takes_no_engine_to_see_is_said_at_once() -> None:
    desk = Desk().ran()
    desk.edit(operation="psumm")
    diagnosis = desk.state.diagnosis
    assert diagnosis is not None
    assert diagnosis.field == "collective.operation"
    assert "psum" in [fix.text for fix in diagnosis.fixes]
    desk.rest()
    assert len(desk.of(RunCollective)) == 1


def test_a_failure_stays_until_its_field_is_changed() -> None:
    desk = Desk()
    desk.state.open(desk.now)
    desk.state.on(Failed(id=desk.of(RunCollective)[-1].id, diagnosis=NOT_THERE), desk.now)
    assert desk.state.diagnosis == NOT_THERE
    desk.edit(via="vmap")
    assert desk.state.diagnosis == NOT_THERE
    desk.edit(value="ones(8)")
    assert desk.state.diagnosis is None


def test_a_failure_is_not_tried_again_by_itself() -> None:
    desk = Desk()
    desk.state.open(desk.now)
    desk.state.on(Failed(id=desk.of(RunCollective)[-1].id, diagnosis=NOT_THERE), desk.now)
    desk.rest()
    assert len(desk.of(RunCollective)) == 1


def test_a_fix_changes_its_field_and_no_other() -> None:
    desk = Desk()
    fix = Fix(label="", field=FieldPath("collective.options.axis_name"), text="x")
    assert desk.state.fixed(fix) == msgspec.structs.replace(DRAFT, options={"axis_name": "x"})
    assert desk.state.fixed(NOT_THERE.fixes[0]).value == "ones(8)"


# ------------------------------------------------------------------------------- provenance


def test_the_sources_of_an_element_are_asked_for_once() -> None:
    desk = Desk().ran()
    for _ in range(3):
        desk.state.want_sources(0, (3, 1), desk.now)
    (request,) = desk.of(FindProvenance)
    assert (request.leaf, request.element) == (0, [3, 1])
    found = made.sources(request.id, request.result, [3, 1], [1], "words")
    desk.state.on(found, desk.now)
    desk.state.want_sources(0, (3, 1), desk.now)
    assert desk.state.sources(0, (3, 1)) == found
    assert len(desk.of(FindProvenance)) == 1


def test_a_newer_place_gives_the_older_search_up() -> None:
    desk = Desk().ran()
    desk.state.want_sources(0, (3, 1), desk.now)
    desk.state.want_sources(0, (4, 1), desk.now)
    first, second = desk.of(FindProvenance)
    assert [request.target for request in desk.of(Cancel)] == [first.id]
    desk.state.on(made.sources(first.id, 1, [3, 1], [1], "words"), desk.now)
    assert desk.state.sources(0, (4, 1)) is None
    assert desk.state.on(Stage(id=second.id, stage="running"), desk.now)


def test_sources_that_cannot_be_found_are_explained_in_their_place() -> None:
    desk = Desk().ran()
    desk.state.want_sources(0, (3, 1), desk.now)
    desk.state.on(Failed(id=desk.of(FindProvenance)[-1].id, diagnosis=NOT_THERE), desk.now)
    assert desk.state.sources(0, (3, 1)) == NOT_THERE
    assert desk.state.diagnosis is None


def test_nothing_is_asked_about_a_result_that_is_not_of_what_is_typed() -> None:
    desk = Desk().ran()
    desk.edit(value="ones(8)")
    desk.state.want_sources(0, (3, 1), desk.now)
    assert desk.of(FindProvenance) == []


# ------------------------------------------------------------------------- hangs and deaths


def hanging() -> Desk:
    desk = Desk()
    desk.state.open(desk.now)
    desk.state.on(Stage(id=desk.of(RunCollective)[-1].id, stage="running"), desk.now)
    desk.now += 5
    return desk


def test_a_collective_that_hangs_is_named_and_counted() -> None:
    desk = hanging()
    assert desk.state.doing(desk.now) == "running psum 5 s · ctrl+c ends it"
    assert "has been running for 5 s" in desk.state.notice(desk.now)
    assert "another branch" in desk.state.notice(desk.now)


def test_what_xla_says_of_missing_devices_is_passed_on() -> None:
    desk = hanging()
    desk.state.on(
        Log(line="W0000 rendezvous.cc:97] This thread may be stuck: all-reduce"), desk.now
    )
    assert "XLA: This thread may be stuck: all-reduce" in desk.state.notice(desk.now)


def test_a_collective_that_was_ended_runs_again_only_by_key() -> None:
    desk = hanging()
    desk.restart(ended=True)
    desk.rest()
    assert len(desk.of(RunCollective)) == 1
    assert "You ended the engine (running psum 5 s)" in desk.state.notice(desk.now)
    desk.hear(made_events.ready())
    desk.rest()
    assert len(desk.of(RunCollective)) == 1
    desk.state.run(desk.now)
    assert len(desk.of(RunCollective)) == 2


def test_a_collective_that_killed_its_engine_runs_again_only_by_key() -> None:
    desk = hanging()
    gone = Gone(reason="it was aborted", status=-6, wanted=False)
    desk.hear(gone)
    assert "runs again only by F5" in desk.state.notice(desk.now)
    desk.restart()
    desk.hear(made_events.ready())
    desk.rest()
    assert len(desk.of(RunCollective)) == 1
    assert "ended the engine before" in desk.state.notice(desk.now)


def test_a_fresh_engine_runs_what_is_typed_again() -> None:
    desk = Desk().ran()
    desk.restart()
    desk.state.rested(desk.now)
    assert len(desk.of(RunCollective)) == 1
    desk.hear(made_events.ready())
    desk.state.rested(desk.now)
    assert len(desk.of(RunCollective)) == 2


def test_a_file_that_is_not_trusted_runs_nothing() -> None:
    desk = Desk()
    desk.open_session.trusted = False
    desk.state.open(desk.now)
    assert desk.of(RunCollective) == []
    assert "was not accepted" in desk.state.notice(desk.now)


# ----------------------------------------------------------------------------- as a program


@pytest.mark.parametrize(("operation", "kept"), [("psum", ""), ("total", SOURCE)])
def test_a_program_takes_with_it_only_the_source_that_it_uses(operation: str, kept: str) -> None:
    session = made_events.session(collective=Collective(operation=operation, value="ones(8)"))
    program = msgspec.structs.replace(session.program, source=SOURCE)
    desk = Desk(msgspec.structs.replace(session, program=program))
    assert desk.state.alone.program.source == kept
