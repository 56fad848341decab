"""The path of a field of the session, such as `program.layers.0.in_axes`."""

from __future__ import annotations


class FieldPath(str):
    """The path of a field of the session: attribute names, keys and indices, joined by dots.

    "" stands for the whole session, or for no field. On the wire and in JSON it is plain text.
    """

    __slots__ = ()

    def __truediv__(self, key: str | int) -> FieldPath:
        return FieldPath(f"{self}.{key}" if self else str(key))

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self.split(".")) if self else ()

    @property
    def name(self) -> str:
        return self.rpartition(".")[2]

    def under(self, parent: FieldPath) -> tuple[str, ...] | None:
        """The keys from `parent` to this field, () for `parent` itself; None if not below it."""
        keys, above = self.keys, parent.keys
        return keys[len(above) :] if keys[: len(above)] == above else None


NO_FIELD = FieldPath("")
PARAMETERS = FieldPath("parameters")
DEVICES = FieldPath("devices")
SHARDING = FieldPath("sharding")
PROGRAM = FieldPath("program")
SOURCE = PROGRAM / "source"
FUNCTION = PROGRAM / "function"
ARGUMENTS = PROGRAM / "arguments"
LAYERS = PROGRAM / "layers"
COLLECTIVE = FieldPath("collective")
OPTIONS = COLLECTIVE / "options"
BENCHMARK = FieldPath("benchmark")


def encoded(value: object) -> str:
    """The text of a FieldPath, for `enc_hook` of msgspec. Raises TypeError for anything else."""
    if isinstance(value, FieldPath):
        return str(value)
    raise TypeError(f"Encoding objects of type {type(value).__name__} is unsupported")


def decoded(kind: type, value: object) -> FieldPath:
    """The FieldPath of a text, for `dec_hook` of msgspec. Raises TypeError for anything else."""
    if kind is FieldPath and isinstance(value, str):
        return FieldPath(value)
    raise TypeError(f"Expected `{kind.__name__}`, got `{type(value).__name__}`")
