"""The difference between two texts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jaxtui.text import difference as module
from jaxtui.text.difference import ALIKE, difference

LINES = st.lists(st.sampled_from(["a", "b", "c"]), max_size=30)


@given(LINES, LINES)
def test_what_is_marked_is_what_differs(before: list[str], after: list[str]) -> None:
    shown = difference("\n".join(before), "\n".join(after))
    assert (shown == ALIKE) == (before == after)
    if before != after:
        marked = [line for line in shown.split("\n") if line[:1] in ("-", "+")]
        gone = sum(line[0] == "-" for line in marked)
        assert len(before) - gone == len(after) - (len(marked) - gone)


def test_a_change_stands_among_the_lines_around_it() -> None:
    assert difference("a\nb\nc", "a\nx\nc").splitlines() == [" a", "-b", "+x", " c"]


def test_texts_too_long_to_compare_are_shown_as_a_whole() -> None:
    count = module.COMPARED + 1
    old, new = (["same", *(f"{word} {i}" for i in range(count)), "end"] for word in ("a", "b"))
    lines = difference("\n".join(old), "\n".join(new)).splitlines()
    assert len(lines) == 2 * count + 2
    assert (lines[0], lines[1], lines[-2], lines[-1]) == (
        " same",
        "-a 0",
        f"+b {count - 1}",
        " end",
    )
