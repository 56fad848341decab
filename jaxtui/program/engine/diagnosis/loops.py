"""Why a scan or map refused its arguments, or what the function returned from a step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jax import tree_util

from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.program.engine.diagnosis.calls import Call, is_arraylike, returns_no_array, short
from jaxtui.program.engine.diagnosis.linear import said_tree
from jaxtui.program.engine.mapped_axes import input_axes
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import as_leaf, leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.text.quantities import counted


class LoopCall(Call):
    """A call to a layer that goes through the leading axis of its arguments."""

    def explain(self) -> Diagnosis | None:
        return self._count() or self._arrays() or self._axes() or self.numbers() or self._sizes()

    def _count(self) -> Diagnosis | None:
        """Are there as many arguments as the layer hands on?"""
        fixed = self.layer.kind.fixed_in_axes
        if not isinstance(fixed, tuple) or len(self.args) in (1, len(fixed)):
            return None
        message = (
            f"{self.layer.transform} calls the function with the carry and with one slice: of "
            f"{counted(len(self.args), 'argument')} it could give {len(fixed)}. Put the rest into "
            f"the carry, or take it by name"
        )
        return self.layer.fault("", message)

    def _arrays(self) -> Diagnosis | None:
        for name, _, leaf in self.leaves():
            if not is_arraylike(leaf):
                takes = f"{self.layer.transform} takes arrays and numbers"
                return self.layer.fault("", f"{name} is a {type(leaf).__name__}: {takes}")
        return self.too_large()

    def _looped(self) -> list[tuple[str, int, Any]]:
        """The leaves with the axis that the layer goes through, as `leaves` has them."""
        leaves = self.leaves()
        axes = input_axes(self.layer, self.args)
        axes += [self.layer.kind.keyword_axis] * (len(leaves) - len(axes))
        return [leaf for leaf, axis in zip(leaves, axes, strict=True) if axis is not None]

    def _axes(self) -> Diagnosis | None:
        for name, position, leaf in self._looped():
            if not shape_of(leaf):
                message = f"{name} is a single value: it has no axis to go through"
                fixes: list[Fix] = []
                given = self.args[position] if position >= 0 else None
                others = {shape_of(x)[0] for _, _, x in self._looped() if shape_of(x)}
                if isinstance(given, list) and all(isinstance(x, int | float) for x in given):
                    fixes = self.value_fix(position, "as an array", "array{}")
                elif leaf is given and len(others) == 1:
                    template = f"broadcast_to({{}}, ({others.pop()},))"
                    fixes = self.value_fix(position, f"the same {name} each time", template)
                return self.layer.fault("", message, fixes)
        return None

    def numbers(self) -> Diagnosis | None:
        """Are the numbers of steps, and of steps at once, numbers?"""
        for name, value in self.layer.settings.items():
            if name not in _LEAST or value is None:
                continue
            if isinstance(value, bool) and name in _OR_A_BOOL:
                continue
            if type(value) is not int or value < _LEAST[name]:
                what = type(value).__name__ if type(value) is not int else str(value)
                wanted = f"an int, {_LEAST[name]} or more"
                fixes = [self.layer.fix(name, "", "leave it empty")]
                return self.layer.fault(name, f"{name} is {wanted}; this is {what}", fixes)
        return None

    def _sizes(self) -> Diagnosis | None:
        sizes = [(name, position, leaf.shape[0]) for name, position, leaf in self._looped()]
        length = self.layer.settings.get(self.layer.kind.size_field)
        if len({size for _, _, size in sizes}) > 1:
            each = ", ".join(f"{name} has {size}" for name, _, size in sizes)
            return self.layer.fault("", f"the leading axes differ: {each}", self._cut(sizes))
        if sizes and length is not None and length != sizes[0][2]:
            name, _, size = sizes[0]
            message = f"length is {length}, but axis 0 of {name} is {size}"
            field = self.layer.kind.size_field
            return self.layer.fault(field, message, [self.layer.fix(field, str(size))])
        if sizes or length is not None:
            return None
        field = self.layer.kind.size_field
        message = f"{self.layer.transform} has no axis to go through: an argument has to be given"
        if not field:
            return self.layer.fault("", message)
        fixes = [self.layer.fix(field, "4")]
        return self.layer.fault(field, f"{message}, or how many steps there are", fixes)

    def _cut(self, sizes: Sequence[tuple[str, int, int]]) -> list[Fix]:
        """Cut the one longer argument down to the others."""
        least = min(size for _, _, size in sizes)
        longer = {position for _, position, size in sizes if size > least}
        if len(longer) != 1 or not is_array(self.args[position := longer.pop()]):
            return []
        return self.value_fix(position, f"keep the first {least}", f"{{}}[:{least}]")


# The settings that are numbers, and the least that each may be.
_LEAST = {"length": 0, "unroll": 1, "batch_size": 1}
_OR_A_BOOL = frozenset({"unroll"})


def explain_returned(layer: BuiltLayer, call: LoopCall, output: Any) -> Diagnosis | None:
    """Why `layer` cannot go on with the `output` of a step."""
    if (found := returns_no_array(layer, output)) is not None:
        return found
    if not isinstance(layer.kind.fixed_out_axes, tuple):
        return call.numbers()
    if not isinstance(output, tuple | list) or len(output) != 2:
        shapes = ", ".join(map(short, tree_util.tree_leaves(output))) or "None"
        message = (
            f"{layer.transform} needs a function that returns a pair, the next carry and what is "
            f"stacked; this one returns {shapes}"
        )
        return layer.fault("", message)
    return _explain_carry(layer, call, output[0]) or call.numbers()


def _explain_carry(layer: BuiltLayer, call: Call, returned: Any) -> Diagnosis | None:
    given = call.args[0] if call.args else None
    before: Any = tree_util.tree_structure(given)
    after: Any = tree_util.tree_structure(returned)
    name = call.recorder.names[0]
    if before != after:
        message = (
            f"the carry {name} goes in as {said_tree(given)} and comes out as "
            f"{said_tree(returned)}: it has to stay the same from step to step"
        )
        return layer.fault("", message)
    pairs = zip(leaves_with_paths(given), tree_util.tree_leaves(returned), strict=True)
    for (path, one), other in pairs:
        old, new = as_leaf("", "", one), as_leaf("", "", other)
        if (old.shape, old.dtype) == (new.shape, new.dtype):
            continue
        message = (
            f"the carry {name}{path} goes in as {_said(old)} and comes out as {_said(new)}: it has "
            f"to stay the same from step to step"
        )
        fixes: list[Fix] = []
        if not path and old.shape == new.shape:
            fixes = call.value_fix(0, f"{name} as {new.dtype}", f"asarray({{}}, '{new.dtype}')")
        elif not path:
            shape = tuple(new.shape)
            template = f"broadcast_to({{}}, {shape}).astype('{new.dtype}')"
            fixes = call.value_fix(0, f"{name} as {_said(new)}", template)
        return layer.fault("", message, fixes)
    return None


def _said(leaf: Any) -> str:
    return f"{leaf.dtype}[{', '.join(map(str, leaf.shape))}]"
