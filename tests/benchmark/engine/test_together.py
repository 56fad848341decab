"""What an engine of several processes tries and times is what one process does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from jaxtui.benchmark import words
from jaxtui.benchmark.engine import equivalents
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.program.engine.value_helpers import normal
from jaxtui.session.layers import Pmap, Vmap
from jaxtui.session.session import Argument, Benchmark, Devices, Program, Session
from jaxtui.wire.base import Cancel, Composition, Failed, Gone
from jaxtui.wire.benchmark import (
    Bench,
    BenchFinished,
    BenchPrepared,
    BenchRound,
    BenchSample,
    BenchStage,
)
from jaxtui.wire.benchmark_report import BenchmarkReport
from jaxtui.wire.client import EngineSettings
from jaxtui.wire.program import Inspect, Inspected, Ran, Run
from tests.support.asking import Asker
from tests.support.processes import children

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]

UNEVEN = "a pmap needs as many devices of each process, one process after the other"
DEVICES = Devices(platform="cpu", count=8)


@pytest.fixture(scope="module")
def two() -> Iterator[Asker]:
    """An engine of two processes with four of the eight devices each."""
    engine = Asker(EngineSettings(platform="cpu", count=8, processes=2))
    yield engine
    engine.client.close()


def composition(body: str, value: str, layer: Any = None) -> Composition:
    source = "def f(x):\n" + textwrap.indent(body, "    ") + "\n"
    program = Program(
        source=source,
        arguments=[Argument(name="x", value=value)],
        layers=[Vmap() if layer is None else layer],
    )
    return Composition(program=program, devices=DEVICES)


def asked(engine: Asker, request: Any, *kinds: type) -> Any:
    engine.client.send(request)
    return engine.heard.until(
        lambda e: e.id == request.id and isinstance(e, (*kinds, Failed)), seconds=120
    )


def text(engine: Asker, of: Composition) -> str:
    answer = asked(
        engine, Inspect(id=engine.next_id(), composition=of, view="equivalents"), Inspected
    )
    assert isinstance(answer, Inspected), answer
    return answer.text


def verdicts(listing: str) -> dict[str, str]:
    """Way -> what is said of it, without how far rounding goes."""
    rows = [re.split(r"\s{2,}", row, maxsplit=1) for row in listing.split("\n\n")[1].splitlines()]
    return {name: said.partition(", at most")[0] for name, said in rows}


# Of such numbers a sum is the same in any order, also over processes.
WHOLE = "arange(24.0).reshape(8, 3)"
PROGRAMS = {
    "a product": composition("return jnp.sin(x) @ jnp.ones((4, 4))", "normal(16, 4)"),
    "a tree": composition("return {'a': x * 2, 'b': (x.sum(), x > 3)}", "normal(8, 2)"),
    "another axis": composition("return x[::-1]", "normal(5, 24)", Vmap(in_axes="1")),
    "keys": composition("return jax.random.split(x)", "keys(16)"),
    "half floats": composition("return x * x", "arange(32).astype(bfloat16).reshape(8, 4)"),
    "four bits": composition("return x", "arange(16).astype('int4').reshape(8, 2)"),
    "scalars": composition("return x", "arange(8)"),
    "fewer devices": composition("return x + 1", "normal(6, 3)"),
    "the batch": composition("return x - lax.pmean(x, 'i')", WHOLE, Vmap(axis_name="i")),
    "a pmap": composition("return lax.psum(x, 'i')", WHOLE, Pmap(axis_name="i")),
    "rounding": composition("return jnp.floor(jnp.sin(x).sum() * 1e7)", "normal(16, 64)"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_other_ways_come_to_what_they_do_in_one_process(two: Asker, name: str) -> None:
    alone = equivalents.text(PROGRAMS[name], lambda stage: None, lambda: False)
    together = text(two, PROGRAMS[name])
    expected = verdicts(alone)
    if "pmap, 6 devices" in expected:
        expected["pmap, 6 devices"] = UNEVEN
    assert verdicts(together) == expected


SCRIPT = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", 4)
jax.config.update("jax_platforms", "cpu")
jax.distributed.initialize(
    sys.argv[1], 2, int(sys.argv[2]), cluster_detection_method="deactivate"
)
import jax.numpy as jnp, numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P
def f(x):
    return jnp.sin(x) @ jnp.ones((4, 4))
x = jnp.array(np.random.default_rng(0).normal(size=(16, 4)), jnp.float32)
wanted = np.asarray(jax.vmap(f)(x))
"""
CHECK = """
for shard in out.addressable_shards:
    given = np.asarray(shard.data).reshape(-1, 4)
    rows = np.arange(16).reshape(8, 2)[shard.device.process_index * 4:][:4].reshape(-1)
    part = wanted[shard.index] if out.shape[0] == 16 else wanted[rows][shard.index]
    np.testing.assert_allclose(given, part.reshape(given.shape), rtol=1e-6)
print("right")
"""


@pytest.mark.parametrize("way", ["pmap", "shard_map", "sharding"])
def test_the_python_of_a_way_runs_in_bare_processes(two: Asker, way: str) -> None:
    listing = text(two, PROGRAMS["a product"])
    python = listing.partition(f"\n# {way}, 8 devices")[2].partition("\n\n")[0]
    from jaxtui.engine.leader import _free_port

    script = SCRIPT + python.partition("\n")[2] + CHECK
    address = f"127.0.0.1:{_free_port()}"
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, address, str(rank)], stdout=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    assert [process.communicate(timeout=60)[0].splitlines()[-1] for process in running] == [
        "right",
        "right",
    ]


def test_a_way_that_fails_in_one_process_leaves_the_engine_at_work(two: Asker) -> None:
    alone = composition(
        "assert 'jit' not in str(x) or not jax.process_index()\nreturn x", "normal(8, 3)"
    )
    other = composition("return x if jax.process_index() else x * 2", "normal(8, 3)")
    for one in (alone, other):
        answer = asked(
            two, Inspect(id=two.next_id(), composition=one, view="equivalents"), Inspected
        )
        assert isinstance(answer, Failed | Inspected)
    ran = asked(two, Run(id=two.next_id(), composition=PROGRAMS["a pmap"]), Ran)
    assert isinstance(ran, Ran)


# ------------------------------------------------------------------------------------- benchmarks


TIMED = composition("return jnp.sin(x) @ x", "normal(16, 24, 24)")
QUICK = Benchmark(strategies=["jit(vmap)", "pmap", "shard_map", "sharding"], rounds=3)


def timed(
    engine: Asker, of: Composition, benchmark: Benchmark, stop_at: type | None = None
) -> BenchmarkReport:
    sent = Bench(id=engine.next_id(), composition=of, benchmark=benchmark)
    recording = BenchmarkRecording(sent.id, Session(program=of.program, devices=DEVICES))
    engine.client.send(sent)
    while not recording.ended:
        event = engine.heard.until(lambda e: e.id == sent.id, seconds=60)
        recording.take(event)
        if stop_at is not None and isinstance(event, stop_at):
            engine.client.send(Cancel(id=engine.next_id(), target=sent.id))
            stop_at = None
    return recording.report()


def works(engine: Asker) -> bool:
    """Whether all processes still compute together."""
    asking = Run(id=engine.next_id(), composition=PROGRAMS["a pmap"], values=100)
    return isinstance(asked(engine, asking, Ran), Ran)


def test_every_process_times_what_it_takes_part_in_and_the_slowest_counts(two: Asker) -> None:
    report = timed(two, TIMED, QUICK)
    assert report.ok, report
    (point,) = report.points
    rows = {(row.name, row.devices): row for row in point.strategies}
    assert len(rows) == 1 + 3 * 4
    for (_, devices), row in rows.items():
        assert row.skipped is None
        assert row.correct is None or not row.correct.wrong
        taking_part = [0, 1] if devices == 8 else [0]
        assert [times.process for times in row.processes] == taking_part
        slowest = [max(pair) for pair in zip(*(t.samples for t in row.processes), strict=True)]
        assert [sample.seconds for sample in row.samples] == slowest
        assert len(slowest) == 3
    assert {peak.devices for peak in report.peaks} == {1, 2, 4, 8}
    values = np.array(report.program.outputs[0].values)
    given = np.asarray(normal(16, 24, 24))
    np.testing.assert_allclose(values, np.sin(given) @ given, rtol=1e-3, atol=1e-4)
    assert "by process" in words.text(report)
    assert "0 alone" in words.text(report)


def test_a_baseline_over_all_processes_is_timed_and_reported(two: Asker) -> None:
    report = timed(two, TIMED, Benchmark(strategies=["shard_map", "pmap"], devices=[8], rounds=2))
    assert report.ok
    assert report.points[0].control.ratio is not None
    values = np.array(report.program.outputs[0].values)
    given = np.asarray(normal(16, 24, 24))
    np.testing.assert_allclose(values, np.sin(given) @ given, rtol=1e-3, atol=1e-4)


def test_a_padded_batch_and_a_sweep_are_timed_by_all(two: Asker) -> None:
    program = composition("return x * 2", "normal(batch, 4)")
    benchmark = Benchmark(
        strategies=["shard_map", "sharding"],
        devices=[8],
        rounds=2,
        pad=True,
        sweep={"batch": [6, 8]},
    )
    report = timed(two, program, benchmark)
    assert report.ok, report
    assert [point.batch for point in report.points] == [6, 8]
    assert [row.padded for point in report.points for row in point.strategies] == [2, 2, 0, 0]
    assert report.program.outputs[0].shape == [6, 4]


@pytest.mark.parametrize("event", [BenchStage, BenchPrepared, BenchSample, BenchRound])
def test_a_benchmark_that_is_stopped_ends_in_all_processes(two: Asker, event: type) -> None:
    report = timed(two, TIMED, Benchmark(strategies=["jit(vmap)", "shard_map"]), stop_at=event)
    assert report.ended == "stopped"
    assert works(two)


def test_a_run_in_between_disturbs_no_process(two: Asker) -> None:
    sent = Bench(id=two.next_id(), composition=TIMED, benchmark=QUICK)
    two.client.send(sent)
    two.heard.until(lambda e: isinstance(e, BenchSample) and e.id == sent.id, seconds=60)
    assert works(two)
    end = two.heard.until(lambda e: isinstance(e, BenchFinished) and e.id == sent.id, seconds=60)
    assert not end.stopped


@pytest.mark.parametrize(
    ("body", "words_of_it"),
    [
        ("return x if jax.process_index() else x * 2", "process 1"),
        ("assert not jax.process_index()\nreturn x", "process 1"),
        ("return x + np.random.default_rng().random()", ""),
        ("1 / 0\nreturn x", "ZeroDivisionError"),
    ],
)
def test_what_fails_in_some_or_all_processes_is_told(
    two: Asker, body: str, words_of_it: str
) -> None:
    report = timed(two, composition(body, "normal(8, 3)"), QUICK)
    assert words_of_it in str(report.error) + str([point.error for point in report.points])
    assert works(two)


def test_a_process_that_dies_ends_the_benchmark_and_keeps_what_came() -> None:
    engine = Asker(EngineSettings(platform="cpu", count=2, processes=2))
    try:
        program = replace(TIMED, devices=Devices(platform="cpu", count=2))
        sent = Bench(id=engine.next_id(), composition=program, benchmark=QUICK)
        recording = BenchmarkRecording(sent.id, Session(program=program.program))
        engine.client.send(sent)
        while not recording.sampled:
            recording.take(engine.heard.until(lambda e: e.id == sent.id, seconds=60))
        leader = engine.client._loop._process._popen.pid
        followers = [pid for pid in children(leader) if "jaxtui.engine" in _command(pid)]
        os.kill(followers[0], signal.SIGKILL)
        gone = engine.heard.until(lambda e: isinstance(e, Gone), seconds=60)
        assert isinstance(gone, Gone)
        assert "process 1" in gone.reason
        recording.lost(gone.reason)
        (point,) = recording.report().points
        assert any(row.samples for row in (*point.strategies, point.control))
    finally:
        engine.client.close()


def _command(pid: int) -> str:
    listed = ["ps", "-o", "args=", "-p", str(pid)]
    return subprocess.run(listed, capture_output=True, text=True, check=False).stdout
