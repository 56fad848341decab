"""The names that only values know: functions that make inputs, and short names of dtypes."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.session.short_dtypes import FULL_NAMES
from jaxtui.text import dtypes


def helpers(find: Callable[[str], Path]) -> dict[str, Any]:
    """The helpers by name; `find` gives the path of a file that a value names."""

    def load(file: str) -> Any:
        # Mapped, not read: a shape costs no more for a large file.
        return np.load(find(file), mmap_mode="r", allow_pickle=False)

    made = (normal, uniform, randint, keys, load, struct)
    return {**short_dtypes(), **{f.__name__: f for f in made}}


def normal(*shape: int, seed: int = 0, dtype: Any = float) -> jax.Array:
    """Normally distributed elements."""
    return jax.random.normal(jax.random.key(seed), shape, _dtype(dtype))


def uniform(
    *shape: int, seed: int = 0, minval: float = 0.0, maxval: float = 1.0, dtype: Any = float
) -> jax.Array:
    """Elements from `minval` up to `maxval`, all as likely."""
    return jax.random.uniform(jax.random.key(seed), shape, _dtype(dtype), minval, maxval)


def randint(
    *shape: int, seed: int = 0, minval: int = 0, maxval: int = 10, dtype: Any = int
) -> jax.Array:
    """Integers from `minval` up to, but not including, `maxval`."""
    return jax.random.randint(jax.random.key(seed), shape, minval, maxval, _dtype(dtype))


def keys(n: int, seed: int = 0) -> jax.Array:
    """An array of `n` PRNG keys."""
    return jax.random.split(jax.random.key(seed), n)


def struct(
    shape: int | tuple[int, ...], dtype: Any = float, *, weak_type: bool = False
) -> jax.ShapeDtypeStruct:
    """An array of which only the shape and dtype are given.

    `dtype` may also be a short name, such as "bf16", or that of a kind of PRNG key, such as
    "key<fry>". Raises TypeError for a shape or dtype that is none, ValueError for a negative size.
    """
    sizes = tuple(map(operator.index, shape if isinstance(shape, tuple | list) else (shape,)))
    if any(size < 0 for size in sizes):
        raise ValueError(f"a shape has no negative sizes: {sizes}")
    if isinstance(dtype, str) and dtypes.is_key(dtype):
        kind = dtype.removeprefix("key<").removesuffix(">")
        names = {"fry": "threefry2x32", "rbg": "rbg", "urbg": "unsafe_rbg"}
        one = jax.eval_shape(functools.partial(jax.random.key, impl=names.get(kind, kind)), 0)
        return jax.ShapeDtypeStruct(sizes, one.dtype)
    found = jax.dtypes.canonicalize_dtype(_dtype(dtype))
    return jax.ShapeDtypeStruct(sizes, found, weak_type=weak_type)


def _dtype(dtype: Any) -> Any:
    """`dtype`, or the one that a short name means. Raises TypeError for a name that means none."""
    if not isinstance(dtype, str):
        return dtype
    try:
        return short_dtypes().get(dtype) or jnp.dtype(dtype)
    except TypeError:
        raise TypeError(f"{dtype!r} is no dtype, such as 'bfloat16' or 'bf16'") from None


@functools.cache
def short_dtypes() -> dict[str, Any]:
    """The scalar types of jax.numpy by the short names of their dtypes, as far as JAX has them."""
    found = ((short, getattr(jnp, name, None)) for short, name in FULL_NAMES.items())
    return {short: kind for short, kind in found if kind is not None}
