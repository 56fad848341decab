"""Every strategy computes what a loop over the examples computes, and so does its Python."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax, tree_util
from jax.sharding import PartitionSpec

from jaxtui.benchmark.engine.strategies.layouts import Case, Setup
from jaxtui.benchmark.engine.strategies.table import BASELINE, DEFAULT, TABLE, fitting, on_host

pytestmark = pytest.mark.long

RIGHT = [name for name in TABLE if name != "pmap-without-vmap"]


def product(matrix: Any, vector: Any) -> Any:
    return jnp.tanh(jnp.dot(matrix, vector))


def network(parameters: Any, x: Any) -> Any:
    for layer in parameters["layers"]:
        x = jnp.tanh(x @ layer["w"] + layer["b"])
    return {"out": x, "norm": jnp.sum(x * x)}


def half_mapped(state: Any, key: Any) -> Any:
    return state["x"] * state["scale"] + jax.random.normal(key, state["x"].shape), key


def case(function: Any, names: tuple[str, ...], args: Any, axes: Any, batch: int) -> Case:
    return Case(
        function=function,
        names=names,
        args=tuple(args),
        axes=axes,
        batch=batch,
        name=function.__name__,
        text=function.__name__,
    )


def normal(*shape: int, seed: int = 0) -> jax.Array:
    return jax.random.normal(jax.random.key(seed), shape)


CASES = {
    "one array": lambda: case(lambda_free, ("x",), (normal(8, 3),), ((0,),), 8),
    "another axis": lambda: case(
        product, ("matrix", "vector"), (normal(3, 4, 8), normal(8, 4)), ((2,), (0,)), 8
    ),
    "one passed on whole": lambda: case(
        product, ("matrix", "vector"), (normal(8, 3, 4), normal(4)), ((0,), (None,)), 8
    ),
    "pytrees": lambda: case(
        network,
        ("parameters", "x"),
        (
            {
                "layers": [
                    {"w": normal(4, 4, seed=1), "b": normal(4)},
                    {"w": normal(4, 2), "b": normal(2)},
                ]
            },
            normal(16, 4),
        ),
        ((None,) * 4, (0,)),
        16,
    ),
    "a tree mapped in part, and keys": lambda: case(
        half_mapped,
        ("state", "key"),
        (
            {"scale": jnp.float32(3.0), "x": normal(2, 8)},
            jax.random.split(jax.random.key(1), 8),
        ),
        ((None, 1), (0,)),
        8,
    ),
}


def lambda_free(x: Any) -> Any:
    return x * x + 2.0


@pytest.fixture(params=CASES)
def given(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]()


def reference(given: Case) -> list[np.ndarray[Any, Any]]:
    """The function called once for each example, without any transformation."""
    outputs = [given.function(*given.example(given.args, i)) for i in range(given.batch)]
    rows = [[on_host(x) for x in tree_util.tree_leaves(output)] for output in outputs]
    return [np.stack(column) for column in zip(*rows, strict=True)]


def assert_agree(found: list[Any], expected: list[np.ndarray[Any, Any]]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", RIGHT)
def test_a_strategy_gives_what_a_plain_loop_gives(name: str, given: Case) -> None:
    strategy = TABLE[name]
    for count in (2,) if strategy.multi else (1,):
        setup = Setup(given, tuple(jax.devices()[:count]))
        built = strategy.build(setup)
        inputs = strategy.place(setup)
        output = built.call(*inputs)
        collected = strategy.collect(setup, output)
        assert_agree(collected, reference(given))
        used = {d.id for x in tree_util.tree_leaves(output) for d in x.devices()}
        assert used == {device.id for device in setup.devices}


@pytest.mark.parametrize("name", RIGHT)
def test_its_shapes_are_known_before_anything_is_computed(name: str, given: Case) -> None:
    strategy = TABLE[name]
    abstract = replace(given, args=given.structs)
    setup = Setup(abstract, tuple(jax.devices()[: 4 if strategy.multi else 1]))
    built = strategy.build(setup)
    step = jax.eval_shape(built.step or built.call, *strategy.structs(setup))
    shapes = [shape for shape, _ in strategy.output_shapes(setup, step)]
    expected = [
        x.shape
        for i in range(1)
        for x in tree_util.tree_leaves(given.function(*given.example(given.args, i)))
    ]
    assert shapes == [(given.batch, *shape) for shape in expected]


@pytest.mark.parametrize("name", RIGHT)
def test_its_step_can_be_lowered_with_its_inputs(name: str, given: Case) -> None:
    strategy = TABLE[name]
    setup = Setup(given, tuple(jax.devices()[: 4 if strategy.multi else 1]))
    built = strategy.build(setup)
    inputs = strategy.step_inputs(setup, strategy.place(setup))
    if built.step is None:
        assert name == "vmap"
        return
    assert built.step.lower(*inputs).as_text()
    shapes = tree_util.tree_map(lambda x: (x.shape, x.dtype), inputs)
    planned = tree_util.tree_map(lambda x: (x.shape, x.dtype), strategy.structs(setup))
    assert tree_util.tree_leaves(shapes) == tree_util.tree_leaves(planned)


@pytest.mark.parametrize("name", RIGHT)
def test_its_python_gives_the_same(name: str, given: Case) -> None:
    strategy = TABLE[name]
    setup = Setup(given, tuple(jax.devices()[: 8 if strategy.multi else 1]))
    names: dict[str, Any] = {
        "jax": jax,
        "jnp": jnp,
        "np": np,
        "lax": lax,
        "P": PartitionSpec,
        given.name: given.function,
        **dict(zip(given.names, given.args, strict=True)),
    }
    exec(strategy.python(setup), names)
    out = names["out"]
    found = (
        [
            np.stack([on_host(tree_util.tree_leaves(x)[k]) for x in out])
            for k in range(len(tree_util.tree_leaves(out[0])))
        ]
        if name == "loop"
        else [on_host(x) for x in tree_util.tree_leaves(out)]
    )
    assert_agree(found, reference(given))


def test_the_tutorials_pmap_without_vmap_gives_something_else() -> None:
    given = case(matrix_task, ("matrix",), (normal(8, 4, 4),), ((0,),), 8)
    setup = Setup(given, tuple(jax.devices()[:4]))
    strategy = TABLE["pmap-without-vmap"]
    built = strategy.build(setup)
    step = jax.eval_shape(built.call, *strategy.structs(setup))
    assert [shape for shape, _ in strategy.output_shapes(setup, step)] != [(8,)]


def matrix_task(matrix: Any) -> Any:
    return jnp.sum(jnp.tanh(jnp.dot(matrix, matrix)))


def test_a_padded_batch_repeats_the_last_example(given: Case) -> None:
    padded = given.padded(given.batch + 3)
    assert padded.batch == given.batch + 3
    strategy = TABLE[BASELINE]
    setup = Setup(padded, tuple(jax.devices()[:1]))
    collected = strategy.collect(setup, strategy.build(setup).call(*strategy.place(setup)))
    expected = reference(given)
    assert_agree([x[: given.batch] for x in collected], expected)
    assert_agree([x[-1] for x in collected], [x[-1] for x in expected])
    shapes = tree_util.tree_map(
        lambda x: x.shape, replace(given, args=given.structs).padded(19).args
    )
    assert tree_util.tree_leaves(shapes) != []


def test_inputs_bound_to_a_device_can_be_given_to_every_strategy() -> None:
    bound = jax.device_put(normal(8, 3), jax.devices()[3])
    given = case(lambda_free, ("x",), (bound,), ((0,),), 8)
    for name in RIGHT:
        setup = Setup(given, tuple(jax.devices()[:4]) if TABLE[name].multi else (jax.devices()[0],))
        strategy = TABLE[name]
        output = strategy.build(setup).call(*strategy.place(setup))
        assert_agree(strategy.collect(setup, output), reference(given))


@pytest.mark.parametrize(("batch", "count", "sizes"), [(64, 7, (63, 70)), (3, 8, (0, 8))])
def test_the_nearest_sizes_that_divide_are_known(
    batch: int, count: int, sizes: tuple[int, int]
) -> None:
    given = case(lambda_free, ("x",), (normal(batch, 1),), ((0,),), batch)
    assert fitting(given, count) == sizes


def test_the_default_leaves_out_only_the_mistake() -> None:
    assert set(TABLE) - set(DEFAULT) == {"pmap-without-vmap"}
    assert BASELINE in DEFAULT
