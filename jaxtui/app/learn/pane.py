"""The text of a lesson beside the screen that it is about, or instead of it if that is narrow."""

from __future__ import annotations

from typing import Any

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.geometry import Size
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Static

from jaxtui.app.learn.text import (
    ADDRESS,
    Shown,
    exercise_text,
    heading,
    next_words,
    steps_text,
)
from jaxtui.program.screen.results_side import ResultsSide
from jaxtui.screen.base import BREAKPOINTS
from jaxtui.screen.header import HeaderLine, KeyLine
from jaxtui.screen.prose import prose
from jaxtui.screen.titles import set_title
from jaxtui.screen.widths import NARROW, WIDEST

WIDTH, WIDE = 46, 62  # of the text, in cells
BESIDE = 110  # columns from which text and program stand side by side
ROOMY = 170  # columns from which the text takes WIDE
STACKED = 34  # rows from which composing and results both fit under each other


class LessonPane(VerticalScroll):
    """Shows a lesson. On the screen it sets `-lesson`, `-beside` and `-reading`."""

    DEFAULT_CSS = """
    LessonPane { dock: left; margin: 1 0; width: 46; height: 1fr; padding: 0 1; }
    LessonPane.-roomy { width: 62; }
    LessonPane > Static { height: auto; }
    LessonPane > #lesson-head { text-style: bold; margin: 0 0 1 0; }
    LessonPane > #lesson-steps, LessonPane > #lesson-exercise,
    LessonPane > #lesson-discussion, LessonPane > #lesson-hints { margin: 1 0 0 0; }
    LessonPane > #lesson-foot { margin: 1 0; color: $text-muted; }
    LessonPane > .-empty { display: none; }
    LessonPane.-whole { width: 100%; }
    """

    place_name = "Lesson"

    def __init__(self) -> None:
        super().__init__(classes="pane", can_focus=True)
        self._parts = {
            name: Static("", markup=False, id=f"lesson-{name}")
            for name in ("head", "prose", "steps", "exercise", "hints", "discussion", "foot")
        }
        self._shown: Shown | None = None
        self._fitted = Size(0, 0)  # the size of the screen that it is fitted to
        self.reading = True

    def compose(self) -> ComposeResult:
        yield from self._parts.values()

    @property
    def addresses(self) -> str:
        prose = self._shown.lesson.prose if self._shown is not None else ""
        return "\n".join(dict.fromkeys(ADDRESS.findall(prose)))

    # ------------------------------------------------------------------------------- its place

    def enter(self, screen: Screen[Any]) -> None:
        """Stand beside what a screen shows; where there is no room for both, wait to be asked."""
        screen.add_class("-lesson")
        self.reading = screen.size.width >= BESIDE
        screen.mount(self)
        self.fit(screen)

    def leave(self, screen: Screen[Any]) -> None:
        screen.remove_class("-lesson", "-beside", "-reading", "-stacked")
        for part in self._body(screen):
            part.remove_class("-behind-text")
        self.remove()
        screen.HORIZONTAL_BREAKPOINTS = type(screen).HORIZONTAL_BREAKPOINTS
        _narrow(screen, screen.size.width < NARROW)
        if isinstance(screen, ResultsSide):
            screen.set_class(screen.size.width >= WIDEST, "-widest")

    def turn(self, *, reading: bool) -> None:
        self.reading = reading
        if self.is_attached:
            self.fit(self.screen)
            if reading:
                self.focus(scroll_visible=False)
            elif self.has_focus:
                self.screen.set_focus(None)

    def fit(self, screen: Screen[Any]) -> None:
        """Fit the screen's layout to what the text leaves it."""
        width, height = self._fitted = screen.size
        beside, roomy = width >= BESIDE, width >= ROOMY
        taken = (WIDE if roomy else WIDTH) if beside and self.reading else 0
        self.set_class(roomy, "-roomy")
        self.set_class(not beside, "-whole")
        self.display = self.reading
        self.styles.height = max(1, height - 2)  # the header and the key line
        screen.set_class(beside, "-beside")
        screen.set_class(self.reading, "-reading")
        screen.HORIZONTAL_BREAKPOINTS = [
            BREAKPOINTS[0],
            (NARROW + taken, "-wide"),
        ]
        for part in self._body(screen):
            part.set_class(self.reading and not beside, "-behind-text")
        narrow = width < NARROW + taken
        _narrow(screen, narrow)
        screen.set_class(narrow and beside and height >= STACKED, "-stacked")
        if isinstance(screen, ResultsSide):
            screen.set_class(width - taken >= WIDEST, "-widest")

    def _body(self, screen: Screen[Any]) -> list[Widget]:
        """What the screen has between its header and its key line."""
        others = [w for w in screen.children if not isinstance(w, HeaderLine | KeyLine)]
        # Textual's own are shown as it likes.
        return [w for w in others if w is not self and not w.has_class("-textual-system")]

    def follow_size(self, screen: Screen[Any]) -> None:
        """Fit the layout to the screen if its size has changed."""
        if screen.size != self._fitted:
            self.fit(screen)

    # ------------------------------------------------------------------------------- its text

    def show(self, shown: Shown) -> None:
        if shown == self._shown:
            return
        before, self._shown = self._shown, shown
        lesson = shown.lesson
        if before is None or before.lesson.name != lesson.name:
            set_title(self, heading(lesson.name))
            self._put("head", Content(lesson.session.title))
            self._parts["prose"].update(prose(lesson.prose, self.app))
            self._put("foot", Content(next_words(lesson.name)))
            self.scroll_home(animate=False)
        state, hints = exercise_text(shown)
        steps = steps_text(shown)
        self._parts["steps"].set_class(not steps, "-empty")
        self._parts["steps"].update(steps)
        self._put("exercise", Content(state))
        self._put("hints", Content(hints))
        self._put("discussion", Content("\n\n".join(shown.discussion)))

    def _put(self, name: str, text: Content) -> None:
        part = self._parts[name]
        part.set_class(not text.plain, "-empty")
        part.update(text)


def _narrow(screen: Screen[Any], narrow: bool) -> None:
    screen.set_class(narrow, "-narrow")
    screen.set_class(not narrow, "-wide")
