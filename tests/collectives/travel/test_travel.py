"""How data travels, on plain numbers: what every step keeps, and what the last one leaves."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtui.collectives.travel import model as travel
from jaxtui.session.collective_catalogue import OPERATIONS

SIZES = list(range(2, 17))


def rows(count: int, length: int) -> list[list[int]]:
    return [[(7 * row + 3 * i) % 23 - 5 for i in range(length)] for row in range(count)]


def all_rows(count: int) -> list[list[int]]:
    return [list(range(count))]


def follow(
    algorithm: str, operation: str, values: list[Any], shape: list[int], **options: Any
) -> travel.Travel:
    groups = options.pop("groups", all_rows(len(values)))
    return travel.follow(algorithm, operation, values, shape, "int32", groups, options)


@pytest.mark.parametrize("count", SIZES)
@pytest.mark.parametrize("algorithm", ["ring all-reduce", "recursive doubling"])
@pytest.mark.parametrize(("operation", "of"), [("psum", sum), ("pmax", max), ("pmin", min)])
def test_an_all_reduce_leaves_the_same_on_every_device(
    operation: str, of: Any, algorithm: str, count: int
) -> None:
    values = rows(count, 5)
    found = follow(algorithm, operation, values, [count, 5])
    assert found.result == [[of(column) for column in zip(*values, strict=True)]] * count


@pytest.mark.parametrize("count", SIZES)
def test_a_ring_all_reduce_takes_its_rounds_and_its_bytes(count: int) -> None:
    length = 4 * count
    found = follow("ring all-reduce", "psum", rows(count, length), [count, length])
    assert len(found.steps) == 2 * (count - 1)
    each = 2 * (count - 1) * length * 4 // count
    assert found.steps[-1].sent == count * each
    latency, bandwidth = 1e-6, 1e9
    predicted = 2 * (count - 1) * latency + each / bandwidth
    assert found.seconds(latency, bandwidth) == pytest.approx(predicted)


@pytest.mark.parametrize("count", SIZES)
def test_recursive_doubling_takes_two_more_steps_where_the_size_is_no_power_of_two(
    count: int,
) -> None:
    found = follow("recursive doubling", "psum", rows(count, 3), [count, 3])
    odd = count & (count - 1) != 0
    assert len(found.steps) == int(math.log2(count)) + (2 if odd else 0)


@pytest.mark.parametrize("count", SIZES)
def test_a_reduce_scatter_leaves_each_device_its_own_part_of_the_sum(count: int) -> None:
    values = rows(count, 2 * count)
    sums = [sum(column) for column in zip(*values, strict=True)]
    tiled = follow("ring reduce-scatter", "psum_scatter", values, [count, 2 * count], tiled=True)
    assert tiled.result == [sums[2 * i : 2 * i + 2] for i in range(count)]
    square = rows(count, count)
    found = follow("ring reduce-scatter", "psum_scatter", square, [count, count])
    assert found.result == [sum(column) for column in zip(*square, strict=True)]
    assert found.shape == [count]
    assert [len(held) for held in found.steps[-1].holds] == [1] * count


@pytest.mark.parametrize("count", SIZES)
def test_an_all_gather_leaves_all_blocks_in_order(count: int) -> None:
    values = rows(count, 2)
    ring = follow("ring all-gather", "all_gather", values, [count, 2])
    assert ring.result == [values] * count
    assert len(ring.steps) == count - 1
    if count & (count - 1):
        assert "not for" in travel.obstacle("recursive doubling all-gather", all_rows(count))
        with pytest.raises(ValueError, match="not for"):
            follow("recursive doubling all-gather", "all_gather", values, [count, 2])
        return
    doubling = follow("recursive doubling all-gather", "all_gather", values, [count, 2], axis=1)
    assert doubling.result == [[list(column) for column in zip(*values, strict=True)]] * count
    assert len(doubling.steps) == int(math.log2(count))


@pytest.mark.parametrize("count", SIZES)
def test_an_all_to_all_transposes_devices_and_parts(count: int) -> None:
    values = rows(count, count)
    found = follow("rotation", "all_to_all", values, [count, count], split_axis=0, concat_axis=0)
    assert found.result == [list(column) for column in zip(*values, strict=True)]
    assert found.steps[-1].sent == 4 * count * (count - 1)


@pytest.mark.parametrize("count", SIZES)
def test_a_permutation_sends_each_block_once_and_zeros_where_nothing_comes(count: int) -> None:
    values = rows(count, 2)
    perm = [(i, i + 1) for i in range(count - 1)]
    found = follow("permutation", "ppermute", values, [count, 2], perm=perm)
    assert found.result == [[0, 0], *values[:-1]]
    assert [(s.source, s.target) for s in found.steps[0].sends] == perm
    turned = [(i + 1) % count for i in range(count)]
    shuffled = follow("permutation", "pshuffle", values, [count, 2], perm=turned)
    assert shuffled.result == [values[i] for i in turned]


@pytest.mark.parametrize("count", SIZES)
def test_a_broadcast_reaches_all_in_as_few_steps_as_doubling_allows(count: int) -> None:
    values = rows(count, 2)
    found = follow("binomial tree", "pbroadcast", values, [count, 2], source=count - 1)
    assert found.result == [values[-1]] * count
    assert len(found.steps) == math.ceil(math.log2(count))


def test_groups_travel_at_the_same_time_and_apart() -> None:
    values = rows(6, 2)
    groups = [[0, 2, 4], [5, 1, 3]]
    found = follow("ring all-gather", "all_gather", values, [6, 2], groups=groups)
    assert found.result[1] == [values[5], values[1], values[3]]
    assert len(found.steps) == 2
    assert all(len(step.sends) == 6 for step in found.steps)


def test_a_mean_is_the_sum_divided_at_the_end() -> None:
    found = follow("ring all-reduce", "pmean", [[1], [2], [6]], [3, 1])
    assert found.result == [[3.0]] * 3


def test_integers_wrap_around_as_on_a_device() -> None:
    found = travel.follow("ring all-reduce", "psum", [[100], [100]], [2, 1], "int8", [[0, 1]])
    assert found.result == [[-56], [-56]]
    flags = travel.follow("ring all-reduce", "psum", [[True], [True]], [2, 1], "bool", [[0, 1]])
    assert flags.result == [[2], [2]]


def test_complex_numbers_and_keys_travel_too() -> None:
    values = [[[1.0, 2.0]], [[0.5, -2.0]]]
    found = travel.follow("ring all-reduce", "psum", values, [2, 1], "complex64", [[0, 1]])
    assert found.result == [[[1.5, 0.0]]] * 2
    keys = ["00ff", "aa01"]
    swapped = travel.follow(
        "permutation", "ppermute", keys, [2], "key<fry>", [[0, 1]], {"perm": [(0, 1), (1, 0)]}
    )
    assert swapped.result == ["aa01", "00ff"]
    assert swapped.steps[0].sends[0].bytes == 8


def test_every_collective_that_moves_data_has_a_way_to_travel() -> None:
    still = {"axis_index", "axis_size", "ragged_all_to_all"}
    for name in OPERATIONS:
        assert bool(travel.algorithms(name)) == (name not in still)


def test_an_algorithm_of_another_operation_is_refused() -> None:
    with pytest.raises(ValueError, match="no way of psum"):
        follow("rotation", "psum", [[1], [2]], [2, 1])


@settings(max_examples=100, deadline=None)
@given(
    count=st.integers(2, 16),
    length=st.integers(0, 9),
    operation=st.sampled_from(["psum", "pmax", "pmin", "pmean"]),
    algorithm=st.sampled_from(["ring all-reduce", "recursive doubling"]),
)
def test_what_is_sent_is_what_the_sender_held_and_the_receiver_then_holds(
    count: int, length: int, operation: str, algorithm: str
) -> None:
    found = follow(algorithm, operation, rows(count, length), [count, length])
    held = found.begin
    for step in found.steps:
        for send in step.sends:
            assert send.block in held[send.source]
            taken = next(b for b in step.holds[send.target] if b.number == send.block.number)
            assert set(send.block.rows) <= set(taken.rows)
            assert send.bytes == 4 * len(send.block.values)
        held = step.holds
    assert all(set(block.rows) == set(range(count)) for blocks in held for block in blocks)
