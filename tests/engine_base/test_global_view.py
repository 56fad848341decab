"""Pmap with global arguments gives what JAX's pmap gives in one process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxtui.engine_base.global_view import GlobalPmap, place

ROWS = np.arange(24.0, dtype=np.float32).reshape(8, 3)


def both(function: Callable[..., Any], *args: Any, kwargs: Any = None, **settings: Any) -> Any:
    kwargs = kwargs or {}
    ours = GlobalPmap(function, devices=jax.devices(), **settings)(*args, **kwargs)
    return ours, jax.pmap(function, **settings)(*args, **kwargs)


def held(array: Any) -> list[tuple[int, str]]:
    shape = array.shape
    return [
        (
            shard.device.id,
            str([ends.indices(n) for ends, n in zip(shard.index, shape, strict=False)]),
        )
        for shard in array.addressable_shards
    ]


@pytest.mark.parametrize(
    ("function", "args", "settings"),
    [
        (lambda x: lax.psum(x, "i"), (ROWS,), {"axis_name": "i"}),
        (lambda x: lax.all_gather(x, "i"), (ROWS,), {"axis_name": "i", "out_axes": 1}),
        (lambda x: lax.psum(x, "i"), (ROWS,), {"axis_name": "i", "out_axes": None}),
        (lambda x, y: x + y, (ROWS.T, 2.0), {"in_axes": (1, None)}),
        (lambda x, y: (x["a"] * y, [y]), ({"a": ROWS}, ROWS), {"out_axes": (0, 1)}),
        (lambda x, n: x * n, (ROWS, 3), {"in_axes": (0, None), "static_broadcasted_argnums": 1}),
        (lambda x: x + 1, (ROWS[:5],), {}),
        (lambda x: x, (ROWS[:, :0],), {}),
        (lambda x: jnp.float32(1), (ROWS,), {}),
        (jax.random.normal, (jax.random.split(jax.random.key(0), 8),), {}),
        (
            lambda x: lax.psum(x, "i", axis_index_groups=[[0, 1, 4, 5], [2, 3, 6, 7]]),
            (ROWS,),
            {"axis_name": "i"},
        ),
    ],
)
def test_the_same_values_lie_on_the_same_devices(
    function: Callable[..., Any], args: tuple[Any, ...], settings: dict[str, Any]
) -> None:
    ours, theirs = both(function, *args, **settings)
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for mine, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)
        assert held(mine) == held(other)
        if mine.size:
            np.testing.assert_array_equal(np.asarray(mine), np.asarray(other))


def test_keyword_arguments_are_mapped_along_their_first_axis() -> None:
    ours, theirs = both(lambda x, *, y: x + y, ROWS, kwargs={"y": ROWS})
    np.testing.assert_array_equal(ours, theirs)


def test_it_can_be_differentiated_and_traced_through() -> None:
    mapped = GlobalPmap(lambda x: lax.psum(x**2, "i"), devices=jax.devices(), axis_name="i")
    real = jax.pmap(lambda x: lax.psum(x**2, "i"), axis_name="i")
    np.testing.assert_array_equal(
        jax.grad(lambda x: mapped(x).sum())(ROWS), jax.grad(lambda x: real(x).sum())(ROWS)
    )
    np.testing.assert_array_equal(jax.jit(mapped)(ROWS), jax.jit(real)(ROWS))
    assert "all-reduce" in mapped.lower(ROWS).compile().as_text()


@pytest.mark.parametrize(
    ("args", "settings"),
    [
        ((ROWS, ROWS[:4]), {}),
        ((np.zeros(9), np.zeros(9)), {}),
        ((np.zeros(0), np.zeros(0)), {}),
        ((3.0, 4.0), {}),
        ((3.0, 4.0), {"in_axes": None}),
        ((3.0, 4.0), {"in_axes": None, "axis_size": 8}),
        ((ROWS, ROWS), {"in_axes": (0,)}),
        ((ROWS, ROWS), {"in_axes": [0, 0]}),
        ((ROWS, ROWS), {"in_axes": (0, 2)}),
        ((ROWS, ROWS), {"in_axes": -2}),
        ((ROWS, ROWS), {"out_axes": -1}),
        ((ROWS, ROWS), {"out_axes": 3}),
        ((ROWS, ROWS), {"axis_size": 4}),
        ((ROWS, ROWS), {"static_broadcasted_argnums": 2}),
    ],
)
def test_what_pmap_cannot_map_is_refused(args: tuple[Any, ...], settings: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        GlobalPmap(lambda x, y: x + y, devices=jax.devices(), **settings)(*args)


def test_a_value_is_placed_as_device_put_places_it() -> None:
    mesh = Mesh(np.array(jax.devices()), ("x",), axis_types=(AxisType.Auto,))
    sharding = NamedSharding(mesh, P("x"))
    keys = jax.random.split(jax.random.key(0), 8)
    for value in (jnp.asarray(ROWS), ROWS, keys):
        ours, theirs = place(value, sharding), jax.device_put(value, sharding)
        assert held(ours) == held(theirs)
        assert (ours == theirs).all()
    with pytest.raises(ValueError, match="9"):
        place(np.zeros(9), sharding)
