"""Why a jvp, vjp or linearize refused arguments, outputs, or the (co)tangents typed for them."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import tree_util

from jaxtui.engine_base.arrays import dtype_name, is_array, shape_of
from jaxtui.program.engine.adapters import Arrays, for_each
from jaxtui.program.engine.diagnosis.calls import Call, is_arraylike, returns_no_array, short
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import leaves_with_paths
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.text.quantities import counted


class LinearCall(Call):
    """A call to a layer that applies the derivative to arrays."""

    def explain(self) -> Diagnosis | None:
        return self._arrays() or self.tangents() or self.too_large()

    def _arrays(self) -> Diagnosis | None:
        for name, position, leaf in self.leaves():
            # What is given by name is not differentiated.
            if position >= 0 and not is_arraylike(leaf):
                takes = f"{self.layer.transform} differentiates functions of arrays and numbers"
                return self.layer.fault("", f"{name} is a {type(leaf).__name__}: {takes}")
        return None

    def tangents(self) -> Diagnosis | None:
        """Do the tangents fit the arguments?"""
        name = self.layer.kind.input_field
        given = self.layer.settings.get(name)
        if not name or not isinstance(given, Arrays):
            return None
        each = for_each(self.args, given.shapes)
        if not isinstance(each, tuple | list) or len(each) != len(self.args):
            count = len(each) if isinstance(each, tuple | list) else 1
            many = counted(len(self.args), "argument")
            message = f"{name} has {counted(count, 'entry')} for {many}"
            return self.layer.fault(name, message, self._empty(name))
        for position, (wanted, tangent) in enumerate(zip(self.args, each, strict=True)):
            what = self.recorder.names[position]
            if found := self.misfit(name, what, wanted, tangent):
                return found
        return None

    def cotangents(self, output: Any) -> Diagnosis | None:
        """Do the cotangents fit the `output` of the function?"""
        name = self.layer.kind.output_field
        given = self.layer.settings.get(name)
        if not name or not isinstance(given, Arrays):
            return None
        return self.misfit(name, "the output", output, given.shapes)

    def misfit(self, name: str, what: str, wanted: Any, given: Any) -> Diagnosis | None:
        """Where the arrays `given` in the field `name` are not of the type of `wanted`."""
        before: Any = tree_util.tree_structure(wanted)
        after: Any = tree_util.tree_structure(given)
        if before != after:
            message = f"{what} is {said_tree(wanted)}: its {name} cannot be {said_tree(given)}"
            fixes = self._empty(name)
            if tree_util.treedef_is_leaf(before) and isinstance(given, list):
                fixes = [self._changed(name, "as an array", "array({})"), *fixes]
            return self.layer.fault(name, message, fixes)
        pairs = zip(leaves_with_paths(wanted), tree_util.tree_leaves(given), strict=True)
        for (path, one), other in pairs:
            dtype = _tangent_dtype(one)
            if (shape_of(one), dtype) == (shape_of(other), _dtype(other)):
                continue
            shape = ", ".join(map(str, shape_of(one)))
            message = (
                f"{what}{path} is {_short(one)}: its {name} are {dtype}[{shape}], not "
                f"{_short(other)}"
            )
            fixes = self._empty(name)
            alone = not path and tree_util.treedef_is_leaf(before) and len(self.args) == 1
            if alone and shape_of(one) == shape_of(other) and dtype != "float0":
                label = f"as {dtype}"
                fixes = [self._changed(name, label, f"asarray({{}}, '{dtype}')"), *fixes]
            return self.layer.fault(name, message, fixes)
        return None

    def _empty(self, name: str) -> list[Fix]:
        return [self.layer.fix(name, "", self.layer.kind.fields()[name].default)]

    def _changed(self, name: str, label: str, template: str) -> Fix:
        return self.layer.fix(name, template.format(getattr(self.layer.kind, name).strip()), label)


def explain_returned(layer: BuiltLayer, call: LinearCall, output: Any) -> Diagnosis | None:
    """Why `layer` cannot differentiate the `output` of the function."""
    if layer.settings.get("has_aux"):
        if not isinstance(output, tuple) or len(output) != 2:
            leaves = ", ".join(map(short, tree_util.tree_leaves(output))) or "None"
            message = (
                f"{layer.transform} needs a function that returns a pair, the value and the rest; "
                f"has_aux says so; this one returns {leaves}"
            )
            fixes = [layer.fix("has_aux", "", "without has_aux")]
            return layer.fault("has_aux", message, fixes)
        output = output[0]
    if (found := returns_no_array(layer, output)) is not None:
        return found
    return call.tangents() or call.cotangents(output)


def _dtype(leaf: Any) -> str:
    return dtype_name(leaf.dtype if is_array(leaf) else jnp.result_type(leaf))


def _tangent_dtype(leaf: Any) -> str:
    dtype = leaf.dtype if is_array(leaf) else jnp.result_type(leaf)
    return dtype_name(dtype if jnp.issubdtype(dtype, jnp.inexact) else jax.dtypes.float0)


def _short(leaf: Any) -> str:
    return short(leaf) if is_array(leaf) else f"{_dtype(leaf)}[]"


def said_tree(tree: Any) -> str:
    """A pytree in words: "float32[3]", "a tuple of 2 leaves"."""
    structure: Any = tree_util.tree_structure(tree)
    if tree_util.treedef_is_leaf(structure):
        return _short(tree) if is_arraylike(tree) else type(tree).__name__
    leaves = "1 leaf" if structure.num_leaves == 1 else f"{structure.num_leaves} leaves"
    return f"a {type(tree).__name__} of {leaves}"
