"""What has been read of an array: its windows, its statistics and the range of its elements."""

from __future__ import annotations

import cmath
import math
from typing import Any

from msgspec.structs import replace

from jaxtui.results.screen.heat import Scale, magnitude
from jaxtui.results.screen.model import (
    MISSING,
    Plane,
    PlaneView,
    Rectangle,
    Source,
    WindowRequest,
    Windows,
    cells_of_values,
    every_cell,
)
from jaxtui.text.dtypes import family
from jaxtui.text.number_formats import Format, number
from jaxtui.text.numbers import Extent, Style, cell_of, choose, extent_of
from jaxtui.wire.report import Summary
from jaxtui.wire.results import WindowRead

COMPLETE = 10_000  # elements; up to here a format is chosen from all of them once they are read


class Reading:
    """Collects answers as they come. A source whose values came with the output needs none."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.windows = Windows()
        self._summaries: dict[int | None, Summary] = {}
        self._asked: set[int | None] = set()
        self._seen: dict[int | None, Extent] = {}  # the range of the cells read
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
        """Add a window; return False if it is of another source."""
        answered = WindowRequest.answered_by(window)
        source = (self.source.result, self.source.leaf, len(self.source.shape))
        if (window.result, window.leaf, len(window.index)) != source:
            return False
        cells = [cell for row in window.cells for cell in row]
        count = math.prod(self.source.block(window.device).shape)
        if len(cells) == count <= COMPLETE:
            self._seen[window.device] = extent_of(cells, self.source.output.dtype, complete=True)
        self._extend_range(cells, window.device)
        self.windows.keep(answered, window.cells)
        return True

    def put_summary(self, summary: Summary, device: int | None) -> None:
        """Add statistics; those of a sample do not replace exact ones."""
        kept = self._summaries.get(device)
        if kept is None or summary.exact or not kept.exact:
            self._summaries[device] = summary

    def _extend_range(self, cells: list[Any], device: int | None) -> None:
        seen = extent_of(cells, self.source.output.dtype)
        self._seen[device] = self._seen.get(device, Extent()).merge(seen)
        if family(self.source.output.dtype) == "complex":
            sizes = [size for cell in cells if math.isfinite(size := magnitude(cell) or 0.0)]
            low, high = self._magnitudes.get(device, (math.inf, 0.0))
            self._magnitudes[device] = (min([low, *sizes]), max([high, *sizes]))

    # ---------------------------------------------------------------------------------- needs

    def summary_needed(self, device: int | None) -> bool:
        """Whether to request statistics; true only once for each device."""
        if self.local or device in self._asked or self._summaries.get(device) is not None:
            return False
        self._asked.add(device)
        return family(self.source.output.dtype) != "text"

    def next_window(
        self, view: PlaneView, device: int | None, visible: Rectangle
    ) -> WindowRequest | None:
        """Return the window to request now; None if none is needed or one is outstanding."""
        wanted = self.windows.next(view, device, visible)
        if wanted is not None and self.local:
            cells = cells_of_values(self.source, wanted)
            self._extend_range([cell for row in cells for cell in row], device)
            self.windows.keep(wanted, cells)
            return None
        return wanted

    # ---------------------------------------------------------------------------------- knowledge

    def cell(self, view: PlaneView, device: int | None) -> Any:
        """Return the cell at the cursor of a view, or None if it has not been read."""
        row = self.windows.row(Plane.of(view, device), view.row, view.column, view.column + 1)
        return None if row[0] is MISSING else row[0]

    def summary(self, device: int | None) -> Summary | None:
        """Return the statistics of a device's block, or of the whole array for None."""
        if device not in self._summaries and self.local:
            self._summaries[device] = summarize(self._all_cells(device), self.source.output.dtype)
        return self._summaries.get(device)

    def range_known(self, device: int | None) -> bool:
        """Whether a format that is chosen now is final."""
        known = family(self.source.output.dtype) in ("text", "bool")
        return known or self.local or device in self._summaries

    def extent(self, device: int | None) -> Extent:
        """Return the range of the elements, as far as it is known."""
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
        extent = self.extent(device)
        kept = self._formats.get((device, style))
        if kept is None or kept[0] != extent:
            kept = (extent, choose(self.source.output.dtype, extent, style))
            self._formats[device, style] = kept
        return kept[1]

    def scale(self, device: int | None) -> Scale | None:
        """Return the range of a heat map, or None if the elements have no magnitude."""
        kind = family(self.source.output.dtype)
        if kind == "text":
            return None
        if kind == "bool":
            return Scale(0.0, 1.0)
        if kind == "complex":
            if self.local and device not in self._magnitudes_known:
                self._magnitudes_known.add(device)
                self._extend_range(self._all_cells(device), device)
            low, high = self._magnitudes.get(device, (0.0, 0.0))
            return Scale(min(low, high), high)
        extent = self.extent(device)
        return Scale(float(extent.low or 0.0), float(extent.high or 0.0))

    def _all_cells(self, device: int | None) -> list[Any]:
        """Return all elements of a source whose values came with the output."""
        block = self.source.block(device)
        values = self.source.output.values
        if device is not None:
            values = _slice(values, block.index)
        cells = every_cell(values, len(block.shape))
        return [cell_of(cell, self.source.output.dtype) for cell in cells]


def _slice(values: Any, index: list[list[int]]) -> Any:
    """Slice nested lists by [start, stop] for each dimension."""
    if not index:
        return values
    (start, stop), *inner = index
    return [_slice(value, inner) for value in values[start:stop]]


def summarize(cells: list[Any], dtype: str) -> Summary:
    """Compute the statistics of all elements as the engine does."""
    kind, count = family(dtype), len(cells)
    summary = Summary(minimum=None, maximum=None, mean=None, std=None, non_finite=0, count=count)
    if kind == "text":
        return summary
    finite: list[Any] = []
    if kind == "complex":
        finite += [z for cell in cells if cmath.isfinite(z := complex(*map(number, cell)))]
    else:
        finite += [value for cell in cells if math.isfinite(value := number(cell))]
    summary = replace(summary, non_finite=count - len(finite))
    if not finite:
        return summary
    if kind == "complex":
        mean = sum(finite) / len(finite)
        variance = math.fsum(abs(z - mean) ** 2 for z in finite) / len(finite)
        return replace(summary, mean=[mean.real, mean.imag], std=math.sqrt(variance))
    average = math.fsum(finite) / len(finite)
    std = _deviation(finite, average)
    return replace(summary, minimum=min(finite), maximum=max(finite), mean=average, std=std)


def _deviation(numbers: list[float | int], mean: float) -> float:
    """Return the population standard deviation; scaling keeps large squares in range."""
    largest = max(abs(value - mean) for value in numbers)
    if not largest or not math.isfinite(largest):
        return largest
    squares = math.fsum(((value - mean) / largest) ** 2 for value in numbers)
    return largest * math.sqrt(squares / len(numbers))
