"""What a benchmark and a bandwidth sweep share: their extent, their conditions and their end."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from jaxtui.benchmark.engine.rounds import StoppingRule
from jaxtui.benchmark.engine.timing import Method
from jaxtui.benchmark.engine.turns import Pace, Turns
from jaxtui.engine_base.errors import GivenUp
from jaxtui.wire.bandwidth import SweepBandwidth
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import Bench, BenchFinished, BenchStage, BenchStageName
from jaxtui.wire.protocol import AnyEvent

ROUNDS, QUICK_ROUNDS = 25, 10

Events = Iterator[AnyEvent | None]


class TimedRun:
    """A timed run; `budget` is the seconds that each point or size gets if none are asked for."""

    def __init__(
        self,
        request: Bench | SweepBandwidth,
        turns: Turns,
        pace: Pace,
        method: Method,
        budget: float,
    ) -> None:
        asked = request.benchmark
        self.began = time.perf_counter()
        self.id = request.id
        self.composition = request.composition
        self.asked = asked
        self.turns = turns
        self.pace = pace if request.paced else None
        self.method = method
        self.extent = StoppingRule(
            rounds=asked.rounds or (QUICK_ROUNDS if asked.quick else ROUNDS),
            exact=asked.rounds is not None,
            budget=budget if asked.budget is None else asked.budget,
        )
        self.seed = random.SystemRandom().randrange(2**31) if asked.seed is None else asked.seed

    def _to_the_end(self, measurements: Events) -> Events:
        """Yield the measurements, all or until GivenUp, and then how they ended."""
        stopped = False
        try:
            yield from measurements
        except GivenUp:
            stopped = True
        seconds = time.perf_counter() - self.began
        yield BenchFinished(id=self.id, stopped=stopped, seconds=seconds)

    def _stage(self, point: int, arm: int | None, stage: BenchStageName) -> BenchStage:
        return BenchStage(id=self.id, point=point, arm=arm, stage=stage)

    def _conditions(self, composition: Composition) -> dict[str, Any]:
        """The fields that Conditions and SweepPlan have in common.

        `source` is a hash of `composition`, independent of its folder.
        """
        content = msgspec.json.encode(msgspec.structs.replace(composition, folder=""))
        return {
            "mode": self.asked.mode,
            "rounds": self.extent.rounds,
            "exact_rounds": self.extent.exact,
            "budget": self.extent.budget,
            "seed": self.seed,
            "source": hashlib.sha256(content).hexdigest()[:16],
            "affinity": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
            "load": list(os.getloadavg()),
        }
