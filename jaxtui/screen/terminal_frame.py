"""What the terminal shows, by cell, so that a repaint sends only the cells that differ.

Textual paints whole widgets, of which most cells are as before: over a slow line each key would
wait for kilobytes that change nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from itertools import groupby

from rich.color import ColorSystem
from textual.strip import Strip

Piece = tuple[int, int, Strip]
"""Column and row of its first cell, from 0, and the styled text there."""

# Characters that every terminal gives one cell: letters without marks of their own, punctuation,
# lines, blocks and symbols. None of them joins its neighbours.
_CERTAIN = re.compile(
    r"[ -~\xa1-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f\u1e00-\u1fff\u2010-\u2027\u2030-\u205e"
    r"\u2070-\u20cf\u2100-\u2319\u231c-\u2328\u232b-\u23e8\u2400-\u25fc\u25ff-\u2613\u270c-\u2727"
    r"\u2729-\u274b\u2758-\u2794\u2798-\u27af\u27c0-\u2b1a\ufffd]*"
)
_UNKNOWN = _WHOLE = "\0"  # in place of a text, and of the style of a cell in a piece sent whole
_NEAR = 4  # bytes of unchanged text between two changes that cost no more than moving over it
_LINES = frozenset({"4", "5", "6", "7", "9", "21", "51", "52", "53"})  # what shows on a space too
# What ends an attribute alone; one code for bold and dim.
_ENDS = {"1": "22", "2": "22", "3": "23", "4": "24", "7": "27", "9": "29"}


class _Row:
    """The cells of a row, and the pieces that are there unchanged, by their first column."""

    __slots__ = ("strips", "styles", "texts")

    def __init__(self, width: int) -> None:
        self.texts = [_UNKNOWN] * width
        self.styles = [""] * width
        self.strips: dict[int, Strip] = {}

    def has(self, x: int, strip: Strip) -> bool:
        """Whether this very strip is there. If not, none is any more where it is going to be."""
        if self.strips.get(x) is strip:
            return True
        end = x + strip.cell_length
        for at in [a for a, its in self.strips.items() if a < end and x < a + its.cell_length]:
            del self.strips[at]
        return False

    def forget_from(self, x: int) -> None:
        """Take nothing from column `x` on for known."""
        self.texts[x:] = [_UNKNOWN] * len(self.texts[x:])
        for at in [at for at in self.strips if at >= x]:
            del self.strips[at]


class TerminalFrame:
    """The cells of a terminal as they were sent last, each with the codes of its style (SGR).

    A piece of a line with characters on whose width terminals differ, such as emoji or combining
    marks, is sent whole as soon as one of its cells differs: all in it are where the terminal puts
    them, as in a full repaint.
    """

    def __init__(self) -> None:
        self._size = (0, 0)
        self._rows: list[_Row] = []
        self._out: list[str] = []
        self._style = ""
        self._place: tuple[int, int] | None = None  # where the terminal writes next, if certain

    def forget(self) -> None:
        """Take nothing that the terminal shows for known, so that all is sent again."""
        self._size = (0, 0)

    def begin_with(self, rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Take for known what was sent before: each row's texts, with the codes of their styles."""
        cells = [[cell for text, _ in row for cell in text] for row in rows]
        if not all(_is_certain("".join(texts)) for texts in cells):
            self.forget()
            return
        self._rows = []
        for texts, row in zip(cells, rows, strict=True):
            known = _Row(len(texts))
            known.texts = texts
            known.styles = [code for text, code in row for _ in text]
            self._rows.append(known)
        self._size = (len(cells[0]) if cells else 0, len(cells))

    def update(self, pieces: Iterable[Piece], width: int, height: int, colours: ColorSystem) -> str:
        """What to write to a terminal of this size, so that it shows `pieces` where they belong.

        It ends without a style, with the cursor anywhere. Links are left out, and so is what lies
        outside of the terminal.
        """
        if self._size != (width, height):
            self._size = (width, height)
            self._rows = [_Row(width) for _ in range(height)]
        self._out, self._style, self._place = [], "", None
        rows = self._rows  # a signal handler may forget them, while this goes on with the old
        for x, y, strip in pieces:
            if 0 <= x < width and 0 <= y < height and not rows[y].has(x, strip):
                part = strip if x + strip.cell_length <= width else strip.crop(0, width - x)
                if part.cell_length:
                    self._piece(x, y, part, rows[y], colours)
        self._set_style("")
        return "".join(self._out)

    def _piece(self, x: int, y: int, strip: Strip, row: _Row, colours: ColorSystem) -> None:
        cells: list[str] = []
        codes: list[str] = []
        for text, style, control in strip:
            if text and not control:
                cells.extend(text)
                code = Strip.render_ansi(style, colours) if style else ""
                codes += [_on_space(code) if text.isspace() else code] * len(text)
        certain = _is_certain("".join(cells))
        if not certain:
            cells, codes = _whole(strip, colours)
        end = x + len(cells)
        before, codes_before = row.texts[x:end], row.styles[x:end]
        row.strips[x] = strip
        if before == cells and codes_before == codes:
            return
        row.texts[x:end], row.styles[x:end] = cells, codes
        if not certain:
            self._move(x, y)
            self._set_style("")
            self._out.append(cells[0])
            self._place = None
            row.forget_from(end)  # it may have reached in there
        elif _WHOLE in codes_before or before.count(_UNKNOWN) == len(before):
            self._write(x, y, cells, codes, len(row.texts))
        else:
            for first, last in _runs(cells, codes, before, codes_before):
                self._write(x + first, y, cells[first:last], codes[first:last], len(row.texts))

    def _write(self, x: int, y: int, cells: list[str], codes: list[str], width: int) -> None:
        self._move(x, y)
        at = 0
        for code, same in groupby(codes):
            until = at + len(list(same))
            text = "".join(cells[at:until])
            if not (text.isspace() and _alike(self._style, code)):
                self._set_style(code)
            self._out.append(text)
            at = until
        # Terminals differ in where the cursor is once something stands in the last column.
        self._place = (x + at, y) if x + at < width else None

    def _move(self, x: int, y: int) -> None:
        if self._place == (x, y):
            return
        if self._place is not None and self._place[1] == y and self._place[0] < x:
            over = x - self._place[0]
            self._out.append(f"\x1b[{over}C" if over > 1 else "\x1b[C")
        else:
            self._out.append(f"\x1b[{y + 1};{x + 1}H")
        self._place = (x, y)

    def _set_style(self, code: str) -> None:
        if code != self._style:
            self._out.append(_change(self._style, code))
            self._style = code


@functools.lru_cache(maxsize=4096)
def _is_certain(text: str) -> bool:
    return (text.isascii() and text.isprintable()) or _CERTAIN.fullmatch(text) is not None


def _whole(strip: Strip, colours: ColorSystem) -> tuple[list[str], list[str]]:
    """The cells of a piece that is sent whole: all that is written in the first, no other."""
    written = "".join(
        f"\x1b[{code}m{text}\x1b[0m" if code else text
        for text, code in (
            (text, Strip.render_ansi(style, colours) if style else "")
            for text, style, control in strip
            if text and not control
        )
    )
    count = strip.cell_length
    return [written, *[""] * (count - 1)], [_WHOLE] * count


def _runs(
    cells: list[str],
    codes: list[str],
    before: list[str],
    codes_before: list[str],
) -> Iterable[tuple[int, int]]:
    """Yield the first cell and the one behind the last of each run to send.

    What lies between two changes is sent where that takes no more bytes than to move over it.
    """
    each = enumerate(zip(cells, before, codes, codes_before, strict=True))
    differing = [
        i
        for i, (text, old, code, old_code) in each
        if text != old or (code != old_code and not (text == " " and _alike(code, old_code)))
    ]
    if not differing:
        return
    first = last = differing[0]
    for i in differing[1:]:
        gap = i - last - 1
        if gap and (gap > _NEAR or not _as_cheap(cells[last:i], codes[last:i])):
            yield first, last + 1
            first = i
        last = i
    yield first, last + 1


def _as_cheap(cells: list[str], codes: list[str]) -> bool:
    """Whether the cells after the first are sent in its style for no more than moving over them."""
    return len("".join(cells[1:]).encode()) <= _NEAR and all(
        code == codes[0] or (text == " " and _alike(code, codes[0]))
        for text, code in zip(cells[1:], codes[1:], strict=True)
    )


Look = tuple[frozenset[str], str, str]
"""The attributes, the foreground and the background in the codes of a style."""


@functools.lru_cache(maxsize=2048)
def _look(code: str) -> Look:
    attributes, colours = set(), ["", ""]
    parts = iter(code.split(";") if code else ())
    for part in parts:
        number = int(part)
        if number in (38, 48):
            kind = next(parts)
            rest = [next(parts) for _ in range(1 if kind == "5" else 3)]
            colours[number == 48] = ";".join([part, kind, *rest])
        elif 30 <= number <= 39 or 90 <= number <= 97:
            colours[0] = "" if number == 39 else part
        elif 40 <= number <= 49 or 100 <= number <= 107:
            colours[1] = "" if number == 49 else part
        else:
            attributes.add(part)
    return frozenset(attributes), colours[0], colours[1]


@functools.lru_cache(maxsize=2048)
def _on_space(code: str) -> str:
    """The codes that a space needs, where a foreground and a weight do not show."""
    attributes, _, background = _look(code)
    return code if attributes & _LINES else background


def _alike(code: str, other: str) -> bool:
    """Whether a space looks the same in both styles."""
    return code == other or _on_space(code) == _on_space(other)


@functools.lru_cache(maxsize=4096)
def _change(old: str, new: str) -> str:
    """The shortest sequence that makes one style of another."""
    if not new:
        return "\x1b[0m"
    (had, *colours_had), (has, *colours) = _look(old), _look(new)
    anew = f"\x1b[0;{new}m" if old else f"\x1b[{new}m"
    gone = had - has
    if not gone <= _ENDS.keys():
        return anew
    parts = sorted({_ENDS[attribute] for attribute in gone}, key=int)
    still = {attribute for attribute in had & has if _ENDS.get(attribute) not in parts}
    parts += sorted(has - still, key=int)
    for had_colour, colour, none in zip(colours_had, colours, ("39", "49"), strict=True):
        if had_colour != colour:
            parts.append(colour or none)
    return min(f"\x1b[{';'.join(parts)}m", anew, key=len)
