"""A layer that loops or differentiates is planned as the same written into the source."""

from __future__ import annotations

import pytest

from jaxtui.session.layers import AnyLayer, Apply, Jvp, Linearize, Map, Scan, Vectorize, Vjp
from jaxtui.session.session import Argument, Devices, Program, Sharding
from jaxtui.sharding.engine.plan import planned
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import ShardingPlan

MESH = {"data": 4, "model": 2}
X = {"x": ("ones((8, 16))", "P('data', 'model')")}
STACK = {"x": ("ones((8, 16))", "P('data')"), "w": ("ones((3, 16, 16))", "P(None, 'model')")}
PAIR = {"x": ("ones((8, 16))", "P('data')"), "w": ("ones((16, 16))", "P('model')")}

# A body, its arguments, the layer, and what the source says instead of the layer.
CASES = {
    "scan": ("jnp.tanh(x @ w), x.sum()", STACK, Scan(), "lax.scan(f, x, w)"),
    "map": ("x.sum()", X, Map(), "lax.map(f, x)"),
    "jvp": ("jnp.tanh(x).sum()", X, Jvp(), "jax.jvp(f, (x,), (jnp.ones_like(x),))"),
    "vjp": (
        "jnp.tanh(x @ w)",
        PAIR,
        Vjp(),
        "(lambda out, pull: (out, pull(jnp.ones_like(out))))(*jax.vjp(f, x, w))",
    ),
    "linearize": (
        "jnp.tanh(x).sum(0)",
        X,
        Linearize(),
        "(lambda out, push: (out, push(jnp.ones_like(x))))(*jax.linearize(f, x))",
    ),
    "vectorize": (
        "x.sum()",
        X,
        Vectorize(signature="(n)->()"),
        "jnp.vectorize(f, signature='(n)->()')(x)",
    ),
    "apply": (
        "x.sum(0)",
        X,
        Apply(function="lambda g: lambda x: g(x) * 2"),
        "f(x) * 2",
    ),
}


def plan(source: str, given: dict[str, tuple[str, str]], *layers: AnyLayer) -> ShardingPlan:
    arguments = [Argument(name=n, value=v, sharding=s) for n, (v, s) in given.items()]
    made = Composition(
        program=Program(source=source, arguments=arguments, layers=list(layers)),
        devices=Devices(mesh=MESH),
    )
    answer = planned(made, Sharding())
    assert answer.plan is not None, answer.diagnosis
    return answer.plan


@pytest.mark.parametrize("name", CASES)
def test_a_layer_is_planned_as_the_same_in_the_source(name: str) -> None:
    body, given, layer, bare = CASES[name]
    names = ", ".join(given)
    function = f"def f({names}):\n    return {body}\n"
    ours = plan(function, given, layer)
    theirs = plan(f"{function}def g({names}):\n    return {bare}\n", given)
    assert not ours.unplanned
    assert [(o.path, o.shape, o.spec) for o in ours.outputs] == [
        (o.path, o.shape, o.spec) for o in theirs.outputs
    ]
    assert [(c.kind, c.axes, c.bytes, c.times) for c in ours.collectives] == [
        (c.kind, c.axes, c.bytes, c.times) for c in theirs.collectives
    ]
    assert ours.memory.peak == theirs.memory.peak
    assert ours.collectives or name not in ("scan", "map", "vjp")
