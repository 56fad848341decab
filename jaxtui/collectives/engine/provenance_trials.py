"""The inputs of provenance's trials: where a trial starts, and what elements are changed to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

Array = np.ndarray[Any, Any]

_finfo: Callable[[Any], Any] = jnp.finfo
_iinfo: Callable[[Any], Any] = jnp.iinfo


@dataclass(frozen=True)
class Trial:
    """The inputs at the `start`, and inputs that differ from them in every element."""

    start: list[Array]
    change: list[Array]


def trials(inputs: Sequence[Array]) -> Iterator[Trial]:
    """Yield trials from the given inputs and from made ones of the same shapes and dtypes.

    The random numbers are the same in every call.
    """
    random = np.random.default_rng(0)
    for start, change in _PLANS:
        starts = [_made(start, x, random) for x in inputs]
        changes = [_made(change, x, random) for x in inputs]
        yield Trial(starts, [_other(a, b) for a, b in zip(starts, changes, strict=True)])


# (where the trial starts, what its elements change to)
_PLANS = (
    ("given", "positive"),
    ("positive", "positive"),  # both in the domain of a root, a logarithm or an index
    ("signed", "large"),  # a change that is visible in a sum of many
    ("lowest", "positive"),  # each element in turn the largest
    ("highest", "positive"),  # each element in turn the smallest
    ("zeros", "positive"),
    ("given", "large"),
    ("fraction", "fraction"),
)


def _made(kind: str, x: Array, random: Any) -> Array:
    if kind == "given":
        return x
    if x.dtype == np.bool_:
        return _bools(kind, x.shape, random)
    if jnp.issubdtype(x.dtype, jnp.integer):
        return _integers(kind, x, random)
    numbers = _floats(kind, x, random)
    if jnp.issubdtype(x.dtype, jnp.complexfloating):
        return (numbers + 1j * _floats(kind, x, random)).astype(x.dtype)
    return numbers.astype(x.dtype)


def _bools(kind: str, shape: tuple[int, ...], random: Any) -> Array:
    if kind in ("lowest", "zeros"):
        return np.zeros(shape, bool)
    if kind == "highest":
        return np.ones(shape, bool)
    return np.asarray(random.integers(0, 2, shape), bool)


def _integers(kind: str, x: Array, random: Any) -> Array:
    limits = _iinfo(x.dtype)
    least, most = int(limits.min), int(limits.max)
    if kind == "zeros":
        return np.zeros(x.shape, x.dtype)
    if kind in ("lowest", "highest"):
        return np.full(x.shape, least if kind == "lowest" else most).astype(x.dtype)
    ranges = {"positive": (0, 3), "signed": (max(least, -3), 3), "fraction": (0, 1)}
    # Up to half of the type's range: far from other values, and sums of two do not overflow.
    low, high = ranges.get(kind, (most // 4, most // 2))
    kinds = np.uint64 if most > np.iinfo(np.int64).max else np.int64
    drawn = random.integers(low, high, x.shape, dtype=kinds, endpoint=True)
    return np.asarray(drawn, x.dtype)


def _floats(kind: str, x: Array, random: Any) -> Array:
    # The square root of the largest number: far from other values, and products do not overflow.
    large = float(np.sqrt(float(_finfo(x.dtype).max)))
    if kind == "zeros":
        return np.zeros(x.shape)
    if kind in ("lowest", "highest"):
        return np.full(x.shape, -large if kind == "lowest" else large)
    numbers: Array = random.uniform(1, 2, x.shape)
    if kind == "signed":
        return np.asarray(numbers * random.choice([-1.0, 1.0], x.shape))
    if kind == "large":
        return numbers * large
    return numbers - 1 if kind == "fraction" else numbers


def _other(start: Array, change: Array) -> Array:
    """`change`, with another value wherever it happens to equal `start`."""
    same = start == change
    if not same.any():
        return change
    if start.dtype == np.bool_:
        return np.where(same, ~start, change)
    one, two = (np.full_like(start, value) for value in (1, 2))
    return np.where(same, np.where(start == one, two, one), change)
