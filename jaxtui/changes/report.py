"""The report of what changed, from two runs, their figures and their values."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from jaxtui.changes.fields import field_changes, leaf_types
from jaxtui.session.field_path import FUNCTION
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import Changes, FieldChange, Figures, LeafChange
from jaxtui.wire.program import Ran


def report(
    against: str,
    before: tuple[Composition, Ran],
    now: tuple[Composition, Ran],
    figures: tuple[Figures | None, Figures | None],
    values: Sequence[LeafChange] | str,
) -> Changes:
    """The report of two runs; `values` are the leaves, or why their values are not compared."""
    (composed_before, ran_before), (composed, ran) = before, now
    why = values if isinstance(values, str) else ""
    return Changes(
        against=against,
        fields=_with_functions(
            field_changes(composed_before, composed),
            ran_before.report.function,
            ran.report.function,
        ),
        outputs=leaf_types(ran_before.report.outputs, ran.report.outputs, why)
        if isinstance(values, str)
        else list(values),
        before=figures[0],
        now=figures[1],
        seconds_before=ran_before.seconds,
        seconds=ran.seconds,
        values=why,
    )


def _with_functions(fields: list[FieldChange], before: str, now: str) -> list[FieldChange]:
    """The changes with the names of the functions that ran, where the text of one is empty."""
    return [
        replace(field, before=field.before or before, now=field.now or now)
        if field.field == FUNCTION
        else field
        for field in fields
    ]
