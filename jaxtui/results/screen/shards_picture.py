"""An array drawn as its blocks, to scale, with the ids of the devices that hold them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len

from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, join
from jaxtui.screen.mesh_picture import MeshPlaces, axis_style
from jaxtui.text import signs
from jaxtui.wire.report import Shard

Interval = tuple[int, int]
Block = tuple[Interval, ...]

_LABEL_MOST = 9
_BLOCK_WIDEST = 16


@dataclass(frozen=True)
class Tiling:
    """How an array is divided: `blocks` maps each block to its device ids, in ascending order.

    `over[d]` names the axes of the mesh along which dimension d is divided, if there is a mesh.
    `cuts[d]` are the distinct intervals along dimension d, sorted; `divided` lists the dimensions
    with more than one interval, or with one that does not span it.
    """

    shape: tuple[int, ...]
    blocks: dict[Block, list[int]]
    cuts: tuple[tuple[Interval, ...], ...]
    divided: tuple[int, ...]
    over: dict[int, tuple[str, ...]] = field(default_factory=dict)
    mesh: MeshPlaces | None = None

    @property
    def devices(self) -> list[int]:
        """The ids of all devices, in the order of the mesh where there is one."""
        if self.mesh is not None:
            return list(self.mesh.ids)
        return sorted({device for ids in self.blocks.values() for device in ids})

    @classmethod
    def of(
        cls, shape: Sequence[int], shards: Iterable[Shard], mesh: MeshPlaces | None = None
    ) -> Tiling:
        """Collect the tiling of an array of `shape` from its shards, on devices of a mesh."""
        blocks: dict[Block, list[int]] = {}
        for shard in shards:
            blocks.setdefault(block_of(shard), []).append(shard.device)
        cuts = tuple(tuple(sorted({block[d] for block in blocks})) for d in range(len(shape)))
        divided = tuple(d for d, size in enumerate(shape) if cuts[d] != ((0, size),))
        held = {b: sorted(ids) for b, ids in blocks.items()}
        if mesh is None or not {d for ids in held.values() for d in ids} <= set(mesh.ids):
            return cls(tuple(shape), held, cuts, divided)
        over = {d: _dividing(d, held, mesh) for d in divided}
        return cls(tuple(shape), held, cuts, divided, over, mesh)


def _dividing(dimension: int, blocks: dict[Block, list[int]], mesh: MeshPlaces) -> tuple[str, ...]:
    """The mesh axes along which a device's part of a dimension changes."""
    parts = {d: block[dimension] for block, ids in blocks.items() for d in ids}
    found = []
    for name in mesh.axes:
        seen: dict[tuple[tuple[str, int], ...], set[Interval]] = {}
        for device, part in parts.items():
            others = mesh.coordinates(device)
            del others[name]
            seen.setdefault(tuple(others.items()), set()).add(part)
        if any(len(several) > 1 for several in seen.values()):
            found.append(name)
    return tuple(found)


def block_of(shard: Shard) -> Block:
    """Return the part of the array that a shard holds."""
    return tuple((start, stop) for start, stop in shard.index)


def picture(tiling: Tiling, width: int, height: int, lit: Block | None = None) -> list[Line]:
    """Draw the blocks: a strip for one divided dimension, a grid for two.

    Of more divided dimensions, the first two are drawn. Returns [] if none is divided or if the
    drawing does not fit into `width` cells; it is made lower to fit into `height` lines where
    possible. `lit` is a block to highlight.
    """
    if not tiling.divided:
        return []
    if len(tiling.divided) == 1:
        return _strips(tiling, width, lit)
    return _grid(tiling, width, height, lit)


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


def _strips(tiling: Tiling, width: int, lit: Block | None) -> list[Line]:
    dimension = tiling.divided[0]
    cuts = tiling.cuts[dimension]
    cells = [_Cell.of(tiling, {dimension: cut}, lit) for cut in cuts]
    least = max(2 + max(cell_len(cell.text) for cell in cells), len(str(cuts[-1][1])) + 1)
    per_strip = min(len(cuts), (width - 1 - len(str(cuts[-1][1]))) // (least + 1))
    if per_strip < 1:
        return []
    room = (width - 1 - len(str(cuts[-1][1]))) // per_strip - 1
    widths = _to_scale([stop - start for start, stop in cuts], least, min(room, _BLOCK_WIDEST))
    lines: list[Line] = [_axes_line([(dimension, signs.ARROW_IN)], tiling)]
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
    """What a drawn block shows: its devices, and whether it is highlighted."""

    text: str
    lit: bool
    style: str  # of the device, when only one holds it

    @classmethod
    def of(cls, tiling: Tiling, place: dict[int, Interval], lit: Block | None) -> _Cell:
        """Combine the blocks that lie at `place` (dimension -> interval)."""
        ids: list[int] = []
        is_lit = False
        for block, holders in tiling.blocks.items():
            if all(block[dimension] == cut for dimension, cut in place.items()):
                ids += holders
                is_lit = is_lit or block == lit
        kind = "lit" if is_lit else "block"
        shared = "block-lit" if is_lit else "block"
        style = device_colours.style(tiling.devices.index(ids[0]), kind) if len(ids) == 1 else ""
        return cls(ids_text(sorted(ids)), is_lit, style or shared)


def _grid(tiling: Tiling, width: int, height: int, lit: Block | None) -> list[Line]:
    down, across = tiling.divided[:2]
    rows, columns = tiling.cuts[down], tiling.cuts[across]
    cells = [
        [_Cell.of(tiling, {down: row, across: column}, lit) for column in columns] for row in rows
    ]
    margin = len(str(rows[-1][1])) + 1
    end = len(str(columns[-1][1]))
    least = max(max(cell_len(c.text) for line in cells for c in line) + 2, end + 1)
    most = min((width - margin - 1 - end) // len(columns) - 1, _BLOCK_WIDEST)
    if most < least:
        return []
    # A terminal cell is about twice as high as it is wide.
    ratio = 2 * _longest(columns) / max(1, _longest(rows))
    for lines_each in (3, 1, 0):
        total = len(rows) * (lines_each + 1) + 1 if lines_each else len(rows) + 2
        if total + 3 <= height or lines_each == 0:
            break
    each = max(least, min(most, round(ratio * (lines_each + 1)) - 1))
    widths = _to_scale([stop - start for start, stop in columns], least, each)
    boxes = _boxes(cells, widths, lines_each)
    return _framed(tiling, boxes, widths, lines_each)


def _longest(cuts: Sequence[Interval]) -> int:
    return max(stop - start for start, stop in cuts)


def _framed(
    tiling: Tiling, boxes: list[Line], widths: Sequence[int], lines_each: int
) -> list[Line]:
    """Add the indices along both dimensions to the boxes."""
    down, across, *behind = tiling.divided
    rows, columns = tiling.cuts[down], tiling.cuts[across]
    margin = len(str(rows[-1][1])) + 1
    step = lines_each + 1
    offset = 0 if lines_each else 1
    labels = {at * step + offset: str(start) for at, (start, _) in enumerate(rows)}
    labels[len(boxes) - 1] = str(rows[-1][1])
    axes = [(down, signs.ARROW_DOWN), (across, signs.ARROW_IN)]
    lines: list[Line] = [_axes_line(axes, tiling)]
    lines.append((Segment(" " * margin), *_ticks(columns, widths)))
    for at, box in enumerate(boxes):
        lines.append((Segment(f"{labels.get(at, ''):>{margin - 1}} ", "tick"), *box))
    if behind:
        named = " and ".join(str(dimension) for dimension in behind)
        lines.append((Segment(f"blocks along axis {named} lie behind one another", "axis"),))
    return lines


def _axes_line(axes: Sequence[tuple[int, str]], tiling: Tiling) -> Line:
    """Return a line that names each axis, its direction and its length."""
    parts: list[Segment] = []
    for axis, arrow in axes:
        gap = "   " if parts else ""
        parts.append(Segment(f"{gap}axis {axis} {arrow} {tiling.shape[axis]}", "axis"))
        if tiling.mesh is not None and tiling.over.get(axis):
            parts.append(Segment(" over ", "axis"))
            for number, name in enumerate(tiling.over[axis]):
                comma = ", " if number else ""
                parts.append(Segment(comma + name, axis_style(tiling.mesh, name)))
    return tuple(parts)


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
        text = cell.text if labelled else ""
        if cell.lit and labelled:
            text = f"[{text}]"
        parts += [
            Segment(_centred(text, width), cell.style),
            Segment("│", "box"),
        ]
    return join(parts)


def _centred(text: str, width: int) -> str:
    left = (width - cell_len(text)) // 2
    return " " * left + text + " " * (width - cell_len(text) - left)
