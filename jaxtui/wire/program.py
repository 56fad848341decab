"""Messages about a program: tracing, running and inspecting it."""

from __future__ import annotations

from typing import Literal

import msgspec

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Sharding
from jaxtui.wire.base import Composition, Event, Request
from jaxtui.wire.listing import Links
from jaxtui.wire.memory_report import MemoryReport
from jaxtui.wire.report import Flow, Parameter, ProgramReport

ProgramView = Literal["equivalents", "origins", "jaxpr", "stablehlo", "hlo", "cost", "memory"]


class Trace(Request, frozen=True, kw_only=True):
    """Trace a composition for its shapes. Light; a newer Trace replaces a queued one."""

    composition: Composition


class Run(Request, frozen=True, kw_only=True):
    """Evaluate a composition and keep the result on the devices.

    Outputs of up to `values` elements are reported with their values, larger ones with a summary;
    with None they are left to later requests, but for the first of them that have no more than
    `small` elements together, so that these are shown without another round trip. `held` is a
    result before to keep beside it, 0 for none.
    """

    composition: Composition
    values: int | None = None
    held: int = 0
    small: int = 0


class Inspect(Request, frozen=True, kw_only=True):
    """Ask for a view of a composition as text; all but the jaxpr compile it.

    The view "equivalents" runs other ways to compute the same and compares their results; "origins"
    runs it again to find what makes NaN and infinities. For "memory", `sharding` says what memory a
    device has.
    """

    composition: Composition
    view: ProgramView
    sharding: Sharding | None = None


class Traced(Event, frozen=True, kw_only=True):
    """Answers Trace. With a `diagnosis`, the flow holds the levels that were reached before it.

    `signature` is None if there is no function. `cost` estimates an upper bound on the number of
    elements that a run touches (inputs, outputs and intermediates), None if tracing failed.
    `deferred` means that the function depends on values, so that only a run can find the shapes.
    `choices` are the functions that `program.function` may name instead, the one made last at the
    end. `abstract` names the arguments of which only shapes are given, without which nothing can
    run.
    """

    function: str
    signature: list[Parameter] | None
    flow: Flow | None
    diagnosis: Diagnosis | None
    cost: int | None = None
    deferred: bool = False
    choices: list[str] = msgspec.field(default_factory=list)
    abstract: tuple[str, ...] = ()
    seconds: float = 0.0


class Ran(Event, frozen=True, kw_only=True):
    """Answers Run. The result is kept under `result`, the request's id, until two newer ones."""

    result: int
    report: ProgramReport
    flow: Flow
    seconds: float


class Inspected(Event, frozen=True, kw_only=True):
    """Answers Inspect.

    `links` say where in the user's code the lines of a listing come from, `notes` what there is to
    mend, and `memory` what the text is made of in the view of that name.
    """

    view: ProgramView
    text: str
    links: Links | None = None
    notes: list[Diagnosis] = msgspec.field(default_factory=list)
    memory: MemoryReport | None = None
