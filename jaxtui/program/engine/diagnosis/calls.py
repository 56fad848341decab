"""A call to a layer that JAX refused, looked at the way the layer does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import tree_util

from jaxtui.engine_base.arrays import is_array
from jaxtui.program.engine import suggestions
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder, static_arguments
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import ARGUMENTS

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


class Call:
    """One refused call, with what is needed to say why."""

    def __init__(
        self,
        layer: BuiltLayer,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        recorder: Recorder,
        prepared: Prepared,
    ) -> None:
        self.layer = layer
        self.args = args
        self.kwargs = kwargs
        self.recorder = recorder
        self.prepared = prepared
        self.outermost = layer.index == len(recorder.layers) - 1

    def found(
        self, name: str, message: str, fixes: Sequence[Fix] = (), kind: Kind = "axes"
    ) -> Diagnosis:
        """The diagnosis at the layer's field `name`."""
        return Diagnosis(
            kind=kind, field=self.layer.field(name), message=message, fixes=list(fixes)
        )

    def fix(self, name: str, text: str) -> Fix:
        """The change of the layer's field `name` to `text`."""
        return Fix(label=f"{name} {text}", field=self.layer.field(name), text=text)

    def value_fix(self, position: int, label: str, template: str) -> list[Fix]:
        """A change of an argument's value; `{}` stands for its text. Only what is given outermost
        is an argument's value as it was typed."""
        if not self.outermost or not 0 <= position < len(self.prepared.positional):
            return []
        index = self.prepared.positional[position]
        text = self.prepared.composition.program.arguments[index].value.strip()
        return [
            Fix(
                label=label,
                field=ARGUMENTS / index / "value",
                text=template.format(f"({text})"),
            )
        ]

    def leaves(self) -> list[tuple[str, int, Any]]:
        """Every input leaf with its name and the position of its argument (-1 for keywords)."""
        found = []
        names = (*self.recorder.names, *(f"argument {i}" for i in range(len(self.args))))
        trees = [(names[i], i, tree) for i, tree in enumerate(self.args)]
        for name, position, tree in [*trees, *((k, -1, v) for k, v in self.kwargs.items())]:
            for path, leaf in tree_util.tree_flatten_with_path(tree)[0]:
                found.append((name + tree_util.keystr(path), position, leaf))
        return found

    def working_axes(self) -> list[Fix]:
        """Values of in_axes under which the rest traces."""
        return suggestions.working_axes(self.layer, self.recorder, "in_axes")

    def static(self) -> Diagnosis | None:
        """Do the static arguments of a layer that has such a field exist and hash?"""
        name = self.layer.kind.static_field
        given = self.layer.settings.get(name)
        if given is None:
            return None
        try:
            numbers = (int(given),) if isinstance(given, int) else tuple(int(n) for n in given)
        except (TypeError, ValueError):
            message = f"{name} is an int or a tuple of ints; this is a {type(given).__name__}"
            return self.found(name, message, [self.fix(name, "()")])
        for number in numbers:
            if not -len(self.args) <= number < len(self.args):
                have = counted(len(self.args), "argument", "arguments")
                message = f"{name} names argument {number}: there is no argument {number} ({have})"
                return self.found(name, message, [self.fix(name, "()")])
        for position in sorted(static_arguments(self.layer, len(self.args))):
            arg = self.args[position]
            if is_array(arg) or not _hashable(arg):
                what = self.recorder.names[position]
                kind = "an array" if is_array(arg) else f"a {type(arg).__name__}"
                message = (
                    f"{what} is {kind}: a static argument must be hashable, such as an int, a "
                    f"str or a tuple of them"
                )
                return self.found(
                    name,
                    message,
                    self.value_fix(position, "as a tuple", "tuple{}")
                    if isinstance(arg, list)
                    else [],
                )
        return None

    def too_large(self) -> Diagnosis | None:
        """Is a Python integer larger than what JAX makes of it can hold?"""
        kind = np.iinfo(jax.dtypes.canonicalize_dtype(int))
        for what, position, leaf in self.leaves():
            if isinstance(leaf, int) and not kind.min <= leaf <= kind.max and self.outermost:
                message = f"{what} is {leaf}: JAX makes it an {kind.dtype}, at most {kind.max}"
                by_name = position < 0
                index = (
                    self.prepared.keywords[what] if by_name else self.prepared.positional[position]
                )
                field = ARGUMENTS / index / "value"
                return Diagnosis(kind="value", field=field, message=message)
        return None

    def must_be_static(self) -> Diagnosis | None:
        """Does the field of static arguments, if the layer has one, name all that is no array?"""
        name = self.layer.kind.static_field
        if not name:
            return None
        static = static_arguments(self.layer, len(self.args))
        for what, position, leaf in self.leaves():
            if is_arraylike(leaf) or position in static:
                continue
            numbers = sorted({*static, position})
            text = str(numbers[0]) if len(numbers) == 1 else repr(tuple(numbers))
            return self.found(
                name,
                f"{what} is a {type(leaf).__name__}: {self.layer.transform} takes it only as a "
                f"static argument",
                [self.fix(name, text)] if position >= 0 else [],
            )
        return None


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except Exception:  # also whatever a __hash__ of the user's raises
        return False
    return True


def is_arraylike(leaf: Any) -> bool:
    """Whether JAX takes `leaf` as an array."""
    return is_array(leaf) or isinstance(leaf, bool | int | float | complex)


def short(leaf: Any) -> str:
    """The leaf's dtype and shape: float32[2, 3]; of what is no array the type's name."""
    if not is_array(leaf):
        return type(leaf).__name__
    return f"{leaf.dtype}[{', '.join(str(n) for n in leaf.shape)}]"


def counted(number: int, one: str, many: str) -> str:
    """`number` with its noun: "1 entry", "2 entries"."""
    return f"{number} {one if number == 1 else many}"
