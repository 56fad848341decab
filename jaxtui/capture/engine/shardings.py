"""Where the arguments of a call lie: the mesh of the devices, and a spec for each array."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import jax
from jax import tree_util
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.capture.engine.as_text import Names, Unwritable, Writer
from jaxtui.engine_base.meshes import types_of
from jaxtui.program.engine import spec_trees
from jaxtui.session.session import AxisTypeName, Devices

_EXPLICIT: Final = "explicit"


def of_arguments(
    given: Mapping[str, Any], names: Names, notes: list[str]
) -> tuple[Devices, dict[str, str]]:
    """The devices of the session, and the sharding of each argument that has one, as text."""
    mesh = _mesh(given, notes)
    specs: dict[str, str] = {}
    for name, value in given.items():
        if mesh is None or not _placed(value, mesh):
            continue
        try:
            specs[name] = _Specs(names, mesh).text(value, name)
        except Unwritable as error:
            notes.append(f"Where `{name}` lies is left out: {error}.")
    return _devices(mesh), specs


def _mesh(given: Mapping[str, Any], notes: list[str]) -> Mesh | None:
    """The mesh over which the arguments lie, else one in context; the first of several."""
    meshes: dict[Mesh, None] = {}
    for name, value in given.items():
        for leaf in tree_util.tree_leaves(value):
            sharding = _sharding(leaf)
            if isinstance(sharding, NamedSharding) and isinstance(sharding.mesh, Mesh):
                meshes[sharding.mesh] = None
            elif sharding is not None and len(sharding.device_set) > 1:
                notes.append(f"`{name}` lies by a {type(sharding).__name__}: that is left out.")
    if len(meshes) > 1:
        notes.append(f"The arguments lie over {len(meshes)} meshes: that of the first is here.")
    return next(iter(meshes), None) or _in_context()


def _in_context() -> Mesh | None:
    get = getattr(jax.sharding, "get_mesh", None)
    try:
        mesh = get() if get is not None else None
    except ValueError:  # it is not to be asked for while JAX traces
        return None
    return mesh if isinstance(mesh, Mesh) and mesh.axis_names else None


def _sharding(leaf: Any) -> Any:
    if not isinstance(leaf, jax.Array) or isinstance(leaf, jax.core.Tracer):
        return None
    return leaf.sharding


def _devices(mesh: Mesh | None) -> Devices:
    virtual = jax.default_backend() == "cpu" and jax.device_count() > 1
    platform, count = ("cpu", jax.device_count()) if virtual else ("", None)
    if mesh is None:
        return Devices(platform=platform, count=count)
    ids = [device.id for device in mesh.devices.flat]
    everything = [device.id for device in jax.devices()]
    types: dict[str, AxisTypeName] = {
        a: _EXPLICIT for a, t in types_of(mesh).items() if t.name.lower() == _EXPLICIT
    }
    return Devices(
        platform=platform,
        count=count,
        order=None if ids == everything else ids,
        mesh={str(axis): int(size) for axis, size in mesh.shape.items()},
        axis_types=types or None,
    )


def _placed(value: Any, mesh: Mesh) -> bool:
    return any(_spec(leaf, mesh) is not None for leaf in tree_util.tree_leaves(value))


def _spec(leaf: Any, mesh: Mesh) -> PartitionSpec | None:
    sharding = _sharding(leaf)
    if isinstance(sharding, NamedSharding) and sharding.mesh == mesh:
        return sharding.spec
    return None


class _Specs(Writer):
    """Writes a tree with a spec for each array, or for all that a part of it holds."""

    def __init__(self, names: Names, mesh: Mesh) -> None:
        super().__init__(names, lambda array, path: _spec_text(_spec(array, mesh)))
        self._mesh = mesh

    def text(self, value: Any, path: str) -> str:
        specs = {_spec(leaf, self._mesh) for leaf in tree_util.tree_leaves(value)}
        if len(specs) == 1:
            return _spec_text(*specs)
        return super().text(value, path)


def _spec_text(spec: PartitionSpec | None) -> str:
    return "None" if spec is None else spec_trees.spec_text(spec)
