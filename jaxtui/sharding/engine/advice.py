"""What a plan wastes, with remedies that were planned before they are offered.

A remedy is an edit of the session. It is offered only if the plan of the edited session sends less,
or takes less memory and sends no more.
"""

from __future__ import annotations

import math
import time
from typing import NamedTuple

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.session.diagnosis import Fix
from jaxtui.session.session import Sharding
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.sharding.engine.remedies import Remedy, Suspicion
from jaxtui.sharding.engine.suspicions import suspicions
from jaxtui.text import quantities
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import Advice, ShardingPlan

BUDGET = 4.0  # seconds for all remedies; what was found until then is told
MOST = 6  # remedies tried for one suspicion
GAIN = 0.05  # of the time for what is sent, or of the memory: a remedy that gains less is none


def advised(composition: Composition, sharding: Sharding) -> list[Advice]:
    """The advice for a session, what gains most first. Raises Diagnosed if it has no plan.

    Of several remedies that come to the same, the one that stands first in the source is told.
    """
    plan = plan_of(composition, sharding)
    until = time.perf_counter() + BUDGET
    tried: dict[Remedy, Gain | None] = {}
    told: list[Gain] = []
    found: list[tuple[Gain, Advice]] = []
    for suspicion in suspicions(plan, composition):
        fixes: list[tuple[Gain, Fix]] = []
        for remedy in suspicion.remedies[:MOST]:
            if remedy not in tried and time.perf_counter() < until:
                tried[remedy] = _gain(plan, remedy, composition, sharding)
            gain = tried.get(remedy)
            if gain is not None and not any(gain.is_near(other) for other in told):
                label = f"{remedy.label}: {gain.words(plan)}"
                fixes.append((gain, Fix(label=label, field=remedy.field, text=remedy.text)))
                told.append(gain)
        if fixes:
            fixes.sort(key=lambda pair: pair[0])
            found.append((fixes[0][0], told_of(suspicion, fixes, plan)))
    return [advice for _, advice in sorted(found, key=lambda pair: pair[0])]


def told_of(suspicion: Suspicion, fixes: list[tuple[Gain, Fix]], plan: ShardingPlan) -> Advice:
    """What is told of a suspicion: of what is sent, only if a fix has less sent."""
    message, size = suspicion.message, suspicion.bytes
    sending = [(gain, fix) for gain, fix in fixes if gain.sends_less(plan)]
    if suspicion.sends and sending:
        fixes = sending
    elif suspicion.sends:
        least = min(gain.peak for gain, _ in fixes)
        size = plan.memory.peak - least
        message = (
            f"the peak of {quantities.size(plan.memory.peak)} on each device could be "
            f"{quantities.size(size)} lower"
        )
    return Advice(line=suspicion.line, message=message, bytes=size, fixes=[fix for _, fix in fixes])


class Gain(NamedTuple):
    """What remains with a remedy: the seconds of sending, and the peak in bytes."""

    seconds: float
    peak: int

    def is_near(self, other: Gain) -> bool:
        """Whether both come to much the same."""
        return math.isclose(self.seconds, other.seconds, rel_tol=GAIN) and math.isclose(
            self.peak, other.peak, rel_tol=GAIN
        )

    def sends_less(self, plan: ShardingPlan) -> bool:
        """Whether what is sent takes less time than in `plan`."""
        was = _seconds(plan)
        return was - self.seconds > GAIN * was

    def words(self, plan: ShardingPlan) -> str:
        """What it is less than in `plan`."""
        told = []
        if self.sends_less(plan):
            was, now = (quantities.seconds(time) for time in (_seconds(plan), self.seconds))
            told.append(f"{was} of sending becomes {now}")
        if plan.memory.peak - self.peak > GAIN * plan.memory.peak:
            peak = quantities.size(plan.memory.peak)
            told.append(f"peak {peak} becomes {quantities.size(self.peak)}")
        return ", ".join(told)


def _gain(
    plan: ShardingPlan, remedy: Remedy, composition: Composition, sharding: Sharding
) -> Gain | None:
    """What a remedy leaves, None if it gains nothing."""
    try:
        after = plan_of(remedy.applied(composition), sharding)
    except Diagnosed:
        return None
    was, now = _seconds(plan), _seconds(after)
    peak, lower = plan.memory.peak, after.memory.peak
    less_time = was - now > GAIN * was
    less_memory = peak - lower > GAIN * peak
    if (less_time and lower <= 1.5 * peak) or (less_memory and now <= was):
        return Gain(now, lower)
    return None


def _seconds(plan: ShardingPlan) -> float:
    return sum(one.seconds * (one.times or 1) for one in plan.collectives)
