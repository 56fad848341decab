"""Messages about a collective: its run, and what an element was made from."""

from __future__ import annotations

from typing import Any

from jaxtui.session.session import Collective
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.report import CollectiveReport, Flow


class RunCollective(Request, frozen=True, kw_only=True):
    """Run a collective over the devices and keep what each held before and after it.

    `composition.program` is the session's own: its source is what the value and the operation may
    use. Works on the worker; a newer RunCollective replaces a waiting one. `values` as in Run.
    """

    composition: Composition
    collective: Collective
    values: int | None = None


class FindProvenance(Request, frozen=True, kw_only=True):
    """Which input elements one element of a collective's result was made from.

    `leaf` counts the outputs after the collective, and `element` is an index in that output, the
    row of the device first. Works on the worker; a newer FindProvenance replaces a waiting one.
    """

    result: int
    leaf: int
    element: list[int]


class DescribeCollectives(Request, frozen=True, kw_only=True):
    """The collectives of the installed JAX. Light."""


class CollectiveRan(Event, frozen=True, kw_only=True):
    """Answers RunCollective: what each device held, before and after, is kept under `result`.

    As leaves of that result come first those of `report.before`, then those of `report.after`.
    `wrong` counts the elements that differ from the NumPy reference, None without a comparison;
    `note` says what else there is to know of it. `groups` are the rows that take part together, in
    the order of their positions, and `options` the values of the options that were given (but for
    operands and groups). The flow is that of the collective's program.
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
    """Answers FindProvenance: `sources[i]` are flat indices in `report.before[i]`, sorted.

    Not `exact` means that the search was ended early, so that elements may be among them that do
    not matter. `words` say it, such as "device 3 [1] ← sum over devices 0–7 [1]".
    """

    result: int
    leaf: int
    element: list[int]
    sources: list[list[int]]
    exact: bool
    words: str


class CollectivesDescribed(Event, frozen=True, kw_only=True):
    """Answers DescribeCollectives: each collective of the installed JAX with its options' names."""

    options: dict[str, list[str]]
