"""The one exception by which a part of the engine says what is at fault."""

from __future__ import annotations

from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.wire.report import Flow


class Diagnosed(Exception):
    """A failure that already has its diagnosis, and the shape flow as far as it was reached."""

    def __init__(self, diagnosis: Diagnosis, flow: Flow | None = None) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis
        self.flow = flow


def diagnosed(kind: Kind, field: str, message: str, fixes: list[Fix] | None = None) -> Diagnosed:
    """A Diagnosed to raise, for a failure without a position in the field's text."""
    return Diagnosed(Diagnosis(kind=kind, field=field, message=message, fixes=fixes or []))


class GivenUp(Exception):
    """The request was cancelled between two stages of the work on it."""
