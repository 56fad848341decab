"""The engine's output: events, and what the user's code prints, as events among them.

The protocol uses private file descriptors. Descriptor 1 is replaced by a pipe that the engine reads
itself, so that nothing that is written to it, by Python or C code or by child processes, can get
between the frames.
"""

from __future__ import annotations

import codecs
import io
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD
from jaxtui.wire.base import Failed, Printed
from jaxtui.wire.protocol import AnyEvent, frame

Stream = Literal["stdout", "stderr"]

PRINT_LIMIT = 64 * 1024  # characters that one request may print
_AT_ONCE = 8 * 1024  # characters of a request that are sent line by line, before buffering begins
_FLUSH_SECONDS = 0.05
_LONG_REHEARSAL_SECONDS = 1.0
_RAW_WINDOW_SECONDS = 1.0  # PRINT_LIMIT applies to each such period for text of no request


class _Rehearsal:
    """Holds back what a thread prints during a rehearsal, to discard it at the end.

    A long rehearsal may never end, and the user waits for a sign of life: then `let_out` sends it.
    """

    def __init__(self) -> None:
        self._held: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._let_out = False

    def holds(self, send: Callable[[], None]) -> bool:
        """Hold `send` back, and return True, unless the output was let out."""
        with self._lock:
            if not self._let_out:
                self._held.append(send)
            return not self._let_out

    def let_out(self) -> None:
        """Send what was held back, and hold back nothing from now on."""
        with self._lock:
            self._let_out = True
        for send in self._held:
            send()


_rehearsing = threading.local()


@contextmanager
def rehearsal() -> Iterator[None]:
    """Discard what this thread prints in the block, because the same code runs before or after it.

    A block that takes longer than _LONG_REHEARSAL_SECONDS prints after all.
    """
    before = getattr(_rehearsing, "now", None)
    _rehearsing.now = _Rehearsal()
    timer = threading.Timer(_LONG_REHEARSAL_SECONDS, _rehearsing.now.let_out)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        _rehearsing.now = before


class Outbox:
    """Writes events to a file descriptor, from any thread, in the order of the calls of `send`.

    Events go through a queue that is emptied by whichever thread holds the lock. A thread never
    waits for the lock, so it need not wait for another one to get the GIL, and a `send` from a
    finalizer that runs inside `send` cannot deadlock.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._frames: deque[bytes] = deque()
        self._write_lock = threading.Lock()

    def send(self, event: AnyEvent) -> None:
        """Send `event`, or a Failed with the reason if it does not fit into a frame."""
        self._frames.append(_framed(event))
        while self._frames and self._write_lock.acquire(blocking=False):
            try:
                self._write_queued()
            finally:
                self._write_lock.release()

    def flush(self, seconds: float) -> None:
        """Wait until all queued events are written, for at most `seconds`."""
        end = time.monotonic() + seconds
        while (self._frames or self._write_lock.locked()) and time.monotonic() < end:
            time.sleep(0.001)

    def _write_queued(self) -> None:
        while self._frames:
            rest = memoryview(self._frames.popleft())
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                os._exit(0)  # the client is gone


def _framed(event: AnyEvent) -> bytes:
    try:
        return frame(event)
    except Exception as error:  # also OverflowError and RecursionError, of what user code made
        message = f"the answer cannot be sent: {error}"
        diagnosis = Diagnosis(kind="engine", field=NO_FIELD, message=sendable(message))
        return frame(Failed(id=event.id, diagnosis=diagnosis))


def sendable(text: str) -> str:
    """Escape the lone surrogates in `text`, which UTF-8 cannot encode."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class Prints:
    """Collects what the user's code prints and sends it as Printed, with the request's id.

    The first lines of a request are sent at once, later ones every 50 ms, up to PRINT_LIMIT
    characters in all; a last line then says how much was left out.
    """

    def __init__(self, send: Callable[[AnyEvent], None]) -> None:
        self._send = send
        self._thread = threading.local()
        self._worker_request = 0
        # Reentrant, because a finalizer may print while its thread holds the lock.
        self._lock = threading.RLock()
        self._waiting: dict[tuple[int, Stream], list[str]] = {}
        self._printed: dict[int, int] = {}
        self._some = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._flush_regularly, name="prints", daemon=True).start()

    @contextmanager
    def of(self, request: int, *, worker: bool = False) -> Iterator[None]:
        """Attribute everything that this thread prints in the block to `request`.

        With `worker`, also what is printed by threads without a request of their own, such as those
        that run jax.debug's callbacks.
        """
        self._thread.request = request
        if worker:
            self._worker_request = request
        try:
            yield
        finally:
            self._thread.request = 0
            if worker:
                self._worker_request = 0
            self.finish(request)

    def current(self) -> int:
        """The id of the request that this thread works on, or 0."""
        return getattr(self._thread, "request", 0) or self._worker_request

    def add(self, stream: Stream, text: str, request: int) -> None:
        """Send `text` now or within 50 ms, unless it is printed in a rehearsal."""
        trial: _Rehearsal | None = getattr(_rehearsing, "now", None)
        if trial is not None and trial.holds(partial(self.add, stream, text, request)):
            return
        with self._lock:
            printed = self._printed.get(request, 0)
            self._printed[request] = printed + len(text)
            text = text[: max(0, PRINT_LIMIT - printed)]
            if not text:
                return
            self._waiting.setdefault((request, stream), []).append(text)
            if "\n" in text and printed < _AT_ONCE:
                self._send_waiting()
            else:
                self._some.set()

    def finish(self, request: int) -> None:
        """Send what is left of the output of `request`, and the count of what was left out."""
        with self._lock:
            self._send_waiting()
            left_out = self._printed.pop(request, 0) - PRINT_LIMIT
        if left_out > 0:
            text = f"... {left_out} more characters were printed and left out\n"
            self._send(Printed(id=request, stream="stdout", text=text))

    def _send_waiting(self) -> None:
        while self._waiting:
            request, stream = next(iter(self._waiting))
            text = "".join(self._waiting.pop((request, stream)))
            self._send(Printed(id=request, stream=stream, text=sendable(text)))

    def _flush_regularly(self) -> None:
        window = time.monotonic()
        while True:
            # The limit of text that belongs to no request is renewed periodically.
            self._some.wait(_RAW_WINDOW_SECONDS if 0 in self._printed else None)
            self._some.clear()
            time.sleep(_FLUSH_SECONDS)
            with self._lock:
                self._send_waiting()
            if time.monotonic() - window > _RAW_WINDOW_SECONDS:
                window = time.monotonic()
                self.finish(0)


class PrintStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` for the user's code.

    `buffer` and `fileno()` are those of descriptor 1 or 2, for code that writes bytes.
    """

    encoding = "utf-8"
    errors = "backslashreplace"
    line_buffering = True

    def __init__(self, prints: Prints, stream: Stream) -> None:
        super().__init__()
        self._prints = prints
        self._stream: Stream = stream
        self._descriptor = 1 if stream == "stdout" else 2
        self.mode = "w"
        self.name = f"<{stream}>"
        self.buffer = io.FileIO(self._descriptor, "w", closefd=False)

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        request = self._prints.current()
        if request or self._stream == "stdout":
            self._prints.add(self._stream, text, request)
        else:
            # A log message of jaxtui or JAX: the client shows what is written to descriptor 2.
            _write_all(self._descriptor, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def close(self) -> None:
        """Do nothing: if the user's code closed the stream, later output would be lost."""


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def private_descriptors() -> tuple[int, int, int]:
    """Move the protocol from descriptors 0 and 1 to private ones.

    Returns (requests, events, raw): two copies that child processes do not inherit, and the reading
    end of a pipe that replaces descriptor 1. Descriptor 0 becomes /dev/null.
    """
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)
    return requests, events, reading


def redirect(prints: Prints, raw: int, filtered: Callable[[str], str] = str) -> None:
    """Turn Python's streams, and the pipe `raw` behind descriptor 1, into Printed events.

    `filtered(text)` returns the part of the text from descriptor 1 that is sent.
    """
    sys.stdout = PrintStream(prints, "stdout")
    sys.stderr = PrintStream(prints, "stderr")
    prints.start()
    threading.Thread(
        target=_pump, args=(raw, prints, filtered), name="descriptor 1", daemon=True
    ).start()


def _pump(raw: int, prints: Prints, filtered: Callable[[str], str]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(raw, 64 * 1024):
        prints.add("stdout", filtered(decoder.decode(data)), 0)


def failure(error: BaseException) -> Failed:
    """The Failed, with id 0, that answers a request which raised `error`."""
    if isinstance(error, Diagnosed):
        return Failed(diagnosis=error.diagnosis, flow=error.flow)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        message = f"{type(error).__name__}: the code asked for the end of the program"
        return Failed(diagnosis=Diagnosis(kind="function", field=NO_FIELD, message=message))
    return Failed(diagnosis=Diagnosis(kind="engine", field=NO_FIELD, message=_described(error)))


def _described(error: Any) -> str:
    """The error's type and message, or only the type if its `__str__` raises."""
    name = type(error).__name__
    try:
        text = str(error).strip()
    except Exception:  # __str__ of a user's exception
        text = ""
    return sendable(f"{name}: {text}" if text else name)
