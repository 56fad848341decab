"""Why a jit refused an argument that lies elsewhere than its in_shardings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jaxtui.engine_base import failures
from jaxtui.program.engine.programs import BuiltLayer
from jaxtui.session.diagnosis import Diagnosis, Edit, Fix
from jaxtui.session.field_path import ARGUMENTS

if TYPE_CHECKING:
    from jaxtui.program.engine.prepared import Prepared

_REFUSED = "does not match the sharding on the respective arg"


def explain(error: BaseException, layer: BuiltLayer, prepared: Prepared) -> Diagnosis | None:
    """The diagnosis of a call to `layer` with an argument that lies elsewhere, else None.

    What lies nowhere yet goes where in_shardings say, and without them all stays where it lies.
    """
    message = failures.describe(error)
    if "in_shardings" not in layer.settings or _REFUSED not in message:
        return None
    fixes = [layer.fix("in_shardings", "", "without in_shardings: as the arguments lie")]
    placed = [
        index
        for index, argument in enumerate(prepared.composition.program.arguments)
        if argument.sharding.strip()
    ]
    if placed:
        first, *others = [Edit(ARGUMENTS / index / "sharding", "") for index in placed]
        label = "without shardings of the arguments: as in_shardings say"
        fixes.append(Fix(label, first.field, first.text, also=tuple(others)))
    return layer.fault("in_shardings", message, fixes)
