"""What the names of dtypes say agrees with NumPy, ml_dtypes and JAX."""

from __future__ import annotations

import math
from decimal import Decimal

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from jaxtui.text import dtypes

FLOATS = ["float16", "bfloat16", "float32", "float64"]
FLOATS += ["float8_e4m3fn", "float8_e5m2", "float8_e4m3b11fnuz", "float8_e5m2fnuz"]
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
ARRAYS = [*FLOATS, *INTEGERS, "complex64", "complex128", "bool", "int4", "uint4"]


@pytest.mark.parametrize("name", ARRAYS)
def test_the_short_form_is_jaxs_own(name: str) -> None:
    aval = jax.core.ShapedArray((2,), jnp.dtype(name))
    assert f"{dtypes.short(name)}[2]" == aval.str_short(short_dtypes=True)


@pytest.mark.parametrize("name", ["key<fry>", "key<rbg>", "str", "int", "float", "NoneType"])
def test_names_that_have_no_short_form_stay_as_they_are(name: str) -> None:
    assert dtypes.short(name) == name


@pytest.mark.parametrize("name", [name for name in ARRAYS if name not in ("int4", "uint4")])
def test_the_bits_are_those_of_an_element_in_memory(name: str) -> None:
    assert dtypes.bits(name) == 8 * jnp.dtype(name).itemsize


@pytest.mark.parametrize(
    ("name", "bits"),
    [("int4", 4), ("uint4", 4), ("float4_e2m1fn", 4), ("str", None), ("int", None)],
)
def test_elements_may_be_smaller_than_a_byte_or_of_no_known_size(
    name: str, bits: int | None
) -> None:
    assert dtypes.bits(name) == bits


@pytest.mark.parametrize("kind", ["threefry2x32", "rbg", "unsafe_rbg"])
def test_a_key_has_the_bits_of_its_data(kind: str) -> None:
    key = jax.random.key(0, impl=kind)
    name = str(key.dtype)
    assert dtypes.is_key(name)
    assert dtypes.bits(name) == 8 * jax.random.key_data(key).nbytes


@pytest.mark.parametrize(
    ("name", "family"),
    [
        *((name, "float") for name in FLOATS),
        *((name, "integer") for name in INTEGERS),
        *(("complex64", "complex"), ("bool", "bool"), ("key<fry>", "text"), ("str", "text")),
        *(("int", "text"), ("float", "text")),
    ],
)
def test_dtypes_are_told_apart_by_their_family(name: str, family: str) -> None:
    assert dtypes.family(name) == family


@pytest.mark.parametrize("name", FLOATS)
def test_the_significand_is_that_of_the_dtype(name: str) -> None:
    assert dtypes.significand_bits(name) == ml_dtypes.finfo(jnp.dtype(name)).nmant + 1


def digits(value: float) -> int:
    return len(Decimal(repr(value)).normalize().as_tuple().digits)


def rounded(value: float | Decimal, name: str) -> float:
    """The number as an element of a dtype."""
    with np.errstate(all="ignore"):
        return float(np.float64(value).astype(jnp.dtype(name)))


def shortest_by_trial(value: float, name: str) -> Decimal:
    """The nearest of the decimals with the fewest digits that become `value` again."""
    exact = Decimal(value)
    for places in range(17):
        nearest = Decimal(f"{value:.{places}e}")
        unit = Decimal(1).scaleb(nearest.adjusted() - places)
        near = sorted((nearest - unit, nearest, nearest + unit), key=lambda x: abs(x - exact))
        for candidate in near:
            if rounded(candidate, name) == value:
                return candidate
    raise AssertionError(f"{value} is no {name}")


NARROW = [name for name in FLOATS if name not in ("float32", "float64")]
NARROW += ["float8_e4m3", "float8_e3m4", "float8_e4m3fnuz"]


@pytest.mark.parametrize("name", NARROW)
def test_the_shortest_number_gives_every_narrow_element_back(name: str) -> None:
    kind = jnp.dtype(name)
    with np.errstate(all="ignore"):
        words = np.arange(1 << 8 * kind.itemsize, dtype=f"u{kind.itemsize}").view(kind)
        elements = {float(x) for x in words.astype(np.float64) if math.isfinite(x)}
    for element in elements:
        short = dtypes.shortest(element, name)
        assert rounded(short, name) == element
        assert dtypes.shortest(-element, name) == -short
    for element in sorted(elements)[:: max(1, len(elements) // 2000)]:
        short, tried = dtypes.shortest(element, name), shortest_by_trial(element, name)
        written, exact = Decimal(repr(short)), Decimal(element)
        assert digits(short) == digits(float(tried))
        assert abs(written - exact) == abs(tried - exact)  # two may be equally near


@example(36550472.0)  # 36550470 lies in the middle, and is rounded to the even one
@example(2.0**-96)  # above a power of two there is more room than below it
@example(2.0**-149)  # the least of all
@example(2.0**-126)  # the least with a whole significand: elements below are not closer
@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_number_of_a_float32_is_numpys(value: float) -> None:
    short = dtypes.shortest(value, "float32")
    assert np.float32(short) == np.float32(value)
    assert short == float(str(np.float32(value)))


@given(st.floats(allow_nan=False))
def test_a_float64_is_its_own_shortest_number(value: float) -> None:
    assert dtypes.shortest(value, "float64") == value
