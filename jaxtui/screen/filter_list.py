"""A list of choices in which typing leaves those that have what is typed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option


class Choice(NamedTuple):
    """A line of the list: what it is, of which kind, its key, and further words to find it by."""

    label: str
    kind: str = ""
    key: str = ""
    words: str = ""


def found(choices: Sequence[Choice], typed: str) -> list[int]:
    """Return which of the choices have all words of `typed`, the nearest first.

    Where none has, those that have all its letters, in their order.
    """
    parts = typed.casefold().split()
    if not parts:
        return list(range(len(choices)))
    ranks = [(_rank(choice, parts), place) for place, choice in enumerate(choices)]
    near = sorted((rank, place) for rank, place in ranks if rank is not None)
    if near:
        return [place for _, place in near]
    letters = re.compile(".*?".join(map(re.escape, "".join(parts))))
    return [place for place, c in enumerate(choices) if letters.search(c.label.casefold())]


def _rank(choice: Choice, parts: Sequence[str]) -> int | None:
    """How far the words `parts` are from what a choice is called; None if one is not in it."""
    label = choice.label.casefold()
    more = f"{choice.kind} {choice.words} {choice.key}".casefold()
    rank = 0
    for part in parts:
        if re.match(rf"{re.escape(part)}\b", label):
            rank += 0
        elif label.startswith(part):
            rank += 1
        elif re.search(rf"\b{re.escape(part)}", label):
            rank += 2
        elif re.search(rf"\b{re.escape(part)}", more):
            rank += 3
        elif part in label:
            rank += 4
        else:
            return None
    return rank


class FilterList(OptionList):
    """Choices, one a line, of which those are left that have what is typed.

    Without `filters`, a letter goes to the next choice that begins with it.
    """

    class Typed(Message):
        """What is typed has changed."""

        def __init__(self, text: str, left: int) -> None:
            super().__init__()
            self.text = text
            self.left = left

    def __init__(self, choices: Sequence[Choice], *, filters: bool, room: int = 0) -> None:
        """`room` is the width of a line with a kind and a key, in cells."""
        self._choices = list(choices)
        self._filters, self._room = filters, room
        self.typed = ""
        self._left = list(range(len(self._choices)))
        super().__init__(*self._offered(), compact=True)

    @staticmethod
    def place_of(option: Option) -> int:
        """The place of an option's choice among all, also once the list has been filtered anew."""
        return int(option.id or 0)

    def _offered(self) -> list[Option]:
        return [Option(self._line(self._choices[n]), id=str(n)) for n in self._left]

    def _line(self, choice: Choice) -> Content:
        label = Content(choice.label)
        for part in self.typed.casefold().split():
            at = choice.label.casefold().find(part)
            if at >= 0:
                label = label.stylize("bold underline", at, at + len(part))
        if not self._room:
            return label
        kind = Content.styled(f"{choice.kind:12}", "$text-muted")
        key = Content.styled(f" {choice.key}", "$focus") if choice.key else Content("")
        wide = max(4, self._room - kind.cell_length - key.cell_length)
        return Content.assemble(kind, label.truncate(wide, ellipsis=True, pad=True), key)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        """Filter by what is typed, before any binding of a letter acts."""
        if event.is_printable and event.character:
            event.stop()
            event.prevent_default()
            if self._filters:
                self._filter(self.typed + event.character)
            else:
                self._jump(event.character)
        elif event.key in ("backspace", "ctrl+u", "ctrl+w") and self.typed:
            event.stop()
            event.prevent_default()
            self._filter(self.typed[:-1] if event.key == "backspace" else "")

    def on_paste(self, event: events.Paste) -> None:
        if self._filters:
            event.stop()
            self._filter(self.typed + " ".join(event.text.split()))

    def _jump(self, letter: str) -> None:
        count = len(self._choices)
        start = 0 if self.highlighted is None else self.highlighted + 1
        for step in range(count):
            at = (start + step) % count
            if self._choices[at].label.strip().casefold().startswith(letter.casefold()):
                self.highlighted = at
                return

    def _filter(self, text: str) -> None:
        if not self.typed:
            self.styles.height = self.outer_size.height  # so that the box stays where it is
        self.typed = text
        self._left = found(self._choices, text)
        self.set_options(self._offered())
        self.highlighted = 0 if self._left else None
        self.post_message(self.Typed(text, len(self._left)))
