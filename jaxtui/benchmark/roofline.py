"""How close strategies come to what the devices reach: the roofline of the run's own peaks.

Peaks are measured once, for a moment in which the cores may have been busy, and data that stays in
caches moves faster than memory does. What a strategy reached itself is therefore a peak, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from jaxtui.wire.benchmark_report import Peak, PointReport, StrategyReport
from jaxtui.wire.report import Environment

REACHED = (
    "of peak: some strategies reached more than the matrix product and the triad did when they "
    "were measured; the most that was reached counts as the peak"
)


def held_against(
    points: Sequence[PointReport], peaks: Sequence[Peak], environment: Environment | None
) -> list[PointReport]:
    """`points` with what each strategy comes to of the roofline, never above 1."""
    shared = environment is not None and environment.simulated
    known = {peak.devices: peak for peak in peaks}
    operations = _most((row for point in points for row in point.strategies), "flops_rate", shared)
    return [
        structs.replace(
            point,
            strategies=[
                _held(row, known.get(row.devices), operations, bytes_here, shared)
                for row in point.strategies
            ],
        )
        for point in points
        # Whether data stays in caches is a matter of the point; the speed of the cores is not.
        for bytes_here in [_most(point.strategies, "bytes_rate", shared)]
    ]


def raised(points: Sequence[PointReport]) -> bool:
    """Whether any strategy is measured against a rate that a strategy reached."""
    return any(row.roof == "reached" for point in points for row in point.strategies)


def _most(rows: Iterable[StrategyReport], field: str, shared: bool) -> dict[int, float]:
    """The highest rate on each number of devices; virtual ones (`shared`) are the same cores."""
    found: dict[int, float] = {}
    for row in rows:
        rate, key = getattr(row, field), _key(row, shared)
        if rate is not None:
            found[key] = max(rate, found.get(key, 0.0))
    return found


def _key(row: StrategyReport, shared: bool) -> int:
    return 0 if shared else row.devices


def _held(
    row: StrategyReport,
    peak: Peak | None,
    operations: dict[int, float],
    moved: dict[int, float],
    shared: bool,
) -> StrategyReport:
    if peak is None or not row.median or row.flops is None or row.bytes is None:
        return row
    flops_roof = max(peak.flops, operations[_key(row, shared)])
    bytes_roof = max(peak.bytes, moved[_key(row, shared)])
    # Traffic allows intensity times bandwidth, arithmetic the peak.
    computing, moving = row.flops / flops_roof, row.bytes / bytes_roof
    reached = flops_roof > peak.flops if computing >= moving else bytes_roof > peak.bytes
    return structs.replace(
        row,
        of_peak=max(computing, moving) / row.median,
        roof="reached" if reached else "measured",
    )
