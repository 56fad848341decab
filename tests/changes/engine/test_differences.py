"""What differs between two arrays is what NumPy finds of them whole, wherever they lie."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as made
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.changes.engine import differences
from jaxtui.changes.engine.differences import Difference, difference, on_device
from jaxtui.engine_base.errors import GivenUp
from jaxtui.results.engine.blocks import whole
from jaxtui.results.engine.store import keep_leaf

RANDOM = np.random.default_rng(0)


def _never() -> bool:
    return False


def _difference(before: Any, now: Any) -> Difference:
    found = difference(keep_leaf("", before), keep_leaf("", now), _never)
    assert found is not None
    return found


def _of_whole(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> tuple[int, float, int, int]:
    """How many differ, how far, and how many NaN there are, by NumPy in the widest numbers."""
    wide = np.complex256 if np.iscomplexobj(a) or np.iscomplexobj(b) else np.longdouble
    x, y = a.astype(wide), b.astype(wide)
    with np.errstate(all="ignore"):
        same = (x == y) | (np.isnan(x) & np.isnan(y))
        apart = np.where(same, 0, np.abs(x - y))
    apart = np.where(np.isnan(apart), np.inf, apart)
    return (
        int((~same).sum()),
        float(apart.max(initial=0)),
        int(np.isnan(x).sum()),
        int(np.isnan(y).sum()),
    )


def _check(found: Difference, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> None:
    differing, distance, nan_before, nan_now = _of_whole(a, b)
    assert (found.differing, found.nan_before, found.nan_now) == (differing, nan_before, nan_now)
    assert found.distance == pytest.approx(distance, rel=1e-12)
    assert (found.at is None) == (differing == 0)
    if found.at is not None:
        one, other = a[found.at], b[found.at]
        assert one != other
        if math.isfinite(distance):
            here = float(np.abs(np.subtract(one, other, dtype=np.result_type(one, "complex128"))))
            assert here == pytest.approx(distance, rel=1e-9)


DTYPES = ["float32", "float16", "int8", "int32", "uint8", "bool", "complex64"]


@st.composite
def _pairs(draw: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    shape = draw(made.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    dtype = draw(st.sampled_from(DTYPES))
    elements = made.from_dtype(np.dtype(dtype), allow_subnormal=False)
    first = draw(made.arrays(dtype, shape, elements=elements))
    second = draw(st.one_of(st.just(first), made.arrays(dtype, shape, elements=elements)))
    return first, second


@settings(max_examples=150, deadline=None)
@given(_pairs())
def test_numpy_agrees_on_arrays_of_any_kind(
    pair: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
) -> None:
    _check(_difference(*pair), *pair)


@pytest.mark.long
@settings(max_examples=40, deadline=None)
@given(_pairs())
def test_what_is_compared_on_a_device_is_what_is_compared_on_the_host(
    pair: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
) -> None:
    first, second = pair
    if not first.size:
        return
    found = on_device(jnp.asarray(first), jnp.asarray(second), whole(first.shape))
    _check(found, first, second)
    on_host = _difference(first, second)
    assert found.scale == pytest.approx(on_host.scale, rel=1e-6)
    assert found.relative == pytest.approx(on_host.relative, rel=1e-6)


def test_a_device_takes_no_denormal_for_the_0_that_it_computes_with() -> None:
    before = np.array([0.0, 1e-45, -0.0, np.nan], np.float32)
    now = np.array([1e-45, 1e-45, 0.0, np.nan], np.float32)
    found = on_device(jnp.asarray(before), jnp.asarray(now), whole((4,)))
    assert (found.differing, found.at) == (1, (0,))
    assert (_difference(before, now).differing, _difference(before, now).at) == (1, (0,))


def test_arrays_of_several_parts_have_the_place_in_the_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(differences, "PART", 7)
    before = RANDOM.normal(size=(11, 13)).astype(np.float32)
    now = before.copy()
    now[9, 4] += 3
    now[2, 2] -= 1
    found = _difference(jnp.asarray(before), jnp.asarray(now))
    assert (found.differing, found.at) == (2, (9, 4))
    assert found.distance == float(np.float64(now[9, 4]) - np.float64(before[9, 4]))
    shares = np.abs(now.astype(np.float64) - before) / np.abs(before.astype(np.float64))
    assert found.relative == pytest.approx(shares.max())


def test_arrays_that_lie_differently_are_compared_element_by_element() -> None:
    before = RANDOM.normal(size=(8, 6)).astype(np.float32)
    now = before.copy()
    now[5, 1] = np.nan
    mesh = Mesh(np.array(jax.devices()).reshape(-1), ("d",))
    rows = jax.device_put(before, NamedSharding(mesh, PartitionSpec("d")))
    found = _difference(rows, jax.device_put(now, NamedSharding(mesh, PartitionSpec())))
    assert (found.differing, found.at, found.distance) == (1, (5, 1), math.inf)
    assert (found.nan_before, found.nan_now) == (0, 1)


def test_integers_of_64_bits_are_told_apart_to_the_last() -> None:
    before = np.array([2**62, -(2**63), 5], np.int64)
    now = np.array([2**62 + 1, 2**63 - 1, 5], np.int64)
    found = _difference(before, now)
    assert (found.differing, found.at) == (2, (1,))
    assert found.distance == float(2**64 - 1)
    assert _difference(before[:1], now[:1]).distance == 1.0


def test_dtypes_may_differ() -> None:
    before = jnp.arange(4, dtype=jnp.int32)
    found = _difference(before, before.astype(jnp.bfloat16))
    assert (found.differing, found.at) == (0, None)
    assert _difference(before, before + 0.5).distance == 0.5


def test_keys_and_objects_are_the_same_or_not() -> None:
    one, other = jax.random.split(jax.random.key(0), 3), jax.random.split(jax.random.key(1), 3)
    assert _difference(one, one).differing == 0
    assert _difference(one, other).differing == 3
    assert _difference("a", "a").differing == 0
    assert _difference("a", "b").at == ()


def test_a_comparison_can_be_given_up() -> None:
    leaf = keep_leaf("", jnp.zeros(3))
    with pytest.raises(GivenUp):
        difference(leaf, leaf, lambda: True)
