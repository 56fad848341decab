"""Ends the explorer in time when a signal asks for it, or when its terminal is gone.

The main thread may then be stuck: in a write to a terminal that takes nothing, in Textual's queue
of such writes, in an editor that it started. So a thread of its own does what must not be left
undone: it keeps what is unsaved, then asks the app to exit, which restores the terminal and ends
the engine, and ends engine and process itself if that takes too long.

Any number of signals is one: only the first counts.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

from jaxtui.cli.signals import ENDING, handled

if TYPE_CHECKING:
    from jaxtui.app.app import JaxtuiApp
    from jaxtui.wire.launch import StartedEngine

EXIT_SECONDS = 1.5  # for the app to exit by itself
ENDS = (*ENDING, signal.SIGINT, signal.SIGQUIT)
_STOP = 0  # no signal has this number
# Bracketed paste, line wrap, mouse, Kitty's keyboard, alternate screen, cursor, focus: as Textual
# leaves them.
_LEAVE = b"\x1b[?2004l\x1b[?7h\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[<u\x1b[?1049l"
_LEAVE += b"\x1b[?25h\x1b[?1004l"


class Guardian:
    """A context in which the explorer runs; `app` is set just before it does."""

    def __init__(self, engine: StartedEngine) -> None:
        self.app: JaxtuiApp | None = None
        self._engine = engine
        self._ending = False
        self._thread = threading.Thread(target=self._watch, name="guardian", daemon=True)
        self._handlers = handled(ENDS, self._note)
        self._attributes: list[Any] = []

    def __enter__(self) -> Guardian:
        with contextlib.suppress(termios.error):
            self._attributes = termios.tcgetattr(0)
        self._wakes, self._wake = os.pipe()
        os.set_blocking(self._wake, False)
        # A signal reaches the pipe even while the main thread runs no Python.
        self._woken_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._handlers.__enter__()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._ending:
            return  # the thread sees to it that the process ends
        self._handlers.__exit__(kind, error, trace)
        signal.set_wakeup_fd(self._woken_before)
        os.write(self._wake, bytes([_STOP]))
        self._thread.join()
        os.close(self._wake)
        os.close(self._wakes)

    def terminal_lost(self) -> None:
        """End the explorer since its terminal is gone. Any thread may call this."""
        with contextlib.suppress(OSError):
            os.write(self._wake, bytes([signal.SIGHUP]))

    def _note(self, number: int, _frame: object) -> None:
        """Handle a signal in the main thread: all that the other thread cannot do."""
        first, self._ending = not self._ending, True
        # The shell may have the terminal; setting its modes would then stop the process.
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        if first and self.app is None:
            raise SystemExit(128 + number)

    # --------------------------------------------------------------------------- the thread

    def _watch(self) -> None:
        poll = select.poll()
        poll.register(self._wakes, select.POLLIN)
        poll.register(0, 0)  # a hang-up is always reported
        while True:
            for descriptor, found in poll.poll():
                if descriptor == self._wakes:
                    numbers = os.read(self._wakes, 4096)
                elif found & (select.POLLHUP | select.POLLERR):
                    numbers = bytes([signal.SIGHUP])
                else:
                    poll.unregister(descriptor)  # a system that cannot poll terminals
                    continue
                if ending := [number for number in numbers if number in ENDS]:
                    self._ending = True
                    self._end(128 + ending[0])
                elif _STOP in numbers:
                    return

    def _end(self, status: int) -> None:
        deadline = time.monotonic() + EXIT_SECONDS
        app, kept = self.app, None
        # Whatever fails here, the process has to end.
        with contextlib.suppress(Exception):
            if app is not None and app.begun and app.explorer.files.changed:
                kept = app.explorer.files.rescue()
        with contextlib.suppress(Exception):
            if app is not None:
                app.exit(None, status)
        time.sleep(max(0.0, deadline - time.monotonic()))
        with contextlib.suppress(Exception):
            if app is not None and app.begun:
                app.explorer.leave()
        with contextlib.suppress(Exception):
            self._engine.close()
        with contextlib.suppress(OSError, termios.error):
            self._restore_terminal(kept)
        os._exit(status)

    def _restore_terminal(self, kept: str | None) -> None:
        """Give the terminal back, unless the shell has it or it takes nothing."""
        if not self._attributes or os.tcgetpgrp(0) != os.getpgrp():
            return
        termios.tcsetattr(0, termios.TCSANOW, self._attributes)
        os.set_blocking(2, False)
        try:
            os.write(2, _LEAVE + (f"{kept_words(kept)}\n".encode() if kept else b""))
        finally:
            os.set_blocking(2, True)


def kept_words(path: str | None) -> str:
    """What became of unsaved changes as the explorer ended."""
    words = f"is kept in {path}; the next start offers it" if path else "could not be kept"
    return f"jaxtui: what was composed and in no file {words}"


def print_kept(path: str | None) -> None:
    """Say what became of unsaved changes."""
    with contextlib.suppress(OSError):  # the terminal may be closed
        print(kept_words(path), file=sys.stderr)
