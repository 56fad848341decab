"""The text of a lesson as it is shown: prose, steps with their ticks, an exercise's state."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec
from rich.table import Table
from rich.text import Text

from jaxtui import lessons
from jaxtui.lessons import book
from jaxtui.lessons.book import Lesson
from jaxtui.lessons.exercise import Exercise
from jaxtui.lessons.steps import LAYERS, SOURCE
from jaxtui.wire.exercises import AnswerChecked

ADDRESS = re.compile(r"https?://[^\s)>\]]+[^\s)>\].,;:]")


class Shown(NamedTuple):
    """What of a lesson is shown: the steps that are done, an exercise's answer and hints."""

    lesson: Lesson
    ticked: frozenset[int]
    solved: bool
    checking: bool
    answer: AnswerChecked | None
    hints: int
    discussion: list[str]


def heading(name: str) -> str:
    """`2 Axes in and out · 3 of 10`."""
    index = lessons.chapter_of(name)
    chapter = lessons.CHAPTERS[index]
    names = (*chapter.lessons, *chapter.exercises)
    return f"{index + 1} {chapter.title} · {names.index(name) + 1} of {len(names)}"


def next_words(name: str) -> str:
    """What comes after a lesson, as the foot of its text says it."""
    place = book.ORDER.index(name) + 1
    if place == len(book.ORDER):
        return "This is the last page."
    return f"n: {book.title(book.ORDER[place])}"


def steps_text(shown: Shown) -> Table | str:
    """The steps, each with a tick once it is done; "" if there are none."""
    if not shown.lesson.steps:
        return ""
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    first = next((i for i in range(len(shown.lesson.steps)) if i not in shown.ticked), None)
    for index, (text, _) in enumerate(shown.lesson.steps):
        sign = "✓" if index in shown.ticked else "○"
        table.add_row(Text(sign, style="bold" if index == first else ""), _coded(text))
    return table


def _coded(text: str) -> Text:
    """A text of Markdown on one line: code and what is emphasized stand out."""
    found = Text()
    for number, part in enumerate(text.split("`")):
        if number % 2:
            found.append(part, style="bold cyan")
        else:
            found.append(part.replace("**", "").replace("*", ""))
    return found


def exercise_text(shown: Shown) -> tuple[str, str]:
    """Where an exercise stands, and its hints so far; each "" if there is none."""
    exercise, answer = shown.lesson.exercise, shown.answer
    if exercise is None:
        return "", ""
    if shown.checking:
        state = "checking on other values …"
    elif answer is None:
        state = "✓ solved before" if shown.solved else "○ not answered yet"
    elif answer.right:
        state = "✓ right, on other values and shapes too"
    else:
        parts = [f"✗ not yet: {answer.message}"]
        if answer.arguments:
            parts.append(f"for\n{answer.arguments}")
        if answer.wanted:
            parts.append(f"it gives\n{answer.given}\nand should give\n{answer.wanted}")
        state = "\n".join(parts)
    hints = [f"Hint {n}: {hint}" for n, hint in enumerate(exercise.hints[: shown.hints], 1)]
    left = len(exercise.hints) - shown.hints
    right = answer is not None and answer.right
    if left > 0 and not right:
        hints.append(f"H: a hint ({left} left)")
    elif left == 0 and not right:
        hints.append("H: a solution")
    elif left < 0:
        hints.append(f"A solution:\n{_solution(exercise)}")
    return state, "\n".join(hints)


def _solution(exercise: Exercise) -> str:
    """The fields of a solution, as a reader would type them."""
    parts = []
    for field, text in exercise.solution.items():
        if field == LAYERS:
            given = msgspec.convert(msgspec.json.decode(text), list[dict[str, str]])
            # As in the list of layers, the outermost comes first.
            parts += [
                " ".join([one.pop("transform"), *map(_setting, one.items())])
                for one in reversed(given)
            ]
        elif field == SOURCE:
            parts.append(text.strip("\n"))
        else:
            parts.append(f"{field.removeprefix('program.')} = {text}")
    return "\n".join(parts)


def _setting(item: tuple[str, str]) -> str:
    return f"{item[0]} {item[1]}"
