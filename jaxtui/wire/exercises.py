"""Messages about exercises: an answer is run against a reference."""

from __future__ import annotations

from msgspec import Struct

from jaxtui.wire.base import Composition, Event, Request


class Trial(Struct, frozen=True, kw_only=True):
    """An answer and the reference, both of the same arguments."""

    answer: Composition
    reference: Composition


class CheckAnswer(Request, frozen=True, kw_only=True):
    """Run the trials until an answer gives something else than its reference.

    `composition` is the answer as it was typed, on the arguments of the session.
    """

    composition: Composition
    trials: list[Trial]


class AnswerChecked(Event, frozen=True, kw_only=True):
    """Answers CheckAnswer: the answer is `right`, or `message` says what it does instead.

    `arguments`, `given` and `wanted` are the first trial that told, as text; empty if right.
    """

    right: bool
    message: str = ""
    arguments: str = ""
    given: str = ""
    wanted: str = ""
