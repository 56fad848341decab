"""The stacks that layers take apart, in boxes and in words."""

from __future__ import annotations

import pytest

from jaxtui.program.screen.flow.layout import layout
from jaxtui.program.screen.flow.stacks import BOX, Stack, line, stacks_of
from jaxtui.screen.cells import text_of, width_of
from jaxtui.text.signs import in_ascii
from tests.support import made_flows as made


def test_each_layer_takes_its_own_axis_off_the_stack() -> None:
    assert stacks_of(made.nested()) == (
        Stack(1, "pmap", "matrix", 8, "f32[4, 2, 2]", "device"),
        Stack(0, "vmap", "matrix", 4, "f32[2, 2]", "call"),
    )


def test_a_stack_is_drawn_with_a_box_for_each_of_what_is_in_it() -> None:
    shown = text_of(line(stacks_of(made.nested())[0], 100))
    assert shown.count(BOX) == 8
    assert "matrix is a stack of 8 f32[4, 2, 2]: one for each device" in shown
    assert in_ascii(shown).isascii()
    many = text_of(line(Stack(0, "vmap", "x", 1000, "f32[]", "call"), 100))
    assert f"{BOX}…" in many
    assert "1000 f32[]" in many


@pytest.mark.parametrize("width", [20, 40, 60, 120])
def test_the_words_come_first(width: int) -> None:
    drawn = line(stacks_of(made.nested())[0], width)
    assert width_of(drawn) <= width
    assert "matrix" in text_of(drawn)


def test_they_stand_in_the_lines_that_the_foot_has_over() -> None:
    picture = layout(made.nested(), None)
    for lines, boxes in ((1, 0), (3, 0), (4, 8), (5, 12)):
        foot = picture.foot(lines)
        assert sum(text_of(part).count(BOX) for part in foot) == boxes
        assert len(foot) <= max(2, lines)


def test_an_empty_program_has_none() -> None:
    assert text_of(layout(None, None).foot(3)[0]).strip() == "Shapes appear here as you type."
