"""How far two arrays are apart, element by element, where they lie.

They are read in parts, so that memory stays bounded and the work can be cancelled between two
parts. Blocks that lie on the same accelerator are compared there; all else is compared by NumPy, on
CPU devices without a copy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxtui.engine_base.errors import GivenUp
from jaxtui.results.engine.blocks import (
    Block,
    Index,
    cut_on_device,
    cut_up,
    offsets,
    undisturbed,
)
from jaxtui.results.engine.cells import Sort
from jaxtui.results.engine.store import KeptLeaf, assemble
from jaxtui.results.engine.summaries import DEVICE_PART, PART, TRANSFER

Elements = np.ndarray[Any, Any]
_NUMBERS: tuple[Sort, ...] = ("bool", "integer", "float", "complex")


@dataclass(frozen=True)
class Difference:
    """How far elements are apart; see `wire.change_report.LeafChange`.

    `at` is the index of the largest distance, None where all are the same. `scale` is the largest
    of the finite elements before.
    """

    differing: int = 0
    distance: float = 0.0
    at: tuple[int, ...] | None = None
    relative: float = 0.0
    nan_before: int = 0
    nan_now: int = 0
    scale: float = 0.0

    def merged(self, other: Difference) -> Difference:
        """The difference of both sets of elements together."""
        further = other if other.distance > self.distance or self.at is None else self
        return Difference(
            differing=self.differing + other.differing,
            distance=further.distance,
            at=further.at,
            relative=max(self.relative, other.relative),
            nan_before=self.nan_before + other.nan_before,
            nan_now=self.nan_now + other.nan_now,
            scale=max(self.scale, other.scale),
        )


def difference(before: KeptLeaf, now: KeptLeaf, cancelled: Callable[[], bool]) -> Difference | None:
    """The difference of two leaves of one shape; None if other processes hold parts of them.

    Raises GivenUp when `cancelled()` turned true between two parts.
    """
    whole = Difference()
    for part in _parts(before, now):
        if cancelled():
            raise GivenUp
        if part is None:
            return None
        whole = whole.merged(part)
    return whole


def _parts(before: KeptLeaf, now: KeptLeaf) -> Iterator[Difference | None]:
    pairs = _pairs_on_devices(before, now)
    if pairs:
        for block, other in pairs:
            for part in cut_up(block.shape, DEVICE_PART):
                yield _shifted(on_device(block.data, other.data, part), block.index)
        return
    on_host = all(block.on_host for block in (*before.parts, *now.parts))
    for index in cut_up(before.shape, PART if on_host else TRANSFER):
        a, b = assemble(before.parts, index), assemble(now.parts, index)
        if a is None or b is None:
            yield None
            return
        yield _shifted(on_host_of(a, b, before.sort, now.sort), index)


def _pairs_on_devices(before: KeptLeaf, now: KeptLeaf) -> list[tuple[Block, Block]]:
    """The blocks in pairs, if all pairs hold numbers of one dtype on the same accelerator."""
    others = {block.index: block for block in now.parts}
    pairs = [(block, others.get(block.index)) for block in before.parts]
    found = [(a, b) for a, b in pairs if b is not None and a.device == b.device]
    alike = before.sort in _NUMBERS and before.dtype == now.dtype and before.complete
    accelerated = all(isinstance(a.data, jax.Array) and a.platform != "cpu" for a, _ in found)
    every = len(found) == len(before.parts) == len(now.parts)
    return found if alike and accelerated and every else []


def _shifted(part: Difference, index: Index) -> Difference:
    """`part` with the place of its largest distance counted in the whole array."""
    if part.at is None:
        return part
    at = tuple(i + start for i, (start, _) in zip(part.at, index, strict=True))
    return Difference(
        part.differing,
        part.distance,
        at,
        part.relative,
        part.nan_before,
        part.nan_now,
        part.scale,
    )


# ------------------------------------------------------------------------------------- on the host


def on_host_of(a: Elements, b: Elements, sort: Sort, other: Sort) -> Difference:
    """The difference of two NumPy arrays of one shape, before and now, of elements of these sorts.

    Of what are no numbers, the distance of two that differ is infinite.
    """
    if sort not in _NUMBERS or other not in _NUMBERS:
        shape = a.shape[:-1] if sort == "key" else a.shape
        same: Elements = np.zeros(shape, bool)
        if sort == other and a.shape == b.shape:
            # The words of a key are its last dimension.
            same = np.asarray(np.asarray(a == b).reshape(*shape, -1).all(axis=-1))
        return _found(same, np.where(same, 0.0, math.inf), np.zeros(shape))
    if sort in ("bool", "integer") and a.dtype == b.dtype:
        first, second = _whole_numbers(a), _whole_numbers(b)
        sizes = np.asarray(np.abs(first.astype(np.float64)))
        return _found(np.asarray(first == second), _integers_apart(first, second), sizes)
    wide = np.complex128 if "complex" in (sort, other) else np.float64
    with np.errstate(all="ignore"):
        return _of_inexact(a.astype(wide), b.astype(wide))


def _whole_numbers(elements: Elements) -> Elements:
    """Integers of a dtype that NumPy computes with."""
    if elements.dtype == np.bool_ or elements.dtype.kind == "V":  # int4 and narrower
        return elements.astype(np.int8)
    return elements


def _integers_apart(a: Elements, b: Elements) -> Elements:
    high, low = np.asarray(np.maximum(a, b)), np.asarray(np.minimum(a, b))
    unsigned = np.dtype(f"u{high.dtype.itemsize}")
    # The difference of the unsigned wraps to what is right.
    apart = np.asarray(np.subtract(high.view(unsigned), low.view(unsigned)))
    return apart.astype(np.float64)


def _of_inexact(a: Elements, b: Elements) -> Difference:
    nan_a, nan_b = np.isnan(a), np.isnan(b)
    same = np.asarray((a == b) | (nan_a & nan_b))
    apart = np.where(same, 0.0, np.abs(a - b))
    apart[np.isnan(apart)] = math.inf
    sizes = np.asarray(np.abs(a))
    sizes = np.where(np.isfinite(sizes), sizes, 0.0)
    return _found(same, apart, sizes, int(nan_a.sum()), int(nan_b.sum()))


def _found(
    same: Elements, apart: Elements, sizes: Elements, nan_before: int = 0, nan_now: int = 0
) -> Difference:
    count = same.size - int(np.count_nonzero(same))
    scale = float(sizes.max(initial=0.0))
    if not count:
        return Difference(nan_before=nan_before, nan_now=nan_now, scale=scale)
    # Where the distance of two that differ underflows, still one of them.
    place = int(np.argmax(np.where(same, -1.0, apart)))
    at = np.unravel_index(place, apart.shape)
    with np.errstate(over="ignore"):
        shares = np.divide(apart, sizes, out=np.zeros_like(apart), where=sizes > 0)
    finite = shares[np.isfinite(shares)]
    return Difference(
        differing=count,
        distance=float(apart.reshape(-1)[place]),
        at=tuple(int(i) for i in at),
        relative=float(finite.max(initial=0.0)),
        nan_before=nan_before,
        nan_now=nan_now,
        scale=scale,
    )


# ------------------------------------------------------------------------------------ on a device


def on_device(before: Any, now: Any, part: Index) -> Difference:
    """The difference of a part of two JAX arrays of numbers, of one dtype and on one device."""
    starts = offsets([start for start, _ in part])
    sizes = tuple(stop - start for start, stop in part)
    with undisturbed():
        count, distance, place, share, nan_a, nan_b, scale = jax.device_get(
            _compare(before, now, starts, sizes)
        )
    if not int(count):
        return Difference(nan_before=int(nan_a), nan_now=int(nan_b), scale=float(scale))
    at = np.unravel_index(int(place), sizes)
    return Difference(
        differing=int(count),
        distance=float(distance),
        at=tuple(int(i) + start for i, (start, _) in zip(at, part, strict=True)),
        relative=float(share),
        nan_before=int(nan_a),
        nan_now=int(nan_b),
        scale=float(scale),
    )


def _compare_parts(a: jax.Array, b: jax.Array, starts: jax.Array, sizes: tuple[int, ...]) -> Any:
    x, y = cut_on_device(a, starts, sizes), cut_on_device(b, starts, sizes)
    nan_x = nan_y = jnp.zeros(x.shape, bool)
    if jnp.issubdtype(x.dtype, jnp.inexact):
        nan_x, nan_y = jnp.isnan(x), jnp.isnan(y)
        apart, length = _lengths(x, y)
        equal = _equal(x, y)
    else:
        x, y = (_counting(one) for one in (x, y))
        high, low = jnp.maximum(x, y), jnp.minimum(x, y)
        unsigned = jnp.dtype(f"uint{8 * x.dtype.itemsize}")
        apart = (high.astype(unsigned) - low.astype(unsigned)).astype(jnp.float64)
        length = jnp.abs(x.astype(jnp.float64))
        equal = x == y
    same = equal | (nan_x & nan_y)
    apart = jnp.where(same, 0.0, jnp.where(jnp.isnan(apart), jnp.inf, apart))
    length = jnp.where(jnp.isfinite(length), length, 0.0)
    shares = jnp.where(length > 0, apart / length, 0.0)
    return (
        (~same).sum(),
        apart.max(),
        jnp.argmax(jnp.where(same, -1.0, apart)),
        jnp.max(jnp.where(jnp.isfinite(shares), shares, 0.0)),
        nan_x.sum(),
        nan_y.sum(),
        length.max(),
    )


def _equal(x: jax.Array, y: jax.Array) -> jax.Array:
    """Whether two floats are equal by their bits, since a device may take denormals for 0."""
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        return _equal(x.real, y.real) & _equal(x.imag, y.imag)
    unsigned = jnp.dtype(f"uint{8 * x.dtype.itemsize}")
    a, b = (lax.bitcast_convert_type(one, unsigned) for one in (x, y))
    return (a == b) | (((a | b) << 1) == 0)  # 0 and -0


def _counting(elements: jax.Array) -> jax.Array:
    """Integers of a dtype that takes whole bytes."""
    iinfo: Any = jnp.iinfo
    narrow = elements.dtype == jnp.bool_ or iinfo(elements.dtype).bits < 8
    return elements.astype(jnp.int8) if narrow else elements


def _lengths(x: jax.Array, y: jax.Array) -> tuple[jax.Array, jax.Array]:
    """How far two are apart, and how far the first is from 0, in double precision."""
    if not jnp.issubdtype(x.dtype, jnp.complexfloating):
        wide = x.astype(jnp.float64)
        return jnp.abs(wide - y.astype(jnp.float64)), jnp.abs(wide)
    real, imag = x.real.astype(jnp.float64), x.imag.astype(jnp.float64)
    apart = jnp.hypot(real - y.real.astype(jnp.float64), imag - y.imag.astype(jnp.float64))
    return apart, jnp.hypot(real, imag)


_compare = jax.jit(_compare_parts, static_argnums=3)
