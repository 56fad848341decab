"""What stands in the text of a lesson beside its prose."""

from __future__ import annotations

import pytest

from jaxtui import lessons
from jaxtui.app.learn.text import ADDRESS, Shown, exercise_text, heading, next_words
from jaxtui.lessons import book
from jaxtui.wire.exercises import AnswerChecked


def shown(name: str, hints: int = 0, answer: AnswerChecked | None = None) -> Shown:
    return Shown(
        lesson=book.lesson(name),
        ticked=frozenset(),
        solved=False,
        checking=False,
        answer=answer,
        hints=hints,
        discussion=[],
    )


@pytest.mark.parametrize("name", lessons.EXERCISES)
def test_every_solution_can_be_shown_after_all_hints(name: str) -> None:
    exercise = book.lesson(name).exercise
    assert exercise is not None
    _, hints = exercise_text(shown(name, hints=len(exercise.hints) + 1))
    solution = hints.partition("A solution:\n")[2]
    assert solution
    for field, text in exercise.solution.items():
        if field == "program.source":
            assert text.strip() in solution


def test_layers_of_a_solution_stand_as_in_the_list_of_layers_the_outermost_first() -> None:
    _, hints = exercise_text(shown("ex-outer", hints=3))
    assert hints.endswith("vmap in_axes (0, None)\nvmap in_axes (None, 0)")


def test_a_wrong_answer_is_shown_with_its_case_and_a_right_one_ends_the_hints() -> None:
    wrong = AnswerChecked(
        right=False, message="other values", arguments="x = 1", given="[2]", wanted="[3]"
    )
    state, hints = exercise_text(shown("ex-outer", answer=wrong))
    assert "not yet: other values\nfor\nx = 1\nit gives\n[2]\nand should give\n[3]" in state
    assert hints == "H: a hint (2 left)"
    state, hints = exercise_text(shown("ex-outer", answer=AnswerChecked(right=True)))
    assert state.startswith("✓ right")
    assert hints == ""


def test_headings_and_the_foot_say_where_one_is() -> None:
    assert heading("one-value") == "1 Batching · 1 of 6"
    assert next_words("one-value") == f"n: {book.title('loop')}"
    assert next_words(book.ORDER[-1]) == "This is the last page."


def test_addresses_end_where_they_end() -> None:
    text = "See (https://docs.jax.dev/a.html), https://docs.jax.dev/b/c.html."
    assert ADDRESS.findall(text) == ["https://docs.jax.dev/a.html", "https://docs.jax.dev/b/c.html"]
