"""Each collective in NumPy, written from its definition: what the result must be.

An array has one row for each device. A group lists the rows that take part together, in the order
of their positions along the axis; every row is in one group. A reference is registered together
with the limits of JAX's implementation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtui.collectives.engine.support import Limits

Array = np.ndarray[Any, Any]
Groups = Sequence[Sequence[int]]

_finfo: Callable[[Any], Any] = jnp.finfo


@dataclass(frozen=True)
class Expected:
    """What a collective has to return, one row for each device, and the terms of sums of floats.

    `scale` is the sum of the absolute values of each element's terms, None if the result is exact;
    `terms` is the largest number of terms.
    """

    rows: Array
    scale: Array | None = None
    terms: int = 1


Reference = Callable[..., Expected]

REFERENCES: dict[str, Reference] = {}
"""The reference of every collective in the catalogue."""

LIMITS: dict[str, Limits] = {}
"""The limits of the implementation of each collective."""


def _reference(limits: Limits | None = None) -> Callable[[Reference], Reference]:
    """Register the decorated function as the reference of the collective of the same name."""

    def entered(reference: Reference) -> Reference:
        REFERENCES[reference.__name__] = reference
        LIMITS[reference.__name__] = limits or Limits()
        return reference

    return entered


def mesh_groups(shape: dict[str, int], axes: Sequence[str]) -> list[list[int]]:
    """The groups of a collective along `axes` of a mesh of this shape; rows are in mesh order.

    Positions within a group follow the order of `axes`, of which the first varies slowest.
    """
    names = list(shape)
    rows = np.arange(math.prod(shape.values())).reshape(tuple(shape.values()))
    others = [name for name in names if name not in axes]
    order = [names.index(name) for name in (*others, *axes)]
    length = math.prod(shape[name] for name in axes)
    return [[int(row) for row in group] for group in rows.transpose(order).reshape(-1, length)]


def divided(groups: Groups, positions: Groups | None) -> list[list[int]]:
    """Divide each group by `axis_index_groups`, which are positions in it, if given."""
    if positions is None:
        return [list(group) for group in groups]
    return [[group[i] for i in part] for group in groups for part in positions]


# -------------------------------------------------------------------------------------- reductions


@_reference()
def psum(x: Array, groups: Groups) -> Expected:
    """Every row of a group gets the sum of its rows."""
    x = _summable(x)
    scale = _sums(np.abs(x), groups) if np.issubdtype(x.dtype, np.inexact) else None
    return Expected(_sums(x, groups), scale, max(map(len, groups), default=1))


@_reference()
def pmean(x: Array, groups: Groups) -> Expected:
    """psum, divided by the size of the group."""
    sums = psum(x, groups)
    wrapped = _wrapped(sums.rows, x.dtype)
    kind = np.complex128 if np.iscomplexobj(wrapped) else np.float64
    rows = wrapped.astype(kind)
    scale = np.abs(rows) if sums.scale is None else sums.scale.copy()
    for group in groups:
        rows[group] /= len(group)
        scale[group] /= len(group)
    return Expected(rows, scale, sums.terms)


@_reference()
def pmax(x: Array, groups: Groups) -> Expected:
    """Every row of a group gets the elementwise maximum of its rows."""
    return _extreme(x, groups, np.maximum)


@_reference()
def pmin(x: Array, groups: Groups) -> Expected:
    """Every row of a group gets the elementwise minimum of its rows."""
    return _extreme(x, groups, np.minimum)


@_reference(Limits(adds_no_bools=True))
def psum_scatter(
    x: Array, groups: Groups, scatter_dimension: int = 0, tiled: bool = False
) -> Expected:
    """The row at position i of a group gets part i of the sum of the group's rows."""

    def own_part(blocks: list[Array], position: int) -> Array:
        return _part(blocks[position], position, len(blocks), scatter_dimension, tiled)

    sums = psum(x, groups)
    rows = _by_group(sums.rows, groups, own_part)
    if sums.scale is None:
        return Expected(rows)
    return Expected(rows, _by_group(sums.scale, groups, own_part), sums.terms)


def _sums(x: Array, groups: Groups) -> Array:
    total = np.zeros_like(x)
    for group in groups:
        total[group] = x[group].sum(axis=0, dtype=x.dtype)
    return total


def _extreme(x: Array, groups: Groups, pick: Callable[[Array, Array], Array]) -> Expected:
    rows = np.empty_like(x)
    for group in groups:
        rows[group] = reduce(pick, x[group])
    return Expected(rows)


def _part(block: Array, position: int, count: int, dimension: int, tiled: bool) -> Array:
    """Part `position` of `count` equal parts along a dimension, which is kept if `tiled`."""
    if tiled:
        return np.split(block, count, axis=dimension)[position]
    return np.asarray(block.take(position, axis=dimension))


def _summable(x: Array) -> Array:
    """Convert `x` to a dtype wide enough that NumPy's summation adds no error of its own."""
    if np.iscomplexobj(x):
        return np.asarray(x, np.complex128)
    if jnp.issubdtype(x.dtype, jnp.floating):  # including the types of ml_dtypes
        return np.asarray(x, np.float64)
    unsigned = jnp.issubdtype(x.dtype, jnp.unsignedinteger)
    return np.asarray(x, np.uint64 if unsigned else np.int64)


def _wrapped(rows: Array, dtype: Any) -> Array:
    """Let integer sums overflow as they do in `dtype`."""
    if dtype == np.bool_ or not np.issubdtype(rows.dtype, np.integer):
        return rows
    return rows.astype(dtype).astype(rows.dtype)


# --------------------------------------------------------------------------------- moving the data


@_reference(Limits(gathers_no_keys=True))
def all_gather(
    x: Array, groups: Groups, axis: int = 0, tiled: bool = False, to: str = "varying"
) -> Expected:
    """Every row of a group gets all its rows, stacked along `axis`, or concatenated if `tiled`."""
    del to  # concerns the type of the result, not its value
    join = np.concatenate if tiled else np.stack
    return Expected(_by_group(x, groups, lambda blocks, _: join(blocks, axis=axis)))


@_reference()
def all_to_all(
    x: Array, groups: Groups, split_axis: int, concat_axis: int, tiled: bool = False
) -> Expected:
    """Position i gets part i of every row of its group, joined along `concat_axis`."""
    join = np.concatenate if tiled else np.stack

    def exchanged(blocks: list[Array], position: int) -> Array:
        parts = [_part(block, position, len(blocks), split_axis, tiled) for block in blocks]
        return join(parts, axis=concat_axis)

    return Expected(_by_group(x, groups, exchanged))


@_reference()
def pswapaxes(x: Array, groups: Groups, axis: int) -> Expected:
    """The devices' axis and dimension `axis` of the blocks are swapped."""
    return all_to_all(x, groups, axis, axis)


@_reference()
def ppermute(x: Array, groups: Groups, perm: Sequence[Sequence[int]]) -> Expected:
    """The target of each pair (source, target) gets the source's row, all others zeros."""
    rows = np.zeros_like(x)
    for group in groups:
        for source, target in perm:
            rows[group[target]] = x[group[source]]
    return Expected(rows)


@_reference()
def pshuffle(x: Array, groups: Groups, perm: Sequence[int]) -> Expected:
    """Position i gets the row at position perm[i]."""
    return Expected(_by_group(x, groups, lambda blocks, position: blocks[perm[position]]))


@_reference(
    Limits(
        probe=lambda x: lax.pbroadcast(x, "i", 0),
        instead="lax.all_gather(x, axis)[source] in a function of your own gives the same",
    )
)
def pbroadcast(x: Array, groups: Groups, source: int) -> Expected:
    """Every row of a group gets the row at position `source`."""
    return Expected(_by_group(x, groups, lambda blocks, _: blocks[source]))


def _ragged(x: Any) -> Any:
    one = jnp.zeros(lax.axis_size("i"), jnp.int32)
    return lax.ragged_all_to_all(x, x, one, one, one, one, axis_name="i")


@_reference(
    Limits(
        probe=_ragged,
        crashes_on="cpu",
        instead="all_to_all of blocks padded to one length does work",
        alternative="all_to_all",
    )
)
def ragged_all_to_all(
    x: Array,
    groups: Groups,
    output: Array,
    input_offsets: Array,
    send_sizes: Array,
    output_offsets: Array,
    recv_sizes: Array,
) -> Expected:
    """Position p sends send_sizes[p][q] elements from input_offsets[p][q] on to position q, which
    stores them in its output from output_offsets[p][q] on."""
    del recv_sizes  # the transpose of send_sizes
    rows = output.copy()
    for group in groups:
        for sender in group:
            for q, receiver in enumerate(group):
                start, to = input_offsets[sender][q], output_offsets[sender][q]
                size = send_sizes[sender][q]
                rows[receiver][to : to + size] = x[sender][start : start + size]
    return Expected(rows)


def _by_group(x: Array, groups: Groups, of: Callable[[list[Array], int], Any]) -> Array:
    """Stack `of(blocks, position)` of each row: the rows of its group, and its position in it."""
    rows: list[Any] = [None] * len(x)
    for group in groups:
        blocks = [x[row] for row in group]
        for position, row in enumerate(group):
            rows[row] = of(blocks, position)
    return np.stack(rows)


# ---------------------------------------------------------------------------- positions and sizes


@_reference()
def axis_index(x: Array, groups: Groups) -> Expected:
    """Each row gets its own position."""
    return Expected(_by_group(x, groups, lambda _, position: np.int64(position)))


@_reference()
def axis_size(x: Array, groups: Groups) -> Expected:
    """Each row gets the size of its group."""
    return Expected(_by_group(x, groups, lambda blocks, _: np.int64(len(blocks))))


# --------------------------------------------------------------------------------------- comparing


def wrong(result: Array, expected: Expected) -> int:
    """Count the elements of `result` that differ from what was expected.

    Moved data, integers, maxima and minima have to be equal, NaN included. A sum of K floats may be
    off by 16 eps sqrt(K) times the sum of its terms' absolute values, not times the result, whose
    terms may have cancelled. If the absolute values add up to more than the dtype can hold, any
    overflow is right.
    """
    if result.shape != expected.rows.shape:
        return max(1, result.size)
    if expected.scale is None or not jnp.issubdtype(result.dtype, jnp.inexact):
        right = _same(result, expected.rows.astype(result.dtype, copy=False))
    else:
        right = _close(result, expected)
    return int(np.sum(~right))


def _same(a: Array, b: Array) -> Array:
    if a.dtype.kind in "SUO":
        return np.asarray(a == b)
    nan = (a != a) & (b != b)
    return np.asarray((a == b) | nan)


def _close(result: Array, expected: Expected) -> Array:
    assert expected.scale is not None
    limits = _finfo(result.dtype)
    got = result.astype(expected.rows.dtype)
    want = expected.rows
    with np.errstate(invalid="ignore", over="ignore"):
        bound = 16 * float(limits.eps) * math.sqrt(expected.terms) * expected.scale
        # Below the smallest normal number a rounding error is absolute.
        bound = bound + float(limits.smallest_normal) * float(limits.eps) * expected.terms
        near = np.abs(got - want) <= bound
        most = float(limits.max) / (1 + 16 * float(limits.eps))
        near |= np.isfinite(want) & (expected.scale > most) & ~np.isfinite(got)
        near |= _same(got, want)
    return np.asarray(near)
