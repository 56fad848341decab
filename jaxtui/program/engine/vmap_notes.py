"""Notes about collectives over the axis of a vmap: nothing is sent, they work inside one device.

Batching leaves no trace of them in the program's jaxpr. So the function is traced once more as the
vmap calls it, with the names of the axes around it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine.mapped_axes import axis_size
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder, over_arrays
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.report import Input

# JAX's primitives, with what they are called by and what they come to over a batch. A pmean is a
# psum that is divided.
_PLAIN = {
    "psum": ("psum or pmean", "a plain sum"),
    "pmax": ("pmax", "a plain maximum"),
    "pmin": ("pmin", "a plain minimum"),
    "all_gather": ("all_gather", "the whole batch"),
    "all_to_all": ("all_to_all", "a plain transposition"),
    "ppermute": ("ppermute", "a plain permutation"),
    "reduce_scatter": ("psum_scatter", "a plain sum"),
}


def of_run(recorder: Recorder, inputs: Sequence[Input]) -> list[Diagnosis]:
    """What is to be said of the collectives over each vmap's axis, where its batch lies on one
    device: so it does in a pmap or a shard_map, and where all `inputs` do."""
    on_one = len({shard.device for leaf in inputs for shard in leaf.shards}) == 1
    notes = []
    for layer in recorder.layers:
        name = layer.settings.get("axis_name")
        plain_vmap = layer.kind.maps and not layer.kind.over_devices
        if name is None or not plain_vmap or layer.settings.get("spmd_axis_name") is not None:
            continue
        if on_one or any(map(_on_each_device, recorder.layers[layer.index + 1 :])):
            found = _collectives(recorder, layer, name)
            notes += [_note(layer, name, found)] if found else []
    return notes


def _on_each_device(layer: BuiltLayer) -> bool:
    """Whether what is inside the layer runs on each device by itself."""
    kind = layer.kind
    by_hand = kind.divides and not kind.in_mesh and "axis_names" not in layer.settings
    return kind.maps_over_devices or by_hand


def _note(layer: BuiltLayer, name: Any, found: Sequence[str]) -> Diagnosis:
    called = " and ".join(_PLAIN[one][0] for one in found)
    come_to = " and ".join(dict.fromkeys(_PLAIN[one][1] for one in found))
    message = (
        f"{called} over {name!r} sends nothing: the examples of the vmap lie on one device, "
        f"where it is {come_to}"
    )
    return Diagnosis(kind="note", field=layer.field("axis_name"), message=message)


def _collectives(recorder: Recorder, layer: BuiltLayer, name: Any) -> list[str]:
    """The collectives over `name` in the function as `layer` calls it, each once."""
    inside = recorder.recordings[recorder.level_of(layer) + 1]
    attempt = Recorder(recorder.function, recorder.layers[: layer.index], recorder.names)
    found: dict[str, None] = {}
    # Whatever the user's function, or a release of JAX, makes of being tried: the result stands.
    with contextlib.suppress(BaseException), rehearsal():
        call, structs = over_arrays(attempt.program, inside.args or (), inside.kwargs)
        jaxpr = jax.make_jaxpr(call, axis_env=list(_axes(recorder, layer)))(*structs)
        for equations, _ in walk(jaxpr):
            for equation in equations:
                primitive = equation.primitive.name.removesuffix("_invariant")
                over = equation.params.get("axes", equation.params.get("axis_name", ()))
                if primitive in _PLAIN and name in (over if isinstance(over, tuple) else (over,)):
                    found[primitive] = None
    return list(found)


def _axes(recorder: Recorder, layer: BuiltLayer) -> Iterator[tuple[Any, int]]:
    """The names of axes that the function may speak of inside `layer`, with their sizes."""
    for outer in recorder.layers[layer.index :]:
        if outer.kind.divides and not outer.kind.in_mesh:
            yield from outer.devices.mesh.shape.items()
            continue
        name = outer.settings.get("axis_name")
        called = recorder.recordings[recorder.level_of(outer)]
        size = axis_size(outer, called.args or (), called.kwargs)
        if name is not None and size is not None:
            yield name, size
