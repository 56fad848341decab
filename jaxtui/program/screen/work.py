"""The requests about the program: what to send and when, and what the answers belong to."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import msgspec

from jaxtui.program.screen.compiler_text import CompilerViews
from jaxtui.program.screen.followed_signature import FollowedSignature
from jaxtui.program.screen.non_finite import NonFinite
from jaxtui.program.screen.printed import By, PrintedTexts
from jaxtui.program.screen.runs import RunRecord, Runs
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import Pending, RequestWork
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.base import Composition, Failed, Printed
from jaxtui.wire.names import NamesListed
from jaxtui.wire.program import Inspect, Inspected, ProgramView, Ran, Run, Trace, Traced
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.report import Flow, Parameter, Summary

if TYPE_CHECKING:
    from jaxtui.program.screen.known_names import ModuleNames

RUN_AGAIN: frozenset[ProgramView] = frozenset({"equivalents", "origins"})
SMALL_RESULT = 256  # elements that come with a result, and need not be asked for
SMALL = 1_000_000  # elements touched, up to which a program runs by itself
WORDS: dict[type, str] = {Trace: "tracing", Run: "waiting to run", Inspect: "compiling"}


class ProgramWork(RequestWork[Composition, Ran]):
    """The work on the session's program: its traces, its runs and the views of it."""

    RUN = Run

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self._printed = PrintedTexts()
        self._printed_by: Composition | None = None  # what the newest run is of
        self.traced: Traced | None = None
        self.traced_of: Composition | None = None
        self.values_gone = False  # with the engine that kept the result's values
        self.runs = Runs(open_session)
        self._run_files = 0  # how often files had changed when the newest run was asked for
        self.views = CompilerViews(open_session)
        self.flow: Flow | None = None
        """The newest shape flow; of a program before when nothing of the typed one is known."""
        self.signature: list[Parameter] | None = None
        """The parameters of the newest function that the engine could read."""
        self._blocked_trace = False
        self._followed = FollowedSignature(self.session.program)
        self._trace_id = 0
        self._departed_at = -math.inf  # when what is typed ceased to be what the result is of
        self._let_run: Composition | None = None  # what runs by itself however large it is
        self._late = False  # what is typed has not been traced, and will not be any moment
        self._non_finite = NonFinite()
        self._run_wanted = False  # a run that waits for the engine to be started again

    @cached_property
    def modules(self) -> ModuleNames:
        """The names of JAX's and NumPy's modules; loaded when something is typed."""
        from jaxtui.program.screen.known_names import ModuleNames

        return ModuleNames(self._send, self._next_id)

    # ------------------------------------------------------------------------- what is shown

    @property
    def asked(self) -> Composition:
        """Everything that the result depends on, as currently typed."""
        return self.open_session.composition

    @property
    def diagnosis(self) -> Diagnosis | None:
        """The error in what is typed, if known; the previous one stays while an answer is due."""
        if self.open_session.unstartable is not None:
            return self.open_session.unstartable
        if self._late and self.traced_of != self.asked:
            return None
        if self.traced is not None and self.traced.diagnosis is not None:
            return self.views.with_batches(self.traced.diagnosis)
        if self._failure is not None and self._failure_of == self.traced_of:
            return self.views.with_batches(self._failure)
        return None

    @property
    def notes(self) -> list[Diagnosis]:
        """What the result of what is typed may not be as one expects."""
        current = self.ran is not None and self.ran_of == self.asked and self.diagnosis is None
        return self.ran.report.notes if self.ran is not None and current else []

    @property
    def function_name(self) -> str:
        """The name of the function, as far as it can be told."""
        if self.traced is not None and self.traced.function:
            return self.traced.function
        return self.session.program.function_name

    def note_summary(self, result: int, summary: Summary) -> None:
        """Hear of the statistics of a leaf of `result`."""
        self._non_finite.note_summary(result, summary)

    @property
    def not_finite(self) -> bool:
        """Whether the result on view is known to have NaN or infinities."""
        return self._non_finite.among(self.ran)

    @property
    def rewritten(self) -> bool:
        """Whether the function is no longer as it was opened."""
        return self._followed.rewritten(self.session.program)

    @property
    def choices(self) -> list[str]:
        """The functions that may be chosen in place of the present one, as far as is known."""
        chosen = self.session.program.function.strip()
        known = self.traced.choices if self.traced is not None else []
        return [choice for choice in known if choice != (chosen or known[-1])]

    def flow_stale(self, now: float) -> bool:
        """Whether the flow is not of what is typed; an answer due any moment does not count."""
        if self.traced is None or self.traced.flow is None:
            return self.flow is not None
        waited = [now - since for since in self._since(Trace)]
        return self.traced_of != self.asked and max(waited, default=self.quiet) >= self.quiet

    def _since(self, kind: type[Trace | Run]) -> list[float]:
        """Since when the requests of this kind are waited for."""
        return [p.since for p in self._pending.values() if isinstance(p.request, kind)]

    def result_stale(self, now: float) -> bool:
        """Whether the shown result is not of what is typed.

        For a moment after a change, and after a run was asked for, it is not called old: a small
        program's next result is due, and two more paintings would only delay it.
        """
        if self.ran is None or self.ran_of == self.asked:
            return False
        return now - max([self._departed_at, *self._since(Run)]) >= self.quiet

    @property
    def printed(self) -> dict[By, str]:
        """What the newest trace and the newest run wrote, apart from each other."""
        return self._printed.texts

    def printed_stale(self, now: float) -> bool:
        """Whether what the newest run printed is not of what is typed."""
        older = self._printed_by is not None and self._printed_by != self.asked
        return older and (self.ran is None or self.result_stale(now))

    @property
    def abstract(self) -> tuple[str, ...]:
        """The arguments of what is typed that are only shapes, without which nothing runs."""
        traced = self.traced
        return traced.abstract if traced is not None and self.traced_of == self.asked else ()

    @property
    def too_large(self) -> bool:
        """Whether the program waits for a key because it is too large to run by itself."""
        traced = self.traced
        return (
            traced is not None
            and self.traced_of == self.asked
            and traced.diagnosis is None
            and not (traced.deferred or traced.abstract)
            and traced.cost is not None
            and traced.cost > SMALL
            and self.ran_of != self.asked
            and not self.waits_for_run
        )

    @property
    def busy(self) -> bool:
        return self.phase == "starting" or super().busy

    def look(self, now: float) -> None:
        """Notice what has not been answered for too long; called before anything is shown."""
        waits = [now - since for since in self._since(Trace)]
        self._late = self.phase == "gone" or max(waits, default=0.0) >= self.quiet

    def status(self, now: float) -> str:
        """What the engine is doing, in a few words that are always true."""
        opened = self.open_session
        return (
            opened.status(now)
            or self.doing(now)
            or opened.meanwhile
            or self._after_end()
            or "ready"
        )

    def _after_end(self) -> str:
        """What there is to know of a program that ended an engine, until something newer is."""
        if not self.blocked() or self.waits_for_run:
            return ""
        return "stopped · F5 retries" if self.ended else "crashed · F5 retries"

    def _word(self, pending: Pending[Composition], *, counted: bool = False) -> str:
        word = pending.stage or WORDS[type(pending.request)]
        return "tracing your function for" if counted and word == "tracing" else word

    # ------------------------------------------------------------------------- what is asked

    def _changed(self, before: Composition, now: float) -> None:
        if self.ran_of == before:
            self._departed_at = now
        self._blocked_trace = False
        if self.phase != "gone":
            self._trace(now)

    def replaced(self, now: float) -> None:
        """Nothing that was answered, or is still to be, is of the session that comes now."""
        self._followed = FollowedSignature(self.session.program)
        self._printed.clear()
        if self._run_id in self._pending:
            self._cancel(self._run_id)
        self._trace_id = self._run_id = 0
        self.traced = self.traced_of = self.flow = self.signature = None
        self.ran = self.ran_of = None
        self._failure = self._failure_of = None
        self.views.clear()
        self.runs.forget()
        before = self._known
        self.edited(now)
        self._rest_at = now
        if self._known == before:
            self._trace(now)

    def again(self, now: float) -> None:
        """Something that the engine reads besides the session has changed, such as a file."""
        self.ran_lost = True
        self.ran_of, self._departed_at = None, now
        self._failure = self._failure_of = None
        self.views.clear()
        self._rest_at = now
        self._trace(now)

    def let_run(self) -> None:
        """Let what is typed now run by itself, however large it is: the user has asked for it."""
        self._let_run = self.asked

    def trust(self, now: float) -> None:
        self.open_session.trust()
        self._rest_at = now
        self._trace(now)

    def run(self, now: float) -> bool:
        """The user asks for a run. Returns whether the engine must be started again first."""
        if not self.trusted:
            return False
        self._blocked = None
        self.ended = ""
        if self.phase == "gone":
            self._run_wanted = True
            return True
        self._run(now)
        return False

    def rested(self, now: float) -> None:
        if self._may_run(now):
            self._run(now)
        self._look_for_batches(now)

    def _look_for_batches(self, now: float) -> None:
        """Ask what would make a program fit that is refused as too large for the memory."""
        found = self.traced.diagnosis if self.traced is not None else None
        if found is not None and found.kind == "memory" and self.traced_of == self.asked:
            self.inspect("memory", now)

    def restarted(self, now: float, *, ended: bool = False) -> None:
        """A fresh engine is starting; ask it for the shapes of what is composed, then its result.

        `ended` says that what is `in_hand` was to be ended.
        """
        super().restarted(now, ended=ended)
        if not ended:
            self._rest_at = now
        self._trace(now)
        if self._run_wanted:
            self._run(now)

    def inspect(self, view: ProgramView, now: float) -> None:
        """Ask for a view of what is typed, unless it is there, asked for, or typing goes on."""
        composition, sharding = self.asked, self.views.sharding_for(view)
        asked = any(
            isinstance(p.request, Inspect)
            and (p.request.view, p.request.sharding, p.asked) == (view, sharding, composition)
            for p in self._pending.values()
        )
        waits = not self.trusted or self.phase != "ready" or now < self._rest_at
        # These run the program, and what may run by itself was decided for the result.
        decides = view in RUN_AGAIN and not self.abstract
        waits = waits or (decides and self.ran_of != composition)
        if self.views.is_current(view) or asked or waits or self.blocked():
            return
        request = Inspect(id=self._next_id(), composition=composition, view=view, sharding=sharding)
        self._ask(request, now)

    def _trace(self, now: float) -> None:
        if not self.trusted or (self._blocked_trace and self.blocked()):
            return
        self._trace_id = self._next_id()
        self._ask(Trace(id=self._trace_id, composition=self.asked), now)

    def _run(self, now: float) -> None:
        if self._run_id in self._pending:
            self._cancel(self._run_id)
        self._run_id = self._next_id()
        self._run_wanted = False
        self._failure = None
        self._printed.clear()
        self._printed_by = composition = self.asked
        self._run_files = self.runs.files
        held = self.runs.held_for(composition)
        self._ask(Run(id=self._run_id, composition=composition, held=held, small=SMALL_RESULT), now)

    def _may_run(self, now: float) -> bool:
        traced = self.traced
        if traced is None or self.traced_of != self.asked or traced.diagnosis is not None:
            return False
        if traced.abstract:
            return False
        small = traced.deferred or (traced.cost is not None and traced.cost <= SMALL)
        small = small or self._let_run == self.asked
        return small and self.trusted and self.phase != "gone" and super()._may_run(now)

    def _block(self, pending: Pending[Composition]) -> None:
        super()._block(pending)
        self._blocked_trace = isinstance(pending.request, Trace)

    def _forget_engine(self) -> None:
        super()._forget_engine()
        self._trace_id = 0
        if "modules" in self.__dict__:
            self.modules.forget_engine()
        self.values_gone = self.ran is not None
        self.runs.lose_values()

    # ------------------------------------------------------------------------- what is answered

    def on(self, event: AnyEvent, now: float) -> bool:
        """Take in what the engine, or the client about it, says. True if it is for no other."""
        if isinstance(event, Printed):
            self._on_printed(event)
        if isinstance(event, NamesListed):
            self.modules.take(event)
            return True
        return super().on(event, now)

    def _answered(self, event: AnyEvent, pending: Pending[Composition], now: float) -> None:
        match event:
            case Ran() if event.id == self._run_id:
                self._take_run(event, pending)
                self._non_finite.note_run(event)
                self.runs.add(RunRecord(event, pending.asked, self._run_files))
                self.values_gone = False
                if self.ran_of == self.asked:
                    self.flow = event.flow
            case Traced() if event.id == self._trace_id:
                self._on_traced(event, pending, now)
            case Failed() if event.id == self._trace_id:
                self.traced_of = pending.asked
                self.traced = Traced(
                    id=event.id,
                    function="",
                    signature=None,
                    flow=event.flow,
                    diagnosis=event.diagnosis,
                )
            case Inspected() | Failed() if isinstance(pending.request, Inspect):
                answer = event if isinstance(event, Inspected) else event.diagnosis
                self.views.take(pending.request, answer)
            case _:
                pass

    def _on_traced(self, event: Traced, pending: Pending[Composition], now: float) -> None:
        self._printed.answered("trace", event.id)
        self.traced, self.traced_of = event, pending.asked
        if event.flow is not None:
            self.flow = event.flow
        if event.signature is not None:
            self.signature = event.signature
            self._follow_signature(event.signature, pending.asked, now)
        if self._may_run(now):
            self._run(now)
        self._look_for_batches(now)

    def _follow_signature(self, signature: list[Parameter], asked: Composition, now: float) -> None:
        """Let the arguments follow a change of the signature; those of a file are as they are."""
        self._followed.came_with(signature, asked.program)
        if asked != self.asked:
            return
        program = self._followed.followed(self.session.program, signature)
        if program is not self.session.program:
            self.open_session.session = msgspec.structs.replace(self.session, program=program)
            self._known = self.asked
            self._trace(now)

    def _on_printed(self, event: Printed) -> None:
        """Keep what the newest run and the newest trace wrote, apart from each other."""
        pending = self._pending.get(event.id)
        traces = event.id == self._trace_id or (
            pending is not None and isinstance(pending.request, Trace)
        )
        self._printed.add("trace" if traces else "run", event.id, event.text)
