"""What came of a run is kept: gathered, reported, written, reopened, compared."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark import roofline
from jaxtui.benchmark import words as bench_words
from jaxtui.benchmark.kept_runs import RunError
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Argument, Benchmark, Program, Session
from jaxtui.wire.base import Cancelled, Failed, Gone
from jaxtui.wire.benchmark import (
    BenchFinished,
    BenchPeaks,
    BenchPoint,
    BenchPrepared,
    BenchRound,
    BenchSample,
    BenchStage,
    BenchStarted,
)
from jaxtui.wire.benchmark_report import (
    ArmStatistics,
    Conditions,
    Correct,
    Noise,
    Peak,
    PlannedArm,
    PlannedPoint,
    Speedup,
    Stages,
)
from jaxtui.wire.program import Ran
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.report import ProgramReport
from tests.support.made_events import environment

SESSION = Session(
    title="A task | with a bar",
    program=Program(source="def f(x): return x", arguments=[Argument(name="x", value="ones(4)")]),
    benchmark=Benchmark(sweep={"batch": [16, 128]}),
)
ENVIRONMENT = msgspec.structs.replace(environment(), cores=2)
CONDITIONS = Conditions(
    baseline="",
    mode="latency",
    rounds=2,
    exact_rounds=True,
    budget=10.0,
    seed=1,
    pad=False,
    source="abc",
    affinity=[0, 1],
    load=[0.5, 0.5, 0.5],
)
NOISE = Noise(seconds=0.1, switches=1, waited=0.0, stolen=0.0, cpu=1.0)
ID = 4
# Seconds of each arm at the first point: baseline, pmap on 1 device, pmap on 8, control.
SECONDS = (0.010, 0.011, 0.005, 0.010)


def plan(point: int, batch: int) -> PlannedPoint:
    work = {"flops": 1_000_000 * batch, "bytes": 4_000 * batch}
    rows = [
        PlannedArm(arm=0, strategy="jit(vmap)", devices=1, role="baseline", python="step", **work),
        PlannedArm(arm=1, strategy="pmap", devices=1, **work),
        PlannedArm(arm=2, strategy="pmap", devices=8, padded=2, **work),
        PlannedArm(arm=3, strategy="loop", devices=1, skipped="not the same | computation"),
        PlannedArm(arm=4, strategy="jit(vmap)", devices=1, role="control", **work),
    ]
    return PlannedPoint(point=point, parameters={"batch": batch}, batch=batch, arms=rows)


def statistics(arm: int, median: float, rounds: int) -> ArmStatistics:
    value = SECONDS[0] / median if arm != 2 else 2.0
    return ArmStatistics(
        arm=arm,
        n=rounds,
        median=median,
        low=median * 0.98,
        high=median * 1.02,
        mad=0.0001,
        iqr=0.0002,
        min=median * 0.97,
        clean_median=median,
        clean_n=rounds,
        speedup=None
        if arm == 0
        else Speedup(against="jit(vmap)", value=value, low=value * 0.9, high=value * 1.1),
        p_value=None if arm == 0 else 0.001,
        verdict=None if arm == 0 else "faster" if arm == 2 else "within noise",
        seen=None if arm == 0 else 0.05,
    )


def point_events(point: int, batch: int, slower: float = 1.0, rounds: int = 2) -> list[AnyEvent]:
    seconds = dict(zip((0, 1, 2, 4), (s * slower for s in SECONDS), strict=True))
    events: list[AnyEvent] = [
        BenchStage(id=ID, point=point, arm=None, stage="tracing"),
        BenchPoint(id=ID, point=plan(point, batch)),
    ]
    for arm in seconds:
        prepared = BenchPrepared(
            id=ID,
            point=point,
            arm=arm,
            stages=Stages(place=0.001, compile=0.02, first=0.03),
            correct=Correct(wrong=0, count=batch, max_ulp=0.5),
            stablehlo=f"hash{arm}",
            calls=4,
        )
        events.append(prepared)
    for number in range(rounds):
        for order, (arm, took) in enumerate(seconds.items()):
            events.append(
                BenchSample(
                    id=ID,
                    point=point,
                    arm=arm,
                    round=number,
                    order=order,
                    compilation=number % 2,
                    seconds=took,
                )
            )
        flags: list[Any] = [["stolen"], []][: number + 1]
        events.append(
            BenchRound(
                id=ID,
                point=point,
                round=number,
                rounds=rounds,
                seconds_left=1.0,
                noise=NOISE,
                flags=flags,
                statistics=[statistics(arm, s, number + 1) for arm, s in seconds.items()],
            )
        )
    return events


def whole(slower: float = 1.0) -> list[AnyEvent]:
    return [
        BenchStarted(
            id=ID,
            environment=ENVIRONMENT,
            conditions=CONDITIONS,
            points=[{"batch": 16}, {"batch": 128}],
            notes=["a note"],
        ),
        *point_events(0, 16, slower),
        *point_events(1, 128, slower * 4),
        BenchPeaks(
            id=ID,
            peaks=[
                Peak(devices=1, dtype="float32", flops=1e10, bytes=1e9),
                Peak(devices=8, dtype="float32", flops=1e10, bytes=1e9),
            ],
        ),
        BenchFinished(id=ID, stopped=False, seconds=12.0),
    ]


def recorded(events: list[AnyEvent]) -> BenchmarkRecording:
    recording = BenchmarkRecording(ID, SESSION, "task.toml")
    for event in events:
        assert recording.take(event)
    return recording


# ------------------------------------------------------------------------------------- gathering


def test_a_whole_run_is_a_report_with_every_sample_in_its_place() -> None:
    report = recorded(whole()).report()
    assert report.ok
    assert (report.ended, report.seconds, report.notes) == ("complete", 12.0, ["a note"])
    first, second = report.points
    assert first.parameters == {"batch": 16}
    assert second.batch == 128
    assert [(s.name, s.devices, s.role) for s in first.strategies] == [
        ("jit(vmap)", 1, "baseline"),
        ("pmap", 1, "strategy"),
        ("pmap", 8, "strategy"),
        ("loop", 1, "strategy"),
    ]
    fast = first.strategies[2]
    assert [(s.round, s.order, s.seconds, s.flags) for s in fast.samples] == [
        (0, 2, 0.005, ["stolen"]),
        (1, 2, 0.005, []),
    ]
    assert (fast.median, fast.n, fast.verdict, fast.calls) == (0.005, 2, "faster", 4)
    assert first.control is not None
    assert first.control.ratio == 1.0
    assert len(first.control.samples) == 2
    assert first.strategies[3].skipped == "not the same | computation"
    assert first.strategies[3].samples == []


def test_rates_are_held_against_the_roofline_of_as_many_devices() -> None:
    baseline = recorded(whole()).report().points[0].strategies[0]
    assert baseline.flops_rate == pytest.approx(16e6 / 0.010)
    assert baseline.bytes_rate == pytest.approx(64e3 / 0.010)
    # 16e6 operations take 1.6 ms of the peak, 64 kB 0.064 ms of the bandwidth.
    assert baseline.of_peak == pytest.approx(0.0016 / 0.010)


def peaks_of(flops: float, moved: float) -> list[Peak]:
    return [Peak(devices=n, dtype="float32", flops=flops, bytes=moved) for n in (1, 8)]


def test_no_strategy_reaches_more_than_its_peak_and_one_that_was_faster_is_the_peak() -> None:
    recording = recorded(whole())
    recording.peaks = peaks_of(flops=1e9, moved=1e12)  # slower than what was timed
    report = recording.report()
    rows = [row for point in report.points for row in point.strategies if row.of_peak is not None]
    assert {row.roof for row in rows} == {"reached"}
    assert max(row.of_peak for row in rows) == pytest.approx(1.0)
    assert all(row.of_peak <= 1.0 for row in rows)
    assert roofline.REACHED in report.notes


def test_what_moves_within_caches_is_a_peak_at_its_own_point_only() -> None:
    recording = recorded(whole())
    recording.peaks = peaks_of(flops=1e15, moved=1e5)
    for point in recording.report().points:
        rates = {row.devices: row.bytes_rate for row in point.strategies if row.bytes_rate}
        for row in point.strategies:
            if row.of_peak is not None:
                assert row.of_peak == pytest.approx(row.bytes_rate / max(rates.values()))


def test_a_peak_that_was_not_reached_is_the_measured_one_and_needs_no_words() -> None:
    report = recorded(whole()).report()
    rows = [row for point in report.points for row in point.strategies if row.of_peak is not None]
    assert {row.roof for row in rows} == {"measured"}
    assert roofline.REACHED not in report.notes


def test_a_point_that_is_over_is_reported_once() -> None:
    recording = recorded(whole()[:-2])
    first, last = recording.report().points
    again, now = recording.report().points
    assert again == first
    assert again.strategies is first.strategies
    assert now == last
    assert now.strategies is not last.strategies


def test_strong_and_weak_scaling_come_with_what_the_cores_allow() -> None:
    found = {(s.kind, s.point): s for s in recorded(whole()).report().scaling}
    assert found["strong", 0].efficiency == pytest.approx(0.011 / (8 * 0.005))
    # 128 examples on 8 devices against 16 on one.
    assert found["weak", 1].efficiency == pytest.approx(0.011 / (0.005 * 4))
    assert ("weak", 0) not in found
    assert {s.ceiling for s in found.values()} == {0.25}


@pytest.mark.parametrize("left", [1, 4, 9, 12, 20, 27])
def test_no_finished_sample_is_lost_when_the_engine_dies(left: int) -> None:
    events = whole()[:left]
    recording = recorded([*events, Gone(reason="the engine was killed", status=-9, wanted=False)])
    report = recording.report()
    assert not report.ok
    assert report.ended == "the engine was killed"
    assert (report.error is None) == any(isinstance(e, BenchPoint) for e in events)
    kept = sum(len(s.samples) for p in report.points for s in p.strategies)
    kept += sum(len(p.control.samples) for p in report.points if p.control is not None)
    assert kept == sum(isinstance(e, BenchSample) for e in events)
    assert recording.sampled == (kept > 0)
    assert bench_words.text(report)


def test_samples_of_a_round_that_never_ended_have_a_median_of_their_own() -> None:
    events = whole()
    last = next(i for i, e in enumerate(events) if isinstance(e, BenchRound))
    report = recorded(events[:last]).report()
    assert report.ended == "running"
    assert report.points[0].strategies[0].median == 0.010
    assert report.points[0].strategies[0].verdict is None


def test_only_events_of_its_own_request_are_taken() -> None:
    recording = BenchmarkRecording(ID, SESSION)
    assert not recording.take(Cancelled(id=ID + 1))
    assert not recording.take(
        Ran(
            id=9,
            result=9,
            report=ProgramReport(inputs=[], layers=[], outputs=[]),
            flow=None,  # type: ignore[arg-type]
            seconds=0.0,
        )
    )
    assert recording.ended == ""


def test_the_end_is_told_apart() -> None:
    assert recorded([Cancelled(id=ID)]).ended == "stopped"
    assert recorded([BenchFinished(id=ID, stopped=True, seconds=1.0)]).ended == "stopped"
    diagnosis = Diagnosis(kind="axes", field=FieldPath("program.layers"), message="no layer")
    failed = recorded([Failed(id=ID, diagnosis=diagnosis)])
    assert failed.report().error == diagnosis
    after = recorded([*whole(), Gone(reason="killed", status=-9, wanted=False)])
    assert after.ended == "complete"


def test_while_no_samples_come_the_stage_is_known() -> None:
    recording = recorded(whole()[:2])
    assert recording.stage is not None
    assert recording.stage.stage == "tracing"
    assert recorded(whole()).stage is None


# --------------------------------------------------------------------------------------- keeping


def test_a_kept_run_is_read_back_as_it_was(tmp_path: Path) -> None:
    report = recorded(whole()).report()
    path = bench_runs.keep(report, tmp_path / "a" / "b")
    assert bench_runs.read(path) == msgspec.convert(msgspec.to_builtins(report), type(report))
    assert bench_runs.session_of(bench_runs.read(path)) == SESSION
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_runs_of_the_same_second_have_files_of_their_own(tmp_path: Path) -> None:
    report = recorded(whole()).report()
    paths = {bench_runs.keep(report, tmp_path) for _ in range(3)}
    assert len(paths) == 3
    (line, *_) = bench_runs.kept(tmp_path)
    assert (line.title, line.points, line.strategies) == (SESSION.title, 2, 4)
    assert line.device_set == "cpu × 8, JAX 0.10.2"


def test_the_newest_run_is_listed_first_and_other_files_are_not(tmp_path: Path) -> None:
    report = recorded(whole()).report()
    for year in (2024, 2026, 2025):
        began = f"{year}-01-01T00:00:00+00:00"
        bench_runs.keep(msgspec.structs.replace(report, began=began), tmp_path)
    (tmp_path / "notes.json").write_text("{}")
    (tmp_path / "broken.json").write_text("{")
    assert [line.began[:4] for line in bench_runs.kept(tmp_path)] == ["2026", "2025", "2024"]
    assert bench_runs.kept(tmp_path / "nowhere") == []


def test_what_cannot_be_kept_or_read_says_why(tmp_path: Path) -> None:
    report = recorded(whole()).report()
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be kept"):
        bench_runs.keep(report, tmp_path / "file")
    with pytest.raises(RunError, match="cannot be read"):
        bench_runs.read(tmp_path / "missing.json")
    (tmp_path / "other.json").write_text('{"title": 3}')
    with pytest.raises(RunError, match="no run of a benchmark"):
        bench_runs.read(tmp_path / "other.json")


def test_runs_lie_in_the_users_state_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    path = bench_runs.keep(recorded(whole()).report())
    assert tmp_path in path.parents


# ------------------------------------------------------------------------------------- comparing


def test_two_runs_of_one_environment_are_compared_strategy_by_strategy() -> None:
    compared = bench_runs.compare(recorded(whole()).report(), recorded(whole(0.5)).report())
    assert not compared.differences
    assert {(row.parameters["batch"], row.strategy, row.devices) for row in compared.rows} == {
        (batch, *arm) for batch in (16, 128) for arm in (("jit(vmap)", 1), ("pmap", 1), ("pmap", 8))
    }
    assert all(row.ratio == pytest.approx(2.0) for row in compared.rows)
    assert all(row.apart and row.same_program for row in compared.rows)


@pytest.mark.parametrize("factor", [1.01, 1.09, 1 / 1.09])
def test_what_meets_or_is_no_more_than_two_processes_differ_by_is_not_apart(factor: float) -> None:
    compared = bench_runs.compare(recorded(whole()).report(), recorded(whole(factor)).report())
    assert not any(row.apart for row in compared.rows)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("jax", "0.12.0", "JAX"),
        ("cores", 4, "cores"),
        ("cpu", "another", "CPU"),
        ("xla_flags", "--xla_x", "XLA_FLAGS"),
        ("config", {"jax_enable_x64": "True"}, "JAX's configuration"),
    ],
)
def test_runs_of_different_environments_are_marked(field: str, value: Any, words: str) -> None:
    before = recorded(whole()).report()
    changed = msgspec.structs.replace(ENVIRONMENT, **{field: value})
    now = msgspec.structs.replace(before, environment=changed)
    compared = bench_runs.compare(before, now)
    assert compared.differences
    assert [row[0] for row in compared.differences] == [words]
    assert compared.rows


def test_another_program_or_mode_is_a_difference_too() -> None:
    before = recorded(whole()).report()
    made = msgspec.structs.replace(CONDITIONS, source="other", mode="throughput", seed=99)
    now = msgspec.structs.replace(before, conditions=made)
    words = [row[0] for row in bench_runs.compare(before, now).differences]
    assert words == ["mode", "program"]


# ----------------------------------------------------------------------------------------- words


def test_text_says_what_ran_how_sure_it_is_and_what_did_not() -> None:
    text = bench_words.text(recorded(whole()).report())
    assert "simulated on 2 cores" in text
    assert "batch 16 · 16 examples" in text
    assert "jit(vmap) (baseline)" in text
    assert "jit(vmap) again (A/A)" in text
    assert "2.00 [1.80, 2.20]" in text
    assert re.search(r"pmap +1 .* within noise +5 % ", text)
    assert "loop on 1 device is left out: not the same" in text
    assert "1 of 2 rounds are marked: stolen" in text
    assert "batch 16: pmap on 8 devices is the fastest" in text
    assert "(these cores allow 25 %)" in text
    assert bench_words.text(recorded(whole()).report(), ascii=True).isascii()


def test_markdown_has_a_table_for_each_point() -> None:
    lines = bench_words.markdown(recorded(whole()).report()).splitlines()
    tables = [line for line in lines if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in tables}) == 1
    assert len([line for line in tables if "---" in line]) == 2
    assert "## batch 128 · 128 examples" in lines


def test_csv_has_a_row_for_each_strategy_and_its_control() -> None:
    report = recorded(whole()).report()
    rows = list(csv.DictReader(io.StringIO(bench_words.to_csv(report))))
    assert len(rows) == 2 * (4 + 1)
    assert {(row["batch"], row["examples"]) for row in rows} == {("16", "16"), ("128", "128")}
    fast = next(row for row in rows if row["name"] == "pmap" and row["devices"] == "8")
    assert float(fast["median"]) == 0.005
    assert (fast["verdict"], float(fast["speedup"]), fast["against"]) == (
        "faster",
        2.0,
        "jit(vmap)",
    )
    assert [row["role"] for row in rows].count("control") == 2
    assert any(row["skipped"] == "not the same | computation" for row in rows)


def test_json_has_the_fields_that_other_programs_read() -> None:
    found = json.loads(bench_runs.to_json(recorded(whole()).report()))
    assert {"environment", "program", "points", "session", "ok", "error"} <= set(found)
    point = found["points"][0]
    assert {"parameters", "control", "strategies"} <= set(point)
    assert {"ratio", "interval"} <= set(point["control"])
    strategy = point["strategies"][1]
    assert set(strategy["stages"]) == {"place", "trace", "lower", "compile", "first"}
    assert set(strategy["samples"][0]) == {"seconds", "round", "order", "compilation", "flags"}
    assert [sample["compilation"] for sample in strategy["samples"]] == [0, 1]
    assert set(strategy["speedup"]) == {"against", "value", "low", "high"}
    assert {"wrong", "max_ulp"} <= set(strategy["correct"])
    for name in ("name", "devices", "median", "mad", "iqr", "min", "n", "verdict", "skipped"):
        assert name in strategy
