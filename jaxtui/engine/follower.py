"""A follower: one of an engine's several processes, which evaluates what the leader evaluates.

It reports only what its devices hold and print; all other results are discarded, because the
leader has them too.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from jaxtui.engine import guard, membership
from jaxtui.engine.lanes import STACK_BYTES
from jaxtui.engine.questions import answer_in_thread
from jaxtui.engine.steps import Steps
from jaxtui.engine_base.errors import GivenUp
from jaxtui.engine_base.output import (
    Outbox,
    Prints,
    Stream,
    failure,
    private_descriptors,
    redirect,
)
from jaxtui.engine_base.processes import Given, Leaves, Place, Step, Task, become, hosts
from jaxtui.wire.base import Composition, Printed
from jaxtui.wire.protocol import AnyEvent

if TYPE_CHECKING:
    from jaxtui.results.engine.held import HeldBlocks

CANNOT_START = 3
NOT_MESSAGES = 4
LOST = 5
_JOB = 1  # request id of every print; the leader knows which request it really belongs to
_CALLBACKS = tuple(os.path.join("jax", "_src", name) for name in ("callback.py", "debugging.py"))


class Follower:
    """This process as a follower: receives jobs from the leader and answers it.

    `agree` and `gathered` raise GivenUp if the leader has ended the job.

    `held` keeps this process' blocks of results. When the connection to the leader breaks, the
    process exits.
    """

    together = True  # a follower gives up only when the leader tells it to

    def __init__(self, connection: Connection[Any, Any], held: HeldBlocks) -> None:
        self._connection = connection
        self._held = held
        self._asked = answer_in_thread(held.answer, self.tell)
        self._send_lock = threading.Lock()
        self._replies: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        # (task, seed, results that the leader has let go of)
        self.jobs: SimpleQueue[tuple[Task, int, list[int]]] = SimpleQueue()

    def tell(self, kind: str, content: Any = None) -> None:
        with self._send_lock:
            self._send((kind, content))

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            os._exit(0)

    @contextmanager
    def joined(self, task: Task) -> Iterator[None]:
        yield  # the leader has begun the task already

    def agree(self, given: Given) -> None:
        self.tell("prepared", given)
        self._wait_for("go")

    def gathered(self, leaves: Leaves) -> Leaves:
        number, wanted = self._wait_for("give")
        self.tell("holds", self._held.hold(number, leaves, wanted))
        return []

    def stepped(self, step: Step, own: Callable[[], Any]) -> list[Any]:
        return [own()]  # the leader has begun the step already

    def forget(self, holdings: Sequence[int]) -> None:
        for holding in holdings:
            self._held.forget(holding)

    def _wait_for(self, expected: str) -> Any:
        kind, content = self._replies.get()
        if kind != expected:
            raise GivenUp
        return content

    def listen(self) -> None:
        """Receive messages from the leader until the connection breaks, then exit."""
        while True:
            try:
                kind, content = self._connection.recv()
            except EOFError:
                os._exit(0)
            except OSError as error:
                _cut_off(error)
            except Exception as error:  # user code wrote to the connection
                os.write(2, f"jaxtui.engine: what came from process 0: {error}\n".encode())
                os._exit(NOT_MESSAGES)
            if kind == "join":
                # Drop replies that an earlier job did not wait for.
                self._replies = SimpleQueue()
                self.jobs.put(content)
            elif kind == "ask":
                self._asked.put(content)
            else:
                self._replies.put((kind, content))


def _cut_off(error: OSError) -> NoReturn:
    """Exit because the connection to the leader has broken, and say so if that is another host."""
    if not hosts():
        os._exit(0)
    reason = f"nothing comes from process 0 on {hosts()[0]}: {error.strerror}"
    text = f"jaxtui.engine: the processes of the engine have lost each other: {reason}\n"
    os.write(2, text.encode())
    os._exit(LOST)


class DevicePrints(Prints):
    """Passes on only what callbacks of computations on devices print.

    Everything else that Python prints here, the leader prints as well.
    """

    of_devices = False  # whether the current program runs over all devices

    def add(self, stream: Stream, text: str, request: int) -> None:
        if not request or not self.of_devices:
            return
        on_worker = getattr(self._thread, "request", 0)
        if not on_worker or _called_back():
            super().add(stream, text, request)


def _called_back() -> bool:
    """Whether the calling Python code runs inside a JAX callback.

    A computation on a single device runs on the thread that called it, so its callbacks do too.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.endswith(_CALLBACKS):
            return True
        frame = frame.f_back
    return False


def follow(options: argparse.Namespace) -> NoReturn:
    """Run this process as a follower until the leader exits."""
    requests, events, raw = private_descriptors()
    guarded = None
    if options.member:
        guarded = guard.Guard(requests)  # they hang up when the keeper of this process ends
        os.register_at_fork(after_in_child=partial(os.close, events))
    else:
        os.close(events)
    os.close(requests)
    member: list[Follower] = []

    def send(event: AnyEvent) -> None:
        if isinstance(event, Printed):
            member[0].tell("printed", (event.stream, event.text))

    prints = DevicePrints(send)
    redirect(prints, raw)
    try:
        connection, place = _connected(options)
    except BaseException as error:  # importing JAX may raise anything
        _cannot_start(events, error)
    try:
        member.append(_started(connection, options, place))
    except BaseException as error:
        if options.member:
            _cannot_start(events, error)
        connection.send(("cannot start", failure(error).diagnosis))
        os._exit(CANNOT_START)
    gc.freeze()
    gc.enable()
    if guarded is not None:
        guarded.wait_until_detached()
    threading.stack_size(STACK_BYTES)
    threading.Thread(target=_work, args=(member[0], prints), name="worker", daemon=True).start()
    threading.stack_size(0)
    member[0].listen()
    raise AssertionError("a follower listens until it ends")


def _connected(options: argparse.Namespace) -> tuple[Connection[Any, Any], Place]:
    """The connection to the leader, and this process' place."""
    if options.member:
        connection, place = membership.follow(options.member)
    else:
        connection = Connection(options.connection)
        os.set_inheritable(options.connection, False)
        place = Place(
            options.process, options.processes, options.coordinator, options.share, options.virtual
        )
    os.register_at_fork(after_in_child=partial(os.close, connection.fileno()))
    return connection, place


def _cannot_start(events: int, error: BaseException) -> NoReturn:
    """Tell the keeper of this process why it cannot take part, and exit."""
    outbox = Outbox(events)
    outbox.send(failure(error))
    outbox.flush(seconds=0.2)
    os._exit(CANNOT_START)


def _started(
    connection: Connection[Any, Any], options: argparse.Namespace, place: Place
) -> Follower:
    from jaxtui.engine_base import devices
    from jaxtui.program.engine import surroundings
    from jaxtui.results.engine.held import HeldBlocks

    devices.start(options.platform, options.devices, place)
    surroundings.remember()
    follower = Follower(connection, HeldBlocks())
    become(follower)
    return follower


def _work(follower: Follower, prints: DevicePrints) -> None:
    from jax import effects_barrier

    from jaxtui.collectives.engine import sources as collective_sources
    from jaxtui.engine_base import lockstep
    from jaxtui.program.engine import evaluation

    searches, steps = collective_sources.Searches(), Steps()
    while True:
        task, seed, forgotten = follower.jobs.get()
        follower.forget(forgotten)
        lockstep.seed(seed)
        prints.of_devices = _computes_over_devices(task)
        found = None
        with prints.of(_JOB, worker=True):
            try:
                if isinstance(task, Composition):
                    evaluation.run(task, lambda stage: None, lambda: False)
                elif isinstance(task, Step):
                    follower.tell("given", steps.take(task))
                else:
                    searches.find(task)
                effects_barrier()  # jax.debug's output precedes "ended"
            except GivenUp:
                pass
            except BaseException as error:  # also SystemExit: the user's code may call exit()
                found = failure(error).diagnosis
        follower.tell("ended", found)


def _computes_over_devices(task: Task) -> bool:
    """Whether the devices of this process have a part in what is computed."""
    if isinstance(task, Composition):
        return any(layer.over_devices for layer in task.program.layers)
    return isinstance(task, Step) and task.communicates
