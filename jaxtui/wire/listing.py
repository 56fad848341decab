"""The text of a program from JAX or XLA, and where in the user's code its operations come from."""

from __future__ import annotations

import msgspec
from msgspec import Struct


class SourceLine(Struct, frozen=True, array_like=True):
    """A line of the user's code; `file` is "" for the session's source. The first line is 1."""

    file: str
    line: int
    text: str = ""


class Operation(Struct, frozen=True, array_like=True):
    """An operation of a listing.

    Parameters
    ----------
    line
        The line of the text on which it begins; the first is 0.
    name
        JAX's name of it, a primitive's where there is one, such as `psum`.
    place
        The index in `Links.places` of the line of the user's code that made it, None if JAX does
        not know, or if there are several.
    collective
        What the listing calls it if devices speak to each other in it, else "".
    shape
        What a collective returns, as `f32[2,5]`.
    """

    line: int
    name: str
    place: int | None = None
    collective: str = ""
    shape: str = ""


class Links(Struct, frozen=True):
    """The operations of a listing in its order, and the lines of the user's code they are of."""

    operations: list[Operation] = msgspec.field(default_factory=list)
    places: list[SourceLine] = msgspec.field(default_factory=list)
