"""The mesh of a session: over its devices, or one to plan on whose devices need not be there.

Whatever is wrong with a mesh is raised as Diagnosed at the field that asked for it.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import json
import math
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.errors import Diagnosed, diagnosed
from jaxtui.session.diagnosis import Fix
from jaxtui.session.field_path import DEVICES, SHARDING, FieldPath
from jaxtui.session.session import AxisTypeName

DEFAULT_AXIS = "devices"
MOST_PLANNED = 2**31 - 1  # devices of a mesh without devices, which JAX counts in 32 bits
Types = Mapping[str, AxisTypeName] | None
_TYPES = {"auto": AxisType.Auto, "explicit": AxisType.Explicit}


def mesh_over(devices: tuple[Any, ...], shape: Mapping[str, int] | None, types: Types) -> Mesh:
    """The mesh of this `shape` over `devices` in their order; one axis over all without a shape.

    An axis is of type Auto unless `types` says otherwise: over Explicit ones, which are JAX's
    default, shard_map refuses arrays that are not sharded yet. Raises Diagnosed at `devices.mesh`
    or `devices.axis_types`.
    """
    shape = {DEFAULT_AXIS: len(devices)} if shape is None else shape
    _check_shape(shape, DEVICES)
    _check_count(len(devices), shape)
    axis_types = _axis_types(shape, types, DEVICES)
    grid = np.empty(len(devices), dtype=object)
    grid[:] = devices
    return Mesh(grid.reshape(tuple(shape.values())), tuple(shape), axis_types=axis_types)


def abstract_mesh(mesh: Mapping[str, int], axis_types: Types = None) -> AbstractMesh:
    """A mesh without devices, on which programs can be traced and lowered.

    Raises Diagnosed at `sharding.mesh` or `sharding.axis_types`.
    """
    _check_shape(mesh, SHARDING)
    if math.prod(mesh.values()) > MOST_PLANNED:
        message = f"more devices than JAX counts; the most is {MOST_PLANNED:,}"
        raise _wrong(SHARDING / "mesh", message, _default(SHARDING))
    types = _axis_types(mesh, axis_types, SHARDING)
    return AbstractMesh(tuple(mesh.values()), tuple(mesh), axis_types=types)


def types_of(mesh: Mesh | AbstractMesh) -> dict[str, AxisType]:
    """The type of each axis of the mesh."""
    return dict(zip(mesh.axis_names, mesh.axis_types, strict=True))


def has_explicit(mesh: Mesh | AbstractMesh) -> bool:
    """Whether an axis of the mesh is explicit, so that types of arrays say where they lie."""
    return AxisType.Explicit in mesh.axis_types


# ------------------------------------------------------------------------------ the mesh in context


@contextlib.contextmanager
def in_context(mesh: Mesh | AbstractMesh) -> Iterator[None]:
    """Make `mesh` the mesh in context, over which a PartitionSpec by itself is a sharding.

    What JAX computes meanwhile lies on all devices of the mesh. Cannot be entered while tracing.
    """
    with contextlib.ExitStack() as entered:
        if isinstance(mesh, Mesh):
            entered.enter_context(_setting()(mesh))
        else:
            if _asks_for_devices():
                entered.enter_context(_setting()(_stand_in(mesh)))
            entered.enter_context(_setting_abstract()(mesh))
        yield


def leave_context() -> None:
    """Take away the mesh that code has set in this thread with `jax.set_mesh`, if there is one."""
    if not jax.sharding.get_abstract_mesh().empty:
        with contextlib.suppress(ValueError):  # JAX 0.7 cannot
            operator.attrgetter("set_mesh")(jax if hasattr(jax, "set_mesh") else jax.sharding)(None)


def in_this_thread() -> Mesh | None:
    """The mesh that code has set in this thread with `jax.set_mesh`; None without one."""
    # JAX before 0.7 has it, but does not export it.
    exported = hasattr(jax.sharding, "get_mesh")
    holder = jax.sharding if exported else sys.modules["jax._src.mesh"]
    find: Callable[[], Mesh | None]
    find = operator.attrgetter("get_mesh" if exported else "get_concrete_mesh")(holder)
    with contextlib.suppress(ValueError):  # inside of a trace
        mesh = find()
        return None if mesh is None or mesh.empty else mesh
    return None


def stay_in(mesh: Mesh | None) -> None:
    """Set the mesh in context of this thread, as `jax.set_mesh` does."""
    if mesh is None:
        leave_context()
    else:
        operator.attrgetter("set_mesh")(jax if hasattr(jax, "set_mesh") else jax.sharding)(mesh)


def _setting() -> Callable[[Mesh], contextlib.AbstractContextManager[Any]]:
    # JAX before 0.7 has use_mesh instead.
    name = "set_mesh" if hasattr(jax, "set_mesh") else "sharding.use_mesh"
    found: Callable[[Mesh], contextlib.AbstractContextManager[Any]]
    found = operator.attrgetter(name)(jax)
    return found


def _setting_abstract() -> Callable[[AbstractMesh], contextlib.AbstractContextManager[Any]]:
    # JAX before 0.7 has it, but does not export it.
    exported = hasattr(jax.sharding, "use_abstract_mesh")
    found: Callable[[AbstractMesh], contextlib.AbstractContextManager[Any]]
    found = (jax.sharding if exported else sys.modules["jax._src.mesh"]).use_abstract_mesh
    return found


@functools.cache
def _asks_for_devices() -> bool:
    """Whether a PartitionSpec alone wants a mesh with devices in context (JAX before 0.8)."""

    def constrained(x: Any) -> Any:
        return jax.lax.with_sharding_constraint(x, PartitionSpec("x"))

    with _setting_abstract()(AbstractMesh((2,), ("x",), axis_types=(AxisType.Auto,))):
        try:
            jax.eval_shape(constrained, jax.ShapeDtypeStruct((2,), "float32"))
        except RuntimeError:
            return True
    return False


def _stand_in(mesh: AbstractMesh) -> Mesh:
    """A mesh with the axes of `mesh` over one device. JAX only looks whether there is one."""
    one = np.array(jax.devices()[:1]).reshape((1,) * len(mesh.axis_names))
    return Mesh(one, mesh.axis_names, axis_types=mesh.axis_types)


def entries_of(spec: PartitionSpec) -> tuple[Any, ...]:
    """The entries of a spec, one for each dimension that it speaks of.

    JAX refuses to iterate over a spec that also has axes over which sums are yet to be made.
    """
    return tuple(spec.partitions) if hasattr(spec, "partitions") else tuple(spec)


def axes_beside(spec: PartitionSpec) -> dict[str, frozenset[Any]]:
    """The axes that a spec names beside its entries: "unreduced", over which the sums are yet to be
    made, and "reduced", over which those of a gradient are."""
    said = {name: frozenset(getattr(spec, name, ())) for name in ("unreduced", "reduced")}
    return {name: axes for name, axes in said.items() if axes}


def typed_sharding(leaf: Any) -> NamedSharding | None:
    """The sharding in the type of an array, a tracer or an aval: over explicit axes, else None."""
    sharding = getattr(getattr(leaf, "aval", leaf), "sharding", None)
    if not isinstance(sharding, NamedSharding):
        return None
    if not any(entries_of(sharding.spec)) and not axes_beside(sharding.spec):
        return None
    return sharding if has_explicit(sharding.mesh) else None


def _wrong(field: FieldPath, message: str, *fixes: Fix) -> Diagnosed:
    return diagnosed("devices", field, message, list(fixes))


def _axis_types(shape: Mapping[str, int], types: Types, part: FieldPath) -> tuple[AxisType, ...]:
    field = part / "axis_types"
    unknown = [axis for axis in types or () if axis not in shape]
    if types and unknown:
        names = ", ".join(map(repr, unknown))
        message = f"the mesh has no axis {names}; it has {', '.join(map(repr, shape))}"
        raise _wrong(field, message, *_types_that_fit(shape, types, field))
    return tuple(_TYPES[(types or {}).get(axis, "auto")] for axis in shape)


def _types_that_fit(
    shape: Mapping[str, int], types: Mapping[str, AxisTypeName], field: FieldPath
) -> Iterator[Fix]:
    """Yield the types with a single unknown name replaced by the nearest, and without unknown."""
    unknown = [axis for axis in types if axis not in shape]
    kept = {axis: kind for axis, kind in types.items() if axis not in unknown}
    free = [axis for axis in shape if axis not in types]
    wrong, *others = unknown
    nearest = difflib.get_close_matches(wrong, free, n=1, cutoff=0.0)
    if nearest and not others:
        renamed = {**kept, nearest[0]: types[wrong]}
        yield Fix(f"{nearest[0]} = {types[wrong]}", field, json.dumps(renamed))
    if kept:
        yield Fix(f"without {', '.join(unknown)}", field, json.dumps(kept))
    yield Fix("all axes auto", field, "null")


def _check_shape(shape: Mapping[str, int], part: FieldPath) -> None:
    field = part / "mesh"
    default = _default(part)
    if not shape:
        raise _wrong(field, "the mesh has no axis", default)
    for axis, size in shape.items():
        if not axis.isidentifier():
            raise _wrong(field, f"{axis!r} cannot be an axis' name")
        if size < 1:
            fix = Fix(f"{axis} = 1", field / axis, "1")
            raise _wrong(field / axis, f"axis {axis!r} has size {size}; the least is 1", fix)


def _default(part: FieldPath) -> Fix:
    """The fix that leaves the mesh out of the `part` of the session."""
    label = f"one axis {DEFAULT_AXIS!r} over all" if part == DEVICES else "the devices' own mesh"
    return Fix(label, part / "mesh", "null")


def _check_count(count: int, shape: Mapping[str, int]) -> None:
    product = math.prod(shape.values())
    if product != count:
        sizes = " x ".join(f"{axis} {size}" for axis, size in shape.items())
        takes = f"{product} devices" if product > 1 else "1 device"
        message = f"{sizes} takes {takes}, and the set has {count}"
        fixes = islice(_sizes_that_fit(count, shape), 3)
        raise _wrong(DEVICES / "mesh", message, *fixes, _default(DEVICES))


def _sizes_that_fit(count: int, shape: Mapping[str, int]) -> Iterator[Fix]:
    """Yield the changes of a single axis' size that make the mesh cover `count` devices."""
    for axis, present in shape.items():
        others = math.prod(shape.values()) // present
        if count % others == 0:
            yield Fix(f"{axis} = {count // others}", DEVICES / "mesh" / axis, str(count // others))
