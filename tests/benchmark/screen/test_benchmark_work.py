"""What is asked of the engine about a benchmark and when, and what is kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.screen import view
from jaxtui.benchmark.screen.timed_work import STOP_SECONDS
from jaxtui.benchmark.screen.work import BenchmarkWork
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import REST
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Benchmark, Devices, Session
from jaxtui.wire.base import Cancel, Cancelled, Failed, Gone, Printed
from jaxtui.wire.benchmark import Bench, BenchGap, BenchStage, Continue, PlanBench
from jaxtui.wire.benchmark_report import BenchmarkReport
from jaxtui.wire.protocol import AnyRequest
from tests.support import made_benchmarks as made
from tests.support import made_events


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


class Desk:
    """The work on a benchmark with an engine that answers only what a test says."""

    def __init__(self, session: Session | None = None, *, trusted: bool = True) -> None:
        self.sent: list[AnyRequest] = []
        self.kept: list[BenchmarkReport] = []
        self.ids = iter(range(1, 1000))
        self.open_session = OpenSession(
            session or made_events.session(),
            send=self.sent.append,
            next_id=lambda: next(self.ids),
            trusted=trusted,
        )
        self.bench = BenchmarkWork(self.open_session)
        self.bench.keep = self.keep
        self.open_session.restarted(0.0)

    def keep(self, report: BenchmarkReport) -> Path:
        self.kept.append(report)
        return Path("/runs/run.json")

    def ready(self) -> Desk:
        self.bench.on(made_events.ready(), 1.0)
        self.open_session.on(made_events.ready(), 1.0)
        return self

    def opened(self) -> Desk:
        self.ready().bench.open(1.0)
        return self

    def asked(self, kind: type[AnyRequest]) -> list[AnyRequest]:
        return [request for request in self.sent if isinstance(request, kind)]

    def started(self) -> Desk:
        self.opened()
        assert self.bench.run(2.0)
        return self

    @property
    def request(self) -> int:
        return self.asked(Bench)[-1].id

    def hear(self, events: list, now: float = 3.0) -> None:
        for event in events:
            self.bench.on(event, now)


OWN = Benchmark(strategies=["vmap"], rounds=5)


def test_the_tutorials_task_is_timed_as_long_as_the_session_has_no_benchmark() -> None:
    bench = Desk().bench
    assert bench.subject == "task"
    assert bench.session.parameters == {"batch": 64, "n": 256}
    assert "benchmark_task" in bench.session.program.source
    assert bench.session.devices == Devices(platform="cpu", count=8)


def test_a_sessions_own_benchmark_is_timed_before_the_tutorials() -> None:
    bench = Desk(made_events.session(benchmark=OWN)).bench
    assert bench.subject == "session"
    assert bench.benchmark == OWN
    assert bench.asked.composition.program == made_events.session().program


def test_nothing_is_planned_before_the_screen_is_opened() -> None:
    desk = Desk().ready()
    desk.bench.ask_due(5.0)
    assert not desk.asked(PlanBench)
    desk.bench.open(5.0)
    assert len(desk.asked(PlanBench)) == 1


def test_a_plan_is_asked_once_and_again_only_when_something_changed() -> None:
    desk = Desk().opened()
    desk.hear([made.planned(desk.asked(PlanBench)[-1].id)])
    desk.bench.ask_due(9.0)
    assert len(desk.asked(PlanBench)) == 1
    desk.bench.task = made_events.session(benchmark=Benchmark(rounds=3))
    desk.bench.edited(9.0)
    desk.bench.ask_due(9.0 + REST / 2)
    assert len(desk.asked(PlanBench)) == 1
    desk.bench.ask_due(9.0 + REST)
    assert len(desk.asked(PlanBench)) == 2


def test_what_is_not_trusted_is_not_even_traced() -> None:
    desk = Desk(made_events.session(benchmark=OWN), trusted=False).opened()
    assert not desk.asked(PlanBench)
    assert "not accepted" in desk.bench.notice(2.0)


def test_the_tutorials_task_is_planned_beside_a_session_that_is_not_trusted() -> None:
    assert Desk(trusted=False).opened().asked(PlanBench)


def test_a_run_is_paced_and_of_what_is_composed() -> None:
    desk = Desk(made_events.session(benchmark=OWN)).started()
    request = desk.asked(Bench)[-1]
    assert isinstance(request, Bench)
    assert request.paced
    assert request.benchmark == OWN


def test_a_second_run_never_runs_beside_the_first() -> None:
    desk = Desk().started()
    assert not desk.bench.run(3.0)
    assert len(desk.asked(Bench)) == 1


def test_a_run_begins_by_itself_once_the_engine_is_up() -> None:
    desk = Desk()
    desk.bench.open(0.0)
    assert desk.bench.run(0.5)
    assert not desk.asked(Bench)
    desk.ready().bench.ask_due(1.0)
    assert len(desk.asked(Bench)) == 1


def test_what_came_is_painted_in_a_gap_before_the_next_sample() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    assert desk.bench.take_painted() is None
    desk.hear(made.rounds(desk.request, count=1))
    told = desk.bench.take_painted()
    assert isinstance(told, Continue)
    assert told.target == desk.request
    assert desk.bench.take_painted() is None


def test_samples_are_painted_in_the_gaps_of_a_long_round() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    first, *_ = made.rounds(desk.request, count=1)
    desk.hear([first])
    before = desk.bench.changes
    assert desk.bench.take_painted() is None
    desk.hear([BenchGap(id=desk.request, point=0)])
    assert desk.bench.changes > before
    assert desk.bench.take_painted() is not None
    report = desk.bench.report
    assert report is not None
    assert report.points[0].strategies[0].n == 1


def test_what_is_printed_while_samples_come_is_painted_with_their_round() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    desk.hear([Printed(id=desk.request, stream="stdout", text="compiled\n")])
    *samples, over = made.rounds(desk.request, count=1)
    desk.hear([samples[0]])
    before = desk.bench.changes
    desk.hear([Printed(id=desk.request, stream="stdout", text="called\n")])
    assert desk.bench.changes == before
    desk.hear([*samples[1:], over])
    assert desk.bench.changes > before
    assert desk.bench.output == "compiled\ncalled\n"


def test_what_others_print_is_not_the_benchmarks() -> None:
    desk = Desk().started()
    desk.hear([Printed(id=desk.request + 1000, stream="stdout", text="of a run\n")])
    assert desk.bench.output == ""


def test_nothing_is_counted_on_screen_while_samples_are_taken() -> None:
    desk = Desk().started()
    assert desk.bench.busy
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    assert desk.bench.busy  # compiling: its seconds may be counted
    desk.hear([BenchStage(id=desk.request, point=0, arm=0, stage="warming")])
    assert not desk.bench.busy
    desk.hear(made.rounds(desk.request))
    assert not desk.bench.busy
    assert desk.bench.timing


def test_samples_and_rounds_alone_change_nothing_on_screen() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    *samples, over = made.rounds(desk.request, count=1)
    desk.hear([samples[0]])
    before = desk.bench.changes
    desk.hear(samples[1:])
    assert desk.bench.changes == before
    desk.hear([over])
    assert desk.bench.changes == before + 1


def test_the_first_stop_cancels_and_the_second_ends_the_engine() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    assert desk.bench.stop(4.0) == "asked"
    assert [r.target for r in desk.asked(Cancel)][-1:] == [desk.request]
    assert not desk.bench.overdue(4.0 + STOP_SECONDS / 2)
    assert desk.bench.overdue(4.1 + STOP_SECONDS)
    assert desk.bench.stop(4.5) == "end"


def test_without_a_run_there_is_nothing_to_stop() -> None:
    assert Desk().opened().bench.stop(2.0) == ""


def test_what_a_stopped_run_measured_is_shown_and_kept() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    desk.hear([*made.rounds(desk.request), *made.finished(desk.request, stopped=True)])
    assert not desk.bench.running
    assert [report.ended for report in desk.kept] == ["stopped"]
    assert desk.bench.report is not None
    assert desk.bench.report.points[0].strategies[0].n == made.ROUNDS
    assert "run.json" in desk.bench.said


def test_a_whole_run_is_kept_with_every_sample() -> None:
    desk = Desk().started()
    desk.hear(made.whole(desk.request))
    (report,) = desk.kept
    assert report.ok
    assert len(report.points[0].strategies[0].samples) == made.ROUNDS


def test_an_engine_that_dies_loses_no_sample() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    desk.hear(made.rounds(desk.request)[:-2])
    desk.hear([Gone(reason="it was killed (SIGKILL)", status=-9, wanted=False)])
    assert not desk.bench.running
    (report,) = desk.kept
    assert report.ended == "it was killed (SIGKILL)"
    assert len(report.points[0].strategies[0].samples) == made.ROUNDS


def test_a_run_that_was_stopped_before_any_sample_is_not_kept_and_leaves_the_plan() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    desk.hear([Cancelled(id=desk.request)])
    assert not desk.kept
    assert desk.bench.report is None
    assert "before anything was timed" in desk.bench.notice(5.0)


def test_a_run_in_hand_is_kept_when_the_explorer_is_left() -> None:
    desk = Desk().started()
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    desk.hear(made.rounds(desk.request))
    desk.bench.left()
    assert len(desk.kept) == 1


def test_a_run_that_cannot_be_kept_says_why_and_is_shown_all_the_same() -> None:
    desk = Desk()

    def refuse(report: BenchmarkReport) -> Path:
        raise bench_runs.RunError("the disk is full")

    desk.bench.keep = refuse
    desk.started()
    desk.hear(made.whole(desk.request))
    assert desk.bench.said == "the disk is full"
    assert desk.bench.report is not None


def test_results_say_when_the_settings_have_changed_since() -> None:
    desk = Desk(made_events.session(benchmark=OWN)).started()
    desk.hear(made.whole(desk.request))
    assert not desk.bench.stale
    desk.open_session.edit(made_events.session(benchmark=Benchmark(rounds=9)))
    desk.bench.edited(5.0)
    assert desk.bench.stale


def test_what_is_wrong_with_a_benchmark_is_told_by_its_plan() -> None:
    wrong = Diagnosis(
        kind="session", field=FieldPath("benchmark.sweep.m"), message="nothing says m"
    )
    desk = Desk().opened()
    desk.hear([made.planned(desk.asked(PlanBench)[-1].id, diagnosis=wrong)])
    assert desk.bench.diagnosis == wrong


def test_a_request_that_fails_leaves_its_reason() -> None:
    wrong = Diagnosis(kind="function", field=FieldPath("program"), message="it raised")
    desk = Desk().started()
    desk.hear([Failed(id=desk.request, diagnosis=wrong)])
    assert desk.bench.diagnosis == wrong
    assert not desk.bench.running


def test_events_of_another_run_change_nothing() -> None:
    desk = Desk().started()
    desk.hear(made.started(999))
    assert desk.bench.recording is not None
    assert desk.bench.recording.environment is None


def test_the_time_left_counts_the_points_to_come() -> None:
    desk = Desk().started()
    number = desk.request
    desk.hear(made.started(number, made.SWEEP), 3.0)
    desk.hear(made.prepared(number, 0, made.SWEEP[0]), 3.0)
    desk.hear(made.rounds(number), 5.0)
    # 2 s gone and 6 s left here, and two more points like this one
    assert desk.bench.seconds_left(5.0) == pytest.approx(6.0 + 2 * 8.0)
    desk.hear(made.prepared(number, 1, made.SWEEP[1]), 9.0)
    desk.hear(made.rounds(number, 1), 9.0)
    assert desk.bench.seconds_left(9.0) == pytest.approx(6.0 + 6.0)


def test_the_header_says_how_far_a_run_is() -> None:
    desk = Desk().started()
    assert desk.bench.words() == "benchmark"
    desk.hear([*made.started(desk.request), *made.prepared(desk.request)])
    assert desk.bench.words() == "benchmark: compiling"
    desk.hear(made.rounds(desk.request))
    assert desk.bench.words() == f"benchmark {made.ROUNDS}/25"
    desk.bench.stop(4.0)
    assert desk.bench.words() == "stopping the benchmark"
    desk.hear(made.finished(desk.request, stopped=True))
    assert desk.bench.words() == ""


def test_an_earlier_run_takes_the_place_of_the_newest_until_the_next() -> None:
    from jaxtui.benchmark.screen.work import Opened

    desk = Desk().started()
    desk.hear(made.whole(desk.request))
    earlier = made.report(made.swept(1))
    desk.bench.show_run(Opened(Path("/runs/earlier.json"), earlier))
    assert desk.bench.report is earlier
    desk.bench.run(9.0)
    assert desk.bench.opened is None


def test_the_tutorials_task_divides_over_the_devices_that_there_are() -> None:
    desk = Desk().opened()
    assert desk.bench.benchmark.devices == [8]
    for count, fitted in [(4, [4]), (1, [1]), (256, [8])]:
        desk.bench.on(made_events.ready(count), 2.0)
        assert desk.bench.benchmark.devices == fitted


def test_the_tutorials_task_as_somebody_changed_it_is_left_so() -> None:
    desk = Desk().opened()
    changed = msgspec.structs.replace(desk.bench.benchmark, devices=[2])
    desk.bench.task = msgspec.structs.replace(desk.bench.task, benchmark=changed)
    desk.bench.on(made_events.ready(4), 2.0)
    assert desk.bench.benchmark.devices == [2]


def test_beside_the_tutorials_task_stands_how_the_sessions_own_program_is_timed() -> None:
    task, own = made_events.session(), made_events.session()
    words = "matrix_vector_product(matrix, vector) · the tutorial's task"
    also = "; p takes matrix_vector_product(matrix, vector) instead"
    assert view.task_text(task, own, 160) == words + also
    assert view.task_text(task, own, 80) == words  # where there is no room
    assert view.task_text(task, Session(), 160) == words
