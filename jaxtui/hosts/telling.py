"""What the starter tells of the hosts: which of several faults is the cause, and their names."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct

from jaxtui.hosts.lines import HostLine
from jaxtui.hosts.messages import Exited
from jaxtui.wire import endings

LOST = 5  # the exit status of an engine that has lost its other processes
# By weight, in which the faults of other hosts are told as well, which may be the cause.
_TOGETHER_SECONDS = (5.0, 1.5, 0.5, 0.5)
_MOST_TOLD = 4  # reasons
_MOST_LISTED = 5  # hosts
_KILLED = (-signal.SIGKILL, 128 + signal.SIGKILL)


class _Fault(Struct, frozen=True):
    """Why a host cannot take part; the greatest `weight` is most likely the cause of the others."""

    weight: int
    line: HostLine
    reason: str


class Faults:
    """What has gone wrong so far, on which host."""

    def __init__(self) -> None:
        self._faults: list[_Fault] = []
        self._first_at = 0.0

    def add(self, line: HostLine, weight: int, reason: str) -> None:
        """Note why a host cannot take part (any more)."""
        line.lost = True
        if not self._faults:
            self._first_at = time.monotonic()
        self._faults.append(_Fault(weight, line, reason))

    def exited(self, line: HostLine, exited: Exited) -> None:
        """Note how the engine's process has ended there."""
        if exited.status == 0:
            self.add(line, 0, "its part of the engine has left")
            return
        line.read_errors()
        reason = endings.reason(exited.status, list(line.lines.tail))
        if exited.starved and exited.status in _KILLED:
            reason = "the system killed the engine there because memory ran out: give it less"
        self.add(line, 1 if exited.status == LOST else 3, reason)

    def told(self, now: float) -> str:
        """The most likely causes with their hosts, once there was time for all; "" before that."""
        most = max((fault.weight for fault in self._faults), default=0)
        if not self._faults or now - self._first_at <= _TOGETHER_SECONDS[most]:
            return ""
        reasons: dict[str, list[str]] = {}
        for fault in self._faults:
            if fault.weight == most:
                reasons.setdefault(fault.reason, []).append(fault.line.host)
        told = [f"{listed(hosts)}: {reason}" for reason, hosts in reasons.items()]
        more = len(told) - _MOST_TOLD
        return "; ".join([*told[:_MOST_TOLD], *([f"and {more} more"] if more > 0 else [])])


def listed(hosts: Sequence[str]) -> str:
    """The names of hosts, or of the first of many."""
    more = len(hosts) - _MOST_LISTED
    return ", ".join(hosts[:_MOST_LISTED]) + (f" and {more} more" if more > 0 else "")


def name(lines: Sequence[HostLine]) -> None:
    """Give lines the names of their hosts, with the process where a host has several."""
    names = [line.hello.name if line.hello is not None else "" for line in lines]
    for line, name in zip(lines, names, strict=True):
        several = names.count(name) > 1
        line.host = f"{name} (process {line.process})" if several or not name else name


def log(line: HostLine, text: str) -> None:
    """Write a line of a host to the log."""
    with suppress(OSError):
        os.write(2, f"[{line.host}] {text}\n".encode("utf-8", "replace"))


def say(text: str) -> None:
    """Write a line of one's own to the log."""
    with suppress(OSError):
        os.write(2, f"hosts: {text}\n".encode("utf-8", "replace"))
