"""The form over the flow: the mesh with what it is made of, and the arguments' shardings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from jaxtui.screen.field import FieldInput, FieldMessage, FieldTyped
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import SHARDING, FieldPath
from jaxtui.session.session import Session
from jaxtui.sharding.screen import fields
from jaxtui.text.printable import visible

LABEL = 10  # cells


class ShardingEntry(Horizontal):
    """A label and a field."""

    DEFAULT_CSS = """
    ShardingEntry { height: 1; width: 1fr; padding: 0 1 0 0; }
    ShardingEntry .label { color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    ShardingEntry FieldInput { width: 1fr; }
    """

    def __init__(self, field: FieldPath, label: str, text: str, placeholder: str) -> None:
        super().__init__()
        self.field = field
        self.input = FieldInput(text, placeholder=placeholder)
        self.label = Static(visible(label), markup=False, classes="label")
        self.label.styles.width = LABEL

    def compose(self) -> ComposeResult:
        yield self.label
        yield self.input


class ShardingLine(Vertical):
    """Entries side by side above the fault of one of them."""

    DEFAULT_CSS = """
    ShardingLine { height: auto; }
    ShardingLine > Horizontal { height: 1; }
    ShardingLine .no-entry { width: 1fr; }
    """

    def __init__(self, entries: Sequence[ShardingEntry]) -> None:
        super().__init__()
        self.entries = list(entries)
        self._message = FieldMessage()

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield from self.entries
            if len(self.entries) == 1:
                yield Static(classes="no-entry")
        yield self._message

    def show_faults(self, faults: Mapping[FieldPath, Diagnosis]) -> None:
        faulty = [entry for entry in self.entries if entry.field in faults]
        faulty.sort(key=lambda entry: not entry.input.has_focus)  # first what is being typed
        found = [faults[entry.field] for entry in faulty]
        for entry in self.entries:
            entry.input.set_class(entry.field in faults, "-faulty")
        shown = self._message.display
        self._message.show(found[0] if found else None)
        if found and not shown:
            self.call_after_refresh(self.scroll_visible, animate=False)


class ShardingForm(Vertical):
    """The fields, each named by its path in the session."""

    DEFAULT_CSS = """
    ShardingForm { height: auto; }
    ShardingForm #sharding-arguments { height: auto; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        texts = fields.texts(session)

        def entry(name: str) -> ShardingEntry:
            field = SHARDING / name
            placeholder = fields.PLACEHOLDERS.get(name, "")
            if name == "mesh":
                placeholder = fields.mesh_placeholder(session)
            elif name == "axis_types":
                placeholder = fields.types_placeholder(session)
            return ShardingEntry(field, fields.LABELS.get(name, name), texts[field], placeholder)

        made = [entry(name) for name in fields.MESH_FIELDS]
        self._mesh, self._types = made[:2]
        self._mesh_lines = [ShardingLine(made[:2]), ShardingLine(made[2:4]), ShardingLine(made[4:])]
        self._names = [argument.name for argument in session.program.arguments]
        self._arguments = _argument_lines(session)

    def compose(self) -> ComposeResult:
        yield self._mesh_lines[0]
        with Vertical(id="sharding-arguments"):
            yield from self._arguments
        yield from self._mesh_lines[1:]

    def entries(self) -> list[ShardingEntry]:
        lines = (self._mesh_lines[0], *self._arguments, *self._mesh_lines[1:])
        return [entry for line in lines for entry in line.entries]

    def input_of(self, field: FieldPath) -> FieldInput | None:
        """The input of a field of the session."""
        return next((entry.input for entry in self.entries() if entry.field == field), None)

    def show(
        self,
        session: Session,
        texts: Mapping[FieldPath, str],
        diagnosis: Diagnosis | None,
        unread: Mapping[FieldPath, Diagnosis],
    ) -> None:
        """Show a session's fields, the fault of its plan, and faults in texts not yet in it."""
        names = [argument.name for argument in session.program.arguments]
        if names != self._names:
            self._names = names
            self._arguments = _argument_lines(session)
            holder = self.query_one("#sharding-arguments")
            holder.remove_children()
            holder.mount_all(self._arguments)
        for entry in self.entries():
            entry.input.follow(texts[entry.field])
        self._mesh.input.placeholder = fields.mesh_placeholder(session)
        self._types.input.placeholder = fields.types_placeholder(session)
        faults = dict(unread)
        if diagnosis is not None and (place := self.place_of(diagnosis)) is not None:
            faults.setdefault(place, diagnosis)
        for line in (*self._mesh_lines, *self._arguments):
            line.show_faults(faults)

    def place_of(self, diagnosis: Diagnosis) -> FieldPath | None:
        """The field of the form at which a fault stands, None if it is elsewhere."""
        place = fields.at_form(diagnosis.field)
        return place if any(entry.field == place for entry in self.entries()) else None

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        for entry in self.entries():
            if entry.input is event.input:
                self.post_message(FieldTyped(entry.input, entry.field))


def _argument_lines(session: Session) -> list[ShardingLine]:
    """A field for each argument, two to a line."""
    entries = [
        ShardingEntry(
            fields.argument_field(index), argument.name, argument.sharding, "P() or P('data')"
        )
        for index, argument in enumerate(session.program.arguments)
    ]
    return [ShardingLine(entries[at : at + 2]) for at in range(0, len(entries), 2)]
