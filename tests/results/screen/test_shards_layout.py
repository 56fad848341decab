"""Where the blocks of inputs and of an output are, as text: drawings, details and the table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtui.results.screen.shards_layout import ShardsLayout, layout
from jaxtui.results.screen.shards_picture import ids_text
from jaxtui.results.screen.shards_scene import Cursor, Laid, Scene
from jaxtui.results.screen.shards_table import as_text, column_array
from jaxtui.screen.cells import text_of, width_of
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.text.signs import in_ascii
from jaxtui.wire.report import Input, Output, Shard
from tests.support.made_shards import (
    GRID,
    LINE,
    laid_input,
    laid_output,
    output,
    product,
    scene,
)


def shows(laid_out: ShardsLayout, expected: str) -> None:
    block = [line.removeprefix(" " * 8) for line in expected.strip("\n").splitlines()[:-1]]
    assert [text_of(line).rstrip() for line in laid_out.lines] == block


def text(laid_out: ShardsLayout) -> str:
    return "\n".join(text_of(line).rstrip() for line in laid_out.lines)


def test_inputs_stand_beside_the_output_and_the_cursors_device_is_lit_in_all() -> None:
    out, inputs = product()
    shows(
        layout(scene(out, inputs, GRID), 66, 27, Cursor(row=2)),
        """
         a f32[16, 8]          b f32[8, 6]         → out f32[16, 6]
         4 blocks × 2 copies   2 blocks × 4 copies   8 blocks
                                                     axis 0 ↓ 16 over x
         axis 0 ↓ 16 over x    axis 1 → 6 over y     axis 1 → 6 over y
            0       8          ┌────────────────┐       0   3   6
          0 ┌───────┐          │ 0  [2]  4   6  │     0 ┌───┬───┐
            │ 0   1 │          └────────────────┘       │ 0 │ 1 │
          4 ├───────┤          0                3     4 ├───┼───┤
            │[2]  3 │          ┌────────────────┐       │[2]│ 3 │
          8 ├───────┤          │ 1   3   5   7  │     8 ├───┼───┤
            │ 4   5 │          └────────────────┘       │ 4 │ 5 │
         12 ├───────┤          3                6    12 ├───┼───┤
            │ 6   7 │                                   │ 6 │ 7 │
         16 └───────┘                                16 └───┴───┘
         Inputs as the program takes them, wherever they lay before.

         device 2  cpu:2  x=1 y=0
         a    [4:8, :]    f32[4, 8]  128 B  copy 1 of 2 (devices 2,3)
         b    [:, 0:3]    f32[8, 3]  96 B   copy 2 of 4 (devices 0,2,4,6)
         out  [4:8, 0:3]  f32[4, 3]  48 B

        ▸device   mesh     a           b         out
         0 cpu:0  x=0 y=0  [0:4, :]    [:, 0:3]  [0:4, 0:3]
         1 cpu:1  x=0 y=1  [0:4, :]    [:, 3:6]  [0:4, 3:6]
        ▌2 cpu:2  x=1 y=0  [4:8, :]    [:, 0:3]  [4:8, 0:3]
         3 cpu:3  x=1 y=1  [4:8, :]    [:, 3:6]  [4:8, 3:6]
         4 cpu:4  x=2 y=0  [8:12, :]   [:, 0:3]  [8:12, 0:3]     ↓ 3 more
        """,
    )


def test_at_a_block_of_an_input_all_devices_with_it_are_lit_and_what_they_hold_is_told() -> None:
    out, inputs = product()
    shown = text(layout(scene(out, inputs, GRID), 66, 27, Cursor(row=2, column=1)))
    assert shown.startswith("▸a f32[16, 8]")
    for lit in ("│[2] [3]│", "│ 0  [2]  4   6  │", "│ 1  [3]  5   7  │", "│[2]│[3]│"):
        assert lit in shown
    assert "[0]" not in shown
    assert " a[4:8, :] on devices 2,3\n" in shown
    assert " a    [4:8, :]  f32[4, 8]  128 B  2 copies\n" in shown
    assert " b    2 blocks: [:, 0:3], [:, 3:6]\n" in shown
    assert " out  2 blocks: [4:8, 0:3], [4:8, 3:6]\n" in shown
    assert "▸a  " in shown.splitlines()[-6]


def test_without_inputs_the_output_stands_alone() -> None:
    shows(
        layout(scene(output((8, 4), (1, 4))), 60, 17),
        """
         out f32[8, 4]
         4 blocks
         axis 1 → 4
         ┌─────────────┬─────────────┬─────────────┬─────────────┐
         │      0      │      1      │      2      │      3      │
         └─────────────┴─────────────┴─────────────┴─────────────┘
         0             1             2             3             4

         device 0  cpu:0
         out  [:, 0:1]  f32[8, 1]  32 B

         device   out       block      bytes
         0 cpu:0  [:, 0:1]  f32[8, 1]   32 B
         1 cpu:1  [:, 1:2]  f32[8, 1]   32 B
         2 cpu:2  [:, 2:3]  f32[8, 1]   32 B
         3 cpu:3  [:, 3:4]  f32[8, 1]   32 B
        """,
    )


def test_rows_that_are_divided_lie_below_each_other() -> None:
    shown = text(layout(scene(output((8, 4), (4, 1))), 60, 30)).splitlines()
    assert shown[2] == " axis 0 ↓ 8"
    assert [line.strip()[:1] for line in shown if "├" in line] == ["2", "4", "6"]


def test_ascii_needs_no_other_character() -> None:
    out, inputs = product()
    plain = in_ascii(text(layout(scene(out, inputs, GRID), 66, 27, Cursor())))
    assert plain.isascii()
    assert "+" in plain


def test_blocks_are_drawn_to_scale() -> None:
    tall = text(layout(scene(output((16, 8), (2, 2))), 100, 40))
    wide = text(layout(scene(output((8, 64), (2, 2))), 100, 40))
    assert _border(tall) == "0 ┌───┬───┐"
    assert _border(wide) == "0 ┌────────────────┬────────────────┐"


def _border(shown: str) -> str:
    return next(line.strip() for line in shown.splitlines() if "┬" in line)


def test_a_view_that_is_too_low_for_both_turns_between_drawings_and_table() -> None:
    out, inputs = product()
    low = scene(out, inputs, GRID)
    table = layout(low, 78, 11, Cursor(row=7))
    assert table.turns
    assert text_of(table.lines[0]).rstrip().endswith("space: drawings")
    assert "┌" not in text(table)
    assert "▌7 cpu:7" in text(table)
    assert "copy 2 of 2 (devices 6,7)" in text(table)
    drawings = layout(low, 78, 11, Cursor(row=7), turned=True)
    assert "space: table" in text(drawings)
    assert "│[7]│" in text(drawings).replace(" ", "").replace("6│[7]", "│[7]")
    assert "device" not in text(drawings)


def test_two_hundred_devices_are_counted_and_stand_in_a_table() -> None:
    mesh = {"data": 16, "model": 16}
    w = laid_input("w", (4096, 4096), mesh, [("data",), ("model",)])
    x = laid_input("x", (256, 4096), mesh, [("data",), ()])
    out = laid_output((256, 4096), mesh, [("data",), ("model",)])
    laid_out = layout(scene(out, [w, x], mesh), 66, 27, Cursor(row=255))
    shown = text(laid_out)
    assert "w 256 blocks, out 256 blocks" in shown
    assert "Input 1 of 2. i: the next, I: one by its path." in shown
    assert "▌255 cpu:255" in shown
    assert len(laid_out.lines) <= 27
    wide = text(layout(scene(out, [w, x], mesh), 118, 36, Cursor(row=255)))
    assert "[255]" in wide
    assert "copy 16 of 16 (devices 240–255)" in wide
    assert "w, x and out are drawn one at a time: ←→." in wide


def test_one_of_several_is_drawn_where_there_is_room_for_one() -> None:
    out, inputs = product()
    one = scene(out, inputs, GRID)
    assert text(layout(one, 40, 20, Cursor())).startswith(" out f32[16, 6]")
    assert text(layout(one, 40, 20, Cursor(column=1))).startswith("▸a f32[16, 8]")


def test_more_inputs_than_there_is_room_for_are_counted() -> None:
    out, _ = product()
    many = [laid_input(f"p{n}", (16, 8), GRID, [("x",), ()]) for n in range(7)]
    laid_out = layout(scene(out, many, GRID), 66, 27, Cursor(), first=2)
    assert "Inputs 3 to 4 of 7." in text(laid_out)
    assert [laid.name for laid in laid_out.arrays] == ["p2", "p3", "out"]
    last = layout(scene(out, many, GRID), 66, 27, Cursor(), first=6)
    assert [laid.name for laid in last.arrays] == ["p6", "out"]
    assert "Input 7 of 7." in text(last)


@pytest.mark.parametrize("shape", [(), (4, 2)])
def test_what_is_whole_on_every_device_is_one_box_with_all_of_them(shape: tuple[int, ...]) -> None:
    shown = text(layout(scene(output(shape, (1,) * len(shape), copies=8)), 70, 20, Cursor(row=3)))
    assert "8 copies" in shown
    assert "│ 0  1  2 [3] 4  5  6  7 │" in shown
    assert "copy 4 of 8 (devices 0–7)" in shown


def test_blocks_with_copies_name_all_their_devices() -> None:
    shown = text(layout(scene(output((8,), (2,), copies=3)), 90, 20))
    assert "2 blocks × 3 copies" in shown
    assert "│  0     1    2  │  3     4    5  │" in shown
    brief = text(layout(scene(output((8,), (2,), copies=8)), 30, 24, Cursor()))
    assert "│   [0–7]    │    8–15    │" in brief


def test_a_third_divided_axis_is_told() -> None:
    shown = text(layout(scene(output((4, 4, 6), (2, 2, 2))), 76, 40))
    assert " axis 0 ↓ 4\n axis 1 → 4\n axis 2 in depth 6\n" in shown
    assert "[2:4, 2:4, 3:6]" in shown


@pytest.mark.parametrize(
    ("placed", "said"),
    [
        ("host", "in the host's"),
        ("static", "static: a part of"),
        ("unused", "not used: JAX"),
        ("untold", "where it lies is"),
    ],
)
def test_an_input_without_blocks_says_why(placed: str, said: str) -> None:
    y = Input(name="y", path="", shape=[], dtype="float32", placed=placed)  # type: ignore[arg-type]
    x = laid_input("x", (8,), LINE, [("devices",)])
    laid_out = layout(scene(laid_output((8,), LINE, [("devices",)]), [x, y], LINE), 118, 27)
    assert said in text(laid_out)
    assert "▸" not in text(laid_out)
    assert " y " not in text_of(laid_out.lines[laid_out.first_row - 1])


def test_by_what_the_inputs_lie_is_said() -> None:
    out, (a, b) = product()
    given_b = laid_input("b", (8, 6), GRID, [(), ("y",)], placed="given")
    given_a = laid_input("a", (16, 8), GRID, [("x",), ()], placed="given")
    taken = text(layout(scene(out, [a, b], GRID), 66, 27))
    assert "Inputs as the program takes them, wherever they lay before." in taken
    given = text(layout(scene(out, [given_a, given_b], GRID), 66, 27))
    assert "Inputs as given: nothing is compiled as a whole." in given
    x = Input(
        name="x",
        path="",
        shape=[16, 6],
        dtype="float32",
        placed="given",
        shards=[Shard(device=0, index=[[0, 16], [0, 6]])],
    )
    moved = text(layout(scene(out, [x], GRID), 66, 27))
    assert "Inputs as given: what is called inside places them anew." in moved
    mixed = text(layout(scene(out, [a, given_b], GRID), 66, 27))
    assert "a: as the program takes it. b: as given." in mixed


def test_one_device_holds_all() -> None:
    shown = text(layout(scene(output((4,), (1,))), 60, 20))
    assert "whole on device 0" in shown
    assert "│  0  │" in shown


def test_what_is_on_no_device_says_so() -> None:
    host = Output(path="['a']", shape=[], dtype="str", values="'x'", summary=None, shards=[])
    laid_out = layout(scene(host), 70, 20)
    assert text(laid_out) == " out['a'] is on no device: no array of JAX"
    assert laid_out.rows == 0


def test_an_output_of_the_host_still_shows_what_the_devices_have_of_the_inputs() -> None:
    host = Output(path="", shape=[], dtype="str", values="'x'", summary=None, shards=[])
    x = laid_input("x", (8,), LINE, [("devices",)])
    shown = text(layout(scene(host, [x], LINE), 100, 27, Cursor(row=1)))
    assert "on no device: no" in shown
    assert "x    [1:2]  f32[1]  4 B" in shown


def test_without_an_output_there_is_a_word_for_it() -> None:
    assert text(layout(None, 70, 20)) == " No result yet."


def test_narrow_tables_leave_out_what_the_others_tell() -> None:
    out = scene(output((8, 4), (4, 2)))
    assert "f32[2, 2]" not in text(layout(out, 34, 30)).split("device  ")[1]
    assert "1 cpu:1" not in text(layout(out, 18, 30))


@pytest.mark.parametrize(
    ("ids", "shown"),
    [
        ([3], "3"),
        ([0, 4], "0,4"),
        ([0, 1], "0,1"),
        ([0, 1, 2, 3], "0–3"),
        ([0, 2048], "0,2048"),
        ([0, 2, 4, 6, 8, 10], "6 dev"),
    ],
)
def test_device_ids_are_brief(ids: list[int], shown: str) -> None:
    assert ids_text(ids) == shown


@st.composite
def _outputs(draw: st.DrawFn, name: str = "['日']") -> Output:
    parts = draw(st.lists(st.sampled_from([1, 1, 2, 3, 8]), max_size=4))
    shape = [n * draw(st.integers(0, 300)) for n in parts]
    out = output(tuple(shape), tuple(parts), draw(st.integers(1, 3)))
    kept = draw(st.integers(0, len(out.shards)))  # another process has the rest
    return Output(
        path=name,
        shape=out.shape,
        dtype="float32",
        values=None,
        summary=None,
        shards=out.shards[:kept],
    )


@st.composite
def _scenes(draw: st.DrawFn) -> Scene:
    inputs = [
        Input(
            name=draw(st.sampled_from(["x", "参数", "a_long_name_of_an_argument"])),
            path=made.path,
            shape=made.shape,
            dtype=made.dtype,
            placed=draw(st.sampled_from(["program", "given", "unused"])),
            shards=made.shards,
        )
        for made in draw(st.lists(_outputs(), max_size=3))
    ]
    return scene(draw(_outputs()), inputs)


@settings(max_examples=60, deadline=None)
@given(
    shown=_scenes(),
    width=st.integers(0, 140),
    height=st.integers(0, 60),
    row=st.integers(0, 500),
    column=st.integers(0, 5),
    turned=st.booleans(),
)
def test_no_line_is_ever_wider_than_its_room_and_the_cursors_device_is_on_view(
    shown: Scene, width: int, height: int, row: int, column: int, turned: bool
) -> None:
    row = row % len(shown.devices) if shown.devices else 0
    cursor = Cursor(row, column)
    laid_out = layout(shown, width, height, cursor, turned=turned)
    assert all(width_of(line) <= width for line in laid_out.lines)
    assert len(laid_out.lines) <= max(height, 3)
    if laid_out.rows and height >= 4 and width > 3:
        assert laid_out.top <= row < laid_out.top + laid_out.rows
        line = text_of(laid_out.lines[laid_out.first_row + row - laid_out.top])
        assert line.startswith("▌")
        assert in_ascii(line).startswith(">")


@settings(max_examples=40, deadline=None)
@given(shown=_scenes(), column=st.integers(0, 4), pick=st.integers(0, 500))
def test_what_is_chosen_is_every_device_with_the_block_and_no_other(
    shown: Scene, column: int, pick: int
) -> None:
    arrays = (*shown.inputs, shown.output)
    laid = column_array(arrays, column)
    stops = shown.stops(laid)
    if not stops:
        return
    row = stops[pick % len(stops)]
    device = shown.devices[row]
    chosen = shown.chosen(row, laid)
    if laid is None:
        assert chosen == (device,)
        return
    same = [shard.device for shard in laid.shards if shard.index == _index(laid, device)]
    assert sorted(chosen) == sorted(same)
    blocks = {str(_index(laid, shown.devices[at])) for at in stops}
    assert len(blocks) == len(stops) == len({str(shard.index) for shard in laid.shards})


def _index(laid: Laid, device: int) -> list[list[int]]:
    return next(shard.index for shard in laid.shards if shard.device == device)


def test_the_axes_of_the_mesh_that_divide_are_named_and_each_device_has_its_place() -> None:
    mesh = {"x": 4, "y": 2}
    shown = text(layout(scene(output((8, 4), (4, 2)), mesh=mesh), 78, 30))
    assert " axis 0 ↓ 8 over x\n axis 1 → 4 over y" in shown
    assert "3 cpu:3  x=1 y=1  [2:4, 2:4]" in shown
    copies = text(layout(scene(output((8, 4), (4, 1), copies=2), mesh=mesh), 78, 30))
    assert "axis 0 ↓ 8 over x\n" in copies
    both = text(layout(scene(output((8, 4), (8, 1)), mesh=mesh), 78, 30))
    assert "axis 0 ↓ 8 over x, y\n" in both


def test_a_mesh_of_other_devices_is_not_named() -> None:
    mesh = MeshPlaces.over([8, 9], None, {"x": 2})
    out = Laid.output(output((8, 4), (4, 2)), mesh)
    shown = text(layout(Scene((), out, {}, mesh), 78, 30, Cursor()))
    assert "over" not in shown
    assert "x=" not in shown


def test_a_block_has_the_colours_of_its_devices_on_both_sides() -> None:
    x = laid_input("x", (8,), LINE, [("devices",)])
    lines = layout(
        scene(laid_output((8,), LINE, [("devices",)]), [x], LINE), 110, 27, Cursor(row=2)
    ).lines
    found = [(part.text.strip(), part.style) for line in lines[:6] for part in line]
    assert found.count(("1", "device-1-block")) == 2
    assert found.count(("[2]", "device-2-lit")) == 2
    assert ("3 cpu:3", "device-3") in [(p.text, p.style) for line in lines for p in line]
    shared = layout(scene(output((8,), (2,), copies=2)), 60, 20).lines
    stripes = {part.text.strip(): part.style for line in shared[:6] for part in line}
    assert [stripes[device] for device in "0123"] == [f"device-{n}-block" for n in range(4)]


def test_the_table_is_there_as_text() -> None:
    out, inputs = product()
    shown = scene(out, inputs, GRID)
    copied = as_text(shown, (*shown.inputs, shown.output)).splitlines()
    assert copied[:4] == ["a f32[16, 8]", "b f32[8, 6]", "out f32[16, 6]", ""]
    assert copied[4].split() == ["device", "mesh", "a", "b", "out", "block", "bytes"]
    assert copied[5].startswith("0 cpu:0  x=0 y=0  [0:4, :]    [:, 0:3]  [0:4, 0:3]")
    assert len(copied) == 5 + 8


def test_of_several_processes_that_of_the_device_is_told() -> None:
    out, inputs = product()
    one = scene(out, inputs, GRID)
    processes = {device: f"{device // 4} gpu-{device // 4}" for device in range(8)}
    several = Scene(one.inputs, one.output, one.labels, one.mesh, processes)
    assert "device 5  cpu:5  x=2 y=1  process 1 gpu-1" in text(
        layout(several, 66, 27, Cursor(row=5))
    )
    assert "process" not in text(layout(one, 66, 27, Cursor(row=5)))


def test_a_scalar_is_held_as_a_whole() -> None:
    one = Shard(device=0, index=[])
    out = Output(path="", shape=[], dtype="float32", values=None, summary=None, shards=[one])
    assert "out  all  f32[]  4 B" in text(layout(scene(out), 60, 20, Cursor()))
