"""A lesson or an exercise with all that its file has: its text, its steps, its answer's check."""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple

import msgspec

from jaxtui import bounded, lessons
from jaxtui.lessons.exercise import Exercise
from jaxtui.lessons.steps import Step
from jaxtui.session.collective_program import runs_program
from jaxtui.session.session import Session

# In reading order: each chapter's lessons, then its exercises.
ORDER = tuple(
    name for chapter in lessons.CHAPTERS for name in (*chapter.lessons, *chapter.exercises)
)
_TRY = re.compile(r"^Try:\n+((?:^(?:- |  )[^\n]*\n?|\n)+)(?P<after>.*)", re.MULTILINE | re.DOTALL)


class Lesson(NamedTuple):
    """A lesson, or an exercise if it has one.

    `prose` is Markdown, without the list of things to try; `steps` are these, each with its text.
    `screen` is the one to read it on.
    """

    name: str
    session: Session
    prose: str
    steps: list[tuple[str, Step]]
    exercise: Exercise | None
    screen: str


class _Rest(msgspec.Struct, forbid_unknown_fields=True):
    steps: list[Step] = []
    exercise: Exercise | None = None


@functools.cache
def lesson(name: str) -> Lesson:
    """Read a lesson or an exercise. Raises KeyError for an unknown name."""
    session = lessons.load(name)
    data: Any = bounded.parse_toml(lessons.rest(name))
    rest = msgspec.convert(data, _Rest)
    prose, items = parted(session.notes)
    # A step without its item, or the other way round, would be ticked beside a wrong text.
    steps = list(zip(items, rest.steps, strict=True))
    return Lesson(name, session, prose, steps, rest.exercise, _screen(session, rest))


def parted(notes: str) -> tuple[str, list[str]]:
    """Part notes into the prose and the items below `Try:`, each on one line."""
    found = _TRY.search(notes)
    if found is None:
        return notes.strip(), []
    items = re.split(r"^- ", found[1], flags=re.MULTILINE)[1:]
    prose = notes[: found.start()].rstrip() + "\n\n" + found["after"].strip()
    return prose.strip(), [" ".join(item.split()).rstrip(".;") for item in items]


def title(name: str) -> str:
    """The title of a lesson or an exercise."""
    return lessons.load(name).title


def _screen(session: Session, rest: _Rest) -> str:
    first = next((step.screen for step in rest.steps if step.screen), "")
    if session.collective is not None and not runs_program(session):
        return "collectives"
    if session.benchmark is not None:
        return "benchmark"
    return first if first == "sharding" and rest.exercise is None else "map"
