"""The Learn screen: the lessons in order, each with its notes; enter opens one in Map."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from jaxtui import lessons
from jaxtui.screen import commands
from jaxtui.screen.base import NARROW, STYLES, WorkScreen
from jaxtui.screen.shell import ShownWork

if TYPE_CHECKING:
    from jaxtui.session.session import Session

LEAST_BESIDE = 60  # columns below which the notes stand under the list
BREAKPOINTS = [(0, "-one-column"), (LEAST_BESIDE, "-narrow"), (NARROW, "-wide")]


class LearnScreen(WorkScreen[ShownWork]):
    """A list of lessons, beside the notes of the highlighted one."""

    NAME = "learn"
    CSS_PATH = STYLES
    BINDINGS = commands.bindings("learn")
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS

    def __init__(self) -> None:
        super().__init__()
        self._lessons: dict[str, Session] = {name: lessons.load(name) for name in lessons.NAMES}
        self._notes = Static("", markup=False)

    def body(self) -> ComposeResult:
        with Horizontal(id="learn-screen"):
            options = [
                Option(Content(f"{number:2} {session.title}"), id=name)
                for number, (name, session) in enumerate(self._lessons.items(), 1)
            ]
            listed = OptionList(*options, id="lessons", classes="pane", compact=True)
            listed.border_title = "Lessons"
            yield listed
            with VerticalScroll(id="notes", classes="pane", can_focus=True) as notes:
                notes.border_title = "Notes"
                yield self._notes

    def on_mount(self) -> None:
        super().on_mount()
        listed = self.query_one(OptionList)
        listed.highlighted = 0
        listed.focus()

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        from rich.markdown import Markdown

        session = self._lessons[lessons.NAMES[event.option_index]]
        code = f"```python\n{session.program.source.strip()}\n```"
        source = f"# {session.title}\n\n{session.notes}\n\n{code}"
        self._notes.update(Markdown(source, code_theme="ansi_dark", hyperlinks=False))
        self.query_one("#notes").scroll_home(animate=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self._open(event.option_index)

    def action_open_lesson(self) -> None:
        index = self.query_one(OptionList).highlighted
        if index is not None:
            self._open(index)

    def _open(self, index: int) -> None:
        name = lessons.NAMES[index]

        def go_on() -> None:
            self.explorer.open(lessons.load(name))
            self.shell.show_session()

        self.explorer.files.unless_changed(go_on)
