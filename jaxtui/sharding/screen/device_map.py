"""The device map: the mesh as a grid, the block of an array on each device, a cursor."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.sharding.grid import HEADING, Grid
from jaxtui.sharding.screen import roles
from jaxtui.sharding.words import AnyArray


class DeviceMap(LineScroller):
    """Paints the grid of an array, however many devices there are."""

    PREFIX = roles.PREFIX
    COMPONENT_CLASSES: ClassVar[set[str]] = roles.COMPONENTS
    DEFAULT_CSS = roles.CSS
    BINDINGS: ClassVar[list[BindingType]] = ways(
        "left right up down page_up page_down first last",
        first="To the first device",
        last="To the last device",
    )

    class Moved(Message):
        """The cursor stands on another device."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.device = 0
        self.grid: Grid | None = None
        self._array: AnyArray | None = None
        self._mesh: dict[str, int] = {}

    def show(self, array: AnyArray, mesh: dict[str, int]) -> None:
        """Show the blocks of an array on the devices of a mesh."""
        if (array, mesh) == (self._array, self._mesh):
            return
        self._array, self._mesh = array, mesh
        self.lay_out()
        self.refresh()

    def lay_out(self) -> None:
        array = self._array
        if array is None or not self.size.width:
            return
        self.grid = grid = Grid(
            self._mesh, array.shape, array.spec, array.per_device, self.size.width
        )
        self.device = min(self.device, grid.devices - 1)
        wanted = Size(self.size.width, grid.rows + HEADING)
        if self.virtual_size != wanted:
            self.virtual_size = wanted

    def render_line(self, y: int) -> Strip:
        grid = self.grid
        if grid is None:
            return self.strip_of(())
        first = grid.first_column(self.device)
        if y < HEADING:
            return self.strip_of(roles.line_of(grid.heading(first)))
        row = y + self.scroll_offset.y - HEADING
        if row >= grid.rows:
            return self.strip_of(())
        strip = self.strip_of(roles.line_of(grid.line(row, self.device, first)))
        return strip if y < self.size.height - 1 else self.telling_more(strip, grid.rows - row - 1)

    def go_to(self, device: int) -> None:
        """Put the cursor on a device."""
        if self.grid is None:
            return
        if device != self.device:
            self.device = device
            self.post_message(self.Moved())
            self.refresh()
        self.bring_into_view(device // self.grid.columns, max(1, self.size.height - HEADING))

    def on_click(self, event: events.Click) -> None:
        grid = self.grid
        if grid is None or event.y < HEADING:
            return
        line = event.y - HEADING + self.scroll_offset.y
        x = event.x - self.gutter.left
        device = grid.device_at(line, x, grid.first_column(self.device))
        if device is not None:
            self.go_to(device)

    # ------------------------------------------------------------------------------------- keys

    def _step(self, down: int, across: int) -> None:
        if self.grid is not None:
            self.go_to(self.grid.moved(self.device, down, across))

    def action_move(self, step: int) -> None:
        self._step(step, 0)

    def action_sideways(self, step: int) -> None:
        self._step(0, step)

    def action_page(self, pages: int) -> None:
        self._step(pages * max(1, self.size.height - HEADING), 0)

    def action_edge(self, direction: int) -> None:
        if self.grid is not None:
            self.go_to(0 if direction < 0 else self.grid.devices - 1)
