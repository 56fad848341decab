"""The base classes of works: they send requests to the engine and wait for the answers.

They use neither Textual nor a clock: edits, events and times (seconds of a monotonic clock) are
passed in.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, TypeVar

from msgspec import Struct

from jaxtui.screen.open_session import NAMED, OpenSession, Phase
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Session
from jaxtui.wire.base import Cancel, Event, Failed, Gone, Printed, Request, Stage
from jaxtui.wire.benchmark import Continue
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import Environment

REST = 0.3  # seconds without a keystroke after which what is small runs by itself
QUIET = 0.15  # seconds of work that are not worth showing
PRINTED_CHARACTERS = 200_000  # of the function's output that are kept

Asked = TypeVar("Asked")
Answer = TypeVar("Answer", bound=Event)


class Pending(Struct, Generic[Asked]):
    """A request without an answer so far, and what `asked` was when it was sent."""

    request: AnyRequest
    asked: Asked
    since: float
    stage: str = ""
    stage_since: float = 0.0


class AwaitedWork:
    """Work on the open session; a subclass overrides the hooks that it needs.

    The hooks are called before `OpenSession` changes, so that a work still sees the former state of
    the engine; only `edited` and `replaced` are called after it.
    """

    SCREEN: ClassVar[str] = ""
    """The screen that shows it, without which ctrl+c does not stop it unasked."""
    TITLE: ClassVar[str] = ""
    """What it is called where it is not on view."""

    def __init__(self, open_session: OpenSession) -> None:
        self.open_session = open_session

    # ------------------------------------------------------------------------- the session

    @property
    def session(self) -> Session:
        return self.open_session.session

    @property
    def trusted(self) -> bool:
        return self.open_session.trusted

    @property
    def phase(self) -> Phase:
        return self.open_session.phase

    @property
    def gone(self) -> Gone | None:
        """How the engine ended, None while it runs."""
        return self.open_session.gone

    @property
    def environment(self) -> Environment | None:
        """The environment of the newest engine, None before one has been ready."""
        return self.open_session.environment

    # ------------------------------------------------------------------------- what is shown

    @property
    def quiet(self) -> float:
        """Seconds without an answer that are not worth showing: an engine far away takes longer."""
        return QUIET + self.open_session.line.round_trip

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited whose seconds are counted on screen."""
        return False

    @property
    def in_hand(self) -> Pending[Any] | None:
        """The request for which ctrl+c ends the engine."""
        return None

    def words(self) -> str:
        """The state of a long run, shown on other screens too; "" when there is none."""
        return ""

    def look(self, now: float) -> None:
        """Notice how long an answer has been awaited; called before anything is shown."""

    # ------------------------------------------------------------------------- what befalls it

    def edited(self, now: float) -> None:
        """The session may have changed."""

    def replaced(self, now: float) -> None:
        """Another session has replaced the one before."""
        self.edited(now)

    def rested(self, now: float) -> None:
        """Typing may have paused."""

    def restarted(self, now: float, *, ended: bool = False) -> None:
        """A new engine is starting; `ended` means that the old one was ended for `in_hand`."""

    def stop(self, now: float) -> Literal["", "asked", "end"]:
        """Stop a long run: "" if there is none, "end" if the engine has to end for it."""
        return ""

    def overdue(self, now: float) -> bool:
        """Whether a requested stop has taken too long, so that the engine must be ended."""
        return False

    def left(self) -> None:
        """The explorer is closing: save what there is."""

    def take_painted(self) -> Continue | None:
        """The request to send once the new state is painted; called after all events."""
        return None

    def on(self, event: AnyEvent, now: float) -> bool:
        """Handle an event of the engine or its client. Return True if it is for this work."""
        return False

    def _send(self, request: AnyRequest) -> None:
        self.open_session.send(request)

    def _next_id(self) -> int:
        return self.open_session.next_id()

    def _cancel(self, id: int) -> None:
        self._send(Cancel(id=self._next_id(), target=id))


class RequestWork(AwaitedWork, Generic[Asked, Answer]):
    """Work that sends a run and requests about it once typing pauses, each with one answer.

    A request that ended an engine is not sent again by itself.
    """

    RUN: ClassVar[type[Request]]
    """The request whose answer is the result."""

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.ran: Answer | None = None
        self.ran_of: Asked | None = None
        self.ran_lost = False  # the engine that kept the result is gone
        self.ended = ""  # what was in hand when the user ended the engine
        self._failure: Diagnosis | None = None
        self._failure_of: Asked | None = None
        self._blocked: Asked | None = None  # it ended an engine: never run by itself again
        self._pending: dict[int, Pending[Asked]] = {}
        self._run_id = 0
        self._rest_at = 0.0
        self._known = self.asked  # of the newest edit

    # ------------------------------------------------------------------------- what is shown

    @property
    def asked(self) -> Asked:
        """Everything in the session that the result depends on."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    @property
    def in_hand(self) -> Pending[Asked] | None:
        """The run or, without one, the request that has waited longest."""
        waiting = self._pending.values()
        return min(
            waiting, key=lambda p: (not isinstance(p.request, self.RUN), p.since), default=None
        )

    @property
    def waits_for_run(self) -> bool:
        return self._waits(self.RUN)

    def blocked(self) -> bool:
        """Whether this very request has ended an engine before."""
        return self._blocked is not None and self._blocked == self.asked

    def doing(self, now: float) -> str:
        """What the engine does for this work, "" until that is worth showing."""
        pending, ready_since = self.in_hand, self.open_session.phase_since
        # What was asked of an engine that was still starting is waited for since it is ready.
        quiet = pending is None or now - max(pending.since, ready_since) < self.quiet
        if pending is None or quiet or self.phase != "ready" or not self.trusted:
            return ""
        return self._words(pending, now)

    def _words(self, pending: Pending[Asked], now: float) -> str:
        waited = self._waited(pending, now)
        if waited < NAMED:
            return self._word(pending)
        return f"{self._word(pending, counted=True)} {waited:.0f} s · ctrl+c ends it"

    def _word(self, pending: Pending[Asked], *, counted: bool = False) -> str:
        """The name of what a request does; `counted` means that seconds follow."""
        raise NotImplementedError

    def _waited(self, pending: Pending[Asked], now: float) -> float:
        return now - max(pending.since, pending.stage_since, self.open_session.phase_since)

    def _waits(self, kind: type[Request], asked: Asked | None = None) -> bool:
        """Whether a request of this kind (and for `asked`, if given) has no answer yet."""
        return any(
            isinstance(pending.request, kind) and asked in (None, pending.asked)
            for pending in self._pending.values()
        )

    # ------------------------------------------------------------------------- what is asked

    def edited(self, now: float) -> None:
        before, self._known = self._known, self.asked
        if self._known != before:
            self._rest_at = now + REST
            self.ended = ""
            self._changed(before, now)

    def _changed(self, before: Asked, now: float) -> None:
        """Called when `asked` has changed."""

    def _ask(self, request: AnyRequest, now: float) -> None:
        self._pending[request.id] = Pending(request, self.asked, now)
        self._send(request)

    def _may_run(self, now: float) -> bool:
        """Whether a run is due: no earlier one settles it, and typing has paused."""
        asked = self.asked
        done = self.ran_of == asked and not self.ran_lost
        failed = self._failure is not None and self._failure_of == asked
        settled = done or failed or self._waits(self.RUN, asked) or self.blocked()
        return not settled and now >= self._rest_at

    def restarted(self, now: float, *, ended: bool = False) -> None:
        pending = self.in_hand
        if ended and pending is not None:
            self.ended = self._words(pending, now).partition(" · ")[0]
            self._block(pending)
        self._forget_engine()

    def _forget_engine(self) -> None:
        self._pending.clear()
        self._run_id = 0
        self.ran_lost = True

    def _block(self, pending: Pending[Asked]) -> None:
        self._blocked = pending.asked

    # ------------------------------------------------------------------------- what is answered

    def on(self, event: AnyEvent, now: float) -> bool:
        pending = self._pending.get(event.id)
        match event:
            case Gone(wanted=False):
                waited, lost = self.in_hand, self.open_session.line.lost
                if waited is not None and self.phase == "ready" and not lost:
                    self._block(waited)
                self._forget_engine()
            case Stage() if pending is not None:
                pending.stage, pending.stage_since = event.stage, now
            case _ if pending is not None and not isinstance(event, Printed):
                del self._pending[event.id]
                if event.id == self._run_id and isinstance(event, Failed):
                    self._failure, self._failure_of = event.diagnosis, pending.asked
                else:
                    self._answered(event, pending, now)
        return pending is not None

    def _answered(self, event: AnyEvent, pending: Pending[Asked], now: float) -> None:
        """Handle the answer to a request, which may be Failed or Cancelled."""
        raise NotImplementedError

    def _take_run(self, event: Answer, pending: Pending[Asked]) -> None:
        self.ran, self.ran_of, self.ran_lost = event, pending.asked, False
        self._failure = self._failure_of = None
        self.ended = ""
