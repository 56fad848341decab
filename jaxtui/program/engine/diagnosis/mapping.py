"""Why a vmap or pmap refused a call: in_axes, sizes, static arguments, devices."""

from __future__ import annotations

import itertools
from typing import Any

from jax import tree_util

from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.failures import safe_repr
from jaxtui.program.engine.diagnosis.calls import Call, is_arraylike, short
from jaxtui.program.engine.suggestions import unpacked
from jaxtui.program.engine.tracing import input_axes, static_numbers
from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import DEVICES


class MappingCall(Call):
    """A call to a vmap or pmap."""

    def explain(self) -> Diagnosis | None:
        return (
            self.static()
            or self._negative_static()
            or self._setting()
            or self.must_be_static()
            or self.structure()
            or self._axes()
            or self._sizes()
            or self.too_large()
        )

    def _negative_static(self) -> Diagnosis | None:
        name = self.layer.kind.static_field
        numbers = static_numbers(self.layer)
        if all(number >= 0 for number in numbers):
            return None
        text = repr(unpacked([n + len(self.args) if n < 0 else n for n in numbers]))
        fix = self.layer.fix(name, text)
        return self.layer.fault(name, f"pmap takes no negative {name}", [fix])

    def _setting(self) -> Diagnosis | None:
        in_axes = self.layer.settings.get("in_axes", 0)
        if isinstance(in_axes, list) and self.layer.kind.over_devices:
            fix = self.layer.fix("in_axes", repr(tuple(in_axes)))
            message = "pmap wants in_axes as a tuple (vmap takes a list too)"
            return self.layer.fault("in_axes", message, [fix])
        # A bool is an int to Python, but no axis to JAX.
        if type(in_axes) is not int and not isinstance(in_axes, tuple | list | None):
            return self._fault(
                f"in_axes is an int, None, or a tuple with an entry for each argument; "
                f"this is a {type(in_axes).__name__}"
            )
        return None

    def _fault(self, message: str, kind: Kind = "axes") -> Diagnosis:
        return self.layer.fault("in_axes", message, self.working_axes(), kind)

    def _mapped(self) -> list[tuple[str, int, Any, Any]]:
        """Every input leaf as (name, position, leaf, axis); keyword arguments are mapped over 0."""
        axes = itertools.chain(input_axes(self.layer, self.args), itertools.repeat(0))
        return [(*named, axis) for named, axis in zip(self.leaves(), axes, strict=False)]

    def _axes(self) -> Diagnosis | None:
        for name, position, leaf, axis in self._mapped():
            if axis is None:
                continue
            if not is_arraylike(leaf):
                takes = f"{self.layer.transform} maps arrays and numbers"
                return self._fault(f"{name} is a {type(leaf).__name__}: {takes}")
            shape = shape_of(leaf)
            if type(axis) is not int:
                said = safe_repr(axis, 40)
                return self._fault(f"the axis of {name} is {said}: an int or None is wanted")
            if axis < 0 and self.layer.kind.over_devices:
                what = f"pmap takes no negative in_axes: the axis of {name} is {axis}"
                return self.layer.fault("in_axes", what, self._counted_from_the_front())
            if -len(shape) <= axis < len(shape):
                continue
            if not shape:
                what = f"{name} is a single value: it has no axis {axis} to map"
                fixes = self._as_array(position) + self.working_axes()
                return self.layer.fault("in_axes", what, fixes)
            last = len(shape) - 1
            has = "axis 0" if last == 0 else f"axes 0 to {last}"
            return self._fault(f"{name} {short(leaf)} has no axis {axis}: it has {has}")
        return None

    def _as_array(self, position: int) -> list[Fix]:
        # A list of numbers is a pytree of numbers to JAX, but most likely meant as an array.
        arg = self.args[position] if position >= 0 else None
        if not isinstance(arg, list) or not all(isinstance(x, int | float) for x in arg):
            return []
        return self.value_fix(position, "as an array", "array{}")

    def _counted_from_the_front(self) -> list[Fix]:
        """in_axes with the negative axes of arguments counted from the front."""
        in_axes = self.layer.settings.get("in_axes", 0)
        entries = list(in_axes) if isinstance(in_axes, tuple) else [in_axes] * len(self.args)
        for position, (entry, arg) in enumerate(zip(entries, self.args, strict=True)):
            ranks = {len(shape_of(leaf)) for leaf in tree_util.tree_leaves(arg)}
            if isinstance(entry, int) and entry < 0 and len(ranks) == 1:
                entries[position] = entry + ranks.pop()
        return [self.layer.fix("in_axes", repr(unpacked(entries)))]

    def _sizes(self) -> Diagnosis | None:
        sizes = self._mapped_sizes()
        wanted = self.layer.settings.get("axis_size")
        if not sizes:
            return self._nothing_mapped()
        if len({size for _, _, size, _ in sizes}) > 1:
            each = ", ".join(f"{name} axis {axis} is {size}" for name, _, size, axis in sizes)
            return self._fault(f"the mapped axes differ in size: {each}")
        name, _, size, axis = sizes[0]
        if wanted is not None and wanted != size:
            message = f"axis_size is {wanted}, but axis {axis} of {name} is {size}"
            return self.layer.fault("axis_size", message, [self.layer.fix("axis_size", str(size))])
        return self.devices() if self.layer.kind.over_devices else None

    def _nothing_mapped(self) -> Diagnosis | None:
        if self.layer.kind.over_devices:
            return self._fault(
                "pmap needs at least one mapped argument: here every one is passed whole"
            )
        if self.layer.settings.get("axis_size") is not None:
            return None
        message = (
            "nothing is mapped: map an argument, or say how many examples there are in axis_size"
        )
        fixes = self.working_axes() or [self.layer.fix("axis_size", "4")]
        return self.layer.fault("in_axes", message, fixes)

    def _mapped_sizes(self) -> list[tuple[str, int, int, int]]:
        """Every mapped leaf as (name, position, size, axis), given that the axes exist."""
        return [
            (name, position, leaf.shape[axis], axis)
            for name, position, leaf, axis in self._mapped()
            if axis is not None
        ]

    def devices(self) -> Diagnosis | None:
        """Whether pmap has a device for each index of the mapped axis."""
        sizes = self._mapped_sizes()
        name, _, size, axis = sizes[0]
        count = len(self.layer.devices.devices)
        if not size:
            message = f"axis {axis} of {name} is empty: pmap needs an index for one device at least"
            # Releases of JAX before 0.8 end the process when they run it.
            return self._fault(message, kind="devices")
        if size <= count:
            return None
        many = f"are {count} devices" if count > 1 else "is 1 device"
        message = (
            f"pmap gives each device one index of the mapped axis: axis {axis} of {name} has "
            f"{size}, and there {many}"
        )
        fixes: list[Fix] = []
        if len(sizes) == 1:
            fixes += self._fold(sizes[0], count)
            cut = ", ".join([":"] * axis + [f":{count}"])
            fixes += self.value_fix(sizes[0][1], f"keep the first {count}", f"{{}}[{cut}]")
        if self._may_be_more():
            label = f"{size} virtual devices"
            fixes.append(Fix(label=label, field=DEVICES / "count", text=str(size)))
        return self.layer.fault("in_axes", message, fixes, kind="devices")

    def _fold(self, mapped: tuple[str, int, int, int], count: int) -> list[Fix]:
        """Reshape the argument: the mapped axis becomes one for the devices and one for rows."""
        _, position, size, axis = mapped
        if axis < 0 or size % count or position < 0 or not is_array(self.args[position]):
            return []
        shape = self.args[position].shape
        folded = (*shape[:axis], count, size // count, *shape[axis + 1 :])
        each = f"each of the {count} devices" if count > 1 else "the device"
        label = f"give {each} {size // count}: reshape to {folded}"
        return self.value_fix(position, label, f"{{}}.reshape{folded}")

    def _may_be_more(self) -> bool:
        """Whether a larger count of virtual devices can be asked for."""
        devices = self.layer.devices
        # A chosen order or mesh names devices of the present count.
        free = devices.is_default and self.prepared.composition.devices.mesh is None
        return free and all(d.platform == "cpu" for d in devices.devices)
