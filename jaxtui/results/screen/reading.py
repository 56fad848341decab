"""What has been read of one source: its windows, its statistics, and the range that these tell."""

from __future__ import annotations

import math
from typing import Any

from jaxtui.results.screen.heat import Scale, magnitude
from jaxtui.results.screen.model import (
    MISSING,
    Plane,
    PlaneView,
    Rectangle,
    Source,
    Wanted,
    Windows,
    cells_of_values,
    every_cell,
    read_value,
)
from jaxtui.text.dtypes import family
from jaxtui.text.number_formats import Format, number
from jaxtui.text.numbers import Extent, Style, choose, extent_of
from jaxtui.wire.report import Summary
from jaxtui.wire.results import WindowRead

COMPLETE = 10_000  # elements up to which a format is chosen from all of them, when all are read


class Reading:
    """Grows as answers come. A source whose values came with it has no need of any."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.windows = Windows()
        self._summaries: dict[int | None, Summary] = {}
        self._asked: set[int | None] = set()
        self._seen: dict[int | None, Extent] = {}  # what the windows that came say of the range
        self._magnitudes: dict[int | None, tuple[float, float]] = {}
        self._magnitudes_known: set[int | None] = set()
        self._formats: dict[tuple[int | None, Style], tuple[Extent, Format]] = {}
        if source.output.summary is not None:
            self._summaries[None] = source.output.summary

    @property
    def local(self) -> bool:
        """Whether the values came with the output."""
        return self.source.output.values is not None

    # ---------------------------------------------------------------------------------- answers

    def put(self, window: WindowRead) -> bool:
        """Take a window; False if it is of another source."""
        answered = Wanted.answered_by(window)
        source = (self.source.result, self.source.leaf, len(self.source.shape))
        if (window.result, window.leaf, len(window.index)) != source:
            return False
        cells = [cell for row in window.cells for cell in row]
        count = math.prod(self.source.block(window.device).shape)
        if len(cells) == count <= COMPLETE:
            self._seen[window.device] = extent_of(cells, self.source.output.dtype, complete=True)
        self._look_at(cells, window.device)
        self.windows.keep(answered, window.cells)
        return True

    def put_summary(self, summary: Summary, device: int | None) -> None:
        """Take statistics; an exact one is not replaced by a sample."""
        kept = self._summaries.get(device)
        if kept is None or summary.exact or not kept.exact:
            self._summaries[device] = summary

    def _look_at(self, cells: list[Any], device: int | None) -> None:
        seen = extent_of(cells, self.source.output.dtype)
        self._seen[device] = self._seen.get(device, Extent()).merge(seen)
        if family(self.source.output.dtype) == "complex":
            sizes = [size for cell in cells if math.isfinite(size := magnitude(cell) or 0.0)]
            low, high = self._magnitudes.get(device, (math.inf, 0.0))
            self._magnitudes[device] = (min([low, *sizes]), max([high, *sizes]))

    # ---------------------------------------------------------------------------------- needs

    def summary_needed(self, device: int | None) -> bool:
        """Whether statistics are to be asked for; true once for each device."""
        if self.local or device in self._asked or self._summaries.get(device) is not None:
            return False
        self._asked.add(device)
        return family(self.source.output.dtype) != "text"

    def next_window(self, view: PlaneView, device: int | None, visible: Rectangle) -> Wanted | None:
        """The window to ask for now, None when there is enough or one is on its way."""
        wanted = self.windows.next(view, device, visible)
        if wanted is not None and self.local:
            cells = cells_of_values(self.source, wanted)
            self._look_at([cell for row in cells for cell in row], device)
            self.windows.keep(wanted, cells)
            return None
        return wanted

    # ---------------------------------------------------------------------------------- knowledge

    def cell(self, view: PlaneView, device: int | None) -> Any:
        """The cell at a view's cursor, None where it has not been read."""
        row = self.windows.row(Plane.of(view, device), view.row, view.column, view.column + 1)
        return None if row[0] is MISSING else row[0]

    def summary(self, device: int | None) -> Summary | None:
        """The statistics of a device's block or, for None, of all."""
        if device not in self._summaries and self.local:
            self._summaries[device] = summarize(self._all_cells(device), self.source.output.dtype)
        return self._summaries.get(device)

    def range_known(self, device: int | None) -> bool:
        """Whether a format chosen now will last."""
        known = family(self.source.output.dtype) in ("text", "bool")
        return known or self.local or device in self._summaries

    def extent(self, device: int | None) -> Extent:
        """The range of the elements, as far as it is known."""
        dtype = self.source.output.dtype
        if self.local:
            if device not in self._seen or self._seen[device].cells is None:
                self._seen[device] = extent_of(self._all_cells(device), dtype, complete=True)
            return self._seen[device]
        seen, summary = self._seen.get(device, Extent()), self._summaries.get(device)
        if summary is None or seen.cells is not None:
            return seen
        said = Extent(summary.minimum, summary.maximum, summary.non_finite > 0)
        return said.merge(seen)

    def format(self, device: int | None, style: Style) -> Format:
        """The format of a device's cells."""
        extent = self.extent(device)
        kept = self._formats.get((device, style))
        if kept is None or kept[0] != extent:
            kept = (extent, choose(self.source.output.dtype, extent, style))
            self._formats[device, style] = kept
        return kept[1]

    def scale(self, device: int | None) -> Scale | None:
        """The range of a heat map; None for what has no magnitude."""
        kind = family(self.source.output.dtype)
        if kind == "text":
            return None
        if kind == "bool":
            return Scale(0.0, 1.0)
        if kind == "complex":
            if self.local and device not in self._magnitudes_known:
                self._magnitudes_known.add(device)
                self._look_at(self._all_cells(device), device)
            low, high = self._magnitudes.get(device, (0.0, 0.0))
            return Scale(min(low, high), high)
        extent = self.extent(device)
        return Scale(float(extent.low or 0.0), float(extent.high or 0.0))

    def _all_cells(self, device: int | None) -> list[Any]:
        """All elements of a source that came with its values."""
        block = self.source.block(device)
        values = self.source.output.values
        if device is not None:
            ranges = [
                (start, start + size) for start, size in zip(block.start, block.shape, strict=True)
            ]
            values = _part(values, ranges)
        cells = every_cell(values, len(block.shape))
        return [read_value(cell, self.source.output.dtype) for cell in cells]


def _part(values: Any, ranges: list[tuple[int, int]]) -> Any:
    """The part of nested lists within a range for each dimension."""
    if not ranges:
        return values
    (start, stop), *inner = ranges
    return [_part(value, inner) for value in values[start:stop]]


def summarize(cells: list[Any], dtype: str) -> Summary:
    """The statistics of all elements, as the engine makes them."""
    kind = family(dtype)
    if kind == "text":
        return Summary(
            minimum=None, maximum=None, mean=None, std=None, non_finite=0, count=len(cells)
        )
    if kind == "complex":
        finite = [z for cell in cells if _is_finite(z := complex(*map(number, cell)))]
        mean = sum(finite) / len(finite) if finite else None
        spread = [abs(z - mean) ** 2 for z in finite] if mean is not None else []
        return Summary(
            minimum=None,
            maximum=None,
            mean=None if mean is None else [mean.real, mean.imag],
            std=math.sqrt(math.fsum(spread) / len(spread)) if spread else None,
            non_finite=len(cells) - len(finite),
            count=len(cells),
        )
    numbers = [value for cell in cells if math.isfinite(value := number(cell))]
    average = math.fsum(numbers) / len(numbers) if numbers else None
    return Summary(
        minimum=min(numbers, default=None),
        maximum=max(numbers, default=None),
        mean=average,
        std=None if average is None else _deviation(numbers, average),
        non_finite=len(cells) - len(numbers),
        count=len(cells),
    )


def _deviation(numbers: list[float | int], mean: float) -> float:
    """The population's standard deviation, scaled so that squares of large numbers fit."""
    largest = max(abs(value - mean) for value in numbers)
    if not largest or not math.isfinite(largest):
        return largest
    squares = math.fsum(((value - mean) / largest) ** 2 for value in numbers)
    return largest * math.sqrt(squares / len(numbers))


def _is_finite(value: complex) -> bool:
    return math.isfinite(value.real) and math.isfinite(value.imag)
