"""What each device holds of a result, and how a part of it comes to the host.

On a CPU device a block's memory is the host's own and is looked at in place. Elsewhere, and for
dtypes narrower than a byte (which the backend packs), the part is cut out on the device and only
then transferred.
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
WHOLE = 65_536  # bytes; a block up to this size is transferred as a whole, which compiles nothing


@dataclass(frozen=True)
class Block:
    """A part of an array: `data` lies at `index` of the whole, on `device` (None is the host).

    `data` may have one dimension more than `index` (the words of a key), which is never divided.
    """

    device: int | None
    index: Index
    data: jax.Array | np.ndarray[Any, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Extents in the whole's dimensions."""
        return tuple(stop - start for start, stop in self.index)

    @property
    def size(self) -> int:
        """How many elements of the whole it holds."""
        return math.prod(self.shape)

    @cached_property
    def on_host(self) -> bool:
        """Whether NumPy can look at the data where it lies, without a copy."""
        if isinstance(self.data, np.ndarray):
            return True
        return self.platform == "cpu" and not _packed(self.data.dtype)

    @property
    def platform(self) -> str:
        """The platform of the block's device, "cpu" for the host."""
        if isinstance(self.data, np.ndarray):
            return "cpu"
        return str(next(iter(self.data.devices())).platform)

    def read(self, part: Index) -> np.ndarray[Any, Any]:
        """The elements at `part`, in the block's own coordinates."""
        if self.on_host or self.data.nbytes <= WHOLE:
            return part_of(np.asarray(self.data), part)
        starts, sizes = _bucket(part, self.data.shape)
        with undisturbed():
            cut = np.asarray(_cut(self.data, offsets(starts), sizes))
        # `starts` has one more for a key's words, which are never divided.
        return part_of(
            cut,
            tuple((low - at, high - at) for (low, high), at in zip(part, starts, strict=False)),
        )

    def take(self, positions: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The elements at flat `positions` (int64, row-major)."""
        if self.on_host:
            view = np.asarray(self.data)
            if view.flags.c_contiguous:
                return view.reshape(-1).take(positions, mode="clip")  # clips nothing; is faster
            return view[np.unravel_index(positions, view.shape)]
        indices = np.unravel_index(positions, self.data.shape)
        with undisturbed():
            return np.asarray(_gather(self.data, tuple(offsets(index) for index in indices)))


def ends_of(index: Sequence[slice], shape: tuple[int, ...]) -> Index:
    """A block's index as JAX gives it, for an array of `shape`, in numbers."""
    return tuple(
        (ends.start or 0, extent if ends.stop is None else ends.stop)
        for ends, extent in zip(index, shape, strict=False)
    )


def cut_up(shape: Sequence[int], limit: int) -> Iterator[Index]:
    """Parts that cover `shape`, each of at most `limit` elements and most of one size."""
    if math.prod(shape) == 0:
        return
    axis = 0
    while axis < len(shape) - 1 and math.prod(shape[axis + 1 :]) > limit:
        axis += 1
    if not shape:
        yield ()
        return
    rest = tuple((0, extent) for extent in shape[axis + 1 :])
    fitting = max(1, limit // math.prod(shape[axis + 1 :]))
    step = math.ceil(shape[axis] / math.ceil(shape[axis] / fitting))
    for lead in np.ndindex(*shape[:axis]):
        before = tuple((i, i + 1) for i in lead)
        for start in range(0, shape[axis], step):
            yield (*before, (start, min(start + step, shape[axis])), *rest)


def cover(blocks: Sequence[Block]) -> tuple[Block, ...]:
    """One block for each part of the whole: what is replicated counts once."""
    parts: dict[Index, Block] = {}
    for block in blocks:
        parts.setdefault(block.index, block)
    return tuple(parts.values())


def overlap(index: Index, part: Index) -> tuple[Index, Index] | None:
    """Where a block at `index` meets `part`: in the block's coordinates and in the part's."""
    inside, outside = [], []
    for (start, stop), (low, high) in zip(index, part, strict=True):
        first, last = max(start, low), min(stop, high)
        if first >= last:
            return None
        inside.append((first - start, last - start))
        outside.append((first - low, last - low))
    return tuple(inside), tuple(outside)


def part_of(array: np.ndarray[Any, Any], part: Index) -> np.ndarray[Any, Any]:
    """A view; the ellipsis keeps it an array where nothing is left to index."""
    where: Any = (*(slice(low, high) for low, high in part), ...)
    view: np.ndarray[Any, Any] = array[where]
    return view


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """64-bit types, and none of the debugging modes that the user's code may have turned on."""
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
    """The same context manager, where JAX (before 0.8) has it in another place."""
    from jax import experimental

    manager: contextlib.AbstractContextManager[None] = vars(experimental)["enable_x64"]()
    return manager


def _packed(dtype: Any) -> bool:
    """Whether the backend stores several elements in a byte."""
    info = jnp.iinfo if jnp.issubdtype(dtype, jnp.integer) else jnp.finfo
    return (
        dtype != np.bool_
        and not jnp.issubdtype(dtype, jnp.complexfloating)
        and int(info(dtype).bits) < 8
    )


def _bucket(part: Index, shape: Sequence[int]) -> tuple[list[int], tuple[int, ...]]:
    """Starts and sizes of a slightly larger part, so that few distinct sizes are compiled.

    Sizes are powers of two as far as the block reaches; starts move back where it ends.
    """
    full = [*part, *((0, extent) for extent in shape[len(part) :])]
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
    """int32 where the values fit, which all accelerators index with at full speed."""
    wide = np.asarray(values, dtype=np.int64)
    return wide.astype(np.int32) if wide.size == 0 or wide.max() < 2**31 else wide


def cut_on_device(data: jax.Array, starts: jax.Array, sizes: tuple[int, ...]) -> jax.Array:
    """`data[starts : starts + sizes]` in a traced function; `starts` has one for each dimension."""
    return lax.dynamic_slice(data, [starts[i] for i in range(len(sizes))], sizes)


_cut = jax.jit(cut_on_device, static_argnums=2)


@jax.jit
def _gather(data: jax.Array, indices: tuple[jax.Array, ...]) -> jax.Array:
    return data[indices]
