"""The engine's process: `python -m jaxtui.engine [--platform=P] [--devices=N] [--processes=N]`.

Reads Requests from its standard input and writes Events to its standard output, both as frames.
The first event is Ready, or a Failed with id 0 before exit status 3. The end of its input ends it,
whatever it is doing. Exit status 4: the input was not a stream of frames.
"""

from __future__ import annotations

import argparse
import faulthandler
import functools
import gc
import importlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from jaxtui.engine import guard
from jaxtui.engine.lanes import STACK_BYTES, IsCancelled, Job, LightLane, OnStage, Timed, Worker
from jaxtui.engine_base.chatter import WithoutChatter
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.engine_base.output import (
    Outbox,
    Prints,
    failure,
    private_descriptors,
    redirect,
    sendable,
)
from jaxtui.engine_base.processes import Place, become
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.base import Cancel, Describe, Described, Failed, Ready, Spoiled
from jaxtui.wire.benchmark import Bench, Continue, PlanBench
from jaxtui.wire.changes import CompareResults, FiguresTaken, TakeFigures
from jaxtui.wire.collectives import (
    CollectivesDescribed,
    DescribeCollectives,
    FindProvenance,
    RunCollective,
)
from jaxtui.wire.exercises import CheckAnswer
from jaxtui.wire.framing import FramingError, read_body
from jaxtui.wire.names import ListNames, NamesListed
from jaxtui.wire.program import Inspect, Inspected, Ran, Run, Trace
from jaxtui.wire.protocol import AnyEvent, AnyRequest, decode_request
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

CANNOT_START = 3
NOT_FRAMES = 4


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


def main() -> NoReturn:
    """Run the engine until its standard input ends."""
    options = _options()
    if options.parent:
        guard.end_with(options.parent)
    if options.probe:
        _probe(options)
    if options.job:
        from jaxtui.engine import job

        job.tell()
    if os.isatty(0):
        sys.stderr.write("This is the engine of jaxtui, which starts it; run `jaxtui`.\n")
        sys.exit(2)
    # The parent may have passed on SIG_IGN.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    # ctrl+c is for the screen. Unlike SIG_IGN, a handler is not inherited by processes that the
    # user's code starts.
    signal.signal(signal.SIGINT, lambda *_: None)
    faulthandler.enable(file=2, all_threads=False)
    gc.disable()  # until all is imported: hardly any of it is garbage
    if options.process:
        from jaxtui.engine import follower

        follower.follow(options)
    requests, events, raw = private_descriptors()
    outbox = Outbox(events)
    prints = Prints(outbox.send)
    redirect(prints, raw, WithoutChatter().feed if options.processes > 1 else str)
    os.register_at_fork(after_in_child=partial(_leave_protocol, requests, events))
    guarded = guard.Guard(requests)
    read = partial(os.read, requests)
    try:
        if options.told:
            _listen_for_options(options, read, outbox)
        engine = _started(options, outbox, prints)
    except BaseException as error:  # importing JAX may raise anything
        outbox.send(failure(error))
        _exit(outbox, CANNOT_START)
    guarded.wait_until_detached()
    _serve(read, engine.dispatch, outbox)


def _options() -> argparse.Namespace:
    return _parser().parse_args()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jaxtui.engine", description=__doc__)
    parser.add_argument("--platform", default="")
    parser.add_argument("--devices", type=int, default=None)
    parser.add_argument("--processes", type=int, default=1)
    # The process id of what starts the engine on its own host, to end with it.
    parser.add_argument("--parent", type=int, default=0, help=argparse.SUPPRESS)
    # Used by the leader of several processes to start its followers.
    for name in ("--process", "--share", "--connection"):
        parser.add_argument(name, type=int, default=0, help=argparse.SUPPRESS)
    # The descriptor on which the keeper of a process on one of several hosts tells its place.
    parser.add_argument("--member", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--coordinator", default="", help=argparse.SUPPRESS)
    parser.add_argument("--virtual", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--job", action="store_true", help=argparse.SUPPRESS)
    # Further options are the first frame of the input, as JSON.
    parser.add_argument("--told", action="store_true", help=argparse.SUPPRESS)
    return parser


def _listen_for_options(
    options: argparse.Namespace, read: Callable[[int], bytes], outbox: Outbox
) -> None:
    """Import JAX, which needs no options, then add those that come to `options`."""
    importlib.import_module("jax")
    body = read_body(read)
    if body is None:
        _exit(outbox, 0)
    _parser().parse_args(json.loads(body), namespace=options)


def _started(options: argparse.Namespace, outbox: Outbox, prints: Prints) -> Engine:
    place = _join(options, outbox, prints) if options.processes > 1 else None
    from jaxtui.engine_base import devices
    from jaxtui.program.engine import surroundings

    environment = devices.start(options.platform, options.devices, place)
    outbox.send(Ready(environment=environment))
    devices.find_modules_here()
    # Seconds. While Python code of the user's runs on the worker, each trace waits for a few of
    # these intervals before the tracing thread gets the GIL.
    sys.setswitchinterval(0.001)
    surroundings.remember()
    engine = Engine(outbox, prints)
    # What was imported stays: looking through all of JAX for garbage takes a tenth of a second.
    gc.freeze()
    gc.enable()
    threading.stack_size(STACK_BYTES)
    engine.start()
    threading.stack_size(0)
    return engine


def _join(options: argparse.Namespace, outbox: Outbox, prints: Prints) -> Place:
    """Start the other processes, without waiting for them, and return this process' place.

    On several hosts they are there already, and are waited for. Raises Diagnosed.
    """
    if options.member:
        from jaxtui.engine import membership

        leader, place = membership.lead(options.member)
    else:
        from jaxtui.engine import leader as leading

        leader, place = leading.lead(options.platform, options.devices, options.processes)

    def refused(diagnosis: Diagnosis) -> None:
        outbox.send(Failed(diagnosis=diagnosis))
        _exit(outbox, CANNOT_START)

    leader.listen(lambda stream, text: prints.add(stream, text, prints.current()), refused)
    os.register_at_fork(after_in_child=partial(_close, *leader.descriptors()))
    become(leader)
    return place


def _probe(options: argparse.Namespace) -> NoReturn:
    """Print the platform that JAX chooses and its number of devices, or why it cannot start."""
    from jaxtui.engine_base import devices

    try:
        environment = devices.start(options.platform, options.devices)
    except BaseException as error:  # importing JAX may raise anything
        print(failure(error).diagnosis.message)
        sys.exit(CANNOT_START)
    kinds = dict.fromkeys(device.kind for device in environment.devices)
    print(environment.platform, environment.device_count, ", ".join(kinds))
    sys.exit(0)


def _serve(
    read: Callable[[int], bytes], dispatch: Callable[[AnyRequest], None], outbox: Outbox
) -> NoReturn:
    while True:
        try:
            body = read_body(read)
        except FramingError as error:
            os.write(2, f"jaxtui.engine: the requests are no frames: {error}\n".encode())
            _exit(outbox, NOT_FRAMES)
        if body is None:
            _exit(outbox, 0)
        try:
            dispatch(decode_request(body))
        except Exception as error:  # no request may end this loop
            diagnosis = Diagnosis(kind="engine", field=NO_FIELD, message=sendable(str(error)))
            outbox.send(Failed(diagnosis=diagnosis))


def _exit(outbox: Outbox, status: int) -> NoReturn:
    """Exit without waiting for threads, which may never return, and without any cleanup."""
    outbox.flush(seconds=0.2)
    os._exit(status)


def _leave_protocol(*descriptors: int) -> None:
    """In a forked child, close the protocol's `descriptors` and print to descriptors 1 and 2."""
    _close(*descriptors)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    main()
