"""What connects the starter with a host: a command such as ssh, or a connection of the network."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

_PR_SET_PDEATHSIG = 1


class Way(Protocol):
    """Two pipes to a host's keeper, and one with the log on the way, if there is one."""

    input: int
    output: int
    errors: int | None

    def wait(self, seconds: float) -> int | None:
        """The exit status of the command at its end; None if it does not end, or is none."""
        ...

    def close(self) -> None:
        """Let the keeper know that nothing more comes."""
        ...

    def ended(self) -> bool:
        """Whether it needs to be waited for no longer."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


class CommandWay:
    """A command that reaches a host. Raises OSError if it cannot be started."""

    def __init__(self, command: Sequence[str]) -> None:
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        self.input, self.output, errors = (pipe.fileno() for pipe in self._pipes)
        self.errors: int | None = errors

    def wait(self, seconds: float) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            return self._popen.wait(seconds)
        return None

    def close(self) -> None:
        with suppress(OSError):
            self._pipes[0].close()

    def ended(self) -> bool:
        return self._popen.poll() is not None

    def kill(self) -> None:
        self._popen.kill()


def _end_with_parent() -> Callable[[], None] | None:
    """What a new process has to call to get a SIGTERM when this one ends, where that can be had."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    return ask


class Launcher:
    """The command of a launcher, whose words go to the log.

    `ended_with(reason)` is called at its end. Raises OSError if it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        selector: selectors.BaseSelector,
        ended_with: Callable[[str], None],
    ) -> None:
        self._selector, self._ended_with = selector, ended_with
        self._last = ""
        self._popen = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Whoever kills the starter with all of its session must not kill this as well: srun
            # would leave its allocation behind. It is asked to end instead, by the kernel.
            start_new_session=True,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  # there is no thread yet
        )
        assert self._popen.stdout is not None
        self._output = self._popen.stdout.fileno()
        selector.register(self._output, selectors.EVENT_READ, self._read)

    def _read(self) -> None:
        data = os.read(self._output, 64 * 1024)
        os.write(2, data)
        self._last = data.decode("utf-8", "replace").strip().rpartition("\n")[2] or self._last
        if not data:
            self._selector.unregister(self._output)
            self._ended_with(f"it ended with status {self._popen.wait()}: {self._last}")

    def ended(self) -> bool:
        return self._popen.poll() is not None

    def kill(self) -> None:
        """End it as a user would, so that it ends what it has started."""
        self._popen.terminate()


class SocketWay:
    """A connection that a keeper has made, and over which it sends its log as well."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self.output = link.fileno()
        self.input = os.dup(link.fileno())  # since a selector takes a descriptor once
        self.errors: int | None = None

    def wait(self, seconds: float) -> int | None:
        return None

    def close(self) -> None:
        with suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)

    def ended(self) -> bool:
        return True

    def kill(self) -> None:
        self.close()
