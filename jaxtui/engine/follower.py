"""A follower: a process of an engine of several that evaluates what the leader evaluates.

Nothing that it finds out is told to anybody, but for what its devices hold and print.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import Connection
from queue import SimpleQueue
from types import FrameType
from typing import Any, NoReturn

from jaxtui.engine.lanes import STACK_BYTES
from jaxtui.engine_base.errors import GivenUp
from jaxtui.engine_base.output import Prints, Stream, failure, private_descriptors, redirect
from jaxtui.engine_base.processes import Given, Leaves, Place, Task, become
from jaxtui.session.session import Program
from jaxtui.wire.base import Composition, Printed
from jaxtui.wire.protocol import AnyEvent

CANNOT_START = 3
_JOB = 1  # prints belong to a request; which one, the leader knows
_CALLBACKS = tuple(os.path.join("jax", "_src", name) for name in ("callback.py", "debugging.py"))


class Follower:
    """A follower's side: evaluates what it is told to, until the leader is gone.

    `hold(leaves, numbers)` gives the pieces of those leaves that this process holds, to hand over:
    a description and the bytes of each.
    """

    together = True  # it gives up only when it is told

    def __init__(
        self,
        connection: Connection[Any, Any],
        hold: Callable[[Leaves, Sequence[int]], Iterator[tuple[Any, Any]]],
    ) -> None:
        self._connection = connection
        self._hold = hold
        self._sending = threading.Lock()
        self._told: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self.jobs: SimpleQueue[tuple[Task, int]] = SimpleQueue()  # each with its seed

    def tell(self, kind: str, content: Any = None) -> None:
        """Say something to the leader."""
        with self._sending:
            self._send((kind, content))

    def _send(self, message: Any) -> None:
        try:
            self._connection.send(message)
        except OSError:
            os._exit(0)  # nobody leads any more

    @contextmanager
    def joined(self, task: Task) -> Iterator[None]:
        """The leader has begun it."""
        yield

    def agree(self, given: Given) -> None:
        """Ready; go on when the leader says so. Raises GivenUp."""
        self.tell("prepared", given)
        self._wait_for("go")

    def gathered(self, leaves: Leaves) -> Leaves:
        """Hand over what this process holds of the leaves. Raises GivenUp."""
        wanted = self._wait_for("give")
        pieces = list(self._hold(leaves, wanted))
        with self._sending:
            self._send(("holds", [description for description, _ in pieces]))
            for _, data in pieces:
                try:
                    self._connection.send_bytes(data)
                except OSError:
                    os._exit(0)
        return []

    def _wait_for(self, word: str) -> Any:
        kind, content = self._told.get()
        if kind != word:
            raise GivenUp
        return content

    def listen(self) -> None:
        """Take what the leader says, until it is gone."""
        while True:
            try:
                kind, content = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            if kind == "join":
                # What a job before this one did not wait for is not meant for this one.
                self._told = SimpleQueue()
                self.jobs.put(content)
            else:
                self._told.put((kind, content))


class DevicePrints(Prints):
    """Passes on only what code running on devices prints.

    What Python prints in this process, it prints in the leader as well.
    """

    of_devices = False  # whether the program in hand runs over all devices

    def add(self, stream: Stream, text: str, request: int) -> None:
        """Take `text` if it comes from a device."""
        if not request or not self.of_devices:
            return
        on_worker = getattr(self._thread, "request", 0)
        if not on_worker or _called_back():
            super().add(stream, text, request)


def _called_back() -> bool:
    """Whether a computation has called the Python that runs here.

    JAX runs one on a single device of the process in the thread that asks for it.
    """
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename.endswith(_CALLBACKS):
            return True
        frame = frame.f_back
    return False


def follow(options: argparse.Namespace) -> NoReturn:
    """Follow the leader until it is gone."""
    connection: Connection[Any, Any] = Connection(options.connection)
    os.set_inheritable(options.connection, False)
    os.register_at_fork(after_in_child=partial(os.close, options.connection))
    requests, events, raw = private_descriptors()
    for descriptor in (requests, events):
        os.close(descriptor)
    member: list[Follower] = []

    def send(event: AnyEvent) -> None:
        if isinstance(event, Printed):
            member[0].tell("printed", (event.stream, event.text))

    prints = DevicePrints(send)
    redirect(prints, raw)
    try:
        member.append(_started(connection, options))
    except BaseException as error:  # whatever an import of JAX may raise
        connection.send(("cannot start", failure(error).diagnosis))
        os._exit(CANNOT_START)
    threading.stack_size(STACK_BYTES)
    threading.Thread(target=_work, args=(member[0], prints), name="worker", daemon=True).start()
    threading.stack_size(0)
    member[0].listen()
    raise AssertionError("a follower listens until it ends")


def _started(connection: Connection[Any, Any], options: argparse.Namespace) -> Follower:
    from jaxtui.engine_base import devices
    from jaxtui.program.engine import surroundings
    from jaxtui.results.engine import gathering

    place = Place(
        options.process, options.processes, options.coordinator, options.share, options.virtual
    )
    devices.start(options.platform, options.devices, place)
    devices.find_modules_here()
    surroundings.remember()
    follower = Follower(connection, gathering.hold)
    become(follower)
    return follower


def _work(follower: Follower, prints: DevicePrints) -> None:
    from jax import effects_barrier

    from jaxtui.collectives.engine import sources as collective_sources
    from jaxtui.engine_base import lockstep
    from jaxtui.program.engine import evaluation

    searches = collective_sources.Searches()
    while True:
        task, seed = follower.jobs.get()
        lockstep.seed(seed)
        prints.of_devices = isinstance(task, Composition) and _runs_over_devices(task.program)
        found = None
        with prints.of(_JOB, worker=True):
            try:
                if isinstance(task, Composition):
                    evaluation.run(task, lambda stage: None, lambda: False)
                else:
                    searches.find(task)
                effects_barrier()  # what jax.debug prints comes before the end
            except GivenUp:
                pass
            except BaseException as error:  # also SystemExit: the user's code may call exit()
                found = failure(error).diagnosis
        follower.tell("ended", found)


def _runs_over_devices(program: Program) -> bool:
    return any(layer.over_devices for layer in program.layers)
