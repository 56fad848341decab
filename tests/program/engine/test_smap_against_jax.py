"""smap programs: the engine gives bit for bit what bare JAX gives, and says what is wrong."""

from __future__ import annotations

import jax
import pytest

from jaxtui.program.engine import evaluation
from jaxtui.session.export import script
from jaxtui.session.layers import AnyLayer, Grad, Jit, Smap, Vmap
from jaxtui.session.session import Argument, AxisTypeName, Devices, Program, Session
from jaxtui.wire.base import Composition
from tests.support.bare import assert_same_leaves, assert_trace_foretold
from tests.support.scripts import names_of
from tests.support.tables import one_in
from tests.support.wrong import Wrong, check, wrong

MESH = {"data": 4, "model": 2}
EXPLICIT: dict[str, AxisTypeName] = {"data": "explicit", "model": "explicit"}

pytestmark = pytest.mark.skipif(not hasattr(jax, "smap"), reason="older JAX has no smap")


def over(name: str, in_axes: str, out_axes: str) -> Smap:
    return Smap(axis_name=name, in_axes=in_axes, out_axes=out_axes)


def session(
    source: str,
    values: dict[str, str],
    *layers: AnyLayer,
    mesh: dict[str, int] | None = MESH,
    types: dict[str, AxisTypeName] | None = None,
    sharding: str = "",
) -> Session:
    arguments = [Argument(name=n, value=v, sharding=sharding) for n, v in values.items()]
    program = Program(source=f"f = lambda {source}", arguments=arguments, layers=list(layers))
    return Session(devices=Devices(mesh=mesh, axis_types=types), program=program)


X = {"x": "arange(32.).reshape(8, 4)"}
CASES = {
    "a sum over the axis": session("x: lax.psum(x, 'data')", X, over("data", "0", "None")),
    "each block by itself": session("x: x * 2", X, over("data", "0", "0")),
    "put together elsewhere": session("x: x * 2", X, over("model", "1", "0")),
    "under jit": session("x: x - x.mean()", X, over("data", "0", "0"), Jit()),
    "one after the other": session(
        "x: x + x.sum()", X, over("model", "1", "1"), over("data", "0", "0"), Jit()
    ),
    "two arguments": session(
        "x, y: x * y", {**X, "y": "arange(4.)"}, over("data", "(0, None)", "0")
    ),
    "a vmap inside": session("x: x / x.sum()", X, Vmap(), over("data", "0", "0")),
    "a gradient": session("x: (x ** 2).sum()", X, Grad(), over("data", "0", "0"), Jit()),
    "the whole set": session("x: x.sum(0)", X, over("devices", "0", "0"), mesh=None),
    "explicit axes": session(
        "x: x * 2", X, over("data", "", "0"), types=EXPLICIT, sharding="P('data')"
    ),
    "a number that is not": session("x: x * 2", {"x": "2.0"}, over("data", "None", "None")),
}


@pytest.mark.parametrize("name", one_in(2, CASES))
def test_a_program_with_smap_is_the_scripts(name: str) -> None:
    of = CASES[name]
    bare = names_of(script(of))["result"]
    made = Composition(program=of.program, devices=of.devices)
    traced = evaluation.trace(made)
    assert traced.diagnosis is None, traced.diagnosis
    for _ in range(2):
        ran = evaluation.run(made, lambda stage: None, lambda: False)
        assert_same_leaves(ran.leaves, bare)
        assert_trace_foretold(traced, ran.flow.levels)


def test_the_flow_shows_what_one_device_along_the_axis_holds() -> None:
    of = CASES["put together elsewhere"]
    traced = evaluation.trace(Composition(program=of.program, devices=of.devices))
    assert traced.flow is not None
    given, inside = traced.flow.levels
    assert (inside.label, inside.size) == ("smap model·2", 2)
    assert given.inputs is not None
    assert inside.inputs is not None
    assert (given.inputs[0].shape, given.inputs[0].marks) == ([8, 4], [1])
    assert inside.inputs[0].shape == [8, 2]
    assert [leaf.shape for leaf in given.outputs or []] == [[16, 2]]


# fmt: off
WRONG = [
    wrong("no axis", "x: x", "x = ones(8)", Smap(out_axes="0", in_axes="0"), "axes",
        "0.axis_name", "smap needs axis_name, an axis of the mesh: it has 'data', 'model'", 2,
        mesh=MESH),
    wrong("an axis that is not there", "x: x", "x = ones(8)", over("rows", "0", "0"), "axes",
        "0.axis_name", "no axis 'rows'", 2, mesh=MESH),
    wrong("no out_axes", "x: x", "x = ones(8)", Smap(axis_name="data", in_axes="0"), "axes",
        "0.out_axes", "needs out_axes", 1, mesh=MESH),
    wrong("no in_axes", "x: x", "x = ones(8)", Smap(axis_name="data", out_axes="0"), "axes",
        "0.in_axes", "needs in_axes: only over an explicit axis", 1, mesh=MESH),
    wrong("no such axis of the array", "x: x", "x = ones(8)", over("data", "1", "0"), "axes",
        "0.in_axes", r"x float32\[8\] has no axis 1", 1, mesh=MESH),
    wrong("uneven", "x: x", "x = ones((6, 4))", over("data", "0", "0"), "axes",
        "0.in_axes", "axis 0 of x is 6, which 4 devices cannot share evenly", 1, mesh=MESH),
    wrong("too many entries", "x: x", "x = ones(8)", over("data", "(0, 0)", "0"), "axes",
        "0.in_axes", "2 entries for 1 argument", 1, mesh=MESH),
]
# fmt: on


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_said_at_its_field(case: Wrong) -> None:
    check(case)
