"""Engines of several processes: their start, what they cost, and their clocks beside bare JAX's.

A bare script of two processes times the same call by `time.perf_counter`, as often in one sample,
and of each sample the slower process counts.
"""

from __future__ import annotations

import json
import os
import secrets
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Listener

from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.engine.leader import LOOPBACK
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Benchmark, Collective, Devices, Program, Session
from jaxtui.wire.bandwidth import BandwidthReport, SweepBandwidth
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import Bench
from jaxtui.wire.benchmark_report import StrategyReport
from jaxtui.wire.client import EngineSettings
from tests.performance.table import Row
from tests.support.asking import Asker

STARTED = (1, 2, 4, 8)  # processes of an engine with 8 devices
ROUNDS = 10
SENT = ["16K", "1M"]
DEVICES = Devices(platform="cpu", count=8)
SOURCE = "def f(x):\n    return jnp.sin(x) @ x\n"
SHAPE = (16, 192, 192)
BARE = """
import json, sys, time
import jax
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_platforms", "cpu")
jax.distributed.initialize(sys.argv[1], 2, int(sys.argv[2]), cluster_detection_method="deactivate")
import jax.numpy as jnp, numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P
calls, samples, shape = int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5])
mesh = Mesh(np.array(jax.devices()), ("batch",), axis_types=(AxisType.Auto,))
host = np.random.default_rng(0).normal(size=shape).astype(np.float32)
x = jax.make_array_from_callback(host.shape, NamedSharding(mesh, P("batch")), lambda i: host[i])
step = jax.jit(jax.vmap(lambda x: jnp.sin(x) @ x))
one = jax.make_array_from_callback((8,), NamedSharding(mesh, P("batch")), lambda i: np.ones(8)[i])
meet = jax.jit(lambda one: one.sum())
for _ in range(20):
    step(x).block_until_ready()
taken = []
for _ in range(samples):
    meet(one).block_until_ready()
    began = time.perf_counter()
    for _ in range(calls):
        step(x).block_until_ready()
    taken.append((time.perf_counter() - began) / calls)
print(json.dumps(taken))
"""

TOLD, TELLINGS = 8, 300
ANSWERS = """
import sys
from multiprocessing.connection import Client
link = Client(("127.0.0.1", int(sys.argv[1])), authkey=sys.stdin.buffer.read())
try:
    while True:
        link.recv()
        link.send(("prepared", ("0" * 64, "0" * 64)))
except EOFError:
    pass
"""


@dataclass
class _Engine:
    """An engine of so many processes, for benchmarks one after the other."""

    processes: int

    def __enter__(self) -> _Engine:
        self.asker = Asker(EngineSettings(platform="cpu", count=8, processes=self.processes))
        return self

    def __exit__(self, *_: object) -> None:
        self.asker.client.close()

    def timed(self, seed: int) -> StrategyReport:
        """The call over all devices."""
        argument = Argument(name="x", value=f"normal{SHAPE}")
        program = Program(source=SOURCE, arguments=[argument], layers=[Vmap()])
        benchmark = Benchmark(strategies=["sharding"], devices=[8], rounds=ROUNDS, seed=seed)
        sent = Bench(
            id=self.asker.next_id(),
            composition=Composition(program=program, devices=DEVICES),
            benchmark=benchmark,
        )
        recording = BenchmarkRecording(sent.id, Session(program=program, devices=DEVICES))
        self._until_ended(sent, recording)
        return recording.report().points[0].strategies[0]

    def swept(self) -> BandwidthReport:
        collective = Collective(operation="psum", via="shard_map", value="ones((8, 2))")
        sent = SweepBandwidth(
            id=self.asker.next_id(),
            composition=Composition(program=Program(), devices=DEVICES),
            collective=collective,
            benchmark=Benchmark(rounds=ROUNDS, sweep={"bytes": [*SENT]}),
        )
        recording = SweepRecording(sent.id, Session(collective=collective, devices=DEVICES))
        self._until_ended(sent, recording)
        return recording.report()

    def _until_ended(
        self, sent: Bench | SweepBandwidth, recording: BenchmarkRecording | SweepRecording
    ) -> None:
        self.asker.client.send(sent)
        while not recording.ended:
            event = self.asker.heard.until(lambda e: e.id == sent.id, seconds=120)
            recording.take(event)


def rows(repeats: int) -> list[Row]:
    return [*_starts(), *_costs(repeats), *_bandwidths(), _link()]


def _starts() -> list[Row]:
    found = []
    for processes in STARTED:
        began = time.perf_counter()
        with _Engine(processes):
            found.append(time.perf_counter() - began)
    return [
        Row(f"an engine of {n} processes: ready over that of one", t / found[0], "×", None,
            f"{t:.2f} s; 8 devices on {os.cpu_count()} cores")
        for n, t in zip(STARTED[1:], found[1:], strict=True)
    ]  # fmt: skip


def _costs(repeats: int) -> list[Row]:
    """Pairs of neighbours in time, since the machine changes from one minute to the next."""
    beside_one, beside_bare, bare_twice, least = [], [], [], ROUNDS
    with _Engine(1) as one, _Engine(2) as two:
        for seed in range(repeats):
            alone, together = one.timed(seed), two.timed(seed)
            assert alone.median is not None
            assert together.median is not None
            first, second = _bare(together.calls), _bare(together.calls)
            beside_one.append(together.median / alone.median)
            beside_bare.append(together.median / first)
            bare_twice.append(second / first)
            least = min(least, *(len(times.samples) for times in together.processes))
    calls = f"{repeats} pairs of {ROUNDS} samples"
    return [
        Row("a call over 2 processes over that in one", statistics.median(beside_one), "×", None,
            f"{calls}, {_spread(beside_one)}"),
        Row("its time in jaxtui over that in two bare processes", statistics.median(beside_bare),
            "×", 1.5, f"{calls}, {_spread(beside_bare)}; at least {least} samples of each process"),
        Row("… and of the bare processes over themselves", statistics.median(bare_twice), "×", None,
            f"{calls}, {_spread(bare_twice)}"),
    ]  # fmt: skip


def _spread(ratios: list[float]) -> str:
    return f"{min(ratios):.2f} to {max(ratios):.2f}"


def _bare(calls: int) -> float:
    """Seconds of a call in two bare processes: the median of the slower one's."""
    from jaxtui.engine.leader import _free_port

    address = f"{LOOPBACK}:{_free_port()}"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", BARE, address, str(rank), str(calls), str(ROUNDS),
             json.dumps(SHAPE)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    taken = [json.loads(one.communicate(timeout=120)[0].splitlines()[-1]) for one in running]
    return statistics.median(map(max, *taken))


def _bandwidths() -> list[Row]:
    with _Engine(2) as engine:
        report = engine.swept()
    return [
        Row(f"psum of {size}: bus bandwidth within a process over between",
            (near.busbw or 0.0) / (far.busbw or 1.0), "×", None,
            f"{near.busbw or 0:.3g} GB/s among 4 devices, {far.busbw or 0:.3g} GB/s among 8")
        for size, far, near in zip(SENT, report.sizes, report.within, strict=True)
    ]  # fmt: skip


def _link() -> Row:
    """What each further process costs the leader in a request: it is told, and heard."""
    asked = Composition(program=Program(source=SOURCE, layers=[Vmap()]), devices=DEVICES)
    secret, taken = secrets.token_bytes(32), []
    with Listener((LOOPBACK, 0), authkey=secret, backlog=TOLD) as listener:
        others = [
            subprocess.Popen(
                [sys.executable, "-c", ANSWERS, str(listener.address[1])], stdin=subprocess.PIPE
            )
            for _ in range(TOLD)
        ]
        for other in others:
            assert other.stdin is not None
            other.stdin.write(secret)
            other.stdin.close()
        links = [listener.accept() for _ in others]
        for _ in range(TELLINGS):
            began = time.perf_counter()
            for link in links:
                link.send(("join", (asked, 0)))
            for link in links:
                link.recv()
            taken.append((time.perf_counter() - began) / TOLD)
        for link in links:
            link.close()
        for other in others:
            other.wait(10)
    return Row(
        "telling one more process, and hearing it",
        1e6 * statistics.median(taken),
        "µs",
        None,
        f"{TELLINGS} requests to {TOLD} processes over loopback",
    )
