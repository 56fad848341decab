"""Messages about collectives: running one, and the provenance of an element of its result."""

from __future__ import annotations

from typing import Any

from jaxtui.session.session import Collective
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.report import CollectiveReport, Flow


class RunCollective(Request, frozen=True, kw_only=True):
    """Run a collective over the devices and keep each device's input and output.

    `composition.program` is the session's program, whose source the value and the operation may
    use; `values` is as in Run.
    """

    composition: Composition
    collective: Collective
    values: int | None = None


class FindProvenance(Request, frozen=True, kw_only=True):
    """Find the input elements that one element of a collective's result depends on.

    `leaf` is an index into `report.after`, and `element` an index into that output, whose first
    dimension is the devices' rows.
    """

    result: int
    leaf: int
    element: list[int]


class DescribeCollectives(Request, frozen=True, kw_only=True):
    """Ask for the collectives that the installed JAX has. Light."""


class CollectiveRan(Event, frozen=True, kw_only=True):
    """Answers RunCollective: each device's input and output are kept under `result`.

    The leaves of that result are those of `report.before`, followed by those of `report.after`.
    `wrong` counts the elements that differ from the NumPy reference, None without a comparison, on
    which `note` comments. `groups` are the rows that take part together, in the order of their
    positions; `options` the values of the given options, except operands and groups. The flow is
    that of the collective's program.
    """

    result: int
    report: CollectiveReport
    wrong: int | None
    note: str
    groups: list[list[int]]
    options: dict[str, Any]
    flow: Flow
    seconds: float


class ProvenanceFound(Event, frozen=True, kw_only=True):
    """Answers FindProvenance: `sources[i]` are sorted flat indices into `report.before[i]`.

    If not `exact`, the search was ended early, and some of the elements may not matter. `words` is
    the answer as text, such as "device 3 [1] ← sum over devices 0–7 [1]".
    """

    result: int
    leaf: int
    element: list[int]
    sources: list[list[int]]
    exact: bool
    words: str


class CollectivesDescribed(Event, frozen=True, kw_only=True):
    """Answers DescribeCollectives: the names of the options of each collective."""

    options: dict[str, list[str]]
