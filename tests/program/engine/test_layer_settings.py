"""Every setting of a kind of layer is a parameter of JAX's own, or refused where it is not."""

from __future__ import annotations

import inspect
import pkgutil
from typing import Any

import jax
import pytest

from jaxtui.session.layers import LAYER_KINDS, Vmap
from jaxtui.session.session import Argument, Program, Session
from tests.support.wrong import trace


def of_jax(name: str) -> Any:
    kind = LAYER_KINDS[name]
    return getattr(pkgutil.resolve_name(kind.home), name, None) if kind.home else None


HERE = {name: kind for name, kind in LAYER_KINDS.items() if of_jax(name) is not None}
# What JAX's function returns is called with these.
OURS = {("vjp", "cotangents"), ("linearize", "tangents")}
FIELDS = [(name, field) for name, kind in HERE.items() for field in kind.fields()]


def session(name: str, **settings: str) -> Session:
    program = Program(
        source="f = lambda x: x",
        arguments=[Argument(name="x", value="ones(8)")],
        layers=[LAYER_KINDS[name](**settings)],
    )
    return Session(program=program)


@pytest.mark.parametrize(("name", "field"), FIELDS)
def test_a_setting_is_one_of_jax_or_refused_at_its_field(name: str, field: str) -> None:
    found = trace(session(name, **{field: "None"})).diagnosis
    unsupported = found is not None and found.kind == "unsupported"
    has = field in inspect.signature(of_jax(name)).parameters
    assert unsupported != (has or (name, field) in OURS)
    if found is not None and unsupported:
        assert found.field == f"program.layers.0.{field}"
        assert found.message == f"{name} of JAX {jax.__version__} has no {field}"


@pytest.mark.parametrize("name", [name for name, kind in LAYER_KINDS.items() if kind.home])
def test_a_kind_that_jax_lacks_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = session(name)
    monkeypatch.delattr(pkgutil.resolve_name(LAYER_KINDS[name].home), name, raising=False)
    found = trace(made).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("unsupported", "program.layers.0")
    assert found.message == f"JAX {jax.__version__} has no {name}"


@pytest.mark.parametrize("wanted", ["word", "'word'"])
def test_a_word_is_read_with_and_without_quotes(wanted: str) -> None:
    made = session("vmap")
    program = Program(
        source="f = lambda x: lax.psum(x, 'word')",
        arguments=made.program.arguments,
        layers=[Vmap(axis_name=wanted)],
    )
    assert trace(Session(program=program)).diagnosis is None
