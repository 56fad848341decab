"""Explains to the user why an engine's process ended."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence

_FLAG = re.compile(r"Unknown flags? in XLA_FLAGS: (.*)")
# The last words of an engine of several processes: how one of them ended, or what went wrong.
_FULL_STOP = re.compile(r"(?<!\.)\.$")  # since the words stand within a sentence
_PEER = re.compile(r"^jaxtui\.engine: process (\d+) ended with status (-?\d+)$")
_OUT_OF_STEP = re.compile(r"^jaxtui\.engine: (the processes of the engine .*)$")
OF_HOSTS = "jaxtui.hosts: "  # begins the last words of an engine on several hosts
_LINE = re.compile(r"^jaxtui\.line: (.*)$")  # the last words of what holds a line
_NO_MODULE = re.compile(r"No module named '?(jaxtui[\w.]*)'?")
_USER_LINE = re.compile(r'^  File "<program>", line (\d+) in ')
# The prefix of a line of XLA's log: date, thread, file.
_LOG_PREFIX = re.compile(r"^(?:\d{4}-\d\d-\d\d \S+: )?[A-Z](?:\d{4} \S+\s+\d+)? ?\S+:\d+\] ")


def reason(status: int, tail: Sequence[str], said: str = "") -> str:
    """The reason why a process ended with `status`, negative for a signal.

    `tail` are the last lines of its stderr; `said` is the reason that the engine itself gave.
    """
    if said:
        return said
    if tail and (lost := _LINE.search(tail[-1])):
        return lost[1]
    for line in reversed(tail):
        if line.startswith(OF_HOSTS):
            return line.removeprefix(OF_HOSTS)
        if flag := _FLAG.search(line):
            return f"XLA does not know what XLA_FLAGS holds: {flag[1].strip()}"
        if module := _NO_MODULE.search(line):
            both = ": install the same jaxtui on both sides" if ".line" in module[1] else ""
            return f"the Python that starts the engine has no {module[1]}{both}"
        if out_of_step := _OUT_OF_STEP.search(line):
            return out_of_step[1]
    who = "the engine"
    peer = next(filter(None, map(_PEER.search, tail)), None)
    if peer is not None:
        who, status = f"process {peer[1]} of the engine", int(peer[2])
        tail = [line for line in tail if not _PEER.search(line)]
    number = _signal_number(status)
    if number == signal.SIGABRT and any("rendezvous" in line.lower() for line in tail):
        return (
            "some devices waited for a collective that the others never reached, "
            "and XLA gave up; do all devices take the same branch?"
        )
    if number == signal.SIGKILL:
        return f"{who} was killed: by the system if the memory ran out, else by somebody"
    how = f"ended with status {status}" if number is None else f"died of {_signal_name(number)}"
    parts = [f"{who} {how}{_place(tail)}", _last_words(tail)]
    return ": ".join(part for part in parts if part)


def _signal_number(status: int) -> int | None:
    """The signal in an exit status, which a shell or ssh reports as 128 + signal; else None."""
    if status < 0:
        return -status
    return status - 128 if 128 < status < 128 + signal.NSIG else None


def _signal_name(number: int) -> str:
    try:
        return f"{signal.Signals(number).name} ({signal.strsignal(number)})"
    except ValueError:
        return f"signal {number}"


def _place(tail: Sequence[str]) -> str:
    """Where the user's program was, if faulthandler reported it."""
    found = (_USER_LINE.search(line) for line in tail)
    return next((f" in line {place[1]} of the program" for place in found if place), "")


def _last_words(tail: Sequence[str]) -> str:
    """The last line of stderr, without faulthandler's report, XLA's prefix and a full stop."""
    lines = [line.strip() for line in tail if line.strip()]
    # The reason is in the lines before faulthandler's report.
    for index, line in enumerate(lines):
        if line.startswith("Fatal Python error"):
            lines = lines[:index]
            break
    return _FULL_STOP.sub("", _LOG_PREFIX.sub("", lines[-1])) if lines else ""
