"""Every text on every screen is legible on its ground: in 16 colours, and on the cursor's row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.color import ColorSystem
from rich.style import Style
from textual.color import Color

from jaxtui.screen import themes
from jaxtui.screen.contrast import LEAST, among_sixteen
from tests.screen.test_themes import ratio
from tests.support.fake_client import Bench
from tests.support.full_screens import SCREENS, full_session

OFTEN = ("sharding",)  # the others look for the same
NAMES = [pytest.param(n, marks=[] if n in OFTEN else pytest.mark.long) for n in SCREENS]


def texts(bench: Bench) -> Iterator[tuple[str, Style]]:
    for strip in bench.app.screen._compositor.render_strips():
        for text, style, _ in strip:
            if style is not None and any(sign.isalnum() for sign in text):
                yield text, style


def of_sixteen(text: str, style: Style) -> tuple[str, float] | None:
    """The contrast of a text in 16 colours; None where its ground is the terminal's own."""
    ink, ground = (
        None if one is None or one.is_default else one.downgrade(ColorSystem.STANDARD).number
        for one in (style.color, style.bgcolor)
    )
    if style.reverse:
        ink, ground = ground, ink
    if ground is None:
        return None
    return text, 0.0 if ink is None else among_sixteen(ink, ground)


@pytest.mark.parametrize("name", NAMES)
async def test_every_text_has_contrast_in_sixteen_colours(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "standard")
    monkeypatch.delenv("NO_COLOR", raising=False)

    bench = Bench(full_session(name))
    async with bench.open((120, 40)):
        await SCREENS[name](bench)
        assert bench.app.theme == themes.SIXTEEN
        found = [of_sixteen(*one) for one in texts(bench)]
        on_colours = [one for one in found if one is not None]
        assert on_colours or name not in OFTEN
        assert [one for one in on_colours if one[1] < LEAST] == []


@pytest.mark.parametrize("theme", [themes.DARK, themes.LIGHT])
@pytest.mark.parametrize("name", NAMES)
async def test_every_text_on_the_cursors_row_has_contrast(
    name: str, theme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)

    bench = Bench(full_session(name), theme=theme)
    async with bench.open((120, 40)):
        await SCREENS[name](bench)
        lit = Color.parse(bench.app.theme_variables["lit"])
        on_it = [
            (text, ratio(Color.from_rich_color(style.color), lit))
            for text, style in texts(bench)
            if style.bgcolor == lit.rich_color and not style.reverse
        ]
        assert on_it or name not in OFTEN
        assert [one for one in on_it if one[1] < 4.49] == []
