"""The Learn screen: the chapters with their lessons and exercises; enter opens one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from jaxtui import lessons
from jaxtui.lessons import book
from jaxtui.screen import commands
from jaxtui.screen.base import STYLES, WorkScreen
from jaxtui.screen.shell import ShownWork
from jaxtui.screen.widths import NARROW

if TYPE_CHECKING:
    from jaxtui.lessons.progress import Progress

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
        self._listed = OptionList(id="lessons", classes="pane", compact=True)
        self._prompts: dict[str, Content] = {}

    def body(self) -> ComposeResult:
        with Horizontal(id="learn-screen"):
            self._listed.border_title = "Lessons"
            yield self._listed
            with VerticalScroll(id="notes", classes="pane", can_focus=True) as notes:
                notes.border_title = "Notes"
                yield self._notes

    def on_mount(self) -> None:
        progress = self._progress
        for number, chapter in enumerate(lessons.CHAPTERS, 1):
            title = Content.styled(f"{number} {chapter.title}", "$text-muted")
            self._listed.add_option(Option(title, disabled=True))
            for name in (*chapter.lessons, *chapter.exercises):
                self._prompts[name] = _prompt(name, progress)
                self._listed.add_option(Option(self._prompts[name], id=name))
        super().on_mount()
        first = progress.last if progress.last in book.ORDER else book.ORDER[0]
        self._listed.highlighted = self._listed.get_option_index(first)
        self._listed.focus()

    @property
    def _progress(self) -> Progress:
        return self.shell.progress

    def on_screen_resume(self) -> None:
        super().on_screen_resume()
        progress = self._progress
        for name, before in self._prompts.items():
            now = _prompt(name, progress)
            if now.plain != before.plain:
                self._prompts[name] = now
                self._listed.replace_option_prompt(name, now)
        if progress.last in self._prompts:
            self._listed.highlighted = self._listed.get_option_index(progress.last)

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        from rich.markdown import Markdown

        if event.option_id is None:
            return
        session = lessons.load(event.option_id)
        code = f"```python\n{session.program.source.strip()}\n```"
        source = f"# {session.title}\n\n{session.notes}\n\n{code}"
        self._notes.update(Markdown(source, code_theme="ansi_dark", hyperlinks=False))
        self.query_one("#notes").scroll_home(animate=False)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        if event.option_id is not None:
            self.shell.open_lesson(event.option_id)

    def action_open_lesson(self) -> None:
        index = self._listed.highlighted
        name = self._listed.get_option_at_index(index).id if index is not None else None
        if name is not None:
            self.shell.open_lesson(name)


def _prompt(name: str, progress: Progress) -> Content:
    """A line of the list: whether it is done, and the title."""
    if name in lessons.EXERCISES:
        mark, title = "✓" if progress.solved(name) else "○", f"Exercise: {book.title(name)}"
    else:
        mark, title = _mark(name, progress), book.title(name)
    return Content(f"  {mark} {title}")


def _mark(name: str, progress: Progress) -> str:
    """✓ for a lesson all of whose steps were done, or that was read and has none."""
    steps = len(book.lesson(name).steps)
    if not progress.read(name):
        return "○"
    return "✓" if len(progress.steps(name)) >= steps else "·"
