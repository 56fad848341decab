"""The client of an engine: starts it, exchanges messages with it, and reports its end.

Its methods put commands into the queue of a loop on a thread of its own (`client_loop`), so none of
them waits for the engine, whatever that is doing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD
from jaxtui.wire.base import Failed
from jaxtui.wire.client_loop import ClientLoop
from jaxtui.wire.framing import FramingError
from jaxtui.wire.process import EngineProcess, EngineSettings
from jaxtui.wire.protocol import AnyEvent, AnyRequest, frame

__all__ = ["EngineClient", "EngineSettings"]


class EngineClient:
    """Starts an engine and exchanges messages with it. Any thread may call its methods."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._ids = itertools.count(1)
        self._loop = ClientLoop()

    @property
    def running(self) -> bool:
        """Whether an engine's process exists or is about to start."""
        return self._loop.running

    def start(self, process: EngineProcess | None = None) -> None:
        """Start the engine unless it is running. Returns at once.

        `process` is an engine that was started with this client's settings, to take over.
        """
        self._loop.post_start(self.settings, process)

    def listen(self, on_event: Callable[[AnyEvent], None]) -> None:
        """Call `on_event` with every event in order, beginning with those received so far.

        It is called on the client's thread, one call at a time, and should return soon.
        """
        self._loop.post(lambda: self._loop.listen(on_event))

    def next_id(self) -> int:
        return next(self._ids)

    def send(self, request: AnyRequest) -> None:
        """Send `request`; without an engine it is discarded.

        One that cannot be encoded, for example with an integer of over 64 bits, is answered with
        Failed.
        """
        try:
            data = frame(request)
        except (FramingError, OverflowError, ValueError, TypeError) as error:
            message = f"this cannot be sent to the engine: {error}"
            diagnosis = Diagnosis(kind="session", field=NO_FIELD, message=message)
            failed = Failed(id=request.id, diagnosis=diagnosis)
            self._loop.post(lambda: self._loop.deliver(failed))
        else:
            self._loop.post(lambda: self._loop.send(data))

    def restart(self, settings: EngineSettings | None = None) -> None:
        """End the engine, if there is one, and start a new one, with `settings` if given.

        The only further event of the old engine is Gone(wanted=True).
        """
        if settings is not None:
            self.settings = settings
        self._loop.post(self._loop.kill)
        self._loop.post_start(self.settings)

    def kill(self) -> None:
        """Kill the engine; Gone(wanted=True) follows if there was one."""
        self._loop.running = False
        self._loop.post(self._loop.kill)

    def hurry(self) -> None:
        """Have the line to the engine taken up again at once, if it is lost."""
        self._loop.post(self._loop.hurry)

    def close(self) -> None:
        """End the engine and the client's thread within a second. Later calls do nothing."""
        self._loop.close()
