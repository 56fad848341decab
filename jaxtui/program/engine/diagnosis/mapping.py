"""Why a vmap or pmap refused a call: in_axes, sizes, static arguments, devices."""

from __future__ import annotations

from typing import Any

from jax import tree_util

from jaxtui.engine_base.arrays import is_array, shape_of
from jaxtui.engine_base.failures import safe_repr
from jaxtui.program.engine.diagnosis.calls import Call, counted, is_arraylike, short
from jaxtui.program.engine.tracing import input_axes
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import DEVICES


class MappingCall(Call):
    """A call to a vmap or pmap."""

    def explain(self) -> Diagnosis | None:
        """Does in_axes fit the arguments, and do the mapped sizes agree?"""
        found = self.static() or self._static_from_the_end() or self._setting()
        found = found or self.must_be_static()
        found = found or self._structure() or self._axes() or self._sizes()
        return found or self.too_large()

    def _static_from_the_end(self) -> Diagnosis | None:
        name = self.layer.kind.static_field
        given = self.layer.settings.get(name, ())
        numbers = (given,) if isinstance(given, int) else tuple(given or ())
        if all(number >= 0 for number in numbers):
            return None
        counted_on = tuple(n + len(self.args) if n < 0 else n for n in numbers)
        text = repr(counted_on[0]) if len(counted_on) == 1 else repr(counted_on)
        return self.found(name, f"pmap takes no negative {name}", [self.fix(name, text)])

    def _setting(self) -> Diagnosis | None:
        in_axes = self.layer.settings.get("in_axes", 0)
        if isinstance(in_axes, list) and self.layer.kind.over_devices:
            text = repr(tuple(in_axes))
            return self.found(
                "in_axes",
                "pmap wants in_axes as a tuple (vmap takes a list too)",
                [self.fix("in_axes", text)],
            )
        # A bool is an int to Python, but no axis to JAX.
        if type(in_axes) is not int and not isinstance(in_axes, tuple | list | None):
            return self.found(
                "in_axes",
                f"in_axes is an int, None, or a tuple with an entry for each argument; "
                f"this is a {type(in_axes).__name__}",
                self.working_axes(),
            )
        return None

    def _structure(self) -> Diagnosis | None:
        in_axes = self.layer.settings.get("in_axes", 0)
        if isinstance(in_axes, tuple | list) and len(in_axes) != len(self.args):
            message = (
                f"in_axes has {counted(len(in_axes), 'entry', 'entries')} for "
                f"{counted(len(self.args), 'argument', 'arguments')}"
            )
            return self.found("in_axes", message, self.working_axes())
        try:
            input_axes(self.layer, self.args)
        except (ValueError, TypeError) as error:
            text = " ".join(str(error).replace("tree_map tree", "in_axes").split())
            return self.found(
                "in_axes", f"in_axes does not fit the arguments: {text}", self.working_axes()
            )
        return None

    def _mapped(self) -> list[tuple[str, int, Any, Any]]:
        axes = [*input_axes(self.layer, self.args)]
        leaves = self.leaves()
        axes += [0] * (len(leaves) - len(axes))
        return [
            (name, position, leaf, axis)
            for (name, position, leaf), axis in zip(leaves, axes, strict=True)
        ]

    def _axes(self) -> Diagnosis | None:
        for name, position, leaf, axis in self._mapped():
            if axis is None:
                continue
            if not is_arraylike(leaf):
                takes = f"{self.layer.transform} maps arrays and numbers"
                what = f"{name} is a {type(leaf).__name__}: {takes}"
                return self.found("in_axes", what, self.working_axes())
            shape = shape_of(leaf)
            if type(axis) is not int:
                what = f"the axis of {name} is {safe_repr(axis, 40)}: an int or None is wanted"
                return self.found("in_axes", what, self.working_axes())
            if axis < 0 and self.layer.kind.over_devices:
                what = f"pmap takes no negative in_axes: the axis of {name} is {axis}"
                return self.found("in_axes", what, self._counted_from_the_front())
            if -len(shape) <= axis < len(shape):
                continue
            if not shape:
                what = f"{name} is a single value: it has no axis {axis} to map"
                return self.found("in_axes", what, self._as_array(position) + self.working_axes())
            last = len(shape) - 1
            has = "axis 0" if last == 0 else f"axes 0 to {last}"
            what = f"{name} {short(leaf)} has no axis {axis}: it has {has}"
            return self.found("in_axes", what, self.working_axes())
        return None

    def _as_array(self, position: int) -> list[Fix]:
        """A list of numbers is a pytree of numbers to JAX, most likely meant as an array."""
        arg = self.args[position] if position >= 0 else None
        if not isinstance(arg, list) or not all(isinstance(x, int | float) for x in arg):
            return []
        return self.value_fix(position, "as an array", "array{}")

    def _counted_from_the_front(self) -> list[Fix]:
        """in_axes with every negative axis of an argument put as the same axis from the front."""
        in_axes = self.layer.settings.get("in_axes", 0)
        entries = list(in_axes) if isinstance(in_axes, tuple) else [in_axes] * len(self.args)
        for position, (entry, arg) in enumerate(zip(entries, self.args, strict=True)):
            ranks = {len(shape_of(leaf)) for leaf in tree_util.tree_leaves(arg)}
            if isinstance(entry, int) and entry < 0 and len(ranks) == 1:
                entries[position] = entry + ranks.pop()
        text = repr(entries[0]) if len(entries) == 1 else repr(tuple(entries))
        return [self.fix("in_axes", text)]

    def _sizes(self) -> Diagnosis | None:
        sizes = self._mapped_sizes()
        wanted = self.layer.settings.get("axis_size")
        if not sizes:
            if wanted is None or self.layer.kind.over_devices:
                return self._nothing_mapped()
            return None
        if len({size for _, _, size, _ in sizes}) > 1:
            each = ", ".join(f"{name} axis {axis} is {size}" for name, _, size, axis in sizes)
            fixes = self.working_axes()
            return self.found("in_axes", f"the mapped axes differ in size: {each}", fixes)
        name, _, size, axis = sizes[0]
        if wanted is not None and wanted != size:
            return self.found(
                "axis_size",
                f"axis_size is {wanted}, but axis {axis} of {name} is {size}",
                [self.fix("axis_size", str(size))],
            )
        return self.devices() if self.layer.kind.over_devices else None

    def _nothing_mapped(self) -> Diagnosis:
        if self.layer.kind.over_devices:
            return self.found(
                "in_axes",
                "pmap needs at least one mapped argument: here every one is passed whole",
                self.working_axes(),
            )
        fixes = self.working_axes()
        return self.found(
            "in_axes",
            "nothing is mapped: map an argument, or say how many examples there are in axis_size",
            fixes or [self.fix("axis_size", "4")],
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
        if not size:
            message = f"axis {axis} of {name} is empty: pmap needs an index for one device at least"
            # Releases of JAX before 0.8 end the process when they run it.
            return self.found("in_axes", message, self.working_axes(), kind="devices")
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
            fixes.append(
                Fix(label=f"{size} virtual devices", field=DEVICES / "count", text=str(size))
            )
        return self.found("in_axes", message, fixes, kind="devices")

    def _fold(self, mapped: tuple[str, int, int, int], count: int) -> list[Fix]:
        """Split the mapped axis into one for the devices and one for the rows of each."""
        _, position, size, axis = mapped
        if axis < 0 or size % count or position < 0:
            return []
        if not is_array(self.args[position]):
            return []
        shape = self.args[position].shape
        folded = (*shape[:axis], count, size // count, *shape[axis + 1 :])
        each = f"each of the {count} devices" if count > 1 else "the device"
        return self.value_fix(
            position,
            f"give {each} {size // count}: reshape to {folded}",
            f"{{}}.reshape{folded}",
        )

    def _may_be_more(self) -> bool:
        """Whether there can be more devices for the asking."""
        devices = self.layer.devices
        # Another count would leave a chosen order or mesh without what it names.
        free = devices.is_default and self.prepared.composition.devices.mesh is None
        return free and all(d.platform == "cpu" for d in devices.devices)
