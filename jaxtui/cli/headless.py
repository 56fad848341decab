"""The engine for commands without a screen: answers are waited for, prints go to stderr."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from queue import SimpleQueue

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD, PROGRAM
from jaxtui.session.session import (
    Benchmark,
    Collective,
    Session,
    SessionError,
    Sharding,
    loads,
)
from jaxtui.wire import launch
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.base import (
    Cancel,
    Composition,
    Failed,
    Gone,
    LineState,
    Log,
    Printed,
    Ready,
    Spoiled,
    Stage,
)
from jaxtui.wire.benchmark import Bench
from jaxtui.wire.change_report import Figures, LeafChange
from jaxtui.wire.changes import CompareResults, FiguresTaken, ResultsCompared, TakeFigures
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.collectives import CollectiveRan, RunCollective
from jaxtui.wire.launch import Choice
from jaxtui.wire.memory_report import MemoryReport
from jaxtui.wire.program import Inspect, Inspected, Ran, Run
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import Environment
from jaxtui.wire.sharding import (
    AdviseSharding,
    CompileSharding,
    PlanSharding,
    SearchShardings,
    ShardingsFound,
)

VALUES = 10_000  # elements of an output above which a summary replaces its values

DONE, FAILED, NOT_STARTED = 0, 1, 3  # exit statuses


def load(path: str, choice: Choice) -> Session:
    """Read the session at `path` and apply `choice`. Raises SessionError, also if nothing runs."""
    session = choice.applied_to(loads(launch.read(path)))
    if session.program.empty and session.collective is None:
        raise SessionError("no function: give `source` or `function`", PROGRAM)
    return session


class EngineLost(Exception):
    """The engine died, or could not start (`started` is false)."""

    def __init__(self, diagnosis: Diagnosis, *, started: bool) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis
        self.started = started


class HeadlessEngine:
    """A running engine with blocking calls. What the user's code prints goes to stderr.

    Every method that waits raises EngineLost when the engine ends.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.spoiled = False  # by user code, so that no other session may run here
        self._environment: Environment | None = None
        self._events: SimpleQueue[AnyEvent] = SimpleQueue()
        self._client = EngineClient(settings)
        self._client.listen(self._events.put)
        self._client.start()

    def environment(self) -> Environment:
        while self._environment is None:
            event = self.next_event()
            if isinstance(event, Ready):
                self._environment = event.environment
            elif isinstance(event, Failed):
                raise EngineLost(event.diagnosis, started=False)
        return self._environment

    def run(self, composition: Composition, held: int = 0) -> Ran | Diagnosis:
        """Run a program; the engine keeps its result, and `held`, one before it."""
        id = self._client.next_id()
        answer = self._answer(Run(id=id, composition=composition, values=VALUES, held=held))
        return answer if isinstance(answer, Ran) else _diagnosis(answer)

    def memory(
        self, composition: Composition, sharding: Sharding | None
    ) -> MemoryReport | Diagnosis:
        """Compile a program for what it takes; `sharding` may say what memory a device has."""
        id = self._client.next_id()
        answer = self._answer(
            Inspect(id=id, composition=composition, view="memory", sharding=sharding)
        )
        told = answer.memory if isinstance(answer, Inspected) else None
        return told if told is not None else _diagnosis(answer)

    def figures(self, composition: Composition) -> Figures:
        """Trace and compile a program for its figures."""
        answer = self._answer(TakeFigures(id=self._client.next_id(), composition=composition))
        if isinstance(answer, FiguresTaken):
            return answer.figures
        return Figures(primitives=None, failure=_diagnosis(answer).message)

    def compare(self, composition: Composition, now: Ran, before: Ran) -> list[LeafChange] | str:
        """The leaves of two results that the engine keeps, or why they are not compared."""
        request = CompareResults(
            id=self._client.next_id(),
            composition=composition,
            result=now.result,
            before=before.result,
        )
        answer = self._answer(request)
        return answer.leaves if isinstance(answer, ResultsCompared) else _diagnosis(answer).message

    def run_collective(
        self, composition: Composition, collective: Collective
    ) -> CollectiveRan | Diagnosis:
        request = RunCollective(
            id=self._client.next_id(),
            composition=composition,
            collective=collective,
            values=VALUES,
        )
        answer = self._answer(request)
        return answer if isinstance(answer, CollectiveRan) else _diagnosis(answer)

    def plan_sharding(self, composition: Composition, sharding: Sharding) -> AnyEvent:
        """The event that answers a PlanSharding."""
        id = self._client.next_id()
        return self._answer(PlanSharding(id=id, composition=composition, sharding=sharding))

    def compile_sharding(self, composition: Composition, sharding: Sharding) -> AnyEvent:
        """The event that answers a CompileSharding."""
        id = self._client.next_id()
        return self._answer(CompileSharding(id=id, composition=composition, sharding=sharding))

    def advise_sharding(self, composition: Composition, sharding: Sharding) -> AnyEvent:
        """The event that answers an AdviseSharding."""
        id = self._client.next_id()
        return self._answer(AdviseSharding(id=id, composition=composition, sharding=sharding))

    def search_shardings(self, composition: Composition, sharding: Sharding) -> AnyEvent:
        """The last event that answers a SearchShardings."""
        id = self._client.next_id()
        request = SearchShardings(id=id, composition=composition, sharding=sharding, fixed=[])
        return self._answer(request)

    def _answer(self, request: AnyRequest) -> AnyEvent:
        self._send(request)
        while True:
            event = self.next_event()
            if event.id != request.id or isinstance(event, Stage | Printed):
                continue
            if not (isinstance(event, ShardingsFound) and not event.done):
                return event

    def start_timing(
        self, composition: Composition, collective: Collective | None, benchmark: Benchmark
    ) -> int:
        """Start a benchmark, or a sweep of `collective` if given, and return its request's id."""
        id = self._client.next_id()
        request: AnyRequest = Bench(id=id, composition=composition, benchmark=benchmark)
        if collective is not None:
            request = SweepBandwidth(
                id=id, composition=composition, collective=collective, benchmark=benchmark
            )
        return self._send(request)

    def _send(self, request: AnyRequest) -> int:
        self.environment()
        self._client.send(request)
        return request.id

    def cancel(self, target: int) -> None:
        self._client.send(Cancel(id=self._client.next_id(), target=target))

    def next_event(
        self, before_print: Callable[[], None] | None = None, seconds: float | None = None
    ) -> AnyEvent:
        """Wait for the next event, and write it to stderr if it is a print or a log.

        `before_print` is called before anything is written. Raises EngineLost, and queue.Empty when
        no event comes within `seconds`.
        """
        event = self._events.get(timeout=seconds)
        if before_print is not None and isinstance(event, Printed | Log):
            before_print()
        _write_to_stderr(event)
        if isinstance(event, Spoiled):
            self.spoiled = True
        if isinstance(event, Gone):
            diagnosis = Diagnosis(kind="engine", field=NO_FIELD, message=event.reason)
            raise EngineLost(diagnosis, started=self._environment is not None)
        return event

    def close(self) -> None:
        """End the engine, and write to stderr what is left of its output."""
        self._client.close()
        while not self._events.empty():
            _write_to_stderr(self._events.get())

    def kill(self) -> None:
        self._client.kill()
        self._client.close()


def _diagnosis(answer: AnyEvent) -> Diagnosis:
    if isinstance(answer, Failed):
        return answer.diagnosis
    return Diagnosis(kind="engine", field=NO_FIELD, message="the engine gave the run up")


class Engines:
    """A context with one engine at a time, reused by all sessions that need the same settings."""

    def __init__(self) -> None:
        self._engine: HeadlessEngine | None = None

    def __enter__(self) -> Engines:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None and self._engine is not None:
            # A second ctrl+c must not interrupt this and leave a process behind.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._engine.kill()
        self.drop()

    def for_settings(self, settings: EngineSettings) -> HeadlessEngine:
        """Return the current engine if it has these settings and is sound, else start a new one."""
        engine = self._engine
        if engine is None or engine.settings != settings or engine.spoiled:
            self.drop()
            self._engine = engine = HeadlessEngine(settings)
        return engine

    def drop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


def _write_to_stderr(event: AnyEvent) -> None:
    if isinstance(event, Printed):
        sys.stderr.write(event.text)
        sys.stderr.flush()
    elif isinstance(event, Log):
        print(event.line, file=sys.stderr)
    elif isinstance(event, LineState) and event.state in ("lost", "connected"):
        _write_line_state(event)


def _write_line_state(state: LineState) -> None:
    """Say that the line to the engine broke, or is back."""
    words = "the line to the engine is back"
    if state.state == "lost":
        words = f"the line to the engine is lost: {state.reason}; trying again"
    print(f"jaxtui: {words}", file=sys.stderr)
