"""The processes of this host, as `ps` lists them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable


def _rows() -> list[tuple[int, int, int, str]]:
    """The (pid, parent, group, state) of every process."""
    command = ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = (line.split() for line in listed.splitlines())
    return [(int(pid), int(parent), int(group), state) for pid, parent, group, state in rows]


def children(parent: int) -> list[int]:
    return [pid for pid, of, _, state in _rows() if of == parent and not state.startswith("Z")]


def running_in(groups: list[int]) -> list[int]:
    """The processes of these process groups, without zombies."""
    return [pid for pid, _, group, state in _rows() if group in groups and "Z" not in state]


def wait_for(true: Callable[[], object], seconds: float = 60.0) -> bool:
    """Wait until `true` returns something true; False when it does not in time."""
    ends = time.monotonic() + seconds
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.05)
    return True
