"""The tokens of colour: legible in every theme, one meaning each, and colours nowhere else."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path

import pytest
from textual.color import Color
from textual.theme import BUILTIN_THEMES, Theme

import jaxtui
from jaxtui.benchmark.screen import strategy_colours
from jaxtui.screen import themes
from jaxtui.screen.themes import AXES, DEVICES, GROUNDS, MESH_AXES, STRATEGIES, ThemedApp

PACKAGE = Path(jaxtui.__file__).parent
COLOURED = [t for t in (*themes.THEMES, *BUILTIN_THEMES.values()) if not t.ansi]
OWN = [theme for theme in themes.THEMES if not theme.ansi]
CODE = ("code-word", "code-name", "code-type", "code-literal")
STATES = ("focus", "text-warning", "text-error", "stale", "faster", "slower")
KINDS = {"axis": AXES, "mesh": MESH_AXES, "device": DEVICES, "strategy": STRATEGIES}
NAMES = {f"{kind}-{number}" for kind, count in KINDS.items() for number in range(count)}


def variables(theme: Theme) -> dict[str, str]:
    found = theme.to_color_system().generate() | theme.variables
    return found | themes.tokens(theme, found)


def grounds(found: dict[str, str]) -> list[Color]:
    background = Color.parse(found["background"])
    return [background + Color.parse(found[name]) for name in GROUNDS]


def ratio(first: Color, second: Color) -> float:
    """The contrast by WCAG 2's own formula, for sRGB parts from 0 to 255."""

    def luminance(colour: Color) -> float:
        linear = [
            part / 12.92 if part <= 0.04045 else math.pow((part + 0.055) / 1.055, 2.4)
            for part in (colour.r / 255, colour.g / 255, colour.b / 255)
        ]
        return sum(w * part for w, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
def test_text_in_a_token_is_legible_on_every_ground(theme: Theme) -> None:
    found = variables(theme)
    texts = {*STATES, *NAMES, "quiet", "soft", "heat-high", "heat-low", *CODE}
    for name, ground in itertools.product(sorted(texts), grounds(found)):
        assert ratio(Color.parse(found[name]), ground) >= 4.49, (name, ground)


@pytest.mark.parametrize("theme", OWN, ids=lambda theme: theme.name)
def test_plain_text_is_legible_on_what_belongs_to_the_cursor(theme: Theme) -> None:
    found = variables(theme)
    foreground = Color.parse(found["foreground"])
    assert ratio(foreground, Color.parse(found["lit"])) >= 4.5
    assert all(ratio(foreground, ground) >= 7 for ground in grounds(found))
    muted = Color.parse(found["text-muted"])
    assert all(ratio(muted, ground) >= 4.49 for ground in grounds(found))


@pytest.mark.parametrize("theme", themes.THEMES, ids=lambda theme: theme.name)
def test_no_two_tokens_of_a_kind_and_no_two_states_share_a_colour(theme: Theme) -> None:
    found = variables(theme)
    for kind, count in KINDS.items():
        assert len({found[f"{kind}-{number}"] for number in range(count)}) == count
    assert len({found[name] for name in STATES}) == len(STATES)
    meant = {found[name] for name in ("focus", "text-warning", "text-error")}
    assert not meant & {found[name] for name in NAMES}


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
def test_the_focus_has_neither_the_colour_of_warnings_nor_that_of_errors(theme: Theme) -> None:
    found = variables(theme)
    assert found["focus"] not in (found["text-warning"], found["text-error"])


def test_with_sixteen_colours_only_errors_are_red() -> None:
    found = themes.tokens(themes.THEMES[-1], {})
    assert [name for name, colour in found.items() if "red" in colour] == ["text-error"]
    assert all(colour.startswith("ansi_") for colour in found.values())


def terminal(monkeypatch: pytest.MonkeyPatch, term: str) -> ThemedApp:
    monkeypatch.setattr("textual.constants.COLOR_SYSTEM", "auto")
    monkeypatch.setenv("TERM", term)
    monkeypatch.delenv("COLORTERM", raising=False)
    return ThemedApp()


def test_a_terminal_with_few_colours_has_a_theme_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = terminal(monkeypatch, "screen")
    assert few.theme == themes.SIXTEEN
    assert few.has_class("-few-colours")  # where fields are underlined: they have no ground
    assert terminal(monkeypatch, "xterm-256color").theme == themes.DARK


async def test_every_theme_has_every_token() -> None:
    app = ThemedApp()
    async with app.run_test() as pilot:
        for name in app.available_themes:
            app.theme = name
            await pilot.pause()
            assert app.theme_variables.keys() >= NAMES, name
            assert {*STATES, "quiet", "soft", "lit"} <= app.theme_variables.keys(), name


def sources() -> list[Path]:
    found = [*PACKAGE.rglob("screen/**/*.py"), *PACKAGE.rglob("*.tcss"), *PACKAGE.glob("app/*.py")]
    return [path for path in found if path.name != "themes.py"]


LITERAL = re.compile(
    r"#[0-9a-fA-F]{6}\b|\brgba?\(|\bansi_(?!dark|light)[a-z_]+"
    r"|(?:color|background): *(?:red|green|blue|yellow|cyan|magenta|white|black|orange)\b"
)
# Textual's names say how a colour looks beside others, not what it means.
MEANINGLESS = re.compile(r"\$(?:text-)?(?:accent|primary|secondary|success)\b")


@pytest.mark.parametrize("pattern", [LITERAL, MEANINGLESS], ids=["literal", "meaningless"])
def test_no_other_module_names_a_colour(pattern: re.Pattern[str]) -> None:
    assert len(sources()) > 60
    found = {
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if pattern.search(line)
    }
    assert found == set()


def test_what_finds_colours_finds_them() -> None:
    for text in ("color: #12ab34;", "background: red", '"ansi_red"', "rgb(1, 2, 3)"):
        assert LITERAL.search(text)
    assert MEANINGLESS.search("bold $text-accent")
    assert not LITERAL.search('code_theme="ansi_dark" or "ansi_light"')


def test_strategies_keep_their_colours_and_relatives_share_a_hue() -> None:
    names = ["loop", "lax.map", "vmap", "jit(vmap)", "pmap", "shard_map", "sharding"]
    assert len({strategy_colours.style(name) for name in names}) == len(names)
    assert strategy_colours.style("mine") == strategy_colours.style("mine")
    assert re.fullmatch(r"strategy-\d", strategy_colours.style("mine"))
