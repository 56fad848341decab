"""Messages that hold two runs against each other."""

from __future__ import annotations

from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.change_report import Figures, LeafChange


class TakeFigures(Request, frozen=True, kw_only=True):
    """Trace and compile a composition for its figures."""

    composition: Composition


class FiguresTaken(Event, frozen=True, kw_only=True):
    """Answers TakeFigures."""

    figures: Figures


class CompareResults(Request, frozen=True, kw_only=True):
    """Compare two results that are kept, element by element, where they lie.

    `composition` is what gave `result`: it says what rounding may do.
    """

    composition: Composition
    result: int
    before: int


class ResultsCompared(Event, frozen=True, kw_only=True):
    """Answers CompareResults with the leaves of both, by their paths."""

    leaves: list[LeafChange]
