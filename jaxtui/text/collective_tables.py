"""A collective's report as plain text: what each device held, before and after, side by side."""

from __future__ import annotations

from jaxtui.session.session import Collective
from jaxtui.text import plain
from jaxtui.text.signs import in_ascii
from jaxtui.wire.report import CollectiveReport, Output


def collective(
    asked: Collective, report: CollectiveReport, note: str = "", *, ascii: bool = False
) -> str:
    """The collective's name, whether its result was checked, and a row for each device."""
    verdict = _verdict(report, in_ascii(note) if ascii else note)
    heading = [f"{asked.operation} via {asked.via}", *_options(asked), verdict]
    before = [_column("before", output) for output in report.before]
    after = [_column("after", output) for output in report.after]
    places = _places(report)
    table = _side_by_side([*places, *before, *after])
    if max(map(len, table.splitlines())) > plain.WIDTH:
        table = f"{_side_by_side([*places, *before])}\n\n{_side_by_side([*places, *after])}"
    summaries = [
        f"{column[0]}  {plain.summary(output.summary)}"
        for column, output in zip(before + after, report.before + report.after, strict=True)
        if output.summary is not None
    ]
    return "\n".join(["  ".join(heading), table, *summaries])


def _options(asked: Collective) -> list[str]:
    return [f"{name}={text}" for name, text in asked.options.items() if text.strip()]


def _verdict(report: CollectiveReport, note: str) -> str:
    if report.checked:
        return "agrees with NumPy"
    return note if report.checked is None else f"DIFFERS from NumPy: {note}"


def _places(report: CollectiveReport) -> list[list[str]]:
    """The column of devices, after one of row numbers if a device holds several rows."""
    holders = _holders(report.after[0] if report.after else report.before[0])
    devices = ["device", *holders]
    if len(set(holders)) == len(holders):
        return [devices]
    return [["row", *map(str, range(len(holders)))], devices]


def _holders(output: Output) -> list[str]:
    """The device that holds each row, according to the shards."""
    holders = [""] * output.shape[0]
    for shard in output.shards:
        for row in range(*shard.index[0]):
            holders[row] = holders[row] or str(shard.device)
    return holders


def _column(name: str, output: Output) -> list[str]:
    heading = f"{name}{output.path}"
    if output.values is None:
        block = plain.shape(output.dtype, output.shape[1:])
        return [heading, *([block] * output.shape[0])]
    return [heading, *plain.rows(output.values, len(output.shape), output.dtype)]


def _side_by_side(columns: list[list[str]]) -> str:
    """Lay out columns whose cells may have several lines."""
    lines: list[list[str]] = []
    for cells in zip(*columns, strict=True):
        parts = [cell.split("\n") for cell in cells]
        height = max(map(len, parts))
        lines += [[part[i] if i < len(part) else "" for part in parts] for i in range(height)]
    return plain.aligned(lines)
