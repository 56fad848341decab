"""The Collectives screen: what each device holds before and after a collective."""

from __future__ import annotations

import re

import msgspec
from rich.cells import cell_len
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from jaxtui.collectives.screen import view
from jaxtui.collectives.screen.device_rows import CellEditor, DeviceRows
from jaxtui.collectives.screen.form import CollectiveForm
from jaxtui.collectives.screen.holdings import HoldingsPane
from jaxtui.collectives.screen.python_pane import PythonPane
from jaxtui.collectives.screen.travel_side import TravelSide
from jaxtui.collectives.screen.travel_view import TravelPane
from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands
from jaxtui.screen.base import LOW, LOW_BREAKPOINTS, STYLES
from jaxtui.screen.cells import fit
from jaxtui.screen.command_table import Command
from jaxtui.screen.field import FieldTyped
from jaxtui.screen.widths import WIDEST
from jaxtui.session import collective_program, export
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import COLLECTIVE, OPTIONS, PROGRAM
from jaxtui.session.session import Collective, Session
from jaxtui.wire import launch

DIALOG = 76  # cells, as in jaxtui.tcss
BESIDE = "-side-by-side"  # the class of the screen where the travel is beside the holdings


class CollectivesScreen(TravelSide):
    """A form, the holdings of the devices, and the data movement between them."""

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
    #collective-shown { height: 1fr; }
    #collective-held { height: auto; }
    #collective-python { display: none; }
    .-low #collective-held, .-low #holdings { height: 1fr; }
    .-low TravelPane { display: none; }
    .-low.-travel #collective-form, .-low.-travel #holdings-words { display: none; }
    .-low.-travel TravelPane { display: block; height: 13; }
    .-side-by-side #collective-shown { layout: horizontal; }
    .-side-by-side #collective-held { width: 1fr; height: 1fr; margin-right: 1; }
    .-side-by-side #holdings { height: auto; }
    .-side-by-side #collective-python { display: block; }
    .-side-by-side TravelPane { display: block; width: 1fr; height: 1fr; }
    """

    form: CollectiveForm
    rows: DeviceRows
    holdings: HoldingsPane
    python: PythonPane
    travel_pane: TravelPane
    _as_python: Session | None = None  # the session whose script is shown

    def body(self) -> ComposeResult:
        work = self.collective_work
        rows = view.option_rows(work.collective, work.available)
        with VerticalScroll(id="collective-form", classes="pane", can_focus=False) as form:
            form.border_title = "Collective"
            self.form = CollectiveForm(work.collective, rows)
            yield self.form
        self.holdings = HoldingsPane(self.shell, work, self.put)
        self.rows = self.holdings.rows
        self.python, self.travel_pane = PythonPane(), TravelPane()
        with Container(id="collective-shown"):
            with Vertical(id="collective-held"):
                yield self.holdings
                yield self.python
            yield self.travel_pane

    def on_mount(self) -> None:
        super().on_mount()
        self.rows.focus()

    def on_screen_resume(self) -> None:
        self.collective_work.open(self.explorer.now())
        super().on_screen_resume()

    # --------------------------------------------------------------------------- what is shown

    def diagnosis(self, work: ProgramWork) -> Diagnosis | None:
        return self.collective_work.diagnosis

    def show_status(self, work: ProgramWork, now: float) -> None:
        super().show_status(work, now)
        if doing := self.collective_work.doing(now):
            self.header_line.doing = doing
            self.header_line.alert = "ctrl+c" in doing

    def show_work(self, work: ProgramWork, now: float) -> None:
        super().show_work(work, now)
        asked = self.collective_work
        asked.rested(now)
        diagnosis = asked.diagnosis
        rows = view.option_rows(asked.collective, asked.available)
        fault = view.fault_of(diagnosis, [row.name for row in rows])
        meaning = view.meaning(asked.session, asked.available, self.size.width - 2)
        self.form.show(asked.collective, rows, meaning, diagnosis, fault)
        self.holdings.show(now)
        self.show_travel()
        self._show_python()
        self.show_keys()

    def _show_python(self) -> None:
        session = self.collective_work.session
        if not self.has_class(BESIDE) or session is self._as_python:
            return
        self._as_python = session
        try:
            self.python.show(self._script_at(""))
        except (collective_program.CollectiveError, export.ExportError) as error:
            self.python.show(f"# {error.message}")

    def on_resize(self, event: events.Resize) -> None:
        self.call_after_refresh(self._fit)

    def _fit(self) -> None:
        room = self.query_one("#collective-shown").size
        self.set_class(room.width >= WIDEST and self.size.height >= LOW, BESIDE)
        self._show_python()
        self.call_after_refresh(self.holdings.fit_rows)

    # ------------------------------------------------------------------------- what was typed

    def on_field_typed(self, event: FieldTyped) -> None:
        collective, text = self.collective_work.collective, event.input.take()
        field = COLLECTIVE / event.field
        if event.input.is_attached or not field.under(OPTIONS):
            self.put(view.with_field(collective, field, text), typed=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.action_run()

    def leave_field(self) -> None:
        if not self.holdings.leave_editor():
            super().leave_field()

    # --------------------------------------------------------------------------------- actions

    def put(self, collective: Collective, *, typed: bool = False) -> None:
        """Replace the session's collective."""
        if collective != self.collective_work.collective:
            self.explorer.edit(COLLECTIVE, collective, typed=typed)

    def action_run(self) -> None:
        explorer, work = self.explorer, self.collective_work
        if not explorer.files.may_run():
            return
        if explorer.work.phase == "gone":
            explorer.restart()
        work.open(explorer.now())
        work.run(explorer.now())
        explorer.show_work()

    def action_pick_operation(self) -> None:
        from jaxtui.screen.dialogs import ChoiceDialog

        work = self.collective_work
        room = min(DIALOG, int(self.size.width * 0.95)) - 8
        choices = [
            (name, fit(label if cell_len(label) <= room else _brief(label), room))
            for name, label in view.choices(work.session, work.available)
        ]

        def chosen(name: str | None) -> None:
            if name is not None:
                self.pick(name)

        self.app.push_screen(ChoiceDialog("Which collective? Each device gets …", choices), chosen)

    def pick(self, name: str) -> None:
        """Take another operation."""
        self.put(view.with_operation(self.collective_work.collective, name))

    def action_next_via(self) -> None:
        collective = self.collective_work.collective
        self.put(msgspec.structs.replace(collective, via=view.next_via(collective.via)))

    def action_next_output(self) -> None:
        self.holdings.step_leaves(0, 1)
        self.explorer.show_work()

    def action_next_input(self) -> None:
        self.holdings.step_leaves(1, 0)
        self.explorer.show_work()

    def action_flip(self) -> None:
        self.toggle_class("-travel")
        self.show_keys()

    def action_bandwidth(self) -> None:
        self.shell.show_screen("bandwidth")

    # -------------------------------------------------------------------------------- programs

    def action_open_in_map(self) -> None:
        try:
            program = collective_program.as_program(self.collective_work.alone)
        except collective_program.CollectiveError as error:
            self.say(error.message)
            return
        explorer = self.explorer
        there = explorer.work.session.program

        def go_on(answer: str | None = "replace") -> None:
            if answer == "replace":
                explorer.edit(PROGRAM, program)
                self.shell.show_screen("map")

        if (
            there.empty
            or there == program
            or not (there.arguments or there.layers)
            or not explorer.files.changed_in("program")
        ):
            go_on()
        else:
            from jaxtui.screen.dialogs import ConfirmDialog

            choices = [("stay", "Keep it, and stay here"), ("replace", "Put the collective there")]
            text = "The Map screen holds a program that is in no file."
            self.app.push_screen(ConfirmDialog("Replace it?", text, choices), go_on)

    def action_export(self) -> None:
        from jaxtui.screen.dialogs import ChoiceDialog
        from jaxtui.screen.path_dialog import ask_and_write

        text = self._script()
        if text is None:
            return
        choices = [
            ("copy", "Copy it to the terminal's clipboard"),
            ("py", "Write it to a file …"),
            ("ipynb", "Write it as a Jupyter notebook …"),
        ]

        def chosen(answer: str | None) -> None:
            if answer == "copy":
                self.shell.copy(text)
            elif answer == "py":
                ask_and_write(self, self._script_at, "Write the script to")
            elif answer == "ipynb":
                ask_and_write(self, self._notebook_at, "Write the notebook to", kind=answer)

        self.app.push_screen(ChoiceDialog("This collective as a plain JAX script", choices), chosen)

    def _script(self) -> str | None:
        try:
            return self._script_at("")
        except (collective_program.CollectiveError, export.ExportError) as error:
            self.say(error.message)
            return None

    def _script_at(self, place: str) -> str:
        """The script for a file at `place`, "" for one beside the session."""
        session = collective_program.as_session(self.collective_work.alone)
        return export.script(session, self._folder, launch.folder_of(place) if place else "")

    def _notebook_at(self, place: str) -> str:
        from jaxtui.session.notebook import notebook, session_cells

        session = collective_program.as_session(self.collective_work.alone)
        return notebook(session_cells(session, self._folder, launch.folder_of(place)))

    @property
    def _folder(self) -> str:
        return self.explorer.open_session.folder

    def text_to_copy(self) -> str:
        return self._script() or ""

    # ----------------------------------------------------------------------------- the key line

    def offers(self, command: Command) -> bool:
        if command.action == "screen.flip":
            return self.has_class("-low")
        return super().offers(command)

    def keys(self, focused: Widget | None) -> tuple[tuple[str, str], ...]:
        hints = super().keys(focused)
        if isinstance(focused, CellEditor):
            return (("enter", "put it into the value"), ("esc", "leave it as it was"))
        if focused is self.rows:
            return (("arrows", "look"), ("enter", "edit"), *hints)
        return hints


def _brief(label: str) -> str:
    """The first clause of a label."""
    return re.split("[,:] ", label, maxsplit=1)[0]
