"""`jaxtui run --against`: a session's program held against another session's or function's."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from jaxtui.changes.report import report
from jaxtui.cli import headless
from jaxtui.cli.headless import Engines, HeadlessEngine
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import PROGRAM
from jaxtui.session.session import SessionError
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import Changes
from jaxtui.wire.launch import Choice, folder_of
from jaxtui.wire.program import Ran

TWO_ENGINES = "not compared: the two ran in engines of their own, with other devices"


class Against(Struct, frozen=True):
    """What programs are held against: the session at `path`, or else their own `function`."""

    path: str = ""
    function: str = ""

    @property
    def name(self) -> str:
        return self.path or self.function

    def wrong(self, found: Diagnosis) -> Diagnosis:
        """A failure of what a program is held against, told as such."""
        return msgspec.structs.replace(found, message=f"{self.name}: {found.message}", fixes=[])


def held_against(
    against: Against,
    now: tuple[Composition, Ran],
    choice: Choice,
    engine: HeadlessEngine,
    engines: Engines,
) -> Changes | Diagnosis:
    """Run the other program, and report what is different now, or why it did not run.

    `engine` is the one that ran the program now. Raises EngineLost.
    """
    composition, ran = now
    figures = engine.figures(composition)
    try:
        other, engine_before = _other(against, composition, choice, engine, engines)
    except SessionError as error:
        found = Diagnosis(kind="session", field=error.field, message=error.message)
        return against.wrong(found)
    same = engine_before is engine
    ran_before = engine_before.run(other, held=ran.result if same else 0)
    if isinstance(ran_before, Diagnosis):
        return against.wrong(ran_before)
    figures_before = engine_before.figures(other)
    values = engine.compare(composition, ran, ran_before) if same else TWO_ENGINES
    pairs = (other, ran_before), now
    return report(against.name, *pairs, (figures_before, figures), values)


def _other(
    against: Against,
    composition: Composition,
    choice: Choice,
    engine: HeadlessEngine,
    engines: Engines,
) -> tuple[Composition, HeadlessEngine]:
    """The composition of the other program, and the engine for it. Raises SessionError."""
    if not against.path:
        program = msgspec.structs.replace(composition.program, function=against.function)
        changed = msgspec.structs.replace(composition, program=program)
        return changed, engines.for_settings(engine.settings)
    session = headless.load(against.path, choice)
    if session.program.empty:
        raise SessionError("no program to compare with", PROGRAM)
    settings = choice.settings_for(session)
    return Composition.of(session, folder_of(against.path)), engines.for_settings(settings)
