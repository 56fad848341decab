"""The near end of a line: `python -m jaxtui.line.local [--keep=S] [--report=FD] -- COMMAND...`.

Stands in for the program that COMMAND starts on another host through `jaxtui.line.keeper`: its
standard streams and its exit status are that program's. When the line breaks it starts COMMAND
again, with growing pauses, and goes on where it was. `jaxtui.line.command.resumable` says more.
"""

from __future__ import annotations

import argparse
import os
import secrets
import selectors
import signal
import sys
from collections import deque
from collections.abc import Sequence
from typing import NoReturn

from jaxtui.line import frames, pace
from jaxtui.line.attempt import Attempt
from jaxtui.line.command import KEEP_SECONDS
from jaxtui.line.connection import NO_FLAGS, Watched
from jaxtui.line.frames import NoFrameError, heard, told
from jaxtui.line.report import Report
from jaxtui.line.spout import Spout
from jaxtui.line.traffic import Traffic

PAUSES = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0)  # seconds before another attempt; the last repeats
ANSWER_SECONDS = 30.0  # for an attempt to take up a line again
HURRIED_SECONDS = 5.0  # the same once the user asks for another
REST_SECONDS = 1.0  # between attempts, however often one is asked for
TRIP_CHANGE = 0.02  # seconds by which the round trip changes before that is told
FAREWELL_SECONDS = 3.0  # for the far end to end its program when that is asked for
GRACE_SECONDS = 5.0  # after which a far end that is not reached has ended its program for certain
FAILED = 1


class Local:
    """The near end; `run` returns the exit status."""

    def __init__(self, command: Sequence[str], keep: float, report: int | None) -> None:
        self._command = command
        self._keep = keep
        self._report = Report(report)
        self._session, self._token = secrets.token_hex(8), secrets.token_hex(32)
        self._traffic = Traffic()
        self._watched = Watched()
        self._looks = pace.Looks()
        self._output, self._errors = Spout(1, self._traffic), Spout(2, self._traffic)
        self._attempt: Attempt | None = None
        self._reached = False  # whether the far end has ever answered
        self._host = ""
        self._heard_at = self._beat_at = self._next_at = pace.clock()
        self._slept = 0.0  # seconds since it was heard for which nobody listened
        self._tried_at = 0.0
        self._failures = 0  # attempts in a row
        self._lost = False
        self._pinged_by: Attempt | None = None
        self._pinged_at = 0.0
        self._trips: deque[float] = deque(maxlen=4)  # seconds
        self._trip = 0.0  # as told
        self._last_words = ""
        self._leaves_at: float | None = None  # when it ends at the latest, once it was asked to
        self._exit: int | None = None  # the program's status, which is told once all else is
        self._status: int | None = None
        os.set_blocking(0, False)

    def run(self) -> int:
        self._heed_signals()
        self._connect()
        while self._status is None:
            self._want()
            self._watched.wait(self._pause())
            self._look()
        if self._attempt is not None:
            self._attempt.close()
        return self._status

    def _heed_signals(self) -> None:
        wakes, wake = os.pipe()
        for descriptor in (wakes, wake):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
            signal.signal(number, lambda *_: None)

        def heed() -> None:
            for number in os.read(wakes, 256):
                if number == signal.SIGTERM:
                    self._leave()
                elif number == signal.SIGUSR1:
                    self._hurry()

        self._watched.want(wakes, selectors.EVENT_READ, heed)

    # ------------------------------------------------------------------------- what is awaited

    def _pause(self) -> float:
        if self._attempt is None:
            return max(0.0, min(pace.TICK, self._next_at - pace.clock()))
        return pace.TICK

    def _want(self) -> None:
        takes = not self._traffic.full and self._leaves_at is None
        self._watched.want(0, selectors.EVENT_READ if takes else NO_FLAGS, self._read_input)
        for spout in (self._output, self._errors):
            if spout.descriptor >= 0:
                events = selectors.EVENT_WRITE if spout.waits and not spout.gone else NO_FLAGS
                self._watched.want(spout.descriptor, events, spout.flush)
        if (attempt := self._attempt) is None:
            return
        connection = attempt.connection
        self._watched.want(connection.reads, selectors.EVENT_READ, self._hear)
        writes = selectors.EVENT_WRITE if connection.stuck else NO_FLAGS
        self._watched.want(connection.writes, writes, self._flush)
        if attempt.errors >= 0:
            self._watched.want(attempt.errors, selectors.EVENT_READ, self._read_errors)

    def _look(self) -> None:
        now = pace.clock()
        missed = self._looks.missed()
        self._slept += missed
        self._look_at_attempt(now, missed)
        if self._output.gone:
            self._leave()
        if self._attempt is None and now >= self._next_at and self._status is None:
            self._connect()
        if self._lost and now - self._heard_at > self._keep + GRACE_SECONDS:
            self._fail(self._time_over)
        if self._leaves_at is not None and now > self._leaves_at:
            self._status = FAILED
        passed = not self._output.waits and not self._errors.waits
        if self._exit is not None and passed:
            self._finish(self._exit)

    def _look_at_attempt(self, now: float, missed: float) -> None:
        if (attempt := self._attempt) is None:
            return
        attempt.began += missed
        if attempt.welcomed and now - self._heard_at - self._slept > pace.SILENT:
            self._lose(f"nothing came for {pace.SILENT:.0f} s")
            return
        if attempt.ended:
            while self._hear():  # what came last
                pass
            self._read_errors()
            if self._attempt is attempt and self._status is None:
                self._lose(attempt.said[-1] if attempt.said else "the connection was closed")
            return
        if not attempt.welcomed and self._reached and now - attempt.began > ANSWER_SECONDS:
            self._lose("no answer")
            return
        if attempt.welcomed and (now - self._beat_at >= pace.BEAT or self._traffic.tells):
            self._beat_at = now
            attempt.connection.send(self._traffic.beat())
            self._ping(attempt)
        self._flush()

    # ------------------------------------------------------------------------- the program

    def _read_input(self) -> None:
        try:
            data = os.read(0, frames.PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._traffic.put(frames.INPUT, data)
            self._flush()
        else:
            self._leave()

    def _finish(self, status: int) -> None:
        """End as the program has ended, once the far end knows that this was heard."""
        attempt, self._attempt = self._attempt, None
        if attempt is not None:
            attempt.connection.send(self._traffic.beat())
            attempt.connection.flush()
            attempt.close(FAREWELL_SECONDS)
        self._status = status if status >= 0 else 128 - status

    def _fail(self, reason: str) -> None:
        self._errors.add(f"jaxtui.line: {reason}\n".encode(), numbered=False)
        self._status = FAILED

    def _leave(self) -> None:
        """End the program over there, and this process with it: nobody needs them any more."""
        if self._leaves_at is not None or self._status is not None:
            return
        self._leaves_at = pace.clock() + FAREWELL_SECONDS
        self._next_at = pace.clock()
        self._say_end()

    def _say_end(self) -> None:
        if self._leaves_at is not None and self._attempt is not None and self._attempt.welcomed:
            self._attempt.connection.send(frames.frame(frames.END))
            self._flush()

    # ------------------------------------------------------------------------- the line

    def _connect(self) -> None:
        hello = told(
            frames.HELLO,
            version=frames.VERSION,
            session=self._session,
            token=self._token,
            keep=self._keep,
            fresh=not self._reached,
            **self._traffic.known(),
        )
        if self._lost:
            self._tell("connecting")
        self._tried_at = pace.clock()
        try:
            self._attempt = Attempt(self._command, hello)
        except OSError as error:
            reason = f"cannot start {self._command[0]}: {error.strerror}"
            if self._reached:
                self._lose(reason)
            else:
                self._fail(reason)
            return
        self._flush()

    def _flush(self) -> None:
        if (attempt := self._attempt) is not None:
            attempt.connection.flush(self._traffic if attempt.welcomed else None)

    def _hear(self) -> bool:
        """Take what has come, and return whether there may be more."""
        attempt = self._attempt
        if attempt is None or not (data := attempt.read()):
            return False
        if attempt.welcomed:
            self._heard_at, self._slept = pace.clock(), 0.0
        for kind, payload in attempt.connection.frames(data, self._traffic):
            self._take(kind, payload, attempt)
        return self._status is None

    def _take(self, kind: bytes, payload: bytes, attempt: Attempt) -> None:
        if kind == frames.OUTPUT:
            self._output.add(payload)
        elif kind == frames.ERRORS:
            self._errors.add(payload)
        elif kind == frames.EXIT:
            self._exit = int(payload)
        elif kind == frames.OUTPUT_END:
            self._watched.drop(1)
            self._output.close()
        elif kind == frames.PONG:
            self._measure()
        elif kind == frames.BYE:
            if self._leaves_at is not None:
                self._status = FAILED
            elif self._exit is None:
                self._fail(f"the engine was ended on {self._host}")
        elif kind in (frames.BEAT, frames.WELCOME, frames.REFUSED):
            try:
                self._take_word(kind, payload, attempt)
            except (NoFrameError, KeyError, TypeError, ValueError):
                attempt.connection.broken = True

    def _take_word(self, kind: bytes, payload: bytes, attempt: Attempt) -> None:
        if kind == frames.BEAT:
            self._traffic.hear_beat(payload)
            return
        words = heard(payload)
        if kind == frames.REFUSED:
            self._fail(self._refused(str(words["reason"]), str(words.get("host"))))
            return
        self._traffic.resume(int(words["received"]), int(words["passed_on"]))
        self._host = str(words.get("host"))
        self._reached = attempt.welcomed = True
        self._failures = 0
        self._heard_at, self._slept = pace.clock(), 0.0
        attempt.connection.send(self._traffic.beat())  # from which the far end knows it was heard
        self._ping(attempt)
        if self._lost:
            self._lost = False
            self._tell("connected")
        self._say_end()
        self._flush()

    @property
    def _time_over(self) -> str:
        return f"the line to it was lost for {minutes(self._keep)}, for which it is kept"

    def _ping(self, attempt: Attempt) -> None:
        """Measure how long the line is, unless an answer is still to come."""
        if self._pinged_by is not attempt:
            self._pinged_by, self._pinged_at = attempt, pace.clock()
            attempt.connection.send(frames.frame(frames.PING))

    def _measure(self) -> None:
        """Tell the round trip: the shortest lately, since a busy host answers late."""
        self._pinged_by = None
        self._trips.append(pace.clock() - self._pinged_at)
        trip = min(self._trips)
        if abs(trip - self._trip) > TRIP_CHANGE * (1 + trip):
            self._trip = trip
            self._report.say("measured", round_trip=round(trip, 3))

    def _refused(self, reason: str, host: str) -> str:
        if reason != "gone":
            return reason
        if self._host and host != self._host:
            return f"the engine is on {self._host}, and this connection leads to {host}"
        if pace.clock() - self._heard_at > self._keep:
            return self._time_over
        return f"the engine on {host} has ended, killed there or with the host"

    def _lose(self, reason: str) -> None:
        """The line is broken, or an attempt has failed."""
        again = self._lost
        attempt, self._attempt = self._attempt, None
        status = FAILED
        if attempt is not None:
            for descriptor in (attempt.connection.reads, attempt.connection.writes, attempt.errors):
                if descriptor >= 0:
                    self._watched.drop(descriptor)
            status = attempt.close(0.0 if self._reached else 2.0)
        if self._exit is not None:  # there is nothing more to hear
            return
        if not self._reached:
            self._status = status if status >= 0 else 128 - status
            return
        now = pace.clock()
        self._lost = True
        if attempt is not None and again:
            self._pass_on_words(attempt)
        self._next_at = now + PAUSES[min(self._failures, len(PAUSES) - 1)]
        self._failures += 1
        self._tell("lost", reason)

    def _hurry(self) -> None:
        """Try at once: somebody waits."""
        attempt = self._attempt
        if not self._lost:
            return
        if attempt is None:
            self._next_at = min(self._next_at, max(pace.clock(), self._tried_at + REST_SECONDS))
        elif pace.clock() - attempt.began > HURRIED_SECONDS and not attempt.welcomed:
            self._failures = 0
            self._lose("no answer")

    def _tell(self, state: str, reason: str = "") -> None:
        silent = pace.clock() - self._heard_at
        kept = max(0.0, self._keep - silent)
        self._report.say(state, silent=round(silent, 1), kept=round(kept, 1), reason=reason)

    def _read_errors(self) -> None:
        """Take what ssh says; while the line is lost it is passed on with the attempt's end."""
        attempt = self._attempt
        if attempt is None or attempt.errors < 0:
            return
        data = attempt.read_errors()
        if data is None:
            self._watched.drop(attempt.errors)
            attempt.errors = -1
        elif not self._lost:
            self._errors.add(data, numbered=False)

    def _pass_on_words(self, attempt: Attempt) -> None:
        """Pass on why an attempt failed, but not the same again with each."""
        words = "".join(f"{line}\n" for line in attempt.said)
        if words and words != self._last_words:
            self._errors.add(words.encode(), numbered=False)
        self._last_words = words


def minutes(seconds: float) -> str:
    """A time in words of the unit that suits it."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def main() -> NoReturn:
    """Stand in for the program that the command line starts on another host."""
    parser = argparse.ArgumentParser(prog="python -m jaxtui.line.local")
    parser.add_argument("--keep", type=float, default=KEEP_SECONDS)
    parser.add_argument("--report", type=int, default=None)
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    status = Local(options.command, options.keep, options.report).run()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
