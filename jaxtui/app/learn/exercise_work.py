"""The work on an exercise: its answer is checked in the engine once typing rests."""

from __future__ import annotations

import random

from jaxtui.lessons.book import Lesson
from jaxtui.lessons.exercise import refusal
from jaxtui.lessons.exercise import trials as trials_of
from jaxtui.screen.open_session import OpenSession
from jaxtui.screen.work import AwaitedWork
from jaxtui.session.session import Program, Session
from jaxtui.wire.base import Cancelled, Composition, Failed
from jaxtui.wire.exercises import AnswerChecked, CheckAnswer, Trial
from jaxtui.wire.protocol import AnyEvent

SEEDS = 2  # for each of an exercise's sizes


class ExerciseWork(AwaitedWork):
    """Checks the session as an answer to `lesson`, an exercise; None while there is none."""

    def __init__(self, open_session: OpenSession) -> None:
        super().__init__(open_session)
        self.lesson: Lesson | None = None
        self.answer: AnswerChecked | None = None
        """What the newest check of what is typed found; None while it is not known."""
        self._asked = 0
        self._asked_of: Program | None = None
        self._rested = False  # since what is typed has changed

    @property
    def checking(self) -> bool:
        return bool(self._asked)

    def begin(self, lesson: Lesson | None) -> None:
        self.lesson = lesson if lesson is not None and lesson.exercise is not None else None
        self.answer, self._asked, self._asked_of, self._rested = None, 0, None, False

    def edited(self, now: float) -> None:
        self._rested = False
        if self._asked_of != self.session.program:
            self.answer, self._asked, self._asked_of = None, 0, None

    def rested(self, now: float) -> None:
        self._rested = True

    def restarted(self, now: float, *, ended: bool = False) -> None:
        if self._asked:
            self._asked, self._asked_of = 0, None

    def look(self, now: float) -> None:
        """Check what has come to rest and was not checked."""
        lesson, session = self.lesson, self.session
        waits = not self._rested or self.phase != "ready" or not self.trusted
        if lesson is not None and not waits and self._asked_of != session.program:
            self._check(lesson, session)

    def _check(self, lesson: Lesson, session: Session) -> None:
        assert lesson.exercise is not None
        self._asked_of = session.program
        if session.program == lesson.session.program:
            return  # nothing was answered yet
        if reason := refusal(lesson.exercise, lesson.session, session):
            self.answer = AnswerChecked(right=False, message=reason)
            return
        self._asked = self._next_id()
        trials = self._trials(lesson, session)
        composition = self.open_session.composition
        self._send(CheckAnswer(id=self._asked, composition=composition, trials=trials))

    def _trials(self, lesson: Lesson, session: Session) -> list[Trial]:
        assert lesson.exercise is not None
        seeds = [random.randrange(2**31) for _ in range(SEEDS)]
        folder = self.open_session.folder
        return [
            Trial(
                answer=Composition.of(answer, folder),
                reference=Composition.of(reference, folder),
            )
            for answer, reference in trials_of(lesson.exercise, session, seeds)
        ]

    def on(self, event: AnyEvent, now: float) -> bool:
        if not event.id or event.id != self._asked:
            return False
        match event:
            case AnswerChecked():
                self._asked, self.answer = 0, event
            case Failed():
                self._asked = 0
                self.answer = AnswerChecked(right=False, message=event.diagnosis.message)
            case Cancelled():
                self._asked = 0
            case _:
                pass
        return True
