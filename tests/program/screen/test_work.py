"""What is asked of the engine, when, and what the shown answers belong to."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from jaxtui.program.screen.signature import rows
from jaxtui.program.screen.view import abstract_words, notice
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.open_session import OpenSession, ended_words
from jaxtui.screen.work import QUIET, REST
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Devices, Session, with_field
from jaxtui.wire.base import Cancel, Cancelled, Failed, Gone, Printed, Stage
from jaxtui.wire.program import Inspect, Inspected, ProgramView, Run, Trace
from jaxtui.wire.report import Parameter, Summary
from tests.support import made_events as made
from tests.support.made_sessions import sessions, signatures

WRONG = Diagnosis(kind="value", field=FieldPath("program.arguments.0.value"), message="no")
DIED = Gone(reason="it ended with status 134", status=134, wanted=False, tail=["abort"])


class Desk:
    """A ProgramWork with what it sent, and a clock that the test moves."""

    def __init__(self, session: Session | None = None, *, trusted: bool = True) -> None:
        self.sent: list[object] = []
        self.now = 100.0
        self.open_session = OpenSession(
            session or made.session(),
            send=self.sent.append,
            next_id=count(1).__next__,
            trusted=trusted,
        )
        self.work = ProgramWork(self.open_session)
        self.restart()

    def up(self) -> Desk:
        self.hear(made.ready())
        return self

    def settled(self) -> Desk:
        """The example has been traced and has run."""
        self.up()
        self.hear(made.traced(self.trace.id))
        self.hear(made.ran(self.run.id))
        return self

    def hear(self, event: object) -> None:
        self.work.on(event, self.now)  # type: ignore[arg-type]
        self.open_session.on(event, self.now)  # type: ignore[arg-type]

    def type(self, field: str, text: object) -> bool:
        again = self.open_session.edit(with_field(self.work.session, FieldPath(field), text))
        self.work.edited(self.now)
        return again

    def replace(self, session: Session, *, trusted: bool) -> None:
        self.open_session.replace(session, "", trusted)
        self.work.replaced(self.now)

    def restart(self, *, ended: bool = False) -> None:
        self.work.restarted(self.now, ended=ended)
        self.open_session.restarted(self.now)

    def rest(self, seconds: float = REST) -> None:
        self.now += seconds
        self.work.rested(self.now)

    def of(self, kind: type) -> list:
        return [request for request in self.sent if isinstance(request, kind)]

    @property
    def trace(self) -> Trace:
        return self.of(Trace)[-1]

    @property
    def run(self) -> Run:
        return self.of(Run)[-1]

    @property
    def status(self) -> str:
        return self.work.status(self.now)


def test_the_first_program_is_traced_and_run_without_a_key() -> None:
    desk = Desk()
    assert len(desk.of(Trace)) == 1
    desk.up()
    desk.hear(made.traced(desk.trace.id))
    assert len(desk.of(Run)) == 1
    desk.hear(made.ran(desk.run.id))
    assert desk.work.ran is not None
    assert not desk.work.result_stale(desk.now)


def test_every_edit_is_traced_at_once() -> None:
    desk = Desk().settled()
    for text in ("1", "10", "10."):
        desk.type("program.arguments.0.value", text)
    values = [t.composition.program.arguments[0].value for t in desk.of(Trace)[1:]]
    assert values == ["1", "10", "10."]


def test_an_edit_that_changes_nothing_that_runs_asks_nothing() -> None:
    desk = Desk().settled()
    before = len(desk.sent)
    desk.type("title", "another")
    assert len(desk.sent) == before


def test_a_small_program_runs_once_typing_rests() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "ones((2, 2, 2))")
    desk.hear(made.traced(desk.trace.id))
    desk.rest(REST / 2)
    assert len(desk.of(Run)) == 1
    desk.rest(REST)
    assert len(desk.of(Run)) == 2
    desk.rest()
    assert len(desk.of(Run)) == 2


def test_a_trace_answered_after_the_rest_lets_the_run_go() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "ones((2, 2, 2))")
    desk.rest()
    assert len(desk.of(Run)) == 1
    desk.hear(made.traced(desk.trace.id))
    assert len(desk.of(Run)) == 2


def test_a_large_program_waits_for_a_key() -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id, cost=10**9))
    desk.rest()
    assert not desk.of(Run)
    assert desk.work.too_large
    desk.work.run(desk.now)
    assert len(desk.of(Run)) == 1
    assert not desk.work.too_large


def test_a_program_of_shapes_does_not_run_by_itself_and_is_no_error() -> None:
    desk = Desk().up()
    traced = msgspec.structs.replace(made.traced(desk.trace.id), abstract=("x", "y"))
    desk.hear(traced)
    desk.rest()
    assert desk.of(Run) == []
    assert desk.work.diagnosis is None
    assert not desk.work.too_large
    assert notice(desk.work).startswith("x and y are given as shapes: a run needs values.")
    desk.work.inspect("equivalents", desk.now)  # the engine says what they need
    assert [request.view for request in desk.of(Inspect)] == ["equivalents"]
    desk.work.run(desk.now)
    desk.hear(Failed(id=desk.run.id, diagnosis=WRONG))
    assert desk.work.diagnosis == WRONG
    assert notice(desk.work) == ""
    desk.type("program.arguments.0.value", "ones(3)")
    assert desk.work.abstract == ()


def test_of_many_arguments_that_are_shapes_a_few_are_named() -> None:
    assert abstract_words(["x"]) == "x is given as shapes"
    assert abstract_words(list("abcd")) == "a, b, c and d are given as shapes"
    assert abstract_words(list("abcdef")) == "a, b, c and 3 more are given as shapes"


def test_a_program_that_looks_at_values_runs_by_itself() -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id, cost=None, deferred=True))
    assert len(desk.of(Run)) == 1


def test_a_wrong_program_does_not_run_and_the_last_result_is_marked_old() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "ones((2,")
    desk.hear(made.traced(desk.trace.id, diagnosis=WRONG, cost=None))
    desk.rest()
    assert len(desk.of(Run)) == 1
    assert desk.work.diagnosis == WRONG
    assert desk.work.ran is not None
    assert desk.work.result_stale(desk.now)
    assert desk.work.flow == made.flow()
    assert desk.work.flow_stale(desk.now)


def test_a_result_is_not_called_old_while_the_next_one_is_due_any_moment() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "ones((3, 2, 2))")
    assert not desk.work.result_stale(desk.now)
    desk.hear(made.traced(desk.trace.id))
    desk.rest()
    assert desk.work.waits_for_run
    assert not desk.work.result_stale(desk.now)
    assert desk.work.result_stale(desk.now + QUIET)


def test_who_types_on_and_on_sees_that_the_result_is_old() -> None:
    desk = Desk().settled()
    for length in range(3, 6):
        desk.type("program.arguments.0.value", f"ones(({length}, 2, 2))")
        desk.now += QUIET * 0.6
    assert desk.work.result_stale(desk.now)


def test_typing_back_makes_the_result_current_again() -> None:
    desk = Desk().settled()
    old = desk.work.session.program.arguments[0].value
    desk.type("program.arguments.0.value", "")
    desk.type("program.arguments.0.value", old)
    assert not desk.work.result_stale(desk.now)


def test_an_answer_to_an_older_trace_is_dropped() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "1")
    older = desk.trace.id
    desk.type("program.arguments.0.value", "12")
    desk.hear(made.traced(older, diagnosis=WRONG))
    assert desk.work.diagnosis is None


def test_an_answer_to_an_older_run_is_dropped() -> None:
    desk = Desk().settled()
    desk.work.run(desk.now)
    older = desk.run.id
    desk.work.run(desk.now)
    desk.hear(made.ran(older))
    assert desk.work.ran is not None
    assert desk.work.ran.result != older


def test_a_newer_run_gives_the_older_one_up() -> None:
    desk = Desk().settled()
    desk.work.run(desk.now)
    older = desk.run.id
    desk.work.run(desk.now)
    assert [cancel.target for cancel in desk.of(Cancel)] == [older]


def test_a_failed_run_shows_its_diagnosis_until_the_program_changes() -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id))
    desk.hear(Failed(id=desk.run.id, diagnosis=WRONG))
    assert desk.work.diagnosis == WRONG
    desk.rest()
    assert len(desk.of(Run)) == 1
    desk.type("program.arguments.0.value", "1")
    desk.hear(made.traced(desk.trace.id))
    assert desk.work.diagnosis is None


def test_a_new_parameter_gets_a_row_and_is_traced() -> None:
    desk = Desk().settled()
    desk.type("program.source", made.SOURCE.replace("vector):", "vector, scale):"))
    signature = [*made.PARAMETERS, Parameter(name="scale", kind="positional")]
    traces = len(desk.of(Trace))
    desk.hear(made.traced(desk.trace.id, signature=signature))
    names = [a.name for a in desk.work.session.program.arguments]
    assert names == ["matrix", "vector", "scale"]
    assert len(desk.of(Trace)) == traces + 1


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(session=sessions, signature=signatures())
def test_a_session_that_is_opened_is_not_changed_by_its_signature(
    session: Session, signature: list[Parameter] | None
) -> None:
    desk = Desk(session).up()
    desk.hear(made.traced(desk.trace.id, signature=signature))
    assert desk.work.session == session
    shown = rows(session.program.arguments, desk.work.signature)
    given = [row.index for row in shown if row.index is not None]
    assert given == list(range(len(session.program.arguments)))


# ------------------------------------------------------------------------------------ waiting


def test_what_takes_no_time_is_not_shown() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "1")
    desk.now += 0.1
    assert desk.status == "ready"
    assert not desk.work.flow_stale(desk.now)


def test_a_trace_that_takes_long_is_named_with_the_way_to_end_it() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "1")
    desk.now += 0.5
    assert desk.status == "tracing"
    assert desk.work.flow_stale(desk.now)
    desk.now += 2.5
    assert desk.status == "tracing your function for 3 s · ctrl+c ends it"


def test_what_was_wrong_before_is_not_held_against_a_program_that_is_not_traced_yet() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "")
    desk.hear(made.traced(desk.trace.id, diagnosis=WRONG))
    desk.type("program.arguments.0.value", "1")
    desk.work.look(desk.now)
    assert desk.work.diagnosis == WRONG
    desk.now += 1
    desk.work.look(desk.now)
    assert desk.work.diagnosis is None


def test_typing_on_does_not_start_the_wait_anew() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "1")
    desk.now += 2
    desk.type("program.arguments.0.value", "12")
    desk.now += 1
    assert desk.status == "tracing your function for 3 s · ctrl+c ends it"


def test_the_stage_of_a_run_is_named() -> None:
    desk = Desk().settled()
    desk.work.run(desk.now)
    desk.now += 1
    desk.hear(Stage(id=desk.run.id, stage="compiling"))
    assert desk.status == "compiling"
    desk.now += 3
    assert desk.status == "compiling 3 s · ctrl+c ends it"


def test_the_wait_for_an_engine_that_starts_is_its_own() -> None:
    desk = Desk()
    desk.now += 5
    assert desk.status == "starting JAX 5 s · ctrl+c ends it"
    desk.up()
    assert desk.status == "ready"


# ----------------------------------------------------------------------------- ends of engines


def test_ending_a_trace_leaves_that_program_alone_until_it_changes() -> None:
    desk = Desk().settled()
    desk.type("program.source", "while True: pass")
    desk.now += 3
    traces = len(desk.of(Trace))
    desk.restart(ended=True)
    assert desk.work.ended == "tracing your function for 3 s"
    desk.up()
    desk.rest()
    assert len(desk.of(Trace)) == traces
    desk.type("program.source", made.SOURCE)
    assert len(desk.of(Trace)) == traces + 1
    assert desk.work.ended == ""
    desk.hear(made.traced(desk.trace.id))
    desk.rest()
    assert desk.run.composition.program.source == made.SOURCE


def test_what_was_typed_behind_an_endless_trace_is_traced_by_the_fresh_engine() -> None:
    desk = Desk().settled()
    desk.type("program.source", "while True: pass")
    desk.now += 1
    desk.type("program.source", made.SOURCE + "#")
    desk.restart(ended=True)
    assert desk.trace.composition.program.source == made.SOURCE + "#"
    assert desk.work.ended
    desk.up()
    desk.hear(made.traced(desk.trace.id))
    desk.rest()
    desk.hear(made.ran(desk.run.id))
    assert not desk.work.ended


def test_a_program_that_kills_the_engine_is_not_run_again_by_itself() -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id))
    desk.hear(DIED)
    assert desk.work.phase == "gone"
    assert desk.status == "engine gone · R restarts it"
    desk.restart()
    desk.up()
    desk.hear(made.traced(desk.trace.id))
    desk.rest()
    assert len(desk.of(Run)) == 1
    assert desk.work.blocked()
    desk.work.run(desk.now)
    assert len(desk.of(Run)) == 2


def test_that_a_program_was_stopped_is_said_until_something_newer_happens() -> None:
    desk = Desk().settled()
    desk.type("program.source", "while True: pass")
    desk.now += 3
    desk.restart(ended=True)
    assert desk.status == "starting JAX"
    desk.up()
    assert desk.status == "stopped · F5 retries"
    desk.work.run(desk.now)
    assert desk.status == "ready"
    desk.now += 1
    assert desk.status == "waiting to run"
    desk.restart(ended=True)
    desk.up()
    assert desk.status == "stopped · F5 retries"
    desk.type("program.source", made.SOURCE)
    assert desk.status == "ready"


def test_that_a_program_ended_the_engine_is_said_once_a_fresh_one_is_there() -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id))
    desk.hear(DIED)
    desk.restart()
    desk.up()
    desk.hear(made.traced(desk.trace.id))
    assert desk.status == "crashed · F5 retries"
    desk.work.run(desk.now)
    desk.hear(made.ran(desk.run.id))
    assert desk.status == "ready"


def test_after_a_death_the_next_edit_starts_the_engine_again() -> None:
    desk = Desk().settled()
    desk.hear(DIED)
    assert desk.type("program.arguments.0.value", "1")
    desk.restart()
    assert desk.trace.composition.program.arguments[0].value == "1"


def test_an_engine_that_cannot_start_is_started_again_only_by_other_devices_or_a_key() -> None:
    desk = Desk()
    desk.hear(Gone(reason="no TPU here", status=3, wanted=False))
    assert not desk.type("program.arguments.0.value", "1")
    assert desk.type("devices", Devices(platform="cpu"))
    assert desk.work.run(desk.now)


def test_why_jax_cannot_start_with_these_devices_stands_until_they_change_or_it_is_tried() -> None:
    wrong = Diagnosis(kind="devices", field=FieldPath("devices.count"), message="too many")
    for newer in (
        lambda desk: desk.restart(),
        lambda desk: desk.type("devices", Devices(platform="cpu")),
    ):
        desk = Desk()
        desk.hear(Failed(id=0, diagnosis=wrong))
        desk.hear(Gone(reason="too many", status=3, wanted=False))
        desk.type("program.arguments.0.value", "1")
        desk.now += 5
        desk.work.look(desk.now)
        assert desk.work.diagnosis == wrong
        assert desk.status == "cannot start · 6 Devices"
        newer(desk)
        assert desk.work.diagnosis is None


def test_a_run_asked_of_a_dead_engine_goes_to_the_next_one() -> None:
    desk = Desk().settled()
    desk.hear(DIED)
    runs = len(desk.of(Run))
    assert desk.work.run(desk.now)
    desk.restart()
    assert len(desk.of(Run)) == runs + 1


def test_the_end_of_an_engine_that_was_replaced_is_no_death() -> None:
    desk = Desk().settled()
    desk.restart()
    desk.hear(Gone(reason="ended", status=-9, wanted=True))
    assert desk.work.phase == "starting"


def test_a_restarted_engine_runs_what_is_composed_again() -> None:
    desk = Desk().settled()
    desk.restart()
    desk.up()
    desk.hear(made.traced(desk.trace.id))
    assert len(desk.of(Run)) == 2


def test_cancelled_requests_are_waited_for_no_more() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "1")
    first = desk.trace.id
    desk.type("program.arguments.0.value", "12")
    desk.hear(Cancelled(id=first))
    desk.hear(made.traced(desk.trace.id, cost=10**9))
    desk.now += 5
    assert desk.status == "ready"


# -------------------------------------------------------------------------------------- trust


def test_nothing_of_an_untrusted_session_is_asked_of_the_engine() -> None:
    desk = Desk(trusted=False).up()
    desk.type("program.arguments.0.value", "1")
    desk.rest()
    desk.work.run(desk.now)
    desk.restart()
    assert desk.sent == []
    assert "not trusted" in desk.status
    desk.work.trust(desk.now)
    assert len(desk.of(Trace)) == 1


def test_another_untrusted_session_is_not_traced() -> None:
    desk = Desk().settled()
    sent = len(desk.sent)
    other = msgspec.structs.replace(made.session(), parameters={"n": 1})
    desk.replace(other, trusted=False)
    assert len(desk.sent) == sent


def test_nothing_that_was_answered_of_a_session_stands_for_the_one_that_replaces_it() -> None:
    desk = Desk().settled()
    desk.work.inspect("hlo", desk.now)
    desk.hear(Inspected(id=desk.of(Inspect)[0].id, view="hlo", text="HloModule"))
    other = made.session(parameters={"n": 1})
    desk.replace(other, trusted=True)
    work = desk.work
    assert (work.flow, work.signature, work.traced, work.ran) == (None, None, None, None)
    assert work.views.get("hlo") is None
    assert not work.flow_stale(desk.now + 9)
    assert not work.result_stale(desk.now + 9)
    desk.hear(made.traced(desk.trace.id))
    desk.hear(made.ran(desk.run.id))
    assert work.flow == made.flow()
    assert work.ran is not None


def test_what_was_asked_of_a_session_is_not_taken_for_the_one_that_replaces_it() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "1")
    desk.work.run(desk.now)
    trace, run = desk.trace.id, desk.run.id
    desk.replace(made.session(parameters={"n": 1}), trusted=False)
    assert desk.of(Cancel)[-1].target == run
    desk.hear(made.traced(trace))
    desk.hear(made.ran(run))
    assert desk.work.flow is None
    assert desk.work.ran is None


def test_a_session_replaced_by_the_same_one_is_traced_and_run_anew() -> None:
    desk = Desk().settled()
    desk.replace(desk.work.session, trusted=True)
    desk.hear(made.traced(desk.trace.id))
    desk.hear(made.ran(desk.run.id))
    assert (len(desk.of(Trace)), len(desk.of(Run))) == (2, 2)
    assert desk.work.ran is not None


def test_the_cost_is_of_what_is_typed_or_not_told() -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id, cost=10**9))
    assert desk.work.too_large
    desk.type("program.arguments.0.value", "1")
    assert not desk.work.too_large


# ------------------------------------------------------------------------------------ printing


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("the engine ended with status 3", "The engine ended with status 3"),
        ("killed by signal 9", "The engine has ended: killed by signal 9"),
    ],
)
def test_the_end_of_an_engine_is_told_once(reason: str, words: str) -> None:
    assert ended_words(reason) == words


def test_what_a_run_and_a_trace_print_is_kept_apart_and_renewed() -> None:
    desk = Desk().up()
    desk.hear(Printed(id=desk.trace.id, stream="stdout", text="tracing\n"))
    desk.hear(made.traced(desk.trace.id))
    desk.hear(Printed(id=desk.run.id, stream="stdout", text="one\n"))
    desk.hear(Printed(id=desk.run.id, stream="stdout", text="two\n"))
    assert desk.work.printed == {"trace": "", "run": "one\ntwo\n"}
    desk.work.run(desk.now)
    assert desk.work.printed["run"] == ""


def test_output_without_end_keeps_its_end() -> None:
    desk = Desk().settled()
    for _ in range(50):
        desk.hear(Printed(id=0, stream="stdout", text="x" * 10_000))
    desk.hear(Printed(id=0, stream="stdout", text="last"))
    assert len(desk.work.printed["run"]) <= 200_000
    assert desk.work.printed["run"].endswith("last")


# ---------------------------------------------------------------------------- compiler's views


def test_a_view_is_asked_for_once_for_each_program() -> None:
    desk = Desk().settled()
    desk.work.inspect("hlo", desk.now)
    desk.work.inspect("hlo", desk.now)
    [asked] = desk.of(Inspect)
    assert asked.composition == desk.work.asked
    desk.hear(Inspected(id=asked.id, view="hlo", text="HloModule"))
    desk.work.inspect("hlo", desk.now)
    assert desk.of(Inspect) == [asked]
    assert desk.work.views.get("hlo").text == "HloModule"
    assert not desk.work.busy


def test_a_view_waits_until_typing_rests() -> None:
    desk = Desk().settled()
    desk.type("program.arguments.0.value", "ones(3)")
    desk.work.inspect("jaxpr", desk.now)
    assert not desk.of(Inspect)
    desk.rest()
    desk.work.inspect("jaxpr", desk.now)
    assert desk.of(Inspect)[0].composition == desk.work.asked


@pytest.mark.parametrize("view", ["equivalents", "origins"])
def test_what_runs_the_program_again_is_asked_for_once_it_has_run(view: ProgramView) -> None:
    desk = Desk().up()
    desk.hear(made.traced(desk.trace.id))
    desk.work.inspect(view, desk.now)
    assert not desk.of(Inspect)
    desk.hear(made.ran(desk.run.id))
    desk.work.inspect(view, desk.now)
    assert desk.of(Inspect)[0].view == view


def test_a_result_is_known_not_to_be_finite_by_its_statistics_only() -> None:
    desk = Desk().settled()
    assert desk.work.ran is not None
    result = desk.work.ran.result
    desk.work.note_summary(result, summary(non_finite=0))
    desk.work.note_summary(result - 1, summary(non_finite=2))  # of a result before
    assert not desk.work.not_finite
    desk.work.note_summary(result, summary(non_finite=2))
    assert desk.work.not_finite


def test_a_view_that_fails_says_why_and_leaves_the_program_without_an_error() -> None:
    desk = Desk().settled()
    desk.work.inspect("cost", desk.now)
    desk.hear(Failed(id=desk.of(Inspect)[0].id, diagnosis=WRONG))
    assert desk.work.views.get("cost").text == "no"
    assert desk.work.diagnosis is None


def test_a_view_that_takes_long_is_named_and_can_be_ended() -> None:
    desk = Desk().settled()
    desk.work.inspect("hlo", desk.now)
    assert desk.work.status(desk.now + 3) == "compiling 3 s · ctrl+c ends it"
    desk.now += 3
    desk.restart(ended=True)
    assert not desk.work.busy or desk.work.phase == "starting"
    assert desk.work.blocked()


def summary(*, non_finite: int) -> Summary:
    return Summary(minimum=0.0, maximum=0.0, mean=0.0, std=0.0, non_finite=non_finite, count=4)
