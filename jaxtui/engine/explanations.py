"""Why a layer refused its inputs, found by looking at them the way the layer does.

Each function here returns None when it finds nothing wrong: then JAX's own words have to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax
from jax import tree_util
from jax.sharding import PartitionSpec

from jaxtui.engine import suggestions
from jaxtui.engine.errors import Diagnosed
from jaxtui.engine.programs import MAPPING, BuiltLayer
from jaxtui.engine.tracing import Recorder, input_axes, static_arguments
from jaxtui.report import Diagnosis, Fix, Kind

if TYPE_CHECKING:
    from jaxtui.engine.evaluation import Prepared


def explain_inputs(
    layer: BuiltLayer,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    recorder: Recorder,
    prepared: Prepared,
) -> Diagnosis | None:
    """The diagnosis of a call to `layer` that failed before it reached what the layer wraps."""
    call = _Call(layer, args, kwargs, recorder, prepared)
    if layer.transform in MAPPING:
        return call.mapping()
    if layer.transform == "shard_map":
        return call.shard_map()
    if layer.transform in ("grad", "value_and_grad"):
        return call.grad()
    return call.jit()


def refuse_too_few_devices(recorder: Recorder, prepared: Prepared) -> None:
    """Raise Diagnosed where a pmap needs more devices than there are.

    Releases of JAX before 0.8 trace such a program and fail only when they compile it.
    """
    for level, layer in enumerate(reversed(recorder.layers)):
        seen = recorder.recordings[level]
        if layer.transform == "pmap" and seen.args is not None:
            found = _Call(layer, seen.args, seen.kwargs, recorder, prepared).devices()
            if found is not None:
                raise Diagnosed(found, recorder.flow())


class _Call:
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

    def _found(
        self, name: str, message: str, fixes: Sequence[Fix] = (), kind: Kind = "axes"
    ) -> Diagnosis:
        return Diagnosis(
            kind=kind, field=self.layer.field(name), message=message, fixes=list(fixes)
        )

    def _fix(self, name: str, text: str) -> Fix:
        return Fix(label=f"{name} {text}", field=self.layer.field(name), text=text)

    def _value_fix(self, position: int, label: str, template: str) -> list[Fix]:
        """A change of an argument's value; `{}` stands for its text. Only what is given outermost
        is an argument's value as it was typed."""
        if not self.outermost or position >= len(self.prepared.positional):
            return []
        index = self.prepared.positional[position]
        text = self.prepared.composition.program.arguments[index].value.strip()
        return [
            Fix(
                label=label,
                field=f"program.arguments.{index}.value",
                text=template.format(f"({text})"),
            )
        ]

    def _leaves(self) -> list[tuple[str, int, Any]]:
        """Every input leaf with its name and the position of its argument (-1 for keywords)."""
        found = []
        names = (*self.recorder.names, *(f"argument {i}" for i in range(len(self.args))))
        trees = [(names[i], i, tree) for i, tree in enumerate(self.args)]
        for name, position, tree in [*trees, *((k, -1, v) for k, v in self.kwargs.items())]:
            for path, leaf in tree_util.tree_flatten_with_path(tree)[0]:
                found.append((name + tree_util.keystr(path), position, leaf))
        return found

    # ------------------------------------------------------------------------------ vmap and pmap

    def mapping(self) -> Diagnosis | None:
        """vmap and pmap: does in_axes fit the arguments, and do the mapped sizes agree?"""
        return self._setting() or self._structure() or self._axes() or self._sizes()

    def _setting(self) -> Diagnosis | None:
        in_axes = self.layer.settings.get("in_axes", 0)
        if isinstance(in_axes, list) and self.layer.transform == "pmap":
            text = repr(tuple(in_axes))
            return self._found(
                "in_axes",
                "pmap wants in_axes as a tuple (vmap takes a list too)",
                [self._fix("in_axes", text)],
            )
        if isinstance(in_axes, bool) or not isinstance(in_axes, int | tuple | list | None):
            return self._found(
                "in_axes",
                f"in_axes is an int, None, or a tuple with an entry for each argument; "
                f"this is a {type(in_axes).__name__}",
                suggestions.working_axes(self.layer, self.recorder, "in_axes"),
            )
        return None

    def _structure(self) -> Diagnosis | None:
        in_axes = self.layer.settings.get("in_axes", 0)
        if isinstance(in_axes, tuple | list) and len(in_axes) != len(self.args):
            message = (
                f"in_axes has {_count(len(in_axes), 'entry', 'entries')} for "
                f"{_count(len(self.args), 'argument', 'arguments')}"
            )
            return self._found("in_axes", message, self._axes_fixes())
        try:
            input_axes(self.layer, self.args)
        except (ValueError, TypeError) as error:
            text = " ".join(str(error).split())
            return self._found(
                "in_axes", f"in_axes does not fit the arguments: {text}", self._axes_fixes()
            )
        return None

    def _axes_fixes(self) -> list[Fix]:
        return suggestions.working_axes(self.layer, self.recorder, "in_axes")

    def _mapped(self) -> list[tuple[str, int, Any, Any]]:
        axes = [*input_axes(self.layer, self.args)]
        leaves = self._leaves()
        axes += [0] * (len(leaves) - len(axes))
        return [
            (name, position, leaf, axis)
            for (name, position, leaf), axis in zip(leaves, axes, strict=True)
        ]

    def _axes(self) -> Diagnosis | None:
        for name, _, leaf, axis in self._mapped():
            if axis is None:
                continue
            shape = getattr(leaf, "shape", ())
            if not isinstance(axis, int):
                return self._found(
                    "in_axes", f"the axis of {name} is {axis!r}: an int or None is wanted"
                )
            if -len(shape) <= axis < len(shape):
                continue
            if not shape:
                what = f"{name} is a single value: it has no axis {axis} to map"
            else:
                last = len(shape) - 1
                has = "axis 0" if last == 0 else f"axes 0 to {last}"
                what = f"{name} {_short(leaf)} has no axis {axis}: it has {has}"
            return self._found("in_axes", what, self._axes_fixes())
        return None

    def _sizes(self) -> Diagnosis | None:
        sizes = self._mapped_sizes()
        wanted = self.layer.settings.get("axis_size")
        if not sizes:
            if wanted is None or self.layer.transform == "pmap":
                return self._nothing_mapped()
            return None
        if len({size for _, _, size, _ in sizes}) > 1:
            each = ", ".join(f"{name} axis {axis} is {size}" for name, _, size, axis in sizes)
            fixes = self._axes_fixes()
            return self._found("in_axes", f"the mapped axes differ in size: {each}", fixes)
        name, _, size, axis = sizes[0]
        if wanted is not None and wanted != size:
            return self._found(
                "axis_size",
                f"axis_size is {wanted}, but axis {axis} of {name} is {size}",
                [self._fix("axis_size", str(size))],
            )
        return self.devices() if self.layer.transform == "pmap" else None

    def _nothing_mapped(self) -> Diagnosis:
        if self.layer.transform == "pmap":
            return self._found(
                "in_axes",
                "pmap needs at least one mapped argument: here every one is passed whole",
                self._axes_fixes(),
            )
        fixes = self._axes_fixes()
        return self._found(
            "in_axes",
            "nothing is mapped: map an argument, or say how many examples there are in axis_size",
            fixes or [self._fix("axis_size", "4")],
        )

    def _mapped_sizes(self) -> list[tuple[str, int, int, int]]:
        """Name, argument, size and axis of every mapped leaf, given that the axes exist."""
        return [
            (name, position, leaf.shape[axis], axis)
            for name, position, leaf, axis in self._mapped()
            if axis is not None
        ]

    def devices(self) -> Diagnosis | None:
        """pmap: are there as many devices as the mapped axis is long?"""
        sizes = self._mapped_sizes()
        name, _, size, axis = sizes[0]
        count = len(self.layer.devices.devices)
        if size <= count:
            return None
        many = _count(count, "device", "devices")
        message = (
            f"pmap gives each device one index of the mapped axis: axis {axis} of {name} has "
            f"{size}, and there are {many}"
        )
        fixes: list[Fix] = []
        if len(sizes) == 1:
            fixes += self._fold(sizes[0], count)
            cut = ", ".join([":"] * axis + [f":{count}"])
            fixes += self._value_fix(sizes[0][1], f"keep the first {count}", f"{{}}[{cut}]")
        if self._simulated():
            fixes.append(
                Fix(label=f"{size} virtual devices", field="devices.count", text=str(size))
            )
        return self._found("in_axes", message, fixes, kind="devices")

    def _fold(self, mapped: tuple[str, int, int, int], count: int) -> list[Fix]:
        """Split the mapped axis into one for the devices and one for the rows of each."""
        _, position, size, axis = mapped
        if axis < 0 or size % count or position < 0:
            return []
        shape = getattr(self.args[position], "shape", None)
        if shape is None:
            return []
        folded = (*shape[:axis], count, size // count, *shape[axis + 1 :])
        return self._value_fix(
            position,
            f"give each of the {count} devices {size // count}: reshape to {folded}",
            f"{{}}.reshape{folded}",
        )

    def _simulated(self) -> bool:
        return all(d.platform == "cpu" for d in self.layer.devices.devices)

    # ----------------------------------------------------------------------------------- shard_map

    def shard_map(self) -> Diagnosis | None:
        """shard_map: do the specs fit the arguments, the mesh, and the sizes?"""
        specs = self.layer.settings["in_specs"]
        # PartitionSpec itself is a tuple in some releases of JAX.
        one_each = not isinstance(specs, PartitionSpec) and isinstance(specs, tuple | list)
        if one_each and len(specs) != len(self.args):
            return self._found(
                "in_specs",
                f"in_specs has {_count(len(specs), 'entry', 'entries')} for "
                f"{_count(len(self.args), 'argument', 'arguments')}",
            )
        try:
            per_leaf = input_axes(self.layer, self.args)
        except (ValueError, TypeError) as error:
            text = " ".join(str(error).split())
            return self._found("in_specs", f"in_specs does not fit the arguments: {text}")
        for spec, (name, position, leaf) in zip(per_leaf, self._leaves(), strict=False):
            found = self._spec(spec, name, position, leaf)
            if found is not None:
                return found
        return None

    def _spec(self, spec: Any, name: str, position: int, leaf: Any) -> Diagnosis | None:
        if not isinstance(spec, PartitionSpec):
            return self._found("in_specs", f"the spec of {name} is {spec!r}: P(...) is wanted")
        mesh = self.layer.devices.mesh.shape
        shape = getattr(leaf, "shape", ())
        if len(spec) > len(shape):
            return self._found(
                "in_specs",
                f"{spec} speaks of {_count(len(spec), 'dimension', 'dimensions')}, "
                f"{name} {_short(leaf)} has {len(shape)}",
            )
        for dimension, entry in enumerate(spec):
            axes = () if entry is None else entry if isinstance(entry, tuple) else (entry,)
            unknown = [axis for axis in axes if axis not in mesh]
            if unknown:
                has = ", ".join(mesh)
                return self._found("in_specs", f"the mesh has no axis {unknown[0]!r}: it has {has}")
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
        return self._found(
            "in_specs",
            f"dimension {dimension} of {name} is {size}, which {parts} devices cannot share "
            f"evenly: {nearest} would do",
            self._value_fix(position, f"keep the first {below}", f"{{}}[{cut}]") if below else (),
        )

    # -------------------------------------------------------------------------------- grad and jit

    def grad(self) -> Diagnosis | None:
        """grad: do argnums name arguments, and are those differentiable?"""
        argnums = self.layer.settings.get("argnums", 0)
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for number in numbers:
            if not isinstance(number, int) or not -len(self.args) <= number < len(self.args):
                have = _count(len(self.args), "argument", "arguments")
                fixes = [self._fix("argnums", "0")] if self.args else []
                return self._found("argnums", f"there is no argument {number}: {have}", fixes)
        for name, position, leaf in self._leaves():
            if position not in {n % len(self.args) for n in numbers}:
                continue
            dtype = getattr(leaf, "dtype", None)
            if dtype is not None and not jax.numpy.issubdtype(dtype, jax.numpy.inexact):
                fixes = self._value_fix(position, "as float32", "{}.astype('float32')")
                fixes += self._other_argnums(position)
                return self._found(
                    "argnums",
                    f"{self.layer.transform} differentiates with respect to floats: {name} is "
                    f"{dtype}",
                    fixes,
                )
        return None

    def _other_argnums(self, wrong: int) -> list[Fix]:
        return [
            self._fix("argnums", str(position))
            for position, arg in enumerate(self.args)
            if position != wrong
            and all(
                hasattr(x, "dtype") and jax.numpy.issubdtype(x.dtype, jax.numpy.inexact)
                for x in tree_util.tree_leaves(arg)
            )
        ][:2]

    def jit(self) -> Diagnosis | None:
        """jit: is every argument an array or hashable and static?"""
        static = static_arguments(self.layer, len(self.args))
        for name, position, leaf in self._leaves():
            is_array = hasattr(leaf, "dtype") or isinstance(leaf, bool | int | float | complex)
            if position in static and hasattr(leaf, "dtype"):
                return self._found(
                    "static_argnums",
                    f"{name} is an array: a static argument must be hashable, such as a Python int",
                )
            if not is_array and position not in static:
                numbers = sorted({*static, position})
                text = str(numbers[0]) if len(numbers) == 1 else repr(tuple(numbers))
                return self._found(
                    "static_argnums",
                    f"{name} is a {type(leaf).__name__}: jit takes it only as a static argument",
                    [self._fix("static_argnums", text)],
                )
        return None


def _short(leaf: Any) -> str:
    shape = ", ".join(str(n) for n in leaf.shape)
    return f"{leaf.dtype}[{shape}]"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
