"""The Sharding screen: where the arrays of the program lie on any mesh, and what is sent for it."""

from __future__ import annotations

from typing import Any, Protocol, cast

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.widget import Widget
from textual.widgets import Input

from jaxtui.program.screen.work import ProgramWork
from jaxtui.screen import commands
from jaxtui.screen.base import LOW_BREAKPOINTS, STYLES, WorkScreen
from jaxtui.screen.command_table import Command
from jaxtui.screen.field import FieldInput, FieldTyped
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import COLLECTIVE, PROGRAM, SHARDING, FieldPath
from jaxtui.session.session import SessionError, Sharding
from jaxtui.sharding.columns import as_text
from jaxtui.sharding.screen import fields, view
from jaxtui.sharding.screen.details import Details, Mode
from jaxtui.sharding.screen.device_map import DeviceMap
from jaxtui.sharding.screen.flow_pane import FlowPane, collective_at
from jaxtui.sharding.screen.form import ShardingForm
from jaxtui.sharding.screen.row_list import RowList
from jaxtui.sharding.screen.work import ShardingWork
from jaxtui.wire.sharding import FoundSharding

BROAD = 150  # columns from which the details stand beside the flow
COPIED = 120  # cells of the flow as copied text


class ShardingBench(Protocol):
    """A workbench with the work that this screen shows."""

    @property
    def sharding(self) -> ShardingWork: ...


class ShardingScreen(WorkScreen[ProgramWork]):
    """A form for the mesh and the arguments' shardings, the flow, and details of a row."""

    NAME = "sharding"
    FLIPPED = ("-bare", "fields")
    CSS_PATH = STYLES
    VERTICAL_BREAKPOINTS = LOW_BREAKPOINTS
    BINDINGS = commands.bindings("sharding")
    SCOPED_CSS = False
    CSS = """
    #sharding-form { height: auto; max-height: 12; }
    #sharding-body { height: 1fr; layout: vertical; }
    #sharding-flow, #sharding-details { padding: 0 1 0 0; }
    .-low #sharding-form { max-height: 5; }
    .-low Details { height: 50%; }
    .-broad #sharding-body { layout: horizontal; }
    .-broad FlowPane { width: 3fr; height: 1fr; }
    .-broad Details { width: 2fr; height: 1fr; }
    .-bare #sharding-form, .-low.-detailed #sharding-form { display: none; }
    """

    form: ShardingForm
    flow: FlowPane
    details: Details

    def __init__(self) -> None:
        super().__init__()
        self._wrong: dict[FieldPath, Diagnosis] = {}  # texts that are in no session yet
        self._typed: dict[FieldPath, tuple[str, Any]] = {}  # texts, and what they mean

    def body(self) -> ComposeResult:
        work = self.sharding_work
        with VerticalScroll(id="sharding-form", classes="pane", can_focus=False) as form:
            form.border_title = "Mesh and arguments"
            self.form = ShardingForm(work.session)
            yield self.form
        with Container(id="sharding-body"):
            self.flow = FlowPane(work, id="sharding-flow")
            yield self.flow
            self.details = Details(work, id="sharding-details")
            yield self.details

    @property
    def sharding_work(self) -> ShardingWork:
        return cast("ShardingBench", self.explorer).sharding

    def on_mount(self) -> None:
        super().on_mount()
        self.flow.rows.focus()

    def on_screen_resume(self) -> None:
        self.sharding_work.open(self.explorer.now())
        super().on_screen_resume()

    def on_screen_suspend(self) -> None:
        self.sharding_work.close()

    def on_resize(self, event: events.Resize) -> None:
        self.set_class(event.size.width >= BROAD, "-broad")

    # --------------------------------------------------------------------------- what is shown

    def diagnosis(self, work: ProgramWork) -> Diagnosis | None:
        return next(iter(self._wrong.values()), None) or self.sharding_work.diagnosis

    @property
    def unread(self) -> list[str]:
        return [field.name for field in self._wrong]

    def show_status(self, work: ProgramWork, now: float) -> None:
        super().show_status(work, now)
        asked = self.sharding_work
        if doing := asked.doing(now) or (asked.phase == "ready" and asked.words()):
            self.header_line.doing = doing
            self.header_line.alert = "ctrl+c" in doing

    def show_work(self, work: ProgramWork, now: float) -> None:
        super().show_work(work, now)
        asked = self.sharding_work
        asked.rested(now)
        texts = {**fields.texts(asked.session), **self._texts_as_typed()}
        self.form.show(asked.session, texts, asked.diagnosis, self._wrong)
        self.show_flow(now)
        self.show_keys()

    def _texts_as_typed(self) -> dict[FieldPath, str]:
        """The texts that were typed and mean what the session has, however it is written."""
        session = self.sharding_work.session
        for field in list(self._wrong):
            input = self.form.input_of(field)
            if input is None or not input.pending:  # the text has made way for another
                del self._wrong[field]
        return {
            field: text
            for field, (text, meant) in self._typed.items()
            if fields.value(session, field.name) == meant
        }

    def show_flow(self, now: float | None = None) -> None:
        """Bring the flow and its details up to date."""
        at = self.explorer.now() if now is None else now
        asked = self.sharding_work
        found = asked.diagnosis
        in_form = found is not None and self.form.place_of(found) is not None
        self.flow.show(at, device=self.details.device, fault=None if in_form else found)
        self.details.show(self.flow.row, at)

    def on_row_list_resized(self, event: RowList.Resized) -> None:
        self.show_flow()

    def on_row_list_moved(self, event: RowList.Moved) -> None:
        if event.list is not self.flow.rows:
            return
        self.show_keys()
        if self.details.mode in ("map", "why"):
            self.details.show(self.flow.row, self.explorer.now())

    def on_device_map_moved(self, event: DeviceMap.Moved) -> None:
        self.show_flow()

    # ------------------------------------------------------------------------- what was typed

    def on_field_typed(self, event: FieldTyped) -> None:
        field = FieldPath(event.field)
        if not event.input.is_attached:
            return
        was_wrong = self._wrong.pop(field, None) is not None
        if not event.input.pending and not was_wrong:
            return  # a field says so too when it is first shown
        keys = field.under(SHARDING)
        if keys is None:
            self.explorer.edit(field, event.input.take(), typed=True)
            return
        self._put(event.input, field, keys[0])

    def _put(self, input: FieldInput, field: FieldPath, name: str) -> None:
        """Put the text of a field of the mesh into the session, if it can be read."""
        try:
            part = fields.changed(self.sharding_work.session, name, input.value)
        except SessionError as error:
            self._wrong[field] = Diagnosis(kind="session", field=field, message=error.message)
            self.show_work(self.explorer.work, self.explorer.now())
            return
        self._typed[field] = input.take(), getattr(part or Sharding(), name)
        if part != self.sharding_work.session.sharding:
            self.explorer.edit(SHARDING, part, typed=True)
        else:
            self.show_work(self.explorer.work, self.explorer.now())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.flow.rows.focus()

    def leave_field(self) -> None:
        if self.details.mode is not None and not isinstance(self.focused, Input):
            self._close_details()
        else:
            super().leave_field()

    def apply(self, fix: Fix) -> None:
        keys = fix.field.under(SHARDING)
        if not keys:
            super().apply(fix)
            return
        self._wrong.pop(fix.field, None)
        try:
            part = fields.changed(self.sharding_work.session, keys[0], fix.text)
        except SessionError as error:
            self.say(error.message)
        else:
            self.explorer.edit(SHARDING, part)

    # --------------------------------------------------------------------------------- actions

    def on_row_list_chosen(self, event: RowList.Chosen) -> None:
        if event.list is self.flow.rows:
            row = self.flow.row
            if row is not None and not self.flow.turn(row):
                self.say("nothing more is folded here")
            self.show_flow()
        elif self.details.mode == "search" and (found := self.details.chosen_found) is not None:
            self._take(found)
        elif self.details.mode == "advice" and (fix := self.details.chosen_fix) is not None:
            self.apply(fix)
            self.say(f"applied: {fix.label}")

    def _take(self, found: FoundSharding) -> None:
        """Put the shardings that a search found into the arguments."""
        program = self.sharding_work.session.program
        arguments = [
            msgspec.structs.replace(argument, sharding=found.specs[argument.name])
            if argument.name in found.specs
            else argument
            for argument in program.arguments
        ]
        self.explorer.edit(PROGRAM, msgspec.structs.replace(program, arguments=arguments))
        self.say("put into the arguments; u takes it back")

    def action_run(self) -> None:
        explorer, work = self.explorer, self.sharding_work
        if not explorer.files.may_run():
            return
        if explorer.work.phase == "gone":
            explorer.restart()
        work.run(explorer.now())
        if work.plan is not None:
            self._open_details("compiled")
        explorer.show_work()

    def action_details(self, mode: Mode) -> None:
        if self.details.mode == mode:
            self._close_details()
            return
        work = self.sharding_work
        if work.plan is None:
            self.say(work.notice() or "there is no plan yet")
            return
        if mode == "search" and work.found_of != work.asked:
            work.search(self.explorer.now())
        self._open_details(mode)
        self.explorer.show_work()

    def _open_details(self, mode: Mode) -> None:
        self.details.open(mode)
        self.set_class(True, "-detailed")
        pane = self.details.pane
        (pane if pane is not None else self.flow.rows).focus()
        # The map knows its room, and with it its cells, once it was laid out.
        self.call_after_refresh(self.show_flow)

    def _close_details(self) -> None:
        self.details.open(None)
        self.set_class(False, "-detailed")
        self.flow.rows.focus()
        self.call_after_refresh(self.show_flow)

    def action_compare(self) -> None:
        work = self.sharding_work
        if work.flow is None:
            self.say(work.notice() or "there is no plan yet")
            return
        work.keep()
        self.say("kept: what differs from it shows from now on; C ends that")
        self.show_flow()

    def action_end_compare(self) -> None:
        self.sharding_work.kept = None
        self.show_flow()

    def action_hold(self) -> None:
        work, row = self.sharding_work, self.flow.row
        names = [argument.name for argument in work.session.program.arguments]
        plan = work.plan
        if (
            plan is not None
            and row is not None
            and row.kind in ("input", "argument")
            and self.focused is self.flow.rows
        ):
            self._hold(plan.inputs[row.at].name)
        elif names:
            from jaxtui.screen.dialogs import ChoiceDialog

            choices = [(name, f"{'= ' if name in work.fixed else '  '}{name}") for name in names]
            dialog = ChoiceDialog("Whose sharding is a search to keep?", choices)
            self.app.push_screen(dialog, self._hold)
        else:
            self.say("the program has no arguments")

    def _hold(self, name: str | None) -> None:
        if name is None:
            return
        work = self.sharding_work
        work.hold(name)
        work.found_of = None  # what was found did not keep it
        kept = "keep" if name in work.fixed else "change"
        self.say(f"searches {kept} the sharding of {name}; s searches")
        self.show_flow()

    def action_fold_all(self) -> None:
        self.flow.fold(opened=False)
        self.show_flow()

    def action_unfold_all(self) -> None:
        self.flow.fold(opened=True)
        self.show_flow()

    def action_flip(self) -> None:
        if self._fields_give_way:
            self.say("the details need the room of the fields: esc closes them")
            return
        self.toggle_class("-bare")
        if self.has_class("-bare"):
            self.flow.rows.focus()
        self.show_keys()

    @property
    def _fields_give_way(self) -> bool:
        """Whether the details take the room of the fields."""
        return self.has_class("-low") and self.has_class("-detailed")

    def action_open_collective(self) -> None:
        work = self.sharding_work
        number = collective_at(self.flow.row)
        plan = work.plan
        if plan is None or number is None:
            self.say("no collective is on this row")
            return
        environment = work.environment
        devices = environment.device_count if environment is not None else 1
        sent = plan.collectives[number]
        collective, said = view.as_collective(sent, plan, work.session, devices)
        self.explorer.edit(COLLECTIVE, collective)
        self.shell.show_screen("collectives")
        if said:
            self.shell.say(said)

    def text_to_copy(self) -> str:
        if self.details.mode is not None and self.focused is self.details.pane:
            return self.details.text()
        flow = self.sharding_work.flow
        return "\n".join(as_text(flow, COPIED)) if flow is not None else ""

    # ----------------------------------------------------------------------------- the key line

    def offers(self, command: Command) -> bool:
        match command.action:
            case "screen.flip":
                return not self._fields_give_way
            case "screen.open_collective":
                return collective_at(self.flow.row) is not None
        return super().offers(command)

    def keys(self, focused: Widget | None) -> tuple[tuple[str, str], ...]:
        hints = super().keys(focused)
        if focused is self.flow.rows:
            return (("enter", "open"), *hints)
        if focused is self.details.map:
            return (("arrows", "devices"), ("esc", "close"), *hints)
        if focused is self.details.list:
            return (("enter", "apply"), ("esc", "close"), *hints)
        return hints
