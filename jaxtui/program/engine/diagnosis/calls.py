"""A call to a layer that JAX refused, checked the way the layer checks it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax.sharding import PartitionSpec

from jaxtui.engine_base.arrays import is_array, prefix_leaves
from jaxtui.program.engine import spec_trees, suggestions
from jaxtui.program.engine.mapped_axes import input_axes, static_arguments
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.suggestions import unpacked
from jaxtui.program.engine.tracing import Recorder, leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import ARGUMENTS
from jaxtui.text.quantities import counted

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


class Call:
    """The recorded call of `layer`, to find out why it was refused.

    Each check returns a Diagnosis, or None where it finds no fault.
    """

    def __init__(self, layer: BuiltLayer, recorder: Recorder, prepared: Prepared) -> None:
        seen = recorder.recordings[recorder.level_of(layer)]
        self.layer = layer
        self.recorder = recorder
        self.prepared = prepared
        self.args = seen.args or ()
        self.kwargs = seen.kwargs
        # Whether its arguments are the values that were typed.
        self.outermost = all(
            outer.kind.returns_alike for outer in recorder.layers[layer.index + 1 :]
        )

    def explain(self) -> Diagnosis | None:
        """Why the layer refused the call."""
        return self.static() or self.must_be_static() or self.too_large()

    def value_fix(self, position: int, label: str, template: str) -> list[Fix]:
        """A change of an argument's value; `{}` in `template` stands for its text.

        Empty for an inner layer, whose arguments are not the values that were typed.
        """
        if not self.outermost or not 0 <= position < len(self.prepared.positional):
            return []
        index = self.prepared.positional[position]
        text = self.prepared.composition.program.arguments[index].value.strip()
        changed = template.format(f"({text})")
        return [Fix(label=label, field=ARGUMENTS / index / "value", text=changed)]

    def leaves(self) -> list[tuple[str, int, Any]]:
        """Every input leaf with its name and the position of its argument (-1 for keywords)."""
        found = []
        names = (*self.recorder.names, *(f"argument {i}" for i in range(len(self.args))))
        trees = [(names[i], i, tree) for i, tree in enumerate(self.args)]
        for name, position, tree in [*trees, *((k, -1, v) for k, v in self.kwargs.items())]:
            found += [(name + path, position, leaf) for path, leaf in leaves_with_paths(tree)]
        return found

    def working_axes(self) -> list[Fix]:
        """Values of in_axes with which the rest traces."""
        return suggestions.working_axes(self.layer, self.recorder, "in_axes")

    def as_entry(self) -> list[Fix]:
        """The setting as it is typed, as the entry of one argument: for one that was left bare."""
        name = self.layer.kind.input_field
        text = getattr(self.layer.kind, name).strip()
        count, given = len(self.args), self.layer.settings.get(name)
        default = PartitionSpec() if self.layer.kind.divides else 0
        default_text = "P()" if self.layer.kind.divides else "0"
        for position in range(count):
            entries: list[Any] = [default] * count
            texts = [default_text] * count
            entries[position], texts[position] = given, text
            if suggestions.traces(self.layer, self.recorder, **{name: tuple(entries)}):
                whole = f"({texts[0]},)" if count == 1 else f"({', '.join(texts)})"
                label = f"{name} {whole}: an entry for each argument"
                return [self.layer.fix(name, whole, label)]
        return []

    def _as_many(self, name: str) -> list[Fix]:
        """The entries as they are typed, with as many of them as there are arguments."""
        text = getattr(self.layer.kind, name).strip()
        node = ast.parse(text, mode="eval").body
        if not isinstance(node, ast.Tuple | ast.List) or not self.args:
            return []
        texts = [ast.get_source_segment(text, element) or "" for element in node.elts]
        default = self.layer.kind.fields()[name].entry or "None"
        count = len(self.args)
        whole = suggestions.unpacked_text([*texts, *([default] * count)][:count])
        return [self.layer.fix(name, whole)]

    def structure(self) -> Diagnosis | None:
        """Does the setting that maps or divides the inputs fit their structure?"""
        name = self.layer.kind.input_field
        setting = self.layer.settings.get(name, 0)
        # PartitionSpec itself is a tuple in some releases of JAX.
        one_each = isinstance(setting, tuple | list) and not isinstance(setting, PartitionSpec)
        if one_each and len(setting) != len(self.args):
            message = (
                f"{name} has {counted(len(setting), 'entry')} for "
                f"{counted(len(self.args), 'argument')}"
            )
            fixes = self.as_entry() or self.working_axes() or self._as_many(name)
            return self.layer.fault(name, message, fixes)
        try:
            input_axes(self.layer, self.args)
        except (ValueError, TypeError) as error:
            message = f"{name} does not fit the arguments: {self._misfit(setting, error)}"
            return self.layer.fault(name, message, self.as_entry() or self.working_axes())
        return None

    def _misfit(self, setting: Any, error: Exception) -> str:
        """Where `setting` is no prefix of the arguments, in words; else what JAX says."""
        # PartitionSpec itself is a tuple in some releases of JAX.
        if type(setting) in (tuple, list):
            for what, entry, arg in zip(self.recorder.names, setting, self.args, strict=False):
                try:
                    prefix_leaves(entry, arg)
                except (ValueError, TypeError):
                    path, ours, theirs = spec_trees.mismatch(entry, arg)
                    drops = spec_trees.drops_none(entry, arg)
                    return f"{what}{path} is {theirs}, and its entry {ours}" + (
                        ". The class leaves None out of its tree: no entry of it can be None"
                        if drops
                        else ""
                    )
        name = self.layer.kind.input_field
        if not isinstance(setting, tuple | list):
            return f"it has an entry for each argument, and is a {type(setting).__name__}"
        return " ".join(str(error).replace("tree_map tree", name).split())

    def static(self) -> Diagnosis | None:
        """Do the static arguments exist, and are they hashable?"""
        name = self.layer.kind.static_field
        given = self.layer.settings.get(name)
        if given is None:
            return None
        try:
            numbers = (int(given),) if isinstance(given, int) else tuple(int(n) for n in given)
        except (TypeError, ValueError):
            message = f"{name} is an int or a tuple of ints; this is a {type(given).__name__}"
            return self.layer.fault(name, message, [self.layer.fix(name, "()")])
        for number in numbers:
            if not -len(self.args) <= number < len(self.args):
                have = counted(len(self.args), "argument")
                message = f"{name} names argument {number}: there is no argument {number} ({have})"
                return self.layer.fault(name, message, [self.layer.fix(name, "()")])
        for position in sorted(static_arguments(self.layer, len(self.args))):
            arg = self.args[position]
            if is_array(arg) or not _hashable(arg):
                what = self.recorder.names[position]
                kind = "an array" if is_array(arg) else f"a {type(arg).__name__}"
                message = (
                    f"{what} is {kind}: a static argument must be hashable, such as an int, a "
                    f"str or a tuple of them"
                )
                as_tuple = self.value_fix(position, "as a tuple", "tuple{}")
                return self.layer.fault(name, message, as_tuple if isinstance(arg, list) else [])
        return None

    def too_large(self) -> Diagnosis | None:
        """Is a Python integer too large for the dtype that JAX gives it?"""
        kind = np.iinfo(jax.dtypes.canonicalize_dtype(int))
        for what, position, leaf in self.leaves():
            if isinstance(leaf, int) and not kind.min <= leaf <= kind.max and self.outermost:
                message = f"{what} is {leaf}: JAX makes it an {kind.dtype}, at most {kind.max}"
                given = self.prepared
                index = given.keywords[what] if position < 0 else given.positional[position]
                field = ARGUMENTS / index / "value"
                return Diagnosis(kind="value", field=field, message=message)
        return None

    def must_be_static(self) -> Diagnosis | None:
        """Does the field of static arguments name every argument that is no array?"""
        name = self.layer.kind.static_field
        if not name:
            return None
        static = static_arguments(self.layer, len(self.args))
        for what, position, leaf in self.leaves():
            if is_arraylike(leaf) or position in static:
                continue
            message = (
                f"{what} is a {type(leaf).__name__}: {self.layer.transform} takes it only as a "
                f"static argument"
            )
            fix = self.layer.fix(name, repr(unpacked(sorted({*static, position}))))
            return self.layer.fault(name, message, [fix] if position >= 0 else [])
        return None


def _hashable(value: Any) -> bool:
    try:
        hash(value)
    except Exception:  # also whatever a __hash__ of the user's raises
        return False
    return True


def is_arraylike(leaf: Any) -> bool:
    """Whether JAX accepts `leaf` as an array."""
    return is_array(leaf) or isinstance(leaf, bool | int | float | complex)


def returns_no_array(layer: BuiltLayer, output: Any) -> Diagnosis | None:
    """What is wrong with an `output` of the function with a leaf that `layer` cannot pass on."""
    for path, leaf in leaves_with_paths(output):
        if not is_arraylike(leaf):
            where = f" at {path}" if path else ""
            message = (
                f"{layer.transform} needs a function that returns arrays; this one returns a "
                f"{type(leaf).__name__}{where}"
            )
            return layer.fault("", message)
    return None


def short(leaf: Any) -> str:
    """The dtype and shape of an array, such as float32[2, 3]; else the name of the type."""
    if not is_array(leaf):
        return type(leaf).__name__
    return f"{leaf.dtype}[{', '.join(str(n) for n in leaf.shape)}]"
