"""The pane with the flow: the mesh above, the rows, what it costs below."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from jaxtui.screen.field import FieldMessage, Notice
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import PROGRAM
from jaxtui.sharding import differences, words
from jaxtui.sharding.columns import Columns, Shown
from jaxtui.sharding.flow import Flow, Key, Line, Row, ScopeGroup
from jaxtui.sharding.screen import view
from jaxtui.sharding.screen.row_list import FlowText, RowList
from jaxtui.sharding.screen.work import ShardingWork
from jaxtui.sharding.words import Part, Parts
from jaxtui.text import quantities

WIDEST = 140  # cells; in wider rows the eye does not find from the left end to the right one
LOW = 13  # lines; in a lower pane only what matters most stands below the rows
MOST_PARTS = 2  # lines about parts of axes
FOLDABLE = ("line", "scope", "argument", "results")
EMPTY = (
    "Type a function and its arguments on Map (key 1): here you see where each array lies on a "
    "mesh, and what is sent because of it. Nothing has to run for that."
)
FAULTY = "There is no plan before the error above is gone."
STARTING = "The plan comes as soon as JAX has started."


class FlowPane(Vertical):
    """Shows the plan of a work, folded as the user left it."""

    DEFAULT_CSS = """
    FlowPane { height: 1fr; }
    FlowPane RowList { height: 1fr; min-height: 3; }
    FlowPane FieldMessage { max-height: 4; padding: 0 1; }
    """

    def __init__(self, work: ShardingWork, *, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = "Sharding"
        self._work = work
        self.head = FlowText()
        self.fault = FieldMessage()
        self.notice = Notice()
        self.rows = RowList(id="sharding-rows")
        self.foot = FlowText()
        self.flipped: set[Key] = set()
        self.shown: list[Row] = []
        self._rows_of: tuple[Flow | None, frozenset[Key]] | None = None
        self._version = 0  # of the rows
        self._columns: Columns | None = None
        self._parts: tuple[Flow, list[str]] | None = None
        self._differs: tuple[Flow, Flow, differences.Difference] | None = None

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.fault
        yield self.notice
        yield self.rows
        yield self.foot

    @property
    def row(self) -> Row | None:
        """The row of the cursor."""
        number = self.rows.cursor
        return self.shown[number] if number < len(self.shown) else None

    # --------------------------------------------------------------------------- what is shown

    def show(self, now: float, *, device: int | None, fault: Diagnosis | None = None) -> None:
        """Bring the pane up to date.

        With `device`, rows show the block that it holds; `fault` is one that no field has.
        """
        self.fault.show(fault, _place(fault))
        work = self._work
        flow, stale = work.flow, work.stale(now)
        self.notice.say(work.notice() or self._advice(flow))
        if flow is None:
            self.head.say([])
            self.foot.say([])
            self.shown = []
            self.rows.put(0, lambda number: (Part(""),), of=None)
            return
        width = max(20, min(self.rows.size.width - 1, WIDEST))
        compared = self._compared(flow)
        columns = self._laid_out(flow, width, self._beside(flow, compared, device))
        platform = work.environment.platform if work.environment is not None else ""
        self.head.say([columns.heading(platform)], stale=stale)
        self._follow(flow)
        shown = self.shown
        of = (columns, self._version)
        self.rows.put(len(shown), lambda n: columns.row(shown[n]), of=of, stale=stale)
        self.foot.say(self._foot(flow, compared, width, stale), stale=stale)

    def _advice(self, flow: Flow | None) -> str:
        work = self._work
        if work.session.program.empty:
            return EMPTY
        if flow is None:
            if work.phase == "starting":
                return STARTING
            return FAULTY if work.diagnosis is not None else "Planning it …"
        if flow.plan.unplanned:
            return f"Only what tracing knows is shown: {flow.plan.unplanned}"
        typed = any(argument.sharding.strip() for argument in work.session.program.arguments)
        return words.nothing_yet(flow.plan, typed)

    def _compared(self, flow: Flow) -> list[differences.Compared]:
        made = self._work.compared
        return differences.with_compiled(flow.plan, made.compiled.collectives) if made else []

    def _beside(
        self, flow: Flow, compared: list[differences.Compared], device: int | None
    ) -> Shown:
        marked = differences.marked(flow.plan, compared)
        was: dict[Key, str] = {}
        difference = self._difference(flow)
        if difference is not None:
            was, marked = difference.was, marked | difference.new | difference.was.keys()
        return Shown(marked, was, self._work.fixed, device)

    def _difference(self, flow: Flow) -> differences.Difference | None:
        """How a flow differs from the kept one, looked at once for the same two."""
        kept = self._work.kept
        if kept is None:
            return None
        if self._differs is None or self._differs[0] is not kept or self._differs[1] is not flow:
            self._differs = (kept, flow, differences.between(kept, flow))
        return self._differs[2]

    def _laid_out(self, flow: Flow, width: int, shown: Shown) -> Columns:
        """The columns, laid out once for the same flow in the same room."""
        before = self._columns
        if (
            before is None
            or before.flow is not flow
            or before.width != width
            or before.shown != shown
        ):
            self._columns = before = Columns(flow, width, shown)
        return before

    def _follow(self, flow: Flow) -> None:
        """Make the rows anew if the flow or the folds changed; the cursor stays with its row."""
        state = (flow, frozenset(self.flipped))
        if self._rows_of is not None and self._rows_of[0] is flow and self._rows_of == state:
            return
        at = self.row
        self.shown, self._rows_of = flow.rows(self.flipped), state
        self._version += 1
        if at is not None:
            keys = {row.key: number for number, row in enumerate(self.shown)}
            self.rows.cursor = keys.get(at.key, self.rows.cursor)

    def _foot(
        self,
        flow: Flow,
        compared: list[differences.Compared],
        width: int,
        stale: bool,
    ) -> list[Parts]:
        work, plan = self._work, flow.plan
        clauses = view.cost(plan, work.links)
        if self.size.height < LOW:
            clauses = [clause for clause in clauses if clause[1] != "quiet"]
        if stale:
            clauses.append(("not of what is typed", "wrong"))
        if not plan.here:
            clauses.append(("a plan: nothing runs", "quiet"))
        elif not compared and work.compared is None:
            clauses.append(("a plan: F5 compiles it", "quiet"))
        elif wrong := sum(not one.agrees for one in compared):
            kinds = quantities.counted(wrong, "kind")
            clauses.append((f"≠ compiled otherwise: {kinds}", "mark"))
        else:
            clauses.append(("compiled as planned", "agrees"))
        lines = [(Part("─" * width, "quiet"),), *view.flowed(clauses, width)]
        for part in self._parts_of_axes(flow):
            lines += view.wrapped(part, width, "quiet")
        difference = self._difference(flow)
        if difference is not None:
            compared_to = [(clause, "") for clause in difference.clauses]
            told = [("against the kept plan", "note"), *compared_to]
            lines += view.flowed(told, width)
        return lines

    def _parts_of_axes(self, flow: Flow) -> list[str]:
        """What parts of axes in the types mean, looked for once in the same flow."""
        if self._parts is None or self._parts[0] is not flow:
            self._parts = (flow, words.parts_of_axes(flow.plan))
        return self._parts[1][:MOST_PARTS]

    # --------------------------------------------------------------------------------- folding

    def turn(self, row: Row) -> bool:
        """Fold or unfold a row, or the line of an array. Return whether there is one to turn."""
        number = self.shown.index(row)
        while number >= 0:
            found = self.shown[number]
            inside = found is not row and found.depth >= row.depth
            if found.kind in FOLDABLE and found.opened is not None and not inside:
                self.flipped ^= {found.key}
                return True
            if found.kind in FOLDABLE and not inside:
                return False
            number -= 1
        return False

    def fold(self, *, opened: bool) -> None:
        """Fold or unfold everything."""
        flow = self._work.flow
        if flow is not None:
            self.flipped = {key for key, unfolded in flow.folds() if unfolded != opened}


def _place(diagnosis: Diagnosis | None) -> str:
    """Where to find a fault that is in no field of this screen."""
    if diagnosis is None or not diagnosis.field:
        return ""
    keys = diagnosis.field.under(PROGRAM)
    return f"{'.'.join(diagnosis.field.keys if keys is None else keys or ('program',))}: "


def collective_at(row: Row | None) -> int | None:
    """The index of the collective on a row, or of the first within a folded one."""
    if row is None:
        return None
    if row.kind == "collective":
        return row.at
    if isinstance(row.part, ScopeGroup) and row.part.collectives:
        return row.part.collectives[0]
    if isinstance(row.part, Line):
        for item in row.part.items:
            if isinstance(item, ScopeGroup):
                if item.collectives:
                    return item.collectives[0]
            elif item.kind == "collective":
                return item.at
    return None
