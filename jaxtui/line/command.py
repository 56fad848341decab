"""Which commands start an engine at the end of a line, and how."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence

KEEP_SECONDS = 600.0
"""How long an engine lives without a line, unless something else is asked for."""

_MODULE = re.compile(r"(?P<before>(?:^|.*\s)-m\s+)(?P<module>jaxtui\.[\w.]+)", re.DOTALL)


def keeps(command: Sequence[str]) -> bool:
    """Whether an engine that `command` starts is kept unless asked otherwise: one over ssh.

    Another command may start a container or a job, which a second start does not lead back to.
    """
    return _kept(command) is not None and any(os.path.basename(word) == "ssh" for word in command)


def can_keep(command: Sequence[str]) -> bool:
    """Whether `command` ends in `-m MODULE`, so that a keeper can be started in its place."""
    return _kept(command) is not None


def resumable(
    command: Sequence[str], options: Sequence[str], keep: float, report: int | None = None
) -> list[str]:
    """The command of a process to start instead of `command` with `options` appended.

    Its standard streams are those of the module that `command` starts, and stay open while the
    line breaks and is taken up again. SIGTERM and the end of its standard input end the module over
    there, SIGUSR1 has it try at once. `keep` is how many seconds the module lives without a line.
    What becomes of the line is written to the descriptor `report`, a JSON object a line
    (`jaxtui.line.report.Report`). Raises ValueError for a command that does not end in `-m MODULE`.
    """
    if (kept := _kept(command)) is None:
        raise ValueError("no command that ends in -m jaxtui.engine, which --keep needs")
    own = [f"--keep={keep:g}"]
    if report is not None:
        own.append(f"--report={report}")
    return [sys.executable, "-m", "jaxtui.line.local", *own, "--", *kept, *options]


def _kept(command: Sequence[str]) -> list[str] | None:
    """`command` with the keeper before the module that it ends in, None if it ends otherwise."""
    if len(command) < 2:
        return None
    *before, last = command
    if before[-1] == "-m" and re.fullmatch(r"jaxtui\.[\w.]+", last):
        return [*before, "jaxtui.line.keeper", last]
    # ssh passes all it is given to a shell, which may be one word of several.
    if found := _MODULE.fullmatch(last.rstrip()):
        return [*before, f"{found['before']}jaxtui.line.keeper {found['module']}"]
    return None
