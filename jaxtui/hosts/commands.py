"""The command that starts a keeper on a host."""

from __future__ import annotations

import shlex
import sys
from pathlib import PurePath

from jaxtui.hosts import messages

# BatchMode: whatever ssh would ask at a terminal is an error, which is explained instead.
SSH = (
    "ssh -T -o BatchMode=yes -o ConnectTimeout=8 -o ServerAliveInterval=3 -o ServerAliveCountMax=3"
)


def reaching(host: str, template: str = "", python: str = "") -> list[str]:
    """The command that starts a keeper on `host`, which has to be a name without a `fault`.

    `template` is a command that runs another one on "{host}", by default ssh; ssh takes that as one
    text, which the host's shell reads, others take it word by word. `python` is the command of the
    host's Python.
    """
    words = ["sh", "-c", _script(python)]
    if not template:
        return [*shlex.split(SSH), "--", host, shlex.join(words)]
    before = [word.replace("{host}", host) for word in shlex.split(template)]
    if any("{command}" in word for word in before):
        return [word.replace("{command}", shlex.join(words)) for word in before]
    if PurePath(before[0]).name == "ssh":
        return [*before, shlex.join(words)]
    return [*before, *words]


def launching(template: str, processes: int, place: str, python: str) -> list[str]:
    """A launcher's command that starts as many processes, which all come to "address:port"."""
    words = [word.replace("{n}", str(processes)) for word in shlex.split(template)]
    own = [*shlex.split(python)] if python else [sys.executable]
    return [*words, *own, "-P", "-m", "jaxtui.hosts", f"--meet={place}", "--rank=-1"]


def here() -> list[str]:
    """The command that starts a keeper on this host."""
    safe = ["-P"] if sys.flags.safe_path else []
    return [sys.executable, *safe, "-m", "jaxtui.hosts", "--member"]


def _script(python: str) -> str:
    """What the host's shell runs. It says that the login has worked, before Python starts."""
    login = messages.LOGIN.decode().strip()
    member = "-P -m jaxtui.hosts --member"
    if python:
        return f"echo '{login}'; exec {shlex.join(shlex.split(python))} {member}"
    here = shlex.quote(sys.executable)
    # The same path as here, which hosts that share their files have; else the one on the PATH.
    choose = f'p={here}; [ -x "$p" ] || p=python3'
    return f"echo '{login}'; {choose}; exec \"$p\" {member}"
