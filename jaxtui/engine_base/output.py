"""What leaves the engine: events as whole frames, and the user's prints as events among them.

The protocol has private descriptors. Descriptor 1 is a pipe of our own, so that nothing written
to it, by Python or by C, by this process or by its children, gets among the frames.
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
from jaxtui.wire.base import Failed, Printed
from jaxtui.wire.framing import FramingError
from jaxtui.wire.protocol import AnyEvent, frame

Stream = Literal["stdout", "stderr"]

PRINT_LIMIT = 64 * 1024  # characters that one request may print
_AT_ONCE = 8 * 1024  # characters that a request prints line by line, before they are gathered
_FLUSH_SECONDS = 0.05
_LONG_REHEARSAL_SECONDS = 1.0
_RAW_WINDOW_SECONDS = 1.0  # how long PRINT_LIMIT lasts for what belongs to no request


class _Rehearsal:
    """What a thread prints while its code is only tried: held back, then forgotten.

    A trial that takes long may never end, and its user waits for a word: then it is let out.
    """

    def __init__(self) -> None:
        self._held: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._let_out = False

    def holds(self, send: Callable[[], None]) -> bool:
        """Whether `send` is held back."""
        with self._lock:
            if not self._let_out:
                self._held.append(send)
            return not self._let_out

    def let_out(self) -> None:
        """Send what was held back, and hold no more."""
        with self._lock:
            self._let_out = True
        for send in self._held:
            send()


_rehearsing = threading.local()


@contextmanager
def rehearsal() -> Iterator[None]:
    """What this thread prints inside is dropped: the same code runs for real before or after.

    If it takes longer than _LONG_REHEARSAL_SECONDS it is printed after all.
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
    """Sends events whole, from any thread, in the order in which they were given.

    Whoever finds the line free sends for all others, so a send takes no other thread's turn on
    the interpreter, and a send inside a send (from a finalizer) cannot stand in its own way.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._frames: deque[bytes] = deque()
        self._sending = threading.Lock()

    def send(self, event: AnyEvent) -> None:
        """Send `event`; one that no frame can hold is answered with the reason instead."""
        self._frames.append(_framed(event))
        while self._frames and self._sending.acquire(blocking=False):
            try:
                self._send_waiting()
            finally:
                self._sending.release()

    def flush(self, seconds: float) -> None:
        """Wait until what was given so far has been sent, `seconds` at most."""
        end = time.monotonic() + seconds
        while (self._frames or self._sending.locked()) and time.monotonic() < end:
            time.sleep(0.001)

    def _send_waiting(self) -> None:
        while self._frames:
            rest = memoryview(self._frames.popleft())
            try:
                while rest:
                    rest = rest[os.write(self._descriptor, rest) :]
            except OSError:
                os._exit(0)  # nobody listens any more


def _framed(event: AnyEvent) -> bytes:
    try:
        return frame(event)
    except (FramingError, TypeError, ValueError) as error:
        message = f"the answer cannot be sent: {error}"
        diagnosis = Diagnosis(kind="engine", field="", message=sendable(message))
        return frame(Failed(id=event.id, diagnosis=diagnosis))


def sendable(text: str) -> str:
    """`text` with what UTF-8 cannot carry (lone surrogates) written as escapes."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


class Prints:
    """Gathers what the user's code prints and sends it as Printed, tagged with the request.

    The first lines of a request leave at once, a flood every 50 ms, and PRINT_LIMIT characters in
    all; then one line says how much was left out.
    """

    def __init__(self, send: Callable[[AnyEvent], None]) -> None:
        self._send = send
        self._thread = threading.local()
        self._worker_request = 0
        # Reentrant: a finalizer may print while this very thread is in here.
        self._lock = threading.RLock()
        self._waiting: dict[tuple[int, Stream], list[str]] = {}
        self._printed: dict[int, int] = {}
        self._some = threading.Event()

    def start(self) -> None:
        """Start the thread that sends what no newline sent."""
        threading.Thread(target=self._flush_regularly, name="prints", daemon=True).start()

    @contextmanager
    def of(self, request: int, *, worker: bool = False) -> Iterator[None]:
        """Everything this thread prints inside belongs to `request`.

        With `worker`, so does what threads print that work on no request: jax.debug's callbacks.
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
        """The request that this thread works for, 0 when there is none."""
        return getattr(self._thread, "request", 0) or self._worker_request

    def add(self, stream: Stream, text: str, request: int) -> None:
        """Take `text`; it is sent now or within 50 ms, unless it is a rehearsal's."""
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
        """Send what `request` printed and forget it."""
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
            # While something belongs to no request its limit has to be renewed.
            self._some.wait(_RAW_WINDOW_SECONDS if 0 in self._printed else None)
            self._some.clear()
            time.sleep(_FLUSH_SECONDS)
            with self._lock:
                self._send_waiting()
            if time.monotonic() - window > _RAW_WINDOW_SECONDS:
                window = time.monotonic()
                self.finish(0)


class PrintStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` of the user's code.

    `buffer` and `fileno()` are those of the descriptor, for code that writes bytes.
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
        """Send `text` on, tagged; returns its length. Raises TypeError for what is no text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        request = self._prints.current()
        if request or self._stream == "stdout":
            self._prints.add(self._stream, text, request)
        else:
            # No user's: a log of ours or of JAX. The client shows what comes by descriptor 2.
            _write_all(self._descriptor, text.encode("utf-8", "backslashreplace"))
        return len(text)

    def writable(self) -> bool:
        """Always."""
        return True

    def fileno(self) -> int:
        """The descriptor that bytes may be written to."""
        return self._descriptor

    def close(self) -> None:
        """Stays open: the user's code must not silence what comes after it."""


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def private_descriptors() -> tuple[int, int, int]:
    """Take descriptors 0 and 1 for the protocol: (requests, events, what is written to 1).

    The first two are private copies that children do not get. Descriptor 0 becomes /dev/null and
    descriptor 1 a pipe, whose other end is the third.
    """
    requests, events = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    reading, writing = os.pipe()
    os.dup2(writing, 1)
    os.close(writing)
    return requests, events, reading


def redirect(prints: Prints, raw: int, passed_on: Callable[[str], str] = str) -> None:
    """Turn Python's streams, and descriptor 1 by its pipe `raw`, into Printed events.

    `passed_on(text)` is what of the text on descriptor 1 is to be sent.
    """
    sys.stdout = PrintStream(prints, "stdout")
    sys.stderr = PrintStream(prints, "stderr")
    prints.start()
    threading.Thread(
        target=_pump, args=(raw, prints, passed_on), name="descriptor 1", daemon=True
    ).start()


def _pump(raw: int, prints: Prints, passed_on: Callable[[str], str]) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    while data := os.read(raw, 64 * 1024):
        prints.add("stdout", passed_on(decoder.decode(data)), 0)


def failure(error: BaseException) -> Failed:
    """The answer, still without an id, to a request that ended in `error`."""
    if isinstance(error, Diagnosed):
        return Failed(diagnosis=error.diagnosis, flow=error.flow)
    if isinstance(error, SystemExit | KeyboardInterrupt):
        message = f"{type(error).__name__}: the code asked for the end of the program"
        return Failed(diagnosis=Diagnosis(kind="function", field="", message=message))
    return Failed(diagnosis=Diagnosis(kind="engine", field="", message=_in_words(error)))


def _in_words(error: Any) -> str:
    """The error's own words, even when it cannot give any."""
    name = type(error).__name__
    try:
        text = str(error).strip()
    except Exception:  # the user's own exception may have a __str__ that fails
        text = ""
    return sendable(f"{name}: {text}" if text else name)
