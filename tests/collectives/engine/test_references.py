"""The NumPy references against small cases worked out by hand, and against one another."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxtui.collectives.engine import references
from jaxtui.collectives.engine.references import REFERENCES, Expected, divided, mesh_groups, wrong
from jaxtui.session.collective_catalogue import OPERATIONS

ALL = [[0, 1, 2]]
X = np.array([[0, 1, 2], [10, 11, 12], [20, 21, 22]])


def rows(name: str, x: Any = X, groups: Any = ALL, *operands: Any, **options: Any) -> Any:
    return REFERENCES[name](x, groups, *operands, **options).rows.tolist()


def test_every_collective_has_words_and_a_reference() -> None:
    assert set(REFERENCES) == set(OPERATIONS)
    assert all(hasattr(lax, name) for name in REFERENCES)


def test_reductions_give_every_device_of_a_group_the_same() -> None:
    assert rows("psum") == [[30, 33, 36]] * 3
    assert rows("pmean") == [[10.0, 11.0, 12.0]] * 3
    assert rows("pmax") == [[20, 21, 22]] * 3
    assert rows("pmin") == [[0, 1, 2]] * 3
    assert rows("psum", groups=[[2, 0], [1]]) == [[20, 22, 24], [10, 11, 12], [20, 22, 24]]


def test_gathered_blocks_are_stacked_or_laid_in_a_line() -> None:
    assert rows("all_gather", groups=[[2, 0], [1, 1]])[0] == [[20, 21, 22], [0, 1, 2]]
    assert rows("all_gather", axis=1)[0] == X.T.tolist()
    assert rows("all_gather", tiled=True)[1] == X.reshape(-1).tolist()


def test_an_all_to_all_gives_each_position_its_part_of_every_block() -> None:
    assert rows("all_to_all", split_axis=0, concat_axis=0) == X.T.tolist()
    assert rows("pswapaxes", axis=0) == X.T.tolist()
    wide = np.arange(8).reshape(2, 4)
    tiled = rows("all_to_all", wide, [[0, 1]], split_axis=0, concat_axis=0, tiled=True)
    assert tiled == [[0, 1, 4, 5], [2, 3, 6, 7]]
    # Split first, and the devices' dimension then goes where concat_axis says.
    block = np.arange(12).reshape(2, 2, 3)
    moved = REFERENCES["all_to_all"](block, [[0, 1]], split_axis=0, concat_axis=1)
    assert moved.rows.tolist() == [[[0, 6], [1, 7], [2, 8]], [[3, 9], [4, 10], [5, 11]]]


def test_permutations_have_their_own_directions() -> None:
    assert rows("ppermute", perm=[(0, 2), (1, 0)]) == [[10, 11, 12], [0, 0, 0], [0, 1, 2]]
    assert rows("pshuffle", perm=[2, 0, 1]) == [[20, 21, 22], [0, 1, 2], [10, 11, 12]]
    assert rows("pbroadcast", source=1) == [[10, 11, 12]] * 3


def test_a_reduce_scatter_is_a_part_of_the_sum() -> None:
    assert rows("psum_scatter") == [30, 33, 36]
    wide = np.arange(8).reshape(2, 4)
    assert rows("psum_scatter", wide, [[1, 0]], tiled=True) == [[8, 10], [4, 6]]


def test_positions_and_sizes_are_those_of_the_group() -> None:
    assert rows("axis_index", groups=[[2, 0], [1]]) == [1, 0, 0]
    assert rows("axis_size", groups=[[2, 0], [1]]) == [2, 1, 2]


def test_a_ragged_exchange_writes_slices_of_any_length() -> None:
    x = np.array([[1, 2, 2], [3, 4, 0]])
    output = np.zeros((2, 4), int)
    # The example in the documentation of jax.lax.ragged_all_to_all.
    found = references.ragged_all_to_all(
        x,
        [[0, 1]],
        output,
        input_offsets=np.array([[0, 1], [0, 1]]),
        send_sizes=np.array([[1, 2], [1, 1]]),
        output_offsets=np.array([[0, 0], [1, 2]]),
        recv_sizes=np.array([[1, 1], [2, 1]]),
    )
    assert found.rows.tolist() == [[1, 3, 0, 0], [2, 2, 4, 0]]


def test_groups_of_a_mesh_follow_the_order_of_the_axes() -> None:
    mesh = {"x": 2, "y": 3}
    assert mesh_groups(mesh, ("x",)) == [[0, 3], [1, 4], [2, 5]]
    assert mesh_groups(mesh, ("y",)) == [[0, 1, 2], [3, 4, 5]]
    assert mesh_groups(mesh, ("x", "y")) == [[0, 1, 2, 3, 4, 5]]
    assert mesh_groups(mesh, ("y", "x")) == [[0, 3, 1, 4, 2, 5]]
    assert divided([[0, 3, 5]], [[2, 0], [1]]) == [[5, 0], [3]]


def test_integer_sums_wrap_around_in_their_own_dtype() -> None:
    x = np.full((2, 1), 100, np.int8)
    assert wrong(np.full((2, 1), -56, np.int8), references.psum(x, [[0, 1]])) == 0
    assert wrong(np.full((2, 1), 56, np.int8), references.psum(x, [[0, 1]])) == 2


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float8_e4m3fn", "complex64"])
def test_a_sum_may_be_off_by_rounding_and_by_no_more(dtype: str) -> None:
    x = np.linspace(-1, 1, 24).reshape(8, 3).astype(jnp.dtype(dtype))
    expected = references.psum(x, [list(range(8))])
    right = expected.rows.astype(x.dtype)
    assert wrong(right, expected) == 0
    assert expected.scale is not None
    off = (expected.rows + 200 * expected.scale * float(jnp.finfo(x.dtype).eps)).astype(x.dtype)
    assert wrong(off, expected) == 24


def test_what_cancelled_is_judged_by_what_was_added() -> None:
    x = np.array([[1e8], [1.0], [-1e8]], np.float32)
    expected = references.psum(x, [[0, 1, 2]])
    assert wrong(np.zeros((3, 1), np.float32), expected) == 0
    assert wrong(np.full((3, 1), 2000, np.float32), expected) == 3


def test_an_overflow_is_right_only_where_the_terms_are_too_large() -> None:
    large = np.full((2, 1), 6e4, np.float16)
    assert wrong(np.full((2, 1), np.inf, np.float16), references.psum(large, [[0, 1]])) == 0
    small = np.full((2, 1), 2.0, np.float16)
    assert wrong(np.full((2, 1), np.inf, np.float16), references.psum(small, [[0, 1]])) == 2


def test_nan_is_expected_where_it_went_in() -> None:
    x = np.array([[np.nan], [1.0]], np.float32)
    for name in ("psum", "pmax", "pmean"):
        expected = REFERENCES[name](x, [[0, 1]])
        assert wrong(np.full((2, 1), np.nan, np.float32), expected) == 0
        assert wrong(np.full((2, 1), 1, np.float32), expected) == 2


def test_moved_data_must_be_the_same_to_the_bit_and_of_the_same_shape() -> None:
    x = np.array([[0.1], [0.2]], np.float32)
    expected = references.pshuffle(x, [[0, 1]], [1, 0])
    assert wrong(x[::-1], expected) == 0
    assert wrong(np.nextafter(x[::-1], np.float32(1)), expected) == 2
    assert wrong(x[:, 0], expected) > 0
    assert wrong(np.zeros((0, 1)), Expected(np.zeros((0, 2)))) > 0
