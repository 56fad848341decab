"""The line to one host: the command that reaches it, and the messages of the keeper there."""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

from jaxtui.hosts import faults, messages
from jaxtui.hosts.messages import FromKeeper, Hello, Message, Prepared
from jaxtui.hosts.pipes import Pipe
from jaxtui.wire.framing import FrameBuffer, FramingError
from jaxtui.wire.process import LineLog, read_available

_GREETING = 256 * 1024  # bytes that a host may print before the keeper's first message


class Lost(Exception):
    """The host cannot take part (any more); the message is a clause about it."""


class HostLine:
    """The line to `host`, reached by `command`. Raises OSError if that cannot be started.

    `log(text)` is called for each line that comes from the host beside the messages.
    """

    def __init__(
        self,
        host: str,
        command: list[str],
        selector: selectors.BaseSelector,
        log: Callable[[str], None],
    ) -> None:
        self.host = host
        self._command = command
        self._log = log
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        descriptors = [pipe.fileno() for pipe in self._pipes]
        self._input = Pipe(descriptors[0], selector)
        self.output, self.errors = descriptors[1:]
        for descriptor in descriptors[1:]:
            os.set_blocking(descriptor, False)
        self._greeting = b""
        self._frames: FrameBuffer | None = None
        self.lines = LineLog()
        self.logged_in = False
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
            self._log(line)

    def read_errors(self) -> bool:
        """Log what has come on stderr; False at its end."""
        data = read_available(self.errors)
        for line in self.lines.feed(data or b""):
            self._log(line)
        return data is None or bool(data)

    def _end(self) -> str:
        """Why the line has ended."""
        try:
            status: int | None = self._popen.wait(1.0)
        except subprocess.TimeoutExpired:
            status = None
        while (data := read_available(self.errors)) is not None and data:
            for line in self.lines.feed(data):
                self._log(line)
        for line in self.lines.end():
            self._log(line)
        if self.hello is None:
            tail = [*self.lines.tail]
            return faults.before_hello(self.host, self.logged_in, status, tail)
        return faults.line_cut(status, [*self.lines.tail])

    def close(self) -> None:
        """Let go: the keeper at the other end then ends its engine, and the command ends."""
        for pipe in self._pipes[:1]:
            with suppress(OSError):
                pipe.close()

    def ended(self) -> bool:
        return self._popen.poll() is not None

    def kill(self) -> None:
        self._popen.kill()
