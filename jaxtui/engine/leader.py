"""The leader of an engine of several processes: starts the followers, and has them join in.

Imports no JAX: followers start before it does.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from queue import Empty, SimpleQueue
from typing import Any

from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.engine_base.output import failure
from jaxtui.engine_base.processes import Given, Leaves, Place, Sources, Task
from jaxtui.session.diagnosis import Diagnosis, Fix

LOOPBACK = "127.0.0.1"
LOST = 5  # exit status of a leader that cannot go on
_PROBE_SECONDS = 120.0
_END_SECONDS = 60.0  # for followers to end a job that the leader has ended
_ALONE_SECONDS = 20.0  # for the leader to fail where a follower has failed


@dataclass
class _Follower:
    process: int
    popen: subprocess.Popen[bytes]
    connection: Connection[Any, Any]
    said: SimpleQueue[tuple[str, Any]] = field(default_factory=SimpleQueue)
    ended: bool = True  # with the job in hand
    failure: Diagnosis | None = None  # with which it ended the last one

    def tell(self, kind: str, content: Any = None) -> None:
        """Say something to it; the thread that listens to it notices when it is gone."""
        with suppress(OSError):
            self.connection.send((kind, content))


class Leader:
    """The leader. Only the worker's thread may have it evaluate."""

    def __init__(self, followers: list[_Follower]) -> None:
        self._followers = followers
        self._together = False
        self._jobs = 0  # begun so far

    @property
    def together(self) -> bool:
        """Whether all processes compute now."""
        return self._together

    @contextmanager
    def joined(self, task: Task) -> Iterator[None]:
        """Have the followers work on `task` too, as far as the leader does."""
        from jaxtui.engine_base import lockstep

        self._jobs += 1
        seed = secrets.randbits(32)
        for follower in self._followers:
            follower.ended = False
            follower.tell("join", (task, seed))
        lockstep.seed(seed)
        # What is tried needs no more preparation: what was evaluated before is the same in all.
        self._together = isinstance(task, Sources)
        try:
            yield
            self._together = False
        except BaseException as error:
            alone, self._together = self._together, False
            self._end()
            if alone:
                self._require_same(error)
            raise
        self._end()

    def _require_same(self, error: BaseException) -> None:
        """End all unless each follower failed as this process did.

        What they sent each other does not fit any more: the next computation would wait forever,
        or take what was meant for this one.
        """
        found = failure(error).diagnosis
        for follower in self._followers:
            other = follower.failure
            same = other is not None and other.field == found.field
            # What nobody has foreseen has no field yet.
            same = same or (other is not None and not isinstance(error, Diagnosed))
            if not same:
                reason = " ".join(found.message.split())
                die(
                    "the processes of the engine are out of step: process 0 failed where process "
                    f"{follower.process} did not: {reason}"
                )

    def _end(self) -> None:
        for follower in self._followers:
            if not follower.ended:
                follower.tell("stop")
        for follower in self._followers:
            while not follower.ended:
                try:
                    self._heard(follower, _END_SECONDS)
                except Empty:
                    die(
                        f"the processes of the engine are out of step: process {follower.process} "
                        "computes what process 0 does not"
                    )

    def _heard(self, follower: _Follower, seconds: float | None = None) -> tuple[str, Any]:
        kind, content = follower.said.get(timeout=seconds)
        if kind == "ended":
            follower.ended, follower.failure = True, content
        return kind, content

    def agree(self, given: Given) -> None:
        """Compare what all were given, and let all go. Raises Diagnosed."""
        for follower in self._followers:
            kind, content = self._heard(follower)
            if kind == "ended":
                raise _failed_alone(follower.process, content)
            if content[0] != given[0]:
                raise _different(follower.process, "program", "makes another program")
            if content[1] != given[1]:
                raise _different(follower.process, "program.arguments", "has other arguments")
        self._together = True
        for follower in self._followers:
            follower.tell("go")

    def gathered(self, leaves: Leaves) -> Leaves:
        """The leaves with what the followers hold of them. Raises Diagnosed."""
        from jaxtui.results.engine.gathering import Gathering

        self._together = False
        gathering = Gathering(leaves)
        for follower in self._followers:
            follower.tell("give", gathering.wanted)
        for follower in self._followers:
            kind, content = self._heard(follower)
            if kind == "ended":
                raise _failed_alone(follower.process, content)
            gathering.add(content)
        return gathering.complete()

    # ------------------------------------------------------------------------------- listening

    def listen(self, on_print: Callable[[Any, str], None], refused: Callable[[Any], None]) -> None:
        """Hear the followers from now on, each on a thread of its own.

        What their devices print is handed to `on_print`, why one cannot start to `refused`.
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
        follower: _Follower,
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
                elif kind == "holds":
                    pieces = [(piece, connection.recv_bytes()) for piece in content]
                    follower.said.put((kind, pieces))
                else:
                    follower.said.put((kind, content))
                    if kind == "ended" and content is not None and self._together:
                        self._expect_end(follower.process, content)
        except (EOFError, OSError):
            _lost(follower)

    def _expect_end(self, process: int, found: Diagnosis) -> None:
        """A follower has failed: this process fails as well, or it waits for it forever."""

        job = self._jobs

        def check() -> None:
            if self._together and self._jobs == job:
                reason = " ".join(found.message.split())
                die(
                    f"the processes of the engine are out of step: process {process} failed where "
                    f"the others did not: {reason}"
                )

        timer = threading.Timer(_ALONE_SECONDS, check)
        timer.daemon = True
        timer.start()

    def descriptors(self) -> list[int]:
        """The descriptors that lead to the followers."""
        return [follower.connection.fileno() for follower in self._followers]


def _failed_alone(process: int, found: Diagnosis | None) -> Diagnosed:
    if found is None:
        return diagnosed("engine", "", f"process {process} of the engine gave the run up")
    message = f"in process {process}: {found.message}"
    return Diagnosed(
        Diagnosis(kind=found.kind, field=found.field, message=message, fixes=found.fixes)
    )


def _different(process: int, field: str, what: str) -> Diagnosed:
    message = (
        f"process {process} {what} than process 0, and they have to be the same in all: what is "
        "random needs a seed, and nothing may depend on the process"
    )
    return diagnosed("function", field, message)


def _lost(follower: _Follower) -> None:
    try:
        status = follower.popen.wait(2.0)
    except subprocess.TimeoutExpired:
        follower.popen.kill()
        status = follower.popen.wait()
    die(f"process {follower.process} ended with status {status}")


def die(reason: str) -> None:
    """End this process at once, its reason the last words. The followers end with it."""
    os.write(2, f"jaxtui.engine: {reason}\n".encode())
    os._exit(LOST)


# ------------------------------------------------------------------------------------- the start


def lead(platform: str, count: int | None, processes: int) -> tuple[Leader, Place]:
    """Start the followers. Raises Diagnosed at devices.count when there is no share for each."""
    share, virtual = _share(platform, count, processes)
    coordinator = f"{LOOPBACK}:{_free_port()}"
    followers = []
    for process in range(1, processes):
        place = Place(process, processes, coordinator, share, virtual)
        followers.append(_started(platform, count, place))
    return Leader(followers), Place(0, processes, coordinator, share, virtual)


def _share(platform: str, count: int | None, processes: int) -> tuple[int, bool]:
    """How many devices each process has, and whether they are virtual."""
    backend = "cpu"
    if count is None or platform.strip().lower().split(",")[0] != "cpu":
        backend, there = _probed(platform, count)
        if backend not in ("cpu", "gpu"):
            message = f"devices of {backend} cannot be spread over processes of one host"
            raise diagnosed("devices", "devices.platform", message)
        count = there
    if count < 1 or count % processes:
        nearest = max(1, round(count / processes)) * processes
        fixes = [Fix(f"{nearest} devices", "devices.count", str(nearest))]
        if backend != "cpu":
            fixes = []  # there are as many as there are
        devices = f"{count} devices" if count != 1 else "1 device"
        message = f"{devices} cannot be shared out among {processes} processes"
        raise diagnosed("devices", "devices.count", message, fixes)
    return count // processes, backend == "cpu"


def _probed(platform: str, count: int | None) -> tuple[str, int]:
    """The platform that JAX chooses and its number of devices, asked of a process that ends."""
    command = [*_python(), "--probe", f"--platform={platform}"]
    if count is not None:
        command.append(f"--devices={count}")
    ran = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        timeout=_PROBE_SECONDS,
        check=False,
    )
    said = ran.stdout.decode("utf-8", "replace").strip()
    backend, _, number = said.partition(" ")
    if ran.returncode == 0 and number.isdecimal():
        return backend, int(number)
    reason = said or f"a process that asks for the devices ended with {ran.returncode}"
    raise diagnosed("devices", "devices.platform", reason)


def _python() -> list[str]:
    return [sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "jaxtui.engine"]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def _started(platform: str, count: int | None, place: Place) -> _Follower:
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
    ]
    popen = subprocess.Popen(
        command if count is None else [*command, f"--devices={count}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[theirs.fileno()],
    )
    theirs.close()
    return _Follower(place.process, popen, ours)
