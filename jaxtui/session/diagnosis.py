"""Diagnoses: what went wrong in the user's terms, the field at fault, and possible fixes."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from jaxtui.session.field_path import FieldPath

Kind = Literal[
    "session",  # the file, or a field that a session does not have
    "syntax",  # text that is not Python
    "value",  # an argument's or a layer's text is Python, but its value does not fit
    "function",  # the user's function raised
    "arguments",  # the arguments do not fit the function's parameters
    "axes",  # a layer's axes or specs do not fit the shapes
    "devices",  # the device set cannot run the program
    "unsupported",  # the installed JAX lacks it
    "memory",  # it does not fit
    "collective",
    "runtime",  # JAX or XLA failed while compiling or running
    "engine",  # the engine could not start, or died
    "note",  # nothing failed, but it may not be what one expects
]


class Edit(Struct, frozen=True):
    """A change of one field: put `text` into `field`."""

    field: FieldPath
    text: str


class Fix(Struct, frozen=True, omit_defaults=True):
    """A change that removes a failure: put `text` into `field`, then make the edits of `also`.

    All of them are one change: none is right without the others.
    """

    label: str
    field: FieldPath
    text: str
    also: tuple[Edit, ...] = ()

    @property
    def edits(self) -> tuple[Edit, ...]:
        """Every change of a field, in the order in which they are made."""
        return Edit(self.field, self.text), *self.also


class Diagnosis(Struct, frozen=True, kw_only=True):
    """A failure in the user's terms.

    `field` is the session path of the field at fault; `line` and `column` (from 1) are a position
    in its text; `frames` are the traceback lines in the user's own code, outermost first.
    """

    kind: Kind
    field: FieldPath
    message: str
    fixes: list[Fix] = []
    line: int | UnsetType = UNSET
    column: int | UnsetType = UNSET
    frames: list[str] | UnsetType = UNSET
