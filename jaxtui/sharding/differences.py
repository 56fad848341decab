"""How a plan differs: from what was compiled, and from another plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from jaxtui.sharding import words
from jaxtui.sharding.flow import Flow, Key, Step
from jaxtui.sharding.words import AnyArray
from jaxtui.text import quantities
from jaxtui.wire.sharding import SentCollective, ShardingPlan

Sort = tuple[str, tuple[str, ...]]
"""A kind of collective and the axes that it goes over, in the order of their names."""


class Compared(NamedTuple):
    """How many collectives of one sort were planned and compiled, and the bytes sent by each.

    One that XLA combined of several counts as those. They agree if as many run as often.
    """

    sort: Sort
    planned: int
    compiled: int
    sent_planned: int = 0
    sent_compiled: int = 0
    as_often: bool = True

    @property
    def agrees(self) -> bool:
        return self.planned == self.compiled and self.as_often


def sort_of(collective: SentCollective) -> Sort:
    """What collectives of a plan and of a compiled program are compared by."""
    return collective.kind, tuple(sorted(collective.axes))


def with_compiled(plan: ShardingPlan, compiled: Sequence[SentCollective]) -> list[Compared]:
    """Each sort of collective that was planned or compiled, with both counts."""
    sorts = dict.fromkeys(map(sort_of, [*plan.collectives, *compiled]))
    return [_compared(sort, plan, compiled) for sort in sorts]


def _compared(sort: Sort, plan: ShardingPlan, compiled: Sequence[SentCollective]) -> Compared:
    planned = [one for one in plan.collectives if sort_of(one) == sort]
    made = [one for one in compiled if sort_of(one) == sort]
    before, after = _turns(planned), _turns(made)
    return Compared(
        sort,
        planned=before.total(),
        compiled=after.total(),
        sent_planned=words.sent_in_all(planned, plan.mesh)[0],
        sent_compiled=words.sent_in_all(made, plan.mesh)[0],
        as_often=before == after,
    )


def _turns(collectives: Sequence[SentCollective]) -> Counter[int | None]:
    """How many of `collectives` run so often."""
    turns: Counter[int | None] = Counter()
    for one in collectives:
        turns[one.times] += one.parts
    return turns


def marked(plan: ShardingPlan, compared: Sequence[Compared]) -> frozenset[Key]:
    """The rows of the plan's collectives of which another number was compiled."""
    differing = {one.sort for one in compared if not one.agrees}
    return frozenset(
        Step("collective", number)
        for number, collective in enumerate(plan.collectives)
        if sort_of(collective) in differing
    )


class Difference(NamedTuple):
    """How a plan differs from a kept one.

    `was` has, for each row that changed, what it was; `new` are rows that the kept plan has not.
    `gone` counts what only the kept plan has.
    """

    was: dict[Key, str]
    new: frozenset[Key]
    gone: int
    clauses: list[str]


def between(kept: Flow, flow: Flow) -> Difference:
    """What changed from the plan of `kept` to that of `flow`."""
    before = dict(_told(kept.plan))
    was: dict[Key, str] = {}
    new: list[Key] = []
    same = 0
    for identity, (key, text) in _told(flow.plan):
        if identity not in before:
            new.append(key)
            continue
        same += 1
        if before[identity][1] != text:
            was[key] = before[identity][1]
    gone = len(before) - same
    clauses = _clauses(kept.plan, flow.plan)
    changed = len(was) + len(new)
    clauses.append(f"{changed:,} rows changed" if changed != 1 else "1 row changed")
    if gone:
        clauses.append(f"{gone:,} gone")
    return Difference(was, frozenset(new), gone, clauses)


def _told(plan: ShardingPlan) -> Iterator[tuple[Key, tuple[Key, str]]]:
    """What tells each row from the others in any plan, its key in this one, and what it says."""
    seen: Counter[Key] = Counter()

    def identified(identity: Key) -> Key:
        seen[identity] += 1
        return (*identity, seen[identity])

    for number, array in enumerate(plan.inputs):
        identity = identified(("input", array.name, array.path))
        yield identity, (("input", number), _text(array, plan))
    for number, value in enumerate(plan.values):
        line = -1 if value.line is None else value.line
        identity = identified(("value", value.file, line, value.op, value.name))
        yield identity, (Step("value", number), _text(value, plan))
    for number, array in enumerate(plan.outputs):
        yield identified(("output", array.path)), (("output", number), _text(array, plan))
    for number, sent in enumerate(plan.collectives):
        line = -1 if sent.line is None else sent.line
        identity = identified(("collective", sent.file, line, sent.kind, *sorted(sent.axes)))
        yield identity, (Step("collective", number), words.price(sent, plan.mesh))


def _text(array: AnyArray, plan: ShardingPlan) -> str:
    """A type with its size: on another mesh the same axes leave other blocks."""
    typed = words.text_of(words.typed(array, plan.mesh))
    return f"{typed} {quantities.size(array.bytes)}"


def _clauses(before: ShardingPlan, after: ShardingPlan) -> list[str]:
    sent = [words.sent_in_all(plan.collectives, plan.mesh)[0] for plan in (before, after)]
    peaks = [before.memory.peak, after.memory.peak]
    return [change("sent", *sent), change("peak", *peaks)]


def change(what: str, before: int, after: int) -> str:
    """A change of a size in words: `sent 128 B → 512 B (4.00×)`, `sent 128 B as before`."""
    if before == after:
        return f"{what} {quantities.size(after)} as before"
    ratio = f" ({quantities.significant(after / before)}×)" if before and after else ""
    return f"{what} {quantities.size(before)} → {quantities.size(after)}{ratio}"
