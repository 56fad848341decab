"""Why a jit cannot run what its function maps: over sets of devices that differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import jax
import msgspec

from jaxtui.engine_base.jaxprs import bodies
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine.gradient_notes import line_of
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.program.engine.tracing import Recorder, over_arrays
from jaxtui.session.diagnosis import Diagnosis, Fix
from jaxtui.session.field_path import LAYERS, SOURCE
from jaxtui.text.quantities import counted

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared


def explain(layer: BuiltLayer, recorder: Recorder, prepared: Prepared) -> Diagnosis | None:
    """The lines of the source that map over different devices in one `layer`; None if none do."""
    found = list(_mapped(layer, recorder))
    if len({size for _, _, size in found}) < 2:
        return None
    first = found[0]
    other = next(one for one in found if one[2] != first[2])
    line = first[1]
    message = (
        f"line {line}: a {first[0]} over {counted(first[2], 'device')} and, at line {other[1]}, a "
        f"{other[0]} over {counted(other[2], 'device')} cannot stand in one {layer.transform}, "
        f"which runs on one set of devices"
    )
    layers = list(prepared.composition.program.layers)
    without = msgspec.json.encode([x for i, x in enumerate(layers) if i != layer.index]).decode()
    fix = Fix(f"without the {layer.transform}", LAYERS, without)
    return Diagnosis(kind="devices", field=SOURCE, message=message, fixes=[fix], line=line)


@rehearsal()
def _mapped(layer: BuiltLayer, recorder: Recorder) -> Iterator[tuple[str, int, int]]:
    """What maps over devices within `layer`, with its line and how many devices it takes."""
    seen = recorder.recordings[recorder.level_of(layer)]
    attempt = Recorder(recorder.function, recorder.layers[: layer.index + 1], recorder.names)
    try:
        call, structs = over_arrays(attempt.program, seen.args or (), seen.kwargs)
        jaxpr = jax.make_jaxpr(call)(*structs)
    except BaseException:  # whatever the user's function raises when it is tried
        return
    yield from _within(jaxpr.jaxpr, None, pmapped=False)


def _within(jaxpr: Any, line: int | None, *, pmapped: bool) -> Iterator[tuple[str, int, int]]:
    """What maps over devices in an open jaxpr, which stands at `line` if its equations have none.

    Newer releases of JAX build a pmap as a jit of a shard_map, of which only the jit has a line.
    """
    for equation in jaxpr.eqns:
        at = line_of(equation) or line
        by_pmap = pmapped or equation.primitive.name == "xla_pmap" or _of_pmap(equation)
        size = _devices_of(equation)
        if size is not None and at is not None:
            yield "pmap" if by_pmap else "shard_map", at, size
            continue
        for body in bodies(equation.params):
            yield from _within(body, at, pmapped=by_pmap)


def _devices_of(equation: Any) -> int | None:
    if equation.primitive.name == "shard_map":
        return int(equation.params["mesh"].size)
    if equation.primitive.name == "xla_pmap":
        return int(equation.params["axis_size"])
    return None


def _of_pmap(equation: Any) -> bool:
    """Whether a pmap, which newer releases of JAX build on shard_map, made the equation."""
    traceback = equation.source_info.traceback
    codes = traceback.raw_frames()[0] if traceback is not None else []
    return any(code.co_filename.endswith("pmap.py") for code in codes)
