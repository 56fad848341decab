"""What the array view says in words: its header, the cell at the cursor, the statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxtui.report import Summary
from jaxtui.ui.array_model import MISSING, Source, View
from jaxtui.ui.number_formats import shorten
from jaxtui.ui.numbers import Style, family, full_text, short_dtype, statistic

Piece = tuple[str, str]  # text and the component class it is drawn in
MANY = 4  # devices that are named one by one


@dataclass(frozen=True, slots=True)
class Signs:
    """The signs that have a plain ASCII form."""

    open: str = "‹"
    close: str = "›"
    ellipsis: str = "…"
    missing: str = "·"


UNICODE = Signs()
ASCII = Signs("<", ">", "..", ".")


@dataclass(frozen=True, slots=True)
class Subject:
    """What the words are about."""

    source: Source
    view: View
    device: int | None
    style: Style
    stale: bool = False

    @property
    def signs(self) -> Signs:
        """The signs of the terminal."""
        return ASCII if self.style.ascii else UNICODE


def width_of(pieces: Sequence[Piece]) -> int:
    """How many characters the pieces are long."""
    return sum(len(text) for text, _ in pieces)


def fitting(variants: Sequence[list[Piece]], width: int, ellipsis: str) -> list[Piece]:
    """The first variant that fits, else the last one cut off."""
    for pieces in variants:
        if width_of(pieces) <= width:
            return pieces
    cut: list[Piece] = []
    room = width - len(ellipsis)
    for text, role in variants[-1]:
        cut.append((text[:room], role))
        room -= len(cut[-1][0])
        if room <= 0:
            break
    return [*cut, (ellipsis, "muted")]


# ------------------------------------------------------------------------------------------ header


def header(subject: Subject, width: int) -> list[Piece]:
    """Which array, which part of it, and which dimensions are on screen."""
    long, short = _axes(subject, long=True), _axes(subject, long=False)
    stepped = [piece for piece in short if piece[1] == "active"]
    variants = [
        _title(subject, 2) + long + _notation(subject, "   "),
        _title(subject, 2, brief=True) + short + _notation(subject, "  "),
        _title(subject, 1, brief=True) + short,
        _title(subject, 1, brief=True) + stepped,
        _title(subject, 1, brief=True, slices=False) + stepped,
        _title(subject, 1, brief=True, slices=False),
    ]
    return fitting(variants, width, subject.signs.ellipsis)


def block_slices(subject: Subject) -> str:
    """The part of the whole array that the device holds, as a slice of it."""
    block = subject.source.block(subject.device)
    parts = [
        ":" if size == whole else f"{start}:{start + size}"
        for start, size, whole in zip(block.start, block.shape, subject.source.shape, strict=True)
    ]
    return f"[{', '.join(parts)}]"


def _title(subject: Subject, spaces: int, brief: bool = False, slices: bool = True) -> list[Piece]:
    gap = " " * spaces
    source, device = subject.source, subject.device
    shape = ", ".join(map(str, subject.view.shape))
    pieces: list[Piece] = [(" of the program before" + gap, "stale")] if subject.stale else []
    pieces += [
        (" " + source.name, "name"),
        (f"{gap}{short_dtype(source.output.dtype)}[{shape}]", "dtype"),
    ]
    if device is not None:
        label = source.devices.get(device, "")
        named = label if brief and label else f"device {device} {label}".rstrip()
        pieces.append((f"{gap}on {named}", "active-device"))
        if slices:
            pieces.append((f" = {source.name}{block_slices(subject)}", "muted"))
    return pieces


def _axes(subject: Subject, long: bool) -> list[Piece]:
    view, signs = subject.view, subject.signs
    on_screen = []
    if view.rows is not None:
        on_screen.append(f"rows axis {view.rows}" if long else f"rows {view.rows}")
    if view.columns is not None:
        on_screen.append(f"columns axis {view.columns}" if long else f"columns {view.columns}")
    gap = "   " if long else "  "
    pieces: list[Piece] = [(gap + gap.join(on_screen), "muted")] if on_screen else []
    for axis in view.others:
        at, size = view.index[axis], view.shape[axis]
        text = f"axis {axis} = {at} of {size}" if long else f"{axis} = {at}/{size}"
        if axis == view.other:
            pieces.append((f"{gap}{signs.open}{text}{signs.close}", "active"))
        else:
            pieces.append((f"{gap}{text}", "muted"))
    return pieces


def _notation(subject: Subject, gap: str) -> list[Piece]:
    style = subject.style
    if style.notation in ("auto", "decimal") and style.digits is None:
        return []
    digits = "" if style.digits is None else f" {style.digits}"
    return [(f"{gap}{style.notation}{digits}", "muted")]


def emptiness(view: View) -> str:
    """Why there is nothing to see."""
    axes = [str(axis) for axis, size in enumerate(view.shape) if size == 0]
    return f" no elements: {'axis' if len(axes) == 1 else 'axes'} {' and '.join(axes)} of length 0"


# -------------------------------------------------------------------------------------------- foot


def cursor_line(subject: Subject, cell: Any, width: int) -> list[Piece]:
    """The cell at the cursor: its index, its value in full, the devices that hold it."""
    view, source, signs = subject.view, subject.source, subject.signs
    here = _index(view.index)
    block = source.block(subject.device)
    whole = [start + at for start, at in zip(block.start, view.index, strict=True)]
    where: list[Piece] = [(f" {here}", "name")] if view.index else [(" value", "name")]
    if subject.device is not None and any(block.start):
        where.append((f" of the block, {_index(whole)} of {source.name}", "muted"))
    if cell is MISSING:
        value = signs.ellipsis
    else:
        value = full_text(cell, source.output.dtype)
        value = "".join(c if c.isprintable() else repr(c)[1:-1] for c in value)
    equals: list[Piece] = [(" = ", "muted"), (value, "value")]
    held: list[Piece] = [("   " + words, "muted")] if (words := _held(source, whole)) else []
    room = max(4, width - width_of(where[:1]) - 3)
    short: list[Piece] = [(" = ", "muted"), (shorten(value, room, signs.ellipsis), "value")]
    variants = [where + equals + held, where + equals, where[:1] + equals, where[:1] + short]
    return fitting(variants, width, signs.ellipsis)


def _index(index: Sequence[int]) -> str:
    return f"[{', '.join(map(str, index))}]"


def _held(source: Source, index: Sequence[int]) -> str:
    """Which devices hold the element; nothing where there is only one device."""
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
    """The summary as variants from long to short; `heat` is drawn between min and max."""
    named = {
        "min": summary.minimum,
        "max": summary.maximum,
        "mean": summary.mean,
        "std": summary.std,
    }
    pairs = [(word, _figure(value)) for word, value in named.items() if value is not None]
    start: list[Piece] = [] if summary.exact else [(" sampled", "sampled")]
    figures: list[list[Piece]] = [
        [(f"{'  ' if at else ' '}{word} ", "muted"), (value, "statistic")]
        for at, (word, value) in enumerate(pairs)
    ]
    if heat and len(figures) > 1 and pairs[0][0] == "min":
        figures[0] = [*figures[0], (" ", "muted"), *heat]
        figures[1] = [(" max ", "muted"), figures[1][1]]
    tail: list[Piece] = []
    if family(dtype) in ("float", "complex"):
        finite = f"{summary.count - summary.non_finite:,}/{summary.count:,}"
        role = "odd" if summary.non_finite else "statistic"
        tail = [("  finite ", "muted"), (finite, role)]
    elif not pairs:
        tail = [(f" {summary.count:,} elements", "muted")]
    flat = [piece for figure in figures for piece in figure]
    short = [piece for figure in figures[:2] for piece in figure]
    return [start + flat + tail, start + flat, start + short, short]


def _figure(value: Any) -> str:
    """A figure of the summary; a complex one comes as its two parts."""
    if isinstance(value, list | tuple):
        real, imaginary = (statistic(part) for part in value)
        return f"{real}{'' if imaginary.startswith('-') else '+'}{imaginary}j"
    return statistic(value)
