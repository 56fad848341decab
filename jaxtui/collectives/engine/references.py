"""Each collective in NumPy, written from its definition: what the result must be.

An array has one row for each device. A group is the list of the rows that take part in one
collective, in the order of their positions along the axis; every row is in one group. A reference
is entered together with what JAX lacks of its collective.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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
    """What a collective must give: `rows` and, for sums of floats, how far rounding may lead away.

    `rows` has one row for each device. `scale` is the sum of the absolute values that each element
    was added up from (None where the result is exact), `terms` how many there were at most.
    """

    rows: Array
    scale: Array | None = None
    terms: int = 1


Reference = Callable[..., Expected]

REFERENCES: dict[str, Reference] = {}
"""The reference of every collective in the catalogue."""

LIMITS: dict[str, Limits] = {}
"""What there is not of each, as far as it is the collective's own."""


def _reference(limits: Limits | None = None) -> Callable[[Reference], Reference]:
    """Make a function the reference of the collective that it is named for."""

    def entered(reference: Reference) -> Reference:
        REFERENCES[reference.__name__] = reference
        LIMITS[reference.__name__] = limits or Limits()
        return reference

    return entered


def mesh_groups(shape: dict[str, int], axes: Sequence[str]) -> list[list[int]]:
    """The groups of a collective along `axes` of a mesh, whose rows are in the mesh's order.

    The positions within a group follow the order of `axes`, the first of them slowest.
    """
    names = list(shape)
    rows = np.arange(math.prod(shape.values())).reshape(tuple(shape.values()))
    others = [name for name in names if name not in axes]
    order = [names.index(name) for name in (*others, *axes)]
    length = math.prod(shape[name] for name in axes)
    return [[int(row) for row in group] for group in rows.transpose(order).reshape(-1, length)]


def divided(groups: Groups, positions: Groups | None) -> list[list[int]]:
    """`groups` with each divided by `axis_index_groups`, which are positions in it."""
    if positions is None:
        return [list(group) for group in groups]
    return [[group[i] for i in part] for group in groups for part in positions]


# -------------------------------------------------------------------------------------- reductions


@_reference()
def psum(x: Array, groups: Groups) -> Expected:
    """Every row of a group gets the sum of its rows."""
    x = _summable(x)
    total, scale = np.zeros_like(x), _scale_of(x)
    for group in groups:
        total[group] = x[group].sum(axis=0, dtype=x.dtype)
    return Expected(total, _spread(scale, groups), _longest(groups))


@_reference()
def pmean(x: Array, groups: Groups) -> Expected:
    """psum, divided by the number of rows that were added."""
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
    """Every row of a group gets the largest of each element."""
    return _extreme(x, groups, np.maximum)


@_reference()
def pmin(x: Array, groups: Groups) -> Expected:
    """Every row of a group gets the smallest of each element."""
    return _extreme(x, groups, np.minimum)


@_reference(Limits(adds_no_bools=True))
def psum_scatter(
    x: Array, groups: Groups, scatter_dimension: int = 0, tiled: bool = False
) -> Expected:
    """The row at position i of a group gets part i of the sum of the group's rows."""
    sums = psum(x, groups)
    rows = _parts(sums.rows, groups, scatter_dimension, tiled)
    if sums.scale is None:
        return Expected(rows)
    return Expected(rows, _parts(sums.scale, groups, scatter_dimension, tiled), sums.terms)


def _extreme(x: Array, groups: Groups, pick: Callable[[Array, Array], Array]) -> Expected:
    rows = np.empty_like(x)
    for group in groups:
        best = x[group[0]]
        for row in group[1:]:
            best = pick(best, x[row])
        rows[group] = best
    return Expected(rows)


def _parts(rows: Array, groups: Groups, dimension: int, tiled: bool) -> Array:
    cut: list[Any] = [None] * len(rows)
    for group in groups:
        for position, row in enumerate(group):
            cut[row] = _part(rows[row], position, len(group), dimension, tiled)
    return np.stack(cut)


def _part(block: Array, position: int, count: int, dimension: int, tiled: bool) -> Array:
    """Part `position` of `count` equal ones along a dimension, kept when `tiled`."""
    if tiled:
        return np.split(block, count, axis=dimension)[position]
    return np.asarray(block.take(position, axis=dimension))


def _summable(x: Array) -> Array:
    """`x` in the type that its sum is made in: wide enough that NumPy adds no error of its own."""
    if x.dtype == np.bool_:
        return np.asarray(x, np.int64)
    if np.iscomplexobj(x):
        return np.asarray(x, np.complex128)
    if _is_float(x.dtype):
        return np.asarray(x, np.float64)
    return np.asarray(x, np.uint64 if _is_unsigned(x.dtype) else np.int64)


def _is_float(dtype: Any) -> bool:
    """Whether it is a real floating type, those of ml_dtypes included."""
    return bool(jnp.issubdtype(dtype, jnp.floating))


def _is_unsigned(dtype: Any) -> bool:
    return bool(jnp.issubdtype(dtype, jnp.unsignedinteger))


def _wrapped(rows: Array, dtype: Any) -> Array:
    """Integer sums as they are in `dtype`, modulo its size; all others as they are."""
    if dtype == np.bool_ or not np.issubdtype(rows.dtype, np.integer):
        return rows
    return rows.astype(dtype).astype(rows.dtype)


def _scale_of(x: Array) -> Array | None:
    return np.abs(x) if np.issubdtype(x.dtype, np.inexact) else None


def _spread(scale: Array | None, groups: Groups) -> Array | None:
    if scale is None:
        return None
    total = np.zeros_like(scale)
    for group in groups:
        total[group] = scale[group].sum(axis=0)
    return total


def _longest(groups: Groups) -> int:
    return max(map(len, groups), default=1)


# --------------------------------------------------------------------------------- moving the data


@_reference(Limits(gathers_no_keys=True))
def all_gather(
    x: Array, groups: Groups, axis: int = 0, tiled: bool = False, to: str = "varying"
) -> Expected:
    """Every row of a group gets all rows of it: stacked along `axis`, or in a line when `tiled`."""
    del to  # how the result is typed, not what it is
    join = np.concatenate if tiled else np.stack
    return _by_group(x, groups, lambda blocks, _: join(blocks, axis=axis))


@_reference()
def all_to_all(
    x: Array, groups: Groups, split_axis: int, concat_axis: int, tiled: bool = False
) -> Expected:
    """Position i gets part i of every row of its group, put together along `concat_axis`."""
    join = np.concatenate if tiled else np.stack

    def exchanged(blocks: list[Array], position: int) -> Array:
        parts = [_part(block, position, len(blocks), split_axis, tiled) for block in blocks]
        return join(parts, axis=concat_axis)

    return _by_group(x, groups, exchanged)


@_reference()
def pswapaxes(x: Array, groups: Groups, axis: int) -> Expected:
    """The axis of the devices and dimension `axis` of the blocks change places."""
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
    return _by_group(x, groups, lambda blocks, position: blocks[perm[position]])


@_reference(
    Limits(
        probe=lambda x: lax.pbroadcast(x, "i", 0),
        instead="lax.all_gather(x, axis)[source] in a function of your own gives the same",
    )
)
def pbroadcast(x: Array, groups: Groups, source: int) -> Expected:
    """Every row of a group gets the row at position `source`."""
    return _by_group(x, groups, lambda blocks, _: blocks[source])


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
    """Position p sends to q send_sizes[p][q] elements from input_offsets[p][q], which q finds in
    its output at output_offsets[p][q]."""
    del recv_sizes  # says the same as send_sizes, from the other side
    rows = output.copy()
    for group in groups:
        for sender in group:
            for q, receiver in enumerate(group):
                start, to = input_offsets[sender][q], output_offsets[sender][q]
                size = send_sizes[sender][q]
                rows[receiver][to : to + size] = x[sender][start : start + size]
    return Expected(rows)


def _by_group(x: Array, groups: Groups, of: Callable[[list[Array], int], Array]) -> Expected:
    """A row for each device: `of` the rows of its group and its own position in it."""
    rows: list[Any] = [None] * len(x)
    for group in groups:
        blocks = [x[row] for row in group]
        for position, row in enumerate(group):
            rows[row] = of(blocks, position)
    return Expected(np.stack(rows))


# ------------------------------------------------------------------------------- looking at no data


@_reference()
def axis_index(x: Array, groups: Groups) -> Expected:
    """Each row gets its own position."""
    rows = np.zeros(len(x), dtype=np.int64)
    for group in groups:
        rows[list(group)] = range(len(group))
    return Expected(rows)


@_reference()
def axis_size(x: Array, groups: Groups) -> Expected:
    """Each row gets how many there are in its group."""
    rows = np.zeros(len(x), dtype=np.int64)
    for group in groups:
        rows[list(group)] = len(group)
    return Expected(rows)


# --------------------------------------------------------------------------------------- comparing


def wrong(result: Array, expected: Expected) -> int:
    """How many elements of `result` are not what was expected.

    Moved data, integers, largest and smallest must be the same (NaN where NaN was expected). A
    sum of K floats may be off by 16 eps sqrt(K) times the sum of its terms' absolute values: of
    those and not of the result, which may have cancelled. Where the terms add up to more than
    the type holds, any overflow is right.
    """
    if result.shape != expected.rows.shape:
        return max(1, result.size)
    if expected.scale is None or not jnp.issubdtype(result.dtype, jnp.inexact):
        want = expected.rows
        if want.dtype != result.dtype:
            want = want.astype(result.dtype)
        return int(np.sum(~_same(result, want)))
    return int(np.sum(~_close(result, expected)))


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
