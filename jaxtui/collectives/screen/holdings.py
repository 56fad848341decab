"""What each device holds: the rows, the sources of the selected element, and its editor."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input

from jaxtui.collectives.screen import view
from jaxtui.collectives.screen.blocks import Holding, holding
from jaxtui.collectives.screen.device_rows import CellEditor, DeviceRows
from jaxtui.collectives.screen.rows import ElementPlace
from jaxtui.collectives.screen.work import CollectiveWork
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen.field import FixedText, Notice
from jaxtui.screen.shell import Shell
from jaxtui.screen.titles import set_title
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Collective
from jaxtui.wire.collectives import ProvenanceFound

EDITS = "enter edits it"


class HoldingsPane(Vertical):
    """Shows blocks before and after; an edited collective is passed to `put`."""

    def __init__(
        self, shell: Shell[ProgramWork], asked: CollectiveWork, put: Callable[[Collective], None]
    ) -> None:
        super().__init__(id="holdings", classes="pane")
        self.border_title = "What each device holds"
        self._shell, self._asked, self._put = shell, asked, put
        self.rows = DeviceRows()
        self._notice = Notice(id="holdings-notice")
        self._words = FixedText(id="holdings-words")
        self._leaves = (0, 0)  # which array of the input and of the result are shown
        self._editor: CellEditor | None = None
        self._edited: tuple[Holding, ElementPlace, FieldPath] | None = None
        self._shown: object = None
        self._holdings: tuple[Holding, Holding] | None = None

    def compose(self) -> ComposeResult:
        yield self._notice
        yield self.rows
        yield self._words

    def step_leaves(self, inputs: int, outputs: int) -> None:
        """Show another array of the input or of the result."""
        self._leaves = (self._leaves[0] + inputs, self._leaves[1] + outputs)

    def show(self, now: float) -> None:
        self._show_rows()
        if self._notice.say(self._asked.notice(now)):
            self.call_after_refresh(self.fit_rows)
        self._show_words(now)

    def _show_rows(self) -> None:
        asked = self._asked
        ran, stale = asked.ran, asked.result_stale
        title = view.verdict(ran, stale=stale, ascii=self._shell.ascii)
        took = view.took(ran.seconds) if ran is not None else ""
        parts = [part for part in ("What each device holds", title, took) if part]
        set_title(self, " · ".join(parts))
        if ran is None:
            return
        before, after = ran.report.before, ran.report.after
        first = self._leaves[0] % max(1, len(before))
        second = self._leaves[1] % max(1, len(after))
        environment = self._shell.explorer.work.environment
        shown = (ran, first, second, stale, environment)
        if shown == self._shown:
            return
        self._shown = shown
        self._holdings = (holding(before[first]), holding(after[second]))
        over_mesh = asked.collective.via == "shard_map"
        mesh = self._shell.explorer.work.session.devices.mesh if over_mesh else None
        labels = view.labels(self._holdings[1], environment, mesh)
        names = (
            view.leaf_name(before[first].path, len(before)),
            view.leaf_name(after[second].path, len(after)),
        )
        self.rows.show(labels, *self._holdings, names, stale=stale)
        self.fit_rows()

    def fit_rows(self) -> None:
        """Fit the height of the rows to the screen."""
        if self.screen.has_class("-low"):
            most = self.size.height - (self._words.size.height if self._words.display else 0)
            most -= self._notice.size.height if self._notice.display else 0
        else:
            most = self.screen.size.height // 2 - 6
        wanted = min(self.rows.wanted_height, max(4, most))
        if wanted != self.rows.size.height:
            self.rows.styles.height = wanted

    def on_resize(self) -> None:
        """Fit the rows to a pane that shares its page with another, too."""
        self.fit_rows()

    def on_device_rows_moved(self, event: DeviceRows.Moved) -> None:
        self._show_words(self._shell.explorer.now())

    def _show_words(self, now: float) -> None:
        asked, place = self._asked, self.rows.cursor
        if self._holdings is None or place is None or asked.ran is None:
            self._words.say(self._nothing_yet() if asked.ran is None else "")
            return
        before, after = self._holdings
        held = before if place.side == "before" else after
        written = held.format.text(held.cells[place.row][place.element]) if held.cells else ""
        if place.side == "before":
            self.rows.light(frozenset())
            words = view.before_words(held, place.row, place.element, written)
            self._words.say(f"{words}   {EDITS}")
            return
        leaf = self._leaves[1] % max(1, len(asked.ran.report.after))
        index = (place.row, *held.index(place.element))
        asked.want_sources(leaf, index, now)
        self._say_sources(asked.sources(leaf, index), written, before)

    def _nothing_yet(self) -> str:
        asked, now = self._asked, self._shell.explorer.now()
        if asked.notice(now):
            return ""
        if asked.diagnosis is not None:
            return "Nothing has run yet: see what is marked above."
        doing = asked.doing(now) or self._shell.explorer.work.status(now)
        return f"What each device holds comes here: {doing}."

    def _say_sources(
        self,
        found: ProvenanceFound | Diagnosis | None,
        written: str,
        before: Holding,
    ) -> None:
        if isinstance(found, Diagnosis):
            self.rows.light(frozenset())
            self._words.say(found.message)
            return
        if found is None:
            # What was lit stays until the answer is there, which mostly is at once.
            if not self._asked.busy:
                self.rows.light(frozenset())
                self._words.say("")
            return
        shown = self._leaves[0] % max(1, len(found.sources))
        size = max(1, before.size)
        lit = frozenset(
            ElementPlace("before", *divmod(flat, size)) for flat in found.sources[shown]
        )
        self.rows.light(lit)
        self._words.say(view.found_words(found, written, before, shown))

    def on_device_rows_edit_wanted(self, event: DeviceRows.EditWanted) -> None:
        if self._holdings is None:
            return
        place = event.place
        if place.side == "after":
            self._shell.say("after is what comes out: edit an element of before, or the value")
            return
        held = self._holdings[0]
        try:
            field = view.field_of_input(self._asked.collective, held.path)
            current = view.literal(held.cells[place.row][place.element]) if held.cells else ""
            view.with_element(held, place.row, place.element, current)
        except view.EditRefused as refused:
            self._shell.say(str(refused))
            return
        self._close_editor()
        self._edited = (held, place, field)
        self._editor = CellEditor(current, held.format.width)
        self.mount(self._editor)
        # `x` and `y` are of what the rows draw, inside of their padding.
        corner = self.rows.content_region.offset - self.content_region.offset
        self._editor.place(corner.x + event.x - 1, corner.y + event.y, self.rows.size.width)
        self._editor.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self._put_element(event.value)

    def _put_element(self, text: str) -> None:
        assert self._edited is not None
        held, place, field = self._edited
        try:
            value = view.with_element(held, place.row, place.element, text)
        except view.EditRefused as refused:
            self._shell.say(str(refused))
            return
        self._close_editor()
        self._put(view.with_field(self._asked.collective, field, value))

    def _close_editor(self) -> None:
        if self._editor is not None:
            had_focus = self._editor.has_focus
            self._editor.remove()
            self._editor = self._edited = None
            if had_focus:
                self.rows.focus()

    def leave_editor(self) -> bool:
        """Close the editor if it has the focus. Returns whether it had."""
        had_focus = self._editor is not None and self._editor.has_focus
        if had_focus:
            self._close_editor()
        return had_focus
