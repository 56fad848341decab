"""Where an array's blocks are, as text: the picture, the words and the table."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxtui.results.screen.shards_layout import ShardsLayout, layout
from jaxtui.results.screen.shards_picture import ids_text
from jaxtui.screen.cells import text_of, width_of
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.text.signs import in_ascii
from jaxtui.wire.report import Output
from tests.support.made_shards import output


def labels(count: int) -> dict[int, str]:
    return {device: f"cpu:{device}" for device in range(count)}


def shows(laid_out: ShardsLayout, expected: str) -> None:
    block = [line.removeprefix(" " * 8) for line in expected.strip("\n").splitlines()[:-1]]
    assert [text_of(line).rstrip() for line in laid_out.lines] == block


def text(laid_out: ShardsLayout) -> str:
    return "\n".join(text_of(line).rstrip() for line in laid_out.lines)


def test_one_divided_axis_is_a_strip() -> None:
    shows(
        layout(output((8, 4), (4, 1)), labels(4), width=60, height=20),
        """
         out  f32[8, 4]
         Axis 0 divided into 4: 4 blocks on 4 devices.

         axis 0 → 8
         ┌─────────────┬─────────────┬─────────────┬─────────────┐
         │      0      │      1      │      2      │      3      │
         └─────────────┴─────────────┴─────────────┴─────────────┘
         0             2             4             6             8

          device   holds     block      bytes
          0 cpu:0  [0:2, :]  f32[2, 4]   32 B
          1 cpu:1  [2:4, :]  f32[2, 4]   32 B
          2 cpu:2  [4:6, :]  f32[2, 4]   32 B
          3 cpu:3  [6:8, :]  f32[2, 4]   32 B
        """,
    )


def test_two_divided_axes_are_a_grid_beside_the_table_where_that_saves_scrolling() -> None:
    shows(
        layout(output((8, 4), (4, 2)), labels(8), width=76, height=16, cursor=3),
        """
         out  f32[8, 4]
         Axis 0 divided into 4, axis 1 into 2: 8 blocks on 8 devices.

         axis 0 ↓ 8   axis 1 → 4     device   holds       block      bytes
           0   2   4                 0 cpu:0  [0:2, 0:2]  f32[2, 2]   16 B
         0 ┌───┬───┐                 1 cpu:1  [0:2, 2:4]  f32[2, 2]   16 B
           │ 0 │ 1 │                 2 cpu:2  [2:4, 0:2]  f32[2, 2]   16 B
         2 ├───┼───┤                ▌3 cpu:3  [2:4, 2:4]  f32[2, 2]   16 B
           │ 2 │[3]│                 4 cpu:4  [4:6, 0:2]  f32[2, 2]   16 B
         4 ├───┼───┤                 5 cpu:5  [4:6, 2:4]  f32[2, 2]   16 B
           │ 4 │ 5 │                 6 cpu:6  [6:8, 0:2]  f32[2, 2]   16 B
         6 ├───┼───┤                 7 cpu:7  [6:8, 2:4]  f32[2, 2]   16 B
           │ 6 │ 7 │
         8 └───┴───┘
        """,
    )


def test_ascii_needs_no_other_character() -> None:
    plain = in_ascii(text(layout(output((4, 4), (2, 2)), labels(4), 60, 20)))
    assert plain.isascii()
    assert "+" in plain


def test_blocks_are_drawn_to_scale() -> None:
    tall = text(layout(output((16, 8), (2, 2)), {}, 100, 40))
    wide = text(layout(output((8, 64), (2, 2)), {}, 100, 40))
    assert _border(tall) == "0 ┌───┬───┐"
    assert _border(wide) == "0 ┌────────────────┬────────────────┐"


def _border(shown: str) -> str:
    return next(line.strip() for line in shown.splitlines() if "┬" in line)


def test_sixty_four_blocks_on_a_strip_go_on_in_the_next_line() -> None:
    shown = text(layout(output((128, 3), (64, 1)), labels(64), 76, 120))
    assert shown.count("┌") == 5
    assert all(f" {device} " in shown for device in range(64))
    assert "[126:128, :]" in shown


def test_a_grid_of_sixty_four_fits_a_screen() -> None:
    laid_out = layout(output((64, 1024), (8, 8)), labels(64), 118, 40)
    shown = text(laid_out)
    assert shown.count("┼") == 49
    assert laid_out.rows == 64
    assert text_of(laid_out.lines[laid_out.first_row]).strip().startswith("0 cpu:0")


@pytest.mark.parametrize("shape", [(), (4, 2)])
def test_a_replicated_output_is_said_in_words(shape: tuple[int, ...]) -> None:
    shown = text(layout(output(shape, (1,) * len(shape), copies=8), labels(8), 70, 20))
    assert "Every device holds all of it: 8 copies." in shown
    assert shown.count("copy of device 0") == 7
    assert "┌" not in shown


def test_blocks_with_copies_name_all_their_devices() -> None:
    shown = text(layout(output((8,), (2,), copies=3), labels(6), 90, 20))
    assert "Every block is held by 3 devices." in shown
    assert "0–2" in shown
    assert "3–5" in shown
    assert shown.count("copy of device 3") == 2


def test_a_third_divided_axis_is_told() -> None:
    shown = text(layout(output((4, 4, 6), (2, 2, 2)), labels(8), 76, 40))
    assert "axis 0 ↓ 4   axis 1 → 4" in shown
    assert "blocks along axis 2 lie behind one another" in shown
    assert "[2:4, 2:4, 3:6]" in shown


def test_one_device_holds_all() -> None:
    assert "One device holds all of it." in text(layout(output((4,), (1,)), labels(1), 60, 20))


def test_what_is_on_no_device_says_so() -> None:
    host = Output(path="['a']", shape=[], dtype="str", values="'x'", summary=None, shards=[])
    laid_out = layout(host, {}, 70, 20)
    assert text(laid_out) == " out['a'] is not on any device: it is no array of JAX."
    assert laid_out.rows == 0


def test_without_an_output_there_is_a_word_for_it() -> None:
    assert text(layout(None, {}, 70, 20)) == " No result yet."


def test_small_views_keep_the_table_alone() -> None:
    shown = text(layout(output((8, 4), (4, 2)), labels(8), 40, 12))
    assert "┌" not in shown
    assert "7 cpu:7  [6:8, 2:4]" in shown


def test_narrow_tables_leave_out_what_the_others_tell() -> None:
    out = output((8, 4), (4, 2))
    assert "f32[2, 2]" not in text(layout(out, labels(8), 34, 30)).split("device  ")[1]
    assert "cpu:0" not in text(layout(out, labels(8), 26, 30))


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
def _outputs(draw: st.DrawFn) -> Output:
    parts = draw(st.lists(st.sampled_from([1, 1, 2, 3, 8]), max_size=4))
    shape = [n * draw(st.integers(0, 300)) for n in parts]
    out = output(tuple(shape), tuple(parts), draw(st.integers(1, 3)))
    kept = draw(st.integers(0, len(out.shards)))  # another process has the rest
    return Output(
        path="['日']",
        shape=out.shape,
        dtype="float32",
        values=None,
        summary=None,
        shards=out.shards[:kept],
    )


@settings(max_examples=150, deadline=None)
@given(
    out=_outputs(),
    width=st.integers(0, 140),
    height=st.integers(0, 60),
    pick=st.integers(0, 10_000),
)
def test_no_line_is_ever_wider_than_its_room(
    out: Output, width: int, height: int, pick: int
) -> None:
    cursor = pick % len(out.shards) if out.shards else None
    laid_out = layout(out, labels(4), width, height, cursor)
    assert all(width_of(line) <= width for line in laid_out.lines)
    assert laid_out.rows == len(out.shards)
    if cursor is not None and width >= 30:
        line = text_of(laid_out.lines[laid_out.first_row + cursor])
        assert "▌" in line
        assert ">" in in_ascii(line)


def test_the_axes_of_the_mesh_that_divide_are_named_and_each_device_has_its_place() -> None:
    mesh = MeshPlaces.over(range(8), None, {"x": 4, "y": 2})
    shown = text(layout(output((8, 4), (4, 2)), labels(8), 78, 30, mesh=mesh))
    assert "axis 0 ↓ 8 over x   axis 1 → 4 over y" in shown
    assert "3 cpu:3  x=1 y=1  [2:4, 2:4]" in shown
    copies = text(layout(output((8, 4), (4, 1), copies=2), labels(8), 78, 30, mesh=mesh))
    assert "axis 0 → 8 over x\n" in copies
    both = text(layout(output((8, 4), (8, 1)), labels(8), 78, 30, mesh=mesh))
    assert "axis 0 → 8 over x, y\n" in both


def test_a_mesh_of_other_devices_is_not_named() -> None:
    mesh = MeshPlaces.over([8, 9], None, {"x": 2})
    shown = text(layout(output((8, 4), (4, 2)), labels(8), 78, 30, mesh=mesh))
    assert "over" not in shown
    assert "x=" not in shown


def test_a_block_has_the_colour_of_its_device_and_one_of_several_has_none() -> None:
    lines = layout(output((8,), (4,)), labels(4), 60, 20, cursor=2).lines
    styles = {part.text.strip(): part.style for line in lines for part in line}
    assert styles["1"] == "device-1-block"
    assert styles["[2]"] == "device-2-lit"
    assert styles["3 cpu:3"] == "device-3"
    shared = layout(output((8,), (2,), copies=2), labels(4), 60, 20).lines
    assert {p.style for line in shared for p in line if p.text.strip() == "0,1"} == {"block"}
