"""What answers each request: a lane of its kind, and the code that it calls there."""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from jaxtui.engine.lanes import IsCancelled, Job, LightLane, OnStage, Timed, Worker
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.engine_base.output import (
    Outbox,
    Prints,
)
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.base import Cancel, Describe, Described, Spoiled
from jaxtui.wire.benchmark import Bench, Continue, PlanBench
from jaxtui.wire.changes import CompareResults, FiguresTaken, TakeFigures
from jaxtui.wire.collectives import (
    CollectivesDescribed,
    DescribeCollectives,
    FindProvenance,
    RunCollective,
)
from jaxtui.wire.exercises import CheckAnswer
from jaxtui.wire.names import ListNames, NamesListed
from jaxtui.wire.program import Inspect, Inspected, Ran, Run, Trace
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import ProgramReport
from jaxtui.wire.results import FindCell, ReadWindow, Summarize
from jaxtui.wire.sharding import (
    AdviseSharding,
    CompileSharding,
    ExplainSharding,
    PlanSharding,
    SearchShardings,
)

if TYPE_CHECKING:
    from jaxtui.collectives.engine.requests import CollectiveRuns


class Engine:
    """Dispatches each request to the thread that answers it. Created once JAX has its devices."""

    def __init__(self, outbox: Outbox, prints: Prints) -> None:
        # Imported only after JAX has started and Ready was sent, so that Ready is sent sooner.
        from jax import effects_barrier

        from jaxtui.benchmark.engine import turns
        from jaxtui.engine_base import devices, integrity
        from jaxtui.program.engine import evaluation
        from jaxtui.results.engine import store as results

        self._integrity = integrity.Integrity()
        self._finish_effects: Callable[[], None] = effects_barrier
        self._devices, self._evaluation = devices, evaluation
        self._store = results.ResultStore()
        self._outbox = outbox
        self._turns, self._pace = turns.Turns(), turns.Pace()
        send = outbox.send
        self._tracing = LightLane("tracing", self._trace, send, prints, only_newest=True)
        self._viewing = LightLane("viewing", self._view, send, prints)
        self._planning = LightLane("planning", self._plan, send, prints, only_newest=True)
        self._laying_out = LightLane("laying out", self._lay_out, send, prints, only_newest=True)
        self._advising = LightLane("advising", self._lay_out, send, prints, only_newest=True)
        self._worker = Worker(self._work, self._store.summaries, self._bench, send, prints)
        self._lanes = (
            self._tracing,
            self._viewing,
            self._planning,
            self._laying_out,
            self._advising,
            self._worker,
        )

    @functools.cached_property
    def _collectives(self) -> CollectiveRuns:
        """The collectives that ran, for the worker; imported when the first is asked for."""
        from jaxtui.collectives.engine.requests import CollectiveRuns

        return CollectiveRuns(self._store)

    def start(self) -> None:
        for lane in self._lanes:
            lane.start()

    def dispatch(self, request: AnyRequest) -> None:
        """Queue `request` on the lane that answers it. Never blocks."""
        match request:
            case Trace():
                self._tracing.take(request)
            case ReadWindow() | Describe() | DescribeCollectives() | ListNames():
                self._viewing.take(request)
            case Run() | Inspect() | FindCell() | RunCollective() | FindProvenance():
                self._worker.take(request)
            case CompileSharding() | SearchShardings() | CheckAnswer():
                self._worker.take(request)
            case TakeFigures() | CompareResults():
                self._worker.take(request)
            case PlanSharding():
                self._laying_out.take(request)
            case AdviseSharding() | ExplainSharding():
                self._advising.take(request)
            case Summarize():
                self._worker.take_summarize(request)
            case PlanBench():
                self._planning.take(request)
            case Bench() | SweepBandwidth():
                self._worker.take_bench(request)
            case Continue():
                self._pace.go()
            case Cancel():
                for lane in self._lanes:
                    lane.cancel(request.target)

    def _trace(self, request: AnyRequest) -> AnyEvent:
        assert isinstance(request, Trace)
        with self._checked(), self._turns.light():
            return self._evaluation.trace(request.composition, id=request.id)

    @contextmanager
    def _checked(self) -> Iterator[None]:
        """Report, before the answer, that user code in the block has spoiled this process."""
        try:
            yield
        finally:
            if what := self._integrity.broken():
                self._outbox.send(Spoiled(what=what))

    def _plan(self, request: AnyRequest) -> AnyEvent:
        # Imported here because most sessions are never timed.
        from jaxtui.benchmark.engine import plan as benchmark_plan

        assert isinstance(request, PlanBench)
        with self._turns.light():
            return benchmark_plan.plan(request)

    def _lay_out(self, request: AnyRequest) -> AnyEvent:
        from jaxtui.sharding.engine import requests as sharding

        assert isinstance(request, PlanSharding | AdviseSharding | ExplainSharding)
        with self._checked(), self._turns.light():
            return sharding.answer(request)

    def _bench(self, request: Timed) -> Generator[AnyEvent | None]:
        if isinstance(request, SweepBandwidth):
            from jaxtui.benchmark.bandwidth.engine import sweep as bandwidth

            yield from bandwidth.events(request, self._turns, self._pace)
            return
        from jaxtui.benchmark.engine import run as benchmark

        yield from benchmark.events(request, self._turns, self._pace)

    def _view(self, request: AnyRequest) -> AnyEvent:
        with self._turns.light():
            if isinstance(request, ReadWindow):
                return self._store.window(request)
            if isinstance(request, DescribeCollectives):
                from jaxtui.collectives.engine import run as collectives

                options = collectives.available()
                return CollectivesDescribed(id=request.id, options=options)
            if isinstance(request, ListNames):
                from jaxtui.program.engine import module_names

                names = list(module_names.names_of(request.module))
                return NamesListed(id=request.id, module=request.module, names=names)
            return Described(id=request.id, environment=self._devices.environment())

    def _work(self, request: Job, on_stage: OnStage, cancelled: IsCancelled) -> AnyEvent:
        self._turns.disturb()
        with self._checked():
            return self._worked(request, on_stage, cancelled)

    def _worked(self, request: Job, on_stage: OnStage, cancelled: IsCancelled) -> AnyEvent:
        match request:
            case Run():
                return self._run(request, on_stage, cancelled)
            case Inspect():
                return self._inspected(request, on_stage, cancelled)
            case FindCell():
                return self._store.find(request, cancelled)
            case RunCollective():
                return self._collectives.run(request, on_stage, cancelled)
            case FindProvenance():
                return self._collectives.find(request, cancelled)
            case CheckAnswer():
                from jaxtui.program.engine import answers

                return answers.check(request.trials, on_stage, cancelled, id=request.id)
            case TakeFigures():
                from jaxtui.changes.engine import figures

                on_stage("compiling")
                taken = figures.figures(request.composition)
                return FiguresTaken(id=request.id, figures=taken)
            case CompareResults():
                from jaxtui.changes.engine import results as changes

                return changes.compared(request, self._store, on_stage, cancelled)
            case CompileSharding() | SearchShardings():
                from jaxtui.sharding.engine import requests as sharding

                return sharding.worked(request, cancelled, self._outbox.send)

    def _inspected(self, request: Inspect, on_stage: OnStage, cancelled: IsCancelled) -> Inspected:
        notes: list[Diagnosis] = []
        if request.view == "equivalents":
            from jaxtui.benchmark.engine import equivalents

            text = equivalents.text(request.composition, on_stage, cancelled)
        elif request.view == "origins":
            from jaxtui.origins.engine import report

            text = report.text(request.composition, on_stage, cancelled)
        elif request.view == "memory":
            from jaxtui.memory.engine import report as memory

            account = memory.account(request.composition, request.sharding, cancelled)
            return Inspected(
                id=request.id,
                view=request.view,
                text=memory.text(account),
                notes=account.notes,
                memory=memory.report_of(account),
            )
        else:
            from jaxtui.program.engine import inspection

            text, links = inspection.listed(request.composition, request.view)
            return Inspected(id=request.id, view=request.view, text=text, links=links)
        return Inspected(id=request.id, view=request.view, text=text, notes=notes)

    def _run(self, request: Run, on_stage: OnStage, cancelled: IsCancelled) -> AnyEvent:
        self._store.hold(request.held)
        try:
            evaluated = self._evaluation.run(request.composition, on_stage, cancelled)
        except Diagnosed as error:
            if error.diagnosis.kind == "memory":
                self._store.hold(0)  # what is to run is worth more than what it is compared with
            if error.diagnosis.kind != "memory" or error.diagnosis.fixes:
                raise
            from jaxtui.memory.engine import report as memory

            on_stage("compiling")
            raise memory.with_batches(error, request.composition, cancelled) from error
        self._finish_effects()  # jax.debug's output precedes the answer
        on_stage("reading")
        self._store.keep(request.id, evaluated.leaves)
        report = ProgramReport(
            function=evaluated.function,
            inputs=evaluated.inputs,
            layers=evaluated.layers,
            notes=evaluated.notes,
            outputs=self._store.outputs(request.id, request.values, request.small),
        )
        return Ran(
            id=request.id,
            result=request.id,
            report=report,
            flow=evaluated.flow,
            seconds=evaluated.seconds,
        )
