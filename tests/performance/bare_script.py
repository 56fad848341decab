"""`jaxtui bench` against the same code in a bare script that pyperf times.

Medians differ ten times as much between processes as within one, so only many pairs of neighbouring
processes are conclusive. A second bare script next to the first shows what no difference looks
like.
"""

from __future__ import annotations

import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.engine.sampling_statistics import Ratio, paired_ratio
from jaxtui.session import session
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Benchmark, Devices, Program, Session
from tests.performance.machine import load
from tests.performance.table import Row
from tests.performance.timed_loop import SOURCE, VALUE, turns_for

CALLS = {"10 us": 10e-6, "1 ms": 1e-3, "50 ms": 50e-3}  # seconds per call
SECONDS = 1.0  # of samples in each process
QUIET = 0.03  # the largest difference on a quiet machine
BARE = """
import os
import pyperf

def set_up():
    import jax, jax.numpy as jnp
    from jax import lax
    turns = int(os.environ["TURNS"])
    {source}
    step = jax.jit(jax.vmap(task))
    return step, jnp.ones((8, 64))

def measure(loops):
    began = pyperf.perf_counter()
    for _ in range(loops):
        step(x).block_until_ready()
    return pyperf.perf_counter() - began

runner = pyperf.Runner(
    processes=1, loops=int(os.environ["LOOPS"]), values=int(os.environ["VALUES"]), warmups=3
)
runner.argparser.set_defaults(
    inherit_environ=["TURNS", "LOOPS", "VALUES", "JAX_PLATFORMS", "PYTHONPATH", "PATH"]
)
if runner.parse_args().worker:
    step, x = set_up()
    step(x).block_until_ready()
runner.bench_time_func("call", measure)
"""


def rows(repeats: int) -> list[Row]:
    """Return the difference for each length of call, over two pairs per repeat."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    order = random.Random(0)
    return [_compared(name, seconds, 2 * repeats, order) for name, seconds in CALLS.items()]


@dataclass
class _Medians:
    """Seconds per call, one figure of each kind of process from each pair."""

    bare: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)


def _compared(name: str, seconds: float, pairs: int, order: random.Random) -> Row:
    found = _measured(seconds, pairs, order)

    def against_bare(others: Sequence[float]) -> Ratio:
        return paired_ratio(others, found.bare, seed=0, resamples=9999)

    ours, control = against_bare(found.ours), against_bare(found.again)
    band = max(abs(control.low - 1), abs(control.high - 1))
    return Row(
        f"median of calls of {name} off by",
        100 * abs(ours.value - 1),
        "%",
        100 * max(QUIET, band),
        f"{pairs} pairs: ours / pyperf's {_words(ours)}, control pyperf's / pyperf's "
        f"{_words(control)}; {statistics.median(found.ours) * 1e6:.4g} us, {load()}",
    )


def _words(ratio: Ratio) -> str:
    return f"{ratio.value:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"


def _measured(seconds: float, pairs: int, order: random.Random) -> _Medians:
    """Run three processes `pairs` times, each time in another order."""
    found = _Medians()
    with tempfile.TemporaryDirectory() as folder:
        timed = _Timed(Path(folder), seconds)
        three = [
            lambda: found.bare.append(timed.bare()),
            lambda: found.again.append(timed.bare()),
            lambda: found.ours.append(timed.ours()),
        ]
        for _ in range(pairs):
            for measure in order.sample(three, len(three)):
                measure()
    return found


class _Timed:
    """Times one loop, as a bare script and as a session, in a new process each time."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        turns = turns_for(seconds)
        loops = max(1, round(0.02 / seconds))
        self._environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "XDG_STATE_HOME": str(folder / "state"),
            "TURNS": str(turns),
            "LOOPS": str(loops),
            "VALUES": str(max(10, round(SECONDS / (loops * seconds)))),
        }
        self._script = folder / "bare.py"
        self._script.write_text(BARE.format(source=SOURCE.strip().replace("\n", "\n    ")))
        self._session = folder / "task.toml"
        composed = Session(
            devices=Devices(platform="cpu"),
            parameters={"turns": turns},
            program=Program(
                source=SOURCE, arguments=[Argument(name="x", value=VALUE)], layers=[Vmap()]
            ),
            # Otherwise as usual; the default budget of 10 s would only take longer.
            benchmark=Benchmark(strategies=["jit(vmap)"], quick=True, budget=SECONDS),
        )
        session.save(composed, self._session)

    def bare(self) -> float:
        """Return the seconds of a call by pyperf."""
        import pyperf

        output = self._new_file()
        self._run([str(self._script), "--quiet", "-o", str(output)])
        return float(pyperf.BenchmarkSuite.load(str(output)).get_benchmark("call").median())

    def ours(self) -> float:
        """Return the seconds of a call by `jaxtui bench`."""
        output = self._new_file()
        self._run(["-m", "jaxtui", "bench", str(self._session), "-o", str(output)])
        (point,) = bench_runs.read(output).points
        assert point.strategies[0].median is not None
        return point.strategies[0].median

    def _new_file(self) -> Path:
        return self._folder / f"{next(self._numbers)}.json"

    def _run(self, arguments: list[str]) -> None:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self._environment,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{arguments} ended with {done.returncode}:\n{done.stderr}")
