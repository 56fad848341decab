"""The rows of the devices: where elements stand, and what the signs say without any colour."""

from __future__ import annotations

import pytest

from jaxtui.collectives.screen.blocks import MOST, holding, plan
from jaxtui.collectives.screen.rows import ElementPlace, RowsLayout, layout
from jaxtui.screen.cells import text_of
from jaxtui.text.signs import in_ascii
from tests.support import made_collectives as made

LABELS = [f"{i}  cpu" for i in range(8)]
PAIRS, SQUARE = holding(made.output(made.PAIRS)), holding(made.output(made.SQUARE))
GATHERED = holding(made.output([made.PAIRS] * 8))


def text(drawn: RowsLayout, cursor: ElementPlace | None = None, *lit: ElementPlace) -> list[str]:
    return [text_of(drawn.line(y, cursor, frozenset(lit))).rstrip() for y in range(drawn.lines)]


def test_before_and_after_stand_side_by_side_and_line_up() -> None:
    drawn = layout(LABELS, PAIRS, PAIRS, 80)
    lines = text(drawn)
    assert len(lines) == 8
    assert lines[0].split() == ["0", "cpu", "0.", "1.", "0.", "1."]
    points = {line.rindex(".") for line in lines}
    assert len(points) == 1


def test_the_heading_says_what_a_block_is() -> None:
    heading = text_of(layout(LABELS, PAIRS, GATHERED, 80).heading(("", "")))
    assert heading.split() == ["device", "before", "f32[2]", "→", "after", "f32[8,", "2]"]


def test_sources_stand_in_brackets_and_the_cursor_in_its_own() -> None:
    lit = [ElementPlace("before", row, 1) for row in range(8)]
    lines = text(layout(LABELS, PAIRS, PAIRS, 80), ElementPlace("after", 3, 1), *lit)
    assert all("[" in line and "]" in line for line in lines)
    assert "[ 7.]" in lines[3]
    assert "▐ 7.▌" in lines[3]
    assert lines[3].startswith("▸")


def test_ascii_rows_are_ascii() -> None:
    drawn = layout(LABELS, PAIRS, GATHERED, 80)
    shown = text(drawn, ElementPlace("after", 2, 3), ElementPlace("before", 1, 1))
    shown.append(text_of(drawn.heading(("", ""))))
    plain = in_ascii("\n".join(shown))
    assert plain.isascii()
    assert "< 3.>" in plain


def test_neighbours_share_one_pair_of_brackets() -> None:
    lit = [ElementPlace("before", 2, element) for element in range(3, 6)]
    lines = text(layout(LABELS, SQUARE, SQUARE, 80), None, *lit)
    assert "[19. 20. 21.]" in lines[2]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_no_line_is_longer_than_the_room_and_nothing_is_lost(width: int) -> None:
    drawn = layout(LABELS, PAIRS, GATHERED, width)
    lines = text(drawn)
    assert all(len(line) <= width for line in lines)
    assert len(drawn.after.plan.at) == 16
    first = " ".join(lines[: drawn.height])
    assert first.count(".") == 2 + 16


def test_two_blocks_of_eight_fit_eighty_columns_in_a_line_each() -> None:
    # On the screen, the rows have a cell of space at either side.
    assert layout(LABELS, SQUARE, SQUARE, 78).height == 1


def test_rows_of_a_block_are_told_apart() -> None:
    assert " 1. │  2. " in text(layout(LABELS, PAIRS, GATHERED, 120))[0]


def test_a_slice_begins_on_a_line_of_its_own() -> None:
    made_plan = plan((2, 2, 3), 2, 100, 12)
    assert [at.line for at in made_plan.at] == [0] * 6 + [1] * 6


def test_a_folded_row_says_how_much_is_hidden_and_whether_a_source_is() -> None:
    drawn = layout(LABELS, GATHERED, PAIRS, 40, fold=2)
    hidden = GATHERED.size - drawn.before.places
    plain = text(drawn)
    assert f"… {hidden} more" in plain[1]
    assert f"[… {hidden} more]" in text(drawn, None, ElementPlace("before", 0, 15))[1]


def test_large_blocks_show_their_beginning() -> None:
    large = holding(made.output([[0.0] * (MOST + 5)] * 2))
    drawn = layout(LABELS[:2], large, PAIRS, 120)
    assert drawn.before.plan.hidden == 5
    assert "… 5 more" in text(drawn)[drawn.height - 1]


def test_values_that_were_not_sent_and_empty_blocks_are_said() -> None:
    sent = made.output(made.PAIRS)
    not_sent = holding(type(sent)(**{**_fields(sent), "values": None}))
    empty = holding(type(sent)(**{**_fields(sent), "shape": [8, 0], "values": [[]] * 8}))
    drawn = layout(LABELS, not_sent, empty, 80)
    assert "too many to show" in text(drawn)[0]
    assert "empty" in text(drawn)[0]
    assert drawn.clamped(ElementPlace("after", 0, 0)) is None


def _fields(output: object) -> dict[str, object]:
    return {name: getattr(output, name) for name in output.__struct_fields__}  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------- the cursor


def test_the_cursor_goes_over_to_the_other_side_and_back() -> None:
    drawn = layout(LABELS, PAIRS, PAIRS, 80)
    assert drawn.sideways(ElementPlace("after", 3, 0), -1) == ElementPlace("before", 3, 1)
    assert drawn.sideways(ElementPlace("before", 3, 1), 1) == ElementPlace("after", 3, 0)
    assert drawn.sideways(ElementPlace("before", 3, 0), -1) == ElementPlace("before", 3, 0)


def test_up_and_down_go_through_the_lines_of_blocks() -> None:
    drawn = layout(LABELS, PAIRS, GATHERED, 80)
    there = drawn.vertically(ElementPlace("after", 0, 0), 1)
    assert there.row == 0
    assert drawn.locate(there)[1] == drawn.locate(ElementPlace("after", 0, 0))[1]
    assert drawn.vertically(there, 1) == ElementPlace("after", 1, 0)
    assert drawn.vertically(ElementPlace("before", 7, 0), 1) == ElementPlace("before", 7, 0)


def test_a_click_finds_the_element_under_it() -> None:
    drawn = layout(LABELS, PAIRS, GATHERED, 80)
    for place in (ElementPlace("before", 2, 1), ElementPlace("after", 5, 9)):
        y, x = drawn.locate(place)
        assert drawn.nearest(y, x) == place


def test_a_place_that_is_gone_becomes_the_nearest() -> None:
    drawn = layout(LABELS, PAIRS, PAIRS, 80)
    assert drawn.clamped(ElementPlace("after", 99, 99)) == ElementPlace("after", 7, 1)


# --------------------------------------------------------------------------------- holdings


def test_which_device_holds_a_row_is_read_from_the_shards() -> None:
    assert PAIRS.devices == tuple(range(8))
    assert holding(made.on_one_device(made.PAIRS)).devices == (0,) * 8


def test_an_index_counts_in_row_major_order() -> None:
    assert GATHERED.index(5) == (2, 1)
    assert holding(made.output([1.0, 2.0])).index(0) == ()
