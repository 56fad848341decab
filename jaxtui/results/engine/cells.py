"""Elements as plain data: for JSON (`nested`) and for the screen (`cells`)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxtui.text import dtypes

Sort = Literal["bool", "integer", "float", "complex", "key", "text"]


def sort_of(dtype: Any) -> Sort:
    """What kind of element a dtype has; "text" is whatever is shown as text only."""
    if jnp.issubdtype(dtype, jax.dtypes.prng_key):
        return "key"
    if dtype == np.bool_:
        return "bool"
    if jnp.issubdtype(dtype, jnp.integer):
        return "integer"
    if jnp.issubdtype(dtype, jnp.floating) and dtype != np.longdouble:
        return "float"
    if jnp.issubdtype(dtype, jnp.complexfloating) and dtype != np.clongdouble:
        return "complex"
    # Where long double is double, NumPy has one dtype with two names.
    same: dict[str, Sort] = {"float64": "float", "complex128": "complex"}
    return same.get(np.dtype(dtype).name, "text")


def nested(array: np.ndarray[Any, Any], sort: Sort) -> Any:
    """`array.tolist()` as JSON has it: complex as [re, im], non-finite as "nan", "inf", "-inf"."""
    array = _elements(array, sort)
    values = array.tolist()
    if sort in ("float", "complex"):
        with np.errstate(all="ignore"):  # of signalling NaNs
            named = not np.isfinite(array).all()
        return _named(values) if named else values
    return values


def cells(array: np.ndarray[Any, Any], sort: Sort) -> list[list[Any]]:
    """The rows of a two-dimensional array (for keys: with their words as a third dimension)."""
    array = _elements(array, sort)
    if sort in ("float", "complex"):
        array = shortest(array)
    rows: list[list[Any]] = array.tolist()
    return rows


def key_text(words: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Key data, uint32 (..., words), as strings of 8 hexadecimal digits a word."""
    shape = words.shape[:-1]
    text = np.empty(shape, dtype=object)
    big_endian = np.ascontiguousarray(words.astype(">u4"))
    for position in np.ndindex(*shape):
        text[position] = big_endian[position].tobytes().hex()
    return text


def shortest(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """`array`, of a float dtype, as float64 of which each has the fewest digits that give it back.

    The digits are those of `jaxtui.text.dtypes.shortest`.
    """
    if array.dtype == np.float64:
        return array
    out = np.empty(array.shape, dtype=np.float64)
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):  # of signalling NaNs
        if array.dtype == np.float32:
            # NumPy writes float32 with the same digits, sooner.
            out.reshape(-1)[:] = [float(str(value)) for value in flat]
        else:
            name = array.dtype.name
            # Zeros are not remembered: they are equal whatever their sign.
            out.reshape(-1)[:] = [
                value and _shortest_narrow(value, name) for value in flat.tolist()
            ]
    return out


# Above the number of values that all dtypes of 16 bits and less share.
_shortest_narrow = lru_cache(maxsize=100_000)(dtypes.shortest)


def _elements(array: np.ndarray[Any, Any], sort: Sort) -> np.ndarray[Any, Any]:
    """`array` with keys as text, and complex numbers as [re, im] along another dimension."""
    if sort == "key":
        return key_text(array)
    return np.stack([array.real, array.imag], axis=-1) if sort == "complex" else array


def _named(values: Any) -> Any:
    if isinstance(values, list):
        return [_named(value) for value in values]
    if math.isnan(values):
        return "nan"
    if math.isinf(values):
        return "inf" if values > 0 else "-inf"
    return values
