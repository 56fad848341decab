"""The events of a run that goes on, on disk, so that a killed process loses none of its samples.

A journal lies beside the kept runs, locked by the process that writes it. One whose process has
gone is read as the events came, and kept as the run that it was.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from jaxtui.benchmark import kept_runs
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.benchmark.run_recording import RunRecording
from jaxtui.locks import lock
from jaxtui.session.field_path import decoded, encoded
from jaxtui.session.session import Session
from jaxtui.wire.framing import FramingError, read_body
from jaxtui.wire.protocol import AnyEvent, decode_event, frame

SUFFIX = ".events"
KILLED = "killed"

_encode = msgspec.msgpack.Encoder(enc_hook=encoded).encode


class _Head(Struct):
    """What of a recording is not in its events."""

    request: int
    session: Session
    path: str
    began: datetime.datetime
    swept: bool


_head = msgspec.msgpack.Decoder(_Head, dec_hook=decoded)


class Journal:
    """Writes what `recording` takes to a file, from its first sample until the run is kept.

    Where nothing can be written the run goes on without; to keep it then says why.
    """

    def __init__(self, recording: RunRecording) -> None:
        self._recording = recording
        self._path = kept_runs.folder() / f"{os.getpid()}-{os.urandom(4).hex()}{SUFFIX}"
        self._descriptor = -1
        self._before = bytearray()  # what came before the first sample
        recording.noted = self._note

    def _note(self, event: AnyEvent) -> None:
        if self._descriptor >= 0:
            self._write(frame(event))
            return
        self._before += frame(event)
        if self._recording.sampled:
            self._begin()

    def _begin(self) -> None:
        recording = self._recording
        head = _Head(
            request=recording.request,
            session=recording.session,
            path=recording.path,
            began=recording.began,
            swept=isinstance(recording, SweepRecording),
        )
        body = _encode(head)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            locked = lock(self._descriptor)
        except OSError:
            locked = False
        if not locked:  # nobody could tell later whether this process has gone
            recording.noted = None
        else:
            self._write(len(body).to_bytes(4, "big") + body + self._before)

    def end(self, keep: Callable[[kept_runs.AnyRun], Path] = kept_runs.keep) -> Path | None:
        """Keep the run with `keep`, if it has samples, and remove the journal.

        Returns where the run is kept. Raises RunError if it cannot be; then the journal stays.
        """
        recording = self._recording
        recording.noted = None
        try:
            kept = keep(recording.report()) if recording.sampled else None
            if self._descriptor >= 0:
                self._path.unlink(missing_ok=True)
            return kept
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


def recover() -> list[Path]:
    """Keep the runs of processes that were killed; return where. Raises RunError."""
    recovered = []
    for path in sorted(kept_runs.folder().glob(f"*{SUFFIX}")):
        with _unlocked(path) as read:
            if read is None:
                continue
            recording = _replayed(read, path.stat().st_mtime)
            if recording is not None and recording.sampled:
                recovered.append(kept_runs.keep(recording.report()))
            path.unlink(missing_ok=True)
    return recovered


@contextlib.contextmanager
def _unlocked(path: Path) -> Iterator[Callable[[int], bytes] | None]:
    """A reader of the file, locked meanwhile; None if it is not there or its process lives."""
    try:
        # A file system over a network locks only what is open for writing.
        file = path.open("rb+", buffering=0)
    except OSError:
        yield None
        return
    with file:
        try:
            free = lock(file.fileno())
        except OSError:
            free = False
        yield file.read if free else None


def _replayed(read: Callable[[int], bytes], last: float) -> RunRecording | None:
    """The run as far as it was written, which was until `last` (seconds since the epoch)."""
    recording: RunRecording | None = None
    # The last event may have been cut off.
    with contextlib.suppress(FramingError, msgspec.MsgspecError):
        body = read_body(read)
        if body is None:
            return None
        head = _head.decode(body)
        kind = SweepRecording if head.swept else BenchmarkRecording
        recording = kind(head.request, head.session, head.path)
        recording.began = head.began
        while (body := read_body(read)) is not None:
            recording.take(decode_event(body))
    if recording is not None and not recording.ended:
        recording.seconds = max(0.0, last - recording.began.timestamp())
        recording.lost(KILLED)
    return recording
