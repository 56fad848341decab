"""The state behind the Sharding screen: plans, what was compiled, advice, origins, a search."""

from __future__ import annotations

import math
from typing import Any, Literal

from msgspec import Struct

from jaxtui.screen.open_session import OpenSession, ended_words
from jaxtui.screen.work import Pending, RequestWork
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import FieldError, Sharding
from jaxtui.sharding import costs
from jaxtui.sharding.costs import Links
from jaxtui.sharding.flow import Flow
from jaxtui.wire.base import Cancelled, Composition, Failed, Printed, Request
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.sharding import (
    AdviseSharding,
    CompileSharding,
    ExplainSharding,
    PlanSharding,
    SearchShardings,
    ShardingAdvised,
    ShardingCompiled,
    ShardingExplained,
    ShardingPlan,
    ShardingPlanned,
    ShardingsFound,
)

TRIED = 200  # shardings that a search tries
STOPPED = 5.0  # seconds that a search has for ending when it is told to
WORDS: dict[type, str] = {
    PlanSharding: "planning",
    CompileSharding: "compiling",
    AdviseSharding: "looking for advice",
    ExplainSharding: "asking why",
    SearchShardings: "searching",
}

Place = tuple[int, int]
"""A value (an index into the plan's, or -1, -2, ... for inputs) and one of its dimensions."""


class AskedSharding(Struct, frozen=True):
    """A program and the mesh that it is planned on."""

    composition: Composition
    sharding: Sharding
    file_changes: int = 0


class ShardingWork(RequestWork[AskedSharding, ShardingPlanned]):
    """The plan of the session's program, and all that is asked about it.

    A plan is asked for at each change while the screen is on view; the one before stays until the
    next has come.
    """

    RUN = PlanSharding
    SCREEN = "sharding"
    TITLE = "the search for shardings"

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.active = False  # the screen is on view: otherwise nothing is planned
        self.flow: Flow | None = None
        self.kept: Flow | None = None  # what later plans are compared with
        self.compiled: ShardingCompiled | None = None
        self.compiled_of: AskedSharding | None = None
        self.compile_failure: Diagnosis | None = None
        self.advised: ShardingAdvised | None = None
        self.advised_of: AskedSharding | None = None
        self.found: ShardingsFound | None = None
        self.found_of: AskedSharding | None = None
        self.search_failure: Diagnosis | None = None
        self.fixed: frozenset[str] = frozenset()  # arguments whose sharding a search keeps
        self._explained: dict[Place, ShardingExplained | Diagnosis] = {}
        self._explained_of: AskedSharding | None = None
        self._stopping_since = math.inf

    # ------------------------------------------------------------------------- what is shown

    @property
    def asked(self) -> AskedSharding:
        opened = self.open_session
        sharding = opened.session.sharding or Sharding()
        return AskedSharding(opened.composition, sharding, opened.file_changes)

    @property
    def plan(self) -> ShardingPlan | None:
        """The newest plan; one of an earlier version of the input while none of this one came."""
        return self.flow.plan if self.flow is not None else None

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The fault of the input; the previous one stays while an answer is due."""
        return self._failure

    @property
    def links(self) -> Links:
        """The links and the memory that are typed, those of any machine if they cannot be read."""
        try:
            return costs.links(self.asked.sharding)
        except FieldError:
            return Links()

    def stale(self, now: float) -> bool:
        """Whether the plan is not of what is typed; an answer due any moment does not count."""
        if self.flow is None or self.ran_of == self.asked:
            return False
        waits = [
            now - p.since for p in self._pending.values() if isinstance(p.request, PlanSharding)
        ]
        return max(waits, default=self.quiet) >= self.quiet

    @property
    def compared(self) -> ShardingCompiled | None:
        """What was compiled of what is planned, if that is the newest."""
        fits = self.compiled_of is not None and self.compiled_of == self.ran_of
        return self.compiled if fits else None

    @property
    def searching(self) -> bool:
        return self._waits(SearchShardings)

    @property
    def compiling(self) -> bool:
        return self._waits(CompileSharding)

    @property
    def in_hand(self) -> Pending[AskedSharding] | None:
        """The plan, or what has waited longest; a search is stopped without ending the engine."""
        waiting = [p for p in self._pending.values() if not isinstance(p.request, SearchShardings)]
        return min(
            waiting, key=lambda p: (not isinstance(p.request, self.RUN), p.since), default=None
        )

    def words(self) -> str:
        if not self.searching:
            return ""
        tried = self.found.tried if self.found is not None else 0
        return f"searching {tried}/{TRIED} · ctrl+c stops"

    def _word(self, pending: Pending[AskedSharding], *, counted: bool = False) -> str:
        return pending.stage or WORDS[type(pending.request)]

    def notice(self) -> str:
        """Why there is no plan, "" when there is nothing to say."""
        if not self.trusted:
            return self.open_session.untrusted
        if self.phase == "gone" and self.gone is not None:
            return f"{ended_words(self.gone.reason)}. R starts it again."
        if self.ended:
            return f"You ended the engine ({self.ended}). Edit, or F5 to try again."
        if self.blocked():
            return "Planning this ended the engine before: it is planned again only by F5."
        return ""

    def explained(self, place: Place) -> ShardingExplained | Diagnosis | None:
        """Where a dimension's axes come from, None until it is known."""
        return self._explained.get(place) if self._explained_of == self.ran_of else None

    # ------------------------------------------------------------------------- what is asked

    def open(self, now: float) -> None:
        """The screen is shown: plan from now on."""
        self.active = True
        self.rested(now)

    def close(self) -> None:
        """The screen is not on view any more."""
        self.active = False

    def _changed(self, before: AskedSharding, now: float) -> None:
        if self._stopping_since == math.inf and self.searching:
            self.stop(now)
        self._plan_if_due(now)

    def rested(self, now: float) -> None:
        self._plan_if_due(now)

    def _plan_if_due(self, now: float) -> None:
        ready = self.active and self.phase == "ready" and self.trusted and not self.ended
        if not ready or self.session.program.empty:
            return
        asked = self.asked
        done = self.ran_of == asked and not self.ran_lost
        failed = self._failure is not None and self._failure_of == asked
        if not (done or failed or self._waits(self.RUN, asked) or self.blocked()):
            self._plan(now)

    def _plan(self, now: float) -> None:
        asked = self.asked
        self._run_id = self._next_id()
        self._ask(
            PlanSharding(id=self._run_id, composition=asked.composition, sharding=asked.sharding),
            now,
        )

    def run(self, now: float) -> None:
        """Compile at the request of the user; plan first if that is due."""
        self._blocked = None
        self.ended = ""
        if self.phase != "ready":
            return
        plan = self.plan
        if plan is not None and plan.here and self.ran_of == self.asked and not self.ran_lost:
            self._give_up(CompileSharding)
            self.compile_failure = None
            asked = self.asked
            self._ask(
                CompileSharding(
                    id=self._next_id(), composition=asked.composition, sharding=asked.sharding
                ),
                now,
            )
        else:
            self._plan_if_due(now)

    def advise(self, now: float) -> None:
        """Ask what the plan wastes, unless that is known or typing goes on."""
        if not self._settled(now) or self.advised_of == self.ran_of or self._waits(AdviseSharding):
            return
        asked = self.asked
        self._ask(
            AdviseSharding(
                id=self._next_id(), composition=asked.composition, sharding=asked.sharding
            ),
            now,
        )

    def explain(self, value: int, dimensions: int, now: float) -> None:
        """Ask for all dimensions of a value, one after another: a newer request ends an older."""
        if not self._settled(now) or self._waits(ExplainSharding):
            return
        asked = self.asked
        if self._explained_of != asked:
            self._explained, self._explained_of = {}, asked
        for dimension in range(dimensions):
            if (value, dimension) not in self._explained:
                request = ExplainSharding(
                    id=self._next_id(),
                    composition=asked.composition,
                    sharding=asked.sharding,
                    value=value,
                    dimension=dimension,
                )
                self._ask(request, now)
                return

    def search(self, now: float) -> None:
        """Try shardings of the arguments."""
        if self.phase != "ready" or not self.trusted or self.searching:
            return
        self.found = self.search_failure = None
        self._stopping_since = math.inf
        asked = self.found_of = self.asked
        self._ask(
            SearchShardings(
                id=self._next_id(),
                composition=asked.composition,
                sharding=asked.sharding,
                fixed=sorted(self.fixed),
                limit=TRIED,
            ),
            now,
        )

    def hold(self, name: str) -> None:
        """Have searches keep an argument's sharding, or not any more."""
        self.fixed = self.fixed ^ {name}

    def keep(self) -> None:
        """Compare later plans with this one."""
        self.kept = self.flow

    def stop(self, now: float) -> Literal["", "asked", "end"]:
        searches = [
            number
            for number, pending in self._pending.items()
            if isinstance(pending.request, SearchShardings)
        ]
        if not searches:
            return ""
        for number in searches:
            self._cancel(number)
        self._stopping_since = min(self._stopping_since, now)
        return "asked"

    def overdue(self, now: float) -> bool:
        return self.searching and now - self._stopping_since > STOPPED

    def _settled(self, now: float) -> bool:
        """Whether the plan is of what is typed, and typing rests."""
        current = self.ran_of == self.asked and not self.ran_lost
        return current and self.phase == "ready" and self.trusted and now >= self._rest_at

    def _give_up(self, kind: type[Request]) -> None:
        for number, pending in list(self._pending.items()):
            if isinstance(pending.request, kind):
                self._cancel(number)
                del self._pending[number]

    def replaced(self, now: float) -> None:
        """Nothing that was answered is of the session that comes now."""
        for number in self._pending:
            self._cancel(number)
        self._pending.clear()
        self._run_id = 0
        self.ran = self.ran_of = self.flow = self.kept = None
        self._failure = self._failure_of = None
        self.compiled = self.compiled_of = self.compile_failure = None
        self.advised = self.advised_of = self.found = self.found_of = self.search_failure = None
        self.fixed = frozenset()
        self.edited(now)
        self._plan_if_due(now)

    def _block(self, pending: Pending[AskedSharding]) -> None:
        if isinstance(pending.request, PlanSharding):
            super()._block(pending)

    # ------------------------------------------------------------------------- what is answered

    def on(self, event: AnyEvent, now: float) -> bool:
        if isinstance(event, ShardingsFound) and not event.done and event.id in self._pending:
            self.found = event
            return True
        return super().on(event, now) and not isinstance(event, Printed)

    def _answered(self, event: AnyEvent, pending: Pending[AskedSharding], now: float) -> None:
        failure = event.diagnosis if isinstance(event, Failed) else None
        match pending.request:
            case PlanSharding():
                self._on_planned(event, pending)
            case CompileSharding() if not isinstance(event, Cancelled):
                self.compiled = event if isinstance(event, ShardingCompiled) else None
                self.compiled_of, self.compile_failure = pending.asked, failure
            case AdviseSharding() if not isinstance(event, Cancelled):
                self.advised = event if isinstance(event, ShardingAdvised) else None
                self.advised_of = pending.asked
            case ExplainSharding() as request if pending.asked == self._explained_of:
                known: Any = failure if failure is not None else event
                if isinstance(known, ShardingExplained | Diagnosis):
                    self._explained[request.value, request.dimension] = known
            case SearchShardings():
                self._stopping_since = math.inf
                if isinstance(event, ShardingsFound):
                    self.found = event
                self.search_failure = failure
            case _:
                pass

    def _on_planned(self, event: AnyEvent, pending: Pending[AskedSharding]) -> None:
        """Take a plan in, also one that a newer request will replace: it is nearer than the last.

        Raises IndexError for a plan whose indices lead nowhere.
        """
        if not isinstance(event, ShardingPlanned):
            return
        if event.plan is not None:
            self.flow = Flow(event.plan)
            self._take_run(event, pending)
        elif event.id == self._run_id and event.diagnosis is not None:
            self._failure, self._failure_of = event.diagnosis, pending.asked
