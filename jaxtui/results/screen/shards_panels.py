"""Arrays drawn side by side: the inputs, an arrow, and what came out of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtui.results.screen.shards_picture import Pen, axes_lines, picture
from jaxtui.results.screen.shards_scene import Laid
from jaxtui.screen.cells import Line, Segment, crop, fit_middle, pad, width_of, wrap
from jaxtui.text.signs import ARROW_IN, ELLIPSIS, FOLDED

GAP = 3  # cells between two drawings
_LEAST = 16  # cells that each of more than two arrays has to have
_WORDS_LEAST = 20  # cells that words may take where a drawing is narrower


@dataclass(frozen=True)
class Panel:
    """An array's title, what is said of it, and its drawing, which may be missing."""

    head: tuple[Line, ...]
    axes: tuple[Line, ...]
    drawing: tuple[Line, ...]

    @property
    def width(self) -> int:
        return max(map(width_of, (*self.head, *self.axes, *self.drawing)), default=0)


def division(laid: Laid) -> str:
    """How an array is divided, in a few words: `4 blocks × 2 copies`."""
    holders = sorted({len(ids) for ids in laid.holders.values()})
    blocks, devices = len(laid.holders), len(laid.block)
    if not laid.tiling.divided:
        return f"whole on device {next(iter(laid.block))}" if devices == 1 else f"{devices} copies"
    counted = f"{blocks} blocks" if blocks > 1 else "1 block"
    if holders == [1]:
        return counted
    each = f"{holders[0]}" if len(holders) == 1 else f"{holders[0]} to {holders[-1]}"
    return f"{counted} × {each} copies"


def panel(laid: Laid, width: int, height: int, pen: Pen, brief: bool = False) -> Panel:
    """Draw an array in at most `width` by `height` cells; a `brief` one has only its title beside.

    A drawing that does not fit is left out.
    """
    title = _title(laid, width)
    axes = [] if brief else axes_lines(laid.tiling)
    if laid.shards:
        above = len(axes) + len(title) + (not brief)
        drawing = picture(laid.tiling, width, height - above, pen)
        said = "" if brief else division(laid)
        if above + len(drawing) > height:
            drawing = []
    else:
        drawing, said = [], laid.note
    widest = max([_WORDS_LEAST, *map(width_of, (*title, *axes, *drawing))])
    words = wrap(said, min(width, widest), 4)
    head = (*title, *((Segment(text, "words"),) for text in words))
    cut = tuple(elided(line, width) for line in axes)
    return Panel(head, cut, tuple(drawing))


def _title(laid: Laid, width: int) -> list[Line]:
    """The array's name and shape, in two lines where one has no room."""
    shape = Segment(laid.title, "dtype")
    line = (Segment(laid.name, "name"), Segment(" "), shape)
    if width_of(line) <= width:
        return [line]
    return [(Segment(fit_middle(laid.name, width), "name"),), elided((shape,), width)]


def elided(line: Line, width: int) -> Line:
    """`line` in at most `width` cells, with an ellipsis where it is cut."""
    if width_of(line) <= width:
        return line
    return (*crop(line, 0, max(0, width - 1)), Segment(ELLIPSIS[:width], "axis"))


def side_by_side(
    arrays: Sequence[Laid],
    width: int,
    height: int,
    pen: Pen,
    marked: int | None = None,
    *,
    brief: bool = False,
) -> list[Line] | None:
    """Draw `arrays`, the last behind an arrow; the cell before the title of one is `marked`.

    Returns None unless each has a drawing that fits, or nothing to draw.
    """
    count = len(arrays)
    room = width - 1 - GAP * (count - 1)
    even = room // max(1, count)
    if even < (_LEAST if count > 2 else 1):
        return None
    panels = [panel(laid, even, height, pen, brief) for laid in arrays]
    cramped = [at for at in range(count) if _cramped(arrays[at], panels[at], even)]
    left = room - sum(one.width for at, one in enumerate(panels) if at not in cramped)
    for at in cramped:
        panels[at] = panel(arrays[at], left // len(cramped), height, pen, brief)
    if any(laid.shards and not one.drawing for laid, one in zip(arrays, panels, strict=True)):
        return None
    lines = _joined(panels, marked)
    return lines if len(lines) <= height else None


def _cramped(laid: Laid, one: Panel, width: int) -> bool:
    """Whether an array may be drawn better where there is more room."""
    if not laid.shards:
        return False
    strips = len(one.drawing) > 4 and len(laid.tiling.divided) == 1
    return not one.drawing or strips or one.width >= width - 1


def _joined(panels: Sequence[Panel], marked: int | None) -> list[Line]:
    """The panels as lines behind a margin; their drawings begin in the same line."""
    heads = max(len(one.head) + len(one.axes) for one in panels)
    columns: list[list[Line]] = []
    for one in panels:
        blanks: list[Line] = [()] * (heads - len(one.head) - len(one.axes))
        columns.append([*one.head, *blanks, *one.axes, *one.drawing])
    height = max(map(len, columns))
    widths = [one.width for one in panels]
    lines: list[Line] = []
    for at in range(height):
        line: list[Segment] = []
        for number, (column, width) in enumerate(zip(columns, widths, strict=True)):
            if number:
                arrow = at == 0 and number == len(columns) - 1
                line.append(Segment(f"{ARROW_IN:>{GAP - 1}}" if arrow else " " * (GAP - 1), "axis"))
            here = at == 0 and number == marked
            line.append(Segment(FOLDED if here else " ", "cursor-sign"))
            line += pad(column[at] if at < len(column) else (), width)
        lines.append(tuple(line))
    return lines
