"""A session's mesh is in context where its code asks for it, and nothing else changes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.benchmark.engine.plan import plan_point
from jaxtui.engine_base import memory, meshes
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import evaluation, expressions, placing
from jaxtui.program.engine.inspection import inspect
from jaxtui.program.engine.prepared import prepare
from jaxtui.session import mesh_context
from jaxtui.session.export import script
from jaxtui.session.layers import AnyLayer, Apply, Grad, Jit, Jvp, Pmap, ShardMap, Vmap
from jaxtui.session.session import (
    Argument,
    AxisTypeName,
    Benchmark,
    Devices,
    Program,
    Session,
)
from jaxtui.wire.base import Composition
from tests.support.bare import assert_same_leaves, assert_trace_foretold
from tests.support.scripts import names_of

MESH = {"data": 4, "model": 2}
EXPLICIT: dict[str, AxisTypeName] = {"data": "explicit", "model": "explicit"}
CONSTRAINED = "def f(x):\n    return lax.with_sharding_constraint(x * 2, P('data'))\n"
ALONE = "def f(x):\n    return lax.with_sharding_constraint(x, P('data'))\n"
NEW = pytest.mark.skipif(not hasattr(jax.sharding, "reshard"), reason="older JAX has no reshard")


def session(
    source: str,
    values: dict[str, str],
    *layers: AnyLayer,
    types: dict[str, AxisTypeName] | None = None,
    mesh: dict[str, int] | None = MESH,
    shardings: dict[str, str] | None = None,
) -> Session:
    arguments = [
        Argument(name=name, value=value, sharding=(shardings or {}).get(name, ""))
        for name, value in values.items()
    ]
    return Session(
        devices=Devices(mesh=mesh, axis_types=types),
        program=Program(source=source, arguments=arguments, layers=list(layers)),
    )


X = {"x": "arange(32.0).reshape(8, 4)"}
CASES = {
    "a constraint by itself": session(ALONE, X),
    "a constraint on an array of NumPy": session(
        ALONE, {"x": "np.arange(32, dtype='float32').reshape(8, 4)"}
    ),
    "a jit that shards and a value that does": session(
        CONSTRAINED, {"x": "lax.with_sharding_constraint(arange(32.0).reshape(8, 4), P('data'))"},
        Jit(in_shardings="P('data')"),
    ),
    "a constraint": session(CONSTRAINED, X),
    "a constraint under jit": session(CONSTRAINED, X, Jit()),
    "a constraint under a jit that shards": session(CONSTRAINED, X, Jit(in_shardings="P('data')")),
    "a constraint under vmap": session(
        "def f(x):\n    return lax.with_sharding_constraint(x * 2, P('model'))\n",
        X, Vmap(spmd_axis_name="data"), Jit(),
    ),
    "a gradient through a constraint": session(
        "def f(x):\n    return (lax.with_sharding_constraint(x, P(None, 'model')) ** 2).sum()\n",
        X, Grad(), Jit(),
    ),
    "a constraint and a sharded argument": session(
        CONSTRAINED, X, Jit(), shardings={"x": "P('model')"}
    ),
    "a source that makes an array at once": session(
        "w = lax.with_sharding_constraint(jnp.ones(8), P('data'))\ndef f(x):\n    return w @ x\n",
        X, Jit(),
    ),
    "a value that asks for it": session(
        "def f(x, y):\n    return x + y\n",
        {**X, "y": "lax.with_sharding_constraint(ones(4), P('data'))"}, Jit(),
    ),
    "a shard_map beside a constraint": session(
        "def f(x):\n    return lax.psum(x, 'data') + len(P('data'))\n",
        X, ShardMap(in_specs="P('data')", out_specs="P()"), Jit(),
    ),
}  # fmt: skip
EXPLICITLY = {
    "nothing sharded": session("def f(x):\n    return x * 2\n", X, types=EXPLICIT),
    "a sharded argument": session(
        "def f(x):\n    return jnp.sin(x) + x\n", X, Jit(), types=EXPLICIT,
        shardings={"x": "P('data', 'model')"},
    ),
    "a gradient": session(
        "def f(x):\n    return (x ** 2).sum()\n", X, Grad(), Jit(), types=EXPLICIT,
        shardings={"x": "P('data')"},
    ),
    "one explicit axis": session(
        "def f(x):\n    return jnp.sin(x)\n", X, Jit(), types={"data": "explicit"},
        shardings={"x": "P('data')"},
    ),
    "a vmap": session(
        "def f(x):\n    return x * 2\n", X, Vmap(), Jit(), types=EXPLICIT,
        shardings={"x": "P('data')"},
    ),
}  # fmt: skip
RESHARDED = {
    "reshard": session(
        "def f(x):\n    return jax.sharding.reshard(x, P(None, 'data'))\n", X, Jit(),
        types=EXPLICIT, shardings={"x": "P('data')"},
    ),
    "a product that says where it lies": session(
        "def f(x):\n    return jnp.dot(x, x.T, out_sharding=P('data'))\n", X, Jit(),
        types=EXPLICIT, shardings={"x": "P(None, 'model')"},
    ),
    "a value that lies somewhere": session(
        "def f(x):\n    return x * 2\n", {"x": "jax.sharding.reshard(ones((8, 4)), P('data'))"},
        types=EXPLICIT,
    ),
}  # fmt: skip
ALL = {**CASES, **EXPLICITLY}


def composition(of: Session) -> Composition:
    return Composition(program=of.program, devices=of.devices)


def check(of: Session) -> None:
    """The engine traces and runs it twice as the exported script does, and where that does."""
    bare = names_of(script(of))["result"]
    made = composition(of)
    traced = evaluation.trace(made)
    assert traced.diagnosis is None, traced.diagnosis
    for _ in range(2):
        ran = evaluation.run(made, lambda stage: None, lambda: False)
        assert_same_leaves(ran.leaves, bare)
        for (_, ours), theirs in zip(ran.leaves, jax.tree.leaves(bare), strict=True):
            assert ours.sharding == theirs.sharding
        assert_trace_foretold(traced, ran.flow.levels)
    assert jax.sharding.get_abstract_mesh().empty


@pytest.mark.parametrize("name", ALL)
def test_a_program_over_the_mesh_in_context_is_the_scripts(name: str) -> None:
    check(ALL[name])


@NEW
@pytest.mark.parametrize("name", RESHARDED)
def test_a_program_that_reshards_is_the_scripts(name: str) -> None:
    check(RESHARDED[name])


SQUARE = np.arange(32.0, dtype="float32").reshape(8, 4)
VALUES = {
    "a constraint by itself": SQUARE,
    "a constraint on an array of NumPy": SQUARE,
    "a source that makes an array at once": SQUARE.sum(0),
    "a value that asks for it": SQUARE + 1,
    "a shard_map beside a constraint": SQUARE.reshape(4, 2, 4).sum(0) + 1,
}


@pytest.mark.parametrize("name", CASES)
def test_the_mesh_changes_no_value(name: str) -> None:
    ran = evaluation.run(composition(CASES[name]), lambda stage: None, lambda: False)
    np.testing.assert_array_equal(ran.leaves[0][1], VALUES.get(name, SQUARE * 2))


# ------------------------------------------------------------------------- where it is in context


@pytest.mark.parametrize(
    ("of", "when"),
    [
        (session("def f(x):\n    return x\n", X), "never"),
        (session(CONSTRAINED, X), "values"),
        (session(CONSTRAINED, X, Jit(in_shardings="P()")), "call"),
        (session(CONSTRAINED, X, mesh=None), "never"),
        (session(CONSTRAINED, X, Vmap(), Pmap()), "never"),
        (session("def f(x):\n    return x\n", X, types=EXPLICIT), "values"),
        (session("f = jax.jit(lambda x: x, in_shardings=P())\n", X), "source"),
        (session("f = lambda x: reshard(x, P('data'))\n", X), "values"),
        (session("def f(x):\n    return jax.pmap(jnp.sin)(x) + len(P())\n", X), "never"),
        (session("m = jax.make_mesh((2,), ('i',))\ng = P('i')\nf = len\n", X), "never"),
        (session("from jax.sharding import PartitionSpec as S\ndef f(x):\n    S()", X), "values"),
        (session("def f(x):\n    return x\n", {"x": "reshard(ones(8), P('data'))"}), "values"),
        (session("def f(x):\n    return (\n", X), "never"),
        (session("import model\ndef f(x):\n    return model.f(x)\n", X), "values"),
        (session("import functools, jax.nn\nfrom jax import nn\nf = nn.relu\n", X), "never"),
        (Session(devices=Devices(mesh=MESH), program=Program(function="model.py:f")), "values"),
        (
            session("f = jnp.sin\n", X, Apply(function="lambda g: jax.smap(g, out_axes=0)")),
            "values",
        ),
        (session("f = jnp.sin\n", X, Apply(function="functools.partial(jax.pmap)")), "never"),
        (session("f = jnp.sin\n", X, Jvp(tangents="reshard(ones((8, 4)), P('data'))")), "values"),
        (session("f = jnp.sin\n", X, Jvp(tangents="ones((8, 4))")), "never"),
    ],
)
def test_the_mesh_is_in_context_where_code_asks_for_it(of: Session, when: str) -> None:
    assert mesh_context.when(of.devices, of.program) == when
    planned = mesh_context.when(Devices(), of.program, planned=True)
    mapped = any(layer.maps_over_devices for layer in of.program.layers)
    assert (planned == "never") == mapped


UNCHANGED = {
    "a plain function": session("def f(x):\n    return x * 2\n", X),
    "a value on one device": session(
        "def f(x):\n    return x.sum(0)\n",
        {"x": "jax.device_put(ones((8, 4)), jax.devices()[3])"}, Jit(),
    ),
    "a pmap": session("def f(x):\n    return x * 2\n", X, Pmap()),
    "a pmap in the source": session("def f(x):\n    return jax.pmap(jnp.sin)(x)\n", X),
    "a mesh in the source": session(
        "own = jax.sharding.Mesh(np.array(jax.devices()[:2]), ('i',))\n"
        "def f(x):\n"
        "    return jax.shard_map(jnp.sin, mesh=own, in_specs=P('i'), out_specs=P('i'))(x)\n", X,
    ),
    "a jit that shards": session("def f(x):\n    return x.T\n", X, Jit(in_shardings="P('data')")),
    "no mesh": session("def f(x):\n    return x * 2\n", X, Jit(), mesh=None),
}  # fmt: skip


@pytest.mark.parametrize("name", UNCHANGED)
def test_what_needs_no_mesh_in_context_runs_without_one(name: str) -> None:
    of = UNCHANGED[name]
    assert "set_mesh" not in script(of)
    seen: list[bool] = []
    check(of)
    prepared = prepare(composition(of))
    with placing.on_device_set(prepared.devices):
        seen.append(jax.sharding.get_abstract_mesh().empty)
    assert seen == [True]


def test_hlo_is_that_of_the_script() -> None:
    of = CASES["a constraint under jit"]
    names = names_of(script(of).rpartition("result =")[0])
    with ThreadPoolExecutor(1) as thread:

        def compiled() -> str:
            with meshes.in_context(names["mesh"]):
                return str(names["program"].lower(names["x"]).compile().as_text())

        bare = thread.submit(compiled).result()
    assert "f32[2,4]" in bare  # a part of four, on each device
    ours = inspect(composition(of), "hlo")
    instructions = [line.split(" = ")[1][:40] for line in ours.splitlines() if " = " in line]
    assert len(instructions) > 2
    assert all(instruction in bare for instruction in instructions)


@pytest.mark.parametrize("mode", [None, EXPLICIT])
def test_a_program_is_kept_by_its_axis_types_and_whether_the_mesh_is_in_context(
    mode: dict[str, AxisTypeName] | None,
) -> None:
    text = "ones(8)"
    places = set()
    for of in (
        session("def f(x):\n    return x\n", {"x": text}),
        session("def f(x):\n    return x\n", {"x": text}, types=EXPLICIT),
        session("def f(x):\n    return x, P()\n", {"x": text}),
        session("p = P()\ndef f(x):\n    return x\n", {"x": text}),
    ):
        places.add(prepare(composition(of)).known.place)
    assert len(places) == 4
    seen = []
    for types in (mode, {"data": "explicit"}):
        made = composition(session("def f(x):\n    return x\n", X, Jit(), types=types))
        shapes = evaluation.trace_prepared(prepare(made))
        seen.append(evaluation._identity(shapes))
    assert None not in seen
    assert seen[0] != seen[1]


# ---------------------------------------------------------------------------------- planned meshes


@pytest.mark.parametrize("size", [4, 4096])
@pytest.mark.parametrize("types", [None, EXPLICIT], ids=["auto", "explicit"])
def test_on_a_planned_mesh_a_spec_alone_is_a_sharding(
    size: int, types: dict[str, AxisTypeName] | None
) -> None:
    asks = "lax.with_sharding_constraint(x, P('data'))" if types is None else "x"
    of = session(
        f"def f(x):\n    return {asks} * 2\n", {"x": f"ones(({size * 2}, 4))"}, mesh=None,
        shardings={"x": "P('data')"},
    )  # fmt: skip
    mesh = meshes.abstract_mesh({"data": size, "model": 2}, types)
    prepared = prepare(composition(of), mesh)
    shapes = evaluation.trace_prepared(prepared)
    typed = shapes.jaxpr.out_avals[0]
    assert (meshes.typed_sharding(typed) is not None) == (types is not None)
    names = [equation.primitive.name for equation in shapes.jaxpr.eqns]
    assert ("sharding_constraint" in names) == (types is None)
    if types is not None and meshes._asks_for_devices():
        return  # JAX before 0.8 lowers nothing over explicit axes of a mesh without devices
    with placing.on_device_set(prepared.devices):
        structs = placing.placed_structs(shapes.values, prepared)
        traced: Any = jax.jit(prepared.function.call).trace(*structs)
        text = traced.lower(lowering_platforms=("cpu",)).as_text()
    assert f"num_partitions = {size * 2}" in text


def test_values_have_the_sharding_of_their_type() -> None:
    if not hasattr(jax.sharding, "reshard"):
        pytest.skip("older JAX has no reshard")
    prepared = prepare(composition(RESHARDED["a value that lies somewhere"]))
    text = prepared.composition.program.arguments[0].value
    with placing.for_value(text, prepared.devices):
        value = expressions.abstract_value(text, prepared.known, placing.value_field(0))
    assert value.tree.sharding.spec == P("data", None)
    with placing.on_device_set(prepared.devices):
        struct = placing.placed_structs([value], prepared)[0]
    assert isinstance(struct.sharding, NamedSharding)
    assert struct.sharding.mesh == prepared.devices.mesh
    assert jnp.ones(3).sharding.device_set == {jax.devices()[0]}


def test_a_benchmark_says_that_its_strategies_have_no_mesh_in_context() -> None:
    source = "def f(x):\n    return lax.with_sharding_constraint(x * 2, P('model'))\n"
    of = session(source, X, Vmap())
    with pytest.raises(Diagnosed) as refused:
        plan_point(0, {}, composition(of), Benchmark())
    assert "the session's mesh is not in context" in refused.value.diagnosis.message
    plain = session("def f(x):\n    return x * 2 + len(P())\n", X, Vmap())
    assert prepare(composition(plain)).devices.in_context == "values"
    assert plan_point(0, {}, composition(plain), Benchmark()).arms


def test_memory_is_asked_for_on_each_device_of_the_mesh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory.devices, "available_memory", lambda: 40 << 20)
    big = {"x": "ones((1024, 2048))"}  # 8 MiB
    plain = "def f(x):\n    return x.sum()\n"
    assert evaluation.trace(composition(session(plain, big))).diagnosis is None
    asking = "def f(x):\n    return lax.with_sharding_constraint(x, P('data')).sum()\n"
    found = evaluation.trace(composition(session(asking, big))).diagnosis
    assert found is not None
    assert (found.kind, found.field) == ("memory", "program.arguments.0.value")
    assert "64" in found.message
