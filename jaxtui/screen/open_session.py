"""The open session and the state of its engine, shared by all works.

Uses neither Textual nor a clock: times are passed in, in seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Literal

from jaxtui.screen.engine_line import EngineLine
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import DEVICES
from jaxtui.session.session import Session
from jaxtui.session.working_folder import working_folder
from jaxtui.wire.base import Composition, Described, Failed, Gone, LineState, Log, Ready, Spoiled
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import Environment

NAMED = 2.0  # seconds after which what is waited for is named, with the way to end it
LOG_LINES = 500
UNTRUSTED = "This file has not run: its source was not accepted yet. F5 shows it and asks."
GONE = "engine gone · R restarts it"

Phase = Literal["starting", "ready", "gone"]


def ended_words(reason: str) -> str:
    """Why the engine ended, as a sentence without its full stop."""
    if reason.startswith("the engine"):
        return reason[0].upper() + reason[1:]
    return f"The engine has ended: {reason}"


class OpenSession:
    """A session, its folder, whether it is trusted, and the state of its engine."""

    def __init__(
        self,
        session: Session,
        *,
        send: Callable[[AnyRequest], None],
        next_id: Callable[[], int],
        folder: str = "",
        trusted: bool = True,
        may_send: Callable[[AnyRequest], bool] = lambda request: True,
    ) -> None:
        """`send` sends a request to the engine; `next_id` returns a fresh id for one.

        `may_send` is asked about each request that executes the session's code.
        """
        self.session = session
        self._send = send
        self._may_send = may_send
        self.next_id = next_id
        self.folder = folder or working_folder()
        self.trusted = trusted
        self.changed = ""  # what changed on disk since it was accepted, and ended the trust
        self.phase: Phase = "starting"
        self.phase_since = 0.0
        self.environment: Environment | None = None
        self.gone: Gone | None = None
        self.unstartable: Diagnosis | None = None  # why JAX did not start with these devices
        self.line = EngineLine()
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.spoiled = ""  # what user code did to the engine, for which the next change replaces it
        self.file_changes = 0  # how often a file that the session reads has changed
        self.meanwhile = ""  # what the engine does beside what the program asks of it
        self._was_ready = False  # one that dies while it starts is not started by an edit

    @property
    def composition(self) -> Composition:
        """The part of the session that the engine needs."""
        return Composition.of(self.session, self.folder)

    def send(self, request: AnyRequest, *, own: bool = False) -> None:
        """Send a request, unless it executes code that may not run.

        `own` marks one that executes a program of jaxtui's own.
        """
        executes = isinstance(getattr(request, "composition", None), Composition)
        if own or not executes or self._may_send(request):
            self._send(request)

    # -------------------------------------------------------------------------------- trust

    @property
    def untrusted(self) -> str:
        """Why nothing of the session runs, and what to do about it; "" if it may run."""
        if self.trusted:
            return ""
        if self.changed:
            return f"{self.changed} changed since it was accepted: F5 shows what changed and asks."
        return UNTRUSTED

    def trust(self) -> None:
        self.trusted, self.changed = True, ""

    def distrust(self, changed: str) -> None:
        """Run nothing more, since `changed` is not as it was accepted."""
        self.trusted, self.changed = False, changed

    def status(self, now: float) -> str:
        """Why the engine takes no requests, "" when it is ready."""
        if not self.trusted:
            return "not run: a file changed" if self.changed else "not run: not trusted yet"
        if self.phase == "gone":
            fault = self.unstartable
            devices = fault is not None and fault.field.under(DEVICES)
            return "cannot start · 6 Devices" if devices else GONE
        if self.line.lost:
            return self.line.words(now)
        if self.phase == "starting":
            waited = now - self.phase_since
            named = f"starting JAX {waited:.0f} s · ctrl+c ends it"
            return named if waited >= NAMED else "starting JAX"
        return ""

    # ------------------------------------------------------------------------------ changes

    def edit(self, session: Session) -> bool:
        """Take the edited session. Return whether the engine must be restarted first."""
        before = self.composition
        self.session = session
        if self.composition == before:
            return False
        other_devices = session.devices != before.devices
        if other_devices:
            self.unstartable = None
        if self.spoiled and self.trusted:
            return True
        return self.phase == "gone" and self.trusted and (self._was_ready or other_devices)

    def replace(self, session: Session, folder: str, trusted: bool) -> bool:
        """Put another session in place of this one. Return the same as `edit`."""
        self.trusted, self.changed = trusted, ""
        self.folder = folder or working_folder()
        return self.edit(session)

    def restarted(self, now: float) -> None:
        self.phase, self.phase_since, self.gone = "starting", now, None
        self.unstartable = None
        self.line.reset()
        self.spoiled = ""
        self._was_ready = False

    def on(self, event: AnyEvent, now: float) -> None:
        """Handle an event about the engine itself, from it or its client."""
        match event:
            case Ready():
                self.phase, self.phase_since, self._was_ready = "ready", now, True
                self.environment, self.gone = event.environment, None
                self.line.lost = False
            case Spoiled():
                self.spoiled = event.what
            case Described():
                self.environment = event.environment
            case Failed(id=0):
                self.unstartable = event.diagnosis
            case Log():
                self.log.append(event.line)
            case LineState():
                lost = self.line.lost
                self.line.on(event, now)
                if lost and not self.line.lost and self.phase == "ready":
                    self.phase_since = now  # what it was asked for meanwhile it has only now
            case Gone(wanted=False):
                self.line.reset()
                self.phase, self.phase_since, self.gone = "gone", now, event
