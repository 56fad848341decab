"""The rows of devices as a widget: keys, clicks, folding, and what it asks of its screen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.pilot import Pilot

from jaxtui.collectives.screen.blocks import Holding, holding
from jaxtui.collectives.screen.device_rows import DeviceRows
from jaxtui.collectives.screen.rows import ElementPlace
from jaxtui.screen.themes import ThemedApp
from jaxtui.wire.report import Output, Shard

ROWS = 16


def held(*block: int) -> Holding:
    """An array of counted elements over 16 devices."""
    numbers = iter(range(10**6))

    def nested(shape: tuple[int, ...]) -> object:
        return [nested(shape[1:]) for _ in range(shape[0])] if shape else next(numbers)

    whole = [[0, n] for n in block]
    shards = [Shard(device=i, index=[[i, i + 1], *whole]) for i in range(ROWS)]
    return holding(
        Output(
            path="",
            shape=[ROWS, *block],
            dtype="int32",
            values=nested((ROWS, *block)),
            summary=None,
            shards=shards,
        )
    )


class Host(ThemedApp):
    """Shows the rows and remembers what they ask for."""

    def __init__(self, before: Holding, after: Holding) -> None:
        super().__init__()
        self.rows = DeviceRows()
        self.given = (before, after)
        self.edits: list[ElementPlace] = []

    def compose(self) -> ComposeResult:
        yield self.rows

    def on_mount(self) -> None:
        self.rows.show(("device", [f"{i}  cpu" for i in range(ROWS)]), *self.given)
        self.rows.focus()

    def on_device_rows_edit_wanted(self, event: DeviceRows.EditWanted) -> None:
        self.edits.append(event.place)


def lines(host: Host) -> list[str]:
    return [host.rows.render_line(y).text for y in range(host.rows.size.height)]


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await pilot.pause()


async def test_the_heading_stays_while_the_rows_scroll() -> None:
    host = Host(held(2), held(2))
    async with host.run_test(size=(60, 8)) as pilot:
        await press(pilot, "G")
        shown = lines(host)
    assert "before" in shown[0]
    assert "15  cpu" in shown[-1]
    assert host.rows.cursor == ElementPlace("after", 15, 0)


async def test_pages_move_by_what_is_on_view_and_stop_at_the_ends() -> None:
    host = Host(held(2), held(2))
    async with host.run_test(size=(60, 8)) as pilot:
        await press(pilot, "ctrl+d")
        assert host.rows.cursor == ElementPlace("after", 7, 0)
        await press(pilot, "ctrl+u", "ctrl+u")
        assert host.rows.cursor == ElementPlace("after", 0, 0)


async def test_space_shows_folded_blocks_whole_and_folds_them_again() -> None:
    host = Host(held(64), held(2))
    async with host.run_test(size=(60, 20)) as pilot:
        assert any("more" in line for line in lines(host))
        await press(pilot, "space")
        assert not any("more" in line for line in lines(host))
        await press(pilot, "space")
        assert any("more" in line for line in lines(host))


async def test_a_click_takes_the_cursor_to_the_element() -> None:
    host = Host(held(2), held(2))
    async with host.run_test(size=(60, 20)) as pilot:
        drawn = host.rows.laid_out
        assert drawn is not None
        y, x = drawn.locate(ElementPlace("before", 5, 1))
        await pilot.click(DeviceRows, offset=(x, y + 1))
        await pilot.pause()
        assert host.rows.cursor == ElementPlace("before", 5, 1)


async def test_enter_asks_for_the_element_to_be_edited() -> None:
    host = Host(held(2), held(2))
    async with host.run_test(size=(60, 20)) as pilot:
        await press(pilot, "h", "j", "enter")
    assert host.edits == [ElementPlace("before", 1, 1)]


async def test_a_new_result_keeps_the_cursor_as_far_as_it_can() -> None:
    host = Host(held(2), held(4))
    async with host.run_test(size=(60, 20)) as pilot:
        await press(pilot, "j", "l", "l", "l")
        assert host.rows.cursor == ElementPlace("after", 1, 3)
        host.rows.show(("device", [f"{i}  cpu" for i in range(ROWS)]), held(2), held(2))
        await pilot.pause()
        assert host.rows.cursor == ElementPlace("after", 1, 1)


async def test_the_wanted_height_is_that_without_a_scrollbar() -> None:
    host = Host(held(8), held(8))
    async with host.run_test(size=(84, 10)) as pilot:
        await pilot.pause()
        assert host.rows.wanted_height == 1 + ROWS
