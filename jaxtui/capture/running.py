"""Runs a script in a process of its own until the call that is captured, and hears what became."""

from __future__ import annotations

import codecs
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

import msgspec

from jaxtui.capture.request import Capture, CaptureReport
from jaxtui.wire import early

GRACE_SECONDS = 2.0  # for a script that is interrupted to end by itself
READ_BYTES = 64 * 1024


class Running:
    """A context with a running script, whose processes all end with it.

    `heard(text)` is called, on another thread, with what the script writes.
    """

    def __init__(self, capture: Capture, heard: Callable[[str], None]) -> None:
        self._heard = heard
        self._folder = tempfile.TemporaryDirectory(prefix="jaxtui-capture-")
        place = Path(self._folder.name)
        (place / "request.json").write_bytes(msgspec.json.encode(capture))
        self._process = subprocess.Popen(
            [sys.executable, "-u", *early.safe_path(), "-m", "jaxtui.capture.engine", str(place)],
            # The script's own is empty; when this end closes, the process ends.
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # In its own session, so that its children are found, and end with it.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        try:
            self._reader.start()
        except BaseException:  # a key that interrupts it
            self._end()
            raise

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, KeyboardInterrupt):
            self.interrupt()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        self._end()
        self._folder.cleanup()

    def interrupt(self) -> None:
        """Interrupt the script, as ctrl+c does."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """End the script at once."""
        self._signal(signal.SIGKILL)

    def report(self) -> CaptureReport:
        """Wait for the end of the script, and return what became of it."""
        status = self._process.wait()
        self._end()
        file = Path(self._folder.name, "report.json")
        if file.exists():
            return msgspec.json.decode(file.read_bytes(), type=CaptureReport)
        if status < 0:
            message = f"the script was ended by signal {-status}"
            return CaptureReport(outcome="raised", message=message, status=128 - status)
        message = f"the script ended itself with status {status}"
        return CaptureReport(outcome="raised", message=message, status=status or 1)

    def _end(self) -> None:
        self.kill()
        self._process.wait()
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._reader.ident is not None:
            self._reader.join(GRACE_SECONDS)

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        with self._process.stdout as pipe:
            while data := os.read(pipe.fileno(), READ_BYTES):
                if text := decoder.decode(data):
                    self._heard(text)


def why_not(capture: Capture, report: CaptureReport) -> str:
    """Why there is no session, in a sentence; "" if there is one."""
    if report.outcome == "captured":
        return ""
    times = {0: "was never called", 1: "was called once"}
    calls = times.get(report.calls, f"was called {report.calls:,} times")
    if report.outcome == "ended":
        ended = f"{capture.script} ended: {capture.named} {calls}"
        return f"{ended} ({report.message})" if report.message else ended
    if report.outcome == "raised":
        return f"{capture.script} failed before: {report.message}; {capture.named} {calls}"
    return report.message
