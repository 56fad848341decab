"""Devices that are shared out equally."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jaxtui.session.shares import nearest, unequal


@given(count=st.integers(-3, 200), among=st.integers(1, 40))
def test_the_nearest_number_can_be_shared_out(count: int, among: int) -> None:
    fix = nearest(count, among)
    assert not unequal(int(fix.text), among)
    if not unequal(count, among):
        assert int(fix.text) == count


def test_the_words_name_what_there_is() -> None:
    assert unequal(1, 2) == "1 device cannot be shared out among 2 processes"
    assert unequal(5, 2, "hosts") == "5 devices cannot be shared out among 2 hosts"
    assert unequal(0, 2)
