"""A program's memory as text: what it takes, whether that fits, and what makes it."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtui.text.quantities import counted, size
from jaxtui.wire.memory_report import MemoryReport, MemoryRow

WIDTH = 62  # columns of a row, the end of whose line of code is cut
MODEL = (
    "This backend does not tell which buffers XLA makes. This is a model: every value of the jaxpr,"
    " on all devices together, from where it is made to where it is read last, nothing fused."
)


def memory(report: MemoryReport, *, keys: bool) -> str:
    """The report as lines of text; with `keys` it names those of the explorer."""
    return "\n".join(_lines(report, keys))


def _lines(report: MemoryReport, keys: bool) -> Iterator[str]:
    compiled = "Compiled" if report.compiles else "Compiled under a jit"
    yield f"{compiled}: {size(report.together)} on each device{_unknown(report, keys)}"
    yield from _against(report, keys)
    parts = [
        f"arguments {size(report.arguments)}",
        f"outputs {size(report.outputs)}",
        f"temporaries {size(report.temporaries)}",
    ]
    donated = f" – donated {size(report.donated)}" if report.donated else ""
    yield " + ".join(parts) + donated
    yield from _library_lines(report)
    yield from _batch_lines(report, keys)
    yield ""
    yield from _table(report)


def _unknown(report: MemoryReport, keys: bool) -> str:
    return "; M says what one has" if keys and report.budget is None else ""


def _against(report: MemoryReport, keys: bool) -> Iterator[str]:
    budget = report.budget
    if budget is not None:
        shared = budget.shared and report.devices > 1
        of = f", for all {report.devices}" if shared else ""
        typed = ", M" if keys and budget.words == "typed" else ""
        word = "It fits into" if report.fits else "It does NOT fit into"
        yield f"{word} {size(budget.bytes)} ({budget.words}{typed}{of})"


def _library_lines(report: MemoryReport) -> Iterator[str]:
    found = report.uncounted
    if found is not None:
        yield ""
        yield (
            f"Not counted: what {' and '.join(found.libraries)} works in, which computes "
            f"{counted(found.count, 'fusion')} for XLA."
        )
        yield f"The largest value inside has {size(found.largest)}; it may be made in parts."


def _batch_lines(report: MemoryReport, keys: bool) -> Iterator[str]:
    batches = report.batches
    if batches is not None:
        yield ""
        key = "f: a" if keys else "A"
        yield f"{key} jax.lax.map in place of the vmap, over batches of"
        some = f"{batches.size:,} of its {batches.of:,} examples"
        yield f"{some}, takes {size(batches.bytes)} and computes the same."
    elif report.reasons:
        yield ""
        yield from report.reasons


def _table(report: MemoryReport) -> Iterator[str]:
    if report.modelled:
        yield MODEL
        yield ""
    if not report.intermediates:
        yield "No intermediate takes memory of its own."
        return
    cells = [("intermediate", "each", "made", "at peak", "by line")]
    cells += [_cells(row) for row in report.intermediates]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    for shape, *figures, where in cells:
        aligned = [figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True)]
        line = f"{shape:{widths[0]}}  {'  '.join(aligned)}  {where}".rstrip()
        yield line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
    if report.more:
        yield f"… and {counted(report.more, 'smaller row')}, {size(report.more_bytes)} in all"


def _cells(row: MemoryRow) -> tuple[str, str, str, str, str]:
    return (
        row.shape or "work space",
        size(row.bytes),
        str(row.count),
        str(row.at_peak or "–"),
        _where(row),
    )


def _where(row: MemoryRow) -> str:
    if row.line is None:
        return "not in the source"
    file = f"{row.file.rpartition('/')[2]}:" if row.file else ""
    return f"{file}{row.line}  {row.code}"
