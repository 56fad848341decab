"""Shades follow the elements, whatever their range."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from jaxtui.results.screen.heat import LEVELS, Scale, density, magnitude, odd_mark
from jaxtui.text.signs import in_ascii

finite = st.floats(allow_nan=False, allow_infinity=False)
ranges = st.tuples(finite, finite).map(sorted)
SIGNS = " ░▒▓█"


@given(ranges, st.data())
def test_a_greater_element_never_has_a_lower_level(bounds, data):
    low, high = bounds
    scale = Scale(low, high)
    least, most = sorted(data.draw(st.tuples(st.floats(low, high), st.floats(low, high))))
    assert -LEVELS <= scale.level(least) <= scale.level(most) <= LEVELS


@given(ranges.filter(lambda bounds: bounds[0] < bounds[1]))
def test_the_greatest_magnitude_has_the_strongest_shade(bounds):
    low, high = bounds
    scale = Scale(low, high)
    assert max(abs(scale.level(low)), abs(scale.level(high))) == LEVELS
    if not scale.diverging:
        assert scale.level(low) == 0


@given(ranges, finite)
def test_signs_take_two_characters_and_negative_ones_say_so(bounds, value):
    scale = Scale(*bounds)
    text = density(scale, value)
    assert len(text) == 2
    assert text.startswith("-") == (scale.diverging and value < 0)
    plain = in_ascii(text)
    assert plain.isascii()
    assert len(plain) == 2


def test_denser_signs_are_of_greater_elements():
    scale = Scale(0.0, 1.0)
    weights = [sum(map(SIGNS.index, density(scale, step / 100))) for step in range(101)]
    assert weights == sorted(weights)
    assert (weights[0], weights[-1]) == (0, 8)


def test_what_has_no_place_on_the_scale_has_a_mark_of_its_own():
    assert [in_ascii(odd_mark(x)) for x in (math.nan, math.inf, -math.inf, None)] == [
        "xx",
        "+i",
        "-i",
        "xx",
    ]
    assert len({odd_mark(x) for x in (math.nan, math.inf, -math.inf)}) == 3


def test_the_magnitude_of_a_cell():
    assert magnitude([3.0, -4.0]) == 5.0
    assert magnitude(True) == 1.0
    assert math.isnan(magnitude("nan") or 0.0)
    assert magnitude("a text") is None
    assert magnitude(10**400) is None
