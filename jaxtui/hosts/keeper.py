"""The keeper of an engine's process on one host: starts it, watches it, and ends it in any case.

A process of its own, so that it answers whatever the engine does, and can say how that has ended.
The engine's process ends with it: when its standard input ends, as the line to the starter does,
and when nothing has come from there for ALONE_SECONDS.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn

from msgspec import structs

from jaxtui import __version__
from jaxtui.hosts import addresses, lobby, messages
from jaxtui.hosts.addresses import Unreachable
from jaxtui.hosts.devices import seen
from jaxtui.hosts.messages import Follow, Give, Go, Joining, Lead, Message, Work
from jaxtui.hosts.pipes import FULL, Pipe
from jaxtui.wire.framing import FrameBuffer

_TICK_SECONDS = 0.2
_STOPPED_SECONDS = 4.0  # a process that is stopped for longer is told of


def keep(then: Callable[[], NoReturn] | None = None) -> NoReturn:
    """Keep an engine's process for the starter at the other end of descriptors 0 and 1.

    `then` is called at the end, by default to exit; with it, what is written to stderr is sent to
    the starter.
    """
    events, log, said = os.dup(1), os.dup(2), None
    if then is not None:
        said, writing = os.pipe()
        os.dup2(writing, 2)
        os.close(writing)
    os.dup2(2, 1)  # what else is printed here is for the log
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a launcher passes the screen's ctrl+c on to all
    os.write(events, messages.MARK)

    def end() -> NoReturn:
        os.dup2(log, 2)
        if then is not None:
            then()
        os._exit(0)

    keeper = Keeper(events, said, end)
    keeper.send(hello())
    keeper.run()


def hello() -> messages.Hello:
    """What is installed on this host."""
    return messages.Hello(
        name=socket.gethostname(),
        address=addresses.reached_at(),
        executable=sys.executable,
        python=".".join(map(str, sys.version_info[:3])),
        jaxtui=__version__,
        jax=_installed("jax"),
        jaxlib=_installed("jaxlib"),
    )


def _installed(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


class Keeper:
    """Keeps the engine's process, until it calls `end`.

    `events` is the descriptor for messages to the starter, and `said` the one, if not None, from
    which to send what is read.
    """

    def __init__(self, events: int, said: int | None, end: Callable[[], NoReturn]) -> None:
        self._leave = end
        self._log = said
        self._selector = selectors.DefaultSelector()
        self._out = Pipe(events, self._selector)
        self._frames = FrameBuffer()
        self._heard = self._said = time.monotonic()
        self._posted: SimpleQueue[Message] = SimpleQueue()  # by threads
        self._engine: Engine | None = None
        self._reserved: socket.socket | None = None  # the coordinator's port
        self._starved = _starved()

    def send(self, message: Message) -> None:
        self._said = time.monotonic()
        try:
            self._out.put(messages.frame(message))
        except OSError:
            self._end()

    def run(self) -> NoReturn:
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ, self._listen)
        if self._log is not None:
            self._selector.register(self._log, selectors.EVENT_READ, self._say)
        while True:
            for key, _ in self._selector.select(_TICK_SECONDS):
                if key.fd not in self._selector.get_map():
                    continue  # dropped by an earlier call
                try:
                    key.data()
                except BlockingIOError:
                    continue
                except OSError:
                    if key.fd == 0 or self._engine is None or key.fd != self._engine.requests:
                        self._end()
                    with suppress(KeyError):
                        self._selector.unregister(key.fd)  # its end is seen below
            self._tick()

    def _say(self) -> None:
        assert self._log is not None
        self.send(messages.Said(data=os.read(self._log, messages.CHUNK)))

    def _listen(self) -> None:
        data = os.read(0, messages.CHUNK)
        if not data:
            self._end()
        self._heard = time.monotonic()
        for body in self._frames.feed(data):
            self._take(messages.to_keeper(body))

    def _take(self, message: messages.ToKeeper) -> None:
        match message:
            case Lead() | Follow():
                try:
                    self._prepare(message)
                except Unreachable as error:
                    self.send(messages.Unfit(reason=str(error)))
            case Go() if self._engine is not None:
                if self._reserved is not None:
                    self._reserved.close()
                self._engine.go()
            case Give() if self._engine is not None:
                with suppress(OSError):  # its end is seen by the next tick
                    self._engine.input.put(message.data)

    def _prepare(self, message: Lead | Follow) -> None:
        """Start the engine's process, which imports JAX in the meantime, and look around."""
        if isinstance(message, Lead):
            address, port = addresses.chosen(message.others), 0
            if message.coordinator:
                address, port = addresses.parts(message.coordinator)
            self._reserved = addresses.listen(*addresses.parts(addresses.bound(address, port)))
            port = port or self._reserved.getsockname()[1]
            # Beside a port that was chosen by hand, which a firewall may let pass, the next one.
            chosen = message.coordinator and not message.work.detects
            second = addresses.beside(port, 1) if chosen else 0
            link = addresses.listen(*addresses.parts(addresses.bound(address, second)))
            coordinator = addresses.joined(address, port)
            place = addresses.joined(address, link.getsockname()[1])
            joining = Joining(
                work=message.work,
                process=0,
                coordinator=coordinator,
                link=place,
                listener=link.fileno(),
                bind=addresses.bound(address, port),
            )
            self.send(messages.Listening(coordinator=coordinator, link=place))
            self._start(joining)
            link.close()
            threading.Thread(target=self._look, args=(message.work, []), daemon=True).start()
        else:
            places = [message.coordinator, message.link]
            self._start(
                Joining(
                    work=message.work,
                    process=message.process,
                    coordinator=message.coordinator,
                    link=message.link,
                )
            )
            threading.Thread(target=self._look, args=(message.work, places), daemon=True).start()

    def _start(self, joining: Joining) -> None:
        work = joining.work
        if work.detects:  # else it came by ssh; this way could be listened to
            try:
                work = structs.replace(work, secret=lobby.derived(work.secret))
            except lobby.NoSecret as error:
                raise Unreachable(f"has no secret: {error}") from error
        self._engine = Engine(structs.replace(joining, work=work), self._selector)
        self._selector.register(self._engine.events, selectors.EVENT_READ, self._pass_on)

    def _look(self, work: Work, places: list[str]) -> None:
        """See whether these places can be reached and which devices are here; takes a while."""
        for place in places:
            try:
                addresses.look(place)
            except Unreachable as error:
                reason = f"does not reach {work.hosts[0]} at {place}: {error}"
                self._posted.put(messages.Unfit(reason=reason))
                return
        try:
            platform, kinds = seen(work.platform, work.count)
        except Unreachable as error:
            self._posted.put(messages.Unfit(reason=str(error)))
        else:
            self._posted.put(messages.Prepared(platform=platform, kinds=kinds))

    def _pass_on(self) -> None:
        """Pass on what the engine has written."""
        assert self._engine is not None
        if len(self._out.waiting) > FULL:
            time.sleep(0.01)
            return
        data = os.read(self._engine.events, messages.CHUNK)
        if data:
            self.send(messages.Came(data=data))
        else:
            self._selector.unregister(self._engine.events)

    def _tick(self) -> None:
        with suppress(Empty):
            while True:
                self.send(self._posted.get_nowait())
        now = time.monotonic()
        if now - self._heard > messages.ALONE_SECONDS:
            self._end()
        if now - self._said > messages.BEAT_SECONDS:
            self.send(messages.Beat())
        if self._engine is not None:
            self._watch(self._engine, now)

    def _watch(self, engine: Engine, now: float) -> None:
        status = engine.status
        if status is not None and not engine.told:
            engine.told = True
            while engine.events in self._selector.get_map():  # its last words
                self._pass_on()
            self.send(messages.Exited(status=status, starved=_starved() > self._starved))
        elif engine.stopped_for(now) > _STOPPED_SECONDS and not engine.told:
            engine.told = True
            self.send(messages.Stopped(pid=engine.pid))

    def _end(self) -> NoReturn:
        if self._engine is not None:
            self._engine.kill()
        self._leave()


class Engine:
    """The engine's process, in a process group of its own."""

    def __init__(self, joining: Joining, selector: selectors.BaseSelector) -> None:
        reading, self._places = os.pipe()
        work = joining.work
        command = [
            *(sys.executable, *(["-P"] if sys.flags.safe_path else []), "-m", "jaxtui.engine"),
            f"--processes={len(work.hosts)}",
            f"--process={joining.process}",
            f"--member={reading}",
            f"--parent={os.getpid()}",
            f"--platform={work.platform}",
            *([] if work.count is None else [f"--devices={work.count}"]),
        ]
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            pass_fds=[reading, *([joining.listener] if joining.listener >= 0 else [])],
            process_group=0,
        )
        os.close(reading)
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self.requests, self.events = self._popen.stdin.fileno(), self._popen.stdout.fileno()
        self.input = Pipe(self.requests, selector)
        os.write(self._places, messages.joining_frame(joining))
        self.told = False  # whether the starter knows of its end
        self._stopped_since: float | None = None

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def status(self) -> int | None:
        return self._popen.poll()

    def go(self) -> None:
        with suppress(OSError):  # it has ended
            os.write(self._places, messages.GO)
        os.close(self._places)

    def stopped_for(self, now: float) -> float:
        """For how many seconds the process has been stopped, as by SIGSTOP."""
        if not _is_stopped(self.pid):
            self._stopped_since = None
        elif self._stopped_since is None:
            self._stopped_since = now
        return 0.0 if self._stopped_since is None else now - self._stopped_since

    def kill(self) -> None:
        with suppress(OSError):
            os.killpg(self.pid, signal.SIGKILL)


def _is_stopped(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0]
    except OSError:  # it has ended, or there is no /proc
        return False
    return state == "T"


def _starved() -> int:
    """How many processes the system has killed for want of memory, here and in this cgroup."""
    counted = 0
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                counted += int(line.split()[1])
    with suppress(OSError):
        group = Path("/proc/self/cgroup").read_text().strip().rpartition(":")[2].lstrip("/")
        for line in (Path("/sys/fs/cgroup") / group / "memory.events").read_text().splitlines():
            if line.startswith("oom_kill "):
                counted += int(line.split()[1])
    return counted
