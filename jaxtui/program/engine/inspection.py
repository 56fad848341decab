"""Views of a program as JAX and XLA see it: jaxpr, StableHLO, optimised HLO, cost.

All but the jaxpr are those of the program as it runs, with its arguments where they lie. A program
whose outermost layer compiles nothing is compiled under a `jit`.
"""

from __future__ import annotations

import contextlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import jax

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import (
    hlo_collectives,
    hlo_links,
    jaxpr_links,
    lazy_arrays,
    placing,
    programs,
    stablehlo_links,
)
from jaxtui.program.engine.diagnosis import explain as diagnosis
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.hlo_collectives import HloCollective
from jaxtui.program.engine.places_table import Places
from jaxtui.program.engine.prepared import Prepared, prepare
from jaxtui.program.engine.shapes import refuse_too_large
from jaxtui.program.engine.tracing import Recorder, over_arrays
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.listing import Links, Operation
from jaxtui.wire.program import ProgramView


def inspect(composition: Composition, view: ProgramView) -> str:
    """The program's `view` (jaxpr, stablehlo, hlo or cost) as text. Raises Diagnosed."""
    return listed(composition, view)[0]


def listed(composition: Composition, view: ProgramView) -> tuple[str, Links | None]:
    """The same, with what links its lines to the user's; None where there is nothing to link."""
    table = Places()
    if view == "jaxpr":
        jaxpr = trace_prepared(prepare(composition)).jaxpr
        if jaxpr is not None:
            text, spans = jaxpr_links.printed(jaxpr)
            return text, _links(jaxpr_links.operations(jaxpr, text, spans, table), table)
    if view == "stablehlo":
        with lowered_as_it_runs(composition) as (lowered, _):
            text, located = str(lowered.as_text()), str(lowered.as_text(debug_info=True))
        return text, _links(stablehlo_links.operations(text, located, table), table)
    with lowered_as_it_runs(composition) as (lowered, prepared):
        compiled = lowered.compile()
        located = str(lowered.as_text(debug_info=True)) if view == "hlo" else ""
        mesh = dict(prepared.devices.mesh.shape)
    if view == "hlo":
        text = compiled.as_text() or ""
        return text, _links(hlo_links.operations(text, located, table), table)
    return "\n".join(_cost_lines(compiled, mesh)), None


def _links(operations: Iterable[Operation], table: Places) -> Links:
    return Links(operations=list(operations), places=table.lines)


@contextlib.contextmanager
def lowered_as_it_runs(
    composition: Composition, *, any_size: bool = False
) -> Iterator[tuple[Any, Prepared]]:
    """The lowered program with its arguments where they lie, to be compiled in the context.

    What fails in the context is raised as Diagnosed, and before, unless it may be of `any_size`,
    what memory cannot hold.
    """
    prepared = prepare(composition)
    shapes = trace_prepared(prepared)
    if not any_size:
        refuse_too_large(shapes)
    recorder = prepared.recorder()
    try:
        with placing.on_device_set(prepared.devices):
            args, kwargs = prepared.call(placing.placed_structs(shapes.values, prepared))
            with programs.computed(recorder.layers):
                yield _lowered(recorder, args, kwargs), prepared
    except Diagnosed:
        raise
    except Exception as error:
        raise Diagnosed(diagnosis.explain(error, recorder, prepared), recorder.flow()) from error


def _lowered(recorder: Recorder, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if recorder.layers:
        outermost = recorder.outermost(args, kwargs)
        if hasattr(outermost, "lower"):  # a jit or pmap
            return outermost.lower(*args, **kwargs)
    args, kwargs = lazy_arrays.lightly((args, kwargs))
    call, structs = over_arrays(recorder.program, args, kwargs)
    return jax.jit(call).lower(*structs)


def _cost_lines(compiled: Any, mesh: Mapping[str, int]) -> Iterator[str]:
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
    yield from _collective_lines(compiled.as_text() or "", mesh)


def _collective_lines(hlo: str, mesh: Mapping[str, int]) -> Iterator[str]:
    """The collectives by kind: how many, and over which axes, with how many bytes, how often."""
    count = math.prod(mesh.values())
    found = hlo_collectives.collectives(hlo, count)
    if not found:
        yield "no collectives: devices work without speaking to each other"
    for name, number in collectives(hlo).items():
        yield f"{name:28}{number:>16,}"
        alike = Counter(
            (tuple(_axes(one, mesh) or ()), one.bytes, one.times)
            for one in found
            if one.name == name
        )
        for (axes, size, times), counted in alike.items():
            over = f"over {', '.join(axes)}" if axes else "between some devices"
            turns = "in a loop" if times is None else f"{times:,} times" if times > 1 else ""
            sent = f"{counted:,} of {quantities.size(size)} on each device"
            yield "    " + ", ".join(filter(None, (f"{sent} {over}", turns)))


def _axes(one: HloCollective, mesh: Mapping[str, int]) -> list[str] | None:
    return hlo_collectives.axes_of(one.groups, mesh, range(math.prod(mesh.values())))


def collectives(hlo: str) -> dict[str, int]:
    """Count the collectives of each kind, by XLA's names, in an HLO text."""
    counted = Counter(one.name for one in hlo_collectives.collectives(hlo, 1))
    return {name: counted[name] for name in hlo_collectives.KINDS if counted[name]}
