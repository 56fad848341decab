"""The base of widgets that lay out lines of styled segments and scroll them up and down."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment as RichSegment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from jaxtui.screen.cells import Line, pad
from jaxtui.text.signs import ARROW_DOWN

# The keys, the action and what it does, of each way to go in a widget.
WAYS = {
    "left": ("left,h", "sideways(-1)", "Left"),
    "right": ("right,l", "sideways(1)", "Right"),
    "up": ("up,k", "move(-1)", "Up"),
    "down": ("down,j", "move(1)", "Down"),
    "page_up": ("pageup,ctrl+u", "page(-1)", "Page up"),
    "page_down": ("pagedown,ctrl+d", "page(1)", "Page down"),
    "first": ("home,g", "edge(-1)", "To the top"),
    "last": ("end,G", "edge(1)", "To the end"),
}


def ways(names: str, **descriptions: str) -> list[BindingType]:
    """The bindings of the ways `names`, in that order; `descriptions` say what some do here."""
    return [
        Binding(WAYS[name][0], WAYS[name][1], descriptions.get(name, WAYS[name][2]), show=False)
        for name in names.split()
    ]


class LineScroller(ScrollView, can_focus=True):
    """Paints `Line`s: the style of a segment names component classes PREFIX + name.

    A subclass has `lay_out`, which makes the lines for the room there is and sets `virtual_size`,
    and `render_line`, which picks one of them. Styles are looked up once until the theme changes.
    """

    PREFIX: ClassVar[str] = ""
    UNDIMMED: ClassVar[frozenset[str]] = frozenset()  # styles that stay as they are in a dim line
    DEFAULT_CSS = """
    LineScroller {
        height: 1fr;
        overflow-x: hidden;
        overflow-y: auto;
        scrollbar-size-vertical: 1;
        scrollbar-color: $foreground 25%;
        scrollbar-color-hover: $foreground 40%;
        scrollbar-color-active: $focus;
        scrollbar-background: $background;
        scrollbar-background-hover: $background;
        scrollbar-background-active: $background;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = ways("up down page_up page_down first last")

    def __init__(
        self, *, name: str | None = None, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(name=name, id=id, classes=classes)
        self._styles: dict[tuple[str, bool], Style] = {}

    def lay_out(self) -> None:
        raise NotImplementedError

    def on_resize(self, event: events.Resize) -> None:
        self.lay_out()

    def notify_style_update(self) -> None:
        self._styles.clear()
        super().notify_style_update()

    def get_content_width(self, container: Size, viewport: Size) -> int:
        return container.width

    def bring_into_view(self, line: int, room: int) -> None:
        """Scroll until `line` is among the `room` visible lines."""
        top = self.scroll_offset.y
        if line < top:
            self.scroll_to(y=line, animate=False)
        elif line >= top + room:
            self.scroll_to(y=line - room + 1, animate=False)

    # ------------------------------------------------------------------------------------- keys

    def action_move(self, step: int) -> None:
        self.scroll_relative(y=step, animate=False)

    def action_page(self, pages: int) -> None:
        self.scroll_relative(y=pages * max(1, self.size.height - 1), animate=False)

    def action_edge(self, direction: int) -> None:
        if direction < 0:
            self.scroll_home(animate=False)
        else:
            self.scroll_end(animate=False)

    # --------------------------------------------------------------------------------- painting

    def strip_of(self, line: Line, *, width: int | None = None, dim: bool = False) -> Strip:
        """The line as a strip, cut or padded to `width` cells (the widget's by default)."""
        width = self.size.width if width is None else width
        return Strip(
            [RichSegment(text, self.style_of(part, dim)) for text, part in pad(line, width)], width
        )

    def telling_more(self, strip: Strip, hidden: int) -> Strip:
        """The last line on view with `↓ 3 more` at its right end, if rows are hidden below it.

        Where the line has no blanks for that, the scrollbar alone says so.
        """
        told = f"  {ARROW_DOWN} {hidden:,} more "
        start = strip.cell_length - len(told)
        if hidden <= 0 or start <= 0 or strip.crop(start).text.strip():
            return strip
        told_of = RichSegment(told, self.rich_style + Style(dim=True))
        return Strip.join([strip.crop(0, start), Strip([told_of], len(told))])

    def style_of(self, part: str, dim: bool = False) -> Style:
        style = self._styles.get((part, dim))
        if style is None:
            style = self.make_style(part)
            if dim and part not in self.UNDIMMED:
                style += Style(dim=True)
            self._styles[part, dim] = style
        return style

    def make_style(self, part: str) -> Style:
        """The theme's styles named in `part`, combined in that order; "" is the widget's own."""
        first, *others = part.split() or [""]
        # Only the whole style of a component has its colour mixed with the background.
        style = self.get_component_rich_style(self.PREFIX + first) if first else self.rich_style
        for one in others:
            style += self.get_component_rich_style(self.PREFIX + one, partial=True)
        return style
