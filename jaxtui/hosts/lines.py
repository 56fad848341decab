"""The line to one host: what it prints, and the messages of the keeper there."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from contextlib import suppress

from jaxtui.hosts import faults, messages
from jaxtui.hosts.messages import FromKeeper, Hello, Message, Prepared
from jaxtui.hosts.pipes import Pipe
from jaxtui.hosts.ways import Way
from jaxtui.wire.framing import FrameBuffer, FramingError
from jaxtui.wire.process import LineLog, read_available

_GREETING = 256 * 1024  # bytes that a host may print before the keeper's first message


class Lost(Exception):
    """The host cannot take part (any more); the message is a clause about it."""


class HostLine:
    """The line to process number `process` of the engine, which is on `host`.

    `log(line, text)` is called for each line that comes from the host beside the messages.
    """

    def __init__(
        self,
        host: str,
        process: int,
        way: Way,
        selector: selectors.BaseSelector,
        log: Callable[[HostLine, str], None],
    ) -> None:
        self.host, self.process = host, process
        self._way = way
        self._log = log
        self._input = Pipe(way.input, selector)
        self.output, self.errors = way.output, way.errors
        for descriptor in (way.output, way.errors):
            if descriptor is not None:
                os.set_blocking(descriptor, False)
        self._greeting = b""
        self._frames: FrameBuffer | None = None
        self.events = FrameBuffer()  # of the engine's process there
        self.lines = LineLog()
        self.logged_in = way.errors is None
        self.heard = self.since = time.monotonic()  # `since` is the beginning of what is waited for
        self.hello: Hello | None = None
        self.prepared: Prepared | None = None
        self.lost = False

    def send(self, message: Message) -> None:
        """Send a message; when the line has ended it is dropped, and its end is read."""
        with suppress(OSError):
            self._input.put(messages.frame(message))

    @property
    def unsent(self) -> int:
        """The number of bytes that are yet to be sent."""
        return len(self._input.waiting)

    def read(self) -> list[FromKeeper]:
        """The messages that have come. Raises Lost at the end of the line."""
        data = read_available(self.output)
        if data is None:
            return []
        if not data:
            raise Lost(self._end())
        self.heard = time.monotonic()
        if self._frames is None:
            data = self._after_greeting(data)
        if self._frames is None:
            return []
        try:
            return [messages.from_keeper(body) for body in self._frames.feed(data)]
        except FramingError as error:
            raise Lost(f"what comes from there is no message of a keeper: {error}") from error

    def _after_greeting(self, data: bytes) -> bytes:
        """Log what the host prints to whoever logs in, and return what comes after it."""
        self._greeting += data
        greeting, login, rest = self._greeting.partition(messages.LOGIN)
        if login and not self.logged_in:
            self.logged_in, self.since = True, time.monotonic()
            self._print(greeting)
            self._greeting = rest
        greeting, mark, rest = self._greeting.partition(messages.MARK)
        if mark:
            self._print(greeting)
            self._greeting = b""
            self._frames = FrameBuffer()
        elif len(self._greeting) > _GREETING:
            raise Lost("it prints without end before anything of jaxtui's starts")
        return rest

    def _print(self, text: bytes) -> None:
        for line in self.lines.feed(text if text.endswith(b"\n") or not text else text + b"\n"):
            self._log(self, line)

    def read_errors(self) -> bool:
        """Log what has come on stderr; False at its end."""
        if self.errors is None:
            return False
        data = read_available(self.errors)
        self.said(data or b"")
        return data is None or bool(data)

    def said(self, data: bytes) -> None:
        """Log what was written to stderr there."""
        for line in self.lines.feed(data):
            self._log(self, line)

    def _end(self) -> str:
        """Why the line has ended."""
        status = self._way.wait(1.0)
        while self.errors is not None and (data := read_available(self.errors)):
            self.said(data)
        for line in self.lines.end():
            self._log(self, line)
        if self.hello is None:
            return faults.before_hello(self.host, self.logged_in, status, [*self.lines.tail])
        return faults.line_cut(status, [*self.lines.tail])

    def close(self) -> None:
        """Let go: the keeper at the other end then ends its engine."""
        self._way.close()

    def ended(self) -> bool:
        """Whether the way to the host needs to be waited for no longer."""
        return self._way.ended()

    def kill(self) -> None:
        """End the way to the host."""
        self._way.kill()
