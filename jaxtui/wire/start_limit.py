"""The time that an engine has until it is ready, and how one that hangs is told from a slow one."""

from __future__ import annotations

import os
from pathlib import Path

SECONDS = 58.0  # until an engine that hangs, or computes without end, is ended
SLOW_SECONDS = 300.0  # for one that computes now and then, on a busy machine or a slow disk
_LOOK_SECONDS = 15.0  # over which its use of processors is looked at
_IDLE, _BUSY = 0.01, 0.5  # processors used, below which it hangs, and above which it computes


class StartLimit:
    """Looks at a starting engine from time to time; `group` is its process group."""

    def __init__(self, group: int, now: float) -> None:
        self._group = group
        self._began = now
        self._looks = [(now, 0.0)]  # (time, processor seconds until then), at least a second apart

    def fault(self, now: float) -> str:
        """Why the engine has to be ended now, "" while it has time."""
        waited = now - self._began
        if waited < SECONDS - _LOOK_SECONDS or now - self._looks[-1][0] < 1.0:
            return ""
        used = _processor_seconds(self._group)
        self._looks.append((now, used))
        if waited < SECONDS:
            return ""
        then, before = next(look for look in reversed(self._looks) if now - look[0] >= 10.0)
        share = (used - before) / (now - then)
        words = f"it was not ready after {waited:.0f} s"
        if share < _IDLE:
            return f"{words} and hangs: it has used no processor for the last {now - then:.0f} s"
        if used > _BUSY * waited:
            return f"{words}, although it has computed for {used:.0f} s"
        return f"{words} and has computed for {used:.0f} s only" if waited > SLOW_SECONDS else ""


def _processor_seconds(group: int) -> float:
    """The processor time of the processes of a group; 0 where there is no /proc to read it from."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == group:
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")
