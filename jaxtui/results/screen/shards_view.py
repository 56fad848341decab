"""The shards view: which block of the inputs and of an output each device holds, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.reactive import var
from textual.strip import Strip

from jaxtui.results.screen.shards_layout import layout
from jaxtui.results.screen.shards_scene import Cursor, Laid, Scene
from jaxtui.results.screen.shards_table import as_text, column_array
from jaxtui.screen import device_colours
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.screen.mesh_picture import MeshPlaces, axes_css
from jaxtui.wire.report import Input, Output


class ShardsView(LineScroller):
    """Draws the blocks of inputs and of an output; while focused, what is at the cursor is lit.

    The cursor is at a device, or in the column of an array at one of its blocks: then all devices
    with that block are chosen. What the chosen devices hold is lit in every array.
    """

    PREFIX = "shards-view--"
    place_name = "Shards"
    HINTS = (("↑↓", "device"), ("←→", "by block"))
    DEFAULT_CSS = (
        """
    ShardsView {
        .shards-view--name { text-style: bold; }
        .shards-view--dtype { color: $soft; }
        .shards-view--words, .shards-view--block { color: $foreground; }
        .shards-view--axis, .shards-view--tick { color: $quiet; }
        .shards-view--head, .shards-view--quiet { color: $quiet; }
        .shards-view--head-lit { color: $foreground; text-style: bold; }
        .shards-view--box { color: $foreground 40%; }
        .shards-view--block-lit {
            color: $foreground;
            background: $block-cursor-blurred-background;
            text-style: bold;
        }
        .shards-view--cursor {
            background: $block-cursor-blurred-background;
            text-style: bold;
        }
        .shards-view--cursor-sign { color: $focus; text-style: bold; }
    }
    """
        # Many terminals with 16 colours show bold black as grey, which is not legible on a colour.
        + device_colours.css(PREFIX, lit="none")
        + axes_css(PREFIX)
    )
    COMPONENT_CLASSES: ClassVar[set[str]] = set(re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS))
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways("up down first last page_up page_down", first="First device", last="Last device"),
        Binding("left,h", "sideways(-1)", "The array before: go by its blocks", show=False),
        Binding("right,l", "sideways(1)", "The next array: go by its blocks", show=False),
        Binding("space", "turn", "Drawings or table", show=False),
    ]

    stale: var[bool] = var(False, toggle_class="-stale")

    def __init__(self) -> None:
        super().__init__()
        self._inputs: tuple[Input, ...] = ()
        self._mesh: MeshPlaces | None = None
        self._processes: dict[int, str] = {}
        self._turned = False
        self.scene: Scene | None = None
        self.first = 0  # the input that is shown first
        self.cursor = Cursor()
        self.laid_out = layout(None, 0, 0)

    def update_output(self, output: Output | None, devices: Mapping[int, str]) -> None:
        """Draw the shards of `output`; `devices` maps ids to labels, such as {3: "cpu:3"}."""
        if output is None:
            self.scene = None
        else:
            inputs = tuple(Laid.input(leaf, self._mesh) for leaf in self._inputs)
            laid = Laid.output(output, self._mesh)
            self.scene = Scene(inputs, laid, dict(devices), self._mesh, self._processes)
            self.first = max(0, min(self.first, len(inputs) - 1))
        self.lay_out()

    def lie_on(
        self,
        mesh: MeshPlaces | None,
        inputs: Sequence[Input],
        processes: Mapping[int, str] | None = None,
    ) -> None:
        """Name the axes of `mesh` and the `processes` of devices, and show `inputs`, from the next
        output on."""
        self._mesh, self._inputs, self._processes = mesh, tuple(inputs), dict(processes or {})

    def show(self, result: int, leaf: int, output: Output, devices: Mapping[int, str]) -> None:
        self.update_output(output, devices)

    def clear(self) -> None:
        self.update_output(None, {})

    def lose(self, reason: str) -> None:
        """Where the shards lie is known without their values."""

    def show_input(self, number: int) -> None:
        """Begin with this input; numbers go round."""
        count = len(self._inputs)
        self.first = number % count if count else 0
        self.lay_out()

    @property
    def has_inputs(self) -> bool:
        return self.scene is not None and bool(self.scene.inputs)

    @property
    def text(self) -> str:
        """The table of all devices as text."""
        return "" if self.scene is None else as_text(self.scene, self.laid_out.arrays)

    # ------------------------------------------------------------------------------- laying out

    def lay_out(self) -> None:
        devices = len(self.scene.devices) if self.scene is not None else 0
        row = max(0, min(self.cursor.row, devices - 1))
        self.cursor = self.cursor._replace(row=row)
        width, height = self.size
        shown = self.cursor if self.has_focus and devices else None
        self.laid_out = layout(self.scene, width, height, shown, self.first, self._turned)
        column = min(self.cursor.column, len(self.laid_out.arrays))
        self.cursor = self.cursor._replace(column=column)
        self.virtual_size = Size(width, height)
        self.refresh()

    def watch_has_focus(self, value: bool) -> None:
        super().watch_has_focus(value)
        self.lay_out()

    # --------------------------------------------------------------------------------- painting

    def render_line(self, y: int) -> Strip:
        lines = self.laid_out.lines
        return self.strip_of(lines[y] if y < len(lines) else ())

    # ------------------------------------------------------------------------------------- keys

    @property
    def _stops(self) -> list[int]:
        """The rows at which the cursor stops in its column."""
        if self.scene is None:
            return []
        return self.scene.stops(column_array(self.laid_out.arrays, self.cursor.column))

    def _stop(self) -> int:
        """Which of the stops the cursor is at: that of its device's block."""
        scene, stops = self.scene, self._stops
        laid = column_array(self.laid_out.arrays, self.cursor.column)
        if scene is None or not stops:
            return 0
        chosen = scene.chosen(self.cursor.row, laid)
        rows = [at for at, row in enumerate(stops) if scene.devices[row] in chosen]
        return rows[0] if rows else 0

    def action_move(self, step: int) -> None:
        self._go_to(self._stop() + step)

    def action_page(self, pages: int) -> None:
        self._go_to(self._stop() + pages * max(1, self.laid_out.rows - 1))

    def action_edge(self, direction: int) -> None:
        self._go_to(0 if direction < 0 else len(self._stops) - 1)

    def action_sideways(self, step: int) -> None:
        """Go to another column; one of an array without blocks is passed over."""
        arrays = self.laid_out.arrays
        columns = [0, *(at + 1 for at, laid in enumerate(arrays) if laid.block)]
        at = columns.index(self.cursor.column) if self.cursor.column in columns else 0
        column = columns[max(0, min(at + step, len(columns) - 1))]
        self.cursor = self.cursor._replace(column=column)
        self.lay_out()

    def action_turn(self) -> None:
        """Turn between drawings and table, where there is no room for both."""
        if self.laid_out.turns:
            self._turned = not self._turned
            self.lay_out()

    def _go_to(self, stop: int) -> None:
        stops = self._stops
        if stops:
            self.cursor = self.cursor._replace(row=stops[max(0, min(stop, len(stops) - 1))])
            self.lay_out()

    def on_click(self, event: events.Click) -> None:
        row = event.y - self.laid_out.first_row
        if 0 <= row < self.laid_out.rows:
            self.cursor = self.cursor._replace(row=self.laid_out.top + row)
            self.lay_out()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_move(1)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_move(-1)
