"""The shards view on screen: what is at the cursor is lit in inputs and output alike."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from textual.app import ComposeResult
from textual.widgets import Input as Field

from jaxtui.results.screen.shards_scene import Cursor
from jaxtui.results.screen.shards_view import ShardsView
from jaxtui.screen.ascii_filter import PlainText
from jaxtui.screen.themes import ThemedApp
from jaxtui.wire.report import Input, Output
from tests.support.made_shards import (
    GRID,
    LINE,
    labels,
    laid_input,
    laid_output,
    output,
    places,
    product,
)
from tests.support.painting import painted as on_screen


class Host(ThemedApp):
    """The view under a field that takes the first focus."""

    CSS = "Field { height: 3; }"

    def __init__(
        self,
        output: Output | None,
        inputs: Sequence[Input] = (),
        mesh: Mapping[str, int] | None = None,
        ascii: bool = False,
    ) -> None:
        super().__init__()
        if ascii:
            self._filters.append(PlainText())
        self.output, self.inputs, self.mesh = output, inputs, mesh

    def compose(self) -> ComposeResult:
        yield Field()
        yield ShardsView()

    def on_mount(self) -> None:
        self.view.lie_on(places(self.mesh) if self.mesh else None, self.inputs)
        self.view.update_output(self.output, labels(64))

    @property
    def view(self) -> ShardsView:
        return self.query_one(ShardsView)

    def lit(self) -> list[str]:
        """The ids in brackets, each once for every array that the device has a block of."""
        drawn = [line for line in painted(self.view) if "│" in line]
        return sorted(label for line in drawn for label in re.findall(r"\[([\d,]+)\]", line))


def painted(view: ShardsView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def mesh_product() -> Host:
    out, inputs = product()
    return Host(out, inputs, GRID)


async def test_the_cursors_device_has_its_blocks_lit_in_inputs_and_output() -> None:
    app = mesh_product()
    async with app.run_test(size=(80, 40)) as pilot:
        assert app.lit() == []
        await pilot.press("tab")
        assert app.lit() == ["0", "0", "0"]
        await pilot.press("j", "down", "j")
        assert app.lit() == ["3", "3", "3"]
        shown = "\n".join(painted(app.view))
        assert "▌3 cpu:3" in shown
        assert " device 3  cpu:3  x=1 y=1" in shown
        await pilot.press("shift+tab")
        assert app.lit() == []


async def test_sideways_the_cursor_goes_by_the_blocks_of_an_array_and_all_its_devices_are_lit() -> (
    None
):
    app = mesh_product()
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab", "right")
        assert app.lit() == ["0", "0", "0", "1", "1", "1"]
        await pilot.press("j")
        assert app.view.cursor == Cursor(row=2, column=1)
        assert app.lit() == ["2", "2", "2", "3", "3", "3"]
        await pilot.press("l", "j")
        assert app.view.cursor == Cursor(row=1, column=2)
        assert app.lit() == sorted(list("1357") * 3)
        await pilot.press("j", "G", "end")
        assert app.view.cursor == Cursor(row=1, column=2)
        await pilot.press("right", "right", "k")
        assert app.view.cursor == Cursor(row=0, column=3)
        assert app.lit() == ["0", "0", "0"]
        await pilot.press("left", "left", "left", "left")
        assert app.view.cursor == Cursor(row=0, column=0)


async def test_from_a_copy_the_cursor_goes_on_to_the_next_block() -> None:
    app = mesh_product()
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab", "j", "right", "j")
        assert app.view.cursor == Cursor(row=2, column=1)


async def test_what_has_no_blocks_is_passed_over() -> None:
    x = laid_input("x", (8,), LINE, [("devices",)])
    y = Input(name="y", path="", shape=[], dtype="float32", placed="host")
    app = Host(laid_output((8,), LINE, [("devices",)]), [x, y], LINE)
    async with app.run_test(size=(110, 40)) as pilot:
        await pilot.press("tab", "right", "right")
        assert [laid.name for laid in app.view.laid_out.arrays] == ["x", "y", "out"]
        assert app.view.cursor.column == 3
        await pilot.press("left")
        assert app.view.cursor.column == 1


async def test_sixty_four_devices_go_by_below_the_drawing() -> None:
    app = Host(output((64, 64), (8, 8)))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab", "G")
        assert app.view.cursor.row == 63
        assert any(line.startswith("▌63 cpu:63") for line in painted(app.view))
        assert painted(app.view)[0] == " out f32[64, 64]"
        assert "63" in app.lit()
        await pilot.press("k", "ctrl+u", "pagedown", "g")
        assert app.view.cursor.row == 0
        await pilot.press("k")
        assert app.view.cursor.row == 0


async def test_where_there_is_no_room_for_both_space_turns_between_drawings_and_table() -> None:
    app = mesh_product()
    async with app.run_test(size=(80, 14)) as pilot:
        await pilot.press("tab")
        first = painted(app.view)
        assert first[0].endswith("space: drawings")
        await pilot.press("space", "j")
        assert "space: table" in "\n".join(painted(app.view))
        assert "1" in app.lit()
        await pilot.press("space", "k")
        assert painted(app.view) == first


async def test_the_inputs_go_by_from_one_to_the_next() -> None:
    out, _ = product()
    many = [laid_input(f"p{n}", (16, 8), GRID, [("x",), ()]) for n in range(7)]
    app = Host(out, many, GRID)
    async with app.run_test(size=(66, 40)) as pilot:
        await pilot.press("tab", "right", "j")
        names = [[laid.name for laid in app.view.laid_out.arrays]]
        for number in (1, 6, 7):
            app.view.show_input(number)
            names.append([laid.name for laid in app.view.laid_out.arrays])
        assert names == [
            ["p0", "p1", "out"],
            ["p1", "p2", "out"],
            ["p6", "out"],
            ["p0", "p1", "out"],
        ]
        app.view.update_output(output((4,), (2,)), labels(2))
        assert app.view.first == 0


async def test_a_click_takes_the_cursor_to_a_device() -> None:
    app = Host(output((8, 4), (4, 2)))
    async with app.run_test(size=(80, 40)) as pilot:
        row = app.view.laid_out.first_row + 5
        await pilot.click(ShardsView, offset=(6, row))
        assert app.view.cursor.row == 5


async def test_another_output_keeps_the_cursor_within_its_devices() -> None:
    app = Host(output((8, 4), (4, 2)))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab", "right", "G")
        app.view.update_output(output((4,), (2,)), {})
        assert app.view.cursor == Cursor(row=1, column=1)
        app.view.update_output(None, {})
        await pilot.press("j", "G", "g", "pageup", "right", "space")
        assert painted(app.view)[0] == " No result yet."
        assert app.view.text == ""


async def test_ascii_is_the_apps_choice() -> None:
    out, inputs = product()
    app = Host(out, inputs, GRID, ascii=True)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab")
        assert not "".join(painted(app.view)).isascii()
        assert "".join(on_screen(app)).isascii()


@pytest.mark.long
async def test_nothing_breaks_where_there_is_no_room() -> None:
    app = mesh_product()
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab")
        for width, height in ((1, 1), (3, 4), (9, 3), (200, 2), (30, 60)):
            app.view.styles.width, app.view.styles.height = width, height
            await pilot.pause()
            await pilot.press("j", "right", "G", "space", "left", "g", "pagedown")
            lines = [app.view.render_line(y) for y in range(app.view.size.height)]
            assert all(line.cell_length <= width for line in lines)


PICTURES = {
    "product": (mesh_product, ["tab", "j", "right"]),
    "pmap": (
        lambda: Host(
            laid_output((8, 4), LINE, [("devices",), ()]),
            [
                laid_input("x", (8, 4), LINE, [("devices",), ()]),
                Input(name="offset", path="", shape=[], dtype="float32", placed="host"),
            ],
            LINE,
        ),
        ["tab", "j"],
    ),
}


SIZES = [
    pytest.param((80, 24), id="80x24"),
    pytest.param((120, 40), id="120x40"),
    pytest.param((200, 60), id="200x60", marks=pytest.mark.long),
]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", PICTURES)
def test_picture(snap_compare: Any, size: tuple[int, int], name: str) -> None:
    made, keys = PICTURES[name]
    assert snap_compare(made(), terminal_size=size, press=keys)


@pytest.mark.long
@pytest.mark.parametrize("theme", ["jaxtui-light", "jaxtui-16", "no colour"])
def test_picture_in_other_colours(
    snap_compare: Any, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if theme == "no colour":
        monkeypatch.setenv("NO_COLOR", "1")
    app = mesh_product()

    async def coloured(pilot: Any) -> None:
        if theme != "no colour":
            app.theme = theme

    assert snap_compare(
        app, terminal_size=(80, 40), run_before=coloured, press=["tab", "j", "right"]
    )
