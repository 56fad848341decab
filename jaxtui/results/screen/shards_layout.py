"""The layout of the shards view: a drawing of the blocks to scale and a table, as plain lines."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from jaxtui.results.screen.model import slices_text
from jaxtui.results.screen.shards_picture import Tiling, block_of, picture
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, crop, pad, width_of, wrap
from jaxtui.screen.mesh_picture import MeshPlaces
from jaxtui.text import dtypes, quantities
from jaxtui.text.dtypes import short_dtype
from jaxtui.text.printable import clean
from jaxtui.text.signs import CURSOR
from jaxtui.wire.report import Output

_SMALL = 9  # lines; a lower view shows only the table
_TABLE_LEAST = 5  # lines kept under a drawing: a blank one, the table's head and some rows
_GAP = 4  # cells between a drawing and a table beside it
_COLUMN_GAP = "  "


@dataclass(frozen=True)
class ShardsLayout:
    """All lines from top to bottom, none wider than the view.

    The table has `rows` rows from line `first_row` on, in the order of the output's shards.
    """

    lines: tuple[Line, ...]
    first_row: int
    rows: int


def layout(
    output: Output | None,
    devices: Mapping[int, str],
    width: int,
    height: int,
    cursor: int | None = None,
    mesh: MeshPlaces | None = None,
) -> ShardsLayout:
    """Lay out `output`'s shards, as a drawing and a table, in `width` by `height` cells.

    `devices` maps device ids to labels, such as {3: "cpu:3"}; `cursor` is the index of the shard
    whose row and block are highlighted. `mesh` is that of the device set, whose axes are named.
    """
    if output is None:
        return _only_words("No result yet.", width)
    if not output.shards:
        text = f"out{clean(output.path)} is not on any device: it is no array of JAX."
        return _only_words(text, width)
    tiling = Tiling.of(output.shape, output.shards, mesh)
    name = Segment(f" {clean(f'out{output.path}')}", "name")
    dtype = Segment(short_dtype(output.dtype), "dtype")
    head: list[Line] = [(name, Segment("  "), dtype, Segment(_shape(output.shape)))]
    texts = wrap(" ".join(_words(output, tiling)), max(1, width - 2), 3)
    head += [(Segment(f" {text}", "words"),) for text in texts]
    table = _fitting_table(output, tiling, devices, width - 1, cursor)
    lit = None if cursor is None else block_of(output.shards[cursor])

    def draw(lines: int) -> list[Line]:
        return picture(tiling, width - 1, lines, lit)

    body, first_row = _arrange(draw, table, width, height, len(head))
    lines = [*head, (), *((Segment(" "), *line) for line in body)]
    cropped = tuple(crop(line, 0, max(0, width)) for line in lines)
    return ShardsLayout(cropped, len(head) + 1 + first_row, len(table) - 1)


def _only_words(text: str, width: int) -> ShardsLayout:
    shown = wrap(text, max(1, width - 2), 3)
    lines = tuple(crop((Segment(f" {line}", "words"),), 0, width) for line in shown)
    return ShardsLayout(lines, len(lines), 0)


def _arrange(
    draw: Callable[[int], list[Line]], table: list[Line], width: int, height: int, head: int
) -> tuple[list[Line], int]:
    """Put the drawing above the table, or beside it where that saves scrolling.

    If the view is too low, there is only the table. `draw(height)` makes the drawing, of at most
    `height` lines if possible; `head` lines stand above. Also returns the line of the table's first
    row.
    """
    room = height - head - 1
    if height < _SMALL:
        return table, 1
    whole = draw(room - len(table) - 1)
    if whole and len(whole) + 1 + len(table) <= room:
        return [*whole, (), *table], len(whole) + 2
    beside = draw(room)
    across = max(map(width_of, beside), default=0) + _GAP
    fits_across = across + max(map(width_of, table)) < width
    if beside and len(beside) <= room and fits_across:
        count = max(len(beside), len(table))
        left = [*beside, *[()] * (count - len(beside))]
        right = [*table, *[()] * (count - len(table))]
        return [(*pad(a, across), *b) for a, b in zip(left, right, strict=True)], 1
    above = draw(room - _TABLE_LEAST)
    if above and len(above) <= room - _TABLE_LEAST:
        return [*above, (), *table], len(above) + 2
    return table, 1


# ----------------------------------------------------------------------------------------- words


def _shape(shape: Sequence[int]) -> str:
    return "[" + ", ".join(str(size) for size in shape) + "]"


def _words(output: Output, tiling: Tiling) -> list[str]:
    """Say how the array is divided, and how many devices hold the same block."""
    devices = len({shard.device for shard in output.shards})
    if not tiling.divided:
        if devices == 1:
            return ["One device holds all of it."]
        return [f"Every device holds all of it: {devices} copies."]
    parts = [f"axis {axis} into {len(tiling.cuts[axis])}" for axis in tiling.divided]
    parts[0] = parts[0].replace("axis", "Axis").replace("into", "divided into")
    blocks = len(tiling.blocks)
    words = [f"{', '.join(parts)}: {blocks} blocks on {devices} devices."]
    holders = sorted({len(ids) for ids in tiling.blocks.values()})
    if holders == [1]:
        return words
    if len(holders) == 1:
        return [*words, f"Every block is held by {holders[0]} devices."]
    return [*words, f"A block is held by {holders[0]} to {holders[-1]} devices."]


# ----------------------------------------------------------------------------------------- table


def _fitting_table(
    output: Output,
    tiling: Tiling,
    devices: Mapping[int, str],
    width: int,
    cursor: int | None,
) -> list[Line]:
    """Return the table with as many columns as fit; others can be told from these."""
    everything = ("mesh", "holds", "block", "bytes")
    table = _table(output, tiling, devices, cursor, everything)
    for labels, names in (
        (devices, ("holds", "block", "bytes")),
        (devices, ("holds", "bytes")),
        ({}, ("holds", "bytes")),
        ({}, ("holds",)),
    ):
        if max(map(width_of, table)) <= width:
            break
        table = _table(output, tiling, labels, cursor, names)
    return table


def _table(
    output: Output,
    tiling: Tiling,
    devices: Mapping[int, str],
    cursor: int | None,
    names: Sequence[str],
) -> list[Line]:
    """Return the table's head and a row per shard; `names` are the columns after the device."""
    ids = [str(shard.device) for shard in output.shards]
    labels = [clean(devices.get(shard.device, "")) for shard in output.shards]
    id_width = max(len(i) for i in ids)
    first = [f"{i:>{id_width}} {label}".rstrip() for i, label in zip(ids, labels, strict=True)]
    holds = [slices_text(shard.index, output.shape) for shard in output.shards]
    blocks = [
        short_dtype(output.dtype) + _shape([stop - start for start, stop in shard.index])
        for shard in output.shards
    ]
    sizes = [_size(output.dtype, shard.index) for shard in output.shards]
    known = {"holds": holds, "block": blocks, "bytes": sizes}
    if tiling.mesh is not None:
        known["mesh"] = [tiling.mesh.words(shard.device) for shard in output.shards]
    names = [name for name in names if name in known]
    columns = [_column("device", first)]
    columns += [_column(name, known[name], right=name == "bytes") for name in names]
    lines: list[Line] = [_row(" ", [column[0] for column in columns], "", "head")]
    for at, shard in enumerate(output.shards):
        owner = tiling.blocks[block_of(shard)][0]
        note = f"copy of device {owner}" if owner != shard.device else ""
        here = at == cursor
        cells = [column[at + 1] for column in columns]
        place = device_colours.style(tiling.devices.index(shard.device))
        lines.append(_row(CURSOR if here else " ", cells, note, "cursor" if here else "", place))
    return lines


def _column(head: str, texts: Sequence[str], right: bool = False) -> list[str]:
    """Pad a column's head and cells to the same width."""
    width = max(map(cell_len, (head, *texts)))
    padded = [(text, " " * (width - cell_len(text))) for text in (head, *texts)]
    return [space + text if right else text + space for text, space in padded]


def _row(sign: str, cells: Sequence[str], note: str, style: str, device: str = "") -> Line:
    """A row of the table; its first cell is in the colour of the device."""
    rest = _COLUMN_GAP + _COLUMN_GAP.join(cells[1:])
    first = f"{device} {style}".strip()
    line = (Segment(sign, "cursor-sign"), Segment(cells[0], first), Segment(rest, style))
    return (*line, Segment(_COLUMN_GAP + note, "quiet")) if note else line


def _size(dtype: str, index: Sequence[Sequence[int]]) -> str:
    each = dtypes.bits(dtype)
    if each is None or each < 8:  # backends differ in how they store smaller ones
        return "?"
    return quantities.size(each // 8 * math.prod(stop - start for start, stop in index))
