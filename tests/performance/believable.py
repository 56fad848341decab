"""Benchmarks: how often they claim what is not there, miss what is, and differ from a bare script.

The rates are counted over real timings, not taken from theory.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jaxtui import bench_runs, session
from jaxtui.benchmark_report import BenchmarkReport, PlannedArm, Stages
from jaxtui.session import Argument, Benchmark, Devices, Program, Session, Vmap
from tests.performance.table import Row

SOURCE = """
def task(x):
    return lax.fori_loop(0, turns, lambda i, y: y * 0.999 + 0.001, x)
"""
VALUE = "ones((8, 64))"
CALLS = {"10 us": 10e-6, "1 ms": 1e-3, "50 ms": 50e-3}  # seconds that a call is to take
BARE = """
import os
os.environ["JAX_PLATFORMS"] = "cpu"
import jax, jax.numpy as jnp, pyperf
from jax import lax
turns = int(os.environ["TURNS"])
{source}
step = jax.jit(jax.vmap(task))
x = jnp.ones((8, 64))
step(x).block_until_ready()

def measure(loops):
    began = pyperf.perf_counter()
    for _ in range(loops):
        step(x).block_until_ready()
    return pyperf.perf_counter() - began

runner = pyperf.Runner(processes=2, values=8, warmups=2, min_time=0.05)
runner.argparser.set_defaults(inherit_environ=["TURNS", "JAX_PLATFORMS", "PYTHONPATH", "PATH"])
runner.bench_time_func("call", measure)
"""


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
            f"{wrong} of {pairs} pairs, 25 rounds each, calls of 1 ms, {_load()}",
        ),
        Row(
            "a 25 % difference without a verdict",
            100 * missed / tries,
            "%",
            10.0,
            f"{missed} of {tries} pairs, 25 rounds each, calls of 1 ms, {_load()}",
        ),
        *(_against_pyperf(name, seconds, repeats) for name, seconds in CALLS.items()),
    ]


def _load() -> str:
    """How busy the machine was: on a busy one less is seen."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"


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
            jax.jit(lambda x, turns=count: _task(x, turns))
            for count in (turns, int(turns * factor))
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


def _task(x: Any, turns: int) -> Any:
    from jax import lax

    return lax.fori_loop(0, turns, lambda i, y: y * 0.999 + 0.001, x)


def turns_for(seconds: float) -> int:
    """So many turns of the loop take about `seconds`, dispatch included."""
    import jax
    import jax.numpy as jnp

    from jaxtui.engine import timing

    x = jnp.ones((8, 64))

    def took(turns: int) -> float:
        call = jax.jit(lambda x: _task(x, turns))
        sampler = timing.sampler(call, (x,), call(x), throughput=False)
        sampler(20)
        return min(sampler(20) for _ in range(5))

    few, many = took(10), took(20_010)
    return max(1, int((seconds - few) / (many - few) * 20_000) + 10)


def _against_pyperf(name: str, seconds: float, repeats: int) -> Row:
    """The median of `jaxtui bench` against that of a bare script, in turns."""
    turns = turns_for(seconds)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        ours, theirs, noise = [], [], []
        for number in range(max(2, repeats // 2)):
            order: list[Callable[[], None]] = [
                lambda n=number: theirs.append(_bare(place / f"{n}.json", place, turns)),  # type: ignore[misc]
                lambda: _ours(place, turns, ours, noise),
            ]
            for measure in order if number % 2 else reversed(order):
                measure()
    ratio = statistics.median(ours) / statistics.median(theirs)
    band = max(0.03, statistics.median(noise))
    detail = (
        f"{statistics.median(ours) * 1e6:.4g} us against pyperf's "
        f"{statistics.median(theirs) * 1e6:.4g} us; "
        f"A/A {100 * statistics.median(noise):.2g} %, {_load()}"
    )
    return Row(f"median of calls of {name} off by", 100 * abs(ratio - 1), "%", 100 * band, detail)


def _bare(output: Path, folder: Path, turns: int) -> float:
    import pyperf

    script = folder / "bare.py"
    script.write_text(BARE.format(source=SOURCE))
    environment = {**os.environ, "TURNS": str(turns), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, str(script), "--quiet", "-o", str(output)]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return float(pyperf.BenchmarkSuite.load(str(output)).get_benchmark("call").median())


_numbers = itertools.count()


def _ours(folder: Path, turns: int, medians: list[float], noise: list[float]) -> None:
    report = timed(folder, turns)
    (point,) = report.points
    assert point.strategies[0].median is not None
    assert point.control is not None
    assert point.control.ratio is not None
    medians.append(point.strategies[0].median)
    noise.append(abs(point.control.ratio - 1))


def timed(folder: Path, turns: int) -> BenchmarkReport:
    """The report of `jaxtui bench` of the loop in an engine of its own."""
    composed = Session(
        devices=Devices(platform="cpu"),
        parameters={"turns": turns},
        program=Program(
            source=SOURCE, arguments=[Argument(name="x", value=VALUE)], layers=[Vmap()]
        ),
        benchmark=Benchmark(strategies=["jit(vmap)"]),
    )
    file = folder / "task.toml"
    session.save(composed, file)
    output = folder / f"ours-{next(_numbers)}.json"
    environment = {**os.environ, "XDG_STATE_HOME": str(folder / "state"), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "jaxtui", "bench", str(file), "-o", str(output)]
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    return bench_runs.read(output)
