"""Offers to take as layers what the lines in the editor apply to a function themselves."""

from __future__ import annotations

import msgspec

from jaxtui.program.screen.work import ProgramWork
from jaxtui.program.written import Written, written
from jaxtui.session.diagnosis import Diagnosis, Edit, Fix
from jaxtui.session.field_path import ARGUMENTS, DEVICES, FUNCTION, LAYERS, SOURCE
from jaxtui.session.session import Devices, Program

LONGEST = 60  # characters of the values, or of what stays out, that are named


class LayersOffer:
    """What is offered, read anew only if the program has changed."""

    def __init__(self) -> None:
        self._of: tuple[Program, Devices] | None = None
        self._offered: Diagnosis | None = None

    def of(self, work: ProgramWork) -> Diagnosis | None:
        """The offer as a note with a fix; None for a source as it was opened."""
        session = work.session
        if not work.rewritten:
            return None
        if self._of != (session.program, session.devices):
            self._of = session.program, session.devices
            found = written(session.program, session.devices)
            self._offered = _note(found, session.devices) if found is not None else None
        return self._offered


def _note(found: Written, devices: Devices) -> Diagnosis:
    program, names = found.program, [layer.transform for layer in found.layers]
    layers = " and ".join(names)
    values = _some(found.values)
    out = f"; stays out: {_some(found.left_out)}" if found.left_out else ""
    label = f"{layers} as {'a layer' if len(names) == 1 else 'layers'}"
    fix = Fix(
        label=f"take {label}{f', with {values}' if values else ''}",
        field=SOURCE,
        text=program.source,
        also=(
            Edit(FUNCTION, program.function),
            Edit(LAYERS, _json(program.layers)),
            Edit(ARGUMENTS, _json(program.arguments)),
            *([Edit(DEVICES / "mesh", _json(found.devices.mesh))] * (found.devices != devices)),
        ),
    )
    message = f"these lines apply {layers} themselves{out}"
    return Diagnosis(kind="note", field=SOURCE, message=message, fixes=[fix])


def _some(texts: tuple[str, ...]) -> str:
    """The texts, as many as can be said shortly."""
    text = ", ".join(texts)
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()}…"


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def with_fixes(found: Diagnosis, offered: Diagnosis) -> Diagnosis:
    """The error `found`, with what is offered before its own fixes."""
    return msgspec.structs.replace(found, fixes=[*offered.fixes, *found.fixes])
