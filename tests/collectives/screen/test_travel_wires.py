"""The wires between rows, and the scale of time."""

from __future__ import annotations

import itertools

import pytest

from jaxtui.collectives.screen.travel_wires import (
    HEAD,
    LANE,
    lanes_of,
    row_of,
    time_line,
    wires_of,
)
from jaxtui.collectives.travel.model import Chunk, Send
from jaxtui.screen.cells import text_of, width_of
from jaxtui.text.signs import in_ascii
from tests.collectives.screen.test_collective_travel import ALL, DOUBLING, PERM, RING, text

MICRO, GIGA = 1e-6, 1e9


def send(source: int, target: int, size: int = 4) -> Send:
    return Send(source, target, Chunk(0, (source,), (1.0,)), size)


def drawn(pairs: list[tuple[int, int]], rows: int) -> list[str]:
    lanes = lanes_of(wires_of([send(*pair) for pair in pairs]))
    return [text_of(row_of(lanes, row)).rstrip() for row in range(rows)]


def test_a_head_marks_who_receives() -> None:
    assert drawn([(0, 2)], 3) == ["─╮", " │", "◀╯"]
    assert drawn([(2, 0)], 3) == ["◀╮", " │", "─╯"]


def test_who_exchanges_has_a_head_each() -> None:
    assert drawn([(0, 1), (1, 0)], 2) == ["◀╮", "◀╯"]


def test_wires_that_touch_one_row_have_a_lane_each() -> None:
    assert drawn([(0, 1), (1, 2), (2, 0)], 3) == ["─┬──◀╮", "◀┴─╮ │", "──◀┴─╯"]


def test_wires_apart_share_a_lane() -> None:
    assert drawn([(0, 1), (2, 3)], 4) == ["─╮", "◀╯", "─╮", "◀╯"]


def test_what_sends_nothing_or_to_itself_has_no_wire() -> None:
    assert wires_of([send(0, 1, 0), send(2, 2)]) == []


@pytest.mark.parametrize("shown", ALL)
def test_every_message_of_a_step_is_a_wire_with_a_head_at_its_receiver(shown) -> None:
    for step, lanes in zip(shown.steps, shown.lanes, strict=True):
        sent = {(s.source, s.target) for s in step.sends if s.bytes and s.source != s.target}
        found = set()
        for wire in itertools.chain.from_iterable(lanes):
            found |= {(wire.top, wire.bottom)} if wire.down else set()
            found |= {(wire.bottom, wire.top)} if wire.up else set()
        assert found == sent
        for lane in lanes:
            ends = [row for wire in lane for row in (wire.top, wire.bottom)]
            assert len(ends) == len(set(ends))
        for row in range(len(shown.labels)):
            cells = text_of(row_of(lanes, row))
            assert len(cells) == LANE * len(lanes)
            assert cells.count(HEAD) == len({s for s, t in sent if t == row})
            assert in_ascii(cells).isascii()


def test_the_wires_stand_beside_the_rows_where_there_is_room() -> None:
    assert DOUBLING.wire_width
    assert HEAD in text(DOUBLING, 1, 78)[1]
    assert HEAD not in text(DOUBLING, 0, 78)[1]
    assert HEAD in DOUBLING.legend(120)
    assert HEAD not in "".join(text(RING, 1, 60))  # where values would have none


def test_the_scale_of_time_is_that_of_the_model() -> None:
    parts = DOUBLING.travel.durations(MICRO, 10 * GIGA)
    assert sum(parts) == pytest.approx(DOUBLING.travel.seconds(MICRO, 10 * GIGA))
    ends = list(itertools.accumulate(parts))
    for step in range(len(ends) + 1):
        line = time_line(ends, step, 70)
        assert width_of(line) <= 70
        shown = text_of(line)
        assert "of 3.00 µs" in shown
        assert in_ascii(shown).isascii()
    assert "t = 1.00 µs" in text_of(time_line(ends, 1, 70))
    assert text_of(time_line(ends, 3, 70)).index("●") > text_of(time_line(ends, 1, 70)).index("●")


def test_a_step_twice_as_long_takes_twice_the_room() -> None:
    shown = text_of(time_line([1e-6, 3e-6], 0, 80))
    marks = [place for place, sign in enumerate(shown) if sign in "●┼┤"]
    assert marks[2] - marks[1] == pytest.approx(2 * (marks[1] - marks[0]), abs=1)


def test_a_narrow_scale_is_said_in_words() -> None:
    assert text_of(time_line([1e-6], 1, 24)) == "t = 1.00 µs of 1.00 µs"
    assert PERM.last == 1
