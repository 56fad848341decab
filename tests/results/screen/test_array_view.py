"""What the array view promises to someone who looks at an array."""

from __future__ import annotations

import asyncio
import math
import sys
import time
from collections.abc import Callable

import pytest

from jaxtui.results.screen.model import MAX_CELLS
from jaxtui.results.screen.view import HOLD, ArrayView
from jaxtui.wire.report import Shard
from jaxtui.wire.results import WindowRead
from tests.support.array_host import ArrayHost, bounds, nested, output, rows_over
from tests.support.painting import painted
from tests.support.tables import one_in

WIDE = (120, 40)
NARROW = (40, 6)


def lines(view: ArrayView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.scrollable_content_region.height)]


def text(view: ArrayView) -> str:
    return "\n".join(lines(view))


def calls_of(action: Callable[[], object]) -> int:
    """How many Python functions `action` calls."""
    calls = 0

    def count(_frame: object, event: str, _arg: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls


def coordinates(*index: int) -> int:
    """An integer that says where it stands: 203 is at [2, 0, 3]."""
    return sum(at * 100**place for place, at in enumerate(reversed(index)))


def wave(*index: int) -> float:
    """Shortest float32-like numbers between -4 and 4."""
    return round(math.sin(index[-1] / 5) * math.cos(index[-2] / 4) * (1 + index[0]), 6)


def cube(shape: tuple[int, ...] = (3, 4, 5)) -> ArrayHost:
    return ArrayHost(coordinates, output(shape, "int32"))


async def until(pilot, true, seconds: float = 10.0) -> None:
    """Wait until something holds; on a busy machine that takes longer."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "never came about"
        await pilot.pause(0.05)


async def settled(pilot, host: ArrayHost) -> None:
    """Wait until nothing is asked for any more."""
    await pilot.pause()
    while host.waiting:
        await asyncio.sleep(0.01)
        await pilot.pause()


async def press(pilot, *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


# ---------------------------------------------------------------------------------------- content


async def test_rows_columns_and_the_cell_at_the_cursor_are_named():
    host = cube()
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "right", "down", "]")
        shown = lines(host.view)
    assert shown[0] == " out  i32[3, 4, 5]   rows axis 1   columns axis 2   ‹axis 0 = 1 of 3›"
    assert shown[1].split() == ["0", "1", "2", "3", "4"]
    assert shown[3].split() == ["1", "10100", "[10101]", "10102", "10103", "10104"]
    assert shown[-2].startswith(" [1, 1, 1] = 10101")
    assert shown[-1] == " min 0  max 20304  mean 10152  std 8165.7"


async def test_each_index_stands_above_the_end_of_its_column():
    host = cube()
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        labels, row = lines(host.view)[1:3]
    assert [labels.index(str(column)) for column in range(1, 5)] == [
        row.index(f"{column}", 8) + len(str(column)) - 1 for column in range(1, 5)
    ]


JOURNEY = [
    ("j", [0, 1, 0]),
    ("down", [0, 2, 0]),
    ("k", [0, 1, 0]),
    ("up", [0, 0, 0]),
    ("up", [0, 0, 0]),
    ("l", [0, 0, 1]),
    ("right", [0, 0, 2]),
    ("h", [0, 0, 1]),
    ("left", [0, 0, 0]),
    ("left", [0, 0, 0]),
    ("G", [0, 59, 0]),
    ("j", [0, 59, 0]),
    ("g", [0, 0, 0]),
    ("$", [0, 0, 69]),
    ("l", [0, 0, 69]),
    ("0", [0, 0, 0]),
    ("end", [0, 0, 69]),
    ("home", [0, 0, 0]),
    ("pagedown", [0, 20, 0]),
    ("ctrl+d", [0, 30, 0]),
    ("ctrl+u", [0, 20, 0]),
    ("pagedown", [0, 40, 0]),
    ("pagedown", [0, 59, 0]),
    ("pageup", [0, 39, 0]),
    ("g", [0, 0, 0]),
    ("]", [1, 0, 0]),
    (".", [2, 0, 0]),
    ("[", [1, 0, 0]),
    (",", [0, 0, 0]),
    (",", [0, 0, 0]),
    ("t", [0, 0, 0]),  # rows axis 2, columns axis 1
    ("j", [0, 0, 1]),
    ("l", [0, 1, 1]),
    ("r", [0, 1, 1]),  # rows axis 0, columns axis 1, axis 2 to step
    ("j", [1, 1, 1]),
    ("]", [1, 1, 2]),
    ("c", [1, 1, 2]),  # columns axis 2, axis 1 to step
    ("l", [1, 1, 3]),
    ("]", [1, 2, 3]),
    ("G", [3, 2, 3]),
]


@pytest.mark.long
async def test_every_key_takes_the_cursor_where_it_says():
    shown = output((4, 60, 70), "int32", summary=bounds(0, 35969, 16800))
    host = ArrayHost(coordinates, shown)
    async with host.run_test(size=(80, 25)) as pilot:
        await settled(pilot, host)
        assert host.view.show_horizontal_scrollbar
        for step, (key, index) in enumerate(JOURNEY):
            await press(pilot, key)
            at = f"step {step}, {key}"
            assert f" {index} = {coordinates(*index)}" in lines(host.view), at
            assert f"[{coordinates(*index):>5}]" in text(host.view), at


async def test_braces_choose_which_of_the_other_axes_is_stepped():
    host = cube((2, 3, 4, 5))
    async with host.run_test(size=(100, 12)) as pilot:
        await settled(pilot, host)
        assert "axis 0 = 0 of 2   ‹axis 1 = 0 of 3›" in lines(host.view)[0]
        await press(pilot, "}", "]")
        assert "‹axis 0 = 1 of 2›   axis 1 = 0 of 3" in lines(host.view)[0]
        await press(pilot, "{", "]")
        assert "axis 0 = 1 of 2   ‹axis 1 = 1 of 3›" in lines(host.view)[0]


async def test_changing_axes_keeps_the_element_at_the_cursor():
    host = cube((4, 5, 6))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "]", "]", "down", "right", "right", "right")
        for key in ("t", "r", "c", "c", "r", "t", "m", "m", "d"):
            await press(pilot, key)
            assert host.view.cursor_text == str(coordinates(2, 1, 3))


async def test_a_vector_is_a_row_that_can_be_turned_into_a_column():
    host = cube((7,))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        assert lines(host.view)[2].split() == ["[0]", "1", "2", "3", "4", "5", "6"]
        await press(pilot, "l", "l", "t")
        assert [line.split() for line in lines(host.view)[1:4]] == [
            ["0", "0"],
            ["1", "1"],
            ["2", "[2]"],
        ]


async def test_a_scalar_is_one_cell():
    host = ArrayHost(lambda: 2.5, output((), "float32"))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        assert lines(host.view)[0] == " out  f32[]"
        assert "[2.5]" in lines(host.view)[1]
        assert " value = 2.5" in text(host.view)


async def test_an_empty_array_says_which_axis_has_no_length():
    host = ArrayHost(coordinates, output((3, 0), "float32"))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        assert lines(host.view)[:2] == [
            " out  f32[3, 0]   rows axis 0   columns axis 1",
            " no elements: axis 1 of length 0",
        ]
        await press(pilot, "j", "G", "t", "m", "d", "n", "]", "pagedown")
        assert host.asked == []


@pytest.mark.parametrize(
    ("dtype", "element", "row"),
    [
        ("bool", lambda i, j: (i + j) % 2 == 0, "0 [T] F T"),
        ("bfloat16", lambda i, j: [0.334, 100.0, -2.5][j], "0 [ 0.33] 100. -2.5"),
        ("int8", lambda i, j: [-128, 5, 127][j], "0 [-128] 5 127"),
        ("complex64", lambda i, j: [j + 0.5, -1.0], "0 [ 0.5-1.0j] 1.5-1.0j 2.5-1.0j"),
        ("float32", lambda i, j: ["nan", "inf", -0.0][j], "0 [ nan] inf -0."),
        ("key<fry>", lambda i, j: "0123456789abcdef", "0" + 3 * " 0123456789abcdef"),
    ],
)
async def test_every_dtype_reads_well(dtype, element, row):
    shown = output((2, 3), dtype, values=nested(element, (2, 3)))
    host = ArrayHost(element, shown)
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        cells = " ".join(lines(host.view)[2].split())
        if dtype.startswith("key"):
            cells = cells.replace("[", "").replace("]", "")
        assert cells == row
        assert host.asked == []


async def test_booleans_are_counted():
    host = ArrayHost(lambda i, j: (i + j) % 3 == 0, output((40, 30), "bool"))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        assert lines(host.view)[-1] == " true 400/1,200"
        await press(pilot, "m")
        assert lines(host.view)[-1].endswith(" true 400/1,200")


async def test_nan_and_infinity_are_words_in_a_style_of_their_own():
    host = ArrayHost(lambda i, j: [1.0, math.nan, math.inf][j], output((2, 3)))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        plain, odd = {}, {}
        for segment in host.view.render_line(3):
            (odd if "nan" in segment.text or "inf" in segment.text else plain)[
                segment.text.strip()
            ] = segment.style
        assert " ".join(odd).split() == ["nan", "inf"]
        assert all(style.bold and style.underline for style in odd.values())
        assert not plain["1."].bold


# ----------------------------------------------------------------------------------------- format


async def test_the_number_format_goes_round_and_digits_change():
    shown = output((2, 2), values=[[0.5, 0.3333333432674408], [100.0, -2.0]])
    host = ArrayHost(wave, shown)
    seen = []
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        for key in ("n", "+", "-", "-", "n", "n", "n"):
            await press(pilot, key)
            header = lines(host.view)[0].partition("columns axis 1")[2].strip()
            seen.append((header, lines(host.view)[2].split()[-1]))
    assert seen == [
        ("fixed", "0.3333"),
        ("fixed 5", "0.33333"),
        ("fixed 4", "0.3333"),
        ("fixed 3", "0.333"),
        ("scientific", "3.333e-01"),
        ("full", "0.33333334"),
        ("", "0.33"),
    ]


async def test_integers_can_be_read_in_hexadecimal():
    host = ArrayHost(coordinates, output((2, 2), "uint8", values=[[0, 255], [16, 1]]))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "n")
        assert lines(host.view)[2].split() == ["0", "[0x00]", "0xff"]


async def test_columns_stay_where_they_are_while_one_scrolls_and_steps():
    host = ArrayHost(wave, output((4, 200, 300), summary=bounds(-4.0, 4.0, 240_000)))
    async with host.run_test(size=(80, 20)) as pilot:
        await settled(pilot, host)
        points = {line.index(".") for line in lines(host.view)[2:17]}
        for key in ("pagedown", "G", "]", "]", "g"):
            await press(pilot, key)
            await settled(pilot, host)
            points |= {line.index(".") for line in lines(host.view)[2:17]}
    assert len(points) == 1


# ---------------------------------------------------------------------------------------- windows


async def test_a_small_array_is_read_once_and_never_again():
    host = cube()
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "j", "l", "G", "g", "t", "t", "m", "m", "n", "n")
        same_plane = [asked.index for asked in host.asked if asked.rows == 1]
    assert same_plane == [[[0, 1], [0, 4], [0, 5]]]
    assert host.summaries_asked == [None]


@pytest.mark.long
async def test_small_scrolls_need_no_trip():
    host = ArrayHost(coordinates, output((1000, 1000), "int32", summary=bounds(0, 10**5, 10**6)))
    async with host.run_test(size=(80, 24)) as pilot:
        await settled(pilot, host)
        before = len(host.asked)
        await press(pilot, *["down"] * 24, *["right"] * 4)
        assert len(host.asked) == before


async def test_fast_scrolling_keeps_one_request_under_way_and_ends_with_the_newest():
    host = ArrayHost(
        coordinates, output((10**6, 50), "int32", summary=bounds(0, 10**8, 5 * 10**7)), delay=0.03
    )
    async with host.run_test(size=(80, 24)) as pilot:
        await settled(pilot, host)
        before = len(host.asked)
        for _ in range(60):
            host.view.action_page(1)
            await asyncio.sleep(0.005)
        await settled(pilot, host)
        assert host.most_waiting == 1
        assert len(host.asked) - before < 40
        assert host.view.cursor_text == str(coordinates(60 * 19, 0))
        assert "·" not in text(host.view)


async def test_no_request_is_larger_than_a_screenful_and_its_margin():
    host = ArrayHost(wave, output((1000, 1000), summary=bounds(-4.0, 4.0, 10**6)))
    async with host.run_test(size=(300, 100)) as pilot:
        await settled(pilot, host)
        await press(pilot, "m", "G", "$")
        await settled(pilot, host)
        sizes = [math.prod(b - a for a, b in asked.index) for asked in host.asked]
    assert max(sizes) <= MAX_CELLS


async def test_what_was_there_stays_until_the_new_cells_come():
    host = ArrayHost(
        coordinates, output((3, 4, 5), "int32", summary=bounds(0, 20304, 60)), delay=HOLD / 3
    )
    async with host.run_test(size=(80, 12)) as pilot:
        await asyncio.sleep(HOLD)
        await settled(pilot, host)
        host.view.action_step(1)
        await pilot.pause()
        assert host.waiting == 1
        assert "axis 0 = 0 of 3" in text(host.view)
        assert "·" not in text(host.view)
        await settled(pilot, host)
        assert "axis 0 = 1 of 3" in text(host.view)
        assert "10000" in text(host.view)


@pytest.mark.long
async def test_cells_that_are_late_are_dots_and_the_wait_is_counted():
    host = ArrayHost(
        coordinates, output((3, 4, 5), "int32", summary=bounds(0, 20304, 60)), delay=1.5
    )
    async with host.run_test(size=(80, 12)) as pilot:
        await asyncio.sleep(HOLD * 2)
        await pilot.pause()
        assert lines(host.view)[2].count("·") == 5
        assert " [0, 0, 0] = …" in text(host.view)
        await asyncio.sleep(1.0)
        assert "reading from the engine, 1 s" in text(host.view)
        await settled(pilot, host)
        assert "·" not in text(host.view)
        assert " [0, 0, 0] = 0" in text(host.view)


async def test_an_answer_about_an_older_result_changes_nothing():
    host = cube()
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        old = host.read(host.asked[0])
        host.show(2, output((3, 4, 5), "int32"))
        await settled(pilot, host)
        before = text(host.view)
        wrong = [[7] * 5] * 4
        host.view.put(
            WindowRead(
                id=0,
                result=1,
                leaf=0,
                device=None,
                rows=old.rows,
                columns=old.columns,
                index=old.index,
                cells=wrong,
            )
        )
        host.view.put_summary(bounds(-9.0, 10.0**9, 60), None, 1)
        await pilot.pause()
        assert text(host.view) == before


async def test_a_new_result_of_the_same_rank_keeps_axes_settings_and_cursor():
    host = cube((4, 5, 6))
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        await press(pilot, "r", "down", "right", "n")
        host.show(2, output((4, 5, 3), "int32"))
        await settled(pilot, host)
        assert lines(host.view)[0] == (
            " out  i32[4, 5, 3]   rows axis 0   columns axis 2   ‹axis 1 = 0 of 5›   hex"
        )
        assert host.view.cursor_text == str(coordinates(1, 0, 1))
        host.show(3, output((2, 2), "int32"))
        await settled(pilot, host)
        assert host.view.cursor_text == "0"


async def test_a_smaller_result_is_not_scrolled_out_of_sight():
    host = cube((1, 500, 500))
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        await press(pilot, "G", "$")
        await settled(pilot, host)
        host.show(2, output((1, 4, 4), "int32"))
        await settled(pilot, host)
        assert [line.split()[0] for line in lines(host.view)[2:6]] == ["0", "1", "2", "3"]
        assert lines(host.view)[1].split() == ["0", "1", "2", "3"]


async def test_a_refusal_is_said_and_the_next_move_asks_again():
    host = ArrayHost(coordinates, output((10**6, 5), "int32", summary=bounds(0, 9, 9)), delay=60)
    async with host.run_test(size=(80, 14)) as pilot:
        await pilot.pause()
        host.view.refuse("the result is gone")
        await pilot.pause()
        assert "the result is gone" in text(host.view)
        asked = len(host.asked)
        await press(pilot, "G")
        assert len(host.asked) == asked + 1
        assert "the result is gone" not in text(host.view)


@pytest.mark.long
async def test_what_went_with_its_engine_is_said_once_and_asked_for_no_more():
    host = ArrayHost(coordinates, output((10**6, 5), "int32", summary=bounds(0, 9, 9)))
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        shown = text(host.view)
        host.view.lose("it went")
        await pilot.pause()
        assert text(host.view) == shown
        asked = len(host.asked)
        await press(pilot, "G")
        await pilot.pause(1.3)
        assert len(host.asked) == asked
        assert "it went" in text(host.view)
        assert "reading from the engine" not in text(host.view)
        await press(pilot, "g")
        assert text(host.view) == shown
        host.show(2, host.shown)
        await settled(pilot, host)
        await press(pilot, "G")
        assert len(host.asked) > asked
        assert "it went" not in text(host.view)


@pytest.mark.long
async def test_what_is_being_read_from_an_engine_that_goes_is_waited_for_no_more():
    host = ArrayHost(coordinates, output((10**6, 5), "int32", summary=bounds(0, 9, 9)), delay=60)
    async with host.run_test(size=(80, 14)) as pilot:
        await until(pilot, lambda: "reading from the engine" in text(host.view))
        host.view.lose("it went")
        await pilot.pause(1.1)  # it would say so again each second
        assert "reading from the engine" not in text(host.view)
        assert "it went" in text(host.view)


async def test_values_that_came_with_the_output_are_not_lost():
    shown = output((2,), "int32", values=[3, 4])
    host = ArrayHost(coordinates, shown)
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        host.view.lose("it went")
        await pilot.pause()
        assert "it went" not in text(host.view)


async def test_clear_leaves_nothing_and_answers_no_keys():
    host = cube()
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        host.view.clear()
        await press(
            pilot, "j", "l", "G", "g", "t", "m", "d", "n", "+", "r", "c", "]", "}", "pagedown"
        )
        assert text(host.view).strip() == ""
        assert host.view.cursor_text is None


async def test_a_result_of_a_program_before_is_dimmed_and_says_so():
    host = cube()
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        fresh = host.view.render_line(3)
        host.view.stale = True
        await pilot.pause()
        assert "of the program before" in lines(host.view)[0]
        assert host.view.render_line(3).text == fresh.text
        assert list(host.view.render_line(3)) != list(fresh)


# ------------------------------------------------------------------------------------------- size


async def test_a_grid_of_a_billion_rows_scrolls_to_its_very_last_cell():
    rows, columns = 10**9, 10**6
    host = ArrayHost(
        lambda i, j: i * 7 + j, output((rows, columns), "int64", summary=bounds(0, 7 * rows, 1))
    )
    async with host.run_test(size=WIDE) as pilot:
        await settled(pilot, host)
        await press(pilot, "G", "$")
        await settled(pilot, host)
        shown = lines(host.view)
        assert shown[1].split()[-1] == str(columns - 1)
        body = [line for line in shown[2:-2] if line]
        assert body[-1].split()[0] == str(rows - 1)
        assert host.view.cursor_text == str((rows - 1) * 7 + columns - 1)
        host.view.scroll_to(x=10**18, y=10**18, animate=False)
        await settled(pilot, host)
        assert lines(host.view)[1].split()[-1] == str(columns - 1)
        await press(pilot, "h", "k")
        assert host.view.cursor_text == str((rows - 2) * 7 + columns - 2)


@pytest.mark.parametrize("keys", [(), ("m",)])
async def test_a_frame_costs_the_same_whatever_the_size_of_the_array(keys):
    costs = []
    for shape in ((10**3, 10**3), (10**9, 10**6)):
        host = ArrayHost(wave, output(shape, summary=bounds(-4.0, 4.0, math.prod(shape))))
        async with host.run_test(size=WIDE) as pilot:
            await settled(pilot, host)
            await press(pilot, *keys)
            await settled(pilot, host)
            lines(host.view)
            costs.append(calls_of(lambda view=host.view: lines(view)))
    small, large = costs
    assert large < 1.2 * small


@pytest.mark.parametrize("size", one_in(2, [(40, 6), (20, 3), (8, 1), (1, 1), (200, 60)]))
async def test_every_size_of_the_terminal_shows_the_cursors_cell_where_it_can(size):
    host = ArrayHost(wave, output((4, 40, 64), summary=bounds(-4.0, 4.0, 10240)))
    async with host.run_test(size=size) as pilot:
        await settled(pilot, host)
        await press(pilot, "j", "l", "G", "$", "]", "m", "d", "g", "m", "n", "n", "n")
        assert all(len(line) <= size[0] for line in lines(host.view))
        if size[0] >= 20:
            assert "[" in text(host.view)


async def test_numbers_that_do_not_fit_the_terminal_show_that_they_are_cut():
    cell = [0.123456789, -0.987654321]
    host = ArrayHost(wave, output((1, 1), "complex128", values=[[cell]]))
    async with host.run_test(size=(24, 8)) as pilot:
        await settled(pilot, host)
        await press(pilot, "n", "n", "n")
        assert "…" in lines(host.view)[2]


# ---------------------------------------------------------------------------------- devices, heat


async def test_by_device_goes_through_what_each_one_holds():
    shape = (16, 2)
    shards = rows_over(8, shape)
    host = ArrayHost(coordinates, output(shape, "int32", shards))
    async with host.run_test(size=(100, 14)) as pilot:
        await settled(pilot, host)
        assert " [0, 0] = 0   on cpu:0" in text(host.view)
        await press(pilot, "d", "d", "d", "d", "down")
        await settled(pilot, host)
        assert lines(host.view)[0].startswith(" out  i32[2, 2]  on device 3 cpu:3 = out[6:8, :]")
        assert " [1, 0] of the block, [7, 0] of out = 700   on cpu:3" in text(host.view)
        assert lines(host.view)[-1].startswith(" min 600  max 701")
        assert host.summaries_asked == [None, 0, 1, 2, 3]
        await press(pilot, "d", "d", "d", "d", "d")
        await settled(pilot, host)
        assert "device" not in lines(host.view)[0]
        assert host.view.cursor_text == str(coordinates(14, 0))


async def test_a_replicated_element_names_all_that_hold_it():
    whole = [[0, 2], [0, 2]]
    shards = [Shard(device=device, index=whole) for device in range(8)]
    host = ArrayHost(coordinates, output((2, 2), "int32", shards))
    async with host.run_test(size=(100, 14)) as pilot:
        await settled(pilot, host)
        assert "on all 8 devices" in text(host.view)


@pytest.mark.parametrize(
    ("width", "header"),
    [
        (
            120,
            " out  i32[1, 4, 5]  on device 1 cpu:1 = out[1:2, :, :]   rows axis 1   columns axis 2",
        ),
        (80, " out i32[1, 4, 5] on cpu:1 = out[1:2, :, :]  [‹0›, rows, columns]"),
        (50, " out i32[1, 4, 5] on cpu:1  [‹0›, rows, columns]"),
        (40, " out on cpu:1  [‹0›, rows, columns]"),
        (12, " out on cpu…"),
    ],
)
async def test_in_a_narrow_pane_the_header_says_the_same_in_fewer_words(width, header):
    shape = (2, 4, 5)
    host = ArrayHost(coordinates, output(shape, "int32", rows_over(2, shape)))
    async with host.run_test(size=(width, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "d", "d")
        await settled(pilot, host)
        assert lines(host.view)[0].startswith(header)


async def test_a_device_that_the_next_result_lacks_gives_way_to_the_whole():
    host = ArrayHost(coordinates, output((16, 2), "int32", rows_over(8, (16, 2))))
    async with host.run_test(size=(100, 14)) as pilot:
        await settled(pilot, host)
        await press(pilot, *["d"] * 8)
        host.show(2, output((16, 2), "int32", rows_over(2, (16, 2))))
        await settled(pilot, host)
        assert lines(host.view)[0].startswith(" out  i32[16, 2]   rows")


async def test_a_heat_map_shades_by_value_and_marks_signs_and_nan():
    host = ArrayHost(coordinates, output((1, 5), values=[[-2.0, -1.0, 0.0, "nan", 4.0]]))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "m", "right", "right")
        row = host.view.render_line(2)
        assert row.text.rstrip("\n")[3:13] == " - -[]××  "
        shades = [segment.style.bgcolor for segment in row if not segment.text.strip(" -")]
        assert len(set(shades)) == 4
        assert "min -2" in lines(host.view)[-1]


@pytest.mark.parametrize(("ascii_only", "expected"), [(True, "-=-:[]xx##"), (False, "-▒-░[]××██")])
async def test_without_colours_density_and_signs_say_it(ascii_only, expected, monkeypatch):
    if not ascii_only:
        monkeypatch.setenv("NO_COLOR", "1")
    host = ArrayHost(
        coordinates,
        output((1, 5), values=[[-2.0, -1.0, 0.0, "nan", 4.0]]),
        ascii_only=ascii_only,
    )
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "m", "right", "right")
        shown = painted(host)
        assert shown[2][3:13] == expected
        assert not ascii_only or "".join(shown).isascii()


async def test_what_has_no_order_has_no_heat_map_and_says_why():
    host = ArrayHost(coordinates, output((2,), "key<fry>", values=["00", "01"]))
    async with host.run_test(size=(80, 12)) as pilot:
        await settled(pilot, host)
        await press(pilot, "m")
        assert "no heat map of key<fry>" in text(host.view)


async def test_a_sample_says_so_until_the_exact_figures_come():
    host = ArrayHost(wave, output((1, 300, 300), summary=None))
    async with host.run_test(size=(80, 12)) as pilot:
        await until(pilot, lambda: lines(host.view)[-1] == " …")
        host.view.put_summary(bounds(-0.5, 0.5, 90_000, exact=False), None)
        await pilot.pause()
        assert lines(host.view)[-1].startswith(" sampled min -0.5")
        host.view.put_summary(bounds(-1.0, 1.0, 90_000), None)
        host.view.put_summary(bounds(-0.5, 0.5, 90_000, exact=False), None)
        await pilot.pause()
        assert lines(host.view)[-1].startswith(" min -1")


# --------------------------------------------------------------------------------- mouse and focus


async def test_a_click_puts_the_cursor_on_the_cell():
    host = cube()
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        x = lines(host.view)[3].index("102")
        await pilot.click(ArrayView, offset=(x, 3))
        assert host.view.cursor_text == "102"


async def test_the_cursor_is_in_brackets_with_and_without_focus():
    host = cube()
    async with host.run_test(size=(80, 14)) as pilot:
        await settled(pilot, host)
        with_focus = [s.style.reverse for s in host.view.render_line(2) if "[" in s.text]
        host.view.blur()
        await pilot.pause()
        without = [s.style.reverse for s in host.view.render_line(2) if "[" in s.text]
    assert (with_focus, without) == ([True], [None]) or (with_focus, without) == ([True], [False])


# -------------------------------------------------------------------------------------- snapshots


def picture(ascii_only: bool = False) -> ArrayHost:
    shape = (4, 40, 64)
    shown = output(shape, shards=rows_over(4, shape), summary=bounds(-4.0, 4.0, 10240))
    return ArrayHost(wave, shown, ascii_only=ascii_only)


@pytest.mark.parametrize("size", [(80, 24), WIDE, NARROW])
def test_table_looks_as_it_did(snap_compare, size):
    assert snap_compare(picture(), terminal_size=size, press=["]", "]", "down", "right"])


@pytest.mark.parametrize("size", [(80, 24), WIDE])
def test_heat_map_looks_as_it_did(snap_compare, size):
    assert snap_compare(picture(), terminal_size=size, press=["]", "]", "m", "down", "right"])


def test_device_block_looks_as_it_did(snap_compare):
    assert snap_compare(picture(), terminal_size=(80, 24), press=["d", "d", "down"])


def test_ascii_heat_map_looks_as_it_did(snap_compare):
    assert snap_compare(picture(ascii_only=True), terminal_size=(80, 24), press=["m"])
