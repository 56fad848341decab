"""What to ask the engine about a collective and when, and what the shown answers belong to.

No Textual, no clock: like `state.Work`, beside which it works on the same session.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

import msgspec
from msgspec import Struct

from jaxtui.program.screen.work import NAMED, QUIET, REST, Work, ended_words
from jaxtui.session import collective_program as collectives
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.session import Collective, Program, Session
from jaxtui.wire.base import Cancel, Cancelled, Composition, Failed, Gone, Log, Stage
from jaxtui.wire.collectives import (
    CollectiveRan,
    CollectivesDescribed,
    DescribeCollectives,
    FindProvenance,
    ProvenanceFound,
    RunCollective,
)
from jaxtui.wire.protocol import AnyEvent, AnyRequest

DRAFT = Collective(operation="psum", via="pmap", value=OPERATIONS["psum"].value)
"""What is composed as long as the session has no collective."""
VALUES = 50_000  # elements of an array up to which its values are sent
WAITING = ("waiting for", "stuck", "may be stuck", "Expected")  # XLA's words for a missing device


class Asked(Struct, frozen=True):
    """A collective with all that its result depends on."""

    composition: Composition
    collective: Collective


class Pending(Struct):
    """A request that has no answer yet."""

    kind: Literal["run", "sources", "catalogue"]
    asked: Asked
    since: float
    stage: str = ""
    stage_since: float = 0.0
    place: tuple[int, tuple[int, ...]] = (0, ())


class CollectiveWork:
    """The work on a session's collective: the state that the Collectives screen shows."""

    def __init__(
        self, work: Work, *, send: Callable[[AnyRequest], None], next_id: Callable[[], int]
    ) -> None:
        self._work = work
        self._send = send
        self._next_id = next_id
        self.active = False  # the screen has been opened: before that nothing is asked
        self.ran: CollectiveRan | None = None
        self.ran_of: Asked | None = None
        self.ran_lost = False  # the engine that kept the result is gone
        self.available: dict[str, list[str]] | None = None  # operations of the installed JAX
        self.ended = ""
        self.waiting_words = ""  # what XLA says of a device that does not come
        self._failure: Diagnosis | None = None
        self._failure_of: Asked | None = None
        self._blocked: Asked | None = None  # it ended an engine: never run by itself again
        self._blocked_sources: Asked | None = None
        self._found: dict[tuple[int, tuple[int, ...]], ProvenanceFound | Diagnosis] = {}
        self._wanted: tuple[int, tuple[int, ...]] | None = None
        self._pending: dict[int, Pending] = {}
        self._run_id = 0
        self._rest_at = 0.0
        self._known: Asked | None = None

    # ------------------------------------------------------------------------- what is shown

    @property
    def session(self) -> Session:
        """The session, with the draft where it has no collective of its own."""
        session = self._work.session
        if session.collective is None:
            return msgspec.structs.replace(session, collective=DRAFT)
        return session

    @property
    def alone(self) -> Session:
        """The session without the source of another program, where the collective uses none of it.

        It is this that becomes a program or a script.
        """
        session, asked = self.session, self.collective
        texts = " ".join((asked.operation, asked.value, *asked.options.values()))
        used = set(re.findall(r"\w+", texts))
        if used & set(collectives.own_functions(session.program.source)):
            return session
        return msgspec.structs.replace(session, program=Program())

    @property
    def collective(self) -> Collective:
        """What is composed."""
        return self._work.session.collective or DRAFT

    @property
    def asked(self) -> Asked:
        """What the result depends on: of the program only what its source defines."""
        composition = self._work.composition
        source = Program(source=composition.program.source)
        return Asked(msgspec.structs.replace(composition, program=source), self.collective)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong with what is typed: told at once where it takes no engine to see it."""
        return self._own_diagnosis() or self._failure

    def _own_diagnosis(self) -> Diagnosis | None:
        try:
            collectives.as_program(self.session)
        except collectives.CollectiveError as error:
            return Diagnosis(
                kind="collective", field=error.field, message=error.message, fixes=error.fixes
            )
        return None

    @property
    def result_stale(self) -> bool:
        """Whether the shown result is not of what is typed."""
        return self.ran is not None and self.ran_of != self.asked

    @property
    def busy(self) -> bool:
        """Whether an answer is due."""
        return bool(self._pending)

    @property
    def in_hand(self) -> Pending | None:
        """What has been waited for longest, a run first."""
        pending = sorted(self._pending.values(), key=lambda p: (p.kind != "run", p.since))
        return pending[0] if pending else None

    def blocked(self) -> bool:
        """Whether what is typed ended an engine."""
        return self._blocked is not None and self._blocked == self.asked

    def status(self, now: float) -> str:
        """What the engine is doing, in a few words that are always true."""
        pending = self.in_hand
        if self._work.phase != "ready" or not self._work.trusted or pending is None:
            return self._work.status(now)
        if now - max(pending.since, self._work.phase_since) < QUIET:
            return self._work.status(now)
        return self._doing(pending, now)

    def _doing(self, pending: Pending, now: float) -> str:
        name = pending.asked.collective.operation
        word = f"{pending.stage or 'waiting to run'} {name}"
        if pending.kind == "sources":
            word = "finding the sources"
        waited = self._waited(pending, now)
        return word if waited < NAMED else f"{word} {waited:.0f} s · ctrl+c ends it"

    def _waited(self, pending: Pending, now: float) -> float:
        return now - max(pending.since, pending.stage_since, self._work.phase_since)

    def notice(self, now: float) -> str:
        """What stands over the rows: why nothing comes, "" when there is nothing to say."""
        work, name = self._work, self.collective.operation
        if not work.trusted:
            return "This file has not run: its source was not accepted yet. F5 shows it and asks."
        if work.phase == "gone" and work.gone is not None:
            again = " It runs again only by F5." if self.blocked() else ""
            return f"{ended_words(work.gone.reason)}. R starts it again.{again}"
        if self.ended:
            return f"You ended the engine ({self.ended}). Edit, or F5 to try again."
        pending = self.in_hand
        if pending is not None and pending.stage == "running":
            waited = self._waited(pending, now)
            if waited >= NAMED:
                return (
                    f"{name} has been running for {waited:.0f} s. It ends once every device has "
                    "reached it: where some take another branch (lax.cond, while_loop), the "
                    f"others wait for ever. ctrl+c ends the engine.{self.waiting_words}"
                )
        if self.blocked() and not self._waits("run"):
            return f"This {name} ended the engine before: it runs again only by F5."
        return ""

    def sources(self, leaf: int, element: tuple[int, ...]) -> ProvenanceFound | Diagnosis | None:
        """What an element of the result was made from, once it is known."""
        return self._found.get((leaf, element))

    def fixed(self, fix: Fix) -> Collective:
        """The collective with a fix applied to one of its fields."""
        collective = self.collective
        name = fix.field.removeprefix("collective.")
        option = name.removeprefix("options.")
        if option != name:
            options = {**collective.options, option: fix.text}
            return msgspec.structs.replace(collective, options=options)
        return msgspec.structs.replace(collective, **{name: fix.text})

    # ------------------------------------------------------------------------- what is asked

    def open(self, now: float) -> None:
        """The screen is on view."""
        if not self.active:
            self.active = True
            self._rest_at = now
        self.rested(now)

    def edited(self, now: float) -> None:
        """The session may have changed: ask again once typing rests."""
        asked = self.asked
        if asked == self._known:
            return
        self._known = asked
        self._rest_at = now + REST
        self.ended = ""
        if self._failure_of is not None and self._failure_of.collective != asked.collective:
            changed = self._failure.field if self._failure is not None else ""
            if not _same_field(changed, self._failure_of.collective, asked.collective):
                self._failure = self._failure_of = None

    def rested(self, now: float) -> None:
        """Typing may have come to rest."""
        if not self.active or self._work.phase != "ready" or not self._work.trusted:
            return
        if self.available is None and not self._waits("catalogue"):
            self._ask(DescribeCollectives(id=self._next_id()), "catalogue", now)
        if self._may_run(now):
            self._run(now)

    def run(self, now: float) -> None:
        """The user asks for a run."""
        self._blocked = self._blocked_sources = None
        self.ended = ""
        if self._work.phase == "ready" and self._own_diagnosis() is None:
            self._run(now)

    def want_sources(self, leaf: int, element: tuple[int, ...], now: float) -> None:
        """The cursor is on this element of the result (the row first)."""
        place = (leaf, element)
        if self._wanted == place and (place in self._found or self._waits("sources")):
            return
        self._wanted = place
        if place in self._found or self.ran is None or self.ran_lost or self.result_stale:
            return
        if self._blocked_sources == self.ran_of or self._work.phase != "ready":
            return
        request = FindProvenance(
            id=self._next_id(), result=self.ran.result, leaf=leaf, element=list(element)
        )
        for number, pending in list(self._pending.items()):
            if pending.kind == "sources":
                self._send(Cancel(id=self._next_id(), target=number))
                del self._pending[number]
        self._ask(request, "sources", now)
        self._pending[request.id].place = place

    def restarted(self, *, ended: bool, now: float) -> None:
        """A fresh engine is starting; `ended` says that the work in hand was to be ended."""
        pending = self.in_hand
        if ended and pending is not None:
            self.ended = self._doing(pending, now).partition(" · ")[0]
            self._block(pending)
        self._forget_engine()

    def owns(self, id: int) -> bool:
        """Whether an event with this id answers a request of ours."""
        return id in self._pending

    def _ask(
        self, request: AnyRequest, kind: Literal["run", "sources", "catalogue"], now: float
    ) -> None:
        self._pending[request.id] = Pending(kind, self.asked, now)
        self._send(request)

    def _run(self, now: float) -> None:
        for number, pending in list(self._pending.items()):
            if pending.kind != "catalogue":
                self._send(Cancel(id=self._next_id(), target=number))
                del self._pending[number]
        asked = self.asked
        self.waiting_words = ""
        self._run_id = self._next_id()
        request = RunCollective(
            id=self._run_id,
            composition=self._work.composition,
            collective=asked.collective,
            values=VALUES,
        )
        self._ask(request, "run", now)

    def _may_run(self, now: float) -> bool:
        asked = self.asked
        done = self.ran_of == asked and not self.ran_lost
        failed = self._failure is not None and self._failure_of == asked
        running = any(p.kind == "run" and p.asked == asked for p in self._pending.values())
        waits = now < self._rest_at or bool(self.ended)
        return not (done or failed or running or waits or self.blocked() or self._own_diagnosis())

    def _waits(self, kind: str) -> bool:
        return any(pending.kind == kind for pending in self._pending.values())

    def _block(self, pending: Pending) -> None:
        if pending.kind == "sources":
            self._blocked_sources = pending.asked
        elif pending.kind == "run":
            self._blocked = pending.asked

    def _forget_engine(self) -> None:
        self._pending.clear()
        self._run_id = 0
        self.ran_lost = True
        self._wanted = None

    # ------------------------------------------------------------------------- what is answered

    def on(self, event: AnyEvent, now: float) -> None:
        """Take in what the engine says, or the client about it."""
        match event:
            case CollectiveRan():
                self._on_ran(event)
            case ProvenanceFound():
                self._on_found(event.id, event)
            case CollectivesDescribed():
                self._pending.pop(event.id, None)
                self.available = event.options
            case Failed():
                self._on_failed(event)
            case Stage():
                pending = self._pending.get(event.id)
                if pending is not None:
                    pending.stage, pending.stage_since = event.stage, now
            case Cancelled():
                self._pending.pop(event.id, None)
            case Log():
                self._on_log(event)
            case Gone():
                self._on_gone(event)
            case _:
                pass

    def _on_ran(self, event: CollectiveRan) -> None:
        pending = self._pending.pop(event.id, None)
        if pending is None or event.id != self._run_id:
            return
        self.ran, self.ran_of, self.ran_lost = event, pending.asked, False
        self._failure = self._failure_of = None
        self._found.clear()
        self._wanted = None

    def _on_found(self, id: int, found: ProvenanceFound | Diagnosis) -> None:
        pending = self._pending.pop(id, None)
        if pending is not None and self.ran_of == pending.asked:
            self._found[pending.place] = found

    def _on_failed(self, event: Failed) -> None:
        pending = self._pending.get(event.id)
        if pending is not None and pending.kind == "sources":
            self._on_found(event.id, event.diagnosis)
            return
        self._pending.pop(event.id, None)
        if pending is not None and pending.kind == "run" and event.id == self._run_id:
            self._failure, self._failure_of = event.diagnosis, pending.asked

    def _on_log(self, event: Log) -> None:
        pending = self.in_hand
        if pending is not None and any(words in event.line for words in WAITING):
            self.waiting_words = "\nXLA: " + event.line.partition("] ")[2][:200]

    def _on_gone(self, event: Gone) -> None:
        if event.wanted:
            return
        pending = self.in_hand
        if pending is not None:
            self._block(pending)
        self._forget_engine()


def _same_field(field: str, before: Collective, after: Collective) -> bool:
    """Whether the text of a field is still the one that was found fault with."""
    keys = field.split(".")[1:]
    if keys[:1] == ["options"] and len(keys) > 1:
        return before.options.get(keys[1], "") == after.options.get(keys[1], "")
    return bool(keys) and getattr(before, keys[0], None) == getattr(after, keys[0], None)
