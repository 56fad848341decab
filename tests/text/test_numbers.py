"""Numbers line up, mean what they say, and never jump."""

from __future__ import annotations

import math
import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.text import numbers
from jaxtui.text.dtypes import shortest
from jaxtui.text.number_formats import Text
from jaxtui.text.numbers import Extent, Style, choose, extent_of

FLOATS = ("float64", "float32", "bfloat16", "float8_e4m3fn")
finite = st.floats(allow_nan=False, allow_infinity=False)
styles = st.builds(
    Style,
    notation=st.sampled_from(numbers.NOTATIONS["float"]),
    digits=st.none() | st.integers(1, 17),
)


def single(value: float) -> float:
    """The shortest decimal of the nearest float32, as the engine sends it."""
    try:
        nearest = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        nearest = math.copysign(3.4028235e38, value)
    return float(next(t for n in range(1, 10) if same_single(t := f"{nearest:.{n - 1}e}", nearest)))


def same_single(text: str, nearest: float) -> bool:
    try:
        return bool(struct.pack("f", float(text)) == struct.pack("f", nearest))
    except OverflowError:
        return False


def bounds(values: list[float]) -> Extent:
    """What a summary says of the values: their range, not the values themselves."""
    known = extent_of(values, "float64")
    return Extent(low=known.low, high=known.high, non_finite=known.non_finite)


def slack(value: float) -> Fraction:
    """A text in full stands for its double, of which it need not be the very decimal."""
    return Fraction(math.ulp(value)) / 2


@given(st.lists(st.floats(), min_size=1), st.sampled_from(FLOATS), styles, st.booleans())
def test_every_text_of_an_array_has_the_width_of_its_format(values, dtype, style, complete):
    extent = extent_of(values, dtype, complete=True) if complete else bounds(values)
    chosen = choose(dtype, extent, style)
    assert {len(chosen.text(value)) for value in values} == {chosen.width}


@given(st.lists(finite, min_size=1), styles, st.booleans())
def test_text_reads_back_within_half_of_its_last_digit(values, style, complete):
    extent = extent_of(values, "float64", complete=True) if complete else bounds(values)
    chosen = choose("float64", extent, style)
    for value in values:
        text = chosen.text(value)
        assert "#" not in text
        mantissa, _, exponent = text.strip().partition("e")
        decimals = len(mantissa.partition(".")[2])
        last_digit = Fraction(10) ** (int(exponent or 0) - decimals)
        assert abs(Fraction(text.strip()) - Fraction(value)) <= last_digit / 2 + slack(value)


@given(st.lists(finite.map(single), min_size=1), st.booleans())
def test_full_precision_gives_every_element_back(values, complete):
    extent = extent_of(values, "float32", complete=True) if complete else bounds(values)
    chosen = choose("float32", extent, Style("full"))
    assert [float(chosen.text(value)) for value in values] == values


@given(st.lists(finite, min_size=1), st.data())
def test_points_are_all_in_one_column(values, data):
    notation = data.draw(st.sampled_from(["auto", "fixed", "scientific"]))
    chosen = choose("float64", bounds(values), Style(notation, 3))
    places = {chosen.text(value).find(".") for value in values} - {-1}
    assert len(places) <= 1


@given(st.lists(finite, min_size=2), styles, st.data())
def test_a_window_inside_the_range_never_changes_the_format(values, style, data):
    window = data.draw(st.lists(st.sampled_from(values), min_size=1))
    whole = bounds(values)
    assert choose("float32", whole.merge(extent_of(window, "float32")), style) == choose(
        "float32", whole, style
    )


@given(finite, finite, st.integers(1, 17), st.sampled_from(numbers.NOTATIONS["float"]))
def test_an_element_outside_of_the_said_range_still_keeps_the_width(known, stray, digits, notation):
    chosen = choose("float64", Extent(low=known, high=known), Style(notation, digits))
    text = chosen.text(stray)
    assert len(text) == chosen.width
    if "#" not in text and stray:
        assert math.copysign(1, float(text)) == math.copysign(1, stray)


@given(st.lists(st.integers(-(2**63), 2**64 - 1), min_size=1))
def test_integers_are_written_in_full_and_end_in_one_column(values):
    chosen = choose("int64", Extent(low=min(values), high=max(values)), Style())
    assert [int(chosen.text(value)) for value in values] == values
    assert all(not chosen.text(value).endswith(" ") for value in values)
    assert {len(chosen.text(value)) for value in values} == {chosen.width}


@given(st.lists(st.integers(-128, 127), min_size=1))
def test_hexadecimal_is_the_bits_of_the_element(values):
    chosen = choose("int8", extent_of(values, "int8"), Style("hex"))
    assert [int(chosen.text(value), 16) for value in values] == [value % 256 for value in values]
    assert chosen.width == 4


@given(st.lists(st.tuples(st.floats(), st.floats()), min_size=1), styles, st.booleans())
def test_complex_numbers_keep_the_width_and_a_sign_between_their_parts(values, style, complete):
    cells = [list(value) for value in values]
    chosen = choose("complex128", extent_of(cells, "complex128", complete), style)
    for cell in cells:
        text = chosen.text(cell)
        assert len(text) == chosen.width
        assert text.endswith("j")
        assert "#" not in text


@given(st.lists(st.tuples(finite, finite), min_size=1))
def test_full_complex_numbers_read_back(values):
    cells = [list(value) for value in values]
    chosen = choose("complex128", extent_of(cells, "complex128", complete=True), Style("full"))
    for real, imaginary in values:
        assert complex(chosen.text([real, imaginary]).replace(" ", "")) == complex(real, imaginary)


@given(st.text(), st.integers(1, 30))
def test_text_is_one_line_of_the_width_it_says(text, width):
    written = Text(width).text(text)
    assert len(written) == width
    assert written.isprintable()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([5.0, 11.0, 39.0, 53.0], [" 5.", "11.", "39.", "53."]),
        ([0.5, -1.25, 3.0], [" 0.5 ", "-1.25", " 3.  "]),
        ([0.1, 1 / 3], ["0.1    ", "0.33333"]),
        ([-0.0, 1.0], ["-0.", " 1."]),
        ([1.0, math.nan, -math.inf], ["  1.", " nan", "-inf"]),
        ([1e-12, 1.0], ["1.e-12", "1.e+00"]),
        ([1.5e20, -2.0], [" 1.5e+20", "-2.0e+00"]),
        ([1.0, 9.9999999], [" 1.    ", "10.0000"]),
    ],
)
def test_a_small_array_shows_the_digits_that_it_has_and_no_more(values, expected):
    chosen = choose("float32", extent_of(values, "float32", complete=True), Style())
    assert [chosen.text(value) for value in values] == expected


def test_zeros_at_the_end_say_that_digits_were_rounded_away():
    chosen = choose("float32", Extent(low=0.0, high=1.0), Style())
    assert chosen.text(0.3).strip() == "0.3"
    assert chosen.text(0.30000001).strip() == "0.3000"
    assert chosen.text(0.0).strip() == "0."
    assert chosen.text(1e-9).strip() == "0.0000"


@pytest.mark.parametrize(
    ("dtype", "digits"),
    [("float64", 17), ("float32", 9), ("float16", 5), ("bfloat16", 4), ("float8_e5m2", 2)],
)
def test_no_more_digits_are_shown_than_the_dtype_knows(dtype, digits):
    for notation in ("auto", "fixed", "scientific"):
        chosen = choose(dtype, Extent(low=0.0, high=1.5), Style(notation, 17))
        text = chosen.text(shortest(1.1234567890123456, dtype))
        assert len(text.strip().partition("e")[0].replace(".", "")) <= digits


def test_huge_ranges_are_scientific():
    assert choose("float32", Extent(low=7e-28, high=1.0), Style()).text(7e-28) == "7.0000e-28"
    assert choose("float32", Extent(low=-1e30, high=2.0), Style()).text(2.0).strip() == "2.0000e+00"
    assert choose("float32", Extent(low=1e-7, high=1.0), Style()).text(0.5).strip() == "0.5"


def test_small_elements_keep_their_digits_beside_large_ones():
    extent = Extent(low=-2.5, high=12350.0)
    fixed = choose("bfloat16", extent, Style("fixed"))
    assert [fixed.text(value) for value in (12350.0, 0.334, -2.5)] == [
        "12350.    ",
        "    0.3340",
        "   -2.500 ",
    ]


def test_more_and_fewer_digits_are_the_users_choice():
    extent = Extent(low=0.0, high=1.0)
    assert choose("float64", extent, Style("fixed", 2)).text(1 / 3).strip() == "0.33"
    assert choose("float64", extent, Style("auto", 8)).text(1 / 3).strip() == "0.3333333"
    assert choose("float64", extent, Style("scientific", 2)).text(1 / 3).strip() == "3.3e-01"


def test_the_words_of_json_for_what_is_not_finite_are_numbers_here():
    chosen = choose("float32", extent_of(["nan", 1.0, "-inf"], "float32"), Style())
    texts = [chosen.text(cell).strip() for cell in ("nan", "-inf", math.inf)]
    assert texts == ["nan", "-inf", "inf"]


def test_booleans_differ_by_letter_and_keys_keep_both_ends():
    assert [choose("bool", Extent(), Style()).text(cell) for cell in (True, False)] == ["T", "F"]
    key = "0123456789abcdef" * 2
    chosen = choose("key<rbg>", extent_of([key], "key<rbg>"), Style())
    assert chosen.text(key) == "012345678…89abcdef"
    assert choose("key<rbg>", extent_of([key], "key<rbg>"), Style("full")).text(key) == key


def test_the_value_in_full_has_every_digit():
    assert numbers.full_text(0.1, "float32") == "0.1"
    assert numbers.full_text("nan", "float32") == "nan"
    assert numbers.full_text([0.5, -0.0], "complex64") == "0.5-0.0j"
    assert numbers.full_text(True, "bool") == "True"
    assert numbers.full_text("'text'", "str") == "'text'"


def test_figures_of_a_summary_are_short_and_integers_whole():
    assert [numbers.statistic(x) for x in (27.0, 19.924859, 2**53, 1e-9)] == [
        "27",
        "19.925",
        "9007199254740992",
        "1e-09",
    ]
