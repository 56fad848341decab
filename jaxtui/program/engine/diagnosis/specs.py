"""Why a shard_map refused a call: specs, mesh axes, sizes that the devices cannot share."""

from __future__ import annotations

from typing import Any

from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine_base.arrays import shape_of
from jaxtui.engine_base.failures import safe_repr
from jaxtui.program.engine.diagnosis.calls import Call, counted, short
from jaxtui.program.engine.tracing import input_axes
from jaxtui.session.diagnosis import Diagnosis, Fix


def axes_of(entry: Any) -> tuple[Any, ...]:
    """The mesh axes that an entry of a PartitionSpec divides its dimension over."""
    return () if entry is None else entry if isinstance(entry, tuple) else (entry,)


class ShardMapCall(Call):
    """A call to a shard_map."""

    def explain(self) -> Diagnosis | None:
        """Do the specs fit the arguments, the mesh, and the sizes?"""
        found = self._axis_names() or self._keywords() or self._inputs()
        return found or self._unknown_in_out_specs()

    def _keywords(self) -> Diagnosis | None:
        if not self.kwargs:
            return None
        names = ", ".join(self.kwargs)
        message = f"shard_map has no spec for an argument that goes by keyword only: {names}"
        return self.found("in_specs", message)

    def _axis_names(self) -> Diagnosis | None:
        has = self._mesh.keys()
        unknown = sorted(
            {str(n) for n in self.layer.settings.get("axis_names", ()) if n not in has}
        )
        if not unknown:
            return None
        all_of_them = "{" + ", ".join(map(repr, has)) + "}"
        fixes = [self.fix("axis_names", all_of_them)]
        return self.found("axis_names", self._no_axis(unknown[0]), fixes)

    @property
    def _mesh(self) -> dict[str, int]:
        return dict(self.layer.devices.mesh.shape)

    def _no_axis(self, name: Any) -> str:
        return f"the mesh has no axis {safe_repr(name, 40)}: it has {', '.join(self._mesh)}"

    def _other_axes(self, field: str, wrong: str) -> list[Fix]:
        """The text of `field` with each axis of the mesh in the place of the `wrong` one."""
        text = getattr(self.layer.kind, field)
        quoted = [f"'{wrong}'", f'"{wrong}"']
        changed = [
            text.replace(old, repr(axis)) for axis in self._mesh for old in quoted if old in text
        ]
        return [self.fix(field, new) for new in changed]

    def _unknown_in_out_specs(self) -> Diagnosis | None:
        specs = tree_util.tree_leaves(
            self.layer.settings["out_specs"], is_leaf=lambda x: isinstance(x, PartitionSpec)
        )
        for spec in specs:
            if not isinstance(spec, PartitionSpec):
                return self._no_spec("out_specs", "a spec of the output", spec)
            for axis in (axis for entry in spec for axis in axes_of(entry)):
                if axis not in self._mesh:
                    fixes = self._other_axes("out_specs", axis)
                    return self.found("out_specs", self._no_axis(axis), fixes)
        return None

    def _no_spec(self, field: str, what: str, spec: Any) -> Diagnosis:
        fixes = []
        if isinstance(spec, str) and spec in self._mesh:
            fixes = [self.fix(field, f"P({spec!r})")]
        message = f"{what} is {safe_repr(spec, 40)}: P(...) is wanted"
        return self.found(field, message, fixes)

    def _inputs(self) -> Diagnosis | None:
        specs = self.layer.settings["in_specs"]
        # PartitionSpec itself is a tuple in some releases of JAX.
        one_each = not isinstance(specs, PartitionSpec) and isinstance(specs, tuple | list)
        if one_each and len(specs) != len(self.args):
            return self.found(
                "in_specs",
                f"in_specs has {counted(len(specs), 'entry', 'entries')} for "
                f"{counted(len(self.args), 'argument', 'arguments')}",
            )
        try:
            per_leaf = input_axes(self.layer, self.args)
        except (ValueError, TypeError) as error:
            if isinstance(specs, list):
                return self._as_tuple()
            text = " ".join(str(error).replace("tree_map tree", "in_specs").split())
            return self.found("in_specs", f"in_specs does not fit the arguments: {text}")
        for spec, (name, position, leaf) in zip(per_leaf, self.leaves(), strict=False):
            found = self._spec(spec, name, position, leaf)
            if found is not None:
                return found
        return None

    def _as_tuple(self) -> Diagnosis:
        name = "in_specs"
        text: str = getattr(self.layer.kind, name).strip()
        inside = text.removeprefix("[").removesuffix("]").rstrip().removesuffix(",")
        fixes = [self.fix(name, f"({inside},)")] if text.startswith("[") else []
        return self.found(name, "shard_map wants in_specs as a tuple", fixes)

    def _spec(self, spec: Any, name: str, position: int, leaf: Any) -> Diagnosis | None:
        if not isinstance(spec, PartitionSpec):
            return self._no_spec("in_specs", f"the spec of {name}", spec)
        mesh = self._mesh
        shape = shape_of(leaf)
        if len(spec) > len(shape):
            return self.found(
                "in_specs",
                f"{spec} speaks of {counted(len(spec), 'dimension', 'dimensions')}, "
                f"{name} {short(leaf)} has {len(shape)}",
            )
        for dimension, entry in enumerate(spec):
            axes = axes_of(entry)
            unknown = [axis for axis in axes if axis not in mesh]
            if unknown:
                fixes = self._other_axes("in_specs", unknown[0])
                return self.found("in_specs", self._no_axis(unknown[0]), fixes)
            parts = 1
            for axis in axes:
                parts *= mesh[axis]
            if shape[dimension] % parts:
                return self._uneven(name, position, dimension, shape[dimension], parts)
        return None

    def _uneven(self, name: str, position: int, dimension: int, size: int, parts: int) -> Diagnosis:
        below, above = size - size % parts, size + parts - size % parts
        nearest = f"{below} or {above}" if below else str(above)
        cut = ", ".join([":"] * dimension + [f":{below}"])
        return self.found(
            "in_specs",
            f"dimension {dimension} of {name} is {size}, which {parts} devices cannot share "
            f"evenly: {nearest} would do",
            self.value_fix(position, f"keep the first {below}", f"{{}}[{cut}]") if below else (),
        )
