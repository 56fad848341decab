"""Benchmarks: how often they claim what is not there, and miss what is.

The rates are counted over real timings, not taken from theory.
"""

from __future__ import annotations

import os
import random
from typing import Any

from jaxtui.benchmark_report import PlannedArm, Stages
from tests.performance.machine import load
from tests.performance.table import Row
from tests.performance.timed_loop import task, turns_for


def rows(repeats: int) -> list[Row]:
    """Every figure of a benchmark's believability; 60 A/A pairs for each repeat."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    identical, quicker = Pairs(1.0), Pairs(1.25)
    pairs = 60 * repeats
    wrong = sum(identical.verdict(seed) != "within noise" for seed in range(pairs))
    tries = 20 * repeats
    missed = sum(quicker.verdict(seed) != "slower" for seed in range(tries))
    return [
        Row(
            "identical strategies with a verdict",
            100 * wrong / pairs,
            "%",
            1.0,
            f"{wrong} of {pairs} pairs, 25 rounds each, calls of 1 ms, {load()}",
        ),
        Row(
            "a 25 % difference without a verdict",
            100 * missed / tries,
            "%",
            10.0,
            f"{missed} of {tries} pairs, 25 rounds each, calls of 1 ms, {load()}",
        ),
    ]


class Pairs:
    """Two arms whose work differs by `factor`, and the first one again."""

    def __init__(self, factor: float) -> None:
        import jax
        import jax.numpy as jnp

        from jaxtui.engine import timing

        self._method = timing.Method(warm_seconds=0.02)
        turns = turns_for(1e-3)
        x = jnp.ones((8, 64))
        # Each arm is a compiled program of its own, as two strategies are.
        self._calls = [
            jax.jit(lambda x, turns=count: task(x, turns)) for count in (turns, int(turns * factor))
        ]
        self._samplers = []
        for call in (*self._calls, self._calls[0]):
            call(x).block_until_ready()
            sampler = timing.sampler(call, (x,), call(x), throughput=False)
            list(timing.warm(sampler, self._method))
            self._samplers.append((sampler, list(timing.calibrated(sampler, self._method))[-1]))

    def verdict(self, seed: int) -> str:
        """What one benchmark of the two says of the second."""
        from jaxtui.engine.benchmark_plan import Arm
        from jaxtui.engine.preparing import Ready
        from jaxtui.engine.rounds import Extent, Rounds
        from jaxtui.engine.turns import Turns

        ready = []
        for index, (sampler, calls) in enumerate(self._samplers):
            planned = PlannedArm(arm=index, strategy=f"arm {index}", devices=1)
            arm: Any = Arm(strategy=None, setup=None, planned=planned)  # type: ignore[arg-type]
            one = Ready(arm, _nothing, (), None, Stages(), None, sample=sampler, calls=calls)
            ready.append(one)
        rounds = Rounds(
            request=0,
            point=0,
            ready=ready,
            extent=Extent(rounds=25, exact=True, budget=10.0),
            turns=Turns(),
            order=random.Random(seed),
            seed=seed,
        )
        *_, last = rounds.events()
        return str(last.statistics[1].verdict)  # type: ignore[union-attr]


def _nothing() -> None:
    """What is timed is in the sampler."""
