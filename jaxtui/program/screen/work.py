"""What to ask the engine and when, and what the shown answers belong to. No Textual, no clock.

`Work` is fed with edits, events and moments, and sends requests through the `send` it is given.
Moments are seconds of a monotonic clock.
"""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from jaxtui.program.screen.signature import follow
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Argument, Session
from jaxtui.wire.base import (
    Cancel,
    Cancelled,
    Composition,
    Described,
    Failed,
    Gone,
    Log,
    Printed,
    Ready,
    Stage,
)
from jaxtui.wire.program import Inspect, Inspected, ProgramView, Ran, Run, Trace, Traced
from jaxtui.wire.protocol import AnyEvent, AnyRequest
from jaxtui.wire.report import Environment, Flow, Parameter

REST = 0.3  # seconds without a keystroke after which a small program runs by itself
SMALL = 1_000_000  # elements touched, up to which it does
QUIET = 0.15  # seconds of work that are not worth showing
NAMED = 2.0  # seconds after which what is waited for is named, with the way to end it
PRINTED_CHARACTERS = 200_000  # of the function's output that are kept
LOG_LINES = 500
GONE = "engine gone · R restarts it"

Phase = Literal["starting", "ready", "gone"]


def ended_words(reason: str) -> str:
    """Why the engine ended, as a sentence without its full stop."""
    return (
        reason[0].upper() + reason[1:]
        if reason[:10] == "the engine"
        else (f"The engine has ended: {reason}")
    )


class Pending(Struct):
    """A request that has no answer yet."""

    kind: Literal["trace", "run", "view"]
    composition: Composition
    since: float
    view: ProgramView | None = None
    stage: str = ""
    stage_since: float = 0.0


class View(Struct, frozen=True):
    """What JAX or XLA make of `composition`, or why they make nothing of it."""

    text: str
    composition: Composition


class Work:
    """The work on one session: the state that the screens show."""

    def __init__(
        self,
        session: Session,
        *,
        send: Callable[[AnyRequest], None],
        next_id: Callable[[], int],
        folder: str = "",
        trusted: bool = True,
    ) -> None:
        self._send = send
        self._next_id = next_id
        self.session = session
        self.folder = folder or os.getcwd()
        self.trusted = trusted
        self.phase: Phase = "starting"
        self.phase_since = 0.0
        self.environment: Environment | None = None
        self.gone: Gone | None = None
        self.ended = ""  # what was in hand when the user ended the engine
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.printed = {"trace": "", "run": ""}
        self._printing = {"trace": 0, "run": 0}  # the request that each text is of
        self._printed_by: Composition | None = None  # what the newest run is of
        self.traced: Traced | None = None
        self.traced_of: Composition | None = None
        self.ran: Ran | None = None
        self.ran_of: Composition | None = None
        self.ran_lost = False  # the engine that kept the result is gone
        self.values_gone = False  # with the engine that kept the result's values
        self.views: dict[ProgramView, View] = {}
        self._unstartable: Diagnosis | None = None  # why JAX did not start with these devices
        self._failure: Diagnosis | None = None
        self._failure_of: Composition | None = None
        self._flow: Flow | None = None
        self._signature: list[Parameter] | None = None
        self._blocked: Composition | None = None  # it ended an engine: never run by itself again
        self._blocked_trace = False
        self._remembered: dict[str, Argument] = {}
        self._pending: dict[int, Pending] = {}
        self._trace_id = 0
        self._run_id = 0
        self._rest_at = 0.0
        self._departed_at = -math.inf  # when what is typed ceased to be what the result is of
        self._late = False  # what is typed has not been traced, and will not be any moment
        self._asked = False  # a run that waits for the engine to be started again
        self.meanwhile = ""  # what the engine does beside what is asked here
        self._was_ready = False  # one that dies while it starts is not started by an edit

    # ------------------------------------------------------------------------- what is shown

    @property
    def composition(self) -> Composition:
        """What the engine needs of the session."""
        session = self.session
        return Composition(
            program=session.program,
            parameters=session.parameters,
            devices=session.devices,
            folder=self.folder,
        )

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with what is typed, as far as is known.

        An answer that is due any moment leaves what was wrong before where it stands.
        """
        if self._unstartable is not None:
            return self._unstartable
        if self._late and self.traced_of != self.composition:
            return None
        if self.traced is not None and self.traced.diagnosis is not None:
            return self.traced.diagnosis
        if self._failure is not None and self._failure_of == self.traced_of:
            return self._failure
        return None

    @property
    def signature(self) -> list[Parameter] | None:
        """The parameters of the newest function that the engine could read."""
        return self._signature

    @property
    def function_name(self) -> str:
        """The name of the function, as far as it can be told."""
        if self.traced is not None and self.traced.function:
            return self.traced.function
        return self.session.program.function_name

    @property
    def flow(self) -> Flow | None:
        """The newest shape flow; of a program before when nothing of the typed one is known."""
        return self._flow

    def flow_stale(self, now: float) -> bool:
        """Whether the flow is not of what is typed; an answer due any moment does not count."""
        if self.traced is None or self.traced.flow is None:
            return self._flow is not None
        waited = [now - p.since for p in self._pending.values() if p.kind == "trace"]
        return self.traced_of != self.composition and max(waited, default=QUIET) >= QUIET

    def result_stale(self, now: float) -> bool:
        """Whether the shown result is not of what is typed.

        For a moment after a change, and after a run was asked for, it is not called old: a small
        program's next result is due, and two more paintings would only delay it.
        """
        if self.ran is None or self.ran_of == self.composition:
            return False
        asked = [pending.since for pending in self._pending.values() if pending.kind == "run"]
        return now - max([self._departed_at, *asked]) >= QUIET

    def printed_stale(self, now: float) -> bool:
        """Whether what the newest run printed is not of what is typed."""
        older = self._printed_by is not None and self._printed_by != self.composition
        return older and (self.ran is None or self.result_stale(now))

    @property
    def too_large(self) -> bool:
        """Whether the program waits for a key because it is too large to run by itself."""
        traced = self.traced
        return (
            traced is not None
            and self.traced_of == self.composition
            and traced.diagnosis is None
            and not traced.deferred
            and traced.cost is not None
            and traced.cost > SMALL
            and self.ran_of != self.composition
            and not self.waits_for_run
        )

    @property
    def waits_for_run(self) -> bool:
        """Whether a run is in hand."""
        return any(pending.kind == "run" for pending in self._pending.values())

    @property
    def busy(self) -> bool:
        """Whether the engine has something to do that was asked for, or is starting."""
        return self.phase == "starting" or bool(self._pending)

    @property
    def in_hand(self) -> Pending | None:
        """What has been waited for longest, a run before a trace."""
        pending = sorted(self._pending.values(), key=lambda p: (p.kind != "run", p.since))
        return pending[0] if pending else None

    def look(self, now: float) -> None:
        """Notice what has not been answered for too long; called before anything is shown."""
        waits = [now - p.since for p in self._pending.values() if p.kind == "trace"]
        self._late = self.phase == "gone" or max(waits, default=0.0) >= QUIET

    def blocked(self) -> bool:
        """Whether what is typed ended an engine."""
        return self._blocked is not None and self._blocked == self.composition

    def status(self, now: float) -> str:
        """What the engine is doing, in a few words that are always true."""
        if not self.trusted:
            return "not run: not trusted yet"
        if self.phase == "gone":
            return "cannot start · 5 Devices" if self._devices_fault else GONE
        if self.phase == "starting":
            waited = now - self.phase_since
            return f"starting JAX {waited:.0f} s" if waited >= NAMED else "starting JAX"
        pending = self.in_hand
        # What was asked of an engine that was still starting is waited for since it is ready.
        if pending is None or now - max(pending.since, self.phase_since) < QUIET:
            return self.meanwhile or self._after_end() or "ready"
        return self._doing(pending, now)

    def _after_end(self) -> str:
        """What there is to know of a program that ended an engine, until something newer is."""
        if not self.blocked() or self.waits_for_run:
            return ""
        return "stopped · F5 retries" if self.ended else "crashed · F5 retries"

    @property
    def _devices_fault(self) -> bool:
        fault = self._unstartable
        return fault is not None and fault.field.startswith("devices.")

    def _doing(self, pending: Pending, now: float) -> str:
        words = {"trace": "tracing", "run": "waiting to run", "view": "compiling"}
        word = pending.stage or words[pending.kind]
        waited = now - max(pending.since, pending.stage_since, self.phase_since)
        if waited < NAMED:
            return word
        what = f"{word} your function for" if word == "tracing" else word
        return f"{what} {waited:.0f} s · ctrl+c ends it"

    # ------------------------------------------------------------------------- what is asked

    def start(self, now: float) -> None:
        """The engine has been started: ask for the shapes of what is composed, then its result."""
        self.phase, self.phase_since = "starting", now
        self._unstartable = None
        self._rest_at = now
        self._trace(now)

    def edit(self, session: Session, now: float) -> bool:
        """The user changed the session. Returns whether the engine must be started again first."""
        before = self.composition
        self.session = session
        if self.composition == before:
            return False
        self._departed(before, now)
        if session.devices != before.devices:
            self._unstartable = None
        self._rest_at = now + REST
        self._blocked_trace = False
        self.ended = ""
        if self.phase == "gone":
            return self.trusted and (self._was_ready or session.devices != before.devices)
        self._trace(now)
        return False

    def replace(self, session: Session, folder: str, trusted: bool, now: float) -> bool:
        """Another session takes the place of this one. Returns what `edit` returns."""
        self._remembered.clear()
        self.printed = {"trace": "", "run": ""}
        self.trusted = trusted
        self.folder = folder or os.getcwd()
        before = self.composition
        self._forget_answers()
        again = self.edit(session, now)
        self._rest_at = now
        if self.composition == before:
            self._trace(now)
        return again

    def _forget_answers(self) -> None:
        """Nothing that was answered, or is still to be, is of the session that comes now."""
        if self._run_id in self._pending:
            self._send(Cancel(id=self._next_id(), target=self._run_id))
        self._trace_id = self._run_id = 0
        self.traced = self.traced_of = self._flow = self._signature = None
        self.ran = self.ran_of = None
        self._failure = self._failure_of = None
        self.views = {}

    def move(self, folder: str, now: float) -> bool:
        """The session's files are now looked up in `folder`. Returns what `edit` returns."""
        before = self.composition
        self.folder = folder
        self._departed(before, now)
        self._trace(now)
        return False

    def _departed(self, before: Composition, now: float) -> None:
        if self.ran_of == before:
            self._departed_at = now

    def again(self, now: float) -> None:
        """Something that the engine reads besides the session has changed, such as a file."""
        self.ran_lost = True
        self._rest_at = now
        self._trace(now)

    def killed(self, now: float) -> None:
        """The user ended an engine that was starting."""
        self._forget_engine()
        self.phase, self.phase_since = "gone", now
        self.gone = Gone(reason="you ended it while it was starting", status=None, wanted=True)

    def trust(self, now: float) -> None:
        """The user has seen the source and said yes."""
        self.trusted = True
        self._rest_at = now
        self._trace(now)

    def run(self, now: float) -> bool:
        """The user asks for a run. Returns whether the engine must be started again first."""
        if not self.trusted:
            return False
        self._blocked = None
        self.ended = ""
        if self.phase == "gone":
            self._asked = True
            return True
        self._run(now)
        return False

    def rested(self, now: float) -> None:
        """Typing may have come to rest."""
        if self._may_run(now):
            self._run(now)

    def restarted(self, now: float, *, ended: bool = False) -> None:
        """A fresh engine is starting; `ended` says that the work in hand was to be ended."""
        pending = self.in_hand
        if ended and pending is not None:
            self.ended = self._doing(pending, now).partition(" · ")[0]
            self._block(pending)
        self._forget_engine()
        self.phase, self.phase_since, self.gone = "starting", now, None
        self._unstartable = None
        self._was_ready = False
        if not ended:
            self._rest_at = now
        self._trace(now)
        if self._asked:
            self._run(now)

    def inspect(self, view: ProgramView, now: float) -> None:
        """Ask for a view of what is typed, unless it is there, asked for, or typing goes on."""
        composition, shown = self.composition, self.views.get(view)
        asked = any(p.view == view and p.composition == composition for p in self._pending.values())
        waits = not self.trusted or self.phase != "ready" or now < self._rest_at
        # Equivalents run the program, and what may run by itself was decided for the result.
        waits = waits or (view == "equivalents" and self.ran_of != composition)
        if (shown and shown.composition == composition) or asked or waits or self.blocked():
            return
        number = self._next_id()
        self._pending[number] = Pending("view", composition, now, view)
        self._send(Inspect(id=number, composition=composition, view=view))

    def _trace(self, now: float) -> None:
        if not self.trusted or (self._blocked_trace and self.blocked()):
            return
        self._trace_id = self._next_id()
        composition = self.composition
        self._pending[self._trace_id] = Pending("trace", composition, now)
        self._send(Trace(id=self._trace_id, composition=composition))

    def _run(self, now: float) -> None:
        if self._run_id in self._pending:
            self._send(Cancel(id=self._next_id(), target=self._run_id))
        self._run_id = self._next_id()
        self._asked = False
        composition = self.composition
        self._failure = None
        self._pending[self._run_id] = Pending("run", composition, now)
        self.printed = {"trace": "", "run": ""}
        self._printed_by = composition
        self._send(Run(id=self._run_id, composition=composition))

    def _may_run(self, now: float) -> bool:
        traced, composition = self.traced, self.composition
        if traced is None or self.traced_of != composition or traced.diagnosis is not None:
            return False
        small = traced.deferred or (traced.cost is not None and traced.cost <= SMALL)
        done = self.ran_of == composition and not self.ran_lost
        failed = self._failure is not None and self._failure_of == composition
        running = any(
            p.kind == "run" and p.composition == composition for p in self._pending.values()
        )
        waits = now < self._rest_at or not self.trusted or self.phase == "gone"
        return small and not (done or failed or running or waits or self.blocked())

    def _block(self, pending: Pending) -> None:
        self._blocked = pending.composition
        self._blocked_trace = pending.kind == "trace"

    def _forget_engine(self) -> None:
        self._pending.clear()
        self._trace_id = self._run_id = 0
        self.ran_lost = self.values_gone = True

    # ------------------------------------------------------------------------- what is answered

    def on(self, event: AnyEvent, now: float) -> None:
        """Take in what the engine, or the client about it, says."""
        match event:
            case Ready():
                self.phase, self.phase_since, self._was_ready = "ready", now, True
                self.environment, self.gone = event.environment, None
            case Described():
                self.environment = event.environment
            case Traced():
                self._on_traced(event, now)
            case Ran():
                self._on_ran(event)
            case Failed():
                self._on_failed(event)
            case Inspected():
                self._on_view(event.id, event.text)
            case Stage():
                self._on_stage(event, now)
            case Cancelled():
                self._pending.pop(event.id, None)
            case Printed():
                self._on_printed(event)
            case Log():
                self.log.append(event.line)
            case Gone():
                self._on_gone(event, now)
            case _:
                pass  # windows and summaries belong to the widget that asked

    def _on_traced(self, event: Traced, now: float) -> None:
        pending = self._pending.pop(event.id, None)
        if pending is None or event.id != self._trace_id:
            return
        if self._printing["trace"] != event.id:
            self.printed["trace"] = ""
        self.traced, self.traced_of = event, pending.composition
        if event.flow is not None:
            self._flow = event.flow
        if event.signature is not None:
            self._signature = event.signature
        if event.signature is not None and pending.composition == self.composition:
            self._follow_signature(event, now)
        if self._may_run(now):
            self._run(now)

    def _follow_signature(self, event: Traced, now: float) -> None:
        assert event.signature is not None
        program = self.session.program
        arguments = follow(program.arguments, event.signature, self._remembered)
        if arguments != program.arguments:
            program = msgspec.structs.replace(program, arguments=arguments)
            self.session = msgspec.structs.replace(self.session, program=program)
            self._trace(now)

    def _on_ran(self, event: Ran) -> None:
        pending = self._pending.pop(event.id, None)
        if pending is None or event.id != self._run_id:
            return
        self.ran, self.ran_of, self.ran_lost = event, pending.composition, False
        self.values_gone = False
        self._failure = None
        self.ended = ""
        if pending.composition == self.composition:
            self._flow = event.flow

    def _on_view(self, number: int, text: str) -> None:
        pending = self._pending.pop(number, None)
        if pending is not None and pending.view is not None:
            self.views[pending.view] = View(text, pending.composition)

    def _on_failed(self, event: Failed) -> None:
        if not event.id:
            self._unstartable = event.diagnosis
            return
        pending = self._pending.pop(event.id, None)
        if pending is None:
            return
        if pending.view is not None:
            self.views[pending.view] = View(event.diagnosis.message, pending.composition)
        elif event.id == self._run_id:
            self._failure, self._failure_of = event.diagnosis, pending.composition
        elif event.id == self._trace_id:
            self.traced_of = pending.composition
            self.traced = Traced(
                id=event.id,
                function="",
                signature=None,
                flow=event.flow,
                diagnosis=event.diagnosis,
            )

    def _on_stage(self, event: Stage, now: float) -> None:
        pending = self._pending.get(event.id)
        if pending is not None:
            pending.stage, pending.stage_since = event.stage, now

    def _on_printed(self, event: Printed) -> None:
        """Keep what the newest run and the newest trace wrote, apart from each other."""
        pending = self._pending.get(event.id)
        traces = event.id == self._trace_id or (pending is not None and pending.kind == "trace")
        kind = "trace" if traces else "run"
        before = self.printed[kind]
        if event.id and event.id != self._printing[kind]:
            self._printing[kind], before = event.id, ""
        self.printed[kind] = (before + event.text)[-PRINTED_CHARACTERS:]

    def _on_gone(self, event: Gone, now: float) -> None:
        if event.wanted:
            return
        pending = self.in_hand
        if pending is not None and self.phase == "ready":
            self._block(pending)
        self._forget_engine()
        self.phase, self.phase_since, self.gone = "gone", now, event
