"""The name of an argument in its row, which unfolds the argument if that is a tree."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType
from textual.message import Message

from jaxtui.program.screen.table_rows import MARK
from jaxtui.screen import commands
from jaxtui.screen.field import FixedText
from jaxtui.text.signs import FOLDED, UNFOLDED


class ArgumentName(FixedText):
    """A name; one that unfolds has a fold sign and takes the focus."""

    DEFAULT_CSS = """
    ArgumentName:focus { background: $boost; text-style: bold; color: $focus; }
    """
    place_name = ""
    SCOPE: ClassVar[str] = "argument"  # of the commands that work here
    BINDINGS: ClassVar[list[BindingType]] = commands.bindings("argument")

    class Turned(Message):
        """The argument is to be unfolded, or folded."""

    def show(self, name: str, unfolds: bool, unfolded: bool, marks: bool) -> None:
        """Show the name, behind its fold sign if it `unfolds`; with `marks` other names have."""
        sign = UNFOLDED if unfolded else FOLDED
        mark = f"{sign} " if unfolds else " " * MARK if marks else ""
        self.can_focus = unfolds
        self.say(mark + name)

    def action_turn(self) -> None:
        self.post_message(self.Turned())

    def on_click(self) -> None:
        if self.can_focus:
            self.action_turn()
