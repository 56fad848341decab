"""Why a shard_map refused a call: specs, mesh axes, sizes that the devices cannot share."""

from __future__ import annotations

import math
from typing import Any

from jax import tree_util
from jax.sharding import AxisType, PartitionSpec

from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.failures import safe_repr
from jaxtui.engine_base.meshes import entries_of, typed_sharding, types_of
from jaxtui.program.engine.diagnosis import by_position
from jaxtui.program.engine.diagnosis.calls import Call, short
from jaxtui.program.engine.mapped_axes import input_axes
from jaxtui.program.engine.prefix_text import prefix_text
from jaxtui.program.engine.resizing import resized, would_do
from jaxtui.program.engine.spec_trees import axes_of, spec_text, text_of, with_entries
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import ARGUMENTS
from jaxtui.text.quantities import counted


class ShardMapCall(Call):
    """A call to a shard_map."""

    def explain(self) -> Diagnosis | None:
        found = self._axis_names() or self._keywords() or self._inputs()
        return found or self._unknown_in_out_specs()

    def _keywords(self) -> Diagnosis | None:
        if not self.kwargs:
            return None
        names = ", ".join(self.kwargs)
        message = (
            f"shard_map has no spec for an argument that goes by keyword only: {names}. Pass it by "
            f"position, with a spec, or bind it (functools.partial)"
        )
        specs = self.layer.settings.get("in_specs")
        each = type(specs) is tuple and len(specs) == len(self.args)
        given: list[Any] = list(specs or ()) if each else [specs] * len(self.args)
        texts = {
            name: text_of(spec) or "" for name, spec in zip(self.recorder.names, given, strict=True)
        }
        if not all(texts.values()):
            return self.layer.fault("in_specs", message)
        found = by_position.fix(
            self, list(self.kwargs), {**texts, **dict.fromkeys(self.kwargs, "P()")}
        )
        return self.layer.fault("in_specs", message, [found] if found is not None else [])

    def _axis_names(self) -> Diagnosis | None:
        unknown = self.layer.settings.get("axis_names", set()) - self._mesh.keys()
        if not unknown:
            return None
        every = "{" + ", ".join(map(repr, self._mesh)) + "}"
        message = self._no_axis(min(map(str, unknown)))
        return self.layer.fault("axis_names", message, [self.layer.fix("axis_names", every)])

    @property
    def _mesh(self) -> dict[str, int]:
        return dict(self.layer.devices.mesh.shape)

    def _no_axis(self, name: Any) -> str:
        return f"the mesh has no axis {safe_repr(name, 40)}: it has {', '.join(self._mesh)}"

    def _unknown_axis(self, field: str, entry: Any) -> Diagnosis | None:
        """Does the mesh have the axes of this entry of a spec?"""
        unknown = [axis for axis in axes_of(entry) if axis not in self._mesh]
        if not unknown:
            return None
        wrong = unknown[0]
        text = getattr(self.layer.kind, field)
        quoted = [f"'{wrong}'", f'"{wrong}"']
        fixes = [
            self.layer.fix(field, text.replace(old, repr(axis)))
            for axis in self._mesh
            for old in quoted
            if old in text
        ]
        return self.layer.fault(field, self._no_axis(wrong), fixes)

    def _unknown_in_out_specs(self) -> Diagnosis | None:
        specs = tree_util.tree_leaves(
            self.layer.settings["out_specs"], is_leaf=lambda x: isinstance(x, PartitionSpec)
        )
        for spec in specs:
            if not isinstance(spec, PartitionSpec):
                return self._no_spec("out_specs", "a spec of the output", spec)
            for entry in entries_of(spec):
                if found := self._unknown_axis("out_specs", entry):
                    return found
        return None

    def _no_spec(self, field: str, what: str, spec: Any) -> Diagnosis:
        fixes = []
        if isinstance(spec, str) and spec in self._mesh:
            fixes = [self.layer.fix(field, f"P({spec!r})")]
        message = f"{what} is {safe_repr(spec, 40)}: P(...) is wanted"
        return self.layer.fault(field, message, fixes)

    def _inputs(self) -> Diagnosis | None:
        specs = self.layer.settings["in_specs"]
        if found := self.structure():
            a_list = isinstance(specs, list) and len(specs) == len(self.args)
            return self._as_tuple() if a_list else found
        per_leaf = input_axes(self.layer, self.args)
        for spec, (name, position, leaf) in zip(per_leaf, self.leaves(), strict=False):
            if found := self._spec(spec, name, position, leaf):
                return found
        return None

    def _as_tuple(self) -> Diagnosis:
        name = "in_specs"
        text: str = getattr(self.layer.kind, name).strip()
        inside = text.removeprefix("[").removesuffix("]").rstrip().removesuffix(",")
        fixes = [self.layer.fix(name, f"({inside},)")] if text.startswith("[") else []
        return self.layer.fault(name, "shard_map wants in_specs as a tuple", fixes)

    def _spec(self, spec: Any, name: str, position: int, leaf: Any) -> Diagnosis | None:
        if not isinstance(spec, PartitionSpec):
            return self._no_spec("in_specs", f"the spec of {name}", spec)
        shape = shape_of(leaf)
        if len(spec) > len(shape):
            has = f"{name} {short(leaf)} has {len(shape)}" if shape else f"{name} is a scalar"
            message = f"{spec_text(spec)} speaks of {counted(len(spec), 'dimension')}, and {has}"
            return self.layer.fault("in_specs", message, self._as_short_as_the_shapes())
        for dimension, entry in enumerate(entries_of(spec)):
            if found := self._unknown_axis("in_specs", entry):
                return found
            parts = math.prod(self._mesh[axis] for axis in axes_of(entry))
            if shape[dimension] % parts:
                return self._uneven(name, position, dimension, shape[dimension], parts)
        return self._lies_otherwise(spec, name, position, leaf)

    def _as_short_as_the_shapes(self) -> list[Fix]:
        """in_specs with each spec as long as its leaf has dimensions, where it was longer."""
        specs = [
            with_entries(spec, entries_of(spec)[: len(shape_of(leaf))])
            if isinstance(spec, PartitionSpec) and len(spec) > len(shape_of(leaf))
            else spec
            for spec, (_, _, leaf) in zip(
                input_axes(self.layer, self.args), self.leaves(), strict=False
            )
        ]
        if not all(isinstance(spec, PartitionSpec) for spec in specs):
            return []
        text = prefix_text(self.args, specs, self.prepared.known.source, text_of)
        return [self.layer.fix("in_specs", text)] if text is not None else []

    def _lies_otherwise(
        self, spec: PartitionSpec, name: str, position: int, leaf: Any
    ) -> Diagnosis | None:
        """Does the argument lie as its spec says, where the axes are explicit?"""
        types = types_of(self.layer.devices.mesh)
        typed = typed_sharding(leaf)
        given = PartitionSpec() if typed is None else typed.spec
        wanted, has = (
            [[a for a in axes_of(entry) if types[a] is AxisType.Explicit] for entry in entries]
            for entries in (entries_of(spec), entries_of(given))
        )
        length = max(len(wanted), len(has))
        if _filled(wanted, length) == _filled(has, length):
            return None
        text, lies = text_of(spec) or "", text_of(given) or ""
        fixes = [self.layer.fix("in_specs", lies)]
        if self.outermost and 0 <= position < len(self.prepared.positional):
            field = ARGUMENTS / self.prepared.positional[position] / "sharding"
            fixes.insert(0, Fix(label=f"let {name} lie {text}", field=field, text=text))
        message = (
            f"{name} lies {lies}, and in_specs says {text}: over explicit axes a shard_map moves "
            "nothing"
        )
        return self.layer.fault("in_specs", message, fixes)

    def _uneven(self, name: str, position: int, dimension: int, size: int, parts: int) -> Diagnosis:
        leaf: Any = self.args[position] if 0 <= position < len(self.args) else None
        fixes: list[Fix] = []
        if is_array(leaf) and self.outermost:
            index = self.prepared.positional[position]
            text = self.prepared.composition.program.arguments[index].value.strip()
            fixes = [
                Fix(label, ARGUMENTS / index / "value", changed)
                for label, changed in resized(text, leaf.shape, leaf.dtype, dimension, parts)
            ]
        message = (
            f"dimension {dimension} of {name} is {size}, which {parts} devices cannot share "
            f"evenly: {would_do(size, parts)}"
        )
        return self.layer.fault("in_specs", message, fixes)


def _filled(entries: list[list[Any]], length: int) -> list[list[Any]]:
    return entries + [[]] * (length - len(entries))


class SmapCall(Call):
    """A call to an smap."""

    def explain(self) -> Diagnosis | None:
        return self._inferred() or self.structure() or self._axes()

    def _inferred(self) -> Diagnosis | None:
        """Do the arguments' types say how they are divided, if in_axes does not?"""
        if "in_axes" in self.layer.settings:
            return None
        name = self.layer.settings["axis_name"]
        if types_of(self.layer.devices.mesh)[name] is AxisType.Explicit:
            return None
        message = (
            f"smap needs in_axes: only over an explicit axis do types say it, and {name!r} is not"
        )
        return self.layer.fault("in_axes", message, self.working_axes())

    def _axes(self) -> Diagnosis | None:
        parts = int(self.layer.devices.mesh.shape[self.layer.settings["axis_name"]])
        entries = input_axes(self.layer, self.args)
        for axis, (name, _, leaf) in zip(entries, self.leaves(), strict=False):
            shape = shape_of(leaf)
            if axis is None:
                continue
            if type(axis) is not int or not -len(shape) <= axis < len(shape):
                message = f"{name} {short(leaf)} has no axis {safe_repr(axis, 40)}"
                return self.layer.fault("in_axes", message, self.working_axes())
            if shape[axis] % parts:
                message = (
                    f"axis {axis} of {name} is {shape[axis]}, which {parts} devices cannot share "
                    f"evenly"
                )
                return self.layer.fault("in_axes", message, self.working_axes())
        return None
