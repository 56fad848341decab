"""Moments of numbers about their own mean, computed by NumPy or on a device, and merged.

They are merged pairwise (Chan, Golub and LeVeque 1983).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.results.engine.blocks import Index, cut_on_device, offsets, undisturbed
from jaxtui.results.engine.cells import Sort


@dataclass(frozen=True)
class Moments:
    """Moments of real numbers x = origin + y * 2**exponent, of which `count` are finite.

    `mean` is the mean of y, `spread` the sum of squared deviations of y from it. The exponent keeps
    the squares of huge and tiny floats in range; the origin keeps differences of large integers
    exact, and `total` is the exact sum of integers (None for floats).
    """

    count: int = 0
    non_finite: int = 0
    minimum: Any = None
    maximum: Any = None
    mean: float = 0.0
    spread: float = 0.0
    exponent: int = 0
    origin: int = 0
    total: int | None = None

    def merged(self, other: Moments) -> Moments:
        """Return the moments of both sets of numbers together."""
        non_finite = self.non_finite + other.non_finite
        if not self.count or not other.count:
            return replace(self if self.count else other, non_finite=non_finite)
        exponent = max(self.exponent, other.exponent)
        mean, spread = self._at(exponent)
        other_mean, other_spread = other._at(exponent)
        delta = other_mean + float(other.origin - self.origin) - mean
        count = self.count + other.count
        share = other.count / count
        totals = None if self.total is None else self.total + (other.total or 0)
        return replace(
            self,
            count=count,
            non_finite=non_finite,
            minimum=min(self.minimum, other.minimum),
            maximum=max(self.maximum, other.maximum),
            mean=mean + delta * share,
            spread=spread + other_spread + delta * delta * self.count * share,
            exponent=exponent,
            total=totals,
        )

    def _at(self, exponent: int) -> tuple[float, float]:
        """Return mean and spread for another exponent."""
        shift = self.exponent - exponent
        return math.ldexp(self.mean, shift), math.ldexp(self.spread, 2 * shift)

    @property
    def average(self) -> float:
        """The mean of x, kept within its range against rounding."""
        if self.total is not None:
            return self.total / self.count
        mean = min(max(self.mean, self._scaled(self.minimum)), self._scaled(self.maximum))
        return math.ldexp(mean, self.exponent)

    @property
    def deviation(self) -> float:
        """The population standard deviation of x."""
        if self.minimum == self.maximum:
            return 0.0
        # A deviation is at most half the range; rounding could exceed it, and overflow.
        if self.total is not None:
            half = (int(self.maximum) - int(self.minimum)) / 2
        else:
            half = self._scaled(self.maximum) / 2 - self._scaled(self.minimum) / 2
        return math.ldexp(min(math.sqrt(self.spread / self.count), half), self.exponent)

    def _scaled(self, value: float) -> float:
        return math.ldexp(value, -self.exponent)


Parts = tuple[Moments, ...]  # one for real numbers, two (real, imaginary) for complex ones


# ------------------------------------------------------------------------------------- on the host


def host_moments(elements: np.ndarray[Any, Any], sort: Sort) -> Parts:
    """Compute the moments of `elements` (bool, integer, float or complex) with NumPy."""
    if sort == "bool":
        return (_of_bools(elements),)
    if sort == "integer":
        return (_of_integers(elements.reshape(-1)),)
    with np.errstate(all="ignore"):
        if sort == "complex":
            flat = elements.reshape(-1)
            finite = flat[np.isfinite(flat)]
            lost = flat.size - finite.size
            return tuple(
                _of_finite(part.astype(np.float64), lost) for part in (finite.real, finite.imag)
            )
        return (_of_floats(np.asarray(elements, dtype=np.float64).reshape(-1)),)


def _of_bools(elements: np.ndarray[Any, Any]) -> Moments:
    count, total = elements.size, int(np.count_nonzero(elements))
    if not count:
        return Moments()
    return Moments(
        count=count,
        minimum=total == count,
        maximum=total > 0,
        mean=total / count,
        spread=total * (count - total) / count,
        total=total,
    )


def _of_integers(elements: np.ndarray[Any, Any]) -> Moments:
    if not elements.size:
        return Moments()
    narrow = elements.dtype.itemsize == 1 and elements.dtype.kind == "V"  # int4 and narrower
    native = np.dtype(np.int8) if narrow else elements.dtype.newbyteorder("=")
    elements = elements.astype(native, copy=False)
    low, high = int(elements.min()), int(elements.max())
    if elements.dtype.itemsize == 8:
        # Sums of halves cannot overflow; a difference wraps around to the right uint64.
        upper = int(np.sum(elements >> 32, dtype=np.int64))
        lower = int(np.sum(elements & 0xFFFFFFFF, dtype=np.int64))
        total = (upper << 32) + lower
        above = (elements - elements.dtype.type(low)).view(np.uint64).astype(np.float64)
    else:
        total = int(np.sum(elements, dtype=np.int64))
        above = elements.astype(np.float64)
        above -= low
    mean = (total - low * elements.size) / elements.size
    above -= mean
    return Moments(
        count=elements.size,
        minimum=low,
        maximum=high,
        mean=mean,
        spread=_sum_of_squares(above),
        origin=low,
        total=total,
    )


def _of_floats(elements: np.ndarray[Any, Any]) -> Moments:
    """Return moments of float64 elements; if their sum is finite, so are all of them."""
    if np.isfinite(elements.sum()):
        return _of_finite(elements, 0)
    finite = elements[np.isfinite(elements)]
    return _of_finite(finite, elements.size - finite.size)


def _of_finite(elements: np.ndarray[Any, Any], non_finite: int) -> Moments:
    if not elements.size:
        return Moments(non_finite=non_finite)
    low, high = float(elements.min()), float(elements.max())
    exponent = scale(low, high)
    if exponent:
        elements = np.ldexp(elements, -exponent)
    mean = float(elements.mean())
    about = elements - mean
    spread = _sum_of_squares(about)
    if spread < 1e-20 * mean * mean * elements.size:
        # With a spread this small, the rounding error of the mean matters.
        slip = float(about.mean())
        mean += slip
        spread = max(0.0, spread - slip * slip * elements.size)
    return _of_scaled(elements.size, non_finite, (low, high), exponent, (mean, spread))


def _of_scaled(
    count: int,
    non_finite: int,
    ends: tuple[float, float],
    exponent: int,
    centre: tuple[float, float],
) -> Moments:
    """Build the moments of floats; the mean and spread in `centre` are of scaled numbers."""
    low, high = ends
    # Equal numbers have no spread, not even by rounding.
    mean, spread = (math.ldexp(low, -exponent), 0.0) if low == high else centre
    return Moments(count, non_finite, low, high, mean, spread, exponent)


def _sum_of_squares(elements: np.ndarray[Any, Any]) -> float:
    # einsum runs on one thread: the threads of np.dot spin while waiting for each other, which
    # took 3 to 16 times as long on busy cores.
    return float(np.einsum("i,i->", elements, elements))


def scale(low: float, high: float) -> int:
    """Return the exponent to scale by; 0 if float64 can hold the squares as they are."""
    largest = max(abs(low), abs(high))
    exponent = math.frexp(largest)[1] if largest else -1100
    return exponent if abs(exponent) > 400 else 0


# ------------------------------------------------------------------------------------ on a device


def device_moments(data: jax.Array, part: Index, sort: Sort) -> Parts:
    """Compute the moments of a part of `data` on its device, and transfer only these."""
    starts = offsets([start for start, _ in part])
    sizes = tuple(stop - start for start, stop in part)
    with undisturbed():
        if sort in ("bool", "integer"):
            return (_from_integers(jax.device_get(_reduce_integers(data, starts, sizes)), part),)
        finite, ends = jax.device_get(_find_ends(data, starts, sizes))
        count, lost = int(finite), math.prod(sizes) - int(finite)
        if not count:
            return tuple(Moments(non_finite=lost) for _ in ends)
        ends = [(float(low), float(high)) for low, high in ends]
        exponents = [scale(low, high) for low, high in ends]
        # Two factors of half the exponent each: float64 cannot hold 2**1074.
        factors = np.array(
            [(2.0 ** -(e // 2), 2.0 ** -(e - e // 2)) for e in exponents], dtype=np.float64
        )
        centres = jax.device_get(_reduce_floats(data, starts, factors, sizes))
    return tuple(
        _of_scaled(count, lost, pair, exponent, (float(mean), float(spread)))
        for pair, exponent, (mean, spread) in zip(ends, exponents, centres, strict=True)
    )


def _from_integers(found: Any, part: Index) -> Moments:
    low, high, upper, lower, mean, spread = found
    return Moments(
        count=math.prod(stop - start for start, stop in part),
        minimum=low.item(),
        maximum=high.item(),
        mean=float(mean),
        spread=float(spread),
        origin=int(low),
        total=(int(upper) << 32) + int(lower),
    )


def _reduce_integers_of(data: jax.Array, starts: jax.Array, sizes: tuple[int, ...]) -> Any:
    elements = cut_on_device(data, starts, sizes)
    low, high = elements.min(), elements.max()
    wide = elements.astype(jnp.uint64 if elements.dtype == jnp.uint64 else jnp.int64)
    upper = (wide >> 32).astype(jnp.int64).sum()
    lower = (wide & 0xFFFFFFFF).astype(jnp.int64).sum()
    above = (wide - wide.min()).astype(jnp.uint64).astype(jnp.float64)
    mean = above.mean()
    return low, high, upper, lower, mean, jnp.square(above - mean).sum()


def _real_parts(elements: jax.Array) -> tuple[list[jax.Array], jax.Array]:
    """Return the real and imaginary parts as float64, and a mask of where both are finite."""
    is_complex = jnp.issubdtype(elements.dtype, jnp.complexfloating)
    parts = [elements.real, elements.imag] if is_complex else [elements]
    wide = [part.astype(jnp.float64) for part in parts]
    finite = jnp.isfinite(wide[0])
    for part in wide[1:]:
        finite &= jnp.isfinite(part)
    return wide, finite


def _find_ends_of(data: jax.Array, starts: jax.Array, sizes: tuple[int, ...]) -> Any:
    parts, finite = _real_parts(cut_on_device(data, starts, sizes))
    ends = [
        (
            jnp.min(part, where=finite, initial=jnp.inf),
            jnp.max(part, where=finite, initial=-jnp.inf),
        )
        for part in parts
    ]
    return finite.sum(), ends


def _reduce_floats_of(
    data: jax.Array, starts: jax.Array, factors: jax.Array, sizes: tuple[int, ...]
) -> Any:
    parts, finite = _real_parts(cut_on_device(data, starts, sizes))
    found = []
    for i, part in enumerate(parts):
        scaled = part * factors[i, 0] * factors[i, 1]
        mean = jnp.mean(scaled, where=finite)
        found.append((mean, jnp.sum(jnp.square(scaled - mean), where=finite)))
    return found


_reduce_integers = jax.jit(_reduce_integers_of, static_argnums=2)
_find_ends = jax.jit(_find_ends_of, static_argnums=2)
_reduce_floats = jax.jit(_reduce_floats_of, static_argnums=3)
