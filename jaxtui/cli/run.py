"""`jaxtui run` and `jaxtui devices`: print reports as text or JSON."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from jaxtui.changes.words import text as changes_text
from jaxtui.cli import headless
from jaxtui.cli.against import Against, held_against
from jaxtui.cli.headless import DONE, FAILED, NOT_STARTED, EngineLost, Engines, HeadlessEngine
from jaxtui.cli.output import print_json
from jaxtui.session import collective_program
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import PROGRAM, encoded
from jaxtui.session.session import Collective, Session, SessionError
from jaxtui.text import collective_tables, memory_tables, plain, signs
from jaxtui.text.quantities import counted
from jaxtui.wire.base import Composition
from jaxtui.wire.change_report import Changes
from jaxtui.wire.collectives import CollectiveRan
from jaxtui.wire.launch import Choice, folder_of
from jaxtui.wire.memory_report import MemoryReport
from jaxtui.wire.program import Ran
from jaxtui.wire.report import CollectiveReport, Environment, Output, ProgramReport, RunReport

T = TypeVar("T")
R = TypeVar("R", ProgramReport, CollectiveReport)


class Outcome(Struct, frozen=True, kw_only=True):
    """The outcome of a session: its report, title and exit status.

    `collective` is the session's, and `note` a remark on the check of its result.
    """

    report: RunReport
    title: str = ""
    collective: Collective | None = None
    note: str = ""
    status: int = DONE


def run(
    paths: Sequence[str],
    choice: Choice,
    *,
    as_json: bool,
    ascii: bool,
    against: Against | None = None,
    memory: bool = False,
) -> int:
    """Evaluate each session, hold its program `against` another, and print its report.

    With `memory` programs are compiled for what they take, and not run. Returns the largest of
    their exit statuses.
    """
    show = _show_json if as_json else _text_shower(ascii)
    status = DONE
    with Engines() as engines:
        for path in paths:
            outcome = evaluate(path, choice, engines, against, memory)
            show(outcome)
            sys.stdout.flush()
            status = max(status, outcome.status)
    return status


def evaluate(
    path: str,
    choice: Choice,
    engines: Engines,
    against: Against | None = None,
    memory: bool = False,
) -> Outcome:
    """Run the session at `path` on an engine of `engines`, and hold it `against` another.

    With `memory` its program is compiled only.
    """
    try:
        session = headless.load(path, choice)
    except SessionError as error:
        diagnosis = Diagnosis(kind="session", field=error.field, message=error.message)
        return Outcome(report=_report(path, None, diagnosis), status=FAILED)
    environment, ran = None, _Ran()
    status = DONE
    try:
        engine = engines.for_settings(choice.settings_for(session))
        environment = engine.environment()
        composition = Composition.of(session, folder_of(path))
        ran = (_compiled if memory else _ran)(session, composition, engine)
        if against is not None and ran.failure is None:
            ran = _compared(ran, against, choice, engine, engines)
    except EngineLost as lost:
        engines.drop()
        ran = _Ran(failure=lost.diagnosis)
        status = FAILED if lost.started else NOT_STARTED
    return Outcome(
        report=_report(path, environment, ran.failure, ran),
        title=session.title,
        collective=session.collective,
        note=ran.collective.note if ran.collective else "",
        status=FAILED if ran.failure and not status else status,
    )


class _Ran(Struct, frozen=True):
    """What running a session gave."""

    composition: Composition | None = None
    program: Ran | None = None
    collective: CollectiveRan | None = None
    failure: Diagnosis | None = None
    changes: Changes | UnsetType = UNSET
    memory: MemoryReport | UnsetType = UNSET


def _compiled(session: Session, composition: Composition, engine: HeadlessEngine) -> _Ran:
    """What the program takes; nothing is run."""
    if not collective_program.runs_program(session):
        message = "no program to compile"
        return _Ran(failure=Diagnosis(kind="session", field=PROGRAM, message=message))
    told, failure = _split(engine.memory(composition, session.sharding))
    return _Ran(composition, failure=failure, memory=UNSET if told is None else told)


def _ran(session: Session, composition: Composition, engine: HeadlessEngine) -> _Ran:
    program = collective = failure = None
    if collective_program.runs_program(session):
        program, failure = _split(engine.run(composition))
    if session.collective is not None and failure is None:
        collective, failure = _split(engine.run_collective(composition, session.collective))
    return _Ran(composition, program, collective, failure)


def _compared(
    ran: _Ran, against: Against, choice: Choice, engine: HeadlessEngine, engines: Engines
) -> _Ran:
    if ran.program is None or ran.composition is None:
        found = Diagnosis(kind="session", field=PROGRAM, message="no program to compare")
        return msgspec.structs.replace(ran, failure=found)
    changes = held_against(against, (ran.composition, ran.program), choice, engine, engines)
    if isinstance(changes, Diagnosis):
        return msgspec.structs.replace(ran, failure=changes)
    return msgspec.structs.replace(ran, changes=changes)


def _split(answer: T | Diagnosis) -> tuple[T | None, Diagnosis | None]:
    return (None, answer) if isinstance(answer, Diagnosis) else (answer, None)


def devices(choice: Choice, *, as_json: bool, ascii: bool) -> int:
    """Print the environment and devices of JAX, and the mesh asked for. Returns the exit status."""
    with Engines() as engines:
        engine = engines.for_settings(choice.settings_for(choice.applied_to(Session())))
        try:
            environment = engine.environment()
        except EngineLost as lost:
            print(plain.failure("jaxtui", lost.diagnosis, ascii=ascii), file=sys.stderr)
            return NOT_STARTED
    mesh = choice.mesh or {}
    if mesh and math.prod(mesh.values()) != environment.device_count:
        sizes = plain.mesh(mesh, {}, ascii=True)
        takes = counted(math.prod(mesh.values()), "device")
        here = counted(environment.device_count, "device")
        print(f"jaxtui: --mesh: {sizes} takes {takes}; JAX has {here}", file=sys.stderr)
        return FAILED
    if as_json:
        print_json(msgspec.json.encode(environment))
    else:
        print(plain.environment(environment, ascii=ascii))
        if mesh:
            print(f"mesh {plain.mesh(mesh, choice.axis_types or {}, ascii=ascii)}")
    return DONE


def _report(
    path: str, environment: Environment | None, failure: Diagnosis | None, ran: _Ran | None = None
) -> RunReport:
    program = ran.program.report if ran is not None and ran.program is not None else None
    collective = ran.collective.report if ran is not None and ran.collective is not None else None
    return RunReport(
        session=path,
        ok=failure is None,
        environment=environment,
        program=None if program is None else _in_json_numbers(program, "outputs"),
        collective=None if collective is None else _in_json_numbers(collective, "before", "after"),
        error=failure,
        changes=ran.changes if ran is not None else UNSET,
        memory=ran.memory if ran is not None else UNSET,
    )


def _in_json_numbers(report: R, *fields: str) -> R:
    """The report, with non-finite numbers, which JSON lacks, as text in these fields' outputs."""
    changes = {name: list(map(_output_in_json_numbers, getattr(report, name))) for name in fields}
    return msgspec.structs.replace(report, **changes)


def _output_in_json_numbers(output: Output) -> Output:
    summary = output.summary
    if summary is not None:
        figures = ("minimum", "maximum", "mean", "std")
        summary = msgspec.structs.replace(
            summary, **{name: finite_or_text(getattr(summary, name)) for name in figures}
        )
    return msgspec.structs.replace(output, values=finite_or_text(output.values), summary=summary)


def finite_or_text(value: Any) -> Any:
    """Replace non-finite floats in nested lists by "nan", "inf" and "-inf"."""
    if isinstance(value, list):
        return [finite_or_text(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _show_json(outcome: Outcome) -> None:
    print_json(msgspec.json.encode(outcome.report, enc_hook=encoded))


def _text_shower(ascii: bool) -> Callable[[Outcome], None]:
    """Return a function that prints an outcome as text, with a blank line between two outcomes."""
    shown = 0

    def show(outcome: Outcome) -> None:
        nonlocal shown
        report = outcome.report
        if report.error is not None:
            print(plain.failure(report.session, report.error, ascii=ascii), file=sys.stderr)
            return
        assert report.environment is not None
        heading = [report.session, plain.device_set(report.environment, ascii=ascii)]
        if outcome.title:
            heading.insert(1, outcome.title)
        print("\n" * bool(shown) + "  ".join(heading))
        if report.program is not None:
            print(plain.program(report.program, ascii=ascii))
        if report.collective is not None and outcome.collective is not None:
            note = outcome.note
            print(
                collective_tables.collective(
                    outcome.collective, report.collective, note, ascii=ascii
                )
            )
        if isinstance(report.changes, Changes):
            print(changes_text(report.changes).translate(signs.ASCII if ascii else {}))
        if isinstance(report.memory, MemoryReport):
            told = memory_tables.memory(report.memory, keys=False)
            print(told.translate(signs.ASCII if ascii else {}))
        shown += 1

    return show
