"""How long the starter waits for a host, and what it says meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jaxtui.hosts import messages
from jaxtui.hosts.lines import HostLine
from jaxtui.hosts.telling import listed

SECONDS = 10.0  # after which it is told what is waited for

_LOGIN_SECONDS = 14.0
_HELLO_SECONDS = 60.0  # for Python to start, from a slow file system
_PREPARED_SECONDS = 150.0
_READY_SECONDS = 280.0

Phase = Literal["meeting", "starting", "ready"]


def overdue(line: HostLine, now: float, phase: Phase) -> str:
    """Why a host is waited for no longer, "" if it is."""
    waited = now - line.since
    if line.hello is None:
        if not line.logged_in and waited > _LOGIN_SECONDS:
            return f"it has not let us in for {waited:.0f} s: does `ssh {line.host} true` work?"
        if waited > _HELLO_SECONDS:
            return f"its Python has not started for {waited:.0f} s"
        return ""
    if now - line.heard > messages.SILENT_SECONDS:
        return (
            f"nothing has come from it for {now - line.heard:.0f} s: it hangs, or the network "
            "between it and this host is cut"
        )
    if phase == "meeting" and line.prepared is None and waited > _PREPARED_SECONDS:
        return f"it has not got ready for {waited:.0f} s"
    if phase == "starting" and waited > _READY_SECONDS:
        return f"JAX has not started there for {waited:.0f} s"
    return ""


def absent(lines: Sequence[HostLine], processes: int) -> str:
    """The processes that a launcher was to start and that have not come, "" if all have."""
    there = {line.process for line in lines}
    missing = [f"process {process}" for process in range(processes) if process not in there]
    return f"{listed(missing)} of {processes}" if missing else ""


def waited_for(lines: Sequence[HostLine], processes: int) -> str:
    """What is waited for now."""
    silent = [line.host for line in lines if line.hello is None]
    unprepared = [line.host for line in lines if line.prepared is None]
    if missing := absent(lines, processes):
        return f"waiting for {missing}, which the launcher starts"
    if silent:
        return f"waiting for {listed(silent)}: Python has not started there yet"
    if unprepared:
        return f"waiting for {listed(unprepared)} to get ready"
    return "waiting for JAX to start its devices on all hosts"
