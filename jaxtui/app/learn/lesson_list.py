"""The list of lessons and exercises by chapter, of which a filter leaves those that have a text."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from jaxtui import lessons
from jaxtui.lessons import book
from jaxtui.lessons.progress import Progress
from jaxtui.screen.filter_list import Choice, found


class LessonList(OptionList):
    """The chapters as headings, each above its lessons and exercises; an option's id is a name."""

    place_name = "Lessons"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "screen.open_lesson", "Open the lesson", show=False)
    ]

    class Typed(Message):
        """What is typed has changed, or is no filter any more."""

        def __init__(self, text: str, left: int) -> None:
            super().__init__()
            self.text, self.left = text, left

    def __init__(self, progress: Progress) -> None:
        super().__init__(compact=True)
        self._progress = progress
        self._prompts: dict[str, Content] = {}  # of the lessons in the list
        self.filtering = False
        self._typed = ""

    def on_mount(self) -> None:
        self._fill()
        last = self._progress.last
        self.go_to(last if last in self._prompts else book.ORDER[0])
        self.focus()

    @property
    def name_at_cursor(self) -> str | None:
        """The name of the lesson or exercise at the cursor."""
        at = self.highlighted
        return self.get_option_at_index(at).id if at is not None else None

    def go_to(self, name: str) -> None:
        """Put the cursor on a lesson, if it is in the list."""
        if name in self._prompts:
            self.highlighted = self.get_option_index(name)

    def follow_progress(self) -> None:
        """Mark anew what was done."""
        for name, before in self._prompts.items():
            now = _prompt(name, self._progress)
            if now.plain != before.plain:
                self._prompts[name] = now
                self.replace_option_prompt(name, now)

    def _fill(self) -> None:
        """List what has the text of the filter, in the order of the book."""
        choices = [
            Choice(book.title(name), words=f"{name} {chapter.title}")
            for chapter in lessons.CHAPTERS
            for name in (*chapter.lessons, *chapter.exercises)
        ]
        left = {book.ORDER[at] for at in found(choices, self._typed)}
        offered, self._prompts = [], {}
        for number, chapter in enumerate(lessons.CHAPTERS, 1):
            names = [name for name in (*chapter.lessons, *chapter.exercises) if name in left]
            if names:
                title = Content.styled(f"{number} {chapter.title}", "$text-muted")
                offered.append(Option(title, disabled=True))
            for name in names:
                self._prompts[name] = _prompt(name, self._progress)
                offered.append(Option(self._prompts[name], id=name))
        self.set_options(offered)

    # ------------------------------------------------------------------------------- the filter

    def filter(self) -> None:
        """Take what is typed from now on as a filter."""
        self.filtering = True
        self._filter("")

    def end_filter(self) -> None:
        """List everything again, with the cursor where it is."""
        at = self.name_at_cursor
        self.filtering = False
        self._filter("")
        if at is not None:
            self.go_to(at)

    def _filter(self, text: str) -> None:
        at = self.name_at_cursor
        self._typed = text
        self._fill()
        # What is typed may be a title, while other lessons have its words elsewhere.
        named = (n for n in self._prompts if text.casefold() in book.title(n).casefold())
        first = next(named, next(iter(self._prompts), None))
        if first is not None:
            self.go_to(at if at is not None and not text else first)
        self.post_message(self.Typed(text, len(self._prompts)))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        return self.filtering and character is not None and character.isprintable()

    def on_key(self, event: events.Key) -> None:
        if not self.filtering:
            return
        if event.is_printable and event.character:
            self._filter(self._typed + event.character)
        elif event.key == "backspace" and self._typed:
            self._filter(self._typed[:-1])
        else:
            return
        event.stop()
        event.prevent_default()


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
