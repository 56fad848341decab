"""A sharding flow as lines of text, with what was compiled, advice and what a search found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jaxtui.sharding import columns, differences, words
from jaxtui.sharding.flow import Flow
from jaxtui.text import quantities
from jaxtui.wire.sharding import (
    Advice,
    CompiledSharding,
    FoundSharding,
    SearchedGroup,
    ShardingPlan,
)

SHOWN = 10  # ways that a search found


def flow(plan: ShardingPlan, platform: str, width: int) -> Iterator[str]:
    """The flow in at most `width` cells, folded by line."""
    yield from columns.lines(Flow(plan), width, platform=platform)
    yield " · ".join(words.footing(plan))
    yield from words.parts_of_axes(plan)
    if plan.unplanned:
        yield plan.unplanned


def compiled(plan: ShardingPlan, made: CompiledSharding | None) -> Iterator[str]:
    """What XLA compiled for these devices, and where that differs from the plan."""
    if made is None:
        yield "a plan: this mesh is not there, so nothing was compiled"
        return
    memory = made.memory
    yield (
        f"compiled: arguments {quantities.size(memory.arguments)}, outputs "
        f"{quantities.size(memory.outputs)}, temporaries {quantities.size(memory.temporaries)} "
        "on each device"
    )
    for one in differences.with_compiled(plan, made.collectives):
        kind, axes = one.sort
        over = ", ".join(axes) or "groups that are no axes"
        if not one.agrees:
            yield f"≠ {kind} over {over}: {one.planned} planned, {one.compiled} compiled"


def advice(given: Sequence[Advice]) -> Iterator[str]:
    """Each piece of advice with its remedies."""
    for one in given:
        where = "" if one.line is None else f"line {one.line}: "
        yield f"advice: {where}{one.message}"
        for fix in one.fixes:
            yield f"  {fix.label}"


def search(
    found: Sequence[FoundSharding], groups: Sequence[SearchedGroup] = (), refused: str = ""
) -> Iterator[str]:
    """The cheapest ways that a search found, those that no other beats, and what was divided; or
    why there is nothing to search."""
    if refused:
        yield f"search: {refused}"
    if not found:
        return
    yield f"search: {len(found):,} ways were planned; ★ no other is both faster and smaller"
    for group in groups:
        if group.pattern:
            arrays, ways = (
                quantities.counted(count, noun)
                for count, noun in ((group.arrays, "array"), (group.ways, "way"))
            )
            yield f"  {group.argument} {group.pattern}: {arrays} alike, {ways} each"
    shown = [one for number, one in enumerate(found) if one.best or number < SHOWN]
    for one in shown[: 2 * SHOWN]:
        sign = "★" if one.best else " "
        full = "" if one.fits else "  does not fit"
        specs = ", ".join(
            f"{name} {words.way(spec, one.chosen.get(name, ''), one.changed.get(name, {}))}"
            for name, spec in one.specs.items()
        )
        yield (
            f"{sign} sent {quantities.size(one.sent):>9}  {quantities.seconds(one.seconds):>9}  "
            f"peak {quantities.size(one.memory):>9}  {specs}{full}"
        )
