"""The event loop of an engine's client, on the thread that owns the process and its pipes."""

from __future__ import annotations

import os
import selectors
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

import msgspec

from jaxtui.wire.base import Failed, Gone, LineState, Log, Ready
from jaxtui.wire.framing import FramingError
from jaxtui.wire.process import READ_BYTES, EngineProcess, EngineSettings, read_available
from jaxtui.wire.protocol import AnyEvent, OtherVersionError, decode_event

_STDERR_PAUSE_SECONDS = 0.02  # after a full read, so that a flood does not starve the screen
_CHECK_SECONDS = 0.5  # interval to notice that an engine ended while a child still has its pipes
_ENDING_CHECK_SECONDS = 0.005
_CLOSE_SECONDS = 0.8
_LAST_READS = 256  # limit on reads from a dead engine's pipes, to which a child may still write


class ClientLoop:
    """The client's thread and its event loop.

    `post`, `post_start` and `close` may be called from any thread; the other public methods are
    posted, and run on the loop's thread.
    """

    def __init__(self) -> None:
        self.running = False
        self._commands: deque[Callable[[], None]] = deque()
        self._thread = threading.Thread(target=self._run, name="engine client", daemon=True)
        self._lock = threading.RLock()  # guards the wake pipe, and the thread's start and end
        self._wake: tuple[int, int] | None = None
        self._closed = False
        self._starts = 0  # starts posted but not yet executed
        self._selector: selectors.BaseSelector
        self._process: EngineProcess | None = None
        self._next: EngineSettings | None = None  # of the engine to start after this one's end
        self._early: list[bytes] = []  # requests for the next engine
        self._resume_errors: float | None = None  # when to read stderr again after a pause
        self._resume_events: float | None = None  # when to read events again after a pause
        self._listener: Callable[[AnyEvent], None] | None = None
        self._backlog: list[AnyEvent] = []

    def post(self, command: Callable[[], None]) -> None:
        """Have the thread call `command`, after everything that was posted before."""
        with self._lock:
            if not self._closed:
                self._commands.append(command)
                self._wake_up()

    def post_start(self, settings: EngineSettings, process: EngineProcess | None = None) -> None:
        """Have the thread start an engine or take over `process`; starts the thread if needed."""
        with self._lock:
            if self._closed:
                return
            self.running = True
            self._starts += 1
            self.post(lambda: self._start(settings, process))
            if self._wake is None:
                self._wake = os.pipe()
                for descriptor in self._wake:
                    os.set_blocking(descriptor, False)
                self._thread.start()

    def close(self) -> None:
        """End the process and the thread, waiting at most _CLOSE_SECONDS for them."""
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
        if process is not None:  # the listener blocks the thread
            process.kill()

    def _wake_up(self) -> None:
        if self._wake is not None:
            with suppress(BlockingIOError):  # the pipe is full: the thread will wake up
                os.write(self._wake[1], b"\0")

    # ---------------------------------------------------------------- commands, on the thread

    def listen(self, listener: Callable[[AnyEvent], None]) -> None:
        self._listener = listener
        backlog, self._backlog = self._backlog, []
        for event in backlog:
            self.deliver(event)

    def send(self, data: bytes) -> None:
        """Write a frame to the engine, or keep it for the one that will replace it."""
        if self._next is not None:
            self._early.append(data)
        elif self._process is not None and not self._process.wanted:
            self._process.outgoing.append(memoryview(data))
            self._write()

    def kill(self) -> None:
        self._next = None  # cancels its start
        self._early.clear()
        if self._process is not None and not self._process.wanted:
            self._process.wanted = True
            self._process.kill()

    def hurry(self) -> None:
        if self._process is not None:
            self._process.hurry()

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
            self._not_started(f"cannot start {settings.program}: {words}")
            return
        self._process = process
        self._selector.register(process.events, selectors.EVENT_READ, self._read_events)
        self._selector.register(process.errors, selectors.EVENT_READ, self._read_errors)
        if process.line is not None:
            self._selector.register(process.line, selectors.EVENT_READ, self._read_line)

    def _not_started(self, reason: str) -> None:
        self._down()
        self.deliver(Gone(reason=reason, status=None, wanted=False))

    def _down(self) -> None:
        with self._lock:
            self.running = self._starts > 0 or self._next is not None

    # --------------------------------------------------------------------------- the thread

    def _run(self) -> None:
        assert self._wake is not None
        self._listen_to_wakes()
        while not (self._closed and self._process is None and not self._commands):
            try:
                while self._commands:
                    self._commands.popleft()()
                for key, _ in self._selector.select(self._timeout()):
                    key.data()
                self._look_after_process()
            except Exception as error:  # an error of any kind must not end the thread
                self._end_after(error)
        self._selector.close()
        with self._lock:
            for descriptor in self._wake:
                os.close(descriptor)

    def _listen_to_wakes(self) -> None:
        assert self._wake is not None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake[0], selectors.EVENT_READ, self._drain_wakes)

    def _end_after(self, error: Exception) -> None:
        """End the engine that `error` was about, so that its user learns of it and may restart.

        Its end follows as that of any other engine; if that fails as well, it is given up.
        """
        reason = f"its client failed: {type(error).__name__}: {error}"
        self._selector.close()
        self._listen_to_wakes()
        self._resume_errors = self._resume_events = None
        process = self._process
        if process is None:
            self._next = None
            self._early.clear()
            self._not_started(reason)
        elif process.failed:
            self._process = None
            self._down()
            self.deliver(process.gone())
        else:
            process.failed = True
            process.fault = process.fault or reason
            process.kill()

    def _timeout(self) -> float | None:
        if self._closed and self._process is None:
            return 0
        if self._process is None:
            return None
        if self._process.ending:
            return _ENDING_CHECK_SECONDS
        resumes = [at for at in (self._resume_errors, self._resume_events) if at is not None]
        return max(0.0, min(resumes) - time.monotonic()) if resumes else _CHECK_SECONDS

    def _drain_wakes(self) -> None:
        assert self._wake is not None
        with suppress(BlockingIOError):
            os.read(self._wake[0], 4096)

    def _look_after_process(self) -> None:
        process = self._process
        if process is None:
            return
        now = time.monotonic()
        if process.ended:
            self._bury(process)
            return
        process.look_after_start()
        if self._resume_errors is not None and now >= self._resume_errors:
            self._resume_errors = None
            self._selector.register(process.errors, selectors.EVENT_READ, self._read_errors)
        if self._resume_events is not None and now >= self._resume_events:
            self._resume_events = None
            self._selector.register(process.events, selectors.EVENT_READ, self._read_events)

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
        """Deliver the events that can be read now, and return whether there may be more."""
        process = self._process
        assert process is not None
        data = read_available(process.events)
        if data is None:
            return False
        if not data:
            self._forget(process.events)
            process.output_closed()
            return False
        more, before = True, time.monotonic()
        try:
            for body in process.frames.feed(data):
                event = decode_event(body)
                self._hear(process, event)
                kind, now = type(event).__name__, time.monotonic()
                more = process.gate.passes(kind, len(body), now - before, now)
                before = now
        except OtherVersionError as error:
            self._end_for(process, str(error))
            return False
        except FramingError as error:
            self._end_for(process, f"what came from the engine is not the protocol: {error}")
            return False
        if process.gate.flood:
            self._end_for(process, process.gate.flood)
            return False
        if not more and not process.ending:
            self._forget(process.events)
            self._resume_events = process.gate.opens_at()
        return True

    def _end_for(self, process: EngineProcess, fault: str) -> None:
        """End the engine for what it sent; nothing more of it is read."""
        self._forget(process.events)
        self._resume_events = None
        if not process.wanted:
            process.fault = fault
            process.kill()

    def _hear(self, process: EngineProcess, event: AnyEvent) -> None:
        if process.wanted:
            return
        if isinstance(event, Ready):
            process.ready = True
        elif isinstance(event, Failed) and event.id == 0 and not process.ready:
            process.said = event.diagnosis.message
        self.deliver(event)

    def _read_errors(self) -> bool:
        """Deliver the stderr lines that can be read now, and return whether there may be more."""
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

    def _read_line(self) -> None:
        """Deliver what became of the line to the engine."""
        process = self._process
        assert process is not None
        assert process.line is not None
        data = read_available(process.line)
        if not data:
            if data is not None:
                self._forget(process.line)
            return
        for text in data.splitlines():
            state = LineState(**msgspec.json.decode(text))
            process.follow_line(state)
            if not process.wanted:
                self.deliver(state)

    def _log(self, process: EngineProcess, lines: list[str]) -> None:
        if not process.wanted:
            for line in lines:
                self.deliver(Log(line=line))

    def _forget(self, descriptor: int) -> None:
        if descriptor in self._selector.get_map():
            self._selector.unregister(descriptor)

    def _bury(self, process: EngineProcess) -> None:
        """Deliver the last output of a process that has ended, and Gone; start the next engine."""
        for read in (self._read_events, self._read_errors):
            for _ in range(_LAST_READS):
                if not read():
                    break
        self._log(process, process.lines.end())
        for descriptor in (process.requests, process.events, process.errors, process.line):
            if descriptor is not None:
                self._forget(descriptor)
        self._resume_errors = self._resume_events = None
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
        """Pass `event` to the listener, or keep it until there is one."""
        if self._listener is None:
            self._backlog.append(event)
            return
        try:
            self._listener(event)
        except Exception:  # an error in the listener must not end the thread
            kind, error, trace = sys.exc_info()
            assert kind is not None
            arguments = threading.ExceptHookArgs((kind, error, trace, self._thread))
            threading.excepthook(arguments)
