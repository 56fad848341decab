"""Answers to the requests about sharding."""

from __future__ import annotations

from collections.abc import Callable

from jaxtui.sharding.engine import compiled, plan
from jaxtui.wire.sharding import (
    AdviseSharding,
    CompileSharding,
    ExplainSharding,
    PlanSharding,
    SearchShardings,
    ShardingAdvised,
    ShardingCompiled,
    ShardingExplained,
    ShardingPlanned,
    ShardingsFound,
)

Light = PlanSharding | AdviseSharding | ExplainSharding
Answer = ShardingPlanned | ShardingAdvised | ShardingExplained
Worked = ShardingCompiled | ShardingsFound


def answer(request: Light) -> Answer:
    """Answer a light request. Raises Diagnosed, but for a plan."""
    return plan.planned(request.composition, request.sharding, id=request.id)


def worked(
    request: CompileSharding | SearchShardings,
    cancelled: Callable[[], bool],
    send: Callable[[ShardingsFound], None],
) -> Worked:
    """Answer a request on the worker. Raises Diagnosed or GivenUp."""
    if isinstance(request, CompileSharding):
        found = compiled.compiled_of(request.composition, request.sharding)
        return ShardingCompiled(id=request.id, compiled=found)
    raise NotImplementedError
