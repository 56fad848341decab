"""Programs that fail, their expected diagnoses, and whether the fixes offered are right."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec import UNSET

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import FieldPath
from jaxtui.session.layers import AnyLayer
from jaxtui.session.session import Argument, Devices, Program, Session, with_fix
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Traced
from tests.support.fields import get_field

# Object ids, addresses, and where this machine keeps things.
INTERNALS = re.compile(r"0x[0-9a-f]{6,}|site-packages|/engine/|jaxtui|\bid=\d+|/usr/|/home/|/root/")


@dataclass(frozen=True)
class Wrong:
    """A program that fails: the field at fault, the kind, a pattern of words, how many fixes."""

    source: str
    given: str
    layers: tuple[AnyLayer, ...]
    kind: str
    at: str
    words: str
    fixes: int | None = None
    order: list[int] | None = None
    mesh: dict[str, int] | None = None
    function: str = ""
    shardings: dict[str, str] = field(default_factory=dict)
    only_run: bool = False
    leads_to: str = ""

    @property
    def session(self) -> Session:
        lines = [line.strip() for line in self.given.splitlines() if line.strip()]
        pairs = [line.partition(" = ") for line in lines]
        return Session(
            devices=Devices(order=self.order, mesh=self.mesh),
            program=Program(
                source=self.source,
                function=self.function,
                arguments=[
                    Argument(name=name, value=value, sharding=self.shardings.get(name, ""))
                    for name, _, value in pairs
                ],
                layers=list(self.layers),
            ),
        )


def wrong(
    name: str,
    source: str,
    given: str,
    layers: AnyLayer | tuple[AnyLayer, ...],
    kind: str,
    at: str,
    words: str,
    fixes: int | None = None,
    **more: Any,
) -> Any:
    """A pytest parameter; `at` is short for the field: `x` for the value of x, `0.in_axes`."""
    if "\n" not in source and not source.startswith(("def ", "f = ", "import ")) and ":" in source:
        source = f"f = lambda {source}"
    stack = layers if isinstance(layers, tuple) else (layers,)
    return pytest.param(Wrong(source, given, stack, kind, at, words, fixes, **more), id=name)


def composition(session: Session) -> Composition:
    return Composition(
        program=session.program, parameters=session.parameters, devices=session.devices
    )


def trace(session: Session) -> Traced:
    return evaluation.trace(composition(session))


def run_failure(session: Session) -> Diagnosis | None:
    try:
        evaluation.run(composition(session), lambda stage: None, lambda: False)
    except Diagnosed as error:
        return error.diagnosis
    return None


def full_field(session: Session, at: str) -> str:
    names = [argument.name for argument in session.program.arguments]
    if at in names:
        return f"program.arguments.{names.index(at)}.value"
    if at[:1].isdigit():
        return f"program.layers.{at}"
    return at


def check(case: Wrong) -> Diagnosis:
    """Check the diagnosis of `case` from a trace and from a run, and that its fixes work."""
    session = case.session
    traced = trace(session).diagnosis
    ran = run_failure(session)
    assert ran is not None, f"runs, traced: {traced}"
    if not case.only_run:
        assert traced is not None, f"traces; the run says {ran}"
        check_words(case, session, traced)
    check_words(case, session, ran)
    return ran


def check_words(case: Wrong, session: Session, found: Diagnosis) -> None:
    assert (found.kind, found.field) == (case.kind, full_field(session, case.at)), found
    assert re.search(case.words, found.message), found.message
    assert_plain(found)
    if case.fixes is not None:
        assert len(found.fixes) >= case.fixes, found
    assert_fixes_fix(case, session, found)


def assert_plain(found: Diagnosis) -> None:
    frames = [] if found.frames is UNSET else list(found.frames)
    for text in (found.message, *frames):
        assert not INTERNALS.search(text), text
        assert len(text) < 1200
    assert "\n" not in found.message


def assert_fixes_fix(case: Wrong, session: Session, found: Diagnosis) -> None:
    """Each fix changes an existing field, and then the program traces or fails at `leads_to`."""
    for fix in found.fixes:
        get_field(session, FieldPath(fix.field))
        after = trace(with_fix(session, fix)).diagnosis
        if fix.field == "devices.count":
            # The engine of these tests keeps its eight devices; another count is a fresh engine.
            assert after is not None
            assert after.field == "devices.count"
            continue
        assert after is None or after.field == case.leads_to, f"{fix} leads to {after}"
