"""What the engine runs for a layer is, line by line, what an exported script has for it."""

from __future__ import annotations

import ast
import inspect

import pytest

from jaxtui.program.engine import adapters
from jaxtui.session.adapters import DEFINITIONS, definitions
from jaxtui.session.layers import LAYER_KINDS
from jaxtui.session.session import Argument, Program, Session
from tests.support.wrong import run_failure, trace


class _Plain(ast.NodeTransformer):
    """Takes away what a script has not: types and docstrings."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:  # ast's name
        self.generic_visit(node)
        node.returns = None
        if ast.get_docstring(node) is not None:
            del node.body[0]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


def plain(source: str) -> str:
    return ast.dump(_Plain().visit(ast.parse(source)))


@pytest.mark.parametrize("name", DEFINITIONS)
def test_a_script_has_what_the_engine_runs(name: str) -> None:
    assert plain(DEFINITIONS[name]) == plain(inspect.getsource(getattr(adapters, name)))


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
