"""Whether a result is known to have NaN or infinities."""

from __future__ import annotations

from jaxtui.wire.program import Ran
from jaxtui.wire.report import Output, Summary


class NonFinite:
    """Keeps which result was found to have some, by the values that came or by statistics."""

    def __init__(self) -> None:
        self._result = 0

    def note_run(self, ran: Ran) -> None:
        """Hear of a result, with the values that came with it."""
        if any(map(_in_values, ran.report.outputs)):
            self._result = ran.result

    def note_summary(self, result: int, summary: Summary) -> None:
        """Hear of the statistics of a leaf of `result`."""
        if summary.non_finite:
            self._result = result

    def among(self, ran: Ran | None) -> bool:
        """Whether the result of a run is known to have some."""
        if ran is None:
            return False
        summaries = (output.summary for output in ran.report.outputs)
        told = any(summary is not None and summary.non_finite for summary in summaries)
        return told or ran.result == self._result


def _in_values(output: Output) -> bool:
    """Whether the values that came with an output have some."""
    if output.values is None:
        return False
    from jaxtui.results.screen.model import every_cell
    from jaxtui.text.numbers import cell_of, extent_of

    cells = every_cell(output.values, len(output.shape))
    return extent_of([cell_of(cell, output.dtype) for cell in cells], output.dtype).non_finite
