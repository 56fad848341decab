"""Why a vmap or pmap refused a call: in_axes, sizes, static arguments, devices."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from jax import tree_util

from jaxtui.engine_base.arrays import shape_of
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.engine_base.failures import safe_repr
from jaxtui.program.engine import expressions, suggestions
from jaxtui.program.engine.diagnosis import by_position, over_devices
from jaxtui.program.engine.diagnosis.calls import Call, is_arraylike, short
from jaxtui.program.engine.diagnosis.leafwise import Mapped, by_size, for_size
from jaxtui.program.engine.mapped_axes import input_axes, static_arguments, static_numbers
from jaxtui.program.engine.suggestions import unpacked, unpacked_text
from jaxtui.session.diagnosis import Diagnosis, Edit, Fix, Kind
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
            message = (
                f"in_axes is an int, None, or a tuple with an entry for each argument; "
                f"this is a {type(in_axes).__name__}"
            )
            fixes = self.as_entry() or self.working_axes()
            return self.layer.fault("in_axes", message, fixes)
        return None

    def working_axes(self) -> list[Fix]:
        fixes = {fix.text: fix for fix in [*self._leaf_by_leaf(), *super().working_axes()]}
        return list(fixes.values())[: suggestions.MOST_FIXES]

    def _entries(self) -> list[Any]:
        """The entry of in_axes for each argument, None for those that are static."""
        static = static_arguments(self.layer, len(self.args))
        given = suggestions.entries(self.layer.settings.get("in_axes", 0), len(self.args))
        return [None if i in static else entry for i, entry in enumerate(given)]

    def _leaf_by_leaf(self) -> Iterator[Fix]:
        """in_axes that map what has the batch, and pass whole what has not."""
        names = self.prepared.known.source
        sizes = {leaf.shape[0] for leaf in tree_util.tree_leaves(self.kwargs) if shape_of(leaf)}
        for size, mapped in by_size(self.args, self._entries()):
            texts = [one.text(names) for one in mapped]
            if None in texts:
                yield from self._repeated(size, mapped)
            elif sizes <= {size}:
                yield from self._tried(unpacked_text([text or "" for text in texts]))

    def _tried(self, text: str) -> Iterator[Fix]:
        """The fix with in_axes `text`, if the rest traces with it."""
        field = self.layer.field("in_axes")
        with suppress(Diagnosed):
            axes = expressions.setting_value(text, self.prepared.known, field)
            if suggestions.traces(self.layer, self.recorder, in_axes=axes):
                yield self.layer.fix("in_axes", text)

    def _repeated(self, size: int, mapped: Sequence[Mapped]) -> Iterator[Fix]:
        """One argument's single values, repeated for each example: for a tree of nodes that cannot
        be written with an entry for each leaf."""
        mixed = [i for i, one in enumerate(mapped) if len(set(one.axes)) > 1]
        if len(mixed) != 1 or any(axis not in (0, None) for axis in mapped[mixed[0]].axes):
            return
        position = mixed[0]
        leaves = tree_util.tree_leaves(self.args[position])
        if any(
            a is None and shape_of(x) for a, x in zip(mapped[position].axes, leaves, strict=True)
        ):
            return
        entries = [one.text({}) or "0" for one in mapped]
        what = self.recorder.names[position]
        changed = f"jax.tree.map(lambda a: a if jnp.ndim(a) else jnp.full({size}, a), {{}})"
        label = f"repeat the single values of {what} {size} times, one for each example"
        for fix in self.value_fix(position, label, changed):
            axes = Edit(self.layer.field("in_axes"), unpacked_text(entries))
            yield Fix(fix.label, fix.field, fix.text, (axes,))

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
                if position < 0:
                    return self._keyword(what)
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
            return self._differing(f"the mapped axes differ in size: {each}", sizes)
        name, _, size, axis = sizes[0]
        if wanted is not None and wanted != size:
            message = f"axis_size is {wanted}, but axis {axis} of {name} is {size}"
            return self.layer.fault("axis_size", message, [self.layer.fix("axis_size", str(size))])
        return self.devices() if self.layer.kind.over_devices else None

    def _differing(self, message: str, sizes: Sequence[tuple[str, int, int, int]]) -> Diagnosis:
        """What is mapped has `sizes` that differ."""
        if any(position < 0 for _, position, _, _ in sizes):
            return self._keyword(message)
        fixes = self.working_axes()
        within = {at for _, at, _, _ in sizes if len({n for _, i, n, _ in sizes if i == at}) > 1}
        if not within:
            return self.layer.fault("in_axes", message, fixes)
        position = min(within)
        what, each = self.recorder.names[position], "example"
        if self.layer.kind.over_devices:
            each = "device"
            fixes = fixes or self._a_copy_each(position)
        message += (
            f". {what} is a {type(self.args[position]).__name__}, a tree of arrays and no batch: "
            f"each {each} gets one index of every leaf, so that all need the same size. What each "
            f"{each} is to have whole, such as parameters, has in_axes None"
            + (" (what pmap calls replicated)" if each == "device" else "")
            + "; rows of unequal lengths are padded and stacked first"
        )
        return self.layer.fault("in_axes", message, fixes)

    def _a_copy_each(self, position: int) -> list[Fix]:
        """The argument stacked once for each device, for a pmap that maps nothing else."""
        if len(self.args) > 1 or self.kwargs:
            return []
        count = len(self.layer.devices.devices)
        label = f"a copy of {self.recorder.names[position]} for each of the {count} devices"
        text = f"jax.tree.map(lambda a: jnp.stack([a] * {count}), {{}})"
        return self.value_fix(position, label, text)

    def _keyword(self, message: str) -> Diagnosis:
        """What is wrong is with an argument that goes by keyword."""
        mapped = next(by_size(self.args, self._entries()), None)
        size = mapped[0] if mapped is not None else None
        moved = [
            name
            for name in self.prepared.keywords
            if any(
                shape_of(leaf)[:1] != (size,)
                for leaf in tree_util.tree_leaves(self.kwargs.get(name))
            )
        ]
        message += (
            f". Keyword arguments are always mapped over axis 0: pass {' and '.join(moved)} by "
            f"position, with None in in_axes, or bind it (functools.partial)"
        )
        fixes: list[Fix] = []
        if mapped is not None:
            names = self.prepared.known.source
            entries = {
                name: one.text(names) or "0"
                for name, one in zip(self.recorder.names, mapped[1], strict=True)
            }
            for name in moved:
                one = for_size(self.kwargs[name], mapped[0])
                entries[name] = (one.text(names) if one is not None else None) or "None"
            found = by_position.fix(self, moved, entries)
            fixes = [found] if found is not None else []
        return self.layer.fault("in_axes", message, fixes)

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
        fixes = list(over_devices.fixes(self, sizes, count))
        if self._may_be_more():
            label = f"{size} virtual devices"
            fixes.append(Fix(label=label, field=DEVICES / "count", text=str(size)))
        return self.layer.fault("in_axes", message, fixes, kind="devices")

    def _may_be_more(self) -> bool:
        """Whether a larger count of virtual devices can be asked for."""
        devices = self.layer.devices
        # A chosen order or mesh names devices of the present count.
        free = devices.is_default and self.prepared.composition.devices.mesh is None
        return free and all(d.platform == "cpu" for d in devices.devices)
