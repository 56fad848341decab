"""An array drawn as its blocks, to scale, with the ids of the devices that hold them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from jaxtui.results.screen.shards_tiling import Interval, Tiling
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, join
from jaxtui.screen.mesh_picture import axis_style
from jaxtui.text import signs

_LABEL_MOST = 9
_BLOCK_WIDEST = 16


@dataclass(frozen=True)
class Pen:
    """How devices are drawn: `places` has the place of each, by which it has its colour, and
    `chosen` are those whose blocks are lit."""

    places: Mapping[int, int]
    chosen: Collection[int] = ()


def picture(tiling: Tiling, width: int, height: int, pen: Pen) -> list[Line]:
    """Draw the blocks: one box for an array that is not divided, a strip for one divided dimension,
    a grid for two.

    Of more divided dimensions, the first two are drawn. A grid is made lower to fit into `height`
    lines where possible. Returns [] if the drawing fits in no way; a strip may be too high.
    """
    if not tiling.blocks:
        return []
    if not tiling.divided:
        cell = _Cell.of(tiling, {}, pen)
        across = max(_least([cell], width - 2), 5)
        return _boxes([[cell]], [across], 1) if across + 2 <= width else []
    if len(tiling.divided) > 1:
        return _grid(tiling, tiling.divided[:2], width, height, pen)
    if _stacked(tiling):
        return _grid(tiling, (tiling.divided[0], len(tiling.shape) - 1), width, height, pen)
    return _strips(tiling, width, pen)


def _stacked(tiling: Tiling) -> bool:
    """Whether the blocks of one divided dimension lie below each other, as those of rows do."""
    return len(tiling.divided) == 1 and tiling.divided[0] < len(tiling.shape) - 1


def axes_lines(tiling: Tiling) -> list[Line]:
    """A line for each divided dimension: its direction in the drawing, its length, and the axes of
    the mesh that divide it."""
    down = len(tiling.divided) > 1 or _stacked(tiling)
    directions = [signs.ARROW_DOWN, signs.ARROW_IN] if down else [signs.ARROW_IN]
    lines: list[Line] = []
    for at, axis in enumerate(tiling.divided):
        arrow = directions[at] if at < len(directions) else "in depth"
        parts = [Segment(f"axis {axis} {arrow} {tiling.shape[axis]}", "axis")]
        if tiling.mesh is not None and tiling.over.get(axis):
            parts.append(Segment(" over ", "axis"))
            for number, name in enumerate(tiling.over[axis]):
                comma = ", " if number else ""
                parts.append(Segment(comma + name, axis_style(tiling.mesh, name)))
        lines.append(tuple(parts))
    return lines


def ids_text(ids: Sequence[int]) -> str:
    """Format device ids briefly: "3", "0,4", "0–3", or only their number if that is too long."""
    runs: list[list[int]] = []
    for device in ids:
        if runs and device == runs[-1][-1] + 1:
            runs[-1].append(device)
        else:
            runs.append([device])
    parts = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs]
    text = ",".join(parts)
    return text if len(text) <= _LABEL_MOST else f"{len(ids)} dev"


# ----------------------------------------------------------------------------------------- strip


def _strips(tiling: Tiling, width: int, pen: Pen) -> list[Line]:
    dimension = tiling.divided[0]
    cuts = tiling.cuts[dimension]
    cells = [_Cell.of(tiling, {dimension: cut}, pen) for cut in cuts]
    end = len(str(cuts[-1][1]))
    # Stripes may have two strips; ids alone take as few as there can be.
    room = (width - 1 - end) // -(-len(cuts) // 2) - 1
    least = max(_least(cells, room), end + 1)
    per_strip = min(len(cuts), (width - 1 - end) // (least + 1))
    if per_strip < 1:
        return []
    room = (width - 1 - end) // per_strip - 1
    widths = _to_scale([stop - start for start, stop in cuts], least, min(room, _BLOCK_WIDEST))
    lines: list[Line] = []
    for first in range(0, len(cuts), per_strip):
        part = slice(first, first + per_strip)
        lines += _boxes([cells[part]], widths[part], 1)
        lines.append(_ticks(cuts[part], widths[part]))
    return lines


def _to_scale(sizes: Sequence[int], least: int, most: int) -> list[int]:
    """Return widths in proportion to the sizes, each between `least` and `most`."""
    longest = max(sizes)
    return [max(least, round(size / longest * most)) if longest else least for size in sizes]


def _ticks(cuts: Sequence[Interval], widths: Sequence[int]) -> Line:
    """Return a line with each block's start index, and the last one's end, under its border."""
    text = ""
    at = 0
    for (start, _), width in zip(cuts, widths, strict=True):
        text = text.ljust(at) + str(start)
        at += width + 1
    return (Segment(text.ljust(at) + str(cuts[-1][1]), "tick"),)


# ------------------------------------------------------------------------------------------ grid


@dataclass(frozen=True)
class _Cell:
    """What a drawn block shows: a stripe in its colour for each device that holds it, or where
    there is no room for these only their ids."""

    ids: Sequence[int]
    pen: Pen

    @classmethod
    def of(cls, tiling: Tiling, place: dict[int, Interval], pen: Pen) -> _Cell:
        """Combine the blocks that lie at `place` (dimension -> interval)."""
        return cls(tiling.holders(tuple(place)).get(tuple(place.values()), []), pen)

    @property
    def least(self) -> int:
        """The cells that the ids take, with a bracket on either side."""
        return cell_len(ids_text(self.ids)) + 2

    @property
    def wanted(self) -> int:
        """The cells that a stripe for each device takes."""
        return max(1, len(self.ids)) * self._stripe

    @property
    def _stripe(self) -> int:
        return max((len(str(device)) for device in self.ids), default=1) + 2

    def inside(self, width: int, *, labelled: bool) -> list[Segment]:
        """One line of the block; the ids of what is lit stand in brackets."""
        if self.wanted <= width:
            each, more = divmod(width, max(1, len(self.ids)))
            sizes = [each + (at < more) for at in range(len(self.ids))]
            stripes = zip(self.ids, sizes, strict=True)
            return [self._of_device(device, size, labelled) for device, size in stripes]
        lit = any(device in self.pen.chosen for device in self.ids)
        text = ids_text(self.ids)
        label = (f"[{text}]" if lit else text) if labelled else ""
        return [Segment(_centred(label, width), "block-lit" if lit else "block")]

    def _of_device(self, device: int, width: int, labelled: bool) -> Segment:
        lit = device in self.pen.chosen
        label = (f"[{device}]" if lit else str(device)) if labelled else ""
        style = device_colours.style(self.pen.places[device], "lit" if lit else "block")
        return Segment(_centred(label, width), style)


def _least(cells: Iterable[_Cell], most: int) -> int:
    """The cells that each block takes at least: for stripes if that is not above `most`."""
    every = list(cells)
    wanted = max(cell.wanted for cell in every)
    return wanted if wanted <= most else max(cell.least for cell in every)


def _grid(
    tiling: Tiling, dimensions: Sequence[int], width: int, height: int, pen: Pen
) -> list[Line]:
    """Draw the blocks along two dimensions, the first downwards."""
    down, across = dimensions
    rows, columns = tiling.cuts[down], tiling.cuts[across]
    if len(rows) + 3 > height or 4 * len(columns) > width:
        return []  # however low and narrow its boxes are
    cells = [
        [_Cell.of(tiling, {down: row, across: column}, pen) for column in columns] for row in rows
    ]
    margin = len(str(rows[-1][1])) + 1
    end = len(str(columns[-1][1]))
    most = (width - margin - 1 - end) // len(columns) - 1
    least = max(_least((cell for line in cells for cell in line), most), end + 1)
    most = max(least, min(most, _BLOCK_WIDEST)) if least <= most else most
    if most < least:
        return []
    # A terminal cell is about twice as high as it is wide.
    ratio = 2 * _longest(columns) / max(1, _longest(rows))
    for lines_each in (3, 1, 0):
        total = len(rows) * (lines_each + 1) + 1 if lines_each else len(rows) + 2
        if total + 1 <= height or lines_each == 0:
            break
    each = max(least, min(most, round(ratio * (lines_each + 1)) - 1))
    widths = _to_scale([stop - start for start, stop in columns], least, each)
    boxes = _boxes(cells, widths, lines_each)
    return _framed(boxes, (rows, columns), widths, lines_each)


def _longest(cuts: Sequence[Interval]) -> int:
    return max(stop - start for start, stop in cuts)


def _framed(
    boxes: list[Line],
    cuts: tuple[Sequence[Interval], Sequence[Interval]],
    widths: Sequence[int],
    lines_each: int,
) -> list[Line]:
    """Add the indices along both dimensions to the boxes."""
    rows, columns = cuts
    margin = len(str(rows[-1][1])) + 1
    step = lines_each + 1
    offset = 0 if lines_each else 1
    labels = {at * step + offset: str(start) for at, (start, _) in enumerate(rows)}
    labels[len(boxes) - 1] = str(rows[-1][1])
    lines: list[Line] = [(Segment(" " * margin), *_ticks(columns, widths))]
    for at, box in enumerate(boxes):
        lines.append((Segment(f"{labels.get(at, ''):>{margin - 1}} ", "tick"), *box))
    return lines


def _boxes(cells: Sequence[Sequence[_Cell]], widths: Sequence[int], lines_each: int) -> list[Line]:
    """Draw boxes side by side; `lines_each` 0 leaves out the lines between rows."""
    top, middle, bottom = (_border(widths, ends) for ends in ("┌┬┐", "├┼┤", "└┴┘"))
    inside = max(1, lines_each)
    lines = [top]
    for number, row in enumerate(cells):
        if number and lines_each:
            lines.append(middle)
        lines += [_filled(row, widths, at == (inside - 1) // 2) for at in range(inside)]
    return [*lines, bottom]


def _border(widths: Sequence[int], ends: Sequence[str]) -> Line:
    left, between, right = ends
    return (Segment(left + between.join(signs.RULE * width for width in widths) + right, "box"),)


def _filled(row: Sequence[_Cell], widths: Sequence[int], labelled: bool) -> Line:
    parts = [Segment("│", "box")]
    for cell, width in zip(row, widths, strict=True):
        parts += [*cell.inside(width, labelled=labelled), Segment("│", "box")]
    return join(parts)


def _centred(text: str, width: int) -> str:
    left = (width - cell_len(text)) // 2
    return " " * left + text + " " * (width - cell_len(text) - left)
