"""A run whose process is killed is kept with every sample that had come."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from jaxtui.benchmark import journal, kept_runs
from jaxtui.benchmark.recording import BenchmarkRecording
from jaxtui.benchmark.run_recording import RunRecording
from jaxtui.wire.benchmark import BenchSample
from tests.support import made_benchmarks as made
from tests.support import made_events


@pytest.fixture(autouse=True)
def _own_state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


SAMPLED = 1 + next(i for i, e in enumerate(made.whole(7)) if isinstance(e, BenchSample))


def begun() -> BenchmarkRecording:
    return BenchmarkRecording(7, made_events.session(), "task.toml")


def journals() -> list[Path]:
    return list(kept_runs.folder().glob(f"*{journal.SUFFIX}"))


def killed(recording: RunRecording, cut: int = 0) -> None:
    """Leave the file of `recording` as a killed process would, `cut` bytes short."""
    (path,) = journals()
    data = path.read_bytes()
    path.unlink()
    path.with_name("0-dead.events").write_bytes(data[: len(data) - cut])
    recording.noted = None


@pytest.mark.parametrize("events", [SAMPLED, SAMPLED + 5, len(made.whole(7)) - 2])
def test_what_had_come_when_the_process_was_killed_is_kept(events: int) -> None:
    recording = begun()
    journal.Journal(recording)
    for event in made.whole(7)[:events]:
        recording.take(event)
    killed(recording)
    (path,) = journal.recover()
    assert journals() == []
    report = kept_runs.read(path)
    assert report.ended == journal.KILLED
    recording.lost(journal.KILLED)
    expected = msgspec.structs.replace(recording.report(), seconds=report.seconds)
    assert kept_runs.to_json(report) == kept_runs.to_json(expected)
    assert [run.path for run in kept_runs.kept()] == [path]


def test_an_event_that_was_cut_off_costs_only_itself() -> None:
    recording = begun()
    journal.Journal(recording)
    events = made.whole(7)
    for event in events:
        recording.take(event)
    killed(recording, cut=3)
    (path,) = journal.recover()
    report, whole = kept_runs.read(path), recording.report()
    assert report.ended == journal.KILLED
    assert [p.strategies for p in report.points] == [p.strategies for p in whole.points]


@pytest.mark.parametrize("data", [b"", b"\0\0\0\1", b"\xff" * 40, b"\0\0\0\3abc"])
def test_a_file_that_is_no_journal_is_removed_and_nothing_kept(data: bytes) -> None:
    kept_runs.folder().mkdir(parents=True)
    (kept_runs.folder() / f"1-x{journal.SUFFIX}").write_bytes(data)
    assert journal.recover() == []
    assert journals() == []


def test_a_run_that_goes_on_is_left_alone() -> None:
    recording = begun()
    noted = journal.Journal(recording)
    for event in made.whole(7)[:-2]:
        recording.take(event)
    assert journal.recover() == []
    assert len(journals()) == 1
    recording.lost("stopped")
    path = noted.end()
    assert path is not None
    assert kept_runs.read(path).ended == "stopped"
    assert journals() == []


def test_a_run_without_a_sample_leaves_nothing() -> None:
    recording = begun()
    noted = journal.Journal(recording)
    recording.take(made.whole(7)[0])
    assert noted.end() is None
    assert not kept_runs.folder().exists()


def test_a_run_that_cannot_be_kept_stays_in_its_journal() -> None:
    recording = begun()
    noted = journal.Journal(recording)
    for event in made.whole(7):
        recording.take(event)

    def refuse(report: kept_runs.AnyRun) -> Path:
        raise kept_runs.RunError("the disk is full")

    with pytest.raises(kept_runs.RunError):
        noted.end(refuse)
    (path,) = journal.recover()
    assert kept_runs.read(path).ended == "complete"


def test_where_nothing_can_be_written_the_run_goes_on(tmp_path: Path) -> None:
    (tmp_path / "jaxtui").write_text("in the way")
    recording = begun()
    noted = journal.Journal(recording)
    for event in made.whole(7):
        assert recording.take(event)
    with pytest.raises(kept_runs.RunError, match="cannot be kept"):
        noted.end()


def test_where_files_cannot_be_locked_the_run_is_kept_and_no_others_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recording = begun()
    journal.Journal(recording)
    for event in made.whole(7)[:SAMPLED]:
        recording.take(event)
    killed(recording)
    monkeypatch.setattr(journal, "lock", lambda descriptor: False)
    recording = begun()
    noted = journal.Journal(recording)
    for event in made.whole(7):
        assert recording.take(event)
    assert journal.recover() == []
    path = noted.end()
    assert path is not None
    assert kept_runs.read(path).ended == "complete"
    assert [left.name for left in journals()] == ["0-dead.events"]


KILLS_ITSELF = """
import os, signal
from jaxtui.benchmark import journal
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.wire.bandwidth import BandwidthMeasured, BandwidthStarted, SizeReport
from tests.support import made_events
from tests.support.made_sweeps import PLAN
recording = SweepRecording(3, made_events.session())
journal.Journal(recording)
environment = made_events.ready().environment
size = SizeReport(bytes=1024, count=256, dtype="float32", block=[256], samples=[1e-4] * 5)
recording.take(BandwidthStarted(id=3, environment=environment, plan=PLAN))
recording.take(BandwidthMeasured(id=3, point=0, size=size))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_sweep_of_a_process_that_kills_itself_is_kept() -> None:
    ran = subprocess.run([sys.executable, "-c", KILLS_ITSELF], env=dict(os.environ), check=False)
    assert ran.returncode == -9
    (path,) = journal.recover()
    report = msgspec.json.decode(path.read_bytes())
    assert report["ended"] == journal.KILLED
    assert [size["bytes"] for size in report["sizes"]] == [1024]
    assert path.parent.name == "bandwidth"
