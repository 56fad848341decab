"""The shards view: which block of an output each device holds, as a drawing and a table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar

from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.reactive import var
from textual.strip import Strip

from jaxtui.results.screen.shards_layout import ShardsLayout, layout
from jaxtui.screen import device_colours
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.screen.mesh_picture import MeshPlaces, axes_css
from jaxtui.wire.report import Output


class ShardsView(LineScroller):
    """Draws the blocks of an output; while focused, it highlights the block of the cursor's device.

    `update_output` sets the output to draw.
    """

    PREFIX = "shards-view--"
    DEFAULT_CSS = (
        """
    ShardsView {
        .shards-view--name { text-style: bold; }
        .shards-view--dtype { color: $soft; }
        .shards-view--words, .shards-view--block { color: $foreground; }
        .shards-view--axis, .shards-view--tick { color: $quiet; }
        .shards-view--head, .shards-view--quiet { color: $quiet; }
        .shards-view--box { color: $foreground 40%; }
        .shards-view--block-lit {
            color: $foreground;
            background: $block-cursor-blurred-background;
            text-style: bold;
        }
        .shards-view--cursor { background: $block-cursor-blurred-background; }
        .shards-view--cursor-sign { color: $focus; text-style: bold; }
    }
    """
        + device_colours.css(PREFIX)
        + axes_css(PREFIX)
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = set(re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS))
    BINDINGS: ClassVar[list[BindingType]] = ways(
        "up down first last page_up page_down", first="First device", last="Last device"
    )

    stale: var[bool] = var(False, toggle_class="-stale")

    def __init__(self) -> None:
        super().__init__()
        self._output: Output | None = None
        self._devices: Mapping[int, str] = {}
        self._mesh: MeshPlaces | None = None
        self.cursor = 0  # the index of a shard
        self.laid_out = layout(None, {}, 0, 0)  # before scrolling

    def update_output(self, output: Output | None, devices: Mapping[int, str]) -> None:
        """Draw the shards of `output`; `devices` maps ids to labels, such as {3: "cpu:3"}."""
        self._output = output
        self._devices = dict(devices)
        self.lay_out()

    def lie_on(self, mesh: MeshPlaces | None) -> None:
        """Name the axes of `mesh`, from the next output on."""
        self._mesh = mesh

    def show(self, result: int, leaf: int, output: Output, devices: Mapping[int, str]) -> None:
        self.update_output(output, devices)

    def clear(self) -> None:
        self.update_output(None, {})

    def lose(self, reason: str) -> None:
        """Where the shards lie is known without their values."""

    # ------------------------------------------------------------------------------- laying out

    def lay_out(self) -> None:
        shards = len(self._output.shards) if self._output else 0
        self.cursor = max(0, min(self.cursor, shards - 1))
        width, height = self.size
        self.laid_out = self._layout_for(width, height)
        if len(self.laid_out.lines) > height:
            width = max(0, width - self.styles.scrollbar_size_vertical)
            self.laid_out = self._layout_for(width, height)
        self.virtual_size = Size(self.size.width, max(height, len(self.laid_out.lines)))
        self.refresh()

    def _layout_for(self, width: int, height: int) -> ShardsLayout:
        shown = self.has_focus and self._output is not None and bool(self._output.shards)
        cursor = self.cursor if shown else None
        return layout(self._output, self._devices, width, height, cursor, self._mesh)

    def watch_has_focus(self, value: bool) -> None:
        super().watch_has_focus(value)
        self.lay_out()

    # --------------------------------------------------------------------------------- painting

    def make_style(self, part: str) -> Style:
        """The styles named in `part`, combined in that order."""
        style = self.rich_style
        for one in part.split():
            style += self.get_component_rich_style(self.PREFIX + one, partial=True)
        return style

    def render_line(self, y: int) -> Strip:
        lines = self.laid_out.lines
        index = y + self.scroll_offset.y
        return self.strip_of(lines[index] if index < len(lines) else ())

    # ------------------------------------------------------------------------------------- keys

    def action_move(self, rows: int) -> None:
        self._go_to(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        self._go_to(self.cursor + pages * max(1, self.size.height - 2))

    def action_edge(self, direction: int) -> None:
        self._go_to(0 if direction < 0 else self.laid_out.rows - 1)

    def _go_to(self, index: int) -> None:
        self.cursor = max(0, min(index, self.laid_out.rows - 1))
        self.lay_out()
        # The first row also scrolls the drawing above it into view.
        line = self.laid_out.first_row + self.cursor if self.cursor else 0
        self.bring_into_view(line, self.size.height)

    def on_click(self, event: events.Click) -> None:
        index = event.y + self.scroll_offset.y - self.laid_out.first_row
        if 0 <= index < self.laid_out.rows:
            self.cursor = index
            self.lay_out()
