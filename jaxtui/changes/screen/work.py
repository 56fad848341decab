"""The requests that hold the newest run against another, and their answers."""

from __future__ import annotations

import msgspec

from jaxtui.changes.report import report
from jaxtui.changes.words import COMPARING
from jaxtui.program.screen.runs import RunRecord, Runs
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import AwaitedWork, Pending
from jaxtui.wire.base import Composition, Failed, Gone, Printed, Stage
from jaxtui.wire.change_report import Changes, Figures, LeafChange
from jaxtui.wire.changes import CompareResults, FiguresTaken, ResultsCompared, TakeFigures
from jaxtui.wire.program import Ran, Run
from jaxtui.wire.protocol import AnyEvent, AnyRequest

MOST_FIGURES = 8  # programs whose figures are remembered
MOST_VALUES = 8  # pairs of results whose comparison is
ENDED = "the engine ended while this was asked of it"
GONE = "the values went with the engine that ran it"
FILES_CHANGED = (
    "not known before: a file that it runs has changed since; from now on they are taken at once"
)


class ChangesWork(AwaitedWork):
    """Holds the newest run against the reference of `ProgramWork.runs`.

    Nothing is asked before the view of it is opened. From then on the figures of each run are taken
    when it is new, while its files are what they were.
    """

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self._program: ProgramWork | None = None
        self._pending: dict[int, Pending[RunRecord | None]] = {}
        self._figures: list[tuple[RunRecord, Figures]] = []
        self._values: dict[tuple[int, int], list[LeafChange] | str] = {}
        self._cancelled: set[int] = set()
        self._other_id = 0  # the run of another function
        self._made: tuple[object, Changes | None] = (None, None)

    # ------------------------------------------------------------------------- what is shown

    @property
    def busy(self) -> bool:
        return bool(self._pending)

    @property
    def in_hand(self) -> Pending[RunRecord | None] | None:
        return min(self._pending.values(), key=lambda one: one.since, default=None)

    @property
    def runs(self) -> Runs | None:
        """The runs that are compared; None before the view was opened."""
        return self._program.runs if self._program is not None else None

    @property
    def changes(self) -> Changes | None:
        """What changed, as far as it is known; None without two runs."""
        runs = self.runs
        if runs is None or runs.now is None or runs.reference is None:
            return None
        now, before = runs.now, runs.reference
        figures = (self._figures_of(before), self._figures_of(now))
        values = self._values_of(before, now)
        key = (now, before, figures, values, runs.name)
        if self._made[0] != key:
            pair = (before.composition, before.ran), (now.composition, now.ran)
            self._made = (key, report(runs.name, *pair, figures, values))
        return self._made[1]

    @property
    def waiting(self) -> str:
        """What the figures that are not there wait for."""
        runs = self.runs
        if runs is None or runs.reference is None:
            return ""
        lost = self._figures_of(runs.reference) is None and runs.reference.files != runs.files
        return FILES_CHANGED if lost else COMPARING

    def _figures_of(self, run: RunRecord) -> Figures | None:
        return next((figures for one, figures in self._figures if one.is_like(run)), None)

    def _values_of(self, before: RunRecord, now: RunRecord) -> list[LeafChange] | str:
        ids = (before.ran.result, now.ran.result)
        if self.runs is not None and self.runs.lost & set(ids) and ids not in self._values:
            return GONE
        return self._values.get(ids, COMPARING)

    # ------------------------------------------------------------------------- what is asked

    def follow(self, program: ProgramWork, now: float) -> None:
        """Ask for what the view of the newest runs lacks."""
        self._program = program
        runs, newest = program.runs, program.runs.now
        if program.waits_for_run:
            self._make_way()
        if self.phase != "ready" or not self.trusted or program.waits_for_run:
            return
        self._run_other(program, now)
        if newest is None:
            return
        before = runs.reference
        if before is not None and before is not newest:
            self._compare(before, newest, now)
        for run in filter(None, (newest, before)):
            self._take_figures(run, now)

    def _make_way(self) -> None:
        """Cancel what a run of the program would wait for; it is asked again afterwards."""
        for id, pending in self._pending.items():
            if not isinstance(pending.request, Run) and id not in self._cancelled:
                self._cancelled.add(id)
                self._cancel(id)

    def look(self, now: float) -> None:
        """Take the figures of a run while its files are what they were."""
        if self._program is not None:
            self.follow(self._program, now)

    def _compare(self, before: RunRecord, now: RunRecord, at: float) -> None:
        ids = (before.ran.result, now.ran.result)
        asked = any(
            isinstance(one.request, CompareResults)
            and (one.request.before, one.request.result) == ids
            for one in self._pending.values()
        )
        if ids in self._values or asked or (self.runs and self.runs.lost & set(ids)):
            return
        request = CompareResults(
            id=self._next_id(), composition=now.composition, result=ids[1], before=ids[0]
        )
        self._ask(request, now, at)

    def _take_figures(self, run: RunRecord, now: float) -> None:
        # A second request of the kind would replace the one that waits.
        asked = any(isinstance(one.request, TakeFigures) for one in self._pending.values())
        changed = self.runs is not None and run.files != self.runs.files
        if asked or changed or self._figures_of(run) is not None:
            return
        self._ask(TakeFigures(id=self._next_id(), composition=run.composition), run, now)

    def compare_with(self, function: str, work: ProgramWork, now: float) -> None:
        """Run the program with another function, to hold what runs against its result.

        A run of the program itself that is asked for is waited for.
        """
        self._program = work
        if self._other_id in self._pending:
            self._cancel(self._other_id)
        self._other_id = 0
        work.runs.let_go()
        work.runs.other = function
        self.look(now)

    def _run_other(self, program: ProgramWork, now: float) -> None:
        runs = program.runs
        if not runs.other or self._other_id in self._pending:
            return
        changed = msgspec.structs.replace(self.session.program, function=runs.other)
        composition = Composition.of(self.session, self.open_session.folder, changed)
        held = runs.now.ran.result if runs.now is not None else 0
        self._other_id = self._next_id()
        self._ask(Run(id=self._other_id, composition=composition, held=held), None, now)

    def _ask(self, request: AnyRequest, run: RunRecord | None, now: float) -> None:
        self._pending[request.id] = Pending(request, run, now)
        self._send(request)

    # ------------------------------------------------------------------------- what befalls it

    def replaced(self, now: float) -> None:
        for id in self._pending:
            self._cancel(id)
        self._figures, self._values = [], {}

    def restarted(self, now: float, *, ended: bool = False) -> None:
        self._forget_engine(ended=ended)

    def _forget_engine(self, *, ended: bool) -> None:
        """Give up what was asked; what ended an engine is not asked for again."""
        for pending in self._pending.values():
            self._give_up(pending, ENDED if ended else "")
        self._pending.clear()
        self._cancelled.clear()

    def _give_up(self, pending: Pending[RunRecord | None], why: str) -> None:
        request = pending.request
        if isinstance(request, Run) and self.runs is not None:
            self.runs.other, self.runs.said = "", why
        elif isinstance(request, TakeFigures) and pending.asked is not None and why:
            self._keep_figures(pending.asked, Figures(primitives=None, failure=why))
        elif isinstance(request, CompareResults) and why:
            self._keep_values((request.before, request.result), why)

    def on(self, event: AnyEvent, now: float) -> bool:
        if isinstance(event, Gone) and not event.wanted:
            runs = self._program is not None and self._program.waits_for_run
            self._forget_engine(ended=not runs)  # else that run has ended it
            return False
        pending = self._pending.get(event.id)
        if pending is None:
            return False
        match event:
            case Stage():
                pending.stage, pending.stage_since = event.stage, now
                return True
            case Printed():
                return True
        del self._pending[event.id]
        self._cancelled.discard(event.id)
        match event, pending.request:
            case FiguresTaken(), _ if pending.asked is not None:
                self._keep_figures(pending.asked, event.figures)
            case ResultsCompared(), CompareResults() as asked:
                self._keep_values((asked.before, asked.result), event.leaves)
            case Ran(), Run() as asked if event.id == self._other_id and self.runs is not None:
                run = RunRecord(event, asked.composition, self.runs.files)
                self.runs.keep(run, asked.composition.program.function)
            case Failed(), _:
                self._give_up(pending, event.diagnosis.message)
            case _:
                self._give_up(pending, "")
        return True

    def _keep_values(self, ids: tuple[int, int], values: list[LeafChange] | str) -> None:
        self._values[ids] = values
        while len(self._values) > MOST_VALUES:
            del self._values[next(iter(self._values))]

    def _keep_figures(self, run: RunRecord, figures: Figures) -> None:
        self._figures = [*self._figures[1 - MOST_FIGURES :], (run, figures)]
