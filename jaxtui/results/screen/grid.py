"""The grid of the array view: the part wanted on screen, what is read of it, what is drawn."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import ClassVar, Self

from rich.style import Style as RichStyle
from textual.color import Color
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.timer import Timer

from jaxtui.results.screen.model import Plane, PlaneView, Rectangle, Source, WindowRequest
from jaxtui.results.screen.paint import GridLayout, Look, Painter, Picture, lay_out, shades
from jaxtui.results.screen.reading import Reading
from jaxtui.results.screen.words import ArraySubject
from jaxtui.text.dtypes import Family, family
from jaxtui.text.numbers import NOTATIONS, Notation, Style, full_text
from jaxtui.wire.report import Output, Summary
from jaxtui.wire.results import WindowRead

HOLD = 0.15  # seconds; how long the old picture stays while cells of the new one are read
_PREFIX = "array-view--"


class LeafRequest(Message):
    """Something is to be read of a leaf, or of a device's block of it."""

    def __init__(self, source: Source, device: int | None) -> None:
        super().__init__()
        self.result = source.result
        self.leaf = source.leaf
        self.device = device


class ArrayGrid(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws a leaf of a result while holding only the windows around the visible part.

    Windows and statistics are requested by messages. The host passes the answers to `put` and
    `put_summary`, or reports with `refuse` that a window cannot be read.
    """

    DEFAULT_CSS = """
    ArrayGrid {
        height: 1fr;
        scrollbar-size: 1 1;
        scrollbar-color: $foreground 18%;
        scrollbar-background: $background 0%;
        scrollbar-corner-color: $background 0%;
        &.-short { scrollbar-size-horizontal: 0; }
        .array-view--name, .array-view--value, .array-view--cursor-resting { text-style: bold; }
        .array-view--dtype, .array-view--muted, .array-view--index { color: $text-muted; }
        .array-view--active, .array-view--cursor-index {
            color: $focus;
            text-style: bold;
        }
        .array-view--stale { color: $stale; text-style: italic; }
        .array-view--sampled { color: $text-warning; text-style: italic; }
        .array-view--cursor { text-style: bold reverse; }
        .array-view--odd { color: $text-error; text-style: bold underline; }
        .array-view--notice { color: $text-warning; }
        .array-view--heat { color: $heat-high; }
        .array-view--heat-negative { color: $heat-low; }
    }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *re.findall(r"\w[\w-]*--[\w-]+", DEFAULT_CSS),
        *("array-view--cell", "array-view--statistic"),  # in the style of the widget
    }
    ALLOW_SELECT = False

    stale: reactive[bool] = reactive(False)
    """Whether the program has changed since it gave this result, which is then dimmed."""

    class WindowWanted(LeafRequest, namespace="array_view"):
        """Cells are needed; the fields are those of `ReadWindow`."""

        def __init__(self, source: Source, wanted: WindowRequest) -> None:
            super().__init__(source, wanted.device)
            self.rows = wanted.rows
            self.columns = wanted.columns
            self.index = [list(part) for part in wanted.index]

    class SummaryWanted(LeafRequest, namespace="array_view"):
        """Statistics are needed."""

    def __init__(self) -> None:
        super().__init__()
        self._reading: Reading | None = None  # of the leaf to show
        self._view = PlaneView.of(())
        self._device: int | None = None
        self._picture: Picture | None = None  # what is drawn, which may be older
        self._hold: Timer | None = None
        self._late = False  # whether the wanted cells take longer than HOLD
        self._waiting: Timer | None = None
        self._waited = 0  # seconds
        self._heat = False
        self._notations: dict[Family, Notation] = {}
        self._digits: dict[Notation, int] = {}
        self._notice = ""
        self._lost = ""  # why nothing more can be read
        self._kept_look: Look | None = None
        self._palette: tuple[tuple[Color, ...], tuple[RichStyle, ...]] | None = None

    # -------------------------------------------------------------------------- what is shown

    def show(self, result: int, leaf: int, output: Output, devices: Mapping[int, str]) -> None:
        """Show leaf `leaf` of `result`; `devices` maps the ids in its shards to labels.

        The dimensions on screen and the cursor stay as they are if the rank is the same.
        """
        source = Source(result, leaf, output, dict(devices))
        if self._reading is not None and self._reading.source == source:
            return
        self._reading = Reading(source)
        self._notice = self._lost = ""
        self._late = False
        self._count_waiting()
        if self._device is not None and source.shard(self._device) is None:
            self._device = None
        shape = source.block(self._device).shape
        if len(shape) == len(self._view.shape):
            self._view = self._view.onto(shape, self._view.index)
        else:
            self._view = PlaneView.of(shape)
        self._advance()

    def clear(self) -> None:
        self._reading = self._picture = None
        self._late = False
        self._count_waiting()
        self._stop_holding()
        self.virtual_size = Size(0, 0)
        self.refresh()

    def put(self, window: WindowRead) -> None:
        """Take an answer to WindowWanted, and drop it if it is of another result."""
        left = self._left()
        if self._reading is not None and self._reading.put(window):
            self._advance(left)

    def put_summary(self, summary: Summary, device: int | None, result: int | None = None) -> None:
        """Take an answer to SummaryWanted, and drop it if it is of another result."""
        reading = self._reading
        if reading is None or result not in (None, reading.source.result):
            return
        left = self._left()
        reading.put_summary(summary, device)
        self._advance(left)

    def refuse(self, reason: str) -> None:
        """Show why the requested window cannot be read; scrolling requests another."""
        if self._reading is not None:
            self._reading.windows.outstanding = None
            self._notice = reason
            self._late = True
            self._paint()

    def lose(self, reason: str) -> None:
        """Show why nothing more can be read; cells that have been read stay visible.

        No window is requested until another leaf is shown. Values that came with the output are not
        affected.
        """
        reading = self._reading
        if reading is None or reading.local or reason == self._lost:
            return
        self._lost = reason
        reading.windows.outstanding = None
        self._late = False
        self._advance()

    @property
    def cursor_text(self) -> str | None:
        """The element at the cursor with all digits, or None if it has not been read."""
        if self._reading is None or self._view.empty:
            return None
        cell = self._reading.cell(self._view, self._device)
        return None if cell is None else full_text(cell, self._reading.source.output.dtype)

    # ------------------------------------------------------------------------------- settings

    @property
    def _style(self) -> Style:
        dtype = "" if self._reading is None else self._reading.source.output.dtype
        kind = family(dtype)
        notation = self._notations.get(kind, NOTATIONS[kind][0])
        return Style(notation, self._digits.get(notation))

    def _layout(self, picture: Picture) -> GridLayout:
        size = self.scrollable_content_region.size
        return lay_out(size.width, size.height, picture.subject.view, picture.cell)

    def _wanted_layout(self) -> GridLayout | None:
        picture = self._wanted_picture(0, 0)
        return None if picture is None else self._layout(picture)

    def _left(self) -> int:
        """Return the first column in view."""
        layout = self._wanted_layout()
        if layout is None:
            return 0
        return min(math.ceil(self.scroll_x / layout.cell), max(0, self._view.column_count - 1))

    def _top(self) -> int:
        """Return the first row in view."""
        return min(round(self.scroll_y), max(0, self._view.row_count - 1))

    # ---------------------------------------------------------------------- wanted and on screen

    def _wanted_picture(self, top: int, left: int) -> Picture | None:
        reading = self._reading
        if reading is None:
            return None
        subject = ArraySubject(reading.source, self._view, self._device, self._style, self.stale)
        return Picture(
            subject=subject,
            windows=reading.windows,
            top=top,
            left=left,
            format=reading.format(self._device, subject.style),
            scale=reading.scale(self._device) if self._heat else None,
            summary=reading.summary(self._device),
        )

    def _advance(self, left: int | None = None) -> None:
        """Draw what is wanted, now if its cells have been read, else when they come.

        `left` is the column to keep first in view when the width of cells changes.
        """
        reading, view = self._reading, self._view
        if reading is None or not self.is_attached or not self.size:
            return
        layout = self._wanted_layout()
        assert layout is not None
        self._set_extent(layout)
        if left is not None and left != self._left():
            self.scroll_to(x=left * layout.cell, animate=False)
        if self._lost:
            read = view.empty or self._has_visible(reading, layout)
            self._notice = "" if read else self._lost
        elif not view.empty:
            self._ask(reading, layout)
        if view.empty or self._lost or self._ready(reading, layout) or self._late:
            self._late = self._late and not self._ready(reading, layout)
            self._count_waiting()
            self._paint()
        elif self._hold is None:
            self._hold = self.set_timer(HOLD, self._give_up_holding)

    def _set_extent(self, layout: GridLayout) -> None:
        """Let the scrollbars end at the last row and column."""
        view, extent = self._view, Size(0, 0)
        if not view.empty:
            width = layout.gutter + view.column_count * layout.cell
            extent = Size(width, layout.chrome + view.row_count)
        if self.virtual_size == extent:
            return
        self.virtual_size = extent
        x, y = min(self.scroll_x, self.max_scroll_x), min(self.scroll_y, self.max_scroll_y)
        if (x, y) != (self.scroll_x, self.scroll_y):
            self.scroll_to(x, y, animate=False, force=True)

    def _visible(self, layout: GridLayout) -> Rectangle:
        return layout.visible(self._view, self._top(), self._left())

    def _ask(self, reading: Reading, layout: GridLayout) -> None:
        if reading.summary_needed(self._device):
            self.post_message(self.SummaryWanted(reading.source, self._device))
        wanted = reading.next_window(self._view, self._device, self._visible(layout))
        if wanted is not None:
            self.post_message(self.WindowWanted(reading.source, wanted))

    def _ready(self, reading: Reading, layout: GridLayout) -> bool:
        return self._has_visible(reading, layout) and reading.range_known(self._device)

    def _has_visible(self, reading: Reading, layout: GridLayout) -> bool:
        plane = Plane.of(self._view, self._device)
        return reading.windows.has(plane, self._visible(layout))

    def _give_up_holding(self) -> None:
        self._hold = None
        self._late = True
        self._advance()

    def _count_waiting(self) -> None:
        """Start or stop counting the seconds that the foot shows while cells are late."""
        if self._late and self._waiting is None:
            self._waited = 0
            self._waiting = self.set_interval(1.0, self._waited_more)
        elif not self._late and self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
            self._waited = 0

    def _waited_more(self) -> None:
        self._waited += 1
        self.refresh()

    def _stop_holding(self) -> None:
        if self._hold is not None:
            self._hold.stop()
            self._hold = None

    def _paint(self) -> None:
        self._stop_holding()
        self._picture = self._wanted_picture(self._top(), self._left())
        self.refresh()

    # ------------------------------------------------------------------------------- drawing

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        picture, look = self._picture, self._look()
        if self._reading is None or picture is None:
            return Strip.blank(width, look.roles["cell"])
        notice = self._notice
        if not notice and self._waited:
            notice = f"reading from the engine, {self._waited} s"
        painter = Painter(picture, self._layout(picture), look, notice)
        return painter.line(y).adjust_cell_length(width, look.roles["cell"])

    def _look(self) -> Look:
        """Return the styles, cached until the next refresh."""
        if self._kept_look is None:
            roles = {
                name.removeprefix(_PREFIX): self.get_component_rich_style(name)
                for name in self.COMPONENT_CLASSES
            }
            if self.stale:
                roles |= dict.fromkeys(("cell", "name", "value", "statistic"), roles["muted"])
            self._kept_look = Look(roles, self._shades(), self.has_focus)
        return self._kept_look

    def _shades(self) -> tuple[RichStyle, ...]:
        """Return a style for each level of a heat map; none if hues cannot be told apart."""
        ends = tuple(
            self.get_component_styles(_PREFIX + name).color for name in ("heat-negative", "heat")
        )
        ground = self.background_colors[1]
        plain = bool(getattr(self.app, "ascii", False)) or self.app.no_color
        if plain or any(colour.ansi is not None for colour in (ground, *ends)):
            return ()
        if self._palette is None or self._palette[0] != (ground, *ends):
            self._palette = ((ground, *ends), shades(ground, *ends))
        return self._palette[1]

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        self._kept_look = None
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)

    def notify_style_update(self) -> None:
        self._kept_look = None
        super().notify_style_update()

    # ------------------------------------------------------------------------------- events

    def on_resize(self) -> None:
        self.set_class(self.size.height < 8, "-short")
        self._advance()

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        if round(old_value) != round(new_value):
            self._advance()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self._advance()

    def watch_stale(self) -> None:
        self._advance()

    def watch_has_focus(self, has_focus: bool) -> None:
        super().watch_has_focus(has_focus)
        self.refresh()
