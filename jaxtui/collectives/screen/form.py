"""The form of a collective: operation, transformation, value and options."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Static

from jaxtui.collectives.screen.view import ABOUT_VIA, OptionRow
from jaxtui.screen.field import FieldInput, FieldMessage, FieldTyped, FixedText
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import COLLECTIVE, PROGRAM
from jaxtui.session.session import Collective

LABEL = 10  # cells
VALUE_WORDS = "one row for each device; `devices` is how many there are"


class _Entry(Vertical):
    """A label and a field."""

    DEFAULT_CSS = """
    _Entry { height: auto; width: 1fr; }
    _Entry Horizontal { height: 1; }
    _Entry .label { color: $text-muted; text-wrap: nowrap; text-overflow: ellipsis; }
    _Entry FieldInput { width: 1fr; }
    """

    def __init__(self, name: str, text: str, placeholder: str, words: str, label: int) -> None:
        super().__init__()
        self.field = name
        self.words = words
        self.input = FieldInput(text, placeholder=placeholder)
        self._label = Static(name.removeprefix("options."), markup=False, classes="label")
        self._label.styles.width = label

    def compose(self) -> ComposeResult:
        with Horizontal():
            yield self._label
            yield self.input


class _Line(Vertical):
    """One or two entries side by side above the diagnosis of either."""

    DEFAULT_CSS = """
    _Line { height: auto; }
    _Line .entries { height: auto; }
    _Line _Entry { padding: 0 1 0 0; }
    """

    def __init__(self, entries: Sequence[_Entry]) -> None:
        super().__init__()
        self.entries = list(entries)
        self._message = FieldMessage()

    def compose(self) -> ComposeResult:
        with Horizontal(classes="entries"):
            yield from self.entries
        yield self._message

    def show_fault(self, diagnosis: Diagnosis | None, field: str) -> None:
        faulty = [e for e in self.entries if diagnosis is not None and e.field == field]
        for entry in self.entries:
            entry.input.set_class(entry in faulty, "-faulty")
        self._message.show(diagnosis if faulty else None)


class CollectiveForm(Vertical):
    """The fields, named operation, via, value and options.NAME; a line explains the focused one."""

    DEFAULT_CSS = """
    CollectiveForm { height: auto; }
    CollectiveForm #collective-meaning { height: 1; text-wrap: nowrap; text-overflow: ellipsis; }
    CollectiveForm #collective-options { height: auto; }
    """

    def __init__(self, collective: Collective, rows: Sequence[OptionRow]) -> None:
        super().__init__()
        self._operation = _Entry("operation", collective.operation, "p picks one", "", LABEL)
        self._via = _Entry("via", collective.via, "pmap", "", 5)
        self._value = _Entry(
            "value", collective.value, "one row for each device", VALUE_WORDS, LABEL
        )
        self._first = [_Line([self._operation, self._via]), _Line([self._value])]
        self._meaning = FixedText(id="collective-meaning")
        self._other = FieldMessage()
        self._options: list[_Line] = _lines(rows)
        self._names = [row.name for row in rows]
        self._about = ""
        self._about_via = ""

    def compose(self) -> ComposeResult:
        yield self._first[0]
        yield self._meaning
        yield self._first[1]
        with Vertical(id="collective-options"):
            yield from self._options
        yield self._other

    def entries(self) -> Iterator[_Entry]:
        for line in (*self._first, *self._options):
            yield from line.entries

    def input_of(self, field: str) -> FieldInput | None:
        """The input of a field, such as options.perm."""
        return next((entry.input for entry in self.entries() if entry.field == field), None)

    def show(
        self,
        collective: Collective,
        rows: Sequence[OptionRow],
        meaning: str,
        diagnosis: Diagnosis | None,
        fault: str,
    ) -> None:
        """Show a collective; `fault` names the field of the diagnosis, "" for none of the form."""
        names = [row.name for row in rows]
        if names != self._names:
            self._names = names
            self._options = _lines(rows)
            holder = self.query_one("#collective-options")
            holder.remove_children()
            holder.mount_all(self._options)
        texts = {
            "operation": collective.operation,
            "via": collective.via,
            "value": collective.value,
            **{f"options.{row.name}": row.text for row in rows},
        }
        for entry in self.entries():
            entry.input.follow(texts[entry.field])
        for line in (*self._first, *self._options):
            line.show_fault(diagnosis, fault)
        self._other.show(diagnosis if not fault else None, _place(diagnosis))
        self._about = meaning
        self._about_via = ABOUT_VIA.get(collective.via, "pmap, shard_map or vmap")
        self._say_meaning()

    def _say_meaning(self) -> None:
        focused = next((entry for entry in self.entries() if entry.input.has_focus), None)
        words = self._about
        if focused is self._via:
            words = self._about_via
        elif focused is not None and focused.words:
            name = focused.field.removeprefix("options.")
            words = f"{name}: {focused.words}"
        self._meaning.say(words)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        self._say_meaning()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        self._say_meaning()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        for entry in self.entries():
            if entry.input is event.input:
                self.post_message(FieldTyped(entry.input, entry.field))


def _lines(rows: Sequence[OptionRow]) -> list[_Line]:
    """The options with aligned labels, those with short texts two to a line."""
    lines: list[list[OptionRow]] = []
    for row in rows:
        if lines and not row.wide and len(lines[-1]) == 1 and not lines[-1][0].wide:
            lines[-1].append(row)
        else:
            lines.append([row])
    return [_Line([_entry(row) for row in line]) for line in lines]


def _entry(row: OptionRow) -> _Entry:
    label = max(LABEL, len(row.name) + 1)
    return _Entry(f"options.{row.name}", row.text, row.placeholder, row.words, label)


def _place(diagnosis: Diagnosis | None) -> str:
    """Where to find a fault that is outside the form's fields."""
    if diagnosis is None or diagnosis.field.under(COLLECTIVE) is not None or not diagnosis.field:
        return ""
    return f"{'.'.join(diagnosis.field.under(PROGRAM) or diagnosis.field.keys)}: "
