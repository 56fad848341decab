"""What a lesson's step shows once it is done, found by the engine's own modules."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from jaxtui.app.learn.open_lesson import leaf_text
from jaxtui.collectives.engine import run as collectives
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.lessons.steps import Seen
from jaxtui.program.engine import evaluation
from jaxtui.session.collective_program import runs_program
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import Session, Sharding
from jaxtui.sharding.engine.plan import plan_of
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import ShardingPlan


class Tried(NamedTuple):
    """What is seen, the error if there is one, and the leaves of the result."""

    seen: Seen
    diagnosis: Diagnosis | None
    leaves: list[np.ndarray[Any, Any]]


def tried(session: Session, screen: str, errors: frozenset[str] = frozenset()) -> Tried:
    """Trace a session's program and run it; of a collective there is only the session."""
    blank = Seen(session=session, screen=screen, errors=errors, timed=True)
    if session.program.empty or (session.collective and not runs_program(session)):
        return Tried(blank, None, [])
    composition = Composition.of(session, "")
    traced = evaluation.trace(composition)
    if traced.diagnosis is not None:
        return _failed(blank, traced.diagnosis)
    try:
        ran = evaluation.run(composition, lambda stage: None, lambda: False)
    except Diagnosed as error:
        return _failed(blank, error.diagnosis)
    levels = ran.flow.levels
    outputs = [leaf_text(leaf) for leaf in levels[0].outputs or []]
    inside = tuple(leaf_text(leaf) for leaf in levels[-1].inputs or [])
    seen = blank._replace(outputs=outputs, inside=inside)
    return Tried(seen, None, [np.asarray(leaf) for _, leaf in ran.leaves])


def _failed(blank: Seen, found: Diagnosis) -> Tried:
    return Tried(blank._replace(error=str(found.field) or "program"), found, [])


def collective_values(session: Session) -> np.ndarray[Any, Any]:
    """What each device holds after a session's collective."""
    ran = collectives.run(session, "", lambda stage: None, lambda: False)
    return np.asarray(ran.after[0][1])


def planned(session: Session) -> ShardingPlan:
    """The plan of a session, on the mesh that it asks for."""
    return plan_of(Composition.of(session, ""), session.sharding or Sharding())


def sent(session: Session) -> list[str]:
    """What a plan sends: `all_gather data`."""
    return [f"{one.kind} {'+'.join(one.axes)}" for one in planned(session).collectives]
