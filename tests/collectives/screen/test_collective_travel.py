"""How the data travels, as a picture of each step."""

from __future__ import annotations

import pytest

from jaxtui.collectives.screen.travel_picture import TravelPicture, positive
from jaxtui.collectives.travel import model as travel
from jaxtui.screen.cells import text_of, width_of
from jaxtui.text.signs import in_ascii
from tests.support import made_collectives as made

NAMES = tuple(str(i) for i in range(8))


def picture(
    algorithm: str, operation: str, values: list, options: dict | None = None, made_of: str = ""
) -> TravelPicture:
    shape = [len(values), len(values[0])]
    found = travel.follow(
        algorithm, operation, values, shape, "float32", [list(range(len(values)))], options
    )
    return TravelPicture(found, "float32", NAMES[: len(values)], made_of)


RING = picture("ring all-reduce", "psum", made.SQUARE, made_of="sum")
GATHER = picture("ring all-gather", "all_gather", made.PAIRS)
DOUBLING = picture("recursive doubling", "psum", made.PAIRS, made_of="sum")
ROTATION = picture("rotation", "all_to_all", made.SQUARE, {"split_axis": 0, "concat_axis": 0})
RING_PERM = [(i, (i + 1) % 8) for i in range(8)]
PERM = picture("permutation", "ppermute", made.PAIRS, {"perm": RING_PERM})
ALL = [RING, GATHER, DOUBLING, ROTATION, PERM]


def text(shown: TravelPicture, step: int, width: int = 120) -> list[str]:
    return [text_of(line).rstrip() for line in shown.lines(step, width)]


def test_a_step_names_who_sends_what_to_whom_and_marks_what_came() -> None:
    lines = text(GATHER, 1)
    assert "→ 1 block 0" in lines[1]
    assert "[ 0.  1.]" in lines[2]
    assert "[" not in text(GATHER, 0)[2]


def story(shown: TravelPicture, step: int, most: int, width: int = 120) -> list[str]:
    return [text_of(line).rstrip() for line in shown.story(step, most, width)]


def test_steps_below_each_other_are_the_steps_alone() -> None:
    whole = story(DOUBLING, 2, most=10)
    assert len(whole) == 4 * 10 - 1
    for step in range(4):
        heading, *rows = whole[step * 10 : step * 10 + 9]
        assert rows == text(DOUBLING, step)[1:]
        assert heading.startswith("▸" if step == 2 else " ")
        assert f" step {step}" in heading if step else "before" in heading
        assert heading[9:] == text(DOUBLING, step)[0][9:]


@pytest.mark.parametrize("step", range(15))
def test_of_many_steps_those_around_the_one_at_hand_are_shown(step: int) -> None:
    shown = story(RING, step, most=4)
    assert len(shown) == 4 * 10 - 1
    (here,) = [line for line in shown if line.startswith("▸")]
    assert here.split()[1:][:2] == (["step", str(step)] if step else ["before", "block"])
    assert max(map(len, shown)) <= 120


def test_a_sum_says_of_how_many_devices_it_is() -> None:
    assert "(4)" in text(RING, 3)[1]
    assert "(3) the sum of 3 devices so far" in RING.legend(120)
    assert "(3)" not in GATHER.legend(120)


def test_where_values_have_no_room_signs_stand_for_them() -> None:
    narrow = text(GATHER, 1, 80)
    assert "■" in narrow[1]
    assert "[" in narrow[2]
    assert "#" in in_ascii(narrow[1])


@pytest.mark.parametrize("shown", ALL)
@pytest.mark.parametrize("width", [60, 80, 120])
def test_every_line_of_every_step_fits(shown: TravelPicture, width: int) -> None:
    for step in range(shown.last + 1):
        for line in shown.lines(step, width):
            assert width_of(line) == width


@pytest.mark.parametrize("shown", ALL)
def test_every_step_is_ascii_when_asked_for(shown: TravelPicture) -> None:
    for step in range(shown.last + 1):
        assert all(in_ascii(line).isascii() for line in text(shown, step, 100))
    assert in_ascii(shown.legend(100)).isascii()


def test_nothing_shifts_between_steps() -> None:
    starts = {text(DOUBLING, step)[1].index(".") for step in range(DOUBLING.last + 1)}
    assert len(starts) == 1


def test_blocks_without_elements_are_left_out_and_counted() -> None:
    few = picture("ring all-reduce", "psum", made.PAIRS, made_of="sum")
    assert few.columns == [3, 7]
    assert few.empty == 6
    assert "block 0" not in "\n".join(text(few, 1))


def test_the_last_step_is_compared_with_the_result() -> None:
    assert DOUBLING.agrees([[56.0, 64.0]] * 8)
    assert not DOUBLING.agrees([[56.0, 65.0]] * 8)
    assert not DOUBLING.agrees([[56.0]] * 8)
    assert PERM.agrees([made.PAIRS[-1], *made.PAIRS[:-1]])


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "inf"])
def test_only_positive_numbers_are_latencies(text: str) -> None:
    assert positive(text) is None
