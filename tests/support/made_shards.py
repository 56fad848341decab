"""Arrays in blocks on several devices, for the tests of what draws their shards."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

from jaxtui.results.screen.shards_scene import Laid, Scene
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.wire.report import Input, Output, Placed, Shard

Spec = Sequence[Sequence[str]]

GRID = {"x": 4, "y": 2}
LINE = {"devices": 8}


def output(
    shape: tuple[int, ...], parts: tuple[int, ...], copies: int = 1, dtype: str = "float32"
) -> Output:
    """An array in `parts` blocks along each dimension, each on `copies` devices in a row."""
    places = itertools.product(*(range(count) for count in parts))
    indices = [
        [
            [at * size // n, (at + 1) * size // n]
            for at, size, n in zip(p, shape, parts, strict=True)
        ]
        for p in places
        for _ in range(copies)
    ]
    shards = [Shard(device=device, index=index) for device, index in enumerate(indices)]
    return Output(path="", shape=list(shape), dtype=dtype, values=None, summary=None, shards=shards)


def shards(shape: Sequence[int], mesh: Mapping[str, int], spec: Spec) -> list[Shard]:
    """The blocks of an array on a mesh, the axes of which `spec` names for each dimension."""
    found = []
    for device in range(math.prod(mesh.values())):
        rest, at = device, {}
        for name, size in reversed(list(mesh.items())):
            rest, at[name] = divmod(rest, size)
        index = []
        for names, size in zip(spec, shape, strict=True):
            block, count = 0, 1
            for name in names:
                block, count = block * mesh[name] + at[name], count * mesh[name]
            index.append([block * size // count, (block + 1) * size // count])
        found.append(Shard(device=device, index=index))
    return found


def laid_input(
    name: str,
    shape: Sequence[int],
    mesh: Mapping[str, int],
    spec: Spec,
    placed: Placed = "program",
) -> Input:
    """An argument that is one array on a mesh."""
    held = shards(shape, mesh, spec)
    return Input(name=name, path="", shape=list(shape), dtype="float32", placed=placed, shards=held)


def laid_output(shape: Sequence[int], mesh: Mapping[str, int], spec: Spec) -> Output:
    """An output that is one array on a mesh."""
    held = shards(shape, mesh, spec)
    return Output(
        path="", shape=list(shape), dtype="float32", values=None, summary=None, shards=held
    )


def places(mesh: Mapping[str, int]) -> MeshPlaces | None:
    """The mesh over devices from 0 on."""
    return MeshPlaces.over(range(math.prod(mesh.values())), None, mesh)


def labels(count: int) -> dict[int, str]:
    return {device: f"cpu:{device}" for device in range(count)}


def scene(
    output: Output, inputs: Sequence[Input] = (), mesh: Mapping[str, int] | None = None
) -> Scene:
    """What the view shows of a run, on devices with labels."""
    lies = places(mesh) if mesh is not None else None
    found = Scene(
        tuple(Laid.input(leaf, lies) for leaf in inputs), Laid.output(output, lies), {}, lies
    )
    return Scene(found.inputs, found.output, {d: f"cpu:{d}" for d in found.devices}, lies)


def product() -> tuple[Output, list[Input]]:
    """`a @ b` with `a` divided by rows and `b` by columns, over the axes of GRID."""
    a = laid_input("a", (16, 8), GRID, [("x",), ()])
    b = laid_input("b", (8, 6), GRID, [(), ("y",)])
    return laid_output((16, 6), GRID, [("x",), ("y",)]), [a, b]
