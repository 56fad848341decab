"""The leader of an engine of several processes: starts the followers and keeps them in step.

Does not import JAX, so that the followers start before the leader's own import of it.
"""

from __future__ import annotations

import itertools
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from queue import Empty, SimpleQueue
from typing import Any

from jaxtui.engine.questions import Questions
from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import failure
from jaxtui.engine_base.processes import (
    Given,
    Leaves,
    Place,
    Sources,
    Step,
    Task,
    require_same,
)
from jaxtui.session import shares
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import DEVICES, NO_FIELD

LOOPBACK = "127.0.0.1"
LOST = 5  # exit status of a leader that has lost its followers or is out of step
_TOLD_SECONDS = 3.0  # in which a keeper tells how a follower on another host has ended
_PROBE_SECONDS = 120.0
_END_SECONDS = 60.0  # limit for followers to end a job that the leader has ended
_PATIENCE_SECONDS = 10.0  # after which it is said which follower is waited for
_ALONE_SECONDS = 20.0  # limit for the leader to fail as well after a follower has failed


@dataclass
class Follower:
    """A follower; `popen` is None for one on another host, which its keeper there looks after."""

    process: int
    popen: subprocess.Popen[bytes] | None
    connection: Connection[Any, Any]
    messages: SimpleQueue[tuple[str, Any]] = field(default_factory=SimpleQueue)
    ended: bool = True  # whether it has ended the current job
    failure: Diagnosis | None = None  # of the last job that it ended
    given: Any = None  # by the last step that it made
    sending: threading.Lock = field(default_factory=threading.Lock)
    host: str = ""

    @property
    def name(self) -> str:
        return f"process {self.process} on {self.host}" if self.host else f"process {self.process}"

    def tell(self, kind: str, content: Any = None) -> None:
        """Send it a message. A broken connection is left to the thread that listens to it."""
        with suppress(OSError), self.sending:
            self.connection.send((kind, content))


class Leader:
    """The leader. Only the worker's thread may call the methods of a Member."""

    def __init__(self, followers: list[Follower]) -> None:
        self._followers = followers
        self._together = False
        self._jobs = 0  # begun so far
        self._holdings = itertools.count(1)
        self._questions = Questions()

    @property
    def together(self) -> bool:
        return self._together

    @contextmanager
    def joined(self, task: Task) -> Iterator[None]:
        from jaxtui.engine_base import lockstep

        self._jobs += 1
        seed = secrets.randbits(32)
        forgotten = self._questions.forgotten()
        for follower in self._followers:
            follower.ended, follower.failure, follower.given = False, None, None
            follower.tell("join", (task, seed, forgotten))
        lockstep.seed(seed)
        # These start to compute at once: they go on with what all have agreed on.
        self._together = isinstance(task, Sources) or (isinstance(task, Step) and task.communicates)
        try:
            yield
            self._together = False
        except BaseException as error:
            alone, self._together = self._together, False
            self._end(_patience(task))
            if alone:
                self._require_same(error)
            raise
        self._end(_patience(task))

    def stepped(self, step: Step, own: Callable[[], Any]) -> list[Any]:
        with self.joined(step):
            mine = own()
        for follower in self._followers:
            if follower.failure is not None:
                raise _failed_alone(follower.name, follower.failure)
        return [mine, *(follower.given for follower in self._followers)]

    def _require_same(self, error: BaseException) -> None:
        """Exit unless every follower failed as this process did.

        Otherwise a collective is half done: the next computation would wait forever, or receive
        the data of this one.
        """
        found = failure(error).diagnosis
        for follower in self._followers:
            other = follower.failure
            # An error that is not yet diagnosed has no field to compare.
            comparable = isinstance(error, Diagnosed)
            if other is None or (comparable and other.field != found.field):
                die(
                    "the processes of the engine are out of step: process 0 failed where "
                    f"{follower.name} did not: {_one_line(found.message)}"
                )

    def _end(self, seconds: float | None) -> None:
        for follower in self._followers:
            if not follower.ended:
                follower.tell("stop")
        for follower in self._followers:
            while not follower.ended:
                try:
                    self._next_message(follower, seconds)
                except Empty:
                    die(
                        f"the processes of the engine are out of step: {follower.name} "
                        "computes what process 0 does not"
                    )

    def _next_message(self, follower: Follower, seconds: float | None = None) -> tuple[str, Any]:
        """Wait for a follower's next message. Raises queue.Empty after `seconds`."""
        kind, content = follower.messages.get(timeout=seconds)
        if kind == "ended":
            follower.ended, follower.failure = True, content
        elif kind == "given":
            follower.given = content
        return kind, content

    def _next_answer(self, follower: Follower) -> Any:
        """Wait for a follower's answer. Raises Diagnosed if it has ended the job instead."""
        waited = 0.0
        while True:
            try:
                kind, content = self._next_message(follower, _PATIENCE_SECONDS)
                break
            except Empty:
                waited += _PATIENCE_SECONDS
                # Process 0 has done the same by now; what is on one host is as fast.
                if follower.host:
                    _say(
                        f"process 0 has waited {waited:.0f} s for {follower.name}, which is slower"
                    )
        if kind == "ended":
            raise _failed_alone(follower.name, content)
        return content

    def agree(self, given: Given) -> None:
        for follower in self._followers:
            require_same(follower.name, given, self._next_answer(follower))
        self._together = True
        for follower in self._followers:
            follower.tell("go")

    def gathered(self, leaves: Leaves) -> Leaves:
        from jaxtui.results.engine.far import Holding
        from jaxtui.results.engine.gathering import Gathering

        self._together = False
        number = next(self._holdings)
        gathering = Gathering(leaves, Holding(number, self._ask, self._questions.forget))
        for follower in self._followers:
            follower.tell("give", (number, gathering.wanted))
        for follower in self._followers:
            gathering.add(follower.process, self._next_answer(follower))
        return gathering.complete()

    def _ask(self, process: int, question: Any) -> Any:
        follower = next(one for one in self._followers if one.process == process)
        return self._questions.ask(follower.tell, question)

    # ------------------------------------------------------------------------------- listening

    def listen(self, on_print: Callable[[Any, str], None], refused: Callable[[Any], None]) -> None:
        """Start a thread for each follower that receives its messages.

        It calls `on_print(stream, text)` for what the follower's devices print, and
        `refused(diagnosis)` if the follower cannot start.
        """
        for follower in self._followers:
            threading.Thread(
                target=self._listen,
                args=(follower, on_print, refused),
                name=f"process {follower.process}",
                daemon=True,
            ).start()

    def _listen(
        self,
        follower: Follower,
        on_print: Callable[[Any, str], None],
        refused: Callable[[Any], None],
    ) -> None:
        connection = follower.connection
        try:
            while True:
                kind, content = connection.recv()
                if kind == "printed":
                    on_print(*content)
                elif kind == "cannot start":
                    refused(content)
                elif kind == "answers":
                    self._questions.answered(*content)
                else:
                    follower.messages.put((kind, content))
                    if kind == "ended" and content is not None and self._together:
                        self._expect_failure(follower.name, content)
        except (EOFError, OSError) as error:
            _lost(follower, error)
        except Exception as error:  # user code wrote to the connection: nothing can be unpickled
            die(f"what came from {follower.name} is no message: {_one_line(str(error))}")

    def _expect_failure(self, name: str, found: Diagnosis) -> None:
        """Exit if the job, in which the process `name` has failed, does not fail here too.

        This process would otherwise wait for the failed one forever.
        """
        job = self._jobs

        def check() -> None:
            if self._together and self._jobs == job:
                die(
                    f"the processes of the engine are out of step: {name} failed where "
                    f"the others did not: {_one_line(found.message)}"
                )

        timer = threading.Timer(_ALONE_SECONDS, check)
        timer.daemon = True
        timer.start()

    def descriptors(self) -> list[int]:
        return [follower.connection.fileno() for follower in self._followers]


def _patience(task: Task) -> float | None:
    """Seconds that followers get to end a task once the leader has; None without a limit.

    What they do each for themselves, such as compiling, may take one of them far longer.
    """
    return None if isinstance(task, Step) and not task.communicates else _END_SECONDS


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _failed_alone(name: str, found: Diagnosis | None) -> Diagnosed:
    if found is None:
        return diagnosed("engine", NO_FIELD, f"{name} of the engine gave the run up")
    message = f"in {name}: {found.message}"
    return Diagnosed(
        Diagnosis(kind=found.kind, field=found.field, message=message, fixes=found.fixes)
    )


def _lost(follower: Follower, error: Exception) -> None:
    if follower.popen is None:
        # How it ended, its keeper can tell; this holds if only the connection to it has broken.
        time.sleep(_TOLD_SECONDS)
        how = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
        die(f"the processes of the engine have lost each other: {follower.name} is cut off{how}")
        return
    try:
        status = follower.popen.wait(2.0)
    except subprocess.TimeoutExpired:
        follower.popen.kill()
        status = follower.popen.wait()
    die(f"process {follower.process} ended with status {status}")


def _say(text: str) -> None:
    os.write(2, f"jaxtui.engine: {text}\n".encode())


def die(reason: str) -> None:
    """Write `reason` to stderr and exit at once; the followers then exit as well."""
    _say(reason)
    os._exit(LOST)


# ------------------------------------------------------------------------------------- the start


def lead(platform: str, count: int | None, processes: int) -> tuple[Leader, Place]:
    """Start the followers and return the leader with its place.

    Raises Diagnosed at `devices.count` if the devices cannot be divided equally, and at
    `devices.platform` if the platform cannot start or be spread over processes.
    """
    share, virtual = _share(platform, count, processes)
    coordinator = f"{LOOPBACK}:{_free_port()}"
    followers = []
    for process in range(1, processes):
        place = Place(process, processes, coordinator, share, virtual)
        followers.append(_started(platform, count, place))
    return Leader(followers), Place(0, processes, coordinator, share, virtual)


def _share(platform: str, count: int | None, processes: int) -> tuple[int, bool]:
    """The number of devices of each process, and whether they are virtual."""
    backend = "cpu"
    if count is None or platform.strip().lower().split(",")[0] != "cpu":
        backend, available = _probed(platform, count)
        if backend not in ("cpu", "gpu"):
            message = f"devices of {backend} cannot be spread over processes of one host"
            raise diagnosed("devices", DEVICES / "platform", message)
        count = available
    if fault := shares.unequal(count, processes):
        # The number of real devices is fixed.
        fixes = [shares.nearest(count, processes)] if backend == "cpu" else []
        raise diagnosed("devices", DEVICES / "count", fault, fixes)
    return count // processes, backend == "cpu"


def _probed(platform: str, count: int | None) -> tuple[str, int]:
    """The platform that JAX chooses and its number of devices, found out in a child process.

    JAX cannot be started here yet: its processes have to meet before its backend starts.
    """
    command = [*_python(), "--probe", f"--platform={platform}", f"--parent={os.getpid()}"]
    if count is not None:
        command.append(f"--devices={count}")
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    output = ran.stdout.decode("utf-8", "replace").strip()
    backend, _, rest = output.partition(" ")
    number = rest.partition(" ")[0]
    if ran.returncode == 0 and number.isdecimal():
        return backend, int(number)
    reason = output or f"a process that asks for the devices ended with {ran.returncode}"
    raise diagnosed("devices", DEVICES / "platform", reason)


def _python() -> list[str]:
    return [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "jaxtui.engine"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _started(platform: str, count: int | None, place: Place) -> Follower:
    ours, theirs = Pipe()
    command = [
        *_python(),
        f"--platform={platform}",
        f"--processes={place.processes}",
        f"--process={place.process}",
        f"--share={place.share}",
        *(["--virtual"] if place.virtual else []),
        f"--coordinator={place.coordinator}",
        f"--connection={theirs.fileno()}",
        f"--parent={os.getpid()}",
    ]
    popen = subprocess.Popen(
        command if count is None else [*command, f"--devices={count}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    return Follower(place.process, popen, ours)
