"""Views of a program as JAX and XLA see it: jaxpr, StableHLO, optimised HLO, cost.

All but the jaxpr are those of the program as it runs, with its arguments where they lie. A program
whose outermost layer compiles nothing is compiled under a `jit`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import jax

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import placing
from jaxtui.program.engine.diagnosis import explain as diagnosis
from jaxtui.program.engine.evaluation import refuse_too_large, trace_prepared
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.tracing import Recorder, over_arrays
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

# The source locations of operations: paths and frames in JAX's and jaxtui's own files.
_TABLES = re.compile(
    r"^(?:FileNames|FunctionNames|FileLocations|StackFrames)\n(?:\d.*\n)*\n*", re.MULTILINE
)
_METADATA = re.compile(r", (?:metadata=\{[^}]*\}|stack_frame_id=\d+)")


def inspect(composition: Composition, view: ProgramView) -> str:
    """The program's `view` (any but "equivalents") as text. Raises Diagnosed."""
    prepared = prepare(composition)
    shapes = trace_prepared(prepared)
    if view == "jaxpr" and shapes.jaxpr is not None:
        return shapes.jaxpr.pretty_print(use_color=False)  # type: ignore[no-any-return]
    refuse_too_large(shapes)
    recorder = prepared.recorder()
    try:
        with placing.on_device_set(prepared.devices):
            args, kwargs = prepared.call(placing.placed_structs(shapes.values, prepared))
            lowered = _lowered(recorder, args, kwargs)
            if view == "stablehlo":
                return str(lowered.as_text())
            compiled = lowered.compile()
    except Diagnosed:
        raise
    except Exception as error:
        raise Diagnosed(diagnosis.explain(error, recorder, prepared), recorder.flow()) from error
    return hlo_text(compiled) if view == "hlo" else "\n".join(_cost_lines(compiled))


def _lowered(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if recorder.layers:
        outermost = recorder.outermost(args, kwargs)
        if hasattr(outermost, "lower"):  # a jit or pmap
            return outermost.lower(*args, **kwargs)
    call, structs = over_arrays(recorder.program, args, kwargs)
    return jax.jit(call).lower(*structs)


def hlo_text(compiled: Any) -> str:
    """The optimised HLO without the source locations of its operations."""
    return _METADATA.sub("", _TABLES.sub("", compiled.as_text() or ""))


def _cost_lines(compiled: Any) -> Iterator[str]:
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
    """Count the collectives of each kind in the lines of an HLO text, in COLLECTIVES' order."""
    counted = Counter(match[1] for line in hlo if (match := _COLLECTIVE.search(line)))
    return {name: counted[name] for name in COLLECTIVES if counted[name]}
