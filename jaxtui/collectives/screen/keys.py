"""What the keys of the Collectives screen do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
from rich.cells import cell_len

from jaxtui.collectives.screen import view
from jaxtui.collectives.screen.device_rows import CellEditor
from jaxtui.collectives.screen.travel_side import TravelSide
from jaxtui.screen import commands
from jaxtui.screen.cells import fit
from jaxtui.session import collective_program as collectives
from jaxtui.session import export

if TYPE_CHECKING:
    from textual.widget import Widget

    from jaxtui.collectives.screen.device_rows import DeviceRows
    from jaxtui.session.session import Collective, Program


DIALOG = 76  # cells, as in jaxtui.tcss


class CollectiveKeys(TravelSide):
    """The actions; the screen itself brings the panes."""

    rows: DeviceRows

    def __init__(self) -> None:
        super().__init__()
        self._leaves = (0, 0)  # which array of the input and of the result are shown

    def put(self, collective: Collective, *, typed: bool = False) -> None:
        """Another collective goes into the session."""
        if collective != self.collective_work.collective:
            self.explorer.edit("collective", collective, typed=typed)

    def action_run(self) -> None:
        """Run the collective, whatever it did before."""
        explorer, work = self.explorer, self.collective_work
        if not explorer.work.trusted:
            explorer.files.ask_trust()
            return
        if explorer.work.phase == "gone":
            explorer.restart()
        work.open(explorer.now())
        work.run(explorer.now())
        explorer.show_work()

    def action_pick_operation(self) -> None:
        """Let the user choose the operation."""
        from jaxtui.screen.dialogs import ChoiceDialog

        work = self.collective_work
        room = min(DIALOG, int(self.size.width * 0.95)) - 8
        ellipsis = "..." if self.shell.ascii else "…"
        choices = [
            (name, fit(label if cell_len(label) <= room else _brief(label), room, ellipsis))
            for name, label in view.choices(work.session, work.available)
        ]

        def chosen(name: str | None) -> None:
            if name is not None:
                self.put(view.with_operation(work.collective, name))

        self.app.push_screen(ChoiceDialog("Which collective? Each device gets …", choices), chosen)

    def action_next_via(self) -> None:
        """Carry it by the next transformation."""
        collective = self.collective_work.collective
        self.put(msgspec.structs.replace(collective, via=view.next_via(collective.via)))

    def action_next_output(self) -> None:
        """Show the next array of the result."""
        self._leaves = (self._leaves[0], self._leaves[1] + 1)
        self.explorer.show_work()

    def action_next_input(self) -> None:
        """Show the next array of the input."""
        self._leaves = (self._leaves[0] + 1, self._leaves[1])
        self.explorer.show_work()

    def action_flip(self) -> None:
        """Turn between the form and the way of the data, where there is no room for both."""
        self.toggle_class("-travel")
        self.show_keys()

    def action_bandwidth(self) -> None:
        """Show the collective's sweep over message sizes."""
        self.shell.show_screen("bandwidth")

    # -------------------------------------------------------------------------------- programs

    def program_of(self) -> Program | None:
        """The collective as a program; says why when it is none yet."""
        try:
            return collectives.as_program(self.collective_work.alone)
        except collectives.CollectiveError as error:
            self.say(error.message)
            return None

    def action_open_in_map(self) -> None:
        """Open the collective as a program in the Map screen."""
        program = self.program_of()
        if program is None:
            return
        explorer = self.explorer
        there = explorer.work.session.program

        def go_on(answer: str | None = "replace") -> None:
            if answer == "replace":
                explorer.edit("program", program)
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
        """Copy the collective as a script, or write it into a file."""
        from jaxtui.screen.dialogs import ChoiceDialog, ask_and_write

        text = self._script()
        if text is None:
            return
        choices = [
            ("copy", "Copy it to the terminal's clipboard"),
            ("file", "Write it to a file …"),
        ]

        def chosen(answer: str | None) -> None:
            if answer == "copy":
                self.shell.copy(text)
            elif answer == "file":
                ask_and_write(self, text, "Write the script to")

        self.app.push_screen(ChoiceDialog("This collective as a plain JAX script", choices), chosen)

    def _script(self) -> str | None:
        try:
            return export.script(collectives.as_session(self.collective_work.alone))
        except (collectives.CollectiveError, export.ExportError) as error:
            self.say(error.message)
            return None

    def text_to_copy(self) -> str:
        """The script of the collective."""
        return self._script() or ""

    # ----------------------------------------------------------------------------- the key line

    def offers(self, command: commands.Command) -> bool:
        """Only what makes sense here and now."""
        if command.action == "screen.flip":
            return self.has_class("-low")
        return super().offers(command)

    def keys(self, focused: Widget | None) -> tuple[tuple[str, str], ...]:
        """On the rows, what the cursor can do comes first."""
        hints = super().keys(focused)
        if isinstance(focused, CellEditor):
            return (("enter", "put it into the value"), ("esc", "leave it as it was"))
        if focused is self.rows:
            return (("arrows", "look"), ("enter", "edit"), *hints)
        return hints


def _brief(label: str) -> str:
    """What a collective gives, without its second clause."""
    return re.split("[,:] ", label, maxsplit=1)[0]
