"""Benchmarks: how often they report a difference that is not there, or miss one that is.

The rates are counted over real benchmarks, not taken from theory. Where a program lies in memory
changes its time by a constant of the process, so the pairs come from many processes.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from dataclasses import replace
from typing import Any

from tests.performance.machine import load
from tests.performance.table import Row
from tests.performance.timed_loop import SOURCE, VALUE, task, turns_for

PAIRS = 10  # in each process


def rows(repeats: int) -> list[Row]:
    """Return the error rates; per repeat, 60 A/A pairs in 6 processes."""
    identical = _verdicts(1.0, 6 * repeats)
    slower = _verdicts(1.25, 2 * repeats)
    wrong = sum(verdict != "within noise" for verdict, _ in identical)
    missed = sum(verdict != "slower" for verdict, _ in slower)
    off = [abs(math.log(ratio)) for _, ratio in identical]
    made = f"{PAIRS} in each process, 25 rounds, calls of 1 ms, {load()}"
    return [
        Row(
            "identical strategies with a verdict",
            100 * wrong / len(identical),
            "%",
            1.0,
            f"{wrong} of {len(identical)} pairs, apart by {100 * statistics.median(off):.1f} % in "
            f"the median and {100 * max(off):.1f} % at most; {made}",
        ),
        Row(
            "a 25 % difference without a verdict",
            100 * missed / len(slower),
            "%",
            10.0,
            f"{missed} of {len(slower)} pairs; {made}",
        ),
    ]


def _verdicts(factor: float, processes: int) -> list[tuple[str, float]]:
    """Return, for each pair, the verdict on the second arm and the measured ratio."""
    code = f"from tests.performance.believable import benchmarks; benchmarks({factor})"
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    found: list[tuple[str, float]] = []
    for _ in range(processes):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        found += json.loads(done.stdout)
    return found


def benchmarks(factor: float) -> None:
    """Print the results of PAIRS benchmarks against an arm with `factor` times the work."""
    from jaxtui.benchmark.engine import peaks
    from jaxtui.benchmark.engine import plan as benchmark_plan
    from jaxtui.benchmark.engine import run as benchmark
    from jaxtui.benchmark.engine.turns import Pace, Turns
    from jaxtui.session.layers import Vmap
    from jaxtui.session.session import Argument, Benchmark, Program
    from jaxtui.wire.base import Composition
    from jaxtui.wire.benchmark import Bench, BenchRound

    # Allow an arm with more work, and measure no peaks.
    benchmark_plan.SAME = max(benchmark_plan.SAME, 1.1 * factor)
    peaks.measured = lambda *_: iter(())
    turns = turns_for(1e-3)
    _add_strategy(int(turns * factor))
    composition = Composition(
        program=Program(
            # Only a parameter that is used can be swept.
            source=SOURCE,
            arguments=[Argument(name="x", value=f"{VALUE} * pair**0")],
            layers=[Vmap()],
        ),
        parameters={"turns": turns, "pair": 0},
    )
    asked = Benchmark(
        strategies=["jit(vmap)", "other"], sweep={"pair": list(range(PAIRS))}, rounds=25
    )
    request = Bench(id=0, composition=composition, benchmark=asked)
    last: dict[int, Any] = {}
    for event in benchmark.events(request, Turns(), Pace()):
        if isinstance(event, BenchRound):
            last[event.point] = event.statistics[1]
    print(json.dumps([(found.verdict, found.speedup.value) for found in last.values()]))


def _add_strategy(turns: int) -> None:
    """Add the strategy `other`: jit(vmap) of the loop with `turns` turns."""
    import jax

    from jaxtui.benchmark.engine.strategies import table as strategies

    def build(_: Any) -> strategies.Built:
        step = jax.jit(jax.vmap(lambda x: task(x, turns)))
        return strategies.Built(step, step)

    same = strategies.TABLE[strategies.BASELINE]
    strategies.TABLE["other"] = replace(same, name="other", build=build)
