"""The program at the far end of a line: started, held while nobody is connected, and ended.

One thread owns the program's pipes and the connection of the moment. Whoever knows the token may
connect; a new connection replaces the one before, which may be dead without having been told so.
"""

from __future__ import annotations

import hmac
import math
import os
import select
import selectors
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from jaxtui.line import frames, pace
from jaxtui.line.connection import NO_FLAGS, READ_BYTES, Connection, Watched
from jaxtui.line.frames import NoFrameError, heard, told
from jaxtui.line.spout import Spout
from jaxtui.line.traffic import WINDOW, Traffic

ERRORS_AHEAD = WINDOW // 8  # bytes under way with which stderr waits, so that it delays no output
END_SECONDS = 5.0  # for the program to end once it is killed
LAST_SECONDS = 0.3  # for a program that has closed its output to end, else that is told
PARTING_SECONDS = 1.0  # for the last frame to be taken
HELLO_BYTES = 64 * 1024


class KeptProgram:
    """Runs `arguments` for whoever said `hello`, until it ends or nobody wants it any more."""

    def __init__(
        self, arguments: Sequence[str], hello: dict[str, Any], listener: socket.socket
    ) -> None:
        self._token = str(hello["token"])
        self._keep = float(hello["keep"])
        self._listener = listener
        self._traffic = Traffic()
        self._watched = Watched()
        self._looks = pace.Looks()
        self._connection: Connection | None = None
        self._peer: socket.socket | None = None  # the process that ssh started, which waits
        self._heard_at = self._beat_at = pace.clock()
        self._proven = False  # whether the other end is known to have heard of this one
        self._over = False
        self._output_closed_at = math.inf  # until that is told
        self._exit_told = False
        self._popen = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        )
        pipes = (self._popen.stdin, self._popen.stdout, self._popen.stderr)
        requests, output, errors = (pipe.fileno() for pipe in pipes if pipe is not None)
        self._input = Spout(requests, self._traffic)
        self._streams = {frames.OUTPUT: output, frames.ERRORS: errors}
        for descriptor in self._streams.values():
            os.set_blocking(descriptor, False)

    def run(self) -> None:
        """Hold the program until it is over; then it has ended, whatever came of the line."""
        signal.signal(signal.SIGTERM, self._stop)
        self._listener.setblocking(False)
        self._watched.want(self._listener.fileno(), selectors.EVENT_READ, self._accept)
        try:
            while not self._over:
                self._want()
                self._watched.wait(self._pause())
                self._look()
        finally:
            self._end()
            self._part(frames.frame(frames.BYE))

    def _stop(self, *_: object) -> None:
        self._over = True

    def _pause(self) -> float:
        """How long to wait for something: less when the program is about to end, or has ended."""
        closed = pace.clock() - self._output_closed_at
        ends = 0 <= closed < 2 * LAST_SECONDS or self._popen.returncode is not None
        return 0.02 if ends and not self._exit_told else pace.TICK

    # ------------------------------------------------------------------------- what is awaited

    def _want(self) -> None:
        """Wait for what can go on: full buffers make whoever writes wait, as full pipes do."""
        limits = {frames.OUTPUT: WINDOW, frames.ERRORS: ERRORS_AHEAD}
        for kind, descriptor in self._streams.items():
            reads = selectors.EVENT_READ if self._traffic.waiting < limits[kind] else NO_FLAGS
            self._watched.want(descriptor, reads, partial(self._read, kind))
        waits = self._input.waits and not self._input.gone
        writes = selectors.EVENT_WRITE if waits else NO_FLAGS
        self._watched.want(self._input.descriptor, writes, self._input.flush)
        connection = self._connection
        if connection is not None:
            self._watched.want(connection.reads, selectors.EVENT_READ, self._hear)
            writes = selectors.EVENT_WRITE if connection.stuck else NO_FLAGS
            self._watched.want(connection.writes, writes, self._flush)

    def _look(self) -> None:
        now = pace.clock()
        self._heard_at += self._looks.missed()
        self._look_at_program(now)
        connection = self._connection
        if connection is not None:
            if now - self._beat_at >= pace.BEAT or self._traffic.tells:
                self._beat_at = now
                connection.send(self._traffic.beat())
            self._flush()
            if connection.broken:
                self._drop()
        if self._exit_told and not self._traffic.waiting:
            self._over = True
        keep = max(self._keep, pace.SILENT) if self._proven else pace.UNPROVEN
        if now - self._heard_at > keep:
            self._over = True

    # ------------------------------------------------------------------------- the program

    def _read(self, kind: bytes) -> bool:
        """Take what the program wrote, and return whether there may be more."""
        descriptor = self._streams[kind]
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        for start in range(0, len(data), frames.PIECE):
            self._traffic.put(kind, data[start : start + frames.PIECE])
        if not data:
            self._watched.drop(descriptor)
            del self._streams[kind]
            if kind == frames.OUTPUT:
                self._output_closed_at = pace.clock()
        return bool(data)

    def _look_at_program(self, now: float) -> None:
        """Tell of the program's end, once all that it wrote is on its way."""
        if self._exit_told:
            return
        status = self._popen.poll()
        if status is not None:
            # A child of the program may hold its pipes: what is in them now is all that counts.
            for kind in list(self._streams):
                while self._traffic.waiting < WINDOW and kind in self._streams and self._read(kind):
                    pass
                if self._traffic.waiting >= WINDOW:
                    return
            self._traffic.put(frames.EXIT, str(status).encode())
            self._exit_told = True
        elif now - self._output_closed_at > LAST_SECONDS:
            self._output_closed_at = math.inf
            self._traffic.put(frames.OUTPUT_END)

    def _end(self) -> None:
        """End the program and what it has started in its session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(END_SECONDS)

    # ------------------------------------------------------------------------- the connection

    def _accept(self) -> None:
        """Take over the connection that another process hands on."""
        try:
            peer, _ = self._listener.accept()
        except OSError:
            return
        peer.settimeout(2.0)
        descriptors: list[int] = []
        try:
            data, descriptors, _, _ = socket.recv_fds(peer, HELLO_BYTES, 2)
            hello = heard(data)
            known = hmac.compare_digest(str(hello.get("token")), self._token)
            if not known or len(descriptors) != 2:
                raise NoFrameError("not the one who started it")
            self._traffic.resume(int(hello["received"]), int(hello["passed_on"]))
        except (OSError, NoFrameError, KeyError, TypeError, ValueError):
            for descriptor in descriptors:
                os.close(descriptor)
            peer.close()
            return
        self._drop()
        self._peer = peer
        self._connection = Connection(*descriptors)
        self._heard_at = pace.clock()
        welcome = told(frames.WELCOME, host=socket.gethostname(), **self._traffic.known())
        self._connection.send(frames.MAGIC + welcome)
        self._flush()

    def _hear(self) -> None:
        connection = self._connection
        assert connection is not None
        if not (data := connection.read()):
            return
        self._heard_at = pace.clock()
        for kind, payload in connection.frames(data, self._traffic):
            if kind == frames.INPUT:
                self._input.add(payload)
            elif kind == frames.BEAT:
                try:
                    self._traffic.hear_beat(payload)
                except NoFrameError:
                    connection.broken = True
                self._proven = True
            elif kind == frames.PING:
                connection.send(frames.frame(frames.PONG))
                self._flush()
            elif kind == frames.END:
                self._over = True

    def _flush(self) -> None:
        if self._connection is not None:
            self._connection.flush(self._traffic)

    def _drop(self) -> None:
        """Let the connection go, and with it the process that waits for it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            for descriptor in {connection.reads, connection.writes}:
                self._watched.drop(descriptor)
                os.close(descriptor)
        if self._peer is not None:
            self._peer.close()
            self._peer = None

    def _part(self, last: bytes) -> None:
        """Send the last frame, and wait a moment for it to be taken."""
        connection = self._connection
        if connection is None:
            return
        connection.send(last)
        until = pace.clock() + PARTING_SECONDS
        connection.flush()
        while connection.stuck and (left := until - pace.clock()) > 0:
            select.select([], [connection.writes], [], left)
            connection.flush()
        self._drop()
