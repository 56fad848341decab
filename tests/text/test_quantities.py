"""Quantities in words: never more digits than are known, never a number that is the next unit."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.text import quantities

SCALES = {"B": 1, **{unit: 1024**power for power, unit in enumerate(("KiB", "MiB", "GiB"), 1)}}
SCALES |= {unit: 1024**power for power, unit in enumerate(("TiB", "PiB", "EiB"), 4)}
TIMES = {unit: scale for scale, unit in quantities.TIME_UNITS}
# Counts near the places where a unit ends are what goes wrong.
BYTES = st.one_of(
    st.integers(0, 2**70),
    st.builds(
        lambda power, over: max(0, 1024**power + over),
        st.integers(1, 6),
        st.integers(-(10**6), 10**6),
    ),
    st.builds(lambda power, share: 1024**power * share // 1000, st.integers(1, 6), st.integers(0)),
)


def parted(text: str) -> tuple[Fraction, str, str]:
    """The number, its digits without zeros before them, and its unit."""
    number, unit = text.split(" ")
    digits = re.sub(r"[-,.]", "", number).lstrip("0")
    return Fraction(number.replace(",", "")), digits, unit


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (1023, "1,023 B"),
        (4096, "4,096 B"),
        (9_999, "9,999 B"),
        (10_000, "9.77 KiB"),
        (10_240, "10 KiB"),
        (1000 * 2**10, "1,000 KiB"),
        (2**20 - 1, "1.00 MiB"),
        (2**20, "1 MiB"),
        (2**20 + 1, "1.00 MiB"),
        (3 * 2**19, "1.5 MiB"),
        (16 * 2**30, "16 GiB"),
        (5 * 2**50, "5 PiB"),
        (2**60 + 1, "1.00 EiB"),
        (2**4000, "over 1,000 EiB"),
    ],
)
def test_bytes_are_told_in_words(count: int, words: str) -> None:
    assert quantities.size(count) == words


@given(BYTES)
def test_bytes_are_right_to_the_last_digit_that_is_written(count: int) -> None:
    if quantities.size(count) == "over 1,000 EiB":
        assert count > 1000 * 2**60
        return
    number, digits, unit = parted(quantities.size(count))
    decimals = len(quantities.size(count).split()[0].partition(".")[2])
    assert abs(number - Fraction(count, SCALES[unit])) <= Fraction(51, 100) / 10**decimals
    if unit == "B":
        assert number == count < 10_000
    else:
        assert number < 1024
        assert len(digits) <= 3 + (number >= 1000)


@given(BYTES)
def test_only_an_exact_count_of_bytes_has_fewer_than_three_digits(count: int) -> None:
    if count >= 10_000 and not quantities.size(count).startswith("over"):
        number, digits, unit = parted(quantities.size(count))
        assert len(digits) >= 3 or number * SCALES[unit] == count


@given(BYTES, BYTES)
def test_more_bytes_never_read_as_fewer(one: int, other: int) -> None:
    few, many = (quantities.size(count) for count in sorted((one, other)))
    if not many.startswith("over"):
        (low, _, small), (high, _, large) = parted(few), parted(many)
        assert low * SCALES[small] <= high * SCALES[large] or few == many


@given(st.integers(0, 2**62))
def test_an_exact_size_is_the_very_count(count: int) -> None:
    number, _, unit = parted(quantities.exact_size(count))
    assert number * SCALES[unit] == count


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 B"), (4092, "4092 B"), (65536, "64 KiB"), (128 * 2**20, "128 MiB")]
)
def test_an_exact_size_is_written_as_one_types_it(count: int, words: str) -> None:
    assert quantities.exact_size(count) == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0771, "77.1 ms"),
        (1.0, "1.00 s"),
        (0.9999, "1.00 s"),
        (12.345, "12.3 s"),
        (123.4, "123 s"),
        (12345.0, "12,300 s"),
        (3.456e-6, "3.46 µs"),
        (5e-8, "50.0 ns"),
        (-0.25, "-250 ms"),
        (0.0, "0 s"),
    ],
)
def test_times_have_units_and_no_more_digits_than_are_known(value: float, words: str) -> None:
    assert quantities.seconds(value) == words


@given(st.floats(1e-9, 949.0), st.integers(1, 4))
def test_a_time_is_never_written_as_a_thousand_of_the_next_unit(value: float, digits: int) -> None:
    number, written, unit = parted(quantities.seconds(value, digits))
    assert 1 <= number < 1000
    assert len(written) == max(digits, len(str(int(number))))
    assert float(number) * TIMES[unit] == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0, "under 0.1 ms"),
        (0.0004, "0.4 ms"),
        (0.00996, "10 ms"),
        (0.0124, "12 ms"),
        (0.9996, "1.0 s"),
        (3.2, "3.2 s"),
        (61.7, "62 s"),
        (3600.0, "3,600 s"),
    ],
)
def test_a_single_run_is_told_no_finer_than_a_wall_clock_knows(value: float, words: str) -> None:
    assert quantities.elapsed(value) == words


@given(st.floats(1e-3, 9.99e5), st.integers(1, 4))
def test_a_number_keeps_its_digits_and_has_no_exponent(value: float, digits: int) -> None:
    text = quantities.significant(value, digits)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.51 * 10 ** (1 - digits))


@pytest.mark.parametrize(
    ("value", "words"), [(0.9999, "1.00"), (1280.4, "1,280"), (0.0, "0"), (float("inf"), "inf")]
)
def test_a_number_is_rounded_before_its_digits_are_counted(value: float, words: str) -> None:
    assert quantities.significant(value) == words


@pytest.mark.parametrize(
    ("share", "words"), [(0.004, "0.4 %"), (-0.004, "-0.4 %"), (0.02, "2 %"), (1.5, "150 %")]
)
def test_a_share_has_a_decimal_only_where_it_is_small(share: float, words: str) -> None:
    assert quantities.percent(share) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [(0.0, "0 "), (12.0, "12.0 "), (999.9, "1.00 k"), (1.234e9, "1.23 G"), (5e15, "5.00 P")],
)
def test_a_large_number_has_its_power_of_a_thousand(number: float, words: str) -> None:
    assert quantities.prefixed(number) == words


@pytest.mark.parametrize(
    ("number", "noun", "words"),
    [(1, "way", "1 way"), (2, "way", "2 ways"), (3, "entry", "3 entries"), (0, "core", "0 cores")],
)
def test_a_noun_is_in_the_plural_but_for_one(number: int, noun: str, words: str) -> None:
    assert quantities.counted(number, noun) == words
