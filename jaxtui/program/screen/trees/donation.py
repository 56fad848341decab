"""Which arguments a layer donates, by `donate_argnums` and `donate_argnames`, read and set."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from jaxtui.program.prefixes import Refused
from jaxtui.session.field_path import LAYERS, FieldPath
from jaxtui.session.layers import AnyLayer

T = TypeVar("T")

NUMBERS, NAMES = "donate_argnums", "donate_argnames"
YES, NO, TYPED = "yes", "no", "typed"


def donating_layer(layers: Sequence[AnyLayer], selected: int) -> int | None:
    """The layer that the donation of arguments is shown of: the selected one if it can donate,
    else the outermost that can."""
    able = [i for i, layer in enumerate(layers) if NUMBERS in layer.fields()]
    return selected if selected in able else max(able, default=None)


@dataclass(frozen=True)
class Donation:
    """What a layer donates of an argument `name`, at `place` of `count` by position, or by name
    where `place` is None."""

    layer: AnyLayer
    index: int
    name: str
    place: int | None
    count: int

    @property
    def word(self) -> str:
        """ "yes", "no", or "typed" where what is typed cannot be read."""
        numbers, names = self._numbers, self._names
        if numbers is None or names is None:
            return TYPED
        return YES if self.place in numbers or self.name in names else NO

    @property
    def _numbers(self) -> list[int] | None:
        given = _listed(getattr(self.layer, NUMBERS), int)
        return None if given is None else [n + self.count if n < 0 else n for n in given]

    @property
    def _names(self) -> list[str] | None:
        return _listed(getattr(self.layer, NAMES, ""), str)

    def turned(self) -> tuple[FieldPath, str]:
        """The field to change and its new text, to donate the argument or no longer to.

        Raises Refused where what is typed cannot be read, or the layer cannot donate it.
        """
        numbers, names = self._numbers, self._names
        if numbers is None or names is None:
            raise Refused(f"what {self.layer.transform} donates cannot be read: change it there")
        layer = LAYERS / self.index
        if self.name in names:
            return layer / NAMES, _text([name for name in names if name != self.name])
        if self.place in numbers:
            return layer / NUMBERS, _text([number for number in numbers if number != self.place])
        # With names given, JAX does not look for numbers, and the other way round.
        if self.place is None or names:
            if not hasattr(self.layer, NAMES):
                raise Refused(f"{self.layer.transform} donates no argument by name")
            return layer / NAMES, _text([*names, self.name])
        return layer / NUMBERS, _text(sorted([*numbers, self.place]))


def _listed(text: str, kind: type[T]) -> list[T] | None:
    """The literals of a text, of this kind: one alone, or several; None for anything else."""
    try:
        value = ast.literal_eval(text.strip() or "()")
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if value is None:
        return []
    listed = list(value) if isinstance(value, tuple | list) else [value]
    return listed if all(type(each) is kind for each in listed) else None


def _text(listed: Sequence[object]) -> str:
    """The text of a setting with these, "" for none."""
    return "" if not listed else repr(listed[0] if len(listed) == 1 else tuple(listed))
