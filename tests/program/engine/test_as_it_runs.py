"""HLO and cost are those of the program that runs: shardings, donation and mesh included."""

from __future__ import annotations

import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.program.engine import evaluation
from jaxtui.program.engine.inspection import collectives, inspect
from jaxtui.session.layers import AnyLayer, Jit, Pmap, ShardMap, Vmap
from jaxtui.session.session import Argument, Devices, Program
from jaxtui.text.quantities import size
from jaxtui.wire.base import Composition

P = PartitionSpec
MLP = "x, w1, w2: jax.nn.relu(x @ w1) @ w2"
GIVEN = {"x": "ones((8, 16))", "w1": "ones((16, 32))", "w2": "ones((32, 16))"}
SQUARE = {"x": "arange(64.).reshape(8, 8)"}
D, M = "data", "model"

# (name, function, values, shardings, mesh, jit's settings)
# fmt: off
PROGRAMS: list[tuple[str, str, dict[str, str], dict[str, str], dict[str, int], dict[str, Any]]] = [
    ("a sum over a sharded axis", "x: x.sum(0)", SQUARE, {"x": "P('data')"}, {D: 8}, {}),
    ("a sum beside it", "x: x.sum(1)", SQUARE, {"x": "P('data')"}, {D: 8}, {}),
    ("weights over the model", MLP, GIVEN,
        {"x": "P('data')", "w1": "P(None, 'model')", "w2": "P('model')"}, {D: 4, M: 2}, {}),
    ("only the batch", MLP, GIVEN, {"x": "P('data')"}, {D: 8}, {}),
    ("weights only", MLP, GIVEN, {"w1": "P(None, 'data')"}, {D: 8}, {}),
    ("everything over one axis", MLP, GIVEN,
        {"x": "P('data')", "w1": "P('data')", "w2": "P('data')"}, {D: 8}, {}),
    ("a transposition", "x: x.T", SQUARE, {"x": "P('data')"}, {D: 8}, {}),
    ("x by its transposed", "x: x @ x.T", SQUARE, {"x": "P('data')"}, {D: 8}, {}),
    ("two axes", "x: x @ x", SQUARE, {"x": "P('data', 'model')"}, {D: 4, M: 2}, {}),
    ("one dimension over two axes", "x: x.mean()", SQUARE, {"x": "P(('data', 'model'))"},
        {D: 4, M: 2}, {}),
    ("a roll", "x: jnp.roll(x, 1, 0)", SQUARE, {"x": "P('data')"}, {D: 8}, {}),
    ("a sort", "x: jnp.sort(x, 0)", SQUARE, {"x": "P('data')"}, {D: 8}, {}),
    ("donated", "x: x * 2", {"x": "arange(1024.)"}, {}, {D: 8}, {"donate_argnums": "0"}),
    ("donated and sharded", "x: x * 2", {"x": "arange(1024.)"}, {"x": "P('data')"}, {D: 8},
        {"donate_argnums": "0"}),
    ("whole on every device", "x: x * 2", SQUARE, {"x": "P()"}, {D: 8}, {}),
    ("a value that places itself", "x: x.sum(0)",
        {"x": "jax.device_put(ones((8, 4)), jax.devices()[3])"}, {}, {D: 8}, {}),
    ("nothing placed", MLP, GIVEN, {}, {D: 8}, {}),
]
# fmt: on


def composition(
    source: str,
    values: dict[str, str],
    shardings: dict[str, str],
    mesh: dict[str, int],
    layers: list[AnyLayer],
) -> Composition:
    arguments = [
        Argument(name=name, value=value, sharding=shardings.get(name, ""))
        for name, value in values.items()
    ]
    program = Program(source=f"f = lambda {source}", arguments=arguments, layers=layers)
    return Composition(program=program, devices=Devices(mesh=mesh))


def bare(
    source: str,
    values: dict[str, str],
    shardings: dict[str, str],
    sizes: dict[str, int],
    settings: dict[str, Any],
) -> Any:
    """The program as a script compiles it, with its arguments where the script put them."""
    mesh = Mesh(np.array(jax.devices()).reshape(tuple(sizes.values())), tuple(sizes))
    names = {**vars(jnp), "jax": jax, "jnp": jnp, "P": P}
    given = [
        jax.device_put(value, NamedSharding(mesh, eval(shardings[name], dict(names))))
        if name in shardings
        else value
        for name, text in values.items()
        for value in [eval(text, dict(names))]
    ]
    function = eval(f"lambda {source}", dict(names))
    numbers = {name: eval(text) for name, text in settings.items()}
    return jax.jit(function, **numbers).lower(*given).compile()


@pytest.mark.parametrize(
    ("source", "values", "shardings", "mesh", "settings"),
    [pytest.param(*program, id=name) for name, *program in PROGRAMS],
)
def test_cost_and_hlo_are_those_of_the_script(
    source: str,
    values: dict[str, str],
    shardings: dict[str, str],
    mesh: dict[str, int],
    settings: dict[str, Any],
) -> None:
    made = composition(source, values, shardings, mesh, [Jit(**settings)])
    compiled = bare(source, values, shardings, mesh, settings)
    wanted, memory = collectives(compiled.as_text()), compiled.memory_analysis()
    assert collectives(inspect(made, "hlo")) == wanted
    cost = inspect(made, "cost").splitlines()
    rows = dict(re.split("  +", line) for line in cost if re.search(r"\S  +", line))
    assert {kind: int(rows[kind]) for kind in wanted} == wanted
    for row, figure in (
        ("arguments", memory.argument_size_in_bytes),
        ("outputs", memory.output_size_in_bytes),
        ("temporaries", memory.temp_size_in_bytes),
        ("donated, used in place", memory.alias_size_in_bytes),
    ):
        assert rows[row] == size(int(figure)), row


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        ([Vmap()], {"all-reduce": 1}),
        ([Vmap(), Jit()], {"all-reduce": 1}),
        ([ShardMap(in_specs="P('data')", out_specs="P('data')")], {}),
        ([Pmap()], {}),
    ],
    ids=["vmap", "vmap under jit", "shard_map", "pmap"],
)
def test_each_way_to_run_sees_where_its_arguments_lie(
    layers: list[AnyLayer], wanted: dict[str, int]
) -> None:
    sharding = "P(None, 'data')" if wanted else "P('data')"
    made = composition("x: x.sum(-1)", SQUARE, {"x": sharding}, {D: 8}, layers)
    assert collectives(inspect(made, "hlo")) == wanted
    # What is inspected is what runs.
    evaluation.run(made, lambda stage: None, lambda: False)


def test_a_spec_that_does_not_fit_is_said_at_the_sharding() -> None:
    made = composition("x: x", SQUARE, {"x": "P('nowhere')"}, {D: 8}, [Jit()])
    with pytest.raises(evaluation.Diagnosed) as raised:
        inspect(made, "hlo")
    assert raised.value.diagnosis.field == "program.arguments.0.sharding"
