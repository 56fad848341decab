"""Benchmark runs kept under the user's state folder: saved, listed, reopened and compared."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from jaxtui import bounded, config
from jaxtui.session.field_path import decoded, encoded
from jaxtui.session.session import Session
from jaxtui.wire.bandwidth import BandwidthReport
from jaxtui.wire.benchmark_report import BenchmarkReport, StrategyReport
from jaxtui.wire.report import Environment

SUFFIX = ".json"
RUN_BYTES = 64 * 1024 * 1024  # the most that is read of one file
# What msgspec raises for JSON that is none, is of another form, not UTF-8, or nested without end.
_MISREAD = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
AnyRun = BenchmarkReport | BandwidthReport


class RunError(Exception):
    """A kept run cannot be read, or a run cannot be saved; the message says why."""


class KeptRun(Struct, frozen=True, kw_only=True):
    """One line of the list of runs, read without decoding the samples."""

    path: Path
    title: str
    began: str
    ended: str
    device_set: str
    strategies: int
    points: int


class Comparison(Struct, frozen=True, kw_only=True):
    """Two runs side by side. `differences` are (what, before, now) of their environments.

    `rows` are the strategies that both timed at the same point.
    """

    differences: list[tuple[str, str, str]]
    rows: list[ComparedRow]


class ComparedRow(Struct, frozen=True, kw_only=True):
    """A strategy at a point in both runs; `ratio` is before/now, above 1 is faster now.

    `apart`: the 99 % intervals of the medians do not meet, and more lies between the medians than
    BETWEEN_RUNS. `same_program`: both compiled the same StableHLO, None where one has none.
    """

    parameters: dict[str, int | float | str]
    strategy: str
    devices: int
    before: float
    now: float
    ratio: float
    apart: bool
    same_program: bool | None


def folder() -> Path:
    """The folder of kept runs, which may not exist yet."""
    return config.state_folder() / "benchmarks"


def keep(report: AnyRun, within: Path | None = None) -> Path:
    """Write the run to a file of its own, whole or not at all. Raises RunError.

    Sweeps of a collective are kept apart from the runs that can be listed and compared.
    """
    own = folder() if isinstance(report, BenchmarkReport) else folder().parent / "bandwidth"
    target = own if within is None else within
    name = re.sub(r"[^a-z0-9]+", "-", (report.title or "run").lower()).strip("-")[:40] or "run"
    stamp = re.sub(r"[^0-9T]", "", report.began.partition("+")[0])
    try:
        target.mkdir(parents=True, exist_ok=True)
        return _write_new(target, f"{stamp}-{name}", to_json(report))
    except OSError as error:
        raise RunError(f"the run cannot be kept in {target}: {error.strerror}") from error


def _write_new(target: Path, stem: str, data: bytes) -> Path:
    descriptor, temporary = tempfile.mkstemp(dir=target, prefix=".run.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        for number in range(1000):
            path = target / f"{stem}{f'-{number}' if number else ''}{SUFFIX}"
            try:
                os.link(temporary, path)  # unlike a rename it never takes another's place
            except FileExistsError:
                continue
            return path
        raise FileExistsError(17, "too many runs of this name", str(target))
    finally:
        os.unlink(temporary)


def to_json(report: AnyRun) -> bytes:
    """The report as `bench --json` prints it, one line."""
    return msgspec.json.encode(report, enc_hook=encoded)


def read(path: str | os.PathLike[str]) -> BenchmarkReport:
    """A kept run. Raises RunError."""
    try:
        data = bounded.read(path, RUN_BYTES)
        return msgspec.json.decode(data, type=BenchmarkReport, dec_hook=decoded)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except bounded.Unreadable as error:
        raise RunError(f"{path}: cannot be read: {error}") from error
    except _MISREAD as error:
        raise RunError(f"{path}: no run of a benchmark: {error}") from error


def kept(within: Path | None = None) -> list[KeptRun]:
    """All readable kept runs, newest first."""
    target = folder() if within is None else within
    runs = []
    for path in sorted(target.glob(f"*{SUFFIX}"), reverse=True):
        try:
            head = msgspec.json.decode(bounded.read(path, RUN_BYTES), type=_Head)
            runs.append(_line(path, head))
        except (OSError, bounded.Unreadable, *_MISREAD):
            continue  # another program's file, or one of a version that wrote it differently
    return runs


class _HeadPoint(Struct):
    """A point, its strategies left undecoded."""

    strategies: list[msgspec.Raw]


class _Head(Struct):
    """What a line of the list needs of a run; msgspec skips the samples."""

    title: str
    began: str
    ended: str
    environment: Environment | None
    points: list[_HeadPoint]


def _line(path: Path, report: _Head) -> KeptRun:
    seen = report.environment
    return KeptRun(
        path=path,
        title=report.title,
        began=report.began,
        ended=report.ended,
        device_set=f"{seen.platform} × {seen.device_count}, JAX {seen.jax}" if seen else "",
        strategies=max((len(point.strategies) for point in report.points), default=0),
        points=len(report.points),
    )


def session_of(report: BenchmarkReport) -> Session:
    """The session that was timed. Raises RunError if this version cannot read it."""
    try:
        return msgspec.convert(report.composition, Session)
    except (msgspec.ValidationError, RecursionError) as error:
        raise RunError(f"the session of this run cannot be read: {error}") from error


# -------------------------------------------------------------------------------------- comparing

# The interval of a median holds within its process: from one to the next the same program comes out
# otherwise by this much, and has no control there.
BETWEEN_RUNS = 0.10
_COMPARED = (
    ("jax", "JAX"),
    ("jaxlib", "jaxlib"),
    ("numpy", "NumPy"),
    ("python", "Python"),
    ("platform", "platform"),
    ("device_count", "devices"),
    ("process_count", "processes"),
    ("host", "host"),
    ("cpu", "CPU"),
    ("cores", "cores"),
    ("xla_flags", "XLA_FLAGS"),
    ("config", "JAX's configuration"),
)
_CONDITIONS = (("mode", "mode"), ("affinity", "cores in use"), ("source", "program"))


def compare(before: BenchmarkReport, now: BenchmarkReport) -> Comparison:
    """Compare two runs, and report every difference that may affect their times."""
    earlier = {_key(p.parameters, s): s for p in before.points for s in p.strategies}
    rows = []
    for point in now.points:
        for report in point.strategies:
            old = earlier.get(_key(point.parameters, report))
            if old is not None and old.median and report.median:
                rows.append(_row(point.parameters, old, report, old.median, report.median))
    return Comparison(differences=_differences(before, now), rows=rows)


def _key(parameters: dict[str, Any], report: StrategyReport) -> tuple[Any, ...]:
    return (tuple(sorted(parameters.items())), report.name, report.devices)


def _row(
    parameters: dict[str, Any],
    old: StrategyReport,
    new: StrategyReport,
    before: float,
    now: float,
) -> ComparedRow:
    return ComparedRow(
        parameters=parameters,
        strategy=new.name,
        devices=new.devices,
        before=before,
        now=now,
        ratio=before / now,
        apart=_disjoint(old, new) and max(before / now, now / before) - 1 > BETWEEN_RUNS,
        same_program=old.stablehlo == new.stablehlo if old.stablehlo and new.stablehlo else None,
    )


def _disjoint(old: StrategyReport, new: StrategyReport) -> bool:
    """Whether both medians have an interval, and the two do not meet."""
    if old.low is None or old.high is None or new.low is None or new.high is None:
        return False
    return old.low > new.high or new.low > old.high


def _differences(before: BenchmarkReport, now: BenchmarkReport) -> list[tuple[str, str, str]]:
    found = [("jaxtui", before.version, now.version)]
    for old, new, names in (
        (before.environment, now.environment, _COMPARED),
        (before.conditions, now.conditions, _CONDITIONS),
    ):
        for name, words in names:
            values = [_words(getattr(one, name, None)) for one in (old, new)]
            found.append((words, values[0], values[1]))
    kinds = [_kinds(report) for report in (before, now)]
    found.append(("kind of devices", kinds[0], kinds[1]))
    return [row for row in found if row[1] != row[2]]


def _kinds(report: BenchmarkReport) -> str:
    seen = report.environment
    return ", ".join(sorted({device.kind for device in seen.devices})) if seen else ""


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={value[key]}" for key in sorted(value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
