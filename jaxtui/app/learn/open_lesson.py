"""The lesson that is open: its text beside the screens, its steps, and what was done of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from textual.screen import Screen

from jaxtui.app.learn.pane import LessonPane
from jaxtui.app.learn.text import Shown
from jaxtui.lessons import book
from jaxtui.lessons.book import Lesson
from jaxtui.lessons.progress import Progress
from jaxtui.lessons.steps import Seen, done
from jaxtui.screen.base import WorkScreen
from jaxtui.session.field_path import PROGRAM
from jaxtui.session.session import Session
from jaxtui.text.dtypes import short_dtype
from jaxtui.wire.report import FlowLeaf

if TYPE_CHECKING:
    from jaxtui.app.files import Files
    from jaxtui.app.learn.exercise_work import ExerciseWork
    from jaxtui.app.shell_app import ShellApp
    from jaxtui.benchmark.screen.work import BenchmarkWork
    from jaxtui.program.screen.work import ProgramWork

DISCUSSED = "when-faster"
BESIDE = ("map", "sharding", "collectives", "benchmark", "devices")  # screens that have the text


class LessonExplorer(Protocol):
    """The explorer that lessons are opened in."""

    files: Files

    @property
    def work(self) -> ProgramWork: ...

    @property
    def exercise(self) -> ExerciseWork: ...

    @property
    def benchmark(self) -> BenchmarkWork: ...

    @property
    def now(self) -> Callable[[], float]: ...

    def open(self, session: Session) -> None: ...

    def put(self, session: Session) -> None: ...

    def show_work(self) -> None: ...


class OpenLesson:
    """Opens lessons of the book, and keeps their text on the screens while one is open."""

    def __init__(self, app: ShellApp, explorer: LessonExplorer, progress: Progress) -> None:
        self._app, self._explorer, self.progress = app, explorer, progress
        self.lesson: Lesson | None = None
        self._changed: dict[str, Session] = {}  # lessons as they were left
        self._errors: set[str] = set()  # fields that an error stood at since it was opened
        self._seen_last: Seen | None = None  # what the steps were held against last
        self._hints = 0  # that were asked for
        self._panes: dict[Screen[Any], LessonPane] = {}

    # ------------------------------------------------------------------------- what is open

    def open(self, name: str) -> None:
        """Open a lesson or an exercise, unless the user would rather keep unsaved changes."""

        def go_on() -> None:
            self._leave()
            lesson = book.lesson(name)
            self._explorer.open(self._changed.get(name, lesson.session))
            self._explorer.files.asks = False
            self._begin(lesson)
            self._app.show_screen(lesson.screen)
            self._explorer.show_work()
            self._app.call_after_refresh(self._read)

        self._explorer.files.unless_changed(go_on)

    def _begin(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self._errors, self._hints, self._seen_last = set(), 0, None
        self._explorer.exercise.begin(lesson)
        self.progress.open(lesson.name)

    def _read(self) -> None:
        """Turn to the text, whose keys scroll it."""
        pane = self._panes.get(self._app.screen) if self._app.screen_stack else None
        if pane is not None:
            pane.turn(reading=True)

    def _leave(self) -> None:
        """Keep what was made of the lesson for when it is opened again."""
        lesson, session = self.lesson, self._explorer.work.session
        if lesson is not None:
            self._changed[lesson.name] = session

    def close(self) -> None:
        """End the lesson; what is composed is as any other session from now on."""
        if self.lesson is None:
            return
        self._leave()
        self.lesson = None
        self._explorer.exercise.begin(None)
        for screen, pane in self._panes.items():
            pane.leave(screen)
        self._panes.clear()

    def step(self, by: int) -> None:
        """Open the lesson that is `by` places further."""
        if self.lesson is None:
            return
        place = book.ORDER.index(self.lesson.name) + by
        if 0 <= place < len(book.ORDER):
            self.open(book.ORDER[place])
        else:
            self._app.say("this is the last one" if by > 0 else "this is the first one")

    def reset(self) -> None:
        """Put the lesson back as it was, which undo takes back."""
        if self.lesson is not None:
            self._changed.pop(self.lesson.name, None)
            self._explorer.put(self.lesson.session)
            self._app.say("the lesson is as it was; u takes that back")

    def hint(self) -> None:
        exercise = self.lesson.exercise if self.lesson is not None else None
        if exercise is None:
            self._app.say("only exercises have hints")
        elif self._hints > len(exercise.hints):
            self._app.say("there is no further hint")
        else:
            self._hints += 1
            self._explorer.show_work()

    def turn(self) -> None:
        """Show or hide the text, or turn to it where it has the whole screen."""
        pane = self._panes.get(self._app.screen)
        if pane is not None:
            pane.turn(reading=not pane.reading)

    @property
    def addresses(self) -> str:
        """The addresses in the text, if it has the focus; one on a line."""
        focused = self._app.focused
        return focused.addresses if isinstance(focused, LessonPane) else ""

    # ------------------------------------------------------------------------- what is shown

    def follow(self, now: float) -> None:
        """Tick what is done, and bring the text on the screens up to date."""
        if self.lesson is None or not self._app.screen_stack:  # it has none while it closes
            return
        work = self._explorer.work
        seen = self._seen(work)
        if seen.error:
            self._errors.add(seen.error)
        if seen != self._seen_last:  # else nothing new can be done
            self._seen_last = seen
            self._tick(self.lesson, seen)
        exercise = self._explorer.exercise
        if exercise.answer is not None and exercise.answer.right:
            self.progress.solve(self.lesson.name)
        for screen in self._app.screen_stack:
            if isinstance(screen, WorkScreen) and screen.composed and screen.NAME in BESIDE:
                self._show(screen)
        if self.progress.trouble:
            self._app.say(self.progress.trouble)
            self.progress.trouble = ""

    def _tick(self, lesson: Lesson, seen: Seen) -> None:
        ticked = self.progress.steps(lesson.name)
        steps = enumerate(step for _, step in lesson.steps)
        now = {i for i, step in steps if i not in ticked and done(step, seen)}
        self.progress.did(lesson.name, now)

    def _show(self, screen: WorkScreen[Any]) -> None:
        assert self.lesson is not None
        pane = self._panes.get(screen)
        if pane is None:
            pane = self._panes[screen] = LessonPane()
            pane.enter(screen)
        pane.follow_size(screen)
        exercise, name = self._explorer.exercise, self.lesson.name
        pane.show(
            Shown(
                lesson=self.lesson,
                ticked=self.progress.steps(name),
                solved=self.progress.solved(name),
                checking=exercise.checking,
                answer=exercise.answer,
                hints=self._hints,
                discussion=self._discussion(self.lesson),
            )
        )

    def _discussion(self, lesson: Lesson) -> list[str]:
        """What the user's own figures say, for the lesson that asks for them."""
        if lesson.name != DISCUSSED:
            return []
        from jaxtui.app.learn.discussion import discussed

        return discussed(self._explorer.benchmark)

    def _timed(self) -> bool:
        """Whether a benchmark has run, if the lesson asks for one."""
        if self.lesson is None or not any(step.timed for _, step in self.lesson.steps):
            return False
        work = self._explorer.benchmark
        return work.report is not None and not work.words()

    def _seen(self, work: ProgramWork) -> Seen:
        diagnosis, flow = work.diagnosis, work.flow
        known = diagnosis is None and (work.traced_of == work.asked or work.ran_of == work.asked)
        known = known and flow is not None and not work.flow_stale(self._explorer.now())
        outputs = inside = None
        if known and flow is not None and flow.levels:
            outputs, inside = flow.levels[0].outputs, flow.levels[-1].inputs
        return Seen(
            session=work.session,
            screen=getattr(self._app.screen, "NAME", ""),
            outputs=None if outputs is None else [leaf_text(leaf) for leaf in outputs],
            inside=tuple(leaf_text(leaf) for leaf in inside or []),
            error=str(diagnosis.field) or str(PROGRAM) if diagnosis is not None else "",
            errors=frozenset(self._errors),
            timed=self._timed(),
        )


def leaf_text(leaf: FlowLeaf) -> str:
    """`f32[2,3]`."""
    return f"{short_dtype(leaf.dtype)}[{','.join(map(str, leaf.shape))}]"
