"""Starts an engine's processes on several hosts, and speaks for them as if they were one engine.

The first host's process leads: what the client writes goes to it, and what it writes comes back.
The values of the other hosts' devices go to it directly, not through here. Whatever ends, all end,
and the reason is told with the name of its host.
"""

from __future__ import annotations

import os
import secrets
import selectors
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import NoReturn

from msgspec import Struct, structs

from jaxtui import __version__
from jaxtui.hosts import addresses, commands, faults, lobby, messages, patience
from jaxtui.hosts.lines import HostLine, Lost
from jaxtui.hosts.lobby import Lobby
from jaxtui.hosts.messages import (
    Came,
    Exited,
    Follow,
    FromKeeper,
    Give,
    Go,
    Hello,
    Lead,
    Listening,
    Prepared,
    Said,
    Stopped,
    Unfit,
    Work,
)
from jaxtui.hosts.pipes import FULL, Pipe
from jaxtui.hosts.telling import LOST, Faults, log, name, say
from jaxtui.hosts.ways import CommandWay, Launcher, SocketWay
from jaxtui.session import host_names, shares
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import DEVICES, FieldPath
from jaxtui.wire import endings
from jaxtui.wire.base import Failed, Ready
from jaxtui.wire.framing import FramingError
from jaxtui.wire.protocol import decode_event, frame

CANNOT_START = 3  # an exit status, as the engine's own

_TICK_SECONDS = 0.2
_CLOSE_SECONDS = 1.0
_COMES_NOT = (
    "does the launcher start jaxtui there, and does a firewall lie between it and process 0?"
)


class Wanted(Struct, frozen=True):
    """What is to be started: see EngineSettings.

    With `ranks`, the number of processes, a launcher has started these already, and they come to
    the listening descriptor `lobby`; without that, the launcher's `command` starts them.
    """

    hosts: Sequence[str] = ()
    platform: str = ""
    count: int | None = None
    coordinator: str = ""
    python: str = ""
    command: str = ""
    ranks: int = 0
    lobby: int = -1


class Starter:
    """Runs the engine that is `wanted` for the client at descriptors 0 and 1."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._processes = wanted.ranks or len(wanted.hosts)
        self._selector = selectors.DefaultSelector()
        self._events = Pipe(1, self._selector)
        self._lines: list[HostLine] = []  # in the order of their processes
        self._lobby: Lobby | None = None
        self._launcher: Launcher | None = None
        self._began = False  # whether the hosts were let go
        self._early = bytearray()  # requests of before, which wait for the first host's engine
        self._ready = False
        self._said = False  # whether the client knows why nothing starts
        self._faults = Faults()
        self._started = self._beaten = time.monotonic()
        self._patient_until = time.monotonic() + patience.SECONDS

    def run(self) -> NoReturn:
        self._check()
        for process, host in enumerate(self._wanted.hosts):
            self._reach(process, host)
        if self._wanted.ranks:
            self._open_lobby()
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ, self._requests)
        while True:
            for key, _ in self._selector.select(_TICK_SECONDS):
                if key.fd not in self._selector.get_map():
                    continue  # dropped by an earlier call
                try:
                    key.data()
                except BlockingIOError:
                    continue
                except OSError:
                    if key.fd in (0, 1):  # the client is gone
                        self._leave(0)
                    with suppress(KeyError):
                        self._selector.unregister(key.fd)
            self._tick()

    def _check(self) -> None:
        """See to it that what is wanted can be started at all."""
        hosts, count = self._wanted.hosts, self._wanted.count
        if fault := host_names.fault(hosts):
            self._refuse("hosts", fault)
        among, what = self._processes, "processes" if self._wanted.ranks else "hosts"
        if count is not None and (fault := shares.unequal(count, among, what)):
            self._refuse("count", fault, shares.nearest(count, among))
        if self._wanted.coordinator:
            try:
                addresses.parts(self._wanted.coordinator)
            except ValueError as error:
                self._refuse("hosts", f"--coordinator: {error}")

    def _reach(self, process: int, host: str) -> None:
        command = commands.reaching(host, self._wanted.command, self._wanted.python)
        try:
            way = CommandWay(command)
        except OSError as error:
            self._refuse("hosts", f"cannot start {command[0]}: {error.strerror}")
        self._add(HostLine(host, process, way, self._selector, log))

    def _add(self, line: HostLine) -> None:
        self._lines.append(line)
        self._lines.sort(key=lambda line: line.process)
        self._selector.register(line.output, selectors.EVENT_READ, partial(self._hear, line))
        if line.errors is not None:
            listen = partial(self._errors, line, line.errors)
            self._selector.register(line.errors, selectors.EVENT_READ, listen)

    def _open_lobby(self) -> None:
        """Take in the processes that a launcher has started, or starts now."""
        try:
            secret = lobby.secret()
        except lobby.NoSecret as error:
            self._refuse("hosts", str(error))
        if self._wanted.lobby >= 0:
            self._lobby = Lobby(self._wanted.lobby, secret)
            way = CommandWay(commands.here())
            self._add(HostLine("process 0", 0, way, self._selector, log))
        else:
            self._lobby = self._launch(secret)
        accept = self._lobby.accept
        self._selector.register(self._lobby.listening, selectors.EVENT_READ, accept)

    def _launch(self, secret: bytes) -> Lobby:
        """Have the launcher start the processes."""
        try:
            address = addresses.on_the_network()
            listening = addresses.listen(address, 0)
        except addresses.Unreachable as error:
            self._refuse("hosts", f"this host {error}")
        place = addresses.joined(address, listening.getsockname()[1])
        say(f"the processes that the launcher starts come to {place}")
        wanted = self._wanted
        command = commands.launching(wanted.command, wanted.ranks, place, wanted.python)
        try:
            environment = {**os.environ, lobby.VARIABLE: secret.decode()}
            ended = self._launcher_ended
            self._launcher = Launcher(command, environment, self._selector, ended)
        except OSError as error:
            self._refuse("hosts", f"cannot start {command[0]}: {error.strerror}")
        return Lobby(listening.detach(), secret)

    def _launcher_ended(self, reason: str) -> None:
        if len(self._lines) < self._processes:
            self._refuse("hosts", f"{self._wanted.command.split()[0]}: {reason}")

    def _take_in(self, lobby: Lobby) -> None:
        for process, link in lobby.came():
            if any(line.process == process for line in self._lines) or process >= self._processes:
                say(f"a process came that is not expected: number {process}")
                link.close()
                continue
            host = f"process {process}"
            self._add(HostLine(host, process, SocketWay(link), self._selector, log))

    # ------------------------------------------------------------------------ what is read

    def _requests(self) -> None:
        unsent = self._lines[0].unsent if self._began else len(self._early)
        if unsent > FULL:
            time.sleep(0.01)
            return
        data = os.read(0, messages.CHUNK)
        if not data:
            self._leave(0)
        if self._began:
            self._lines[0].send(Give(data=data))
        else:
            self._early += data

    def _errors(self, line: HostLine, descriptor: int) -> None:
        if not line.read_errors():
            self._selector.unregister(descriptor)

    def _hear(self, line: HostLine) -> None:
        if not line.process and len(self._events.waiting) > FULL:
            line.heard = time.monotonic()
            time.sleep(0.01)
            return
        try:
            for message in line.read():
                self._take(line, message)
        except Lost as error:
            self._selector.unregister(line.output)
            self._faults.add(line, 2, str(error))

    def _take(self, line: HostLine, message: FromKeeper) -> None:
        match message:
            case Hello():
                line.hello, line.since = message, time.monotonic()
                if len(self._lines) == self._processes and all(line.hello for line in self._lines):
                    self._compare_versions()
            case Listening():
                self._announce(message)
            case Prepared():
                line.prepared = message
                if all(line.prepared for line in self._lines):
                    self._begin()
            case Unfit():
                self._faults.add(line, 3, message.reason)
            case Said():
                line.said(message.data)
            case Came():
                self._pass_on(line, message.data)
            case Stopped():
                reason = (
                    f"process {message.pid}, its part of the engine, is stopped, as by "
                    f"`kill -STOP`: `kill -CONT {message.pid}` lets it go on, and the engine has "
                    "to start anew"
                )
                self._faults.add(line, 3, reason)
            case Exited():
                self._faults.exited(line, message)

    # -------------------------------------------------------------------------- the steps

    def _compare_versions(self) -> None:
        """Let the first host lead, if the same is installed on all."""
        if self._wanted.ranks:
            name(self._lines)
        self._work = Work(
            hosts=[line.host for line in self._lines],
            platform=self._wanted.platform,
            count=self._wanted.count,
            secret=secrets.token_hex(32),
            detects=bool(self._wanted.ranks),
        )
        hellos = {line.host: line.hello for line in self._lines if line.hello is not None}
        if words := faults.differences(hellos, __version__):
            self._refuse("hosts", words)
        others = [hello.address for hello in hellos.values()][1:]
        lead = Lead(work=self._work, coordinator=self._wanted.coordinator, others=others)
        self._lines[0].send(lead)

    def _announce(self, listening: Listening) -> None:
        first, places = self._lines[0].host, (listening.coordinator, listening.link)
        say(f"{first} coordinates at {places[0]}, and takes in what the others hold at {places[1]}")
        for line in self._lines[1:]:
            line.send(
                Follow(
                    work=self._work,
                    process=line.process,
                    coordinator=listening.coordinator,
                    link=listening.link,
                )
            )

    def _begin(self) -> None:
        """Let JAX start everywhere, if the devices are of one kind."""
        prepared = {line.host: line.prepared for line in self._lines if line.prepared is not None}
        for what, values in (
            ("platforms", {host: found.platform for host, found in prepared.items()}),
            ("kinds of devices", {host: found.kinds for host, found in prepared.items()}),
        ):
            if words := faults.different(values):
                self._refuse("hosts", f"the hosts have different {what}: {words}")
        for line in self._lines:
            line.since = time.monotonic()
            line.send(Go())
        self._began = True
        early, self._early = self._early, bytearray()
        for at in range(0, len(early), messages.CHUNK):
            self._lines[0].send(Give(data=bytes(early[at : at + messages.CHUNK])))

    def _pass_on(self, line: HostLine, data: bytes) -> None:
        """Pass on what an engine's process has written: of a follower, why it cannot start."""
        try:
            for body in line.events.feed(data):
                if self._ready:
                    self._pass_event(line, body)
                else:
                    self._before_ready(line, body)
        except FramingError as error:
            self._faults.add(line, 3, f"what comes from there is no protocol: {error}")

    def _before_ready(self, line: HostLine, body: bytes) -> None:
        event = decode_event(body)
        if isinstance(event, Failed) and not event.id:
            self._said = True
            message = f"on {line.host}: {event.diagnosis.message}"
            event = Failed(diagnosis=structs.replace(event.diagnosis, message=message))
            self._events.put(frame(event))
            return
        self._ready = isinstance(event, Ready)
        self._pass_event(line, body)

    def _pass_event(self, line: HostLine, body: bytes) -> None:
        if not line.process:
            self._events.put(len(body).to_bytes(4, "big") + body)

    # ----------------------------------------------------------------------------- faults

    def _tick(self) -> None:
        now = time.monotonic()
        if words := self._faults.told(now):
            self._refuse("hosts", words)
        if self._lobby is not None:
            self._take_in(self._lobby)
        if now - self._beaten > messages.BEAT_SECONDS:
            self._beaten = now
            for line in self._lines:
                if line.hello is not None:
                    line.send(messages.Beat())
        for line in self._lines:
            if not line.lost and (reason := patience.overdue(line, now, self._phase)):
                self._faults.add(line, 2, reason)
        waited = now - self._started
        if len(self._lines) < self._processes and waited > lobby.COME_SECONDS:
            absent = patience.absent(self._lines, self._processes)
            self._refuse("hosts", f"{absent} did not come within {waited:.0f} s: {_COMES_NOT}")
        if not self._ready and now > self._patient_until:
            self._patient_until = now + patience.SECONDS
            say(patience.waited_for(self._lines, self._processes))

    @property
    def _phase(self) -> patience.Phase:
        if self._ready:
            return "ready"
        return "starting" if self._began else "meeting"

    def _refuse(self, field: str, message: str, *fixes: Fix) -> NoReturn:
        if not self._ready and not self._said:
            place: FieldPath = DEVICES / field
            found = Diagnosis(kind="devices", field=place, message=message, fixes=list(fixes))
            self._events.put(frame(Failed(diagnosis=found)))
        if self._ready:
            sys.stderr.write(f"{endings.OF_HOSTS}{message}\n")
            sys.stderr.flush()
        self._leave(LOST if self._ready else CANNOT_START)

    def _leave(self, status: int) -> NoReturn:
        """End everything and exit."""
        for line in self._lines:
            line.close()
        end = time.monotonic() + _CLOSE_SECONDS
        while time.monotonic() < end:
            with suppress(OSError):
                self._events.write()
            launched = self._launcher is not None and not self._launcher.ended()
            ended = not launched and all(line.ended() for line in self._lines)
            if ended and not self._events.waiting:
                break
            time.sleep(0.01)
        for line in self._lines:
            line.kill()
        if self._launcher is not None:
            self._launcher.kill()
        os._exit(status)
