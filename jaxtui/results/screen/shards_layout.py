"""The layout of the shards view: drawings of the blocks, details and a table, as plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from jaxtui.results.screen.shards_panels import division, side_by_side
from jaxtui.results.screen.shards_picture import Pen
from jaxtui.results.screen.shards_scene import Cursor, Laid, Scene
from jaxtui.results.screen.shards_table import column_array, details, table
from jaxtui.screen.cells import Line, Segment, crop, pad, text_of, width_of, wrap
from jaxtui.text.signs import ARROW_DOWN, ARROW_IN

MOST_ARRAYS = 4  # inputs that are shown side by side
_ROWS_GOOD, _ROWS_LEAST = 8, 3  # of the table, below the drawings
_LOWEST = 4  # lines from which something stands above the table
_TURN = "space"


@dataclass(frozen=True)
class ShardsLayout:
    """All lines from top to bottom, none wider than the view.

    `arrays` are those that are shown, which are the columns of the cursor behind the devices' own.
    The table has its rows from line `first_row` on, the first of them that of device number `top`;
    `rows` are on view. `turns` is whether the view can turn between drawings and table.
    """

    lines: tuple[Line, ...]
    arrays: tuple[Laid, ...] = ()
    first_row: int = 0
    top: int = 0
    rows: int = 0
    turns: bool = False


@dataclass(frozen=True)
class _Room:
    """What is laid out, and the cells there are for it."""

    scene: Scene
    arrays: tuple[Laid, ...]
    width: int
    height: int
    cursor: Cursor | None

    @property
    def at(self) -> Cursor:
        """The cursor, within the columns; where none is shown, the first device."""
        cursor = self.cursor or Cursor()
        return cursor._replace(column=min(cursor.column, len(self.arrays)))

    @property
    def shown_cursor(self) -> Cursor | None:
        return None if self.cursor is None else self.at

    def drawings(
        self, height: int, *, brief: bool = False, alone: bool = False
    ) -> list[Line] | None:
        """All arrays side by side, or the one of the cursor's column `alone`, else the output."""
        cursor = self.shown_cursor
        column = None if cursor is None else column_array(self.arrays, cursor.column)
        chosen = () if cursor is None else self.scene.chosen(cursor.row, column)
        marked = cursor.column - 1 if cursor is not None and cursor.column else None
        pen = Pen(self.scene.places, frozenset(chosen))
        arrays = self.arrays
        if alone:
            arrays, marked = (column or arrays[-1],), None if marked is None else 0
        return side_by_side(arrays, self.width, height, pen, marked, brief=brief)

    @cached_property
    def details(self) -> list[Line]:
        return _indented(details(self.scene, self.arrays, self.at, self.width - 1))

    @cached_property
    def table(self) -> list[Line] | None:
        return table(self.scene, self.arrays, self.width, self.shown_cursor)


def layout(
    scene: Scene | None,
    width: int,
    height: int,
    cursor: Cursor | None = None,
    first: int = 0,
    turned: bool = False,
) -> ShardsLayout:
    """Lay out a scene in `width` by `height` cells, from input number `first` on.

    Where drawings and table do not fit below each other there is one of them, and the other if it
    is `turned`. `cursor` is None while none is shown.
    """
    if scene is None:
        return _only_words("No result yet.", width)
    if not scene.devices:
        return _only_words(f"{scene.output.name} is {scene.output.note}", width)
    if cursor is not None:
        cursor = cursor._replace(row=max(0, min(cursor.row, len(scene.devices) - 1)))
    rooms = [
        _Room(scene, (*shown, scene.output), max(0, width), height, cursor)
        for shown in _choices(scene, first)
    ]
    found = next((whole for room in rooms if (whole := _whole(room, first))), None)
    laid_out = found or _in_turn(rooms, first, turned)
    lines = laid_out.lines[: max(0, height)]
    return replace(laid_out, lines=tuple(crop(line, 0, max(0, width)) for line in lines))


def _indented(lines: Sequence[Line]) -> list[Line]:
    return [(Segment(" "), *line) if line else () for line in lines]


def _choices(scene: Scene, first: int) -> list[tuple[Laid, ...]]:
    """Which inputs may be shown: as many as there are from `first` on, then ever fewer."""
    from_first = scene.inputs[first : first + MOST_ARRAYS]
    return [from_first[:count] for count in range(len(from_first), 0, -1)] or [()]


def _only_words(text: str, width: int) -> ShardsLayout:
    shown = wrap(text, max(1, width - 2), 3)
    lines = tuple(crop((Segment(f" {line}", "words"),), 0, max(0, width)) for line in shown)
    return ShardsLayout(lines)


# -------------------------------------------------------------------------------------- the parts


def _whole(room: _Room, first: int) -> ShardsLayout | None:
    """Drawings, details and the table below each other; None where that does not fit."""
    rows = room.table
    if rows is None:
        return None
    foot = [*_said(room, first), (), *room.details, ()]
    count = len(rows) - 1
    for wanted in (min(count, _ROWS_GOOD), min(count, _ROWS_LEAST)):
        drawn = room.drawings(room.height - len(foot) - 1 - wanted)
        if drawn is not None:
            return _with_rows(room, [*drawn, *foot], rows)
    return None


def _in_turn(rooms: Sequence[_Room], first: int, turned: bool) -> ShardsLayout:
    """The drawings or the table, with details; the other one if it is `turned`.

    The drawings come first if there is room for the details with them.
    """
    drawn, told = next((both for room in rooms if (both := _drawn(room, first))), (None, False))
    listed = next((found for room in rooms if (found := _listed(room, first))), None)
    if drawn is None or listed is None:
        return drawn or listed or _narrow(rooms[-1])
    shows_table = turned if told else not turned
    if shows_table:
        marked = _with_mark(listed.lines, range(1), "drawings", rooms[0].width)
        return replace(listed, lines=marked, turns=True)
    from_the_end = range(len(drawn.lines) - 1, -1, -1)
    marked = _with_mark(drawn.lines, from_the_end, "table", rooms[0].width)
    return replace(drawn, lines=marked, turns=True)


def _with_mark(
    lines: Sequence[Line], tried: Sequence[int], to: str, width: int
) -> tuple[Line, ...]:
    """`lines` with what turns to the other view, at the end of the first tried one with room."""
    mark = f"  {_TURN}: {to} "
    room = width - len(mark)
    at = next((at for at in tried if lines[at] and width_of(lines[at]) <= room), 0)
    marked = (*pad(lines[at], room), Segment(mark, "quiet"))
    return (*lines[:at], marked, *lines[at + 1 :])


def _drawn(room: _Room, first: int) -> tuple[ShardsLayout, bool] | None:
    """The drawings, and whether the details are with them."""
    said, told = _said(room, first), room.details
    for alone, brief in ((False, False), (False, True), (True, False), (True, True)):
        others = _others(room) if alone else []
        fewer = [*_counted(room, first), *others]
        for below in ([*said, *others, (), *told], [*fewer, *told], []):
            lines = room.drawings(room.height - len(below), brief=brief, alone=alone)
            if lines is not None:
                return ShardsLayout((*lines, *below), room.arrays), bool(below)
    return None


def _others(room: _Room) -> list[Line]:
    """How to come from the one array that is drawn to the others."""
    if len(room.arrays) < 2:
        return []
    text = f" {_and([laid.name for laid in room.arrays])} are drawn one at a time: ←→."
    return [(Segment(text, "quiet"),)]


def _listed(room: _Room, first: int) -> ShardsLayout | None:
    """The table with details, and as much of what is said of the arrays as there is room for."""
    rows = room.table
    if rows is None or room.height < _LOWEST:
        return None
    names, told = [_names(room), *_counted(room, first)], [(), *room.details]
    divided = [f"{laid.name} {division(laid)}" for laid in room.arrays if laid.shards]
    words = wrap(", ".join(divided), max(1, room.width - 1), 3)
    said: list[Line] = [*((Segment(f" {text}", "words"),) for text in words), *_by_what(room)]
    for above, below in (([*names, *said, ()], told), (names, told), (names, [])):
        if room.height - len(above) - len(below) - 1 >= min(_ROWS_LEAST, len(rows) - 1):
            laid_out = _with_rows(room, above, rows, keep=len(below))
            return replace(laid_out, lines=(*laid_out.lines, *below))
    return _with_rows(room, [], rows)


def _narrow(room: _Room) -> ShardsLayout:
    """The table of the output alone, cut where it is too wide."""
    alone = replace(room, arrays=(room.scene.output,), width=max(room.width, 10_000))
    return _with_rows(replace(alone, height=room.height), [], alone.table or [()])


def _with_rows(
    room: _Room, above: Sequence[Line], rows: Sequence[Line], keep: int = 0
) -> ShardsLayout:
    """`above`, then the table's head and as many of its rows as fit, the cursor's among them.

    `keep` lines are left free below.
    """
    free = max(1, room.height - len(above) - 1 - keep)
    count = len(rows) - 1
    top = max(0, min(room.at.row - free // 2, count - free))
    shown = list(rows[1:][top : top + free])
    hidden = count - top - len(shown)
    if hidden > 0 and len(shown) > 1:
        told = f"  {ARROW_DOWN} {hidden:,} more "
        at = room.width - len(told)
        last = crop(shown[-1], 0, max(0, at))
        blank = not text_of(crop(shown[-1], max(0, at), room.width)).strip()
        if not blank:
            last, told = (), f" {ARROW_DOWN} {hidden + 1:,} more"
            at = 0
        shown[-1] = (*pad(last, at), Segment(told, "quiet"))
    lines = (*above, rows[0], *shown)
    return ShardsLayout(lines, room.arrays, len(above) + 1, top, len(shown))


def _names(room: _Room) -> Line:
    """`a f32[8, 4], b f32[4] → out f32[8]`."""
    parts: list[Segment] = [Segment(" ")]
    for at, laid in enumerate(room.arrays):
        last = at == len(room.arrays) - 1
        between = "" if not at else f" {ARROW_IN} " if last else ", "
        parts += [Segment(between), Segment(laid.name, "name"), Segment(f" {laid.title}", "dtype")]
    return tuple(parts)


def _said(room: _Room, first: int) -> list[Line]:
    return [*_by_what(room), *_counted(room, first)]


def _by_what(room: _Room) -> list[Line]:
    """By what the inputs lie as they do."""
    inputs = room.arrays[:-1]
    by = {placed: [x.name for x in inputs if x.placed == placed] for placed in ("program", "given")}
    if by["program"] and by["given"]:
        taken, given = _and(by["program"]), _and(by["given"])
        text = f"{taken}: as the program takes it. {given}: as given."
    elif by["program"]:
        text = "Inputs as the program takes them, wherever they lay before."
    elif by["given"]:
        held = {device for laid in inputs for device in laid.block}
        moved = not held.issuperset(room.scene.output.block)
        why = (
            "what is called inside places them anew" if moved else "nothing is compiled as a whole"
        )
        text = f"Inputs as given: {why}."
    else:
        return []
    return [(Segment(f" {text}", "quiet"),)]


def _counted(room: _Room, first: int) -> list[Line]:
    """How many inputs there are, if there are more than those on view."""
    total, shown = len(room.scene.inputs), len(room.arrays) - 1
    if total <= shown:
        return []
    which = f"Input {first + 1}" if shown == 1 else f"Inputs {first + 1} to {first + shown}"
    return [(Segment(f" {which} of {total}. i: the next, I: one by its path.", "quiet"),)]


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
