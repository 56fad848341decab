"""The Collectives screen: what each device holds before and after a collective."""

from __future__ import annotations

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Input

from jaxtui.collectives.screen import view
from jaxtui.collectives.screen.blocks import Holding, holding
from jaxtui.collectives.screen.device_rows import CellEditor, DeviceRows
from jaxtui.collectives.screen.form import CollectiveForm
from jaxtui.collectives.screen.keys import CollectiveKeys
from jaxtui.collectives.screen.rows import Place
from jaxtui.collectives.screen.travel_view import TravelPane
from jaxtui.program.screen.work import Work
from jaxtui.screen import commands
from jaxtui.screen.base import LOW_BREAKPOINTS, STYLES
from jaxtui.screen.field import FixedText, Notice
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.collectives import ProvenanceFound

EDITS = "enter edits it"


class CollectivesScreen(CollectiveKeys):
    """A form, the rows of the devices, and how the data travels between them."""

    NAME = "collectives"
    FLIPPED = ("-travel", "form")
    CSS_PATH = STYLES
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS = commands.bindings("collectives")
    SCOPED_CSS = False
    CSS = """
    #collective-form { height: auto; max-height: 14; }
    #holdings { padding: 0; height: auto; layers: base above; }
    #holdings DeviceRows { padding: 0 1; }
    #holdings-notice { max-height: 6; }
    #holdings-words { height: 2; padding: 0 1; }
    .-low #collective-form { max-height: 9; }
    .-low #holdings { height: 1fr; }
    .-low TravelPane { display: none; }
    .-low.-travel #collective-form { display: none; }
    .-low.-travel TravelPane { display: block; height: 13; }
    """

    form: CollectiveForm
    rows: DeviceRows
    holdings_pane: Vertical
    travel_pane: TravelPane

    def __init__(self) -> None:
        super().__init__()
        self._editor: CellEditor | None = None
        self._edited: tuple[Holding, Place, str] | None = None
        self._shown: object = None
        self._holdings: tuple[Holding, Holding] | None = None

    def body(self) -> ComposeResult:
        """The panes, in reading order."""
        work = self.collective_work
        rows = view.option_rows(work.collective, work.available)
        with VerticalScroll(id="collective-form", classes="pane", can_focus=False) as form:
            form.border_title = "Collective"
            self.form = CollectiveForm(work.collective, rows)
            yield self.form
        with Vertical(id="holdings", classes="pane") as self.holdings_pane:
            self.holdings_pane.border_title = "What each device holds"
            self._notice = Notice(id="holdings-notice")
            self.rows = DeviceRows()
            self._words = FixedText()
            self._words.id = "holdings-words"
            yield self._notice
            yield self.rows
            yield self._words
        self.travel_pane = TravelPane()
        yield self.travel_pane

    def on_mount(self) -> None:
        """Begin on the rows: what is there to see comes before what is there to type."""
        super().on_mount()
        self.rows.focus()

    def on_screen_resume(self) -> None:
        """From now on the collective runs by itself."""
        self.collective_work.open(self.explorer.now())
        super().on_screen_resume()

    # --------------------------------------------------------------------------- what is shown

    def diagnosis(self, work: Work) -> Diagnosis | None:
        """What is wrong with the collective as it is typed."""
        return self.collective_work.diagnosis

    def show_status(self, work: Work, now: float) -> None:
        """What the engine is doing, the collective included."""
        super().show_status(work, now)
        line = self.header_line
        line.doing = self.collective_work.status(now).replace("·", self.shell.dot)
        line.alert = work.phase == "gone" or "ctrl+c" in line.doing

    def show_work(self, work: Work, now: float) -> None:
        """Bring every pane up to date; each leaves alone what has not changed."""
        super().show_work(work, now)
        asked = self.collective_work
        asked.rested(now)
        diagnosis = asked.diagnosis
        rows = view.option_rows(asked.collective, asked.available)
        fault = view.fault_of(diagnosis, [row.name for row in rows])
        meaning = view.meaning(asked.session, asked.available, self.size.width - 2)
        self.form.show(asked.collective, rows, meaning, diagnosis, fault)
        self._show_rows(now)
        if self._notice.say(asked.notice(now)):
            self.call_after_refresh(self._fit_rows)
        self._show_words(now)
        self.show_travel()
        self.show_keys()

    def _show_rows(self, now: float) -> None:
        asked = self.collective_work
        ran, stale = asked.ran, asked.result_stale
        title = view.verdict(ran, stale=stale, ascii=self.shell.ascii)
        took = view.took(ran.seconds) if ran is not None else ""
        parts = [part for part in ("What each device holds", title, took) if part]
        heading = f" {self.shell.dot} ".join(parts)
        if heading != self.holdings_pane.border_title:
            self.holdings_pane.border_title = heading
        if ran is None:
            return
        before, after = ran.report.before, ran.report.after
        first, second = (
            self._leaves[0] % max(1, len(before)),
            self._leaves[1] % max(1, len(after)),
        )
        environment = self.explorer.work.environment
        shown = (ran, first, second, stale, environment)
        if shown == self._shown:
            return
        self._shown = shown
        self._holdings = (holding(before[first]), holding(after[second]))
        mesh = self.explorer.work.session.devices.mesh if self._over_mesh else None
        labels = view.labels(self._holdings[1], environment, mesh)
        names = (
            view.leaf_name(before[first].path, len(before)),
            view.leaf_name(after[second].path, len(after)),
        )
        self.rows.show(labels, *self._holdings, names, stale=stale)
        self._fit_rows()

    @property
    def _over_mesh(self) -> bool:
        return self.collective_work.collective.via == "shard_map"

    def _fit_rows(self) -> None:
        """As high as the rows where there is room for all; set only when it changes."""
        if self.has_class("-low"):
            most = self.holdings_pane.size.height - self._words.size.height
            most -= self._notice.size.height if self._notice.display else 0
        else:
            most = self.size.height // 2 - 6
        wanted = min(self.rows.wanted_height, max(4, most))
        if wanted != self.rows.size.height:
            self.rows.styles.height = wanted

    def on_resize(self, event: events.Resize) -> None:
        """The rows may need another height."""
        self.call_after_refresh(self._fit_rows)

    # ------------------------------------------------------------------------------ provenance

    def on_device_rows_moved(self, event: DeviceRows.Moved) -> None:
        """Ask where the element at the cursor comes from."""
        self._show_words(self.explorer.now())

    def _show_words(self, now: float) -> None:
        asked, place = self.collective_work, self.rows.cursor
        if self._holdings is None or place is None or asked.ran is None:
            self._words.say(self._nothing_yet() if asked.ran is None else "")
            return
        before, after = self._holdings
        held = before if place.side == "before" else after
        written = held.format.text(held.cells[place.row][place.element]) if held.cells else ""
        if place.side == "before":
            self.rows.light(frozenset())
            words = view.before_words(held, place.row, place.element, written)
            self._words.say(f"{words}   {EDITS}".replace("·", self.shell.dot))
            return
        leaf = self._leaves[1] % max(1, len(asked.ran.report.after))
        index = (place.row, *held.index(place.element))
        asked.want_sources(leaf, index, now)
        self._say_sources(asked.sources(leaf, index), place, written, before)

    def _nothing_yet(self) -> str:
        asked = self.collective_work
        if asked.notice(self.explorer.now()):
            return ""
        if asked.diagnosis is not None:
            return "Nothing has run yet: see what is marked above."
        return f"What each device holds comes here: {asked.status(self.explorer.now())}."

    def _say_sources(
        self,
        found: ProvenanceFound | Diagnosis | None,
        place: Place,
        written: str,
        before: Holding,
    ) -> None:
        if isinstance(found, Diagnosis):
            self.rows.light(frozenset())
            self._words.say(found.message)
            return
        if found is None:
            # What was lit stays until the answer is there, which mostly is at once.
            if not self.collective_work.busy:
                self.rows.light(frozenset())
                self._words.say("")
            return
        shown = self._leaves[0] % max(1, len(found.sources))
        size = max(1, before.size)
        lit = frozenset(Place("before", *divmod(flat, size)) for flat in found.sources[shown])
        self.rows.light(lit)
        self._words.say(view.found_words(found, written, before, shown, ascii=self.shell.ascii))

    # ------------------------------------------------------------------------- what was typed

    def on_collective_form_changed(self, event: CollectiveForm.Changed) -> None:
        """A field goes into the session."""
        collective, text = self.collective_work.collective, event.input.take()
        kind, _, name = event.field.partition(".")
        if kind == "options":
            if not event.input.is_attached:
                return
            changed = view.with_option(collective, name, text)
        else:
            changed = msgspec.structs.replace(collective, **{kind: text})
        self.put(changed, typed=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Enter in a field runs the collective, in an element puts it into the value."""
        event.stop()
        if self._editor is not None and event.input is self._editor:
            self._put_element(event.value)
        else:
            self.action_run()

    # ------------------------------------------------------------------------ editing in place

    def on_device_rows_edit_wanted(self, event: DeviceRows.EditWanted) -> None:
        """Put a field over the element."""
        if self._holdings is None:
            return
        place = event.place
        if place.side == "after":
            self.say("after is what comes out: edit an element of before, or the value")
            return
        held = self._holdings[0]
        try:
            field = view.field_of_input(self.collective_work.collective, held.path)
            current = (
                view.literal(held.cells[place.row][place.element], held.dtype) if held.cells else ""
            )
            view.with_element(held, place.row, place.element, current)
        except view.EditRefused as refused:
            self.say(str(refused))
            return
        self._close_editor()
        self._edited = (held, place, field)
        self._editor = CellEditor(current, held.format.width)
        self.holdings_pane.mount(self._editor)
        # `x` and `y` are of what the rows draw, inside of their padding.
        corner = self.rows.content_region.offset - self.holdings_pane.content_region.offset
        self._editor.place(corner.x + event.x - 1, corner.y + event.y, self.rows.size.width)
        self._editor.focus()

    def _put_element(self, text: str) -> None:
        assert self._edited is not None
        held, place, field = self._edited
        try:
            value = view.with_element(held, place.row, place.element, text)
        except view.EditRefused as refused:
            self.say(str(refused))
            return
        self._close_editor()
        collective = self.collective_work.collective
        name = field.removeprefix("collective.options.")
        if name != field:
            self.put(view.with_option(collective, name, value))
        else:
            self.put(msgspec.structs.replace(collective, value=value))

    def _close_editor(self) -> None:
        if self._editor is not None:
            had_focus = self._editor.has_focus
            self._editor.remove()
            self._editor = self._edited = None
            if had_focus:
                self.rows.focus()

    def leave_field(self) -> None:
        """Leave the field; that of an element is put away."""
        if self._editor is not None and self._editor.has_focus:
            self._close_editor()
        else:
            super().leave_field()
