"""The texts of the array view: its header, the cell at the cursor, and the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtui.results.screen.model import MISSING, PlaneView, Source, slices_text
from jaxtui.text import dtypes
from jaxtui.text.number_formats import shorten
from jaxtui.text.numbers import Style, full_text, statistic
from jaxtui.text.printable import escaped
from jaxtui.text.signs import CLOSE, ELLIPSIS, OPEN
from jaxtui.wire.report import Summary

Piece = tuple[str, str]  # text, and the component class to draw it in
MANY = 4  # devices to name one by one


@dataclass(frozen=True, slots=True)
class ArraySubject:
    """What the texts describe: the part of an array in view, and how numbers are written."""

    source: Source
    view: PlaneView
    device: int | None
    style: Style
    stale: bool = False


def width_of(pieces: Sequence[Piece]) -> int:
    """Return the total number of characters."""
    return sum(len(text) for text, _ in pieces)


def fitting(variants: Sequence[list[Piece]], width: int) -> list[Piece]:
    """Return the first variant that fits into `width`, else the last one truncated."""
    for pieces in variants:
        if width_of(pieces) <= width:
            return pieces
    cut: list[Piece] = []
    room = width - 1
    for text, role in variants[-1]:
        cut.append((text[:room], role))
        room -= len(cut[-1][0])
        if room <= 0:
            break
    return [*cut, (ELLIPSIS, "muted")]


# ------------------------------------------------------------------------------------------ header


def header(subject: ArraySubject, width: int) -> list[Piece]:
    """Return which array and which part of it is shown, and the dimensions on screen."""
    index, notation = _index_on_screen(subject), _notation(subject)
    variants = [
        _title(subject) + _axes(subject) + notation,
        _title(subject, brief=True) + index + notation,
        _title(subject, brief=True) + index,
        _title(subject, brief=True, slices=False) + index,
        _title(subject, brief=True, slices=False, shape=False) + index,
        _title(subject, brief=True, slices=False),
        _title(subject, brief=True, slices=False, shape=False),
    ]
    return fitting(variants, width)


def _title(
    subject: ArraySubject, brief: bool = False, slices: bool = True, shape: bool = True
) -> list[Piece]:
    gap = " " if brief else "  "
    source, device = subject.source, subject.device
    pieces: list[Piece] = [(" of the program before" + gap, "stale")] if subject.stale else []
    pieces.append((" " + source.name, "name"))
    if shape:
        lengths = ", ".join(map(str, subject.view.shape))
        pieces.append((f"{gap}{dtypes.short(source.output.dtype)}[{lengths}]", "dtype"))
    if device is not None:
        label = source.devices.get(device, "")
        named = label if brief and label else f"device {device} {label}".rstrip()
        pieces.append((f"{gap}on {named}", "active"))
        if slices:
            part = slices_text(source.block(device).index, source.shape)
            pieces.append((f" = {source.name}{part}", "muted"))
    return pieces


def _axes(subject: ArraySubject) -> list[Piece]:
    """Name the dimensions: `rows axis 1 columns axis 2 axis 0 = 3 of 4`."""
    view = subject.view
    pieces: list[Piece] = []
    for word, axis in (("rows", view.rows), ("columns", view.columns)):
        if axis is not None:
            pieces.append((f"   {word} axis {axis}", "muted"))
    for axis in view.others:
        text = f"axis {axis} = {view.index[axis]} of {view.shape[axis]}"
        if axis == view.other:
            pieces.append((f"   {OPEN}{text}{CLOSE}", "active"))
        else:
            pieces.append((f"   {text}", "muted"))
    return pieces


def _index_on_screen(subject: ArraySubject) -> list[Piece]:
    """Write the dimensions as an index: `[3, rows, columns]`."""
    view = subject.view
    pieces: list[Piece] = []
    for axis, at in enumerate(view.index):
        pieces.append((", " if axis else "  [", "muted"))
        if axis == view.other:
            pieces.append((f"{OPEN}{at}{CLOSE}", "active"))
        else:
            on_screen = {view.rows: "rows", view.columns: "columns"}
            pieces.append((on_screen.get(axis, str(at)), "muted"))
    return [*pieces, ("]", "muted")] if pieces else []


def _notation(subject: ArraySubject) -> list[Piece]:
    style = subject.style
    if style.notation in ("auto", "decimal") and style.digits is None:
        return []
    digits = "" if style.digits is None else f" {style.digits}"
    return [(f"   {style.notation}{digits}", "muted")]


def emptiness(view: PlaneView) -> str:
    """Say why there are no elements to show."""
    axes = [str(axis) for axis, size in enumerate(view.shape) if size == 0]
    return f" no elements: {'axis' if len(axes) == 1 else 'axes'} {' and '.join(axes)} of length 0"


# -------------------------------------------------------------------------------------------- foot


def cursor_line(subject: ArraySubject, cell: Any, width: int) -> list[Piece]:
    """Describe the cell at the cursor: its index, its full value, the devices that hold it."""
    view, source = subject.view, subject.source
    here = _index(view.index)
    block = source.block(subject.device)
    whole = [start + at for start, at in zip(block.start, view.index, strict=True)]
    where: list[Piece] = [(f" {here}", "name")] if view.index else [(" value", "name")]
    if subject.device is not None and any(block.start):
        where.append((f" of the block, {_index(whole)} of {source.name}", "muted"))
    value = ELLIPSIS if cell is MISSING else escaped(full_text(cell, source.output.dtype))
    equals: list[Piece] = [(" = ", "muted"), (value, "value")]
    held: list[Piece] = [("   " + words, "muted")] if (words := _held(source, whole)) else []
    room = max(4, width - width_of(where[:1]) - 3)
    short: list[Piece] = [(" = ", "muted"), (shorten(value, room), "value")]
    variants = [where + equals + held, where + equals, where[:1] + equals, where[:1] + short]
    return fitting(variants, width)


def _index(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _held(source: Source, index: Sequence[int]) -> str:
    """Say which devices hold the element; nothing if there is only one device."""
    holders, total = source.holders(index), len(source.output.shards)
    if total < 2 or not holders:
        return ""
    if len(holders) == total:
        return f"on all {total} devices"
    labels = [source.devices.get(device, f"device {device}") for device in holders]
    if len(labels) > MANY:
        return f"on {len(labels)} of {total} devices"
    return "on " + ", ".join(labels)


def statistics(summary: Summary, dtype: str, heat: Sequence[Piece] = ()) -> list[list[Piece]]:
    """Return the summary in variants, longest first; `heat` goes between min and max."""
    if dtypes.family(dtype) == "bool" and summary.mean is not None:
        return [_truth(summary, heat)]
    named = {
        "min": summary.minimum,
        "max": summary.maximum,
        "mean": summary.mean,
        "std": summary.std,
    }
    pairs = [(word, statistic(value)) for word, value in named.items() if value is not None]
    start: list[Piece] = [] if summary.exact else [(" sampled", "sampled")]
    figures: list[list[Piece]] = [
        [(f"{'  ' if at else ' '}{word} ", "muted"), (value, "statistic")]
        for at, (word, value) in enumerate(pairs)
    ]
    if heat and len(figures) > 1 and pairs[0][0] == "min":
        figures[0] = [*figures[0], (" ", "muted"), *heat]
        figures[1] = [(" max ", "muted"), figures[1][1]]
    tail: list[Piece] = []
    if dtypes.family(dtype) in ("float", "complex"):
        finite = f"{summary.count - summary.non_finite:,}/{summary.count:,}"
        role = "odd" if summary.non_finite else "statistic"
        tail = [("  finite ", "muted"), (finite, role)]
    elif not pairs:
        tail = [(f" {summary.count:,} elements", "muted")]
    flat = [piece for figure in figures for piece in figure]
    short = [piece for figure in figures[:2] for piece in figure]
    return [start + flat + tail, start + flat, start + short, short]


def _truth(summary: Summary, heat: Sequence[Piece]) -> list[Piece]:
    """Say how many elements are true, or which share of a sample."""
    legend: list[Piece] = [("false ", "muted"), *heat, (" true", "muted")] if heat else []
    gap: list[Piece] = [(" ", "muted"), *legend, (" ", "muted")] if legend else [(" ", "muted")]
    if not summary.exact:
        share = f"{100 * float(summary.mean):.1f} %"
        return [(" sampled", "sampled"), *gap, ("true ", "muted"), (share, "statistic")]
    count = f"{round(summary.mean * summary.count):,}/{summary.count:,}"
    return [*gap, ("true ", "muted"), (count, "statistic")]
