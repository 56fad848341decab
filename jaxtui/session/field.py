"""The path of a field of the session, such as `program.layers.0.in_axes`."""

from __future__ import annotations


class Field(str):
    """A field of the session by its path: attribute names, keys and indices, joined by dots.

    "" stands for the session as a whole, or for no field. On the wire, in files and in JSON a Field
    is plain text.
    """

    __slots__ = ()

    def __truediv__(self, key: str | int) -> Field:
        """The field `key` of this one."""
        return Field(f"{self}.{key}" if self else str(key))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that lead to it from the session."""
        return tuple(self.split(".")) if self else ()

    @property
    def name(self) -> str:
        """The last of its keys."""
        return self.rpartition(".")[2]

    def under(self, parent: Field) -> tuple[str, ...] | None:
        """The keys that lead to it from `parent`, () for `parent` itself; None elsewhere."""
        keys, above = self.keys, parent.keys
        return keys[len(above) :] if keys[: len(above)] == above else None


NO_FIELD = Field("")
PARAMETERS = Field("parameters")
DEVICES = Field("devices")
PROGRAM = Field("program")
SOURCE = PROGRAM / "source"
FUNCTION = PROGRAM / "function"
ARGUMENTS = PROGRAM / "arguments"
LAYERS = PROGRAM / "layers"
COLLECTIVE = Field("collective")
OPTIONS = COLLECTIVE / "options"
BENCHMARK = Field("benchmark")
