"""Messages about a program: its shapes, its run, and what JAX makes of it."""

from __future__ import annotations

from typing import Literal

from jaxtui.session.diagnosis import Diagnosis
from jaxtui.wire.base import (
    Composition,
    Event,
    Request,
)
from jaxtui.wire.report import (
    Flow,
    Parameter,
    ProgramReport,
)

ProgramView = Literal["equivalents", "jaxpr", "stablehlo", "hlo", "cost"]


class Trace(Request, frozen=True, kw_only=True):
    """Shapes of a composition, by tracing. Light; a newer Trace replaces a waiting one."""

    composition: Composition


class Run(Request, frozen=True, kw_only=True):
    """Evaluate a composition and keep the result on the devices.

    Works on the worker; a newer Run replaces a waiting one. Outputs of at most `values` elements
    carry their values, larger ones a summary; `values` None leaves both to later requests.
    """

    composition: Composition
    values: int | None = None


class Inspect(Request, frozen=True, kw_only=True):
    """What JAX and XLA make of a composition, as text; all but the jaxpr compile it.

    Its equivalents are run: other ways to compute the same, held against the result.

    Works on the worker; a newer Inspect replaces a waiting one.
    """

    composition: Composition
    view: ProgramView


class Traced(Event, frozen=True, kw_only=True):
    """Answers Trace. With a `diagnosis`, the flow holds the levels that were reached before it.

    `signature` is None when there is no function to ask. `cost` is an upper guess of the elements
    that a run touches (inputs, outputs and intermediates), None when the trace failed.
    `deferred` means that the function looks at values, so that only a run can tell its shapes.
    """

    function: str
    signature: list[Parameter] | None
    flow: Flow | None
    diagnosis: Diagnosis | None
    cost: int | None = None
    deferred: bool = False
    seconds: float = 0.0


class Ran(Event, frozen=True, kw_only=True):
    """Answers Run: the result is kept under `result` (= the request's id) until two newer ones."""

    result: int
    report: ProgramReport
    flow: Flow
    seconds: float


class Inspected(Event, frozen=True, kw_only=True):
    """Answers Inspect."""

    view: ProgramView
    text: str
