"""What JAX and XLA make of a program: jaxpr, StableHLO, optimised HLO, cost.

All but the jaxpr are of the whole program as one compilation: under its pmap, or under a `jit`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine.diagnosis import explain as diagnosis
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.tracing import over_arrays
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.program import ProgramView

COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "all-to-all",
    "collective-permute",
    "reduce-scatter",
    "collective-broadcast",
    "ragged-all-to-all",
)
# `%x = f32[8]{0} all-reduce-start(...)`: an asynchronous one is counted where it starts.
_COLLECTIVE = re.compile(rf"= .*? ({'|'.join(COLLECTIVES)})(?:-start)?\(")


# Where each operation comes from: paths and frames of JAX's and of this program's own files.
_TABLES = re.compile(
    r"^(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d.*\n)*\n*", re.MULTILINE
)
_METADATA = re.compile(r", (?:metadata=\{[^}]*\}|stack_frame_id=\d+)")


def inspect(composition: Composition, view: ProgramView) -> str:
    """The text of `view` (any but equivalents) of the program. Raises Diagnosed as tracing does."""
    prepared = prepare(composition)
    shapes = trace_prepared(prepared)
    if view == "jaxpr" and shapes.jaxpr is not None:
        return shapes.jaxpr.pretty_print(use_color=False)  # type: ignore[no-any-return]
    recorder = prepared.recorder()
    args, kwargs = prepared.call([value.tree for value in shapes.values])
    try:
        if prepared.layers and prepared.layers[-1].kind.maps_over_devices:
            # Under a jit, JAX before 0.8 hides what a pmap compiles to.
            lowered = recorder.outermost(args, kwargs).lower(*args, **kwargs)
        else:
            call, structs = over_arrays(recorder.program(), args, kwargs)
            lowered = jax.jit(call).lower(*structs)
        if view == "stablehlo":
            return str(lowered.as_text())
        compiled = lowered.compile()
    except Exception as error:
        raise Diagnosed(diagnosis.explain(error, recorder, prepared), recorder.flow()) from error
    return hlo_text(compiled) if view == "hlo" else "\n".join(_cost_lines(compiled))


def hlo_text(compiled: Any) -> str:
    """The optimised HLO without where its operations come from."""
    return _METADATA.sub("", _TABLES.sub("", compiled.as_text() or ""))


def _cost_lines(compiled: Any) -> Iterator[str]:
    """XLA's own estimates, which are for one device and count a loop's body once."""
    cost = compiled.cost_analysis() or {}
    cost = cost[0] if isinstance(cost, list) else cost
    yield "XLA's estimates for one device; the body of a loop counts once."
    yield ""
    for key, name in (("flops", "floating-point operations"), ("bytes accessed", "bytes accessed")):
        if key in cost:
            yield f"{name:28}{cost[key]:>16,.0f}"
    memory = compiled.memory_analysis()
    for attribute, name in (
        ("argument_size_in_bytes", "arguments"),
        ("output_size_in_bytes", "outputs"),
        ("temp_size_in_bytes", "temporaries"),
        ("alias_size_in_bytes", "donated, used in place"),
    ):
        if (size := getattr(memory, attribute, None)) is not None:
            yield f"{name:28}{quantities.size(int(size)):>16}"
    yield ""
    found = collectives((compiled.as_text() or "").splitlines())
    if not found:
        yield "no collectives: devices work without speaking to each other"
    for name, count in found.items():
        yield f"{name:28}{count:>16,}"


def collectives(hlo: Iterable[str]) -> dict[str, int]:
    """How many collectives of each kind the lines of an HLO text hold, in the catalogue's order."""
    counted = Counter(match[1] for line in hlo if (match := _COLLECTIVE.search(line)))
    return {name: counted[name] for name in COLLECTIVES if counted[name]}
