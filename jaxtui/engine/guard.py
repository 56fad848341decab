"""Ends an engine whose client has gone, even while user code holds the GIL.

The engine itself exits at the end of its requests, but the thread that reads them needs the GIL,
which code in C may never let go. So the kernel is asked to end the engine with its parent (Linux),
and a guard, a small process of its own, ends the engine's process group once its requests have no
writer any more: over SSH, on other systems, and for what user code has forked.
"""

from __future__ import annotations

import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_GRACE_SECONDS = 1.0  # in which the engine may notice the end of its requests by itself


def end_with(parent: int) -> None:
    """End this process with `parent`, the process that started it, where the kernel can do that.

    The kernel goes by the thread that started this process: the client's thread and a leader's main
    thread live longer than the processes that they start.
    """
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the kernel was asked
        os._exit(0)


class Guard:
    """The guard of this process, which ends when this process ends."""

    def __init__(self, requests: int) -> None:
        """`requests` is the descriptor at whose hang-up this process has to end."""
        # Imported here because the guard's own process runs this file and does without.
        import subprocess

        alive, self._alive = os.pipe()  # it hangs up when this process ends
        os.set_blocking(self._alive, False)  # user code may write to any descriptor
        # -I and -S: nothing of the user's is imported, and it starts in 10 ms.
        self._launcher = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(alive)],
            stdin=requests,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=[alive],
        )
        os.close(alive)
        os.register_at_fork(after_in_child=self._let_go)

    def wait_until_detached(self) -> None:
        """Wait until the guard is nobody's child: user code may wait for all of its children."""
        self._launcher.wait()

    def _let_go(self) -> None:
        os.close(self._alive)


def _watch(engine: int, alive: int) -> None:
    """Wait for the hang-up of the requests (descriptor 0) or of `alive`, then end the group."""
    ended = select.poll()
    ended.register(alive, 0)
    any_ended = select.poll()
    any_ended.register(alive, 0)
    any_ended.register(0, getattr(select, "POLLRDHUP", 0))  # for a socket; pipes need no flag
    any_ended.poll()
    has_ended = bool(ended.poll(_GRACE_SECONDS * 1000))
    if os.getpgrp() == engine:
        # What the engine's code has forked and not put elsewhere, the engine and this process.
        os.killpg(engine, signal.SIGKILL)
    elif not has_ended:
        os.kill(engine, signal.SIGKILL)


if __name__ == "__main__" and os.fork() == 0:
    _watch(*map(int, sys.argv[1:]))
