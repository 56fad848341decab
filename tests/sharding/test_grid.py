"""The device map: the mesh as a grid, however large."""

from __future__ import annotations

from jaxtui.sharding.grid import Grid
from jaxtui.sharding.words import text_of


def grid(width: int = 60) -> Grid:
    return Grid({"data": 4, "model": 2}, [8, 32], [["data"], ["model"]], [2, 16], width)


def test_a_row_for_each_place_along_the_first_axis() -> None:
    made = grid()
    assert text_of(made.heading(0)).split() == ["model", "0", "1"]
    assert [text_of(made.line(row, 0, 0)).split() for row in range(made.rows)] == [
        ["data", "0", "[0]", "1"],
        ["data", "1", "2", "3"],
        ["data", "2", "4", "5"],
        ["data", "3", "6", "7"],
    ]


def test_the_only_axis_is_named_in_full_above_its_devices() -> None:
    made = Grid({"data": 4}, [8], [["data"]], [2], 60)
    assert text_of(made.heading(0)).split() == ["data", "0", "1", "2", "3"]
    assert text_of(made.line(0, 2, 0)).index("[2]") == text_of(made.heading(0)).index("2") - 1


def test_devices_with_the_same_block_as_the_cursor_are_lit() -> None:
    made = Grid({"data": 4, "model": 2}, [8], [["model"]], [4], 60)
    lit = [
        [part.text.strip() for part in made.line(row, 3, 0) if "lit" in part.role]
        for row in range(4)
    ]
    assert lit == [["1"], ["[1]"], ["1"], ["1"]]
    assert made.told(3) == [
        "device 3 at data 1, model 1",
        "block 1 of 2: [4:8]",
        "3 others hold it",
    ]
    assert grid().told(0)[2] == "no other device holds it"


def test_the_cursor_stops_at_the_edges() -> None:
    made = grid()
    assert made.moved(0, -1, -1) == 0
    assert made.moved(0, 1, 1) == 3
    assert made.moved(7, 1, 1) == 7
    assert made.moved(1, 100, 0) == 7


def test_columns_that_do_not_fit_follow_the_cursor() -> None:
    made = Grid({"data": 4096, "model": 64}, [4096, 64], [["data"], ["model"]], [1, 1], 80)
    assert made.devices == 262_144
    assert 1 <= made.shown < 64
    last = made.devices - 1
    first = made.first_column(last)
    assert first + made.shown == 64
    line = text_of(made.line(4095, last, first)).rstrip()
    assert line.endswith("[262143]")
    assert len(line) <= 80
    assert made.device_at(4095, len(line) - 2, first) == last
    assert made.device_at(0, 0, first) is None


def test_one_axis_is_one_row_and_no_axis_one_device() -> None:
    assert Grid({"x": 8}, [8], [["x"]], [1], 60).rows == 1
    alone = Grid({}, [8], [[]], [8], 60)
    assert alone.told(0) == ["device 0", "block 0 of 1: [:]", "no other device holds it"]
