"""Whether two strategies' outputs are the same numbers: right before fast."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.results.engine.blocks import Index, cut_up, part_of
from jaxtui.wire.benchmark_report import Correct

# NumPy arrays; or what has a shape, a dtype and a size, and is read in parts: `leaf.read(part)`
Leaves = Sequence[Any]
AT_ONCE = 1 << 22  # elements that are compared together
# Significand bits that a platform multiplies float32 matrices with, unless told to be precise.
_MATMUL_EPSILON = {"gpu": 2.0**-10, "cuda": 2.0**-10, "rocm": 2.0**-10, "tpu": 2.0**-7}


def compared(
    reference: Leaves, found: Leaves, *, longest: int, exact: bool, epsilon: float
) -> Correct:
    """Count the wrong elements of `found`.

    Integers, booleans and, with `exact`, everything has to be the same. Floats may differ by
    16 eps max|reference| sqrt(`longest`), where `longest` is the longest sum on the way and
    `epsilon` the least precise number format on it.
    """
    wrong, count, most = 0, 0, None
    for expected, given in zip(reference, found, strict=True):
        count += expected.size
        if not expected.size:
            continue
        if exact or not jnp.issubdtype(expected.dtype, jnp.inexact):
            wrong += sum(int(np.count_nonzero(~_same(a, b))) for a, b in parts(expected, given))
            continue
        own = max(epsilon, _eps(expected.dtype))
        bad, ulp = _apart(expected, given, own, longest)
        wrong += bad
        most = ulp if most is None else max(most, ulp)
    return Correct(wrong=wrong, count=count, max_ulp=most)


def parts(one: Any, other: Any) -> Iterator[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Both leaves, which have one shape, in parts of at most AT_ONCE elements."""
    for part in cut_up(one.shape, AT_ONCE):
        yield _part(one, part), _part(other, part)


def _part(leaf: Any, part: Index) -> np.ndarray[Any, Any]:
    read: np.ndarray[Any, Any] = (
        leaf.read(part) if hasattr(leaf, "read") else part_of(np.asarray(leaf), part)
    )
    return read


def _same(expected: np.ndarray[Any, Any], given: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    same: np.ndarray[Any, Any] = expected == given
    if jnp.issubdtype(expected.dtype, jnp.inexact):
        same = same | (np.isnan(_wide(expected)) & np.isnan(_wide(given)))
    return same


def _apart(expected: Any, given: Any, epsilon: float, longest: int) -> tuple[int, float]:
    """How many elements are too far apart, and the largest distance in eps max|expected|."""
    scale = max(
        float(np.max(np.abs(_wide(a)), where=_finite(a, b), initial=0.0))
        for a, b in parts(expected, given)
    )
    bound = 16 * epsilon * scale * math.sqrt(longest)
    wrong, largest = 0, 0.0
    for a, b in parts(expected, given):
        finite, wide = _finite(a, b), _wide(a)
        distance = np.abs(np.subtract(wide, _wide(b), out=np.zeros_like(wide), where=finite))
        wrong += int(np.count_nonzero(~_same(a, b) & (~finite | (distance > bound))))
        largest = max(largest, float(np.max(distance, initial=0.0)))
    return wrong, largest / (epsilon * scale) if scale else 0.0


def _finite(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where both are finite."""
    finite: np.ndarray[Any, Any] = np.isfinite(_wide(a)) & np.isfinite(_wide(b))
    return finite


def _wide(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """In double precision, which every dtype of JAX fits into."""
    complex_ = jnp.issubdtype(array.dtype, jnp.complexfloating)
    return array.astype(np.complex128 if complex_ else np.float64)


def epsilon_of(dtypes: Sequence[Any], longest: int) -> float:
    """The coarsest machine epsilon among `dtypes`; 0 when none is floating.

    Products of float32 matrices are coarser where the platform's default precision is.
    """
    floating = [d for d in dtypes if jnp.issubdtype(d, jnp.inexact)]
    found = max((_eps(d) for d in floating), default=0.0)
    if floating and longest > 1 and jax.config.values["jax_default_matmul_precision"] is None:
        found = max(found, _MATMUL_EPSILON.get(jax.default_backend(), 0.0))
    return found


def _eps(dtype: Any) -> float:
    finfo: Any = jnp.finfo
    return float(finfo(dtype).eps)


def words(correct: Correct) -> str:
    """Why an arm with wrong results is not timed."""
    far = "" if correct.max_ulp is None else f", by up to {correct.max_ulp:.3g} eps of the largest"
    return f"gives wrong values: {correct.wrong:,} of {correct.count:,} elements{far}"
