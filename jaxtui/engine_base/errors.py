"""The exceptions by which the engine ends a request: with a diagnosis, or because of a Cancel."""

from __future__ import annotations

from jaxtui.session.diagnosis import Diagnosis, Fix, Kind
from jaxtui.session.field_path import FieldPath
from jaxtui.wire.report import Flow


class Diagnosed(Exception):
    """A failure with its diagnosis, and the shape flow up to where it happened if there is one."""

    def __init__(self, diagnosis: Diagnosis, flow: Flow | None = None) -> None:
        super().__init__(diagnosis.message)
        self.diagnosis = diagnosis
        self.flow = flow


def diagnosed(
    kind: Kind, field: FieldPath, message: str, fixes: list[Fix] | None = None
) -> Diagnosed:
    """Make a Diagnosed to raise, without a position in the field's text."""
    return Diagnosed(Diagnosis(kind=kind, field=field, message=message, fixes=fixes or []))


class GivenUp(Exception):
    """The request was cancelled, which is checked between two stages of its work."""
