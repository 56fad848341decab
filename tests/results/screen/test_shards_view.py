"""The shards view on screen: the cursor's device has its block lit, and everything scrolls."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import ComposeResult
from textual.widgets import Input

from jaxtui.results.screen.shards_view import ShardsView
from jaxtui.screen.ascii_filter import PlainText
from jaxtui.screen.themes import ThemedApp
from jaxtui.wire.report import Output
from tests.support.made_shards import output
from tests.support.painting import painted as on_screen


class Host(ThemedApp):
    """The view under a field that takes the first focus."""

    CSS = "Input { height: 3; }"

    def __init__(self, output: Output | None, ascii: bool = False) -> None:
        super().__init__()
        if ascii:
            self._filters.append(PlainText())
        self.output = output

    def compose(self) -> ComposeResult:
        yield Input()
        yield ShardsView()

    def on_mount(self) -> None:
        self.view.update_output(self.output, {device: f"cpu:{device}" for device in range(64)})

    @property
    def view(self) -> ShardsView:
        return self.query_one(ShardsView)


def painted(view: ShardsView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


async def test_the_cursors_device_has_its_block_lit() -> None:
    app = Host(output((8, 4), (4, 2)))
    async with app.run_test(size=(80, 40)) as pilot:
        assert not any("[0]" in line for line in painted(app.view))
        await pilot.press("tab")
        assert any("[0]" in line for line in painted(app.view))
        await pilot.press("j", "down", "j")
        shown = "\n".join(painted(app.view))
        assert "[3]" in shown
        assert "▌3 cpu:3" in shown
        await pilot.press("shift+tab")
        assert "[3]" not in "\n".join(painted(app.view))


async def test_sixty_four_devices_scroll_and_come_back_to_the_picture() -> None:
    app = Host(output((64, 64), (8, 8)))
    async with app.run_test(size=(80, 30)) as pilot:
        await pilot.press("tab", "G")
        assert app.view.cursor == 63
        assert any(line.lstrip().startswith("▌63 cpu:63") for line in painted(app.view))
        await pilot.press("k", "ctrl+u", "pagedown", "g")
        assert app.view.cursor == 0
        assert painted(app.view)[0] == " out  f32[64, 64]"
        await pilot.press("k")
        assert app.view.cursor == 0


async def test_a_click_takes_the_cursor_to_a_device() -> None:
    app = Host(output((8, 4), (4, 2)))
    async with app.run_test(size=(80, 40)) as pilot:
        row = app.view.laid_out.first_row + 5
        await pilot.click(ShardsView, offset=(6, row))
        assert app.view.cursor == 5


async def test_another_output_keeps_the_cursor_within_its_devices() -> None:
    app = Host(output((8, 4), (4, 2)))
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab", "G")
        app.view.update_output(output((4,), (2,)), {})
        assert app.view.cursor == 1
        app.view.update_output(None, {})
        await pilot.press("j", "G", "g", "pageup")
        assert painted(app.view)[0] == " No result yet."


async def test_ascii_is_the_apps_choice() -> None:
    app = Host(output((8, 4), (4, 2)), ascii=True)
    async with app.run_test(size=(80, 40)) as pilot:
        await pilot.press("tab")
        assert not "".join(painted(app.view)).isascii()
        assert "".join(on_screen(app)).isascii()


@pytest.mark.long
async def test_nothing_breaks_where_there_is_no_room() -> None:
    app = Host(output((8, 4), (4, 2)))
    async with app.run_test(size=(100, 20)) as pilot:
        await pilot.press("tab")
        for width, height in ((1, 1), (3, 4), (9, 3), (200, 2), (30, 60)):
            app.view.styles.width, app.view.styles.height = width, height
            await pilot.pause()
            await pilot.press("j", "G", "g", "pagedown")
            lines = [app.view.render_line(y) for y in range(app.view.size.height)]
            assert all(line.cell_length <= width for line in lines)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("parts", [(8, 1), (4, 2)], ids=["strip", "grid"])
def test_picture(snap_compare: Any, size: tuple[int, int], parts: tuple[int, int]) -> None:
    assert snap_compare(Host(output((8, 4), parts)), terminal_size=size, press=["tab", "j"])
