"""The state behind the Collectives screen: requests about a collective, and their answers."""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

from jaxtui.collectives.screen.view import with_field
from jaxtui.screen.open_session import NAMED, OpenSession, ended_words
from jaxtui.screen.work import Pending, RequestWork
from jaxtui.session import collective_program
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import COLLECTIVE, NO_FIELD, OPTIONS, FieldPath
from jaxtui.session.session import Collective, Program, Session
from jaxtui.wire.base import Composition, Failed, Log, Printed
from jaxtui.wire.collectives import (
    CollectiveRan,
    CollectivesDescribed,
    DescribeCollectives,
    FindProvenance,
    ProvenanceFound,
    RunCollective,
)
from jaxtui.wire.protocol import AnyEvent

DRAFT = Collective(operation="psum", via="pmap", value=OPERATIONS["psum"].value)
"""What is composed as long as the session has no collective."""
VALUES = 50_000  # elements of an array up to which its values are sent
WAITING = ("waiting for", "stuck", "may be stuck", "Expected")  # XLA's words for a missing device

Element = tuple[int, tuple[int, ...]]
"""An element of the result: which of its arrays, and where in it, the device's row first."""


class AskedCollective(Struct, frozen=True):
    """A collective and everything its result depends on."""

    composition: Composition
    collective: Collective
    file_changes: int = 0

    @classmethod
    def of(cls, open_session: OpenSession) -> AskedCollective:
        """The current input; of the program only the source matters."""
        composition = open_session.composition
        source = Program(source=composition.program.source)
        collective = open_session.session.collective or DRAFT
        composition = msgspec.structs.replace(composition, program=source)
        return cls(composition, collective, open_session.file_changes)


def with_draft(session: Session) -> Session:
    """The session, with `DRAFT` if it has no collective."""
    if session.collective is None:
        return msgspec.structs.replace(session, collective=DRAFT)
    return session


class CollectiveWork(RequestWork[AskedCollective, CollectiveRan]):
    """The collective of a session: requests, result, and provenance of elements."""

    RUN = RunCollective

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.active = False  # the screen has been opened: before that nothing is asked
        self.available: dict[str, list[str]] | None = None  # operations of the installed JAX
        self.waiting_words = ""  # what XLA says of a device that does not come
        self._blocked_sources: AskedCollective | None = None
        self._found: dict[Element, ProvenanceFound | Diagnosis] = {}
        self._wanted: Element | None = None

    # ------------------------------------------------------------------------- what is shown

    @property
    def session(self) -> Session:
        return with_draft(self.open_session.session)

    @property
    def alone(self) -> Session:
        """The session to export or to open as a program.

        It is without the source of another program, and its title, if the collective uses none of
        its names.
        """
        session, asked = self.session, self.collective
        texts = " ".join((asked.operation, asked.value, *asked.options.values()))
        used = set(re.findall(r"\w+", texts))
        if used & set(collective_program.own_functions(session.program.source)):
            return session
        title = session.title if session.program.empty else ""
        return msgspec.structs.replace(session, program=Program(), title=title)

    @property
    def collective(self) -> Collective:
        return self.open_session.session.collective or DRAFT

    @property
    def asked(self) -> AskedCollective:
        return AskedCollective.of(self.open_session)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The fault of the input, found without the engine if possible."""
        return self._own_diagnosis() or self._failure

    def _own_diagnosis(self) -> Diagnosis | None:
        try:
            collective_program.as_program(self.session)
        except collective_program.CollectiveError as error:
            return Diagnosis(
                kind="collective", field=error.field, message=error.message, fixes=error.fixes
            )
        return None

    @property
    def result_stale(self) -> bool:
        """Whether the result belongs to an earlier version of the input."""
        return self.ran is not None and self.ran_of != self.asked

    def _word(self, pending: Pending[AskedCollective], *, counted: bool = False) -> str:
        if isinstance(pending.request, FindProvenance):
            return "finding the sources"
        return f"{pending.stage or 'waiting to run'} {pending.asked.collective.operation}"

    def notice(self, now: float) -> str:
        """Why there is no result, "" when there is nothing to say."""
        name = self.collective.operation
        if not self.trusted:
            return self.open_session.untrusted
        if self.phase == "gone" and self.gone is not None:
            again = " It runs again only by F5." if self.blocked() else ""
            return f"{ended_words(self.gone.reason)}. R starts it again.{again}"
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
        if self.blocked() and not self.waits_for_run:
            return f"This {name} ended the engine before: it runs again only by F5."
        return ""

    def sources(self, leaf: int, element: tuple[int, ...]) -> ProvenanceFound | Diagnosis | None:
        """The provenance of an element of the result, None until it is known."""
        return self._found.get((leaf, element))

    def fixed(self, fix: Fix) -> Collective:
        return with_field(self.collective, fix.field, fix.text)

    # ------------------------------------------------------------------------- what is asked

    def open(self, now: float) -> None:
        """The screen is shown: run by itself from now on."""
        if not self.active:
            self.active = True
            self._rest_at = now
        self.rested(now)

    def _changed(self, before: AskedCollective, now: float) -> None:
        collective, failed = self.collective, self._failure_of
        if failed is not None and failed.collective != collective:
            changed = self._failure.field if self._failure is not None else NO_FIELD
            if not _same_field(changed, failed.collective, collective):
                self._failure = self._failure_of = None

    def rested(self, now: float) -> None:
        if not self.active or self.phase != "ready" or not self.trusted:
            return
        if self.available is None and not self._waits(DescribeCollectives):
            self._ask(DescribeCollectives(id=self._next_id()), now)
        if self._may_run(now):
            self._run(now)

    def run(self, now: float) -> None:
        """Run at the request of the user, even if it ended an engine before."""
        self._blocked = self._blocked_sources = None
        self.ended = ""
        if self.phase == "ready" and self._own_diagnosis() is None:
            self._run(now)

    def want_sources(self, leaf: int, element: tuple[int, ...], now: float) -> None:
        """Ask for the provenance of an element of the result, the row first."""
        place = (leaf, element)
        if self._wanted == place and (place in self._found or self._waits(FindProvenance)):
            return
        self._wanted = place
        if place in self._found or self.ran is None or self.ran_lost or self.result_stale:
            return
        if self._blocked_sources == self.ran_of or self.phase != "ready":
            return
        request = FindProvenance(
            id=self._next_id(), result=self.ran.result, leaf=leaf, element=list(element)
        )
        self._give_up(FindProvenance)
        self._ask(request, now)

    def _give_up(self, *kinds: type[RunCollective | FindProvenance]) -> None:
        for number, pending in list(self._pending.items()):
            if isinstance(pending.request, kinds):
                self._cancel(number)
                del self._pending[number]

    def _run(self, now: float) -> None:
        self._give_up(RunCollective, FindProvenance)
        self.waiting_words = ""
        self._run_id = self._next_id()
        request = RunCollective(
            id=self._run_id,
            composition=self.open_session.composition,
            collective=self.collective,
            values=VALUES,
        )
        self._ask(request, now)

    def _may_run(self, now: float) -> bool:
        return not self.ended and super()._may_run(now) and self._own_diagnosis() is None

    def _block(self, pending: Pending[AskedCollective]) -> None:
        if isinstance(pending.request, FindProvenance):
            self._blocked_sources = pending.asked
        elif isinstance(pending.request, RunCollective):
            super()._block(pending)

    def _forget_engine(self) -> None:
        super()._forget_engine()
        self._wanted = None

    # ------------------------------------------------------------------------- what is answered

    def on(self, event: AnyEvent, now: float) -> bool:
        if isinstance(event, Log):
            self._on_log(event)
        return super().on(event, now) and not isinstance(event, Printed)

    def _answered(self, event: AnyEvent, pending: Pending[AskedCollective], now: float) -> None:
        match event:
            case CollectiveRan() if event.id == self._run_id:
                self._take_run(event, pending)
                self._found.clear()
                self._wanted = None
            case ProvenanceFound() | Failed() if isinstance(pending.request, FindProvenance):
                place = pending.request.leaf, tuple(pending.request.element)
                if self.ran_of == pending.asked:
                    self._found[place] = event.diagnosis if isinstance(event, Failed) else event
            case CollectivesDescribed():
                self.available = event.options
            case _:
                pass

    def _on_log(self, event: Log) -> None:
        if self.busy and any(words in event.line for words in WAITING):
            self.waiting_words = "\nXLA: " + event.line.partition("] ")[2][:200]


def _same_field(field: FieldPath, before: Collective, after: Collective) -> bool:
    """Whether the text of a field has not changed."""
    if field.under(OPTIONS):
        return before.options.get(field.name, "") == after.options.get(field.name, "")
    if not field.under(COLLECTIVE):
        return False
    return getattr(before, field.name, None) == getattr(after, field.name, None)
