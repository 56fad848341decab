"""Who sends to whom in a step, as wires beside the rows; and the steps on a scale of time.

    0  ───╮
    1  ─╮ │
    2  ◀╯ │
    3  ──◀╯

A head marks a receiver; with a head at both ends two rows exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtui.collectives.travel.model import Send
from jaxtui.screen import device_colours
from jaxtui.screen.cells import Line, Segment, join
from jaxtui.text import quantities, signs

LANES_MOST = 8
LANE = 2  # cells
HEAD, NOW = "◀", "●"
_MET = {" ": signs.RULE, "│": "┼", "╮": "┬", "╯": "┴"}  # a wire to the right goes on through it


@dataclass(frozen=True)
class Wire:
    """A vertical line from row `top` to row `bottom`, both of which it touches."""

    top: int
    bottom: int
    source: int  # the upper of two that exchange
    down: bool  # whether the lower row receives
    up: bool


def wires_of(sends: Sequence[Send]) -> list[Wire]:
    """One wire for each pair of rows between which something goes, the shortest first."""
    pairs = {(send.source, send.target) for send in sends if send.bytes}
    pairs = {(source, target) for source, target in pairs if source != target}
    found = []
    for source, target in sorted(pairs):
        back = (target, source) in pairs
        if back and target < source:
            continue
        top, bottom = min(source, target), max(source, target)
        found.append(Wire(top, bottom, source, target > source or back, target < source or back))
    return sorted(found, key=lambda wire: (wire.bottom - wire.top, wire.top))


def lanes_of(wires: Sequence[Wire]) -> list[list[Wire]]:
    """The wires in lanes, in each of which no two touch the same row."""
    lanes: list[list[Wire]] = []
    for wire in wires:
        for lane in lanes:
            if all(wire.bottom < other.top or wire.top > other.bottom for other in lane):
                lane.append(wire)
                break
        else:
            lanes.append([wire])
    return lanes


def row_of(lanes: Sequence[Sequence[Wire]], row: int) -> Line:
    """The cells of a row, `LANE` for each lane."""
    cells = [Segment(" ")] * (LANE * len(lanes))
    for number, lane in enumerate(lanes):
        at = LANE * number + 1
        for wire in lane:
            style = device_colours.style(wire.source)
            if wire.top < row < wire.bottom:
                cells[at] = Segment("│", style)
            elif row in (wire.top, wire.bottom):
                for before in range(at):
                    there = cells[before]
                    met = _MET.get(there.text, there.text)
                    cells[before] = Segment(met, there.style or style)
                cells[at] = Segment("╮" if row == wire.top else "╯", style)
                if wire.up if row == wire.top else wire.down:
                    cells[at - 1] = Segment(HEAD, f"{style} strong")
    return join(cells)


def time_line(times: Sequence[float], step: int, width: int) -> Line:
    """The steps on one scale of time, from 0 to the end; `times` are their ends in seconds.

    What lies behind `step` is drawn strong, and the moment is said in words.
    """
    whole = times[-1] if times else 0.0
    now = times[step - 1] if step else 0.0
    text = f" t = {quantities.seconds(now, 3)} of {quantities.seconds(whole, 3)}"
    room = width - len(text) - 2
    if whole <= 0 or room < 8:
        return (Segment(text.strip(), "label"),)
    places = [round(time / whole * (room - 1)) for time in (0.0, *times)]
    at = places[step]
    cells = [Segment(signs.RULE, "label" if place <= at else "quiet") for place in range(room)]
    for place in places:
        cells[place] = Segment("┼", "label" if place <= at else "quiet")
    cells[0], cells[-1] = Segment("├", "label"), Segment("┤", "quiet")
    cells[at] = Segment(NOW, "now")
    return (*join(cells), Segment(text, "label"))
