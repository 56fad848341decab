"""Blocks of an array on each device, and reading parts of them into host memory.

A block on a CPU device is viewed in place, without a copy. On other devices, and for dtypes
narrower than a byte (which the backend packs), the requested part is sliced on the device and only
that part is transferred.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

Index = tuple[tuple[int, int], ...]  # (start, stop) for each dimension
WHOLE = 65_536  # bytes; a block up to this size is transferred whole, without compiling a slice


@dataclass(frozen=True)
class Block:
    """The part `index` of an array, stored as `data` on `device` (None for the host).

    `data` may have one trailing dimension more than `index` (the words of a PRNG key), which is
    never split.
    """

    device: int | None
    index: Index
    data: Any  # a jax.Array, a NumPy array, or what stands for one in another process

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(stop - start for start, stop in self.index)

    @property
    def size(self) -> int:
        """The number of elements; a PRNG key counts as one."""
        return math.prod(self.shape)

    @cached_property
    def on_host(self) -> bool:
        """Whether NumPy can view the data in place, without a copy."""
        if isinstance(self.data, np.ndarray):
            return True
        return self.platform == "cpu" and not _packed(self.data.dtype)

    @property
    def platform(self) -> str:
        """The platform of the block's device; "cpu" for the host."""
        if isinstance(self.data, np.ndarray):
            return "cpu"
        return str(next(iter(self.data.devices())).platform)

    def read(self, part: Index) -> np.ndarray[Any, Any]:
        """Return the elements at `part`, given in the block's own coordinates."""
        if self.on_host or self.data.nbytes <= WHOLE:
            return part_of(np.asarray(self.data), part)
        starts, sizes = _bucket(part, self.data.shape)
        with undisturbed():
            cut = np.asarray(_cut(self.data, offsets(starts), sizes))
        # `starts` has an extra entry for a key's words, which are never split.
        return part_of(
            cut,
            tuple((low - at, high - at) for (low, high), at in zip(part, starts, strict=False)),
        )

    def leading(self, count: int) -> np.ndarray[Any, Any]:
        """Return the first `count` elements in memory; all, in its shape, if there are no more."""
        few = self.data.size <= count
        return np.asarray(self.data if few else self.data.reshape(-1)[:count])

    def take(self, positions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the elements at flat, row-major `positions` (int64)."""
        if self.on_host:
            view = np.asarray(self.data)
            if view.flags.c_contiguous:
                # All positions are in range; "clip" is faster than the default mode.
                return view.reshape(-1).take(positions, mode="clip")
            return view[np.unravel_index(positions, view.shape)]
        indices = np.unravel_index(positions, self.data.shape)
        with undisturbed():
            return np.asarray(_gather(self.data, tuple(offsets(index) for index in indices)))


def whole(shape: Sequence[int]) -> Index:
    """Return the index that covers an array of `shape`."""
    return tuple((0, extent) for extent in shape)


def ends_of(index: Sequence[slice], shape: tuple[int, ...]) -> Index:
    """Convert a shard's index as JAX gives it (slices, possibly open) to (start, stop) pairs."""
    return tuple(
        (ends.start or 0, extent if ends.stop is None else ends.stop)
        for ends, extent in zip(index, shape, strict=False)
    )


def cut_up(shape: Sequence[int], limit: int) -> Iterator[Index]:
    """Split `shape` into parts of at most `limit` elements each, most of them of one size."""
    if math.prod(shape) == 0:
        return
    axis = 0
    while axis < len(shape) - 1 and math.prod(shape[axis + 1 :]) > limit:
        axis += 1
    if not shape:
        yield ()
        return
    rest = whole(shape[axis + 1 :])
    fitting = max(1, limit // math.prod(shape[axis + 1 :]))
    step = math.ceil(shape[axis] / math.ceil(shape[axis] / fitting))
    for lead in np.ndindex(*shape[:axis]):
        before = tuple((i, i + 1) for i in lead)
        for start in range(0, shape[axis], step):
            yield (*before, (start, min(start + step, shape[axis])), *rest)


def cover(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """Return one block for each distinct part of the array, leaving out replicas."""
    parts: dict[Index, Block] = {}
    for block in blocks:
        parts.setdefault(block.index, block)
    return tuple(parts.values())


def overlap(index: Index, part: Index) -> tuple[Index, Index] | None:
    """Intersect a block at `index` with `part`; return None if they are disjoint.

    Returns the intersection in the block's coordinates and in the part's.
    """
    inside, outside = [], []
    for (start, stop), (low, high) in zip(index, part, strict=True):
        first, last = max(start, low), min(stop, high)
        if first >= last:
            return None
        inside.append((first - start, last - start))
        outside.append((first - low, last - low))
    return tuple(inside), tuple(outside)


def part_of(array: np.ndarray[Any, Any], part: Index) -> np.ndarray[Any, Any]:
    """Return `array[part]` as a view; the ellipsis keeps a zero-dimensional one an array."""
    where: Any = (*(slice(low, high) for low, high in part), ...)
    view: np.ndarray[Any, Any] = array[where]
    return view


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Enable 64-bit types, and disable the debugging modes that user code may have enabled."""
    wide = jax.enable_x64(True) if hasattr(jax, "enable_x64") else _experimental_x64()
    with (
        wide,
        jax.debug_nans(False),
        jax.debug_infs(False),
        jax.disable_jit(False),
        jax.transfer_guard("allow"),
    ):
        yield


def _experimental_x64() -> contextlib.AbstractContextManager[None]:
    """Return `enable_x64` from its place in JAX before 0.8."""
    from jax import experimental

    manager: contextlib.AbstractContextManager[None] = vars(experimental)["enable_x64"]()
    return manager


def _packed(dtype: Any) -> bool:
    """Whether the backend packs several elements of `dtype` into a byte."""
    info = jnp.iinfo if jnp.issubdtype(dtype, jnp.integer) else jnp.finfo
    return (
        dtype != np.bool_
        and not jnp.issubdtype(dtype, jnp.complexfloating)
        and int(info(dtype).bits) < 8
    )


def _bucket(part: Index, shape: Sequence[int]) -> tuple[list[int], tuple[int, ...]]:
    """Enlarge a part to one of few sizes, so that few distinct slices are compiled.

    Sizes are 1 or powers of two from 8 on, limited to the block's extent; starts move back where
    the enlarged part would reach beyond the block. Returns (starts, sizes).
    """
    full = [*part, *whole(shape[len(part) :])]
    sizes = tuple(
        min(extent, 1 if stop - start <= 1 else max(8, 1 << (stop - start - 1).bit_length()))
        for (start, stop), extent in zip(full, shape, strict=True)
    )
    starts = [
        min(start, extent - size)
        for (start, _), size, extent in zip(full, sizes, shape, strict=True)
    ]
    return starts, sizes


def offsets(values: Any) -> np.ndarray[Any, Any]:
    """Return `values` as int32 if they fit, the fastest index on every accelerator, else int64."""
    wide = np.asarray(values, dtype=np.int64)
    return wide.astype(np.int32) if wide.size == 0 or wide.max() < 2**31 else wide


def cut_on_device(data: jax.Array, starts: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """Slice `data[starts : starts + sizes]` in a traced function, one start per dimension."""
    return lax.dynamic_slice(data, [starts[i] for i in range(len(sizes))], sizes)


_cut = jax.jit(cut_on_device, static_argnums=2)


@jax.jit
def _gather(data: jax.Array, indices: tuple[jax.Array, ...]) -> jax.Array:
    return data[indices]
