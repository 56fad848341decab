"""The start of an engine on this host, also before anything is known of its devices.

Importing JAX takes longer than all else and needs no options. So an engine is started first of all,
imports JAX, and is told its options once they are known. This module imports little.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from jaxtui.session.working_folder import working_folder

TOLD = "--told"
"""The option of an engine whose other options are the first frame of its input, as JSON."""


def command() -> list[str]:
    """The command that starts an engine on this host."""
    return python_module("jaxtui.engine")


def python_module(name: str) -> list[str]:
    """The command that runs a module with this Python."""
    return [sys.executable, *safe_path(), "-m", name]


def safe_path() -> list[str]:
    """Return -P, so that no file in the working folder (`random.py`, `jax.py`) shadows a module.

    Left out if jaxtui itself is found in the working folder.
    """
    return [] if Path(__file__).resolve().parents[2] == Path(working_folder()) else ["-P"]


def parent_option() -> str:
    """The option for an engine that is to end with this process."""
    return f"--parent={os.getpid()}"


def started(arguments: Sequence[str], passed: Sequence[int] = ()) -> subprocess.Popen[bytes]:
    """Start a process with pipes, which inherits the `passed` descriptors too.

    Raises OSError or ValueError.
    """
    return subprocess.Popen(
        arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        # In its own session, so that the terminal's ctrl+c reaches the screen only.
        start_new_session=True,
        pass_fds=passed,
    )


def told(options: Sequence[str]) -> bytes:
    """The frame that tells an engine its options."""
    body = json.dumps(options).encode()
    return len(body).to_bytes(4, "big") + body


class EarlyEngine:
    """An engine that waits for its options; a context that ends it unless it was taken over."""

    def __init__(self) -> None:
        try:
            self._popen: subprocess.Popen[bytes] | None = started(
                [*command(), TOLD, parent_option()]
            )
        except OSError:
            self._popen = None  # the next attempt reports the error

    def take(self) -> subprocess.Popen[bytes] | None:
        """Hand the process over, which is then to be told its options; None if there is none."""
        popen, self._popen = self._popen, None
        return popen

    def __enter__(self) -> EarlyEngine:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if (popen := self.take()) is not None:
            with popen, suppress(ProcessLookupError, PermissionError):
                os.killpg(popen.pid, signal.SIGKILL)
