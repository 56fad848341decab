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
]


class Fix(Struct, frozen=True):
    """A change of one field that removes a failure: put `text` into `field`."""

    label: str
    field: FieldPath
    text: str


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
