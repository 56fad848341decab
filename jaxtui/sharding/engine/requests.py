"""Answers to the requests about sharding."""

from __future__ import annotations

from collections.abc import Callable

from jaxtui.sharding.engine import advice, compiled, plan, search, why
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
    if isinstance(request, ExplainSharding):
        return why.explained(
            request.composition, request.sharding, request.value, request.dimension, id=request.id
        )
    if isinstance(request, AdviseSharding):
        found = advice.advised(request.composition, request.sharding)
        return ShardingAdvised(id=request.id, advice=found)
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
    for event in search.search(request, cancelled):
        if event.done:
            return event
        send(event)
    raise AssertionError("a search ends with what it found")
