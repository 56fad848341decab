"""A bandwidth sweep in words and tables: text for a terminal, Markdown, CSV."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtui.benchmark import words as bench_words
from jaxtui.text import plain, quantities
from jaxtui.wire.bandwidth import MICRO, BandwidthReport, Fit, SizeReport, SweepPlan
from jaxtui.wire.benchmark import BenchStage

# As nccl-tests has them, its second line for the units; the interval is ours.
HEADINGS = ("size", "count", "type", "time", "± 99 %", "algbw", "busbw", "#wrong")
UNITS = ("(B)", "(elements)", "", "(µs)", "", "(GB/s)", "(GB/s)", "")
RIGHT = frozenset({0, 1, 3, 4, 5, 6, 7})
REACH = "where"  # within a process, or between processes


# ------------------------------------------------------------------------------------- figures


def headings(report: BandwidthReport) -> tuple[list[str], list[str]]:
    """The headings of `row` and their units: in an engine of several processes, the reach too."""
    plan = report.collective
    beyond = [REACH] if plan is not None and plan.reach else []
    return [*HEADINGS, *beyond], [*UNITS, *("" for _ in beyond)]


def measured(report: BandwidthReport) -> list[SizeReport]:
    """The sizes that were measured, each followed by what it took within a process."""
    within = {size.bytes: size for size in report.within}
    pairs = [(size, within.pop(size.bytes, None)) for size in report.sizes]
    found = [size for pair in pairs for size in pair if size is not None]
    return [size for size in (*found, *within.values()) if size.skipped is None]


def row(size: SizeReport) -> list[str]:
    """The cells of one size, under its report's headings."""
    return [*_figures(size), *([size.reach] if size.reach else [])]


def _figures(size: SizeReport) -> list[str]:
    return [
        f"{size.bytes:,}",
        f"{size.count:,}",
        size.dtype,
        _figure(size.time_us, 1),
        bench_words.spread(size.time_us, size.low_us, size.high_us),
        _figure(size.algbw, 3),
        _figure(size.busbw, 3),
        "–" if size.wrong is None else str(size.wrong),
    ]


def _figure(value: float | None, decimals: int) -> str:
    if value is None:
        return "–"
    least = 10.0**-decimals
    return f"{value:,.{decimals}f}" if value >= least or value == 0 else f"<{least:.{decimals}f}"


def fit_text(found: Fit | None) -> str:
    """The fit as a formula: "t = 85 µs + S / 3.21 GB/s, off by at most 14 %"."""
    if found is None:
        return ""
    speed = quantities.significant(found.beta, 3)
    alpha = quantities.significant(found.alpha_us, 3)
    return f"t = {alpha} µs + S / {speed} GB/s, off by at most {quantities.percent(found.worst)}"


def progress(stage: BenchStage, plan: SweepPlan | None) -> str:
    """Where the sweep is, in one line."""
    if plan is None:
        return "tracing"
    size = quantities.exact_size(plan.bytes[stage.point])
    return f"size {stage.point + 1}/{len(plan.bytes)}  {size}  {stage.stage}"


# ---------------------------------------------------------------------------------- whole reports


def heading(report: BandwidthReport) -> list[str]:
    """What was swept, on what, and what its figures count."""
    lines = []
    seen, plan = report.environment, report.collective
    if seen is not None:
        lines.append(bench_words.machine(seen))
    if plan is not None:
        lines += [_what(plan), *conventions(plan), _how(plan), *plan.notes]
    if report.ended != "complete":
        lines.append(f"ended early: {report.ended}")
    return lines


def _what(plan: SweepPlan) -> str:
    options = "".join(f", {name}={text}" for name, text in plan.options.items() if text.strip())
    ranks = quantities.counted(plan.ranks, "rank")
    groups = f" in {len(plan.groups)} groups" if len(plan.groups) > 1 else ""
    reach = f" {plan.reach}" if plan.reach else ""
    beside = f", and {plan.within_ranks} within a process" if plan.within_ranks else ""
    return (
        f"{plan.operation} ({plan.family}) via {plan.via}{options}: n = {ranks}{groups}{reach}"
        f"{beside}"
    )


def conventions(plan: SweepPlan) -> list[str]:
    """What size, count and bus bandwidth mean for this collective."""
    return [
        f"S, the size: {plan.size_means}; count: elements {plan.count_means}",
        f"algbw = S/t; busbw = {plan.formula} · S/t, here × {plan.factor:.4g}; "
        "t until the slowest rank is done; GB = 10^9 bytes",
    ]


def _how(plan: SweepPlan) -> str:
    most = "" if plan.exact_rounds else "at most "
    waited = "every call waited for" if plan.mode == "latency" else "the last call waited for"
    return f"{most}{plan.rounds} timings of many calls, {waited}, out of place, seed {plan.seed}"


def findings(report: BandwidthReport) -> list[str]:
    """What the sweep says: the fit, the average, and what was wrong."""
    lines = [line for line in (fit_text(report.fit),) if line]
    if report.within and report.collective is not None and lines:
        lines[0] = f"{report.collective.reach}: {lines[0]}"
    if report.within_fit is not None:
        lines.append(f"within a process: {fit_text(report.within_fit)}")
    if report.average_busbw is not None:
        average = quantities.significant(report.average_busbw, 3)
        where = f" {report.collective.reach}" if report.within and report.collective else ""
        lines.append(f"average bus bandwidth{where} {average} GB/s")
    lines += _apart(report.sizes)
    for size in (*report.sizes, *report.within):
        if size.skipped is not None:
            where = f" {size.reach}" if size.reach else ""
            lines.append(f"{quantities.exact_size(size.bytes)}{where} is left out: {size.skipped}")
        elif size.wrong:
            what = "1 element is" if size.wrong == 1 else f"{size.wrong} elements are"
            lines.append(f"{quantities.exact_size(size.bytes)}: {what} wrong")
    checked = [size for size in (*report.sizes, *report.within) if size.wrong is not None]
    if checked and not any(size.wrong for size in checked):
        lines.append("every element on every device agrees with the NumPy reference")
    flagged = [r.flags for size in report.sizes for r in size.rounds]
    marked = [flags for flags in flagged if flags]
    if marked:
        kinds = ", ".join(sorted({flag for flags in marked for flag in flags}))
        lines.append(f"{len(marked)} of {len(flagged)} timings are marked: {kinds}; they count")
    return lines


def _apart(sizes: Sequence[SizeReport]) -> list[str]:
    """How far the clocks of the processes are apart, where that is most."""
    ratios = [
        (max(p.median for p in size.processes) / min(p.median for p in size.processes), size)
        for size in sizes
        if len(size.processes) > 1
    ]
    if not ratios:
        return []
    ratio, size = max(ratios, key=lambda pair: pair[0])
    at = quantities.exact_size(size.bytes)
    return [
        "the slowest process counts; the processes' own medians differ by at most "
        f"{quantities.percent(ratio - 1)}, at {at}"
    ]


def text(report: BandwidthReport, *, ascii: bool = False) -> str:
    """The report for a terminal."""
    parts = ["\n".join(heading(report))]
    rows = [row(size) for size in measured(report)]
    if rows:
        parts.append(plain.aligned([*headings(report), *rows], RIGHT))
    parts.append("\n".join(findings(report)))
    return bench_words.titled(report.session, report.title, parts, ascii=ascii)


def markdown(report: BandwidthReport) -> str:
    """The report as Markdown."""
    lines = [f"# {report.title or report.session or 'Bandwidth'}", ""]
    lines += [f"- {line}" for line in [*heading(report), report.began]]
    rows = [row(size) for size in measured(report)]
    if rows:
        names = [" ".join(filter(None, pair)) for pair in zip(*headings(report), strict=True)]
        lines += ["", *bench_words.markdown_table(names, RIGHT, rows)]
    said = findings(report)
    if said:
        lines += ["", *(f"- {line}" for line in said)]
    return "\n".join(lines) + "\n"


_COLUMNS = (
    *("bytes", "count", "dtype", "time_us", "low_us", "high_us", "min_us", "n", "calls"),
    *("algbw", "busbw", "wrong", "skipped"),
)


def to_csv(report: BandwidthReport) -> str:
    """One row for each size: times in µs, bandwidths in GB/s.

    Sizes that were sent within a process come last, the medians of the processes in one cell.
    """
    plan = report.collective
    place = [plan.operation, plan.via] if plan is not None else [None] * 2
    ranks = plan.ranks if plan is not None else None
    rows = (
        [
            *(*place, size.ranks or ranks),
            *(getattr(size, name) for name in _COLUMNS),
            *(size.reach, " ".join(f"{p.process}:{p.median / MICRO:.6g}" for p in size.processes)),
        ]
        for size in (*report.sizes, *report.within)
    )
    head = ["operation", "via", "ranks", *_COLUMNS, "reach", "process_us"]
    return bench_words.csv_of([head, *rows])
