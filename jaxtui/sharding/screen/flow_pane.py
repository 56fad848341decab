"""The pane with the flow: the mesh above, the rows, what it costs below."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical

from jaxtui.screen.field import Notice
from jaxtui.sharding import differences, words
from jaxtui.sharding.columns import Columns, Shown
from jaxtui.sharding.flow import Flow, Key, Line, Row, ScopeGroup
from jaxtui.sharding.screen import view
from jaxtui.sharding.screen.row_list import FlowText, RowList
from jaxtui.sharding.screen.work import ShardingWork
from jaxtui.sharding.words import Part, Parts
from jaxtui.text import quantities

FOLDABLE = ("line", "scope", "argument")
EMPTY = (
    "Type a function and its arguments on Map (key 1): here you see where each array lies on a "
    "mesh, and what is sent because of it. Nothing has to run for that."
)
STARTING = "The plan comes as soon as JAX has started."


class FlowPane(Vertical):
    """Shows the plan of a work, folded as the user left it."""

    DEFAULT_CSS = """
    FlowPane { height: 1fr; }
    FlowPane RowList { height: 1fr; min-height: 3; }
    """

    def __init__(self, work: ShardingWork, *, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self.border_title = "Sharding"
        self._work = work
        self.head = FlowText()
        self.notice = Notice()
        self.rows = RowList(id="sharding-rows")
        self.foot = FlowText()
        self.flipped: set[Key] = set()
        self.shown: list[Row] = []
        self._rows_of: tuple[Flow | None, frozenset[Key]] | None = None
        self._columns: tuple[object, Columns] | None = None

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.notice
        yield self.rows
        yield self.foot

    @property
    def row(self) -> Row | None:
        """The row of the cursor."""
        number = self.rows.cursor
        return self.shown[number] if number < len(self.shown) else None

    # --------------------------------------------------------------------------- what is shown

    def show(self, now: float, *, device: int | None) -> None:
        """Bring the pane up to date; with `device`, rows show the block that it holds."""
        work = self._work
        flow, stale = work.flow, work.stale(now)
        self.notice.say(work.notice() or self._advice(flow))
        if flow is None:
            self.head.say([])
            self.foot.say([])
            self.shown = []
            self.rows.put(0, lambda number: (Part(""),))
            return
        width = max(20, self.rows.size.width)
        compared = self._compared(flow)
        columns = self._laid_out(flow, width, self._beside(flow, compared, device))
        platform = work.environment.platform if work.environment is not None else ""
        self.head.say([columns.heading(platform)], stale=stale)
        self._follow(flow)
        self.rows.put(len(self.shown), lambda n: columns.row(self.shown[n]), stale=stale)
        self.foot.say(self._foot(flow, compared, width, stale), stale=stale)

    def _advice(self, flow: Flow | None) -> str:
        work = self._work
        if work.session.program.empty:
            return EMPTY
        if flow is None:
            if work.phase == "starting":
                return STARTING
            return "" if work.diagnosis is not None else "Planning it …"
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
        kept = self._work.kept
        if kept is not None and kept is not flow:
            difference = differences.between(kept, flow)
            was, marked = difference.was, marked | difference.new | difference.was.keys()
        return Shown(marked, was, self._work.fixed, device)

    def _laid_out(self, flow: Flow, width: int, shown: Shown) -> Columns:
        """The columns, laid out once for the same flow in the same room."""
        if self._columns is not None:
            before = self._columns[1]
            if before.flow is flow and before.width == width and before.shown == shown:
                return before
        self._columns = (None, Columns(flow, width, shown))
        return self._columns[1]

    def _follow(self, flow: Flow) -> None:
        """Make the rows anew if the flow or the folds changed; the cursor stays with its row."""
        state = (flow, frozenset(self.flipped))
        if self._rows_of is not None and self._rows_of[0] is flow and self._rows_of == state:
            return
        at = self.row
        self.shown, self._rows_of = flow.rows(self.flipped), state
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
        sharding = work.session.sharding
        memory = words.bytes_of(sharding.memory) if sharding is not None else None
        clauses = view.cost(plan, memory)
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
            clauses.append(("compiled as planned", "lit"))
        lines = [(Part("─" * width, "quiet"),), *view.flowed(clauses, width)]
        if work.kept is not None:
            compare = differences.between(work.kept, flow).clauses
            told = [("against the kept plan", "note"), *((clause, "") for clause in compare)]
            lines += view.flowed(told, width)
        return lines

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
