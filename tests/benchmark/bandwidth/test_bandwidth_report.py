"""A sweep's conventions, sizes and fit, how it is gathered and written, and `jaxtui bench`."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from jaxtui.benchmark.bandwidth import words as bandwidth_words
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.session.collective_catalogue import OPERATIONS
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.session import Argument, Benchmark, Collective, Program, Session, dumps
from jaxtui.wire import bandwidth
from jaxtui.wire.bandwidth import (
    BandwidthMeasured,
    BandwidthReport,
    BandwidthStarted,
    SizeReport,
    SizesError,
    SweepBandwidth,
    fit,
)
from jaxtui.wire.base import Cancel, Composition, Failed, Gone, Printed
from jaxtui.wire.benchmark import BenchFinished, BenchStage
from jaxtui.wire.benchmark_report import Noise, Round
from jaxtui.wire.program import Trace, Traced
from tests.support.made_events import environment
from tests.support.made_sweeps import PLAN

pytestmark = pytest.mark.long

ENVIRONMENT = environment()


def size(count: int, seconds: float, **changes: Any) -> SizeReport:
    algbw, busbw = bandwidth.rates(4 * count, seconds, 1.75)
    found = SizeReport(
        bytes=4 * count,
        count=count,
        dtype="float32",
        block=[count],
        time_us=seconds * 1e6,
        low_us=seconds * 0.9e6,
        high_us=seconds * 1.1e6,
        min_us=seconds * 0.9e6,
        algbw=algbw,
        busbw=busbw,
        wrong=0,
        n=3,
        calls=16,
        samples=[seconds * 0.9, seconds, seconds * 1.1],
    )
    return replace(found, **changes)


def recording(*sizes: SizeReport) -> SweepRecording:
    found = SweepRecording(5, Session(title="sums"), "psum.toml")
    assert found.take(BandwidthStarted(id=5, environment=ENVIRONMENT, plan=PLAN))
    for point, one in enumerate(sizes):
        assert found.take(BandwidthMeasured(id=5, point=point, size=one))
    return found


def finished(*sizes: SizeReport) -> BandwidthReport:
    found = recording(*sizes)
    found.take(BenchFinished(id=5, stopped=False, seconds=1.5))
    return found.report()


# ------------------------------------------------------------------------------ conventions, sizes


@pytest.mark.parametrize(
    ("operation", "factor", "blocks"),
    [
        ("psum", 2 * 7 / 8, 1),
        ("pmean", 2 * 7 / 8, 1),
        ("pmax", 2 * 7 / 8, 1),
        ("pmin", 2 * 7 / 8, 1),
        ("all_gather", 7 / 8, 8),
        ("psum_scatter", 7 / 8, 8),
        ("all_to_all", 7 / 8, 8),
        ("pswapaxes", 7 / 8, 8),
        ("ppermute", 1, 1),
        ("pshuffle", 1, 1),
        ("pbroadcast", 1, 1),
    ],
)
def test_factors_and_sizes_are_those_of_nccl_tests(
    operation: str, factor: float, blocks: int
) -> None:
    convention = OPERATIONS[operation].convention
    assert convention is not None
    assert convention.factor(8) == pytest.approx(factor)
    assert convention.blocks(8) == blocks
    assert convention.factor(1) == (1 if factor == 1 else 0)


def test_bandwidths_are_in_billions_of_bytes() -> None:
    all_reduce = OPERATIONS["psum"].convention
    assert all_reduce is not None
    # 1 GB in half a second; the all-reduce of 2 ranks sends every byte once.
    assert bandwidth.rates(10**9, 0.5, all_reduce.factor(2)) == (2.0, 2.0)
    # The busbw of an ideal ring is its links' bandwidth B, whatever n is.
    for ranks in (2, 3, 16):
        seconds = 2 * (ranks - 1) / ranks * 10**9 / 5e9
        _, busbw = bandwidth.rates(10**9, seconds, all_reduce.factor(ranks))
        assert busbw == pytest.approx(5)


def test_sizes_are_bytes_texts_and_doubling_ranges() -> None:
    assert bandwidth.sizes_from([4096, "64K", "1 MiB", "2m", "5B", 8.0]) == [
        5,
        8,
        4096,
        65536,
        2**20,
        2**21,
    ]
    assert bandwidth.sizes_from(["1K..8K", 2048]) == [1024, 2048, 4096, 8192]
    assert bandwidth.sizes_from(["3..13"]) == [3, 6, 12]


@pytest.mark.parametrize("bad", ["", "K", "1.5K", "-4", 0, "8K..1K", "1K..", 2.5, "9" * 30])
def test_what_is_no_size_is_told_with_its_place(bad: Any) -> None:
    with pytest.raises(SizesError) as caught:
        bandwidth.sizes_from([64, bad])
    assert caught.value.index == 1


# -------------------------------------------------------------------------------------- the fit


@given(alpha=st.floats(1e-7, 1e-2), beta=st.floats(1e6, 1e12), smallest=st.integers(1, 4096))
def test_the_fit_finds_the_latency_and_the_bandwidth_that_times_were_made_of(
    alpha: float, beta: float, smallest: int
) -> None:
    counts = [smallest * 4**k for k in range(12)]
    found = fit([size(count, alpha + 4 * count / beta) for count in counts])
    assert found is not None
    assert found.worst < 1e-6
    for count in counts:
        model = found.alpha_us * 1e-6 + 4 * count / (found.beta * 1e9)
        assert model == pytest.approx(alpha + 4 * count / beta, rel=1e-5)


def test_the_fit_weighs_small_and_large_messages_alike() -> None:
    times = [(256, 100e-6), (512, 102e-6), (2**22, 10e-3), (2**23, 22e-3)]
    found = fit([size(count, seconds) for count, seconds in times])
    assert found is not None
    assert found.alpha_us == pytest.approx(100, rel=0.05)
    assert 0 < found.worst < 0.1


def test_latency_is_never_below_zero() -> None:
    found = fit([size(n, 1e-9 * n**1.5) for n in (100, 1000, 10_000)])
    assert found is not None
    assert found.alpha_us == 0
    assert found.worst > 0.1


def test_without_three_sizes_or_growing_times_there_is_no_fit() -> None:
    assert fit([size(100, 1e-3), size(200, 2e-3)]) is None
    assert fit([size(100, 3e-3), size(1000, 2e-3), size(10_000, 1e-3)]) is None
    left_out = size(400, 1.0, time_us=None, skipped="does not fit")
    assert fit([size(100, 1e-3), size(200, 2e-3), left_out]) is None


# ------------------------------------------------------------------------------ gathered, written


def test_a_recording_keeps_what_came_before_the_end() -> None:
    found = recording(size(256, 1e-4))
    assert not found.take(BandwidthMeasured(id=6, point=1, size=size(512, 1e-4)))
    found.take(BenchFinished(id=5, stopped=True, seconds=0.5))
    report = found.report()
    assert (report.ended, report.ok, len(report.sizes)) == ("stopped", False, 1)
    gone = recording(size(256, 1e-4))
    gone.take(Gone(reason="killed by signal 9", status=-9, wanted=False))
    report = gone.report()
    assert (report.ended, report.error, len(report.sizes)) == ("killed by signal 9", None, 1)


def test_a_recording_tells_why_nothing_came() -> None:
    found = SweepRecording(5, Session())
    why = Diagnosis(kind="collective", field=FieldPath("collective.via"), message="nothing is sent")
    found.take(Failed(id=5, diagnosis=why))
    assert found.report().error == why
    lost = SweepRecording(5, Session())
    lost.take(Gone(reason="not found", status=None, wanted=False))
    assert lost.report().error == Diagnosis(kind="engine", field=FieldPath(""), message="not found")


def test_one_wrong_element_makes_the_run_not_ok() -> None:
    assert finished(size(256, 1e-4)).ok
    report = finished(size(256, 1e-4, wrong=1))
    assert not report.ok
    assert "1 KiB: 1 element is wrong" in bandwidth_words.findings(report)
    agrees = "every element on every device agrees with the NumPy reference"
    assert agrees not in bandwidth_words.findings(report)


def test_the_table_has_a_line_for_each_size() -> None:
    noise = Noise(seconds=1.0, switches=9, waited=None, stolen=None, cpu=None)
    marked = [Round(noise=noise, flags=["switched out"]), Round(noise=noise, flags=[])]
    left_out = SizeReport(
        bytes=2**40, count=2**38, dtype="float32", block=[2**38], skipped="does not fit: no"
    )
    report = finished(
        size(256, 1e-4, rounds=marked), size(512, 1.1e-4), size(2**20, 2.5e-3), left_out
    )
    assert bandwidth_words.text(report) == (
        """\
psum.toml  sums

cpu × 8, JAX 0.10.2, simulated on 4 cores; a CPU; host
psum (all-reduce) via pmap: n = 8 ranks
S, the size: the bytes that each rank gives; count: elements given by each rank
algbw = S/t; busbw = 2(n−1)/n · S/t, here × 1.75; t until the slowest rank is done; GB = 10^9 bytes
at most 25 timings of many calls, every call waited for, out of place, seed 11
simulated: virtual CPU devices share one memory, and no link is measured

     size       count  type        time  ± 99 %   algbw   busbw  #wrong
      (B)  (elements)              (µs)          (GB/s)  (GB/s)
    1,024         256  float32    100.0  ± 10 %   0.010   0.018       0
    2,048         512  float32    110.0  ± 10 %   0.019   0.033       0
4,194,304   1,048,576  float32  2,500.0  ± 10 %   1.678   2.936       0

"""
        f"{bandwidth_words.fit_text(report.fit)}\n"
        "average bus bandwidth 0.996 GB/s\n"
        "1024 GiB is left out: does not fit: no\n"
        "every element on every device agrees with the NumPy reference\n"
        "1 of 2 timings are marked: switched out; they count"
    )
    assert bandwidth_words.text(report, ascii=True).isascii()


def test_the_fit_is_said_with_its_error() -> None:
    assert bandwidth_words.fit_text(bandwidth.Fit(alpha_us=84.99, beta=3.2149, worst=0.137)) == (
        "t = 85.0 µs + S / 3.21 GB/s, off by at most 14 %"
    )
    assert bandwidth_words.fit_text(None) == ""


def test_no_bandwidth_is_rounded_to_nothing() -> None:
    cells = bandwidth_words.row(size(1, 1e-2))
    assert cells[5:7] == ["<0.001", "<0.001"]


def test_csv_and_markdown_have_the_same_figures() -> None:
    report = finished(size(256, 1e-4), size(512, 1.1e-4))
    rows = list(csv.DictReader(io.StringIO(bandwidth_words.to_csv(report))))
    assert [(row["operation"], row["ranks"], row["bytes"]) for row in rows] == [
        ("psum", "8", "1024"),
        ("psum", "8", "2048"),
    ]
    assert float(rows[0]["busbw"]) == pytest.approx(1.75 * float(rows[0]["algbw"]))
    assert rows[0]["skipped"] == ""
    table = [line for line in bandwidth_words.markdown(report).splitlines() if line[:1] == "|"]
    assert table[0].startswith("| size (B) | count (elements) | type | time (µs) |")
    assert table[2].startswith("| 1,024 | 256 | float32 | 100.0 |")
    assert len(table) == 4


def test_progress_names_the_size_and_the_stage() -> None:
    stage = BenchStage(id=5, point=1, arm=None, stage="timing")
    assert bandwidth_words.progress(stage, PLAN) == "size 2/2  2 KiB  timing"
    assert bandwidth_words.progress(stage, None) == "tracing"


# --------------------------------------------------------------------------- with a real engine

PSUM = Collective(operation="psum", value="arange(16.0).reshape(8, 2)")


def asked(engine: Any, sizes: list[Any], source: str = "", **benchmark: Any) -> SweepBandwidth:
    return SweepBandwidth(
        id=engine.next_id(),
        composition=Composition(program=Program(source=source)),
        collective=PSUM,
        benchmark=Benchmark(sweep={"bytes": sizes}, **benchmark),
    )


def test_a_sweep_is_told_size_by_size_and_its_source_prints_once(engine: Any) -> None:
    request = asked(engine, ["1K..4K"], "print('seen')\n", rounds=2)
    engine.client.send(request)
    end = engine.heard.next(BenchFinished)
    assert (end.id, end.stopped) == (request.id, False)
    mine = [event for event in engine.heard.all if event.id == request.id]
    assert [e.size.bytes for e in mine if isinstance(e, BandwidthMeasured)] == [1024, 2048, 4096]
    assert all(e.size.wrong == 0 for e in mine if isinstance(e, BandwidthMeasured))
    assert "".join(e.text for e in mine if isinstance(e, Printed)) == "seen\n"


def test_cancel_ends_a_sweep_and_what_was_measured_holds(engine: Any) -> None:
    request = asked(engine, ["1K..4K"], rounds=100_000)
    engine.client.send(request)
    engine.heard.until(lambda e: isinstance(e, BenchStage) and e.stage == "timing")
    # Meanwhile shapes are still answered, between two samples.
    program = Program(
        source="def f(x):\n    return x\n", arguments=[Argument(name="x", value="1.")]
    )
    trace = Trace(id=engine.next_id(), composition=Composition(program=program))
    assert isinstance(engine.ask(trace)[0], Traced)
    engine.client.send(Cancel(id=engine.next_id(), target=request.id))
    measured = engine.heard.next(BandwidthMeasured)
    assert measured.size.n == len(measured.size.samples) > 0
    assert engine.heard.next(BenchFinished).stopped


def bench(session: Session, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    path = folder / "session.toml"
    path.write_text(dumps(session))
    return subprocess.run(
        [sys.executable, "-m", "jaxtui", "bench", str(path), *options],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"XDG_STATE_HOME": str(folder)},
    )


@pytest.mark.parametrize("devices", [3, 16])
def test_bench_sweeps_a_session_with_a_collective(tmp_path: Path, devices: int) -> None:
    session = Session(
        collective=Collective(
            operation="all_gather", via="shard_map", value="ones((devices, 2), 'int16')"
        ),
        benchmark=Benchmark(sweep={"bytes": [999, "64K"]}, rounds=3),
    )
    done = bench(session, tmp_path, "--platform", "cpu", "--devices", str(devices), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["ok"], report["ended"]) == (True, "complete")
    assert report["environment"]["simulated"] is True
    assert report["collective"]["ranks"] == devices
    assert report["collective"]["factor"] == pytest.approx((devices - 1) / devices)
    unit = 2 * devices
    assert [one["bytes"] for one in report["sizes"]] == [
        999 // unit * unit,
        65536 // unit * unit,
    ]
    for one in report["sizes"]:
        assert (one["wrong"], one["n"], one["dtype"]) == (0, 3, "int16")
        assert one["algbw"] == pytest.approx(one["bytes"] / one["time_us"] / 1e3)
    (kept,) = (tmp_path / "jaxtui" / "bandwidth").glob("*.json")
    assert json.loads(kept.read_text()) == report


def test_bench_prints_a_table_and_says_that_devices_are_simulated(tmp_path: Path) -> None:
    session = Session(
        collective=PSUM,
        program=Program(
            source="def f(x):\n    return x\n", arguments=[Argument(name="x", value="1")]
        ),
        benchmark=Benchmark(sweep={"bytes": [1024]}, rounds=2),
    )
    done = bench(session, tmp_path, "--platform", "cpu", "--devices", "8", "--ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "cpu x 8" in done.stdout
    assert "simulated" in done.stdout
    assert "#wrong" in done.stdout
    assert "its collective is swept; the program is not timed" in done.stderr


def test_bench_tells_what_cannot_be_swept_and_fails(tmp_path: Path) -> None:
    session = Session(collective=Collective(operation="axis_index"))
    done = bench(session, tmp_path, "--platform", "cpu", "--devices", "2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "collective.operation: axis_index sends nothing" in done.stderr


def test_ctrl_c_ends_a_sweep_with_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "session.toml"
    path.write_text(
        dumps(Session(collective=PSUM, benchmark=Benchmark(sweep={"bytes": ["4..16M"]})))
    )
    command = [sys.executable, "-m", "jaxtui", "bench", str(path), "--csv", "--devices", "8"]
    process = subprocess.Popen(
        [*command, "--platform", "cpu"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
    )
    assert process.stderr is not None
    while not (line := process.stderr.readline()).startswith("size ") or line[:7] == "size 1/":
        assert line, "it ended before the second size"
    process.send_signal(signal.SIGINT)
    out, said = process.communicate(timeout=30)
    assert process.returncode == 130, said
    rows = list(csv.DictReader(io.StringIO(out)))
    assert 0 < len(rows) < 23
    assert all(int(row["n"]) > 0 and row["wrong"] == "0" for row in rows)
