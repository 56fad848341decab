"""The names of hosts, which may come from a session file and go onto a command line."""

from __future__ import annotations

import re
from collections.abc import Sequence

MOST_HOSTS = 1024
# What ssh takes as a destination: [user@]host, where host is a name, an alias or an address. None
# can be read as an option, and none has a meaning to a shell.
_NAME = re.compile(r"(?:[A-Za-z0-9_][\w.-]{0,63}@)?[A-Za-z0-9_:][A-Za-z0-9_.:-]{0,252}", re.ASCII)


def fault(names: Sequence[str]) -> str:
    """Why these are not the names of hosts that may be reached, "" if they are."""
    for name in names:
        if not _NAME.fullmatch(name):
            return f"{name[:80]!r} is not the name of a host, such as gpu-1 or me@10.0.0.1"
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        return f"{twice} is named twice"
    if len(names) > MOST_HOSTS:
        return f"{len(names):,} hosts; the most is {MOST_HOSTS}"
    return ""


def split(text: str) -> list[str]:
    """The names in a text such as "a, b,c"."""
    return [name for part in text.split(",") if (name := part.strip())]
