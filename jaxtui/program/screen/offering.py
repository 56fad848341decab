"""Which names the Map screen offers in which of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.widgets import TextArea

from jaxtui.program.screen.known_names import Kind, fitting, typed_before
from jaxtui.screen.completion import Completion, Offered, TextWidget

if TYPE_CHECKING:
    from jaxtui.program.screen.work import ProgramWork
    from jaxtui.screen.base import WorkScreen

# The classes of fields that take names of axes; so do those of a layer's form.
AXIS_FIELDS = ("sharding", "axis")


def offering(screen: WorkScreen[ProgramWork]) -> Completion:
    """The list of names for the fields of the screen."""

    def names(widget: TextWidget, line: str) -> Sequence[Offered]:
        typed = typed_before(line)
        work = screen.explorer.work
        if typed is None or widget.id in ("reference", "parameters"):
            return []
        fits = fitting(typed, kind_of(widget), work.session, work.modules)
        return [Offered(n.name, n.signature, n.name[len(typed.prefix) :]) for n in fits]

    return Completion(names)


def kind_of(widget: TextWidget) -> Kind:
    """What names a field takes."""
    if isinstance(widget, TextArea):
        return "source"
    in_form = any(type(node).__name__ == "LayerForm" for node in widget.ancestors)
    return "axis" if in_form or any(map(widget.has_class, AXIS_FIELDS)) else "value"
