"""An exercise: what an answer is checked against, and the hints on the way to it."""

from __future__ import annotations

import ast
import re

import msgspec
from msgspec import Struct

from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Argument, Session, with_field


class Exercise(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The part of an exercise's file that is no session.

    An answer is the session as a reader has changed it. It is run on `arguments`, the texts of
    other values by name, in which `seed` is a number made at random and the parameters are those
    of each of `sizes` in turn; and so is the function in the source `reference`. Both have to give
    the same. The answer has to leave the fields of `keep` as they are, to have the layers of
    `layers`, to use the names of `uses` and none of `without`.

    `solution` has the fields of an answer that is right, and `wrong` those of others that are not.
    """

    reference: str
    arguments: dict[str, str]
    sizes: list[dict[str, int]] = msgspec.field(default_factory=lambda: [{}])
    keep: list[str] = []
    layers: list[str] = []
    uses: list[str] = []
    without: list[str] = []
    hints: list[str]
    solution: dict[str, str]
    wrong: list[dict[str, str]]


def answered(session: Session, fields: dict[str, str]) -> Session:
    """Return `session` with an answer's `fields`."""
    for field, text in fields.items():
        session = with_field(session, FieldPath(field), text)
    return session


def refusal(exercise: Exercise, given: Session, answer: Session) -> str:
    """Why an answer does not count, whatever it gives; "" if it does. `given` is the exercise."""
    for field in exercise.keep:
        if _at(given, field) != _at(answer, field):
            return f"leave {_called(given, field)} as before: Z brings that back"
    there = [layer.transform for layer in answer.program.layers]
    for name in exercise.layers:
        if name not in there:
            return f"use a {name} layer"
    used = _names(answer.program.source)
    for layer in answer.program.layers:
        used |= {
            *layer.typed(),
            *(name for text in layer.typed().values() for name in _names(text)),
        }
    for name in exercise.uses:
        if name not in used:
            return f"use {name}"
    for name in exercise.without:
        if name in used:
            return f"do it without {name}"
    return ""


def trials(exercise: Exercise, answer: Session, seeds: list[int]) -> list[tuple[Session, Session]]:
    """The runs that decide: for each of the sizes and `seeds` the answer, and the reference."""
    return [
        _trial(exercise, answer, {**sizes, "seed": seed})
        for sizes in exercise.sizes
        for seed in seeds
    ]


def _trial(exercise: Exercise, answer: Session, known: dict[str, int]) -> tuple[Session, Session]:
    replace = msgspec.structs.replace
    given = [
        replace(argument, value=exercise.arguments.get(argument.name, argument.value))
        for argument in answer.program.arguments
    ]
    program = replace(answer.program, arguments=given)
    reference = replace(
        program,
        source=exercise.reference,
        function="",
        layers=[],
        arguments=[Argument(name=a.name, value=a.value) for a in given],
    )
    answer = replace(answer, parameters={**answer.parameters, **known}, program=program)
    return answer, replace(answer, program=reference)


def _called(session: Session, field: str) -> str:
    """`the function`, `the layers`, `the sharding of x`."""
    match field.split(".")[1:]:
        case ["source"]:
            return "the function"
        case ["arguments", place, part]:
            return f"the {part} of {session.program.arguments[int(place)].name}"
        case [*_, part]:
            return f"the {part}"
        case _:
            return field


def _at(session: Session, field: str) -> object:
    found: object = msgspec.to_builtins(session)
    for key in field.split("."):
        if isinstance(found, list):
            found = found[int(key)] if int(key) < len(found) else None
        elif isinstance(found, dict):
            found = found.get(key)
    return found


def _names(text: str) -> set[str]:
    """The names, attributes and keywords of Python that a text uses."""
    try:
        tree = ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set(re.findall(r"\w+", text))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, int):
            found.add(str(node.value))
        elif isinstance(node, ast.For | ast.While | ast.comprehension):
            found.add("while" if isinstance(node, ast.While) else "for")
    return found
