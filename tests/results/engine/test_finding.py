"""Finding elements in results, against a search by NumPy."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.results.engine import finding
from jaxtui.results.engine.store import ResultStore
from jaxtui.wire.results import FindCell


def found(
    value: Any, wanted: str, after: tuple[int, ...] | None = None, device: int | None = None
) -> list[int] | None:
    """Search after `after`; by default after the last element, so from the start."""
    store = ResultStore()
    store.keep(1, [("", value)])
    shape = np.shape(value)
    last = tuple(extent - 1 for extent in shape)
    request = FindCell(
        id=1,
        result=1,
        leaf=0,
        wanted=wanted,
        after=list(last if after is None else after),
        device=device,
    )
    return store.find(request, lambda: False).index


def by_numpy(mask: np.ndarray[Any, Any], after: tuple[int, ...]) -> list[int] | None:
    flat = mask.reshape(-1)
    start = int(np.ravel_multi_index(after, mask.shape)) + 1
    order = [*range(start, flat.size), *range(start)]
    hit = next((position for position in order if flat[position]), None)
    return None if hit is None else [int(i) for i in np.unravel_index(hit, mask.shape)]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_finds_what_a_plain_search_finds(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3)))
    values = data.draw(
        st.lists(st.integers(-2, 2), min_size=math.prod(shape), max_size=math.prod(shape))
    )
    array = np.array(values).reshape(shape)
    after = tuple(data.draw(st.integers(0, extent - 1)) for extent in shape)
    number = data.draw(st.integers(-3, 3))
    for text, mask in (
        (f"> {number}", array > number),
        (f"= {number}", array == number),
        (f"!= {number}", array != number),
        ("max", array == array.max()),
    ):
        assert found(jnp.asarray(array), text, after) == by_numpy(mask, after)


@pytest.mark.parametrize("part", [1, 3, 7])
def test_pieces_and_shards_change_nothing(part: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PART", part)
    array = np.arange(64).reshape(8, 8) % 5
    mesh = Mesh(np.array(jax.devices()[:8]).reshape(2, 4), ("a", "b"))
    for spec in (("a", "b"), ("b", "a"), (("a", "b"),), (None, "b")):
        sharded = jax.device_put(array, NamedSharding(mesh, PartitionSpec(*spec)))
        for after in ((0, 0), (3, 7), (7, 7)):
            assert found(sharded, "= 4", after) == by_numpy(array == 4, after)
            assert found(sharded, "min", after) == by_numpy(array == 0, after)


def test_a_devices_block_is_looked_at_in_its_own_coordinates() -> None:
    mesh = Mesh(np.array(jax.devices()[:4]), ("a",))
    sharded = jax.device_put(jnp.arange(8.0), NamedSharding(mesh, PartitionSpec("a")))
    assert found(sharded, "= 5", (0,), device=2) == [1]
    assert found(sharded, "= 3", (0,), device=2) is None


def test_not_a_number_and_infinities() -> None:
    array = jnp.array([[0.0, jnp.nan], [jnp.inf, -jnp.inf]])
    assert found(array, "nan") == [0, 1]
    assert found(array, "inf") == [1, 0]
    assert found(array, "-inf") == [1, 1]
    assert found(array, "max") == [0, 0]
    assert found(jnp.array([jnp.nan]), "max") is None
    assert found(jnp.arange(3), "nan") is None


@pytest.mark.parametrize(
    "dtype", ["float16", "bfloat16", "float8_e4m3fn", "float32", "int4", "uint8"]
)
def test_a_number_is_what_the_dtype_makes_of_it(dtype: str) -> None:
    array = jnp.array([0, 1, 2]).astype(dtype)
    assert found(array, "= 2") == [2]
    assert found(array, "> 1") == [2]
    if dtype.startswith(("float", "bfloat")):
        tenth = jnp.array([0.0, 0.1]).astype(dtype)
        assert found(tenth, "= 0.1") == [1]
        assert found(tenth, "> 0.1") is None


def test_large_integers_are_told_apart() -> None:
    array = np.array([2**62, 2**62 + 1])
    assert found(array, f"= {2**62 + 1}") == [1]
    assert found(np.array([3], np.uint8), "> 300") is None


def test_booleans_complex_numbers_and_a_scalar() -> None:
    assert found(jnp.array([False, True]), "true") == [1]
    assert found(jnp.array([1 + 2j, 3]), "= 1+2j") == [0]
    assert found(jnp.float32(3), "> 2") == []
    assert found(jnp.float32(3), "> 4") is None
    assert found(jnp.zeros((0, 3)), "= 0", (0, 0)) is None


@pytest.mark.parametrize(
    ("value", "wanted", "said"),
    [
        (jnp.array([1j]), "> 3", "complex numbers have no order"),
        (jnp.arange(2), "= 1j", "the elements are no complex numbers"),
        (jnp.arange(2), "huge", "is none of nan, inf"),
    ],
)
def test_what_has_no_meaning_is_refused_in_words(value: Any, wanted: str, said: str) -> None:
    with pytest.raises(Diagnosed) as raised:
        found(value, wanted)
    assert said in raised.value.diagnosis.message


def test_keys_are_not_compared() -> None:
    with pytest.raises(Diagnosed) as raised:
        found(jax.random.split(jax.random.key(0), 3), "max")
    assert "PRNG keys cannot be compared" in raised.value.diagnosis.message


def test_it_is_given_up_between_two_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "PART", 2)
    store = ResultStore()
    store.keep(1, [("", jnp.zeros(100))])
    looks: list[int] = []

    def cancelled() -> bool:
        looks.append(1)
        return len(looks) > 3

    with pytest.raises(GivenUp):
        store.find(FindCell(id=1, result=1, leaf=0, wanted="= 1", after=[99]), cancelled)
    assert len(looks) == 4
