"""The text around the benchmark table: titles, progress, the plan."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from jaxtui.benchmark import words as bench_words
from jaxtui.benchmark.kept_runs import KeptRun
from jaxtui.benchmark.screen import rows
from jaxtui.benchmark.screen.rows import Key
from jaxtui.benchmark.screen.work import BenchmarkWork
from jaxtui.screen.toggles import Toggle
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import BENCHMARK
from jaxtui.session.session import Benchmark, Session
from jaxtui.wire.benchmark_report import BenchmarkReport, PlannedPoint, PointReport, StrategyInfo
from jaxtui.wire.report import Environment

BAR_LEAST, BAR_MOST = 10, 40  # cells
READY = 0.4  # of a point: about what it takes to get ready
# Every row is prepared, then every row compared, then every row warmed up.
_PASSES = {"comparing": 1, "warming": 2, "calibrating": 2}
OPTIONS = {
    "quick": "quick: 10 rounds are enough, which tells only large differences",
    "pad": "pad: repeat the last example where the devices do not divide the batch",
    "throughput": "throughput: wait for the last call of a sample only, not for each (latency)",
}


def function_text(session: Session) -> str:
    """The call that is timed: `benchmark_task(matrix)`."""
    program = session.program
    name = program.function_name or "no function"
    return f"{name}({', '.join(argument.name for argument in program.arguments)})"


def task_text(task: Session, own: Session, room: int) -> str:
    """What stands for the tutorial's task, and how the session's own program is timed instead."""
    words = f"{function_text(task)} · the tutorial's task"
    picked = f"{words}; p takes {function_text(own)} instead"
    return words if own.program.empty or len(picked) + LABEL > room else picked


LABEL = 13  # cells of the margin and of the label in front of it


def strategy_toggles(benchmark: Benchmark, known: Sequence[StrategyInfo]) -> list[Toggle]:
    """A toggle per strategy, on for those that would be timed."""
    on = benchmark.strategies or [s.name for s in known if s.by_default]
    found = [Toggle(s.name, s.name in on, f"{s.name}: {s.title}") for s in known]
    names = {toggle.name for toggle in found}
    return [*found, *(Toggle(name, True) for name in on if name not in names)]


def chosen_strategies(names: Sequence[str], known: Sequence[StrategyInfo]) -> list[str]:
    """The benchmark's `strategies` for these names: [] for the default."""
    default = [s.name for s in known if s.by_default]
    return [] if list(names) == default else list(names)


def option_toggles(benchmark: Benchmark) -> list[Toggle]:
    """The toggles for quick, pad and throughput."""
    on = {
        "quick": benchmark.quick,
        "pad": benchmark.pad,
        "throughput": benchmark.mode == "throughput",
    }
    return [Toggle(name, on[name], about) for name, about in OPTIONS.items()]


def plan_words(work: BenchmarkWork) -> str:
    """What F5 would do, in a line."""
    if work.running:
        return "A run is in hand: ctrl+c stops it and keeps what it has."
    if not work.plan_fresh or work.plan is None:
        return ""
    points = work.plan.points
    timed = [sum(arm.skipped is None for arm in point.arms) for point in points]
    left = sum(arm.skipped is not None for point in points for arm in point.arms)
    if not any(timed):
        return "Nothing of this can be timed: the table says why."
    asked = work.benchmark
    rounds = asked.rounds or (10 if asked.quick else 25)
    more = "" if asked.rounds else " or more"
    places = "" if len(points) == 1 else f" at each of {len(points)} points"
    said = f"F5 times {max(timed)} rows{places}, {rounds}{more} rounds, all in turn in every round"
    return said + (f"; {left} left out" if left else "")


def title(
    work: BenchmarkWork,
    session: Session,
    environment: Environment | None,
    point: PointReport | PlannedPoint | None,
    place: tuple[int, int],
    width: int,
) -> str:
    """The title of the table; the least informative parts are left out to fit `width` cells."""
    report = work.report
    seen = report.environment if report is not None and report.environment else environment
    at = {} if point is None else point.parameters
    swept = bench_words.parameters(at)
    known = bench_words.parameters({**session.parameters, **at})
    number, of = place
    nth = f"point {number + 1} of {of}" if of > 1 else ""
    state, where = _state(work, report, point), rows.where(seen)
    name = function_text(session)
    for parts in (
        (name, known, where, nth, state),
        (name, swept, where, nth, state),
        (swept, where, nth, state),
        (swept, nth, state),
    ):
        text = " · ".join(filter(None, parts))
        if len(text) <= width:
            break
    return text


def _state(
    work: BenchmarkWork, report: BenchmarkReport | None, point: PointReport | PlannedPoint | None
) -> str:
    if report is None or isinstance(point, PlannedPoint):
        return "" if work.running else "not timed yet"
    said = []
    if work.opened is not None:
        said.append(f"the run of {moment(report.began)}")
    if isinstance(point, PointReport) and point.rounds and not work.running:
        count = len(point.rounds)
        said.append(f"{count} round{'s' if count > 1 else ''}")
    if not work.running and report.ended not in ("complete", "running"):
        said.append("stopped" if report.ended == "stopped" else "ended early")
    if work.stale:
        said.append("of the settings before")
    return ", ".join(said)


def progress(work: BenchmarkWork, now: float, width: int) -> str:
    """`round 12/25 ██████░░░░ 6 s left`, "" while nothing runs."""
    recording = work.recording
    if recording is None or recording.ended:
        return ""
    total = max(1, len(recording.parameters))
    number = max(0, len(recording.points) - 1)
    words, share = work.stage_words(now) or "starting", 0.0
    if recording.points:
        point = recording.points[-1]
        arms = max(1, len(point.plan.arms))
        if point.rounds and recording.stage is None:
            done = len(point.noise)
            words = f"round {done}/{point.rounds}"
            share = READY + (1 - READY) * done / point.rounds
        elif recording.stage is None:
            timed = sum(arm.arm in point.samples for arm in point.plan.arms)
            wanted = sum(point.skipped(arm) is None for arm in point.plan.arms)
            words, share = f"first round, {timed}/{wanted} rows", READY
        elif recording.stage.stage == "peaks":
            words, share = "measuring what the devices reach at most", 1.0
        elif recording.stage.arm is not None:
            words = f"{recording.stage.arm + 1}/{arms} {words}"
            passed = _PASSES.get(recording.stage.stage, 0)
            share = (passed + recording.stage.arm / arms) / (1 + max(_PASSES.values())) * READY
    if total > 1:
        words = f"point {number + 1}/{total}, {words}"
    left = work.seconds_left(now) if recording.stage is None else None
    end = "" if left is None else f"  about {duration(left)} left"
    hints = [f"{end}  ctrl+c stops, and keeps it", f"{end}  ctrl+c stops", end]
    if work.stopping is not None:
        hints = ["  stopping"]
    room = width - len(words) - 2
    hint = next((hint for hint in hints if len(hint) + BAR_LEAST <= room), hints[-1])
    cells = max(BAR_LEAST, min(BAR_MOST, room - len(hint)))
    full = round((number + min(1.0, share)) / total * cells)
    return f"{words}  {'█' * full}{'░' * (cells - full)}{hint}"


def duration(seconds: float) -> str:
    """`6 s`, `2 min 5 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{max(1, whole)} s"
    return f"{whole // 60} min {whole % 60} s"


def moment(began: str) -> str:
    """`2026-11-22 09:53` of an ISO time."""
    return began[:16].replace("T", " ")


def run_label(run: KeptRun, width: int) -> str:
    """An entry of the list of earlier runs."""
    points = "" if run.points == 1 else f", {run.points} points"
    ended = "" if run.ended == "complete" else f", {run.ended}"
    text = f"{moment(run.began)}  {run.title or 'untitled'}  {run.strategies} rows{points}{ended}"
    text += f"  {run.device_set}"
    return text if len(text) <= width else text[: width - 1] + "…"


def heading_words(report: BenchmarkReport) -> list[str]:
    """How the run was made."""
    if report.ended == "running":
        report = msgspec.structs.replace(report, ended="complete")
    return [line for line in bench_words.heading(report) if line]


def left_out(point: PointReport | PlannedPoint | None, key: Key | None) -> Diagnosis | None:
    """Why the row `key` of a point is left out, with fixes; None if it is not."""
    row = rows.row_of(point, key) if point is not None and key is not None else None
    if row is None or row.skipped is None:
        return None
    field = row.fixes[0].field if row.fixes else BENCHMARK
    return Diagnosis(kind="session", field=field, message=row.skipped, fixes=row.fixes)


def being_prepared(bench: BenchmarkWork, number: int) -> tuple[Key | None, str]:
    """The row of point `number` that is being prepared, and its stage."""
    recording = bench.recording
    if recording is None or recording.stage is None or bench.opened is not None:
        return None, ""
    arm = bench.arm_in_stage
    if arm is None or recording.stage.point != number:
        return None, ""
    return Key(arm.strategy, arm.devices, arm.role == "control"), recording.stage.stage
