"""What can be typed to find an element."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.results import condition
from jaxtui.results.condition import Condition


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("nan", Condition(name="nan")),
        (" NaN ", Condition(name="nan")),
        ("= nan", Condition(name="nan")),
        ("+inf", Condition(name="inf")),
        ("-inf", Condition(name="-inf")),
        ("max", Condition(name="max")),
        ("3", Condition(number=3)),
        ("== 3", Condition(number=3)),
        ("!= 0", Condition(operator="!=", number=0)),
        (">0.5", Condition(operator=">", number=0.5)),
        ("<= -1e-3", Condition(operator="<=", number=-1e-3)),
        ("1 + 2j", Condition(number=1 + 2j)),
        ("true", Condition(number=1)),
    ],
)
def test_what_is_typed_is_what_is_meant(text: str, meant: Condition) -> None:
    assert condition.parse(text) == meant
    assert condition.index(text) is None


@pytest.mark.parametrize("text", ["", ">", "about 3", "> > 3", "!= nan", "x"])
def test_what_cannot_be_read_says_what_can_be_typed(text: str) -> None:
    with pytest.raises(ValueError, match=r"max, min, > 0\.5"):
        condition.parse(text)


@given(st.lists(st.integers(-9, 10**9), min_size=2, max_size=5))
def test_numbers_between_commas_are_an_index(numbers: list[int]) -> None:
    joined = ", ".join(map(str, numbers))
    assert condition.index(joined) == numbers
    assert condition.index(f"[{joined}]") == numbers


def test_a_single_number_is_an_index_only_in_brackets_or_with_a_comma() -> None:
    assert condition.index("7") is None
    assert condition.index("[7]") == [7]
    assert condition.index("7,") == [7]
