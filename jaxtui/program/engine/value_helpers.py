"""The names that only values know: functions that make inputs, and short names of dtypes."""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import itertools
import operator
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxtui.program.engine import value_files
from jaxtui.session.short_dtypes import FULL_NAMES
from jaxtui.text import dtypes

SUFFIXES = (".npy", ".npz", ".safetensors")
MOST_LISTED = 10_000  # files of a folder that are looked at


class NoSuchFile(FileNotFoundError):
    """A file that a value names and that is not there; `near` are the names of some that are."""

    def __init__(self, message: str, name: str, near: list[str]) -> None:
        super().__init__(message)
        self.name = name
        self.near = near


def helpers(find: Callable[[str], Path], places: Sequence[str]) -> dict[str, Any]:
    """The helpers by name.

    `find` gives the path of a file that a value names, and raises FileNotFoundError; `places` are
    the folders that it looks in.
    """

    def load(file: str | os.PathLike[str], *, nested: bool | str = False) -> Any:
        try:
            path = find(os.fspath(file))
        except FileNotFoundError as error:
            raise NoSuchFile(str(error), os.fspath(file), _near(file, places)) from error
        return value_files.load(path, nested=nested)

    made = (normal, uniform, randint, keys, load, struct)
    return {**short_dtypes(), **{f.__name__: f for f in made}}


def _near(file: str | os.PathLike[str], places: Sequence[str]) -> list[str]:
    """The names of files like `file`, as a value would name them, the nearest first."""
    named = Path(file)
    known: dict[str, None] = {}
    for place in places:
        with contextlib.suppress(OSError):
            for there in itertools.islice((Path(place) / named).parent.iterdir(), MOST_LISTED):
                if there.suffix in SUFFIXES or (not named.suffix and there.is_dir()):
                    known[str(named.parent / there.name)] = None
    return difflib.get_close_matches(str(named), list(known), n=3, cutoff=0.5)


def with_file(text: str, old: str, new: str) -> str | None:
    """`text` with the file `new` in place of the first `old`; None if it does not name that."""
    text = text.strip()
    for node in ast.walk(ast.parse(text, mode="eval")):
        if isinstance(node, ast.Constant) and node.value == old:
            segment = ast.get_source_segment(text, node)
            return text.replace(segment, repr(new), 1) if segment else None
    return None


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
