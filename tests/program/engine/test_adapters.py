"""What makes of functions of functions those of a program's arguments."""

from __future__ import annotations

import ast

import pytest

from jaxtui.session.adapters import DEFINITIONS, definitions
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.session.session import Argument, Program, Session
from tests.support.wrong import run_failure, trace


@pytest.mark.parametrize("name", sorted({kind.adapter for kind in LAYER_KINDS.values()}))
def test_a_definition_comes_with_what_it_calls(name: str) -> None:
    defined = definitions(name)
    names = [*defined]
    for at, text in enumerate(defined.values()):
        called = {n.id for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
        assert called & DEFINITIONS.keys() <= set(names[:at])


def test_tangents_too_large_for_any_memory_cost_nothing_to_look_at() -> None:
    program = Program(
        source="f = lambda x: x",
        arguments=[Argument(name="x", value="zeros(10 ** 12)")],
        layers=[LAYER_KINDS["jvp"](tangents="ones(10 ** 12)")],
    )
    session = Session(program=program)
    traced = trace(session)
    assert traced.flow is not None
    assert [leaf.shape for leaf in traced.flow.levels[0].outputs or []] == [[10**12]] * 2
    found = run_failure(session)
    assert found is not None
    assert found.kind == "memory"
