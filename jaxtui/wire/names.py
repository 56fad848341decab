"""Messages about the names that may be typed: those of JAX's and NumPy's modules."""

from __future__ import annotations

from msgspec import Struct

from jaxtui.wire.base import Event, Request


class ListNames(Request, frozen=True, kw_only=True):
    """Ask for the public names of `module`, as a source would write it: `jnp.linalg`. Light."""

    module: str


class Name(Struct, frozen=True, array_like=True):
    """A name and, of a function, its parameters in parentheses."""

    name: str
    signature: str = ""


class NamesListed(Event, frozen=True, kw_only=True):
    """Answers ListNames; no names if `module` is none of JAX's or NumPy's."""

    module: str
    names: list[Name]
