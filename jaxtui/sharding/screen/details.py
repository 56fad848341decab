"""The pane beside the flow: the device map, why, a search, advice, or what was compiled."""

from __future__ import annotations

from typing import Literal

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widget import Widget

from jaxtui.screen.titles import set_title
from jaxtui.session.diagnosis import Fix
from jaxtui.sharding import words
from jaxtui.sharding.flow import Row
from jaxtui.sharding.grid import HEADING
from jaxtui.sharding.screen import view
from jaxtui.sharding.screen.device_map import DeviceMap
from jaxtui.sharding.screen.row_list import FlowText, RowList
from jaxtui.sharding.screen.work import ShardingWork
from jaxtui.sharding.words import AnyArray, Part, Parts
from jaxtui.text.signs import ELLIPSIS
from jaxtui.wire.sharding import FoundSharding, ShardedValue, ShardingPlan

Mode = Literal["map", "why", "search", "advice", "compiled"]
TITLES: dict[Mode, str] = {
    "map": "Devices",
    "why": "Why",
    "search": "Search",
    "advice": "Advice",
    "compiled": "Compiled",
}


LOW = 20  # lines of the pane; in a lower one, a search tells its ways only
AROUND_MAP = 5  # rows of a map's pane that are not the map's: its title, and what a device holds


class Details(Vertical):
    """Shows one thing about the flow at a time, `mode`; None while it is closed."""

    DEFAULT_CSS = """
    Details { display: none; height: 40%; }
    Details DeviceMap { padding: 0 0 0 1; }
    Details.-open { display: block; }
    Details RowList, Details DeviceMap { display: none; height: 1fr; }
    Details.-map DeviceMap { display: block; }
    Details.-search RowList, Details.-advice RowList { display: block; }
    """

    def __init__(self, work: ShardingWork, *, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self._work = work
        self.mode: Mode | None = None
        self.head = FlowText()
        self.map = DeviceMap(id="sharding-map")
        self.list = RowList(id="sharding-list")
        self._fixes: list[Fix | None] = []

    def compose(self) -> ComposeResult:
        yield self.head
        yield self.map
        yield self.list

    @property
    def pane(self) -> Widget | None:
        """What takes the focus."""
        if self.mode == "map":
            return self.map
        return self.list if self.mode in ("search", "advice") else None

    @property
    def device(self) -> int | None:
        """The device whose blocks are shown in the flow."""
        return self.map.device if self.mode == "map" else None

    def open(self, mode: Mode | None) -> None:
        """Turn to another mode, or close the pane."""
        self.mode = mode
        self.list.cursor = 0
        self.styles.max_height = None
        self.set_class(mode is not None, "-open")
        for name in TITLES:
            self.set_class(name == mode, f"-{name}")
        if mode is not None:
            set_title(self, TITLES[mode])

    def show(self, row: Row | None, now: float) -> None:
        """Show what there is to the row of the flow's cursor."""
        plan, work = self._work.plan, self._work
        if self.mode is None or plan is None:
            return
        width = max(24, self.size.width - 2)
        array = view.array_of(plan, row) if row is not None else None
        if self.mode == "map":
            own = row is not None and work.flow is not None and view.is_own(work.flow, row)
            self._show_map(plan, None if own else array)
        elif self.mode == "why":
            self._show_why(plan, row, array, width, now)
        elif self.mode == "compiled":
            self.head.say(self._compiled(plan, width))
        elif self.mode == "advice":
            work.advise(now)
            self._show_advice(width)
        else:
            self._show_search(width)

    def _show_map(self, plan: ShardingPlan, array: AnyArray | None) -> None:
        if array is None or len(array.spec) != len(array.shape):
            self.head.say([(Part("no array of the whole mesh is on this row", "quiet"),)])
            return
        self.map.show(array, plan.mesh)
        grid = self.map.grid
        told = grid.told(self.map.device) if grid is not None else []
        title: Parts = (
            Part(f"{_name(array)}  ", "name"),
            *words.typed(array, plan.mesh),
        )
        self.head.say([title, *view.flowed([(text, "") for text in told], self.map.size.width)])
        if grid is not None:
            # A small mesh leaves the rest of the room to the flow above.
            beside = self.screen.has_class("-broad")
            self.styles.max_height = None if beside else grid.rows + HEADING + AROUND_MAP

    def _show_why(
        self, plan: ShardingPlan, row: Row | None, array: AnyArray | None, width: int, now: float
    ) -> None:
        place = view.explained_place(row) if row is not None else None
        if place is None or array is None:
            said = "Go to an argument or to a value: of those it is known where they come from."
            self.head.say(view.wrapped(said, width, "quiet"))
            return
        self._work.explain(place, len(array.shape), now)
        known = [self._work.explained((place, d)) for d in range(len(array.shape))]
        title: Parts = (Part(f"{_name(array)}  ", "name"), *words.typed(array, plan.mesh))
        self.head.say([title, *view.why(plan, array, known, width)])

    def _compiled(self, plan: ShardingPlan, width: int) -> list[Parts]:
        work = self._work
        if work.compiling:
            return [(Part(f"XLA compiles it {ELLIPSIS}", "quiet"),)]
        if not plan.here:
            said = (
                "These devices are not here, so nothing can be compiled: this is a plan. "
                "Up to the devices that there are, F5 compiles and compares."
            )
            return view.wrapped(said, width, "quiet")
        if work.compile_failure is not None:
            return view.wrapped(work.compile_failure.message, width, "wrong")
        if work.compared is None:
            return [(Part("F5 compiles it for the devices that are here", "quiet"),)]
        return view.compiled(plan, work.compared.compiled, width)

    def _show_advice(self, width: int) -> None:
        work = self._work
        known = work.advised if work.advised_of == work.ran_of else None
        if known is None:
            self.head.say([(Part(f"looking {ELLIPSIS}", "quiet"),)])
            rows: list[view.AdviceRow] = []
        else:
            rows = view.advice_rows(known.advice, width)
            said = (
                "enter applies a fix; each was planned, and is cheaper"
                if rows
                else "Nothing was found that would be cheaper."
            )
            self.head.say([(Part(said, "quiet"),)])
        self._fixes = [row.fix for row in rows]
        self.list.put(len(rows), lambda number: rows[number].parts, of=("advice", rows))

    def _show_search(self, width: int) -> None:
        work = self._work
        refused = work.found.refused if work.found is not None else ""
        if work.search_failure is not None:
            self.head.say(view.wrapped(work.search_failure.message, width, "wrong"))
        elif refused:
            self.head.say(view.wrapped(f"Nothing to search: {refused}.", width, "quiet"))
        else:
            groups = work.found.groups if work.found is not None else ()
            told = view.search_groups(groups, width) if self.size.height > LOW else []
            heading = view.search_heading(width)
            self.head.say([*self._search_words(width), *told, heading])
        session, found = work.session, self.found
        self.list.put(
            len(found),
            lambda number: view.search_row(found[number], session),
            of=("search", found, session, width),
            stale=work.found_of != work.asked and not work.searching,
        )

    def _search_words(self, width: int) -> list[Parts]:
        work = self._work
        tried = work.found.tried if work.found is not None else 0
        state = f"{tried:,} tried{'' if not work.searching else f' {ELLIPSIS} ctrl+c stops'}"
        held = f"kept: {', '.join(sorted(work.fixed))}" if work.fixed else "x keeps an argument"
        clauses = [(state, ""), ("★ none is better in both", "note")]
        clauses += [("enter applies one", "quiet"), (held, "quiet")]
        return view.flowed(clauses, width)

    @property
    def found(self) -> list[FoundSharding]:
        """The shardings found so far, the cheapest first."""
        return self._work.found.found if self._work.found is not None else []

    @property
    def chosen_fix(self) -> Fix | None:
        """The fix of the row of the cursor."""
        number = self.list.cursor
        return self._fixes[number] if number < len(self._fixes) else None

    @property
    def chosen_found(self) -> FoundSharding | None:
        """The sharding of the row of the cursor."""
        number = self.list.cursor
        return self.found[number] if number < len(self.found) else None

    def text(self) -> str:
        """What the pane shows, to copy."""
        return "\n".join([*self.head.texts(), *(self.list.texts() if self.pane else [])])


def _name(array: AnyArray) -> str:
    path = getattr(array, "path", "")
    made = words.made_by(array) if isinstance(array, ShardedValue) else "out"
    return f"{array.name}{path}" or made
