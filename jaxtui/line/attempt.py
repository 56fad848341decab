"""One try to reach the far end: the command that ssh is, and the connection through it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress

from jaxtui.line import frames, pace
from jaxtui.line.connection import READ_BYTES, Connection

NOISE = 64 * 1024  # bytes that a shell's startup files may write before the far end speaks
_PR_SET_PDEATHSIG = 1
_libc = None
if sys.platform == "linux":
    import ctypes

    _libc = ctypes.CDLL(None)


def _end_with_parent() -> None:
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Attempt:
    """A started command. Raises OSError when it cannot be started."""

    def __init__(self, command: Sequence[str], hello: bytes) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - this process has one thread only
        )
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        writes, reads, self.errors = (pipe.fileno() for pipe in self._pipes)
        self.connection = Connection(reads, writes)
        self.connection.send(hello)
        os.set_blocking(self.errors, False)
        self.said: deque[str] = deque(maxlen=20)  # the last lines of its stderr
        self.began = pace.clock()
        self.welcomed = False  # whether the far end has taken this connection
        self._spoken = False  # whether it has begun to speak
        self._before = b""

    @property
    def ended(self) -> bool:
        return self.connection.broken or self._popen.poll() is not None

    def read(self) -> bytes:
        """What the far end has sent, without what came before it spoke."""
        data = self.connection.read()
        if self._spoken or not data:
            return data
        self._before += data
        noise, magic, rest = self._before.partition(frames.MAGIC)
        if not magic:
            if len(self._before) > NOISE:
                self.connection.broken = True
            return b""
        self._spoken = True
        self._before = b""
        if noise:
            self.said.extend(noise.decode("utf-8", "replace").splitlines())
        return rest

    def read_errors(self) -> bytes | None:
        """What ssh or the shell over there has written to stderr; None at the end of that."""
        try:
            data = os.read(self.errors, READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        lines = data.decode("utf-8", "replace").splitlines()
        self.said.extend(line for line in lines if line.strip())
        return data or None

    def close(self, seconds: float = 0.0) -> int:
        """End it, after `seconds` at most that it has to end by itself; return its status."""
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        status = self._popen.wait()
        for pipe in self._pipes:
            pipe.close()
        return status
