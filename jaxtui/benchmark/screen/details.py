"""The details of one row of a benchmark, and the comparison of two runs, as styled lines."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from jaxtui.benchmark import words
from jaxtui.benchmark.kept_runs import BETWEEN_RUNS, ComparedRow, Comparison
from jaxtui.benchmark.screen.answers import ready_seconds
from jaxtui.benchmark.screen.rows import Key, aligned_seconds, row_of
from jaxtui.screen.cells import Line, Segment, width_of
from jaxtui.text.printable import escaped
from jaxtui.text.quantities import percent, prefixed, size
from jaxtui.wire.benchmark_report import (
    PlannedArm,
    PlannedPoint,
    PointReport,
    ProcessTimes,
    StrategyReport,
)

_STAGES = (
    ("place", "placing inputs"),
    ("trace", "trace"),
    ("lower", "lower"),
    ("compile", "compile"),
    ("first", "first call"),
)
LABEL = 12  # cells
PRINTED_LINES = 200
PRINTED = (
    "The function prints: Output has what it printed. What it prints while samples are taken is "
    "part of their time."
)


def wrapped(text: str, width: int, style: str = "", indent: str = "") -> list[Line]:
    """`text` wrapped at `width` cells; `indent` precedes all lines but the first."""
    rows = textwrap.wrap(text, max(20, width), subsequent_indent=indent, break_on_hyphens=False)
    return [(Segment(row, style),) for row in rows]


def sentences(found: Sequence[str], width: int) -> list[Line]:
    """Sentences as a bulleted list."""
    return [line for text in found for line in wrapped(f"• {text}", width, indent="  ")]


def printed_lines(text: str, width: int) -> list[Line]:
    """The last lines that a function printed, with control characters escaped."""
    found = text.splitlines()
    left = len(found) - PRINTED_LINES
    lines: list[Line] = []
    if left > 0:
        lines.append((Segment(f"… {left:,} lines before these", "quiet"),))
    for line in found[-PRINTED_LINES:]:
        lines += [(Segment(part),) for part in _cut(escaped(line.expandtabs()), width)]
    return lines


def _cut(text: str, width: int) -> list[str]:
    """`text` in pieces of at most `width` cells; unlike wrapping, this keeps all spaces."""
    pieces, piece, used = [], "", 0
    for character in text:
        cells = width_of((Segment(character),))
        if used + cells > width:
            pieces.append(piece)
            piece, used = "", 0
        piece, used = piece + character, used + cells
    return [*pieces, piece]


# ---------------------------------------------------------------------------------------- one row


def row_lines(point: PointReport | PlannedPoint, key: Key, width: int) -> list[Line]:
    """Everything known or planned of a row: figures, correctness, cost, equivalent Python."""
    row = row_of(point, key)
    if row is None:
        return []
    if isinstance(row, PlannedArm):
        facts = _planned_facts(row)
    elif isinstance(point, PointReport) and key.control:
        facts = _control_facts(point)
    else:
        facts = _facts(row)
    lines = [line for label, text in facts for line in _labelled(label, text, width)]
    return [*lines, (), *_python(row.python)] if row.python else lines


def _doubts(row: PlannedArm | StrategyReport) -> Iterator[tuple[str, str]]:
    if row.skipped is not None:
        yield "left out", row.skipped
    if row.warning is not None:
        yield "beware", row.warning


def _memory(row: PlannedArm | StrategyReport) -> Iterator[tuple[str, str]]:
    if row.memory is not None:
        yield "memory", f"holds {size(row.memory)} at once"


def _planned_facts(arm: PlannedArm) -> Iterator[tuple[str, str]]:
    yield from _doubts(arm)
    if arm.processes:
        which = ", ".join(map(str, arm.processes))
        alone = len(arm.processes) == 1
        yield "processes", f"{which} alone, the others wait" if alone else f"{which} together"
    if arm.operations is not None:
        yield "operations", f"{arm.operations:.3g} times those of vmap"
    if arm.flops is not None and arm.bytes is not None:
        yield "work", f"{prefixed(arm.flops)}FLOP, at least {prefixed(arm.bytes)}B moved"
    yield from _memory(arm)


def _facts(row: StrategyReport) -> Iterator[tuple[str, str]]:
    yield from _doubts(row)
    yield from _stage_facts(row)
    yield from _time_facts(row)
    if row.correct is not None:
        yield "right", _correct(row)
    yield from _cost_facts(row)


def _stage_facts(row: StrategyReport) -> Iterator[tuple[str, str]]:
    known = [(name, getattr(row.stages, field)) for field, name in _STAGES]
    parts = [f"{name} {words.seconds(value, 2)}" for name, value in known if value is not None]
    if parts:
        ready = ready_seconds(row)
        yield (
            "getting ready",
            " · ".join(parts)
            + (f"; {words.seconds(ready, 2)} until the first result" if ready else ""),
        )


def _time_facts(row: StrategyReport) -> Iterator[tuple[str, str]]:
    if row.median is None:
        return
    between = ""
    if row.low is not None and row.high is not None:
        between = f", 99 %: {words.seconds(row.low)} to {words.seconds(row.high)}"
    yield "steady", f"median {words.seconds(row.median)}{between}"
    yield from _process_facts(row.processes)
    calls = "call" if row.calls == 1 else "calls"
    spread = [f"least {words.seconds(row.min)}"] if row.min is not None else []
    if row.mad is not None:
        spread.append(f"MAD {words.seconds(row.mad, 2)}")
    if row.iqr is not None:
        spread.append(f"IQR {words.seconds(row.iqr, 2)}")
    for name, value in (("p90", row.p90), ("p99", row.p99)):
        if value is not None:
            spread.append(f"{name} {words.seconds(value)}")
    yield "samples", f"{row.n} of {row.calls:,} {calls} each · " + " · ".join(spread)
    if row.clean_median is not None and row.clean_n < row.n:
        yield (
            "quiet rounds",
            f"median {words.seconds(row.clean_median)} over the {row.clean_n} that nothing "
            "disturbed",
        )
    if row.speedup is not None and row.p_value is not None:
        found = row.speedup
        seen = "" if row.seen is None else f"; it would have seen {percent(row.seen)}"
        yield (
            "verdict",
            f"{row.verdict}: {found.value:.3g} times as fast as {found.against}, 99 %: "
            f"{found.low:.3g} to {found.high:.3g}, p = {row.p_value:.2g}{seen}",
        )


def _process_facts(found: Sequence[ProcessTimes]) -> Iterator[tuple[str, str]]:
    if len(found) == 1:
        yield "processes", f"process {found[0].process} alone ran it; the others waited"
    elif found:
        each = ", ".join(f"{words.seconds(t.median)} in {t.process}" for t in found)
        yield "processes", f"of each call the slowest counts; their own medians: {each}"


def _correct(row: StrategyReport) -> str:
    found = row.correct
    assert found is not None
    if found.wrong:
        return f"{found.wrong:,} of {found.count:,} elements differ from the baseline's"
    off = "" if found.max_ulp is None else f", at most {found.max_ulp:.2g} units of the last place"
    return f"all {found.count:,} elements agree with the baseline's{off}"


def _cost_facts(row: StrategyReport) -> Iterator[tuple[str, str]]:
    if row.flops is not None and row.bytes is not None:
        rates = ""
        if row.flops_rate is not None and row.bytes_rate is not None:
            rates = f": {prefixed(row.flops_rate)}FLOP/s, {prefixed(row.bytes_rate)}B/s"
        peak = (
            "" if row.of_peak is None else f", {percent(row.of_peak)} of what the roofline allows"
        )
        if row.roof == "reached":
            peak += ", where the peak is the most that a strategy reached: more than was measured"
        yield (
            "work",
            f"{prefixed(row.flops)}FLOP, at least {prefixed(row.bytes)}B moved{rates}{peak}",
        )
    yield from _memory(row)
    if row.stablehlo is not None:
        times = f", compiled {row.compilations} times and timed in turn"
        yield "program", f"StableHLO {row.stablehlo}{times if row.compilations > 1 else ''}"


def _control_facts(point: PointReport) -> Iterator[tuple[str, str]]:
    control = point.control
    if control is None:
        return
    yield "what it is", f"{control.strategy} timed once more as if it were another strategy"
    yield "what for", "it shows how large a difference looks where there is none"
    if control.ratio is not None and control.interval is not None:
        low, high = control.interval
        yield "came out", f"{control.ratio:.3g}, 99 %: {low:.3g} to {high:.3g}"


def _labelled(label: str, text: str, width: int) -> list[Line]:
    indent = " " * (LABEL + 2)
    rows = textwrap.wrap(text, max(20, width - LABEL - 2), break_on_hyphens=False) or [""]
    first: Line = (Segment(label.ljust(LABEL + 2), "quiet"), Segment(rows[0]))
    return [first, *((Segment(indent + row),) for row in rows[1:])]


def _python(text: str) -> list[Line]:
    heading: Line = (Segment("the same in plain JAX", "quiet"),)
    return [heading, *((Segment(f"  {line}", "code"),) for line in text.splitlines())]


# -------------------------------------------------------------------------------------- comparing


def comparison_lines(found: Comparison, before: str, width: int) -> list[Line]:
    """The shown run against another; `before` is the date of the other."""
    lines: list[Line] = wrapped(f"Against the run of {before}.", width)
    if found.differences:
        lines += wrapped(
            "These differ, so a ratio is not of the program alone:", width, style="warning"
        )
        for what, old, new in found.differences:
            text = f"  {what}: {old or 'nothing'}  →  {new or 'nothing'}"
            lines += wrapped(text, width, style="warning", indent="    ")
    else:
        lines += wrapped("Same program, same machine, same versions.", width)
    if not found.rows:
        return [*lines, *wrapped("Nothing was timed at the same point in both.", width)]
    lines += wrapped(
        f"Two runs of one program come out as much as {percent(BETWEEN_RUNS)} apart with nothing "
        "changed: only more is called faster or slower.",
        width,
        style="quiet",
    )
    lines.append(())
    return lines + list(_compared(found.rows))


def _compared(rows: Sequence[ComparedRow]) -> Iterator[Line]:
    places = [words.parameters(row.parameters) for row in rows]
    names = [f"{row.strategy} on {row.devices}" for row in rows]
    before = aligned_seconds([row.before for row in rows])
    now = aligned_seconds([row.now for row in rows])
    place = max((*map(len, places), 0))
    name = max((*map(len, names), 8))
    yield (
        Segment(
            f"{'':{place}}  {'strategy':{name}}  {'then':{len(before[0])}}  "
            f"{'now':{len(now[0])}}  then/now",
            "heading",
        ),
    )
    for row, where, called, old, new in zip(rows, places, names, before, now, strict=True):
        word, style = "within noise", ""
        if row.apart:
            word, style = ("faster now", "faster") if row.ratio > 1 else ("slower now", "slower")
        if row.same_program is False:
            word += ", another program"
        text = f"{where:{place}}  {called:{name}}  {old}  {new}  {row.ratio:8.3f}  "
        yield (Segment(text), Segment(word, style))
