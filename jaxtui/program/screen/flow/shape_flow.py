"""The widget of the shape flow: every leaf through the layers, and an error in its cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.strip import Strip

from jaxtui.program.screen import layer_colours
from jaxtui.program.screen.flow.foot import FOOT
from jaxtui.program.screen.flow.layout import FlowPicture, layout
from jaxtui.program.screen.flow.paths import Place, places
from jaxtui.program.screen.path_finder import find_again, is_nowhere, joined, path_test
from jaxtui.screen.cells import Line, Segment, fit
from jaxtui.screen.line_scroller import LineScroller, ways
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.text.printable import clean
from jaxtui.text.signs import in_ascii
from jaxtui.wire.report import Flow

_FOOT_MOST = 5
LOOKED_AT = 100  # rows in which those that fold are looked for, to name the key
STACKS_FROM = 34  # lines of a screen that has room for the stacks, also while an error hides them
LOW = 6  # lines; in a lower widget the foot has only one, to leave room for rows
_COPY_WIDTH = 1000  # cells; enough for any stack, as copied text has no edge
_PARTS = (
    "name",
    "heading",
    "function",
    "dtype",
    "value",
    "quiet",
    "arrow",
    "whole",
    "fold",
    "cursor-sign",
    "rule",
    "edge",
    "glimpse",
    "error",
    "message",
    "key",
    "fix",
    "legend-sign",
    "stale-note",
)


class ShapeFlow(LineScroller):
    """Draws a `report.Flow` with scrolling rows; heading, foot and names stay in place.

    `update_flow` gives it what to draw. The cursor shows only while it has the focus; `enter` on
    a row of a long pytree folds or unfolds it.
    """

    PREFIX = "shape-flow--"
    # What is wrong now, and what mends it, is not of the program before.
    UNDIMMED = frozenset({"error", "message", "key", "fix", "stale-note"})
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "shape-flow--cursor",
        *(f"shape-flow--{part}" for part in _PARTS),
        *layer_colours.COMPONENTS,
    }
    DEFAULT_CSS = (
        """
    ShapeFlow {
        .shape-flow--name { text-style: bold; }
        .shape-flow--heading { color: $foreground; text-style: bold; }
        .shape-flow--function { color: $foreground; text-style: bold; }
        .shape-flow--dtype { color: $soft; }
        .shape-flow--value { color: $foreground; }
        .shape-flow--quiet { color: $quiet; }
        .shape-flow--arrow { color: $quiet; }
        .shape-flow--whole { color: $quiet; }
        .shape-flow--fold { color: $quiet; }
        .shape-flow--cursor-sign { color: $focus; text-style: bold; }
        .shape-flow--rule { color: $foreground 30%; }
        .shape-flow--edge { color: $foreground; text-style: bold; }
        .shape-flow--glimpse { color: $soft; text-style: italic; }
        .shape-flow--error { color: $text-error; text-style: bold; }
        .shape-flow--message { color: $text-error; }
        .shape-flow--key { color: $focus; text-style: bold; }
        .shape-flow--fix { color: $foreground; }
        .shape-flow--legend-sign { color: $foreground; }
        .shape-flow--stale-note { color: $stale; text-style: italic; }
        .shape-flow--cursor { background: $block-cursor-blurred-background; }
    }
    """
        + layer_colours.CSS
    )

    place_name = "Shapes"
    BINDINGS: ClassVar[list[BindingType]] = [
        *ways(
            "up down left right first last page_up page_down", first="First row", last="Last row"
        ),
        Binding("enter,space", "fold", "Fold or unfold"),
        Binding("n", "find_again(1)", "Find the next path"),
        Binding("N", "find_again(-1)", "Find the path before"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._flow: Flow | None = None
        self._diagnosis: Diagnosis | None = None
        self._stale = False
        self._source_line = ""
        self._arguments: tuple[str, ...] = ()
        self._own_arguments: tuple[str, ...] | None = None  # of a stale flow's own program
        self._folds: dict[str, bool] = {}
        self._x = 0
        self.cursor = 0  # the index of a row in `picture.rows`
        self._body_height = 0
        self._overflows = False
        self.picture = layout(None, width=0)  # before it is scrolled up or down
        self._foot: tuple[Line, ...] = ()
        self._foot_lines = FOOT
        self.sought = ""  # what was looked for last
        self._places: list[Place] = []  # of the flow `_places_of`
        self._places_of: Flow | None = None
        self._numbers: dict[tuple[str, str], int] = {}  # of the places, by kind and path
        self._paths = ""  # of the places, joined

    @property
    def HINTS(self) -> tuple[tuple[str, str], ...]:  # noqa: N802 - other widgets have a constant
        """The keys to name: that which folds only where rows near the top fold."""
        rows = self.picture.rows
        folds = any(rows[n].group for n in range(min(len(rows), LOOKED_AT)))
        return (("arrows", "look"), *((("enter", "fold"),) if folds else ()))

    def update_flow(
        self,
        flow: Flow | None,
        diagnosis: Diagnosis | None = None,
        stale: bool = False,
        source_line: str = "",
        arguments: Sequence[str] = (),
    ) -> None:
        """Draw `flow`, with the error of `diagnosis` in its cell.

        `stale` says that the flow is of an earlier program; `source_line` is an excerpt of the
        function's body; `arguments` are the program's argument names, so that one with a wrong
        value has a row even though it is missing in the flow. A stale flow keeps
        those of its own program.
        """
        self._flow = flow
        self._diagnosis = diagnosis
        self._stale = stale
        if not stale:
            self._source_line, self._own_arguments = source_line, None
        elif self._own_arguments is None:
            # What is new in the source would stand among what is old.
            self._own_arguments = self._arguments or tuple(arguments)
        self._arguments = tuple(arguments)
        self.lay_out()

    @property
    def text(self) -> str:
        """The whole flow as plain text, for the clipboard."""
        text = self._laid_into(_COPY_WIDTH).scrolled(0).table_text
        return in_ascii(text) if getattr(self.app, "ascii", False) else text

    # ------------------------------------------------------------------------------- laying out

    def lay_out(self) -> None:
        # First assume that the scrollbar is there or not as before, which is rarely wrong.
        self.picture = self._laid_into(self._inner_width)
        rows = len(self.picture.rows)
        self._body_height, foot_lines = _heights(rows, self.size.height)
        overflow = max(0, rows - self._body_height)
        if self._overflows is not bool(overflow):
            self._overflows = bool(overflow)
            self.picture = self._laid_into(self._inner_width)
        self._foot_lines = foot_lines
        self._tell_cursor(self.has_focus)
        self._x = self.picture.x
        self.cursor = max(0, min(self.cursor, rows - 1))
        self.virtual_size = Size(self.size.width, self.size.height + overflow)
        if self.styles.is_auto_height:
            self.refresh(layout=True)
        self.refresh()

    def _tell_cursor(self, shows: bool) -> None:
        """Say below the rows which row the cursor is on, if it shows."""
        self._foot = self.picture.foot(self._foot_lines, self.cursor if shows else None)

    # `has_focus` changes only after these.
    def on_focus(self) -> None:
        self._tell_cursor(True)

    def on_blur(self) -> None:
        self._tell_cursor(False)

    @property
    def _inner_width(self) -> int:
        scrollbar = self.styles.scrollbar_size_vertical if self._overflows else 0
        return max(0, self.size.width - scrollbar)

    def _laid_into(self, width: int) -> FlowPicture:
        return layout(
            self._flow,
            self._diagnosis,
            self._folds,
            width,
            stale=self._stale,
            source_line=self._source_line,
            arguments=self._arguments,
            own=self._own_arguments,
            x=self._x,
        )

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        lines = 1 + len(self.picture.rows) + FOOT + 1
        table = self.picture.table
        if table is None or viewport.height < STACKS_FROM or not table.mapping:
            return lines
        return lines + 1 + min(table.mapping, _FOOT_MOST - FOOT - 1)

    # --------------------------------------------------------------------------------- painting

    def render_line(self, y: int) -> Strip:
        picture = self.picture
        foot_top = 1 + self._body_height
        index = y - 1 + self.scroll_offset.y
        if y == 0:
            return self._strip(picture.heading, dim=self._stale)
        if y >= foot_top:
            at = y - foot_top
            return self._strip(self._foot[at] if at < len(self._foot) else (), dim=self._stale)
        if index >= len(picture.rows):
            return self._strip(())
        at_cursor = self.has_focus and index == self.cursor
        strip = self._strip(picture.line(index, at_cursor), dim=self._stale, cursor=at_cursor)
        return (
            strip if y < foot_top - 1 else self.telling_more(strip, len(picture.rows) - index - 1)
        )

    def _strip(self, line: Line, dim: bool = False, cursor: bool = False) -> Strip:
        strip = self.strip_of(line, width=self.picture.width, dim=dim)
        if not cursor:
            return strip
        ground = Style(bgcolor=self.get_component_rich_style("shape-flow--cursor").bgcolor)
        return Strip(RichSegment.apply_style(strip, post_style=ground), strip.cell_length)

    def make_style(self, part: str) -> Style:
        """The style of `part`; layers have the same colours on every screen."""
        if part.startswith("layer--"):
            return self.get_component_rich_style(part)
        return super().make_style(part)

    # ------------------------------------------------------------------------------------- keys

    def action_move(self, rows: int) -> None:
        self._go_to(self.cursor + rows, 1 if rows > 0 else -1)

    def action_page(self, pages: int) -> None:
        self._go_to(self.cursor + pages * max(1, self._body_height - 1), pages)

    def action_edge(self, direction: int) -> None:
        self._go_to(0 if direction < 0 else len(self.picture.rows) - 1, direction)

    def action_sideways(self, columns: int) -> None:
        stops = self.picture.stops
        beyond = [x for x in stops if (x - self._x) * columns > 0]
        if beyond:
            self._x = min(beyond, key=lambda x: abs(x - self._x))
            self.picture = self.picture.scrolled(self._x)
            self.refresh()

    def action_fold(self) -> None:
        rows = self.picture.rows
        if not rows or not rows[self.cursor].group:
            return
        row = rows[self.cursor]
        self._folds[row.group] = row.open
        self.lay_out()
        first = row.group.partition(":")[2]
        self._go_to(self.picture.find(row.kind, clean(first)), 1)

    def _go_to(self, index: int, direction: int) -> None:
        rows = self.picture.rows
        if not rows:
            return
        index = max(0, min(index, len(rows) - 1))
        if rows[index].kind == "rule":
            index += direction
        self.cursor = index
        self.bring_into_view(index, self._body_height)
        self._tell_cursor(self.has_focus)
        self.refresh()

    # ---------------------------------------------------------------------------------- finding

    def find(self, wanted: str, step: int = 1) -> bool:
        """Go to the next path that `wanted` fits, or with -1 to the one before.

        What it lies in is unfolded. Return whether there is one.
        """
        self.sought = wanted
        self._know_places()
        if is_nowhere(wanted, self._paths):
            return False
        fits, count = path_test(wanted), len(self._places)
        start = self._place_of_cursor()
        order = ((start + step * away) % count for away in range(1, count + 1))
        found = next((at for at in order if fits(*self._places[at][1:3])), None)
        if found is None:
            return False
        place = self._places[found]
        self._folds |= dict.fromkeys(place.groups, False)
        self.lay_out()
        self._go_to(self.picture.find(place.kind, clean(place.path)), 1)
        return True

    def _know_places(self) -> None:
        """Know every place of the flow, for what is to be found."""
        flow = self._flow
        if flow is None or flow is self._places_of:
            return
        self._places, self._places_of = places(flow), flow
        self._paths = joined(place.path for place in self._places)
        self._numbers = {(p.kind, clean(p.path)): at for at, p in enumerate(self._places)}

    def _place_of_cursor(self) -> int:
        if not self.picture.rows:
            return -1
        row = self.picture.rows[self.cursor]
        return self._numbers.get((row.kind, row.path), -1)

    def say(self, message: str) -> None:
        """Say what is wrong below the rows, until the cursor moves."""
        self._foot = ((Segment(fit(f"  ! {message}", self._inner_width), "message"),), ())
        self.refresh()

    def action_find_again(self, step: int) -> None:
        find_again(self, step)

    def on_click(self, event: events.Click) -> None:
        """Move the cursor to the row; fold or unfold at its sign, or on a second click."""
        index = event.y - 1 + self.scroll_offset.y
        on_row = 1 <= event.y < 1 + min(self._body_height, len(self.picture.rows))
        if on_row and self.picture.rows[index].kind != "rule":
            again = index == self.cursor
            self.cursor = index
            if self.picture.rows[index].first and (again or event.x <= 1):
                self.action_fold()
            self.refresh()


def _heights(rows: int, height: int) -> tuple[int, int]:
    """Return the lines for the rows (and a blank one if there is room) and for the foot.

    Both depend only on height and number of rows, so that an error moves nothing.
    """
    room = height - 1 - rows
    if room < FOOT:
        foot = 1 if height < LOW else FOOT + (height >= 10)
        return max(0, height - 1 - foot), foot
    blank = int(room > FOOT + 1)
    return rows + blank, min(_FOOT_MOST, room - blank)
