"""Text is legible on whatever ground it has, also where there are but 16 colours."""

from __future__ import annotations

import itertools

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from jaxtui.screen.contrast import LEAST, PALETTES, among_sixteen
from jaxtui.screen.legible_filter import LegibleText
from tests.screen.test_themes import ratio

YELLOW, BLUE, CYAN = 3, 4, 6
BRIGHT_YELLOW, BRIGHT_BLUE, BRIGHT_MAGENTA, BRIGHT_WHITE = 11, 12, 13, 15
GROUND = Color.parse("#000000")


def colour(number: int | None) -> RichColor:
    return RichColor.default() if number is None else RichColor.parse(f"color({number})")


def shown(text: str, style: Style, lit: Color | None = None) -> Style:
    ((same, found, _),) = LegibleText(lit).apply([Segment(text, style)], GROUND)
    assert same == text
    assert found is not None
    return found


def test_the_contrast_of_sixteen_colours_is_that_of_the_worse_palette() -> None:
    palettes = [[Color.parse(f"#{one}") for one in text.split()] for text in PALETTES]
    for ink, ground in itertools.product(range(16), repeat=2):
        worst = min(ratio(each[ink], each[ground]) for each in palettes)
        assert among_sixteen(ink, ground) == pytest.approx(worst, rel=0.01)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("ground", range(16))
def test_any_of_sixteen_colours_is_legible_on_any_other(ground: int, reverse: bool) -> None:
    for ink in (None, *range(16)):
        under, over = (ink, ground) if reverse else (ground, ink)
        style = Style(color=colour(over), bgcolor=colour(under), reverse=reverse)
        found = shown("x", style)
        assert found.color is not None
        assert found.bgcolor is not None
        after = [found.color, found.bgcolor][:: -1 if reverse else 1]
        text, stands_on = (one.downgrade(ColorSystem.STANDARD).number for one in after)
        assert stands_on == ground
        assert text is not None
        assert among_sixteen(text, ground) >= LEAST, (ink, ground)
        if ink is not None and among_sixteen(ink, ground) >= LEAST:
            assert found is style


def test_an_axis_keeps_its_hue_on_the_cursors_row_where_it_can() -> None:
    def on_blue(ink: int) -> Style:
        return Style(color=colour(ink), bgcolor=colour(BLUE), bold=True)

    assert shown("data", on_blue(CYAN)) == on_blue(CYAN)
    assert shown("data", on_blue(YELLOW)) == on_blue(BRIGHT_YELLOW)
    assert shown("model", on_blue(BRIGHT_BLUE)) == on_blue(BRIGHT_WHITE)
    assert shown("model", on_blue(BRIGHT_MAGENTA)) == on_blue(BRIGHT_WHITE)


def test_the_terminals_own_ground_and_what_is_drawn_in_blocks_stay_as_they_are() -> None:
    for style in (Style(color="blue"), Style(color="blue", bgcolor="default")):
        assert shown("x", style) is style
    scale = Style(color="bright_blue", bgcolor="blue")
    assert shown("▄▄ ", scale) is scale


def test_a_theme_that_says_its_colours_is_asked_on_the_cursors_row_alone() -> None:
    lit, quiet = Color.parse("#1e505b"), Color.parse("#92979c")
    other = Style(color=quiet.rich_color, bgcolor="#11151a")
    assert shown("x", other, lit) is other
    found = shown("x", Style(color=quiet.rich_color, bgcolor=lit.rich_color), lit)
    assert ratio(Color.from_rich_color(found.color), lit) >= 4.49
