"""What is composed differently is told field by field, by the names that the screens use."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from msgspec.structs import replace

from jaxtui.changes.fields import field_changes, layers_text, leaf_types
from jaxtui.session.layers import Grad, Jit, Vmap
from jaxtui.session.session import Argument, Devices, Program, Session
from jaxtui.wire.base import Composition
from jaxtui.wire.report import Output
from tests.support.made_sessions import sessions

PROGRAM = Program(
    source="def f(x):\n    return x\n",
    arguments=[Argument(name="x", value="1.0"), Argument(name="w", value="2.0")],
    layers=[Vmap(in_axes="0"), Jit()],
)
BEFORE = Composition(program=PROGRAM, parameters={"n": 4})


def changed(part: str = "program", **changes: Any) -> Composition:
    if part == "program":
        return replace(BEFORE, program=replace(PROGRAM, **changes))
    return replace(BEFORE, **changes)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (changed(source="def f(x):\n    return -x\n"), [("program.source", "source")]),
        (changed(function="g"), [("program.function", "function")]),
        (
            changed(layers=[Vmap(in_axes="1"), Jit()]),
            [("program.layers.0.in_axes", "vmap in_axes")],
        ),
        (changed(layers=[Jit()]), [("program.layers", "layers")]),
        (
            changed(arguments=[Argument(name="w", value="2.0"), Argument(name="x", value="3.0")]),
            [("program.arguments", "arguments"), ("program.arguments.x", "argument x")],
        ),
        (
            changed(arguments=[PROGRAM.arguments[0]]),
            [("program.arguments", "arguments"), ("program.arguments.w", "argument w")],
        ),
        (changed("", parameters={"n": 8}), [("parameters.n", "parameter n")]),
        (changed("", devices=Devices(count=4)), [("devices.count", "devices count")]),
    ],
)
def test_a_change_is_told_at_its_field(now: Composition, told: list[tuple[str, str]]) -> None:
    found = field_changes(BEFORE, now)
    assert [(change.field, change.name) for change in found] == told
    assert [change.before for change in found] == [c.now for c in field_changes(now, BEFORE)]


def test_layers_are_told_from_outside_in() -> None:
    layers = [Grad(argnums="1"), Vmap(), Jit()]
    assert layers_text(layers) == "jit of vmap of grad[argnums=1]"
    assert layers_text([]) == "none"


@settings(max_examples=30, deadline=None)
@given(sessions, sessions)
def test_nothing_differs_from_itself_and_what_differs_is_told(a: Session, b: Session) -> None:
    one, other = (Composition.of(session, "") for session in (a, b))
    assert field_changes(one, one) == []
    found = field_changes(one, other)
    assert one != other or not found
    back = {change.field for change in field_changes(other, one)}
    assert {change.field for change in found} == back


def _output(path: str, shape: list[int], dtype: str = "float32") -> Output:
    return Output(path=path, shape=shape, dtype=dtype, values=None, summary=None, shards=[])


def test_the_types_of_results_are_compared_without_their_values() -> None:
    before = [_output("[0]", [2]), _output("[1]", [3]), _output("[2]", [4])]
    now = [_output("[0]", [2]), _output("[1]", [3], "int32"), _output("[3]", [])]
    found = leaf_types(before, now, "they are gone")
    assert [(leaf.path, leaf.verdict) for leaf in found] == [
        ("[0]", "unknown"),
        ("[1]", "other"),
        ("[2]", "removed"),
        ("[3]", "added"),
    ]
    assert found[0].why == "they are gone"
