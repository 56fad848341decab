"""`jaxtui bench`, as another program would call it, and benchmarks through a real engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark.journal import KILLED
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.session.layers import Vmap
from jaxtui.session.session import Argument, Benchmark, Program, Session, dumps, loads
from jaxtui.wire.base import Cancel, Cancelled, Composition, Describe, Described, Failed, Gone
from jaxtui.wire.benchmark import (
    Bench,
    BenchFinished,
    BenchGap,
    BenchPlanned,
    BenchRound,
    BenchSample,
    BenchStarted,
    Continue,
    PlanBench,
)
from jaxtui.wire.client import EngineClient, EngineSettings
from jaxtui.wire.program import Ran, Run, Trace, Traced
from jaxtui.wire.protocol import AnyEvent
from tests.support.asking import Asker

pytestmark = pytest.mark.long

JAXTUI = [sys.executable, "-m", "jaxtui"]
TASK = Session(
    title="A small task",
    parameters={"batch": 4},
    program=Program(
        source="def task(x):\n    return jnp.tanh(x * 2)\n",
        arguments=[Argument(name="x", value="arange(batch * 3.0).reshape(batch, 3)")],
        layers=[Vmap()],
    ),
    benchmark=Benchmark(strategies=["loop", "jit(vmap)", "pmap"], rounds=3, devices=[2]),
)


def composition(source: str = TASK.program.source) -> Composition:
    program = Program(
        source=source, arguments=TASK.program.arguments, layers=list(TASK.program.layers)
    )
    return Composition(program=program, parameters=dict(TASK.parameters))


def asked(**changes: Any) -> Benchmark:
    return Benchmark(**{"strategies": ["loop", "jit(vmap)"], "rounds": 2, **changes})


def bench(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*JAXTUI, "bench", *arguments],
        cwd=cwd,
        env={**os.environ, "XDG_STATE_HOME": str(cwd / "state")},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


# --------------------------------------------------------------------------------- command line


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    folder = tmp_path_factory.mktemp("timed")
    (folder / "task.toml").write_text(dumps(TASK))
    return bench("task.toml", "--json", "--platform", "cpu", "--devices", "2", cwd=folder)


def test_json_is_one_object_with_every_sample(timed: subprocess.CompletedProcess[str]) -> None:
    assert timed.returncode == 0, timed.stderr
    (line,) = timed.stdout.splitlines()
    found = json.loads(line)
    assert (found["session"], found["ok"], found["ended"]) == ("task.toml", True, "complete")
    assert found["environment"]["device_count"] == 2
    assert found["program"]["inputs"][0]["shape"] == [4, 3]
    assert found["program"]["layers"][0]["transform"] == "vmap"
    (output,) = found["program"]["outputs"]
    assert output["values"][0][0] == 0.0
    (point,) = found["points"]
    assert [(s["name"], s["devices"]) for s in point["strategies"]] == [
        ("loop", 1),
        ("jit(vmap)", 1),
        ("pmap", 2),
    ]
    for strategy in point["strategies"]:
        assert len(strategy["samples"]) == 3
        assert strategy["correct"]["wrong"] == 0
        assert strategy["n"] == 3
        assert 0 < strategy["min"] <= strategy["median"]
        assert strategy["of_peak"] > 0
    assert len(point["control"]["samples"]) == 3
    assert [peak["devices"] for peak in found["peaks"]] == [1, 2]


def test_progress_and_the_place_of_the_kept_run_go_to_stderr(
    timed: subprocess.CompletedProcess[str],
) -> None:
    assert "tracing" in timed.stderr
    kept = timed.stderr.split("kept as ")[1].split("\n")[0]
    report = bench_runs.read(kept)
    assert msgspec_json(report) == json.loads(timed.stdout)
    assert bench_runs.session_of(report).program == TASK.program


def msgspec_json(report: Any) -> Any:
    return json.loads(bench_runs.to_json(report))


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("title = ", "", "not TOML"),
        ("[benchmark]\nstrategy = 1", "benchmark", "unknown field"),
        ("[benchmark]\nmode = 'fast'", "benchmark.mode", "invalid enum"),
        ("title = 'nothing'", "program", "no function"),
    ],
)
def test_a_session_that_cannot_be_read_says_where(
    text: str, field: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from jaxtui.cli import bench as module
    from jaxtui.wire.launch import Choice

    path = tmp_path / "bad.toml"
    path.write_text(text)
    status = module.bench(str(path), Choice(), format="json", output=None, quick=False, ascii=False)
    assert status == 1
    captured = capsys.readouterr()
    error = json.loads(captured.out)["error"]
    assert error["field"] == field
    assert said in error["message"]
    assert said in captured.err


def test_a_program_that_is_no_benchmark_says_where_and_fails(tmp_path: Path) -> None:
    bare = msgspec.structs.replace(TASK, program=msgspec.structs.replace(TASK.program, layers=[]))
    (tmp_path / "task.toml").write_text(dumps(bare))
    ran = bench("task.toml", "--platform", "cpu", "--devices", "2", cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert "program.layers: no layer says" in ran.stderr
    assert not (tmp_path / "state").exists()


def test_an_engine_that_cannot_start_is_status_3(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(dumps(TASK))
    ran = bench("task.toml", "--json", "--engine", "false", cwd=tmp_path)
    assert ran.returncode == 3
    assert json.loads(ran.stdout)["error"]["kind"] == "engine"


def test_ctrl_c_prints_and_keeps_what_was_measured(tmp_path: Path) -> None:
    long = loads(dumps(TASK).replace("rounds = 3", "rounds = 100000"))
    (tmp_path / "task.toml").write_text(dumps(long))
    process = subprocess.Popen(
        [*JAXTUI, "bench", "task.toml", "-o", "out.json", "--devices", "2", "--platform", "cpu"],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("round"):
            break
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    report = bench_runs.read(tmp_path / "out.json")
    assert report.ended == "stopped"
    assert all(len(s.samples) >= 1 for s in report.points[0].strategies)
    assert len(bench_runs.kept(tmp_path / "state" / "jaxtui" / "benchmarks")) == 1


def test_a_kill_loses_no_sample(tmp_path: Path) -> None:
    long = loads(dumps(TASK).replace("rounds = 3", "rounds = 100000"))
    (tmp_path / "task.toml").write_text(dumps(long))
    command = [*JAXTUI, "bench", "task.toml", "--devices", "2", "--platform", "cpu"]
    env = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
    process = subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert any(line.startswith("round") for line in process.stderr)
    process.kill()
    process.wait()
    (tmp_path / "task.toml").write_text(dumps(TASK))
    after = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert after.returncode == 0, after.stderr
    assert "a run that was killed is kept as" in after.stderr
    runs = bench_runs.kept(tmp_path / "state" / "jaxtui" / "benchmarks")
    assert sorted(run.ended for run in runs) == ["complete", KILLED]
    (path,) = (run.path for run in runs if run.ended == KILLED)
    assert all(s.samples for s in bench_runs.read(path).points[0].strategies)


def test_ctrl_c_inside_a_call_that_does_not_end_keeps_the_samples_before_it(
    tmp_path: Path,
) -> None:
    source = (
        "import itertools, sys, time\n"
        "count = itertools.count()\n"
        "def stop(x):\n"
        "    if next(count) == 400:\n"
        "        print('stuck', file=sys.stderr, flush=True)\n"
        "        time.sleep(1000)\n"
        "    return x\n"
        "def task(x):\n"
        "    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)\n"
        "    return jax.pure_callback(stop, shape, x, vmap_method='expand_dims')\n"
    )
    stuck = msgspec.structs.replace(
        TASK,
        program=msgspec.structs.replace(TASK.program, source=source),
        benchmark=Benchmark(strategies=["jit(vmap)"], rounds=100_000),
    )
    (tmp_path / "task.toml").write_text(dumps(stuck))
    process = subprocess.Popen(
        [*JAXTUI, "bench", "task.toml", "-o", "out.json", "--platform", "cpu"],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert any("stuck" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    report = bench_runs.read(tmp_path / "out.json")
    assert "did not end" in report.ended
    assert report.points


# ------------------------------------------------------------------------------ through an engine


def heard_until(engine: Asker, kind: type[Any], seconds: float = 60.0) -> Any:
    return engine.heard.next(kind, seconds)


def test_a_plan_is_made_without_running(engine: Asker) -> None:
    id = engine.next_id()
    engine.client.send(PlanBench(id=id, composition=composition(), benchmark=asked()))
    plan = heard_until(engine, BenchPlanned)
    assert plan.id == id
    assert [arm.strategy for arm in plan.points[0].arms] == ["loop", "jit(vmap)", "jit(vmap)"]
    assert "jit(vmap)" in {info.name for info in plan.strategies}


def test_light_requests_and_runs_are_answered_while_a_benchmark_goes_on(engine: Asker) -> None:
    id = engine.next_id()
    request = Bench(id=id, composition=composition(), benchmark=asked(rounds=10_000))
    engine.client.send(request)
    heard_until(engine, BenchRound)
    for light in (
        Trace(id=engine.next_id(), composition=composition()),
        Describe(id=engine.next_id()),
        Run(id=engine.next_id(), composition=composition()),
    ):
        answer, _ = engine.ask(light)
        assert isinstance(answer, Traced | Described | Ran)
    heard_until(engine, BenchRound)
    engine.client.send(Cancel(id=engine.next_id(), target=id))
    finished = heard_until(engine, BenchFinished)
    assert finished.stopped
    rounds = [e for e in engine.heard.all if isinstance(e, BenchRound) and e.id == id]
    # Rounds during which the worker did other work are flagged, not dropped.
    assert any("disturbed" in flags for flags in rounds[-1].flags)


def test_a_second_benchmark_waits_for_the_first(engine: Asker) -> None:
    first, second, third = (engine.next_id() for _ in range(3))
    for id, rounds in ((first, 30), (second, 1), (third, 2)):
        engine.client.send(Bench(id=id, composition=composition(), benchmark=asked(rounds=rounds)))
    start = len(engine.heard.all)
    engine.heard.until(lambda event: isinstance(event, BenchFinished) and event.id == third, 60.0)
    mine = [e for e in engine.heard.all[start:] if e.id in (first, second, third)]
    # The newer one replaced the one that was queued.
    assert [e.id for e in mine if isinstance(e, Cancelled)] == [second]
    kinds = [(e.id, type(e)) for e in mine if isinstance(e, BenchStarted | BenchFinished)]
    assert kinds == [
        (first, BenchStarted),
        (first, BenchFinished),
        (third, BenchStarted),
        (third, BenchFinished),
    ]


def test_a_paced_benchmark_goes_on_when_the_screen_says_so_or_is_silent(engine: Asker) -> None:
    id = engine.next_id()
    engine.client.send(
        Bench(id=id, composition=composition(), benchmark=asked(rounds=3), paced=True)
    )
    seen, gaps = 0, 0
    while True:
        event = engine.heard.until(lambda e: isinstance(e, BenchRound | BenchGap | BenchFinished))
        if isinstance(event, BenchFinished):
            break
        seen += isinstance(event, BenchRound)
        gaps += isinstance(event, BenchGap)
        if gaps == 1:
            engine.client.send(Continue(id=engine.next_id(), target=id))
    assert seen == 3
    assert gaps > 2


def test_a_benchmark_that_cannot_be_is_one_failure(engine: Asker) -> None:
    answer, _ = engine.ask(
        Bench(id=engine.next_id(), composition=composition(), benchmark=asked(strategies=["x"]))
    )
    assert isinstance(answer, Failed)
    assert answer.diagnosis.field == "benchmark.strategies.0"


def test_a_waiting_benchmark_is_cancelled_at_once(engine: Asker) -> None:
    first, second = engine.next_id(), engine.next_id()
    for id in (first, second):
        engine.client.send(Bench(id=id, composition=composition(), benchmark=asked(rounds=10_000)))
    engine.heard.until(lambda e: isinstance(e, BenchSample) and e.id == first)
    for id in (second, first):
        engine.client.send(Cancel(id=engine.next_id(), target=id))
    ends = [heard_until(engine, BenchFinished | Cancelled) for _ in range(2)]
    assert {(e.id, type(e)) for e in ends} == {(first, BenchFinished), (second, Cancelled)}


def test_an_engine_that_dies_in_a_sample_loses_no_sample_before_it() -> None:
    # The un-jitted vmap runs the callback at every call; the first ones come from preparing.
    source = (
        "import os, itertools\n"
        "count = itertools.count()\n"
        "def die(x):\n"
        "    if next(count) > 60: os._exit(9)\n"
        "    return x\n"
        "def task(x):\n"
        "    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)\n"
        "    return jax.pure_callback(die, shape, x, vmap_method='sequential')\n"
    )
    client = EngineClient(EngineSettings(platform="cpu", count=1))
    recording = BenchmarkRecording(1, TASK)
    events: list[AnyEvent] = []
    try:
        client.listen(lambda event: (events.append(event), recording.take(event))[0])
        client.start()
        id = client.next_id()
        recording.request = id
        client.send(
            Bench(
                id=id,
                composition=composition(source),
                benchmark=asked(strategies=["jit(vmap)"], rounds=10_000),
            )
        )
        end = time.monotonic() + 60
        while not any(isinstance(event, Gone) for event in events) and time.monotonic() < end:
            time.sleep(0.02)
    finally:
        client.close()
    assert recording.ended
    report = recording.report()
    taken = sum(isinstance(event, BenchSample) for event in events)
    control = report.points[0].control
    assert control is not None
    assert len(report.points[0].strategies[0].samples) + len(control.samples) == taken
