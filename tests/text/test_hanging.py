"""Lines that are folded stay in their columns, and lose nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jaxtui.text.hanging import hanging


def test_the_rest_of_a_line_stands_below_its_last_column() -> None:
    text = (
        "loop      the same but for rounding, at most 4 eps\n"
        "vmap      the same\n"
        "    code(of, a, b, c, long, line)"
    )
    assert hanging(text, 26) == (
        "loop      the same but for\n"
        "          rounding, at\n"
        "          most 4 eps\n"
        "vmap      the same\n"
        "    code(of, a, b, c,\n"
        "        long, line)"
    )


@given(st.lists(st.text("ab =,·", max_size=50)).map("\n".join), st.integers(8, 40))
def test_no_line_is_too_long_and_no_character_is_lost(text: str, width: int) -> None:
    folded = hanging(text, width)
    assert all(len(line) <= width or not line.strip() for line in folded.split("\n"))
    assert "".join(folded.split()) == "".join(text.split())
