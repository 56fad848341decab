"""`jaxtui bench`: a benchmark without a screen, progress on stderr and the report on stdout."""

from __future__ import annotations

import queue
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from jaxtui.benchmark import journal
from jaxtui.benchmark import kept_runs as bench_runs
from jaxtui.benchmark import words as bench_words
from jaxtui.benchmark.bandwidth import words as bandwidth_words
from jaxtui.benchmark.bandwidth.recording import SweepRecording
from jaxtui.benchmark.kept_runs import AnyRun
from jaxtui.benchmark.recording import BenchmarkRecording, failed
from jaxtui.benchmark.run_recording import COMPLETE
from jaxtui.cli import headless
from jaxtui.cli.headless import DONE, FAILED, NOT_STARTED, EngineLost, Engines, HeadlessEngine
from jaxtui.cli.output import rewrite_line, write
from jaxtui.session import collective_program
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Benchmark, Session, SessionError
from jaxtui.text import plain
from jaxtui.text.signs import in_ascii
from jaxtui.wire.bandwidth import BandwidthReport
from jaxtui.wire.base import Composition
from jaxtui.wire.benchmark import BenchRound, BenchStage
from jaxtui.wire.launch import Choice, folder_of
from jaxtui.wire.protocol import AnyEvent

AnyRecording = BenchmarkRecording | SweepRecording
Format = Literal["text", "json", "csv", "markdown"]

INTERRUPTED = 130
STOP_SECONDS = 2.0  # limit for the engine to finish a sample, after which it is killed
_SUFFIXES: dict[str, Format] = {".json": "json", ".csv": "csv", ".md": "markdown"}


def bench(
    path: str,
    choice: Choice,
    *,
    format: Format | None,
    output: str | None,
    quick: bool,
    ascii: bool,
) -> int:
    """Time the session at `path`, keep the run and write its report. Returns the exit status.

    `format` None is the one that the suffix of `output` names, else text.
    """
    if format is None:
        format = _SUFFIXES.get(Path(output).suffix.lower(), "text") if output else "text"
    try:
        session = headless.load(path, choice)
    except SessionError as error:
        diagnosis = Diagnosis(kind="session", field=error.field, message=error.message)
        nothing = failed(path, "", Session(), diagnosis)
        return _write(nothing, format, output, ascii=ascii) or FAILED
    benchmark = session.benchmark or Benchmark()
    benchmark = msgspec.structs.replace(benchmark, quick=quick or benchmark.quick)
    session = msgspec.structs.replace(session, benchmark=benchmark)
    if session.collective is not None and collective_program.runs_program(session):
        print(f"{path}: its collective is swept; the program is not timed", file=sys.stderr)
    _say_kept(journal.recover, "a run that was killed is ")
    swept = session.collective is not None
    recording: AnyRecording = (SweepRecording if swept else BenchmarkRecording)(0, session, path)
    noted = journal.Journal(recording)
    try:
        status = _measured(path, recording, choice)
    finally:  # also when a signal ends it
        _say_kept(lambda: filter(None, [noted.end()]))
    return _write(recording.report(), format, output, ascii=ascii) or status


def _measured(path: str, recording: AnyRecording, choice: Choice) -> int:
    """Run the engine until the run has ended, and return the exit status."""
    session, started = recording.session, False
    with Engines() as engines:
        engine = engines.for_settings(choice.settings_for(session))
        try:
            recording.environment = engine.environment()
            started = True
            interrupted = _follow(engine, recording, path)
        except EngineLost as lost:
            engines.drop()
            recording.lost(lost.diagnosis.message)
            return FAILED if started else NOT_STARTED
        except BaseException:
            recording.lost("stopped by a signal")
            raise
        if interrupted:
            engines.drop()
    if interrupted:
        return INTERRUPTED
    done = recording.ended == COMPLETE and recording.sampled
    done &= isinstance(recording, BenchmarkRecording) or recording.right
    return DONE if done else FAILED


def _follow(engine: HeadlessEngine, recording: AnyRecording, path: str) -> bool:
    """Record the run's events until it ends, and return whether it was interrupted.

    Raises EngineLost.
    """
    session = recording.session
    assert session.benchmark is not None
    composition = Composition.of(session, folder_of(path))
    recording.request = engine.start_timing(composition, session.collective, session.benchmark)
    progress = Progress(recording)
    try:
        while not recording.ended:
            event = engine.next_event(progress.clear)
            recording.take(event)
            progress.follow(event)
    except KeyboardInterrupt:
        progress.clear()
        print("stopping; ctrl+c again ends the engine", file=sys.stderr)
        engine.cancel(recording.request)
        _wait_for_the_end(engine, recording)
        return True
    finally:
        progress.clear()
    return False


def _wait_for_the_end(engine: HeadlessEngine, recording: AnyRecording) -> None:
    """Wait for the current sample to end, and kill the engine if it does not in time."""
    end = time.monotonic() + STOP_SECONDS
    try:
        while not recording.ended and (left := end - time.monotonic()) > 0:
            recording.take(engine.next_event(seconds=left))
    except (queue.Empty, KeyboardInterrupt, EngineLost):
        pass
    if not recording.ended:
        engine.kill()
        recording.lost("stopped; the engine was ended inside a call that did not end")


class Progress:
    """A progress line on stderr, rewritten in place on a terminal, else printed now and then."""

    SECONDS = 0.2  # between two rewrites
    LINE_SECONDS = 5.0  # between two lines without a terminal

    def __init__(self, recording: AnyRecording) -> None:
        self._recording = recording
        self._tty = sys.stderr.isatty()
        self._shown = 0
        self._next = 0.0

    def follow(self, event: AnyEvent) -> None:
        """Update the line after `event`, if that is due."""
        if not isinstance(event, BenchRound | BenchStage):
            return
        now = time.monotonic()
        if now >= self._next:
            self._next = now + (self.SECONDS if self._tty else self.LINE_SECONDS)
            self._show(self.line(event))

    def line(self, event: BenchRound | BenchStage) -> str:
        if isinstance(self._recording, SweepRecording):
            assert isinstance(event, BenchStage)
            return bandwidth_words.progress(event, self._recording.plan)
        total = len(self._recording.parameters)
        place = f"point {event.point + 1}/{total}  " if total > 1 else ""
        if isinstance(event, BenchRound):
            left = f", {event.seconds_left:.0f} s left" if event.seconds_left >= 1 else ""
            return f"{place}round {event.round + 1}/{event.rounds}{left}"
        arms = self._recording.points[event.point].plan.arms if event.arm is not None else []
        arm = next((arm for arm in arms if arm.arm == event.arm), None)
        devices = "" if arm is None or arm.devices == 1 else f" on {arm.devices} devices"
        name = "" if arm is None else f"  {arm.strategy}{devices}"
        return f"{place}{event.stage}{name}"

    def clear(self) -> None:
        if self._shown:
            rewrite_line(" " * self._shown)
            rewrite_line("")
            self._shown = 0

    def _show(self, line: str) -> None:
        if not self._tty:
            print(line, file=sys.stderr, flush=True)
        else:
            rewrite_line(line.ljust(self._shown))
            self._shown = len(line)


def _say_kept(keep: Callable[[], Iterable[Path]], what: str = "") -> None:
    try:
        for path in keep():
            print(f"{what}kept as {path}", file=sys.stderr)
    except bench_runs.RunError as error:
        print(f"jaxtui: {error}", file=sys.stderr)


def _write(report: AnyRun, format: Format, path: str | None, *, ascii: bool) -> int:
    """Write the report to `path` or stdout. Returns 0, or FAILED if it cannot be written."""
    if report.error is not None:
        print(plain.failure(report.session, report.error, ascii=ascii), file=sys.stderr)
    elif report.ended != COMPLETE:
        print(
            f"{report.session}: {in_ascii(report.ended) if ascii else report.ended}",
            file=sys.stderr,
        )
    content = _content(report, format, ascii=ascii)
    return write(content, path, json=format == "json") if content else DONE


def _content(report: AnyRun, format: Format, *, ascii: bool) -> str:
    """The report in `format`; "" as text if nothing was measured."""
    if format == "json":
        return bench_runs.to_json(report).decode() + "\n"
    if isinstance(report, BandwidthReport):
        if format == "text":
            return bandwidth_words.text(report, ascii=ascii) + "\n" if report.sizes else ""
        return (bandwidth_words.to_csv if format == "csv" else bandwidth_words.markdown)(report)
    if format == "text":
        return bench_words.text(report, ascii=ascii) + "\n" if report.points else ""
    return (bench_words.to_csv if format == "csv" else bench_words.markdown)(report)
