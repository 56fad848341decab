"""Lines of styled text measured in terminal cells: the plain data that widgets paint."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rich.cells import cell_len

from jaxtui.text.signs import ELLIPSIS


class Segment(NamedTuple):
    """Text in one style; `style` names a component class of the widget, "" is the plain one."""

    text: str
    style: str = ""


Line = tuple[Segment, ...]


def width_of(line: Iterable[Segment]) -> int:
    """Cells that the line takes."""
    return sum(cell_len(segment.text) for segment in line)


def text_of(line: Iterable[Segment]) -> str:
    """The line's text without its styles."""
    return "".join(segment.text for segment in line)


def fit(text: str, width: int) -> str:
    """`text` in at most `width` cells, its end replaced by an ellipsis when it is too long."""
    if cell_len(text) <= width:
        return text
    return _cut(text, width - 1).rstrip() + ELLIPSIS if width > 0 else ""


def fit_middle(text: str, width: int) -> str:
    """`text` in at most `width` cells, its middle replaced: both ends of a path tell most."""
    if cell_len(text) <= width:
        return text
    room = width - 1
    if room < 2:
        return fit(text, width)
    tail = (2 * room) // 3
    head = _cut(text, room - tail)
    return head + ELLIPSIS + _cut(text[::-1], tail)[::-1]


def pad(line: Line, width: int) -> Line:
    """The line filled with spaces up to `width` cells; a longer one is cut."""
    missing = width - width_of(line)
    if missing < 0:
        return crop(line, 0, width)
    return (*line, Segment(" " * missing)) if missing else line


def elided(line: Line, width: int) -> Line:
    """The line in at most `width` cells, its end replaced by an ellipsis when it is too long."""
    if width_of(line) <= width:
        return line
    return (*crop(line, 0, width - 1), Segment(ELLIPSIS)) if width > 0 else ()


def crop(line: Iterable[Segment], start: int, stop: int) -> Line:
    """The cells from `start` to `stop`; half of a wide character becomes a space."""
    result: list[Segment] = []
    at = 0
    for text, style in line:
        if at >= stop:
            break
        end = at + cell_len(text)
        if end > start:
            whole = at >= start and end <= stop
            shown = text if whole else _window(text, max(0, start - at), min(end, stop) - at)
            if shown:
                result.append(Segment(shown, style))
        at = end
    return tuple(result)


def join(line: Iterable[Segment]) -> Line:
    """The line with neighbours of one style made one segment and empty ones left out."""
    result: list[Segment] = []
    for segment in line:
        if not segment.text:
            continue
        if result and result[-1].style == segment.style:
            result[-1] = Segment(result[-1].text + segment.text, segment.style)
        else:
            result.append(segment)
    return tuple(result)


def wrap(text: str, width: int, lines: int) -> list[str]:
    """`text` broken at spaces into at most `lines` lines of `width` cells, the last one elided."""
    result: list[str] = []
    rest = text
    while rest and len(result) < lines - 1 and cell_len(rest) > width:
        head = _cut(rest, width + 1)
        space = head.rfind(" ")
        at = space if space > 0 else max(1, len(_cut(rest, width)))
        result.append(_cut(rest[:at].rstrip(), width))
        rest = rest[at:].lstrip()
    return [*result, fit(rest, width)] if rest else result


def pieces(text: str, width: int, lines: int) -> list[str]:
    """`text`, such as a path, broken anywhere into at most `lines` pieces of `width` cells.

    The last piece has its middle replaced when it is too long.
    """
    result: list[str] = []
    rest = text
    while len(result) < lines - 1 and cell_len(rest) > width > 1:
        head = _cut(rest, width)
        result.append(head)
        rest = rest[len(head) :]
    return [*result, fit_middle(rest, width)]


def _cut(text: str, width: int) -> str:
    """The longest start of `text` that fits in `width` cells."""
    if text.isascii():
        return text[: max(0, width)]
    used = 0
    for at, character in enumerate(text):
        used += cell_len(character)
        if used > width:
            return text[:at]
    return text


def _window(text: str, start: int, stop: int) -> str:
    if text.isascii():
        return text[start:stop]
    shown = []
    at = 0
    for character in text:
        size = cell_len(character)
        inside = min(at + size, stop) - max(at, start)
        if inside > 0 or (size == 0 and start < at <= stop):
            shown.append(character if inside == size else " " * inside)
        at += size
    return "".join(shown)
