"""Values and shardings know the module of a function, and the source what lies beside it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from jaxtui.program.engine import evaluation
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Traced

MODULE = """
from typing import NamedTuple
class State(NamedTuple):
    w: object
    b: object
def f(state):
    assert isinstance(state, State)
    return state.w + state.b
"""


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def traced(folder: Path, program: Program, **more: object) -> Traced:
    session = Session(program=program, **more)  # type: ignore[arg-type]
    return evaluation.trace(Composition.of(session, str(folder)))


def program(function: str, value: str, source: str = "", sharding: str = "") -> Program:
    arguments = [Argument(name="state", value=value, sharding=sharding)]
    return Program(source=source, function=function, arguments=arguments)


@pytest.mark.parametrize(
    ("file", "function", "value"),
    [
        ("kept_states.py", "kept_states.py:f", "kept_states.State(ones(3), b=2.0)"),
        ("kept_modules.py", "kept_modules:f", "kept_modules.State(ones(3), b=2.0)"),
        ("kept/inner.py", "kept.inner:f", "kept.inner.State(ones(3), b=2.0)"),
    ],
)
def test_values_know_the_functions_module_by_its_name(
    tmp_path: Path, file: str, function: str, value: str
) -> None:
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(MODULE)
    answer = traced(tmp_path, program(function, value))
    assert answer.diagnosis is None, answer.diagnosis
    assert answer.flow is not None
    assert [leaf.path for leaf in answer.flow.levels[0].inputs or []] == ["state.w", "state.b"]


def test_so_do_trees_of_specs(tmp_path: Path) -> None:
    (tmp_path / "specs.py").write_text(MODULE)
    made = program(
        "specs.py:f", "specs.State(ones(8), ones(8))", sharding="specs.State(P('x'), P())"
    )
    answer = traced(tmp_path, made, devices=Devices(mesh={"x": 8}))
    assert answer.diagnosis is None, answer.diagnosis
    assert answer.flow is not None
    assert [leaf.spec for leaf in answer.flow.levels[0].inputs or []] == [[["x"]], []]


def test_a_module_hides_nothing_that_values_know(tmp_path: Path) -> None:
    (tmp_path / "ones.py").write_text("def f(state):\n    return state\n")
    assert traced(tmp_path, program("ones.py:f", "ones(3)")).diagnosis is None


def test_a_changed_module_changes_values_that_use_it(tmp_path: Path) -> None:
    file = tmp_path / "sizes.py"
    for size in (3, 5):
        file.write_text(
            f"import jax.numpy as jnp\nSIZE = {size}\ndef f(state):\n    return state\n"
        )
        answer = traced(tmp_path, program("sizes.py:f", "ones(sizes.SIZE)"))
        assert answer.flow is not None
        (leaf,) = answer.flow.levels[0].inputs or []
        assert leaf.shape == [size]


def test_the_source_beside_a_function_imports_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "beside_it.py").write_text("VALUE = 4\n")
    (tmp_path / "below" / "functions.py").write_text("def f(state):\n    return state\n")
    made = program("below/functions.py:f", "ones(VALUE)", "from beside_it import VALUE\n")
    answer = traced(tmp_path, made)
    assert answer.diagnosis is None, answer.diagnosis
