"""Every exercise: its solution is right, what is listed as wrong is not, and nor is the start."""

from __future__ import annotations

from typing import Any

import pytest

from jaxtui import lessons
from jaxtui.lessons import book
from jaxtui.lessons.book import Lesson
from jaxtui.lessons.exercise import answered, refusal, trials
from jaxtui.program.engine import answers
from jaxtui.session.session import Session, dumps, loads
from jaxtui.wire.base import Composition
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.exercises import AnswerChecked, CheckAnswer, Trial
from tests.support.asking import Asker

SEEDS = [3, 5]
SOON = {"ex-lengths", "ex-one-vector"}  # the others take seconds together


def cases() -> list[Any]:
    return [
        pytest.param(name, marks=() if name in SOON else (pytest.mark.long,))
        for name in lessons.EXERCISES
    ]


def checked(lesson: Lesson, answer: Session) -> AnswerChecked:
    assert lesson.exercise is not None
    if reason := refusal(lesson.exercise, lesson.session, answer):
        return AnswerChecked(right=False, message=reason)
    found = [
        Trial(answer=Composition.of(one, ""), reference=Composition.of(other, ""))
        for one, other in trials(lesson.exercise, answer, SEEDS)
    ]
    return answers.check(found, lambda stage: None, lambda: False)


def test_there_are_enough_exercises_and_each_chapter_has_some() -> None:
    assert len(lessons.EXERCISES) >= 24
    assert all(chapter.exercises for chapter in lessons.CHAPTERS)


@pytest.mark.parametrize("name", cases())
def test_the_solution_is_right_and_the_others_are_not(name: str) -> None:
    lesson = book.lesson(name)
    exercise = lesson.exercise
    assert exercise is not None
    found = checked(lesson, answered(lesson.session, exercise.solution))
    assert (found.right, found.message) == (True, "")
    start = checked(lesson, lesson.session)
    assert not start.right
    assert start.message
    assert len(exercise.wrong) >= 2
    for wrong in exercise.wrong:
        told = checked(lesson, answered(lesson.session, wrong))
        assert not told.right, wrong
        assert told.message


@pytest.mark.parametrize("name", lessons.EXERCISES)
def test_an_exercise_is_a_session_that_hides_its_reference(name: str) -> None:
    session, exercise = lessons.load(name), book.lesson(name).exercise
    assert exercise is not None
    assert session.title
    assert session.notes.strip()
    assert loads(dumps(session)) == session
    assert exercise.hints
    assert "[exercise]" not in lessons.text(name)
    names = {argument.name for argument in session.program.arguments}
    assert exercise.arguments.keys() <= names


def test_a_wrong_answer_is_told_with_the_first_case_that_shows_it() -> None:
    lesson = book.lesson("ex-one-vector")
    source = "def softmax(v):\n    return v / v.sum()\n"
    found = checked(lesson, answered(lesson.session, {"program.source": source}))
    assert found.message == "other values"
    assert found.arguments == "rows = 100 * normal(3, 5, seed=3)"  # which can be typed
    assert found.given.count("[") == found.wanted.count("[") == 4


@pytest.mark.parametrize(
    ("name", "changed", "told"),
    [
        ("ex-lengths", "program.source", "the function"),
        ("ex-mean", "program.layers", "the layers"),
        ("ex-explicit", "program.arguments.1.sharding", "the sharding of w"),
    ],
)
def test_what_an_answer_has_to_leave_is_named_as_a_reader_knows_it(
    name: str, changed: str, told: str
) -> None:
    lesson = book.lesson(name)
    text = "[]" if changed == "program.layers" else "def f(x, w): return x"
    found = checked(lesson, answered(lesson.session, {changed: text}))
    assert found.message == f"leave {told} as before: Z brings that back"


def test_an_answer_that_fails_is_told_by_its_error() -> None:
    lesson = book.lesson("ex-lengths")
    layers = {"program.layers": '[{"transform": "vmap", "in_axes": "3"}]'}
    found = checked(lesson, answered(lesson.session, layers))
    assert found.message.startswith("program.layers.0.in_axes: ")


@pytest.mark.long
def test_the_engine_checks_an_answer(engine: Asker) -> None:
    lesson = book.lesson("ex-lengths")
    assert lesson.exercise is not None
    assert asked(engine, lesson, lesson.exercise.solution).right


@pytest.mark.long
@pytest.mark.timeout(240)
def test_an_answer_that_lies_in_two_processes_is_checked_as_a_whole() -> None:
    lesson = book.lesson("ex-softmax")  # a number on each of eight devices
    assert lesson.exercise is not None
    engine = Asker(EngineSettings(platform="cpu", count=8, processes=2))
    try:
        assert asked(engine, lesson, lesson.exercise.solution).right
        wrong = asked(engine, lesson, lesson.exercise.wrong[1])
        assert (wrong.right, wrong.message) == (False, "other values")
        assert wrong.given.count(".") == 8
    finally:
        engine.client.close()


def asked(engine: Asker, lesson: Lesson, fields: dict[str, str]) -> AnswerChecked:
    """What an engine says of the answer with these fields."""
    assert lesson.exercise is not None
    answer = answered(lesson.session, fields)
    found = [
        Trial(answer=Composition.of(one, ""), reference=Composition.of(other, ""))
        for one, other in trials(lesson.exercise, answer, SEEDS)
    ]
    id = engine.next_id()
    engine.client.send(CheckAnswer(id=id, composition=Composition.of(answer, ""), trials=found))
    return engine.heard.next(AnswerChecked)
