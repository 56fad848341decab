"""What XLA compiled for the devices that are here, to stand beside the plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from jaxtui.engine_base.failures import SOURCE_NAME
from jaxtui.program.engine import hlo_collectives
from jaxtui.program.engine.hlo_collectives import HloCollective
from jaxtui.program.engine.inspection import lowered_as_it_runs
from jaxtui.session.session import Sharding
from jaxtui.sharding.costs import Links
from jaxtui.sharding.engine import lines
from jaxtui.sharding.engine.own_mesh import mesh_of
from jaxtui.sharding.engine.plan import links_of
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import CompiledMemory, CompiledSharding, SentCollective


def compiled_of(composition: Composition, sharding: Sharding) -> CompiledSharding:
    """Compile `composition` with its arguments where they lie. Raises Diagnosed."""
    links = links_of(sharding)
    with lowered_as_it_runs(composition) as (lowered, prepared):
        compiled = lowered.compile()
        mesh = mesh_of(lowered.compiler_ir("stablehlo"), prepared.devices.mesh.shape)
    count = math.prod(mesh.values())
    found = hlo_collectives.collectives(compiled.as_text() or "", count)
    return CompiledSharding(
        collectives=[_sent(one, mesh, links) for one in found if _sends(one)],
        memory=_memory(compiled),
    )


def _sends(one: HloCollective) -> bool:
    """Whether anything is sent: XLA also writes collectives over groups of one."""
    return any(len(group) > 1 for group in one.groups)


def _sent(one: HloCollective, mesh: dict[str, int], links: Links) -> SentCollective:
    positions = range(math.prod(mesh.values()))
    if one.kind == "collective_permute":
        axes = hlo_collectives.axes_joined(one.groups, mesh, positions)
    else:
        axes = hlo_collectives.axes_of(one.groups, mesh, positions) or []
    group = max(map(len, one.groups))
    line, file = place_among(one.places)
    return SentCollective(
        kind=one.kind,
        axes=axes,
        line=line,
        file=file,
        bytes=one.bytes,
        parts=one.parts,
        times=one.times,
        seconds=links.seconds(one.kind, axes, group, one.bytes),
    )


def place_among(places: Sequence[tuple[str, int]]) -> tuple[int | None, str]:
    """The line and the file ("" for the source) of the user's among an instruction's places."""
    for file, line in places:
        if file == SOURCE_NAME:
            return line, ""
    for file, line in places:
        if lines.is_users(file):
            return line, file
    return None, ""


def _memory(compiled: Any) -> CompiledMemory:
    memory = compiled.memory_analysis()
    return CompiledMemory(
        arguments=int(getattr(memory, "argument_size_in_bytes", 0)),
        outputs=int(getattr(memory, "output_size_in_bytes", 0)),
        temporaries=int(getattr(memory, "temp_size_in_bytes", 0)),
    )
