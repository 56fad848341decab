"""The threads that work on requests: light lanes, and the worker for what uses the devices.

Each request has one final answer (Summarize may have two), and no exception ends a lane.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator

from msgspec.structs import replace

from jaxtui.engine_base.errors import GivenUp
from jaxtui.engine_base.output import Prints, failure
from jaxtui.program.engine import pmaps
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.base import Cancelled, Stage
from jaxtui.wire.benchmark import Bench, BenchFinished
from jaxtui.wire.changes import CompareResults, TakeFigures
from jaxtui.wire.collectives import FindProvenance, RunCollective
from jaxtui.wire.exercises import CheckAnswer
from jaxtui.wire.program import Inspect, Run
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import Summary
from jaxtui.wire.results import FindCell, Summarize, Summarized
from jaxtui.wire.sharding import CompileSharding, SearchShardings

# Tracing recurses through C++ as well as Python: Python's recursion limit has to be reached before
# the C stack overflows.
STACK_BYTES = 64 * 1024 * 1024

Send = Callable[[AnyEvent], None]
Job = (
    Run
    | Inspect
    | CheckAnswer
    | FindCell
    | TakeFigures
    | CompareResults
    | RunCollective
    | FindProvenance
    | CompileSharding
    | SearchShardings
)
Timed = Bench | SweepBandwidth
OnStage = Callable[[str], None]
IsCancelled = Callable[[], bool]


class LightLane:
    """A thread that answers requests in order, none of which computes on devices.

    With `only_newest`, a newer request replaces one that is still queued. A request cannot be
    interrupted while it is handled: if it is cancelled then, `Cancelled` is sent instead of its
    result.
    """

    def __init__(
        self,
        name: str,
        handle: Callable[[AnyRequest], AnyEvent],
        send: Send,
        prints: Prints,
        *,
        only_newest: bool = False,
    ) -> None:
        self._handle = handle
        self._send = send
        self._prints = prints
        self._only_newest = only_newest
        self._waiting: deque[AnyRequest] = deque()
        self._current: int | None = None
        self._given_up = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, request: AnyRequest) -> None:
        with self._change:
            replaced = list(self._waiting) if self._only_newest else []
            if replaced:
                self._waiting.clear()
            self._waiting.append(request)
            self._change.notify()
        for old in replaced:
            self._send(Cancelled(id=old.id))

    def cancel(self, target: int) -> None:
        with self._change:
            found = [request for request in self._waiting if request.id == target]
            for request in found:
                self._waiting.remove(request)
            self._given_up |= self._current == target
        if found:
            self._send(Cancelled(id=target))

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting)
                request = self._waiting.popleft()
                self._current, self._given_up = request.id, False
            answer = self._answer(request)
            with self._change:
                self._current = None
                given_up = self._given_up
            self._send(Cancelled(id=request.id) if given_up else answer)

    def _answer(self, request: AnyRequest) -> AnyEvent:
        with self._prints.of(request.id), pmaps.forgotten():
            try:
                return self._handle(request)
            except BaseException as error:  # also SystemExit: the user's code may call exit()
                return replace(failure(error), id=request.id)


class Worker:
    """The one thread that compiles, runs and reads results, one job at a time.

    Three kinds of request are queued, in order of priority:

    - Job: runs to its end. A newer one replaces a queued one of the same type.
    - Summarize: a generator that is advanced step by step (a step without a result yields None),
      so that Jobs and Cancels are served between two steps.
    - Timed: a generator as well. A second one waits until the first is finished, and a newer one
      replaces the one that waits. To cancel it, GivenUp is thrown into the generator, which may
      yield one last event.
    """

    def __init__(
        self,
        run: Callable[[Job, OnStage, IsCancelled], AnyEvent],
        summaries: Callable[[Summarize], Iterator[Summary | None]],
        bench: Callable[[Timed], Generator[AnyEvent | None]],
        send: Send,
        prints: Prints,
    ) -> None:
        self._run = run
        self._summaries = summaries
        self._bench = bench
        self._send = send
        self._prints = prints
        self._jobs: dict[type[Job], Job] = {}  # in order of arrival
        self._steps: deque[tuple[Summarize, Iterator[Summary | None]]] = deque()
        self._benches: deque[tuple[Timed, Generator[AnyEvent | None]]] = deque()
        self._stopped: set[int] = set()  # ids of _benches to throw GivenUp into
        self._mapped: list[pmaps.Function | None] = []  # by the first of _benches
        self._current: int | None = None
        self._given_up = False
        self._change = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="worker", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, request: Job) -> None:
        """Queue a job in place of a queued one of the same type."""
        with self._change:
            replaced = self._jobs.get(type(request))
            self._jobs[type(request)] = request
            self._change.notify()
        if replaced is not None:
            self._send(Cancelled(id=replaced.id))

    def take_summarize(self, request: Summarize) -> None:
        with self._change:
            self._steps.append((request, iter(self._summaries(request))))
            self._change.notify()

    def take_bench(self, request: Timed) -> None:
        """Queue a benchmark behind the current one, in place of one that still waits."""
        with self._change:
            replaced = self._benches.pop()[0] if len(self._benches) > 1 else None
            self._benches.append((request, self._bench(request)))
            self._change.notify()
        if replaced is not None:
            self._send(Cancelled(id=replaced.id))

    def cancel(self, target: int) -> None:
        """Cancel request `target` if it is here: now if it is queued, else at its next yield."""
        with self._change:
            self._stopped |= {request.id for request, _ in self._benches if request.id == target}
            jobs = {kind: job for kind, job in self._jobs.items() if job.id != target}
            steps = deque(step for step in self._steps if step[0].id != target)
            waits = len(jobs) < len(self._jobs) or len(steps) < len(self._steps)
            self._jobs, self._steps = jobs, steps
            self._given_up |= self._current == target
        if waits:
            self._send(Cancelled(id=target))

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._jobs or self._steps or self._benches)
                self._given_up = False
                job = self._jobs.pop(next(iter(self._jobs))) if self._jobs else None
                step = self._steps.popleft() if not job and self._steps else None
                self._current = job.id if job else step[0].id if step else None
            if job:
                self._send(self._ran(job))
            elif step:
                self._step(*step)
            else:
                self._bench_step(*self._benches[0])
            with self._change:
                self._current = None

    def _ran(self, request: Job) -> AnyEvent:
        with self._prints.of(request.id, worker=True), pmaps.forgotten():
            try:
                return self._run(
                    request,
                    lambda stage: self._send(Stage(id=request.id, stage=stage)),  # type: ignore[arg-type]
                    lambda: self._given_up,
                )
            except GivenUp:
                return Cancelled(id=request.id)
            except BaseException as error:  # also SystemExit: the user's code may call exit()
                return replace(failure(error), id=request.id)

    def _step(self, request: Summarize, summaries: Iterator[Summary | None]) -> None:
        """Advance a Summarize by one step and put it back at the head of the queue unless done."""
        summary: Summary | None = None
        with self._prints.of(request.id, worker=True):
            try:
                summary = next(summaries)
            except StopIteration:
                return
            except BaseException as error:
                self._send(replace(failure(error), id=request.id))
                return
        if summary is not None and not self._given_up:
            self._send(_summarized(request, summary))
            if summary.exact:
                return
        with self._change:
            # Under one lock, so that a Cancel finds the request either current or queued.
            self._current = None
            given_up = self._given_up
            if not given_up:
                self._steps.appendleft((request, summaries))
        if given_up:
            self._send(Cancelled(id=request.id))

    def _bench_step(self, request: Timed, events: Generator[AnyEvent | None]) -> None:
        """Advance the first Timed by one step and remove it from the queue when it is done."""
        event: AnyEvent | None = None
        done = False
        with self._prints.of(request.id, worker=True), pmaps.mapped(self._mapped):
            try:
                if request.id in self._stopped:
                    self._stopped.discard(request.id)
                    event = events.throw(GivenUp())
                else:
                    event = next(events)
                done = isinstance(event, BenchFinished)
            except StopIteration:
                done = True
            except GivenUp:
                event, done = Cancelled(id=request.id), True
            except BaseException as error:  # also SystemExit: the user's code may call exit()
                event, done = replace(failure(error), id=request.id), True
        if done:
            with self._change:
                self._benches.popleft()
                self._stopped.discard(request.id)
            pmaps.forget(self._mapped)
            self._mapped.clear()
        if event is not None:
            self._send(event)


def _summarized(request: Summarize, summary: Summary) -> Summarized:
    return Summarized(
        id=request.id,
        result=request.result,
        leaf=request.leaf,
        device=request.device,
        summary=summary,
    )
