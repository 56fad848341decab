"""What cannot be planned is said at its field, and all else is planned without an allocation."""

from __future__ import annotations

import jax
import pytest
from msgspec.structs import replace

from jaxtui.program.engine.suggestions import MOST_EDITS
from jaxtui.session.layers import AnyLayer, Grad, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import (
    Argument,
    AxisTypeName,
    Devices,
    Program,
    Session,
    Sharding,
    with_fix,
)
from jaxtui.sharding.engine.compiled import compiled_of
from jaxtui.sharding.engine.plan import planned
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import ShardingPlan

MESH = {"data": 4, "model": 2}
X = {"x": ("ones((8, 16))", "P('data')")}
PLAIN = "def f(x):\n    return x + 1\n"
Given = dict[str, tuple[str, str]]


def composed(source: str, given: Given = X, *layers: AnyLayer) -> Composition:
    arguments = [Argument(name=n, value=v, sharding=s) for n, (v, s) in given.items()]
    return Composition(
        program=Program(source=source, arguments=arguments, layers=list(layers)),
        devices=Devices(mesh=MESH),
    )


def plan(composition: Composition, sharding: Sharding | None = None) -> ShardingPlan:
    answer = planned(composition, sharding or Sharding())
    assert answer.plan is not None, answer.diagnosis
    return answer.plan


@pytest.mark.parametrize(
    ("composition", "sharding", "field", "words"),
    [
        (
            composed("def f(x):\n    return x if x.sum() > 0 else -x\n"),
            None,
            "program.source",
            "only a run",
        ),
        (
            composed("def f(x):\n    return jnp.nonzero(x)[0]\n"),
            None,
            "program.source",
            "only a run",
        ),
        (composed("def f(x):\n    return np.asarray(x)\n"), None, "program.source", "only a run"),
        (
            composed("def f(x):\n    raise ValueError('no')\n"),
            None,
            "program.source",
            "ValueError: no",
        ),
        (composed(""), None, "program.source", "no function"),
        (
            composed(PLAIN, {"x": ("ones((8, 16))", "P('dat')")}),
            None,
            "program.arguments.0.sharding",
            "no axis",
        ),
        (
            composed(PLAIN, {"x": ("ones(8)", "P(None, 'data')")}),
            None,
            "program.arguments.0.sharding",
            "entries",
        ),
        (
            composed(PLAIN, {"x": ("ones((8, 8))", "P('data', 'data')")}),
            None,
            "program.arguments.0.sharding",
            "once",
        ),
        (
            composed(PLAIN, {"x": ("ones((6, 8))", "P('data')")}),
            None,
            "program.arguments.0.sharding",
            "divide",
        ),
        (composed(PLAIN, {"x": ("one(8)", "")}), None, "program.arguments.0.value", "one"),
        (composed(PLAIN), Sharding(mesh={"data": 0}), "sharding.mesh.data", "size 0"),
        (composed(PLAIN), Sharding(mesh={"data": 3}), "program.arguments.0.sharding", "divide"),
        (composed(PLAIN), Sharding(machine="cray"), "sharding.machine", "tpu-v5p"),
        (composed(PLAIN), Sharding(memory="a lot"), "sharding.memory", "95 GB"),
        (composed(PLAIN), Sharding(latency="soon"), "sharding.latency", "1 us"),
        (
            composed(PLAIN),
            Sharding(bandwidth={"data": "0 GB/s"}),
            "sharding.bandwidth.data",
            "more than 0",
        ),
    ],
)
def test_a_fault_stands_at_its_field(
    composition: Composition, sharding: Sharding | None, field: str, words: str
) -> None:
    answer = planned(composition, sharding or Sharding())
    assert answer.plan is None
    assert answer.diagnosis is not None
    assert answer.diagnosis.field == field
    assert words in answer.diagnosis.message


CALLED = "jax.pure_callback(lambda a: a, jax.ShapeDtypeStruct((8, 16), 'float32'), x)"
ODD: dict[str, Composition] = {
    "a callback": composed(f"def f(x):\n    return {CALLED} + 1\n"),
    "a debug print": composed("def f(x):\n    jax.debug.print('{}', x.sum())\n    return x\n"),
    "keys": composed(
        "def f(k):\n    return jax.vmap(jax.random.normal)(k)\n", {"k": ("keys(8)", "P('data')")}
    ),
    "a static number": composed(
        "def f(x, n):\n    return x * n\n", {**X, "n": ("3", "")}, Jit(static_argnums="1")
    ),
    "a static word": composed(
        "def f(x, n):\n    return x.sum() if n == 's' else x\n",
        {**X, "n": ("'s'", "")},
        Jit(static_argnames="'n'"),
    ),
    "a donated argument": composed(PLAIN, X, Jit(donate_argnums="0")),
    "an empty array": composed(
        "def f(x):\n    return x.sum(0)\n", {"x": ("ones((0, 16))", "P('data')")}
    ),
    "a Python number": composed("def f(x, s):\n    return x * s\n", {**X, "s": ("2.0", "")}),
    "an object": composed("def f(x, s):\n    return x * len(s)\n", {**X, "s": ("'abc'", "")}),
    "a NumPy array": composed("def f(x, s):\n    return x + s\n", {**X, "s": ("np.ones(16)", "")}),
    "no argument": composed("def f():\n    return jnp.ones(8)\n", {}),
    "an argument that is returned": composed("def f(x):\n    return x, 1, jnp.arange(4)\n"),
    "a loop of unknown length": composed(
        "def f(x):\n    return jax.lax.while_loop(lambda c: c.sum() < 100, lambda c: c * 2, x)\n"
    ),
    "a value that places itself": composed(
        PLAIN, {"x": ("jax.device_put(ones((8, 16)), jax.NamedSharding(mesh, P('data')))", "")}
    )
    if hasattr(jax, "NamedSharding")
    else composed(PLAIN),
    "a call that gives a number": composed(
        "def f(x):\n    return jnp.where(x > 0, jnp.sqrt(x), 0.0)\n",
        {"x": ("array(0.5)", "")},
        Grad(),
    ),
    "vmap": composed("def f(x):\n    return x.sum()\n", X, Vmap()),
    "shard_map": composed(
        "def f(x):\n    return jax.lax.psum(x, 'data')\n",
        X,
        ShardMap(in_specs="P('data')", out_specs="P()"),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_planned_and_compiled(name: str) -> None:
    found = plan(ODD[name])
    assert not found.unplanned
    assert len(found.inputs) == len(ODD[name].program.arguments)
    assert compiled_of(ODD[name], Sharding()).memory.outputs >= 0


def test_a_loop_of_unknown_length_has_no_number_of_turns() -> None:
    (sent,) = plan(ODD["a loop of unknown length"]).collectives
    assert sent.times is None


def test_a_leaf_that_is_no_array_is_an_input_of_its_type() -> None:
    found = plan(ODD["an object"]).inputs[1]
    assert (found.name, found.dtype, found.shape, found.bytes) == ("s", "str", [], 0)


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="pmap is no program over a mesh there")
def test_a_pmap_lies_over_an_axis_of_its_own() -> None:
    found = plan(
        composed(
            "def f(x):\n    return jax.lax.psum(x, 'i')\n",
            {"x": ("ones((8, 4))", "")},
            Pmap(axis_name="i"),
        )
    )
    assert [one.axes for one in found.collectives] == [["i"]]


def test_nothing_is_allocated_however_large_the_arguments_are() -> None:
    given = {"x": ("ones((2**20, 2**18))", "P('data')")}
    found = plan(composed("def f(x):\n    return x @ x.T\n", given), Sharding(mesh={"data": 65536}))
    assert found.inputs[0].per_device == [16, 2**18]
    assert not found.here


def test_explicit_axes_that_are_not_there_are_planned_or_shown_by_their_types() -> None:
    types: dict[str, AxisTypeName] = {"data": "explicit", "model": "explicit"}
    given = {"x": ("ones((64, 16))", "P('data')"), "w": ("ones((16, 32))", "P(None, 'model')")}
    found = plan(
        composed("def f(x, w):\n    return jnp.sin(x @ w)\n", given),
        Sharding(mesh={"data": 8, "model": 4}, axis_types=types),
    )
    assert bool(found.unplanned) == (jax.__version_info__ < (0, 8))
    assert [value.spec for value in found.values] == [[["data"], ["model"]]] * 2
    assert found.outputs[0].spec == [["data"], ["model"]]


def test_plans_of_one_session_are_alike() -> None:
    first, second = (plan(ODD["shard_map"]) for _ in range(2))
    assert first == second


@pytest.mark.skipif(jax.__version_info__ < (0, 8), reason="older JAX divides fewer by type")
def test_fixes_are_those_with_which_there_is_a_plan() -> None:
    given = {"x": ("ones((8, 16))", "P(None, 'model')"), "w": ("ones((16, 3))", "P('model', None)")}
    product = composed("def f(x, w):\n    return (x @ w)[:1]\n", given, Jit())
    explicit: dict[str, AxisTypeName] = {"data": "explicit", "model": "explicit"}
    composition = replace(product, devices=Devices(mesh=MESH, axis_types=explicit))
    failure = planned(composition, Sharding()).diagnosis
    assert failure is not None
    assert 1 <= len(failure.fixes) <= MOST_EDITS
    for fix in failure.fixes:
        session = with_fix(Session(program=composition.program), fix)
        plan(replace(composition, program=session.program))
