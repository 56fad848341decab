"""The screen's end of the engine: starts it, speaks with it, notices and explains its end.

One thread owns the process and its pipes. Everything else puts commands into its queue, so that
no call here waits for an engine, whatever that is doing.
"""

from __future__ import annotations

import itertools
import os
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.base import Failed, Gone, Log, Ready
from jaxtui.wire.framing import FramingError
from jaxtui.wire.process import READ_BYTES, EngineProcess, EngineSettings, read_available
from jaxtui.wire.protocol import AnyEvent, AnyRequest, decode_event, frame

__all__ = ["EngineClient", "EngineSettings"]

_STDERR_PAUSE_SECONDS = 0.02  # after a full read: a flood must not take the screen's processor
_CHECK_SECONDS = 0.5  # for an engine that ended while a child of it still holds its pipes
_ENDING_CHECK_SECONDS = 0.005
_CLOSE_SECONDS = 0.8
_LAST_READS = 256  # of a dead engine's pipes, which a child of it may still be writing to


class EngineClient:
    """Starts an engine and exchanges messages with it. Any thread may call its methods."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self._ids = itertools.count(1)
        self._loop = _Loop()

    @property
    def running(self) -> bool:
        """Whether there is an engine's process or one is about to start."""
        return self._loop.running

    def start(self, process: EngineProcess | None = None) -> None:
        """Start the engine unless there is one. Returns at once.

        `process` runs already, with this client's settings.
        """
        self._loop.post_start(self.settings, process)

    def listen(self, on_event: Callable[[AnyEvent], None]) -> None:
        """Have `on_event` called with every event, first with those so far, in order.

        The client's own thread calls it, one call at a time; it should return soon.
        """
        self._loop.post(lambda: self._loop.listen(on_event))

    def next_id(self) -> int:
        """An id for a request, unique within this client."""
        return next(self._ids)

    def send(self, request: AnyRequest) -> None:
        """Send `request`; without an engine it goes nowhere.

        One that no frame can hold (a number of over 64 bits, say) is answered with Failed.
        """
        try:
            data = frame(request)
        except (FramingError, OverflowError, ValueError, TypeError) as error:
            message = f"this cannot be sent to the engine: {error}"
            diagnosis = Diagnosis(kind="session", field="", message=message)
            failed = Failed(id=request.id, diagnosis=diagnosis)
            self._loop.post(lambda: self._loop.deliver(failed))
        else:
            self._loop.post(lambda: self._loop.send(data))

    def restart(self, settings: EngineSettings | None = None) -> None:
        """End the engine, if there is one, and start a fresh one, with `settings` if given.

        Of the old one only Gone(wanted=True) is still heard.
        """
        if settings is not None:
            self.settings = settings
        self._loop.post(self._loop.kill)
        self._loop.post_start(self.settings)

    def kill(self) -> None:
        """End the engine now; Gone(wanted=True) follows if there was one."""
        self._loop.running = False
        self._loop.post(self._loop.kill)

    def close(self) -> None:
        """End the engine and the client's thread, in less than a second; no call works after."""
        self._loop.close()


class _Loop:
    """The client's thread. What has no underscore may be called by others, or is posted to it."""

    def __init__(self) -> None:
        self.running = False
        self._commands: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._run, name="engine client", daemon=True)
        self._lock = threading.Lock()  # over the wake pipe, the thread's start and its end
        self._wake: tuple[int, int] | None = None
        self._closed = False
        self._starts = 0  # posted and not yet done
        self._selector: selectors.BaseSelector
        self._process: EngineProcess | None = None
        self._next: EngineSettings | None = None  # to start when the process has ended
        self._early: list[bytes] = []  # requests for that one
        self._resume_errors: float | None = None
        self._listener: Callable[[AnyEvent], None] | None = None
        self._backlog: list[AnyEvent] = []

    def post(self, command: Callable[[], None]) -> None:
        """Have the thread do `command`, after all that was posted before."""
        with self._lock:
            self._post(command)

    def post_start(self, settings: EngineSettings, process: EngineProcess | None = None) -> None:
        """Have the thread start an engine, or take over `process`; and start the thread itself."""
        with self._lock:
            if self._closed:
                return
            self.running = True
            self._starts += 1
            self._post(lambda: self._start(settings, process))
            if self._wake is None:
                self._wake = os.pipe()
                for descriptor in self._wake:
                    os.set_blocking(descriptor, False)
                self._thread.start()

    def close(self) -> None:
        """End the process and the thread; waits for them, but not for long."""
        with self._lock:
            if not self._closed:
                self.running = False
                self._closed = True
                self._commands.append(self.kill)
                self._wake_up()
            started = self._wake is not None
        if not started or threading.current_thread() is self._thread:
            return
        self._thread.join(_CLOSE_SECONDS)
        process = self._process
        if process is not None:  # the listener keeps the thread
            process.kill()

    def _post(self, command: Callable[[], None]) -> None:
        if self._closed:
            return
        self._commands.append(command)
        self._wake_up()

    def _wake_up(self) -> None:
        if self._wake is not None:
            with suppress(BlockingIOError):  # full of wakes already
                os.write(self._wake[1], b"\0")

    # ---------------------------------------------------------------- commands, on the thread

    def listen(self, listener: Callable[[AnyEvent], None]) -> None:
        """From now on `listener` hears the events, and now those so far."""
        self._listener = listener
        backlog, self._backlog = self._backlog, []
        for event in backlog:
            self.deliver(event)

    def send(self, data: bytes) -> None:
        """Write one frame to the engine, or to the one that will start in its place."""
        if self._next is not None:
            self._early.append(data)
        elif self._process is not None and not self._process.wanted:
            self._process.outgoing.append(memoryview(data))
            self._write()

    def kill(self) -> None:
        """End the engine, and think no more of starting one after it."""
        self._next = None
        self._early.clear()
        if self._process is not None and not self._process.wanted:
            self._process.wanted = True
            self._process.kill()

    def _start(self, settings: EngineSettings, process: EngineProcess | None) -> None:
        with self._lock:
            self._starts -= 1
        if self._process is None:
            self._launch(settings, process)
        elif self._process.wanted:
            self._next = settings

    def _launch(self, settings: EngineSettings, process: EngineProcess | None = None) -> None:
        try:
            process = process or EngineProcess(settings)
        except (OSError, ValueError) as error:
            words = error.strerror if isinstance(error, OSError) else str(error)
            reason = f"cannot start {settings.arguments()[0]}: {words}"
            self._down()
            self.deliver(Gone(reason=reason, status=None, wanted=False))
            return
        self._process = process
        self._selector.register(process.events, selectors.EVENT_READ, self._read_events)
        self._selector.register(process.errors, selectors.EVENT_READ, self._read_errors)

    def _down(self) -> None:
        with self._lock:
            self.running = self._starts > 0 or self._next is not None

    # --------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        assert self._wake is not None
        with selectors.DefaultSelector() as self._selector:
            self._selector.register(self._wake[0], selectors.EVENT_READ, self._drain_wakes)
            while not (self._closed and self._process is None and not self._commands):
                while self._commands:
                    self._commands.popleft()()
                for key, _ in self._selector.select(self._timeout()):
                    key.data()
                self._look_after_process()
        with self._lock:
            for descriptor in self._wake:
                os.close(descriptor)

    def _timeout(self) -> float | None:
        if self._closed and self._process is None:
            return 0
        if self._process is None:
            return None
        if self._process.ending:
            return _ENDING_CHECK_SECONDS
        if self._resume_errors is not None:
            return max(0.0, self._resume_errors - time.monotonic())
        return _CHECK_SECONDS

    def _drain_wakes(self) -> None:
        assert self._wake is not None
        with suppress(BlockingIOError):
            os.read(self._wake[0], 4096)

    def _look_after_process(self) -> None:
        process = self._process
        if process is None:
            return
        if process.ended:
            self._bury(process)
        elif self._resume_errors is not None and time.monotonic() >= self._resume_errors:
            self._resume_errors = None
            self._selector.register(process.errors, selectors.EVENT_READ, self._read_errors)

    def _write(self) -> None:
        process = self._process
        assert process is not None
        more = process.write()
        registered = process.requests in self._selector.get_map()
        if more and not registered:
            self._selector.register(process.requests, selectors.EVENT_WRITE, self._write)
        elif registered and not more:
            self._selector.unregister(process.requests)

    def _read_events(self) -> bool:
        """Hand on what has come; whether there may be more."""
        process = self._process
        assert process is not None
        data = read_available(process.events)
        if data is None:
            return False
        if not data:
            self._forget(process.events)
            process.output_closed()
            return False
        try:
            for body in process.frames.feed(data):
                self._hear(process, decode_event(body))
        except FramingError as error:
            self._forget(process.events)
            if not process.wanted:
                process.fault = f"what came from the engine is not the protocol: {error}"
                process.kill()
            return False
        return True

    def _hear(self, process: EngineProcess, event: AnyEvent) -> None:
        if process.wanted:
            return
        if isinstance(event, Ready):
            process.ready = True
        elif isinstance(event, Failed) and event.id == 0 and not process.ready:
            process.said = event.diagnosis.message
        self.deliver(event)

    def _read_errors(self) -> bool:
        """Pass on what has come; whether there may be more."""
        process = self._process
        assert process is not None
        data = read_available(process.errors)
        if not data:
            if data is not None:
                self._forget(process.errors)
            return False
        self._log(process, process.lines.feed(data))
        if len(data) == READ_BYTES:
            self._forget(process.errors)
            self._resume_errors = time.monotonic() + _STDERR_PAUSE_SECONDS
        return True

    def _log(self, process: EngineProcess, lines: list[str]) -> None:
        if not process.wanted:
            for line in lines:
                self.deliver(Log(line=line))

    def _forget(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def _bury(self, process: EngineProcess) -> None:
        """Hear its last words, say that it is gone, and start the one that is to follow."""
        for read in (self._read_events, self._read_errors):
            for _ in range(_LAST_READS):
                if not read():
                    break
        self._log(process, process.lines.end())
        for descriptor in (process.requests, process.events, process.errors):
            self._forget(descriptor)
        self._resume_errors = None
        process.dispose()
        self._process = None
        self._down()
        self.deliver(process.gone())
        if self._next is not None:
            settings, self._next = self._next, None
            early, self._early = self._early, []
            self._launch(settings)
            for data in early:
                self.send(data)

    def deliver(self, event: AnyEvent) -> None:
        """Hand `event` to the listener, or keep it until there is one."""
        if self._listener is None:
            self._backlog.append(event)
            return
        try:
            self._listener(event)
        except Exception:  # it must not take the thread with it
            kind, error, trace = sys.exc_info()
            assert kind is not None
            arguments = threading.ExceptHookArgs((kind, error, trace, self._thread))
            threading.excepthook(arguments)
