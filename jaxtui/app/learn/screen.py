"""The Learn screen: the chapters with their lessons and exercises; enter opens one."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widget import Widget
from textual.widgets import OptionList, Static

from jaxtui import lessons
from jaxtui.app.learn.lesson_list import LessonList
from jaxtui.screen import commands
from jaxtui.screen.base import STYLES, WorkScreen
from jaxtui.screen.dialogs import FilterLine
from jaxtui.screen.prose import prose
from jaxtui.screen.shell import ShownWork
from jaxtui.screen.widths import NARROW
from jaxtui.session.session import Session

LEAST_BESIDE = 60  # columns below which the notes stand under the list
BREAKPOINTS = [(0, "-one-column"), (LEAST_BESIDE, "-narrow"), (NARROW, "-wide")]


class LearnScreen(WorkScreen[ShownWork]):
    """A list of chapters, beside the notes of the highlighted lesson."""

    NAME = "learn"
    CSS_PATH = STYLES
    BINDINGS = commands.bindings("learn")
    HORIZONTAL_BREAKPOINTS = BREAKPOINTS

    def __init__(self) -> None:
        super().__init__()
        self._notes = Static("", markup=False)
        self._line = FilterLine()
        self.listed: LessonList

    def body(self) -> ComposeResult:
        self.listed = LessonList(self.shell.progress)
        self._line.display = False
        with Horizontal(id="learn-screen"):
            with Vertical(id="lessons", classes="pane") as pane:
                pane.border_title = "Lessons"
                yield self._line
                yield self.listed
            with VerticalScroll(id="notes", classes="pane", can_focus=True) as notes:
                notes.border_title = "Notes"
                yield self._notes

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        if self.composed:
            self.listed.follow_progress()
            self.listed.go_to(self.shell.progress.last)

    @property
    def _lesson(self) -> Session | None:
        """The lesson at the cursor."""
        name = self.listed.name_at_cursor
        return lessons.load(name) if name is not None else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if text := self.text_to_copy():
            self._notes.update(prose(text, self.app))
            self.query_one("#notes").scroll_home(animate=False)

    def text_to_copy(self) -> str:
        """The lesson at the cursor as Markdown."""
        session = self._lesson
        if session is None:
            return ""
        code = f"```python\n{session.program.source.strip()}\n```"
        return f"# {session.title}\n\n{session.notes}\n\n{code}"

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_id is not None:
            self._open(event.option_id)

    def action_open_lesson(self) -> None:
        if (name := self.listed.name_at_cursor) is not None:
            self._open(name)

    def _open(self, name: str) -> None:
        """Open a lesson; whoever comes back finds all of them listed."""
        if self.listed.filtering:
            self.listed.end_filter()
        self.shell.open_lesson(name)

    # ------------------------------------------------------------------------------- the filter

    def action_filter(self) -> None:
        self._line.display = True
        self.listed.focus()
        self.listed.filter()

    def on_lesson_list_typed(self, event: LessonList.Typed) -> None:
        self._line.show(event.text, event.left)
        self._line.display = self.listed.filtering
        self.show_keys()

    def leave_field(self) -> None:
        if self.listed.filtering:
            self.listed.end_filter()
        else:
            super().leave_field()

    def keys(self, focused: Widget | None) -> tuple[tuple[str, str], ...]:
        hints = super().keys(focused)
        if focused is not self.listed or not self.listed.filtering:
            return hints
        always = [pair for pair in hints if pair[1] in ("palette", "help")]
        return (("enter", "open"), ("esc", "all lessons"), *always)
