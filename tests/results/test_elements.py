"""Elements of an array are written alike on the command line and in the array view."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtui.cli.run import finite_or_text
from jaxtui.results.engine import cells as engine_cells
from jaxtui.text import dtypes, numbers, plain

FLOATS = ["float16", "bfloat16", "float32", "float64", "float8_e4m3fn", "float8_e5m2"]
FLOATS += ["float8_e4m3b11fnuz", "float8_e4m3fnuz", "float8_e5m2fnuz"]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (4, 8, 16, 32, 64)]
KEYS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}
ALL = [*FLOATS, *INTEGERS, "bool", "complex64", "complex128"]


@st.composite
def vectors(draw: st.DrawFn, name: str) -> np.ndarray[Any, Any]:
    """One-dimensional arrays of a dtype: any bits, numbers of a like size, or whole ones."""
    count = draw(st.integers(1, 12))
    if name == "bool":
        return np.array(draw(st.lists(st.booleans(), min_size=count, max_size=count)))
    kind = np.dtype(jnp.dtype(name))
    how = draw(st.sampled_from(["bits", "alike", "whole"]))
    if how == "bits" and not name.endswith("int4"):
        size = count * kind.itemsize
        return np.frombuffer(draw(st.binary(min_size=size, max_size=size)), dtype=kind)
    numbers_of = st.integers(0, 7) if how == "whole" or "int" in name else st.floats(0.1, 100)
    found = np.array(draw(st.lists(numbers_of, min_size=count, max_size=count)))
    return found.astype(kind)


def written(array: np.ndarray[Any, Any], name: str) -> tuple[list[str], list[str]]:
    """An array's elements in the text of `jaxtui run`, and in the array view with all digits."""
    sort = engine_cells.sort_of(array.dtype)
    values = finite_or_text(engine_cells.nested(array, sort))
    cells = engine_cells.cells(array[None], sort)[0]
    extent = numbers.extent_of(cells, name, complete=True)
    chosen = numbers.choose(name, extent, numbers.Style(digits=numbers.MAX_DIGITS))
    told = plain.rows(values, 1, name)
    assert plain.array(values, 1, name).strip("[]").split() == " ".join(told).split()
    return told, [chosen.text(cell) for cell in cells]


def same(text: str, element: Any, name: str) -> bool:
    """Whether the text is the element once more when it is read."""
    kind = dtypes.family(name)
    if kind == "bool":
        return text.strip() == ("T" if element else "F")
    if kind == "integer":
        return int(text) == int(element)
    read = complex(text.replace(" ", "")) if kind == "complex" else float(text)
    with np.errstate(all="ignore"):
        again = np.array([read]).astype(np.dtype(jnp.dtype(name)))[0]
        return parts(again) == parts(element)


def parts(element: Any) -> str:
    """Both parts with the signs of their zeros; that of a nan is not written anywhere."""
    value = complex(element)
    return repr([math.nan if math.isnan(part) else part for part in (value.real, value.imag)])


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_both_write_the_same_and_it_gives_the_elements_back(name: str, data: st.DataObject) -> None:
    array = data.draw(vectors(name))
    told, seen = written(array, name)
    assert told == seen
    assert all(same(text, element, name) for text, element in zip(told, array, strict=True))


@pytest.mark.parametrize("name", KEYS)
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_keys_are_their_words(name: str, seed: int) -> None:
    keys = jax.random.split(jax.random.key(seed, impl=KEYS[name]), 3)
    assert str(keys.dtype) == name
    words = np.asarray(jax.random.key_data(keys))
    values = engine_cells.key_text(words).tolist()
    assert engine_cells.cells(words[None], "key")[0] == values
    chosen = numbers.choose(
        name, numbers.extent_of(values, name, complete=True), numbers.Style("full")
    )
    told = plain.rows(values, 1, name)
    assert told == [chosen.text(value) for value in values]
    assert told == [word.tobytes().hex() for word in words.astype(">u4")]


@settings(max_examples=300)
@given(st.lists(st.floats(width=32), min_size=1, max_size=20))
def test_the_engines_digits_of_float32_are_those_of_the_definition(values: list[float]) -> None:
    array = np.array(values, "float32")
    wanted = [dtypes.shortest(float(x), "float32") for x in array]
    assert repr(engine_cells.shortest(array).tolist()) == repr(wanted)


@pytest.mark.parametrize("name", [name for name in FLOATS if jnp.dtype(name).itemsize < 4])
def test_the_engines_digits_of_narrow_floats_are_those_of_the_definition(name: str) -> None:
    kind = np.dtype(jnp.dtype(name))
    array = np.arange(1 << 8 * kind.itemsize, dtype=f"u{kind.itemsize}").view(kind)
    with np.errstate(all="ignore"):
        wanted = [dtypes.shortest(x, name) for x in array.tolist()]
    assert repr(engine_cells.shortest(array).tolist()) == repr(wanted)
