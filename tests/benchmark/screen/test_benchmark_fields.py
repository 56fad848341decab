"""The benchmark's fields as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxtui.benchmark.screen import fields as text
from jaxtui.session.session import Benchmark, SessionError

NAMES = st.sampled_from(["batch", "n", "dtype", "size_2"])
VALUES = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["float32", "bfloat16"]),
)


@given(st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4)))
def test_a_sweep_reads_back_as_it_was(sweep: dict[str, list[int | float | str]]) -> None:
    assert text.sweep(text.sweep_text(sweep)) == sweep


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("", {}),
        ("batch = 16, 64", {"batch": [16, 64]}),
        ("batch=16 64,", {"batch": [16, 64]}),
        ("batch = [16, 64]; n = 8", {"batch": [16, 64], "n": [8]}),
        ("batch = 16, 64, n = 8", {"batch": [16, 64], "n": [8]}),
        ("scale = 0.5, 1e-3", {"scale": [0.5, 0.001]}),
        ("dtype = 'float32', bfloat16", {"dtype": ["float32", "bfloat16"]}),
    ],
)
def test_a_sweep_may_be_typed_in_several_ways(typed: str, meant: object) -> None:
    assert text.sweep(typed) == meant


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("16, 64", "not of the form"),
        ("batch =", "no value of batch"),
        ("batch = 1; batch = 2", "twice"),
        ("for = 1", "cannot be a name"),
        ("2x = 1", "cannot be a name"),
    ],
)
def test_a_sweep_that_cannot_be_read_says_why(typed: str, words: str) -> None:
    with pytest.raises(SessionError, match=words) as found:
        text.sweep(typed)
    assert found.value.field == "benchmark.sweep"


def test_numbers_of_devices_read_back() -> None:
    assert text.devices("1, 2 8") == [1, 2, 8]
    assert text.devices_text([1, 2, 8]) == "1, 2, 8"
    assert text.devices("") == []


@pytest.mark.parametrize("typed", ["two", "0", "-1", "1.5"])
def test_what_is_no_number_of_devices_is_refused(typed: str) -> None:
    with pytest.raises(SessionError):
        text.devices(typed)


@pytest.mark.parametrize("typed", ["many", "0", "2.5"])
def test_what_is_no_number_of_rounds_is_refused(typed: str) -> None:
    with pytest.raises(SessionError):
        text.rounds(typed)


@pytest.mark.parametrize("typed", ["soon", "0", "-3", "inf", "nan"])
def test_what_is_no_number_of_seconds_is_refused(typed: str) -> None:
    with pytest.raises(SessionError):
        text.budget(typed)


def test_what_is_left_empty_is_left_to_the_method() -> None:
    assert text.rounds(" ") is None
    assert text.budget("") is None
    assert text.budget("2.5 s") == 2.5
    assert all(shown == "" for shown in text.texts(Benchmark()).values())


def test_every_text_field_reads_back_what_it_shows() -> None:
    asked = Benchmark(
        sweep={"batch": [1, 2]}, devices=[1, 8], rounds=30, budget=2.5, baseline="vmap"
    )
    for name, shown in text.texts(asked).items():
        assert text.read(name, shown) == getattr(asked, name)
