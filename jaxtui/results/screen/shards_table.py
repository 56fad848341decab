"""The table of what each device holds, and what is at the cursor in detail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from jaxtui.results.screen.shards_picture import ids_text
from jaxtui.results.screen.shards_scene import Cursor, Laid, Scene
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, fit, fit_middle, text_of, width_of
from jaxtui.text.printable import clean
from jaxtui.text.signs import CURSOR, FOLDED

GAP = "  "
_MOST_BLOCKS = 4  # that are told one by one
_NAME_MOST = 18  # cells


@dataclass(frozen=True)
class _Columns:
    """The columns as padded texts, each its head first, and which is the cursor's."""

    texts: list[list[str]]
    marked: int | None

    @property
    def width(self) -> int:
        return (
            1 + sum(cell_len(column[0]) for column in self.texts) + len(GAP) * (len(self.texts) - 1)
        )


def table(
    scene: Scene, arrays: Sequence[Laid], width: int, cursor: Cursor | None
) -> list[Line] | None:
    """The table's head and a row for each device, with as many columns as fit.

    The devices and one column for each array have to; None where they do not.
    """
    for names in (("label", "mesh", "more"), ("label", "mesh"), ("mesh",), ("label",), ()):
        columns = _columns(scene, arrays, names, cursor)
        if columns.width <= width:
            return _lines(scene, columns, cursor, _chosen(scene, arrays, cursor))
    return None


def _columns(
    scene: Scene, arrays: Sequence[Laid], names: Sequence[str], cursor: Cursor | None
) -> _Columns:
    devices = scene.devices
    width = max((len(str(device)) for device in devices), default=1)
    first = [f"{device:>{width}}" for device in devices]
    if "label" in names:
        labels = [clean(scene.labels.get(device, "")) for device in devices]
        first = [f"{own} {label}".rstrip() for own, label in zip(first, labels, strict=True)]
    columns = [_column("device", first)]
    if "mesh" in names and scene.mesh is not None:
        columns.append(_column("mesh", [scene.mesh.words(device) for device in devices]))
    marked = 0 if cursor is not None else None
    subject = column_array(arrays, cursor.column) if cursor is not None else None
    for laid in arrays:
        if not laid.block:
            continue
        if laid is subject:
            marked = len(columns)
        columns.append(_column(fit_middle(laid.name, _NAME_MOST), _each(laid, devices, "index")))
    last = arrays[-1]
    if "more" in names and last.block:
        columns.append(_column("block", _each(last, devices, "block")))
        columns.append(_column("bytes", _each(last, devices, "bytes"), right=True))
    return _Columns(columns, marked)


def _each(laid: Laid, devices: Sequence[int], what: str) -> list[str]:
    """What is said of each device's block, "-" where it has none."""
    say = {"index": laid.index_text, "block": laid.block_title, "bytes": laid.size}[what]
    known = {block: say(block) for block in laid.holders}
    return [known[laid.block[device]] if device in laid.block else "-" for device in devices]


def _lines(
    scene: Scene, columns: _Columns, cursor: Cursor | None, chosen: Sequence[int]
) -> list[Line]:
    lines = [_head([column[0] for column in columns.texts], columns.marked)]
    first, *rest = columns.texts
    for row, device in enumerate(scene.devices):
        style = "cursor" if device in chosen else ""
        at_cursor = cursor is not None and row == cursor.row
        sign = CURSOR if at_cursor else "▏" if device in chosen else " "
        own = f"{device_colours.style(scene.places[device])} {style}".strip()
        others = "".join(GAP + column[row + 1] for column in rest)
        cells = (Segment(first[row + 1], own), Segment(others, style))
        lines.append((Segment(sign, "cursor-sign"), *cells))
    return lines


def _chosen(scene: Scene, arrays: Sequence[Laid], cursor: Cursor | None) -> tuple[int, ...]:
    return () if cursor is None else scene.chosen(cursor.row, column_array(arrays, cursor.column))


def column_array(arrays: Sequence[Laid], column: int) -> Laid | None:
    """The array of a column, None for the devices' own."""
    return arrays[column - 1] if 0 < column <= len(arrays) else None


def _head(names: Sequence[str], marked: int | None) -> Line:
    """The columns' names; the mark stands in the gap before one, so that nothing moves."""
    line: list[Segment] = []
    for at, name in enumerate(names):
        before = " " if at == 0 else GAP
        if at == marked:
            line += [
                Segment(before[:-1]),
                Segment(FOLDED, "cursor-sign"),
                Segment(name, "head-lit"),
            ]
        else:
            line += [Segment(before), Segment(name, "head")]
    return tuple(line)


def _column(head: str, texts: Sequence[str], right: bool = False) -> list[str]:
    """Pad a column's head and cells to the same width."""
    width = max(map(cell_len, (head, *texts)))
    padded = [(text, " " * (width - cell_len(text))) for text in (head, *texts)]
    return [space + text if right else text + space for text, space in padded]


# ---------------------------------------------------------------------------------------- details


def details(scene: Scene, arrays: Sequence[Laid], cursor: Cursor, width: int) -> list[Line]:
    """What is at the cursor: the device, or the block and its devices; then each array's line."""
    laid = column_array(arrays, cursor.column)
    chosen = scene.chosen(cursor.row, laid)
    return [
        _subject(scene, laid, scene.devices[cursor.row], chosen),
        *_held(arrays, chosen, width),
    ]


def _subject(scene: Scene, laid: Laid | None, device: int, chosen: Sequence[int]) -> Line:
    if laid is not None and device in laid.block:
        named = f"{laid.name}{laid.index_text(laid.block[device])}"
        what = f"device {chosen[0]}" if len(chosen) == 1 else f"devices {ids_text(chosen)}"
        return (Segment(named, "name"), Segment(f" on {what}"))
    label = clean(scene.labels.get(device, ""))
    parts = [Segment(f"device {device}", f"{device_colours.style(scene.places[device])} name")]
    parts += [Segment(f"{GAP}{label}")] if label else []
    if scene.mesh is not None and (words := scene.mesh.words(device)):
        parts.append(Segment(f"{GAP}{words}"))
    if device in scene.processes:
        parts.append(Segment(f"{GAP}process {clean(scene.processes[device])}"))
    return tuple(parts)


def _held(arrays: Sequence[Laid], chosen: Sequence[int], width: int) -> list[Line]:
    """What the chosen devices hold of each array."""
    lines = _held_lines([_row_of(laid, chosen) for laid in arrays], 10_000)
    if max(map(width_of, lines)) > width:
        lines = _held_lines([_row_of(laid, chosen, brief=True) for laid in arrays], width)
    return lines


def _held_lines(rows: Sequence[list[str]], width: int) -> list[Line]:
    names = max(cell_len(row[0]) for row in rows)
    widths = [
        max((cell_len(row[at]) for row in rows if len(row) > 2), default=0) for at in (1, 2, 3)
    ]
    lines = []
    for name, *cells in rows:
        padded = zip(cells[:-1], widths, strict=False)
        told = [text + " " * (size - cell_len(text)) for text, size in padded]
        text = GAP.join([*told, cells[-1]]).rstrip()
        lines.append(_cut(name + " " * (names - cell_len(name)), text, width))
    return lines


def _cut(name: str, text: str, width: int) -> Line:
    room = max(0, width - cell_len(name) - len(GAP))
    return (Segment(name, "head-lit"), Segment(GAP + fit(text, room)))


def _row_of(laid: Laid, chosen: Sequence[int], brief: bool = False) -> list[str]:
    """The cells of an array: name, index, block, bytes, copies; or name and words."""
    name = fit_middle(laid.name, _NAME_MOST)
    blocks = list(dict.fromkeys(laid.block[device] for device in chosen if device in laid.block))
    if not blocks:
        return [name, laid.note or "nothing of it"]
    if len(blocks) > 1:
        told = ", ".join(laid.index_text(block) for block in blocks[:_MOST_BLOCKS])
        more = f" and {len(blocks) - _MOST_BLOCKS} more" if len(blocks) > _MOST_BLOCKS else ""
        return [name, f"{len(blocks)} blocks: {told}{more}"]
    block = blocks[0]
    return [
        name,
        laid.index_text(block),
        laid.block_title(block),
        laid.size(block),
        _copies(laid.holders[block], chosen, brief),
    ]


def _copies(holders: Sequence[int], chosen: Sequence[int], brief: bool) -> str:
    """Which of the copies of a block the chosen devices have, and unless `brief`, who has them."""
    if len(holders) == 1:
        return ""
    numbers = [at + 1 for at, device in enumerate(holders) if device in chosen]
    if len(numbers) == len(holders):
        return f"{len(holders)} copies"
    which = f"copy {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)}"
    which = f"{which} of {len(holders)}" + (" copies" if len(numbers) > 1 else "")
    return which if brief else f"{which} (devices {ids_text(sorted(holders))})"


# ------------------------------------------------------------------------------------------- text


def as_text(scene: Scene, arrays: Sequence[Laid]) -> str:
    """The arrays and what each device holds of them, as lines of text."""
    heads = [f"{laid.name} {laid.title}{': ' * bool(laid.note)}{laid.note}" for laid in arrays]
    if not scene.devices:
        return "\n".join(heads)
    columns = _columns(scene, arrays, ("label", "mesh", "more"), None)
    rows = _lines(scene, columns, None, ())
    return "\n".join([*heads, "", *(text_of(row)[1:].rstrip() for row in rows)])
