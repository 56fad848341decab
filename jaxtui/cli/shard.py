"""`jaxtui shard`: where a session's arrays lie on a mesh and what is sent, as text or JSON."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jaxtui.cli import headless
from jaxtui.cli.headless import DONE, FAILED, NOT_STARTED, EngineLost, Engines, HeadlessEngine
from jaxtui.cli.output import print_json
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import NO_FIELD, encoded
from jaxtui.session.session import AxisTypeName, Session, SessionError, Sharding
from jaxtui.sharding import report
from jaxtui.text import plain, signs
from jaxtui.wire.base import Composition, Failed
from jaxtui.wire.launch import Choice, folder_of
from jaxtui.wire.protocol import AnyEvent
from jaxtui.wire.sharding import (
    Advice,
    CompiledSharding,
    FoundSharding,
    SearchedGroup,
    ShardingAdvised,
    ShardingCompiled,
    ShardingPlan,
    ShardingPlanned,
    ShardingsFound,
    ShardReport,
)

Mesh = tuple[Mapping[str, int], Mapping[str, AxisTypeName]]
WIDEST = 120  # cells of the text


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of a session: its plan and all that goes with it, or why there is none."""

    session: str
    title: str = ""
    platform: str = ""
    plan: ShardingPlan | None = None
    compiled: CompiledSharding | None = None
    advice: list[Advice] = []
    found: list[FoundSharding] = []
    groups: tuple[SearchedGroup, ...] = ()
    refused: str = ""
    error: Diagnosis | None = None
    status: int = DONE


def shard(
    paths: Sequence[str],
    choice: Choice,
    *,
    mesh: Mesh | None,
    search: bool,
    as_json: bool,
    ascii: bool,
) -> int:
    """Plan each session and print its flow. Returns the largest of their exit statuses."""
    status = DONE
    with Engines() as engines:
        for number, path in enumerate(paths):
            outcome = evaluate(path, choice, engines, mesh=mesh, search=search)
            if as_json:
                print_json(msgspec.json.encode(_as_json(_report(outcome, search))))
            else:
                _print_text(outcome, first=number == 0, ascii=ascii)
            sys.stdout.flush()
            status = max(status, outcome.status)
    return status


def evaluate(
    path: str, choice: Choice, engines: Engines, *, mesh: Mesh | None, search: bool
) -> Outcome:
    """Plan the session at `path` on an engine of `engines`."""
    try:
        session = headless.load(path, choice)
    except SessionError as error:
        found = Diagnosis(kind="session", field=error.field, message=error.message)
        return Outcome(session=path, error=found, status=FAILED)
    sharding = _asked(session, mesh)
    outcome = Outcome(session=path, title=session.title)
    try:
        engine = engines.for_settings(choice.settings_for(session))
        outcome = replace(outcome, platform=engine.environment().platform)
        composition = Composition.of(session, folder_of(path))
        return _planned(outcome, engine, composition, sharding, search)
    except EngineLost as lost:
        engines.drop()
        status = FAILED if lost.started else NOT_STARTED
        return replace(outcome, error=lost.diagnosis, status=status)


def _asked(session: Session, mesh: Mesh | None) -> Sharding:
    """The session's mesh to plan on, or that of the command line with the session's links."""
    sharding = session.sharding or Sharding()
    if mesh is None:
        return sharding
    sizes, types = mesh
    kept = {a: t for a, t in (sharding.axis_types or {}).items() if a in sizes}
    return replace(sharding, mesh=dict(sizes), axis_types={**kept, **types} or None)


def _planned(
    outcome: Outcome,
    engine: HeadlessEngine,
    composition: Composition,
    sharding: Sharding,
    search: bool,
) -> Outcome:
    answer = engine.plan_sharding(composition, sharding)
    if not isinstance(answer, ShardingPlanned) or answer.plan is None:
        return replace(outcome, error=_diagnosis(answer), status=FAILED)
    outcome = replace(outcome, plan=answer.plan)
    if answer.plan.here:
        compiled = engine.compile_sharding(composition, sharding)
        if not isinstance(compiled, ShardingCompiled):
            return replace(outcome, error=_diagnosis(compiled), status=FAILED)
        outcome = replace(outcome, compiled=compiled.compiled)
    advised = engine.advise_sharding(composition, sharding)
    if not isinstance(advised, ShardingAdvised):
        return replace(outcome, error=_diagnosis(advised), status=FAILED)
    outcome = replace(outcome, advice=advised.advice)
    if search:
        found = engine.search_shardings(composition, sharding)
        if not isinstance(found, ShardingsFound):
            return replace(outcome, error=_diagnosis(found), status=FAILED)
        outcome = replace(outcome, found=found.found, groups=found.groups, refused=found.refused)
    return outcome


def _diagnosis(answer: AnyEvent) -> Diagnosis:
    if isinstance(answer, ShardingPlanned) and answer.diagnosis is not None:
        return answer.diagnosis
    if isinstance(answer, Failed):
        return answer.diagnosis
    return Diagnosis(kind="engine", field=NO_FIELD, message="the engine gave the plan up")


class _SearchReport(ShardReport, frozen=True, kw_only=True):
    """The report with `--search`: also what was found, the cheapest first, and what was divided."""

    search: list[FoundSharding]
    search_groups: tuple[SearchedGroup, ...]


def _report(outcome: Outcome, search: bool) -> ShardReport:
    plan = outcome.plan if outcome.error is None else None
    report = ShardReport(
        session=outcome.session,
        ok=outcome.error is None,
        mesh=plan.mesh if plan else {},
        axis_types=plan.axis_types if plan else {},
        inputs=plan.inputs if plan else [],
        values=plan.values if plan else [],
        collectives=plan.collectives if plan else [],
        outputs=plan.outputs if plan else [],
        memory=plan.memory if plan else None,
        compiled=outcome.compiled if plan else None,
        advice=outcome.advice if plan else [],
        error=outcome.error,
    )
    if not search:
        return report
    return _SearchReport(
        **msgspec.structs.asdict(report), search=outcome.found, search_groups=outcome.groups
    )


def _as_json(report: ShardReport) -> dict[str, Any]:
    """The report in builtins: outputs have no name, only what is from a file has a `file`, only a
    call is `called` something, and only what XLA combined of several has `parts`."""
    data: dict[str, Any] = msgspec.to_builtins(report, enc_hook=encoded)
    for output in data["outputs"]:
        del output["name"]
    made = data["compiled"]["collectives"] if data["compiled"] else []
    for item in (*data["values"], *data["collectives"], *made):
        if not item["file"]:
            del item["file"]
        if item.get("called") == "":
            del item["called"]
        if item.get("parts") == 1:
            del item["parts"]
    return data


def _print_text(outcome: Outcome, *, first: bool, ascii: bool) -> None:
    if outcome.error is not None or outcome.plan is None:
        assert outcome.error is not None
        print(plain.failure(outcome.session, outcome.error, ascii=ascii), file=sys.stderr)
        return
    heading = "  ".join(filter(None, (outcome.session, outcome.title)))
    width = min(WIDEST, shutil.get_terminal_size((100, 24)).columns)
    lines = [
        *report.flow(outcome.plan, outcome.platform, width),
        *report.compiled(outcome.plan, outcome.compiled),
        *report.advice(outcome.advice),
        *report.search(outcome.found, outcome.groups, outcome.refused),
    ]
    text = "\n".join(lines)
    print("\n" * (not first) + heading)
    print(signs.in_ascii(text) if ascii else text)
