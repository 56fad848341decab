"""A real engine for synchronous requests, and the events of a client to wait for."""

from __future__ import annotations

import os
import queue
import time
from collections.abc import Callable
from typing import Any

import pytest

from jaxtui.wire.base import Cancelled, Described, Failed, Gone, Log, Printed, Ready, Stage
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.collectives import CollectiveRan, CollectivesDescribed, ProvenanceFound
from jaxtui.wire.program import Ran, Traced
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.results import Summarized, WindowRead


def exists(pid: int) -> bool:
    """Whether process `pid` exists, zombies included."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def no_children() -> bool:
    """Whether this process has neither a child nor a zombie of one."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def sized_by_terminal() -> dict[str, str]:
    """Return the environment for a program that asks its own terminal for the size.

    Importing readline exports the size of a terminal (or of none) from the importing process.
    """
    return {key: text for key, text in os.environ.items() if key not in ("COLUMNS", "LINES")}


FINAL = (
    Traced,
    Ran,
    CollectiveRan,
    ProvenanceFound,
    Failed,
    WindowRead,
    CollectivesDescribed,
    Described,
    Cancelled,
)


class Heard:
    """The events of a client, to wait for one by one or by kind."""

    def __init__(self, client: EngineClient) -> None:
        self.client = client
        self.all: list[AnyEvent] = []
        self._queue: queue.SimpleQueue[AnyEvent] = queue.SimpleQueue()
        client.listen(self._queue.put)

    def until(self, wanted: Callable[[AnyEvent], bool], seconds: float = 30.0) -> AnyEvent:
        """Return the next event that is `wanted`; fail if the engine ends or time is up."""
        end = time.monotonic() + seconds
        while True:
            try:
                event = self._queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"not heard in {seconds} s; heard {self.all[-5:]}")
            self.all.append(event)
            if wanted(event):
                return event
            if isinstance(event, Gone) and not event.wanted:
                pytest.fail(f"the engine is gone: {event}")

    def next(self, kind: type[Any], seconds: float = 30.0) -> Any:
        """The next event of `kind`."""
        return self.until(lambda event: isinstance(event, kind), seconds)

    def nothing_for(self, seconds: float) -> list[AnyEvent]:
        """Return the events that arrive within `seconds`."""
        end = time.monotonic() + seconds
        came: list[AnyEvent] = []
        while (left := end - time.monotonic()) > 0:
            try:
                came.append(self._queue.get(timeout=left))
            except queue.Empty:
                break
        self.all += came
        return came


class Asker:
    """A running engine for synchronous requests.

    `ask(Trace(id=engine.next_id(), composition=...))` returns the answer and the events before it.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.client = EngineClient(settings)
        self.heard = Heard(self.client)
        self.client.start()
        self.environment = self.heard.next(Ready).environment

    def next_id(self) -> int:
        """An id for a request."""
        return self.client.next_id()

    def ask(self, request: AnyRequest, seconds: float = 30.0) -> tuple[AnyEvent, list[AnyEvent]]:
        """Send a request; return (its final event, its other events before that).

        For Summarize, the final event is the exact summary.
        """
        start = len(self.heard.all)
        self.client.send(request)
        final = self.heard.until(lambda event: _answers(event, request), seconds)
        mine = [event for event in self.heard.all[start:-1] if event.id == request.id]
        return final, [event for event in mine if isinstance(event, Stage | Printed | Summarized)]

    def logged(self) -> list[str]:
        """The lines of the engine's stderr so far."""
        return [event.line for event in self.heard.all if isinstance(event, Log)]


def _answers(event: AnyEvent, request: AnyRequest) -> bool:
    if event.id != request.id:
        return False
    return isinstance(event, FINAL) or (isinstance(event, Summarized) and event.summary.exact)
