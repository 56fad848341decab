"""`jaxtui run` and `jaxtui devices`: the engine's answers without a screen."""

from __future__ import annotations

import math
import signal
import sys
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from jaxtui.session import collective_program as collectives
from jaxtui.session import session as sessions
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark, Collective, Session, SessionError
from jaxtui.text import collective_tables as plain_collective
from jaxtui.text import plain
from jaxtui.wire import launch
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.base import Cancel, Cancelled, Composition, Failed, Gone, Log, Printed, Ready
from jaxtui.wire.benchmark import Bench
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.collectives import CollectiveRan, RunCollective
from jaxtui.wire.launch import Choice
from jaxtui.wire.program import Ran, Run
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import CollectiveReport, Environment, Output, ProgramReport, RunReport

VALUES = 10_000  # elements of an output; above it a summary stands for them

DONE, FAILED, NOT_STARTED = 0, 1, 3

T = TypeVar("T")


class EngineLost(Exception):
    """The engine could not start (`started` false), or died."""

    def __init__(self, diagnosis: Diagnosis, *, started: bool) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis
        self.started = started


class HeadlessEngine:
    """An engine that is asked and waited for. What the user's code prints goes to stderr."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._environment: Environment | None = None
        self._events: SimpleQueue[AnyEvent] = SimpleQueue()
        self._client = EngineClient(settings)
        self._client.listen(self._events.put)
        self._client.start()

    def environment(self) -> Environment:
        """Where it runs, once it has started. Raises EngineLost."""
        while self._environment is None:
            event = self._next()
            if isinstance(event, Ready):
                self._environment = event.environment
            elif isinstance(event, Failed):
                raise EngineLost(event.diagnosis, started=False)
        return self._environment

    def run(self, composition: Composition) -> ProgramReport | Diagnosis:
        """The program's report, or why it failed. Raises EngineLost."""
        request = Run(id=self._client.next_id(), composition=composition, values=VALUES)
        answer = self._answer(request)
        return answer.report if isinstance(answer, Ran) else _why(answer)

    def run_collective(
        self, composition: Composition, collective: Collective
    ) -> CollectiveRan | Diagnosis:
        """What the devices held before and after, or why it failed. Raises EngineLost."""
        request = RunCollective(
            id=self._client.next_id(),
            composition=composition,
            collective=collective,
            values=VALUES,
        )
        answer = self._answer(request)
        return answer if isinstance(answer, CollectiveRan) else _why(answer)

    def _answer(self, request: AnyRequest) -> AnyEvent:
        self.environment()
        self._client.send(request)
        while True:
            event = self._next()
            if event.id == request.id and isinstance(
                event, Ran | CollectiveRan | Failed | Cancelled
            ):
                return event

    def start_bench(self, composition: Composition, benchmark: Benchmark) -> int:
        """Have a benchmark begin; its request's id. Raises EngineLost."""
        self.environment()
        request = Bench(id=self._client.next_id(), composition=composition, benchmark=benchmark)
        self._client.send(request)
        return request.id

    def start_sweep(
        self, composition: Composition, collective: Collective, benchmark: Benchmark
    ) -> int:
        """Have a bandwidth sweep begin; its request's id. Raises EngineLost."""
        self.environment()
        request = SweepBandwidth(
            id=self._client.next_id(),
            composition=composition,
            collective=collective,
            benchmark=benchmark,
        )
        self._client.send(request)
        return request.id

    def cancel(self, target: int) -> None:
        """Give up request `target`."""
        self._client.send(Cancel(id=self._client.next_id(), target=target))

    def next_event(
        self, before_words: Callable[[], None] | None = None, seconds: float | None = None
    ) -> AnyEvent:
        """The next event; `before_words` is called before any words of it are passed on to stderr.

        Raises EngineLost, and queue.Empty when none comes within `seconds`.
        """
        return self._next(before_words, seconds)

    def close(self) -> None:
        """End it, and pass on what it still had to say."""
        self._client.close()
        while not self._events.empty():
            _narrate(self._events.get())

    def kill(self) -> None:
        """End it at once."""
        self._client.kill()
        self._client.close()

    def _next(
        self, before_words: Callable[[], None] | None = None, seconds: float | None = None
    ) -> AnyEvent:
        event = self._events.get(timeout=seconds)
        if before_words is not None and isinstance(event, Printed | Log):
            before_words()
        _narrate(event)
        if isinstance(event, Gone):
            diagnosis = Diagnosis(kind="engine", field="", message=event.reason)
            raise EngineLost(diagnosis, started=self._environment is not None)
        return event


def _why(answer: AnyEvent) -> Diagnosis:
    """The diagnosis in an answer that is no report."""
    if isinstance(answer, Failed):
        return answer.diagnosis
    return Diagnosis(kind="engine", field="", message="the engine gave the run up")


class Engines:
    """One engine at a time, kept from session to session as long as their device sets agree."""

    def __init__(self) -> None:
        self._engine: HeadlessEngine | None = None

    def __enter__(self) -> Engines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._engine is not None:
            # A second ctrl+c must not leave a process behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._engine.kill()
        self.drop()

    def for_settings(self, settings: EngineSettings) -> HeadlessEngine:
        """The engine with these settings, a fresh one unless the one in hand has them."""
        if self._engine is None or self._engine.settings != settings:
            self.drop()
            self._engine = HeadlessEngine(settings)
        return self._engine

    def drop(self) -> None:
        """End the engine in hand."""
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one session: the report to print, its title, the exit status it asks for.

    `collective` is what the session asked for, and `note` what there is to say of its check.
    """

    report: RunReport
    title: str = ""
    collective: Collective | None = None
    note: str = ""
    status: int = DONE


def run(paths: Sequence[str], choice: Choice, *, as_json: bool, ascii: bool) -> int:
    """Evaluate each session and print what came out. Returns the exit status."""
    show = _show_json if as_json else _text_shower(ascii)
    status = DONE
    with Engines() as engines:
        for path in paths:
            outcome = evaluate(path, choice, engines)
            show(outcome)
            sys.stdout.flush()
            status = max(status, outcome.status)
    return status


def evaluate(path: str, choice: Choice, engines: Engines) -> Outcome:
    """Run the session at `path`, on an engine of `engines`."""
    try:
        session = choice.applied_to(sessions.loads(launch.read(path)))
        _check_that_it_runs(session)
    except SessionError as error:
        diagnosis = Diagnosis(kind="session", field=error.field, message=error.message)
        return Outcome(report=_report(path, None, None, None, diagnosis), status=FAILED)
    environment = program = ran = failure = None
    status = DONE
    try:
        engine = engines.for_settings(choice.settings_for(session))
        environment = engine.environment()
        composition = _composition(session, path)
        if collectives.runs_program(session):
            program, failure = _parted(engine.run(composition))
        if session.collective is not None and failure is None:
            ran, failure = _parted(engine.run_collective(composition, session.collective))
    except EngineLost as lost:
        engines.drop()
        program, ran, failure = None, None, lost.diagnosis
        status = FAILED if lost.started else NOT_STARTED
    return Outcome(
        report=_report(path, environment, program, ran, failure),
        title=session.title,
        collective=session.collective,
        note=ran.note if ran else "",
        status=FAILED if failure and not status else status,
    )


def _parted(answer: T | Diagnosis) -> tuple[T | None, Diagnosis | None]:
    return (None, answer) if isinstance(answer, Diagnosis) else (answer, None)


def devices(choice: Choice, *, as_json: bool, ascii: bool) -> int:
    """Print what JAX sees here. Returns the exit status."""
    with Engines() as engines:
        engine = engines.for_settings(choice.settings_for(choice.applied_to(Session())))
        try:
            environment = engine.environment()
        except EngineLost as lost:
            print(plain.failure("jaxtui", lost.diagnosis), file=sys.stderr)
            return NOT_STARTED
    if as_json:
        print(msgspec.json.encode(environment).decode())
    else:
        print(plain.environment(environment, ascii=ascii))
    return DONE


def _check_that_it_runs(session: Session) -> None:
    if session.program.empty and session.collective is None:
        raise SessionError("no function: give `source` or `function`", "program")


def _composition(session: Session, path: str) -> Composition:
    return Composition(
        program=session.program,
        parameters=session.parameters,
        devices=session.devices,
        folder=launch.folder_of(path),
    )


def _report(
    path: str,
    environment: Environment | None,
    program: ProgramReport | None,
    ran: CollectiveRan | None,
    failure: Diagnosis | None,
) -> RunReport:
    return RunReport(
        session=path,
        ok=failure is None,
        environment=environment,
        program=None if program is None else _in_json_numbers(program),
        collective=None if ran is None else _collective_in_json_numbers(ran.report),
        error=failure,
    )


def _in_json_numbers(report: ProgramReport) -> ProgramReport:
    """The report with non-finite numbers as texts, since JSON has none."""
    outputs = [_output_in_json_numbers(output) for output in report.outputs]
    return msgspec.structs.replace(report, outputs=outputs)


def _collective_in_json_numbers(report: CollectiveReport) -> CollectiveReport:
    return msgspec.structs.replace(
        report,
        before=[_output_in_json_numbers(output) for output in report.before],
        after=[_output_in_json_numbers(output) for output in report.after],
    )


def _output_in_json_numbers(output: Output) -> Output:
    summary = output.summary
    if summary is not None:
        figures = ("minimum", "maximum", "mean", "std")
        summary = msgspec.structs.replace(
            summary, **{name: finite_or_text(getattr(summary, name)) for name in figures}
        )
    return msgspec.structs.replace(output, values=finite_or_text(output.values), summary=summary)


def finite_or_text(value: Any) -> Any:
    """Nested lists with "nan", "inf" and "-inf" for the floats that JSON cannot say."""
    if isinstance(value, list):
        return [finite_or_text(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _show_json(outcome: Outcome) -> None:
    print(msgspec.json.encode(outcome.report).decode())


def _text_shower(ascii: bool) -> Callable[[Outcome], None]:
    """Shows outcomes as text, a blank line between two of them."""
    shown = 0

    def show(outcome: Outcome) -> None:
        nonlocal shown
        report = outcome.report
        if report.error is not None:
            print(plain.failure(report.session, report.error), file=sys.stderr)
            return
        assert report.environment is not None
        heading = [report.session, plain.device_set(report.environment, ascii=ascii)]
        if outcome.title:
            heading.insert(1, outcome.title)
        print("\n" * bool(shown) + "  ".join(heading))
        if report.program is not None:
            print(plain.program(report.program, ascii=ascii))
        if report.collective is not None and outcome.collective is not None:
            note = outcome.note
            print(
                plain_collective.collective(
                    outcome.collective, report.collective, note, ascii=ascii
                )
            )
        shown += 1

    return show


def _narrate(event: AnyEvent) -> None:
    """What the user's code and the engine wrote, to stderr."""
    if isinstance(event, Printed):
        sys.stderr.write(event.text)
        sys.stderr.flush()
    elif isinstance(event, Log):
        print(event.line, file=sys.stderr)
