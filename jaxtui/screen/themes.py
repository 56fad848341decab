"""Colours by what they mean: the tokens of every screen, and the explorer's own themes.

A colour stands for one thing, the same on every screen. Styles name a token, such as `$focus` or
`$axis-0`, and no other module names a colour:

| token | stands for |
|---|---|
| `$focus` | where keys go: the frame of the pane with the focus, cursors, keys in the key line |
| `$axis-0` ... `$axis-3` | the axis that a layer maps, by layer |
| `$mesh-0` ... `$mesh-3` | an axis of the mesh, by its place in the mesh |
| `$device-0` ... `$device-7` | a device, by its place among the devices |
| `$device-0-ground`, `$device-0-text` | behind what a device holds, and text on it |
| `$strategy-0` ... `$strategy-9` | a way to run a function over a batch |
| `$faster`, `$slower` | the verdict of a comparison |
| `$stale` | what belongs to the program before |
| `$text-warning`, `$text-error` | a doubt, and what is wrong |
| `$code-word`, `-name`, `-type`, `-literal` | keywords, what is called, types, literals in code |
| `$heat-high`, `$heat-low` | the ends of a scale of values |
| `$lit` | behind what belongs to the cursor elsewhere |
| `$ink` | text on a token as the ground |
| `$soft`, `$quiet` | text that is read second, and last |

Every token for text has a contrast of at least `CONTRAST` against the grounds of the screen, in
every theme that says its colours. A sign, a letter or a word says the same without colours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.theme import Theme as RichTheme
from textual.app import App
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import Theme

from jaxtui.screen.contrast import legible
from jaxtui.screen.legible_filter import LegibleText
from jaxtui.screen.textual_private import FrugalApp

DARK, LIGHT, SIXTEEN = "jaxtui-dark", "jaxtui-light", "jaxtui-16"
AXES, MESH_AXES, DEVICES, STRATEGIES = 4, 4, 8, 10  # tokens of a kind, after which they repeat
GROUNDS = ("background", "surface", "panel")  # what text stands on

_ON_DARK = {
    "focus": "#3ddaf5",
    "warning": "#f7c243",
    "error": "#fd736d",
    "stale": "#c6ad8b",
    "faster": "#65e287",
    "slower": "#f387c7",
    "axis-0": "#9bbeff",
    "axis-1": "#abcc6b",
    "axis-2": "#d5a6fe",
    "axis-3": "#40d9c1",
    "mesh-0": "#e9a1e3",
    "mesh-1": "#78c7fd",
    "mesh-2": "#71d6a3",
    "mesh-3": "#f9a870",
    "device-0": "#89b5fd",
    "device-1": "#86df9a",
    "device-2": "#d998e8",
    "device-3": "#3be1e1",
    "device-4": "#b9bb50",
    "device-5": "#c8bdfe",
    "device-6": "#47c3f7",
    "device-7": "#feaad1",
    "strategy-0": "#f59740",
    "strategy-1": "#fbcdaa",
    "strategy-2": "#a5be43",
    "strategy-3": "#d1dfab",
    "strategy-4": "#87b1fd",
    "strategy-5": "#c4d8fd",
    "strategy-6": "#2cce99",
    "strategy-7": "#ace7cc",
    "strategy-8": "#e08ee5",
    "strategy-9": "#f0c8f1",
    "heat-high": "#f7ac4d",
    "heat-low": "#6ab3fd",
    "code-word": "#b0a4f8",
    "code-name": "#7dd9fc",
    "code-type": "#7cd2ae",
    "code-literal": "#f0b788",
}
_ON_LIGHT = {
    "focus": "#076675",
    "warning": "#7a5b01",
    "error": "#b01e25",
    "stale": "#735c3c",
    "faster": "#0b6d32",
    "slower": "#912e6e",
    "axis-0": "#2c56a8",
    "axis-1": "#4c6507",
    "axis-2": "#714096",
    "axis-3": "#016a5d",
    "mesh-0": "#7f3e7a",
    "mesh-1": "#07618f",
    "mesh-2": "#046c46",
    "mesh-3": "#8a4603",
    "device-0": "#1e4e9e",
    "device-1": "#087736",
    "device-2": "#733281",
    "device-3": "#017272",
    "device-4": "#565602",
    "device-5": "#6750ab",
    "device-6": "#085a78",
    "device-7": "#9b3b6e",
    "strategy-0": "#864900",
    "strategy-1": "#5d3917",
    "strategy-2": "#536304",
    "strategy-3": "#3e4819",
    "strategy-4": "#2454b3",
    "strategy-5": "#2d4268",
    "strategy-6": "#0c6b4d",
    "strategy-7": "#134e39",
    "strategy-8": "#85318b",
    "strategy-9": "#553557",
    "heat-high": "#7e4f04",
    "heat-low": "#065da0",
    "code-word": "#5a43a4",
    "code-name": "#075f85",
    "code-type": "#13684b",
    "code-literal": "#824717",
}
# What a terminal with 16 colours has: those of a kind differ, and none but the error's is red.
_SIXTEEN = {
    "focus": "ansi_bright_cyan",
    "warning": "ansi_bright_yellow",
    "error": "ansi_bright_red",
    "stale": "ansi_yellow",
    "faster": "ansi_bright_green",
    "slower": "ansi_bright_magenta",
    "axis-0": "ansi_bright_blue",
    "axis-1": "ansi_green",
    "axis-2": "ansi_bright_magenta",
    "axis-3": "ansi_cyan",
    "mesh-0": "ansi_bright_magenta",
    "mesh-1": "ansi_bright_blue",
    "mesh-2": "ansi_green",
    "mesh-3": "ansi_cyan",
    "device-0": "ansi_bright_blue",
    "device-1": "ansi_bright_green",
    "device-2": "ansi_bright_magenta",
    "device-3": "ansi_cyan",
    "device-4": "ansi_green",
    "device-5": "ansi_yellow",
    "device-6": "ansi_bright_white",
    "device-7": "ansi_white",
    "strategy-0": "ansi_cyan",
    "strategy-1": "ansi_bright_white",
    "strategy-2": "ansi_green",
    "strategy-3": "ansi_bright_green",
    "strategy-4": "ansi_bright_blue",
    "strategy-5": "ansi_white",
    "strategy-6": "ansi_yellow",
    "strategy-7": "ansi_bright_black",
    "strategy-8": "ansi_bright_magenta",
    "strategy-9": "ansi_magenta",
    "heat-high": "ansi_bright_yellow",
    "heat-low": "ansi_bright_blue",
    "code-word": "ansi_bright_blue",
    "code-name": "ansi_bright_cyan",
    "code-type": "ansi_green",
    "code-literal": "ansi_yellow",
}


def _own(name: str, dark: bool, grounds: Sequence[str], foreground: str) -> Theme:
    colours = _ON_DARK if dark else _ON_LIGHT
    background, surface, panel = grounds
    return Theme(
        name=name,
        primary=colours["axis-0"],
        secondary=colours["axis-2"],
        accent=colours["focus"],
        warning=colours["warning"],
        error=colours["error"],
        success=colours["faster"],
        foreground=foreground,
        background=background,
        surface=surface,
        panel=panel,
        dark=dark,
    )


THEMES = (
    _own(DARK, True, ("#11151a", "#1a2027", "#1e252d"), "#e2e7ed"),
    _own(LIGHT, False, ("#f7f8fa", "#eceff3", "#e3e7ed"), "#1b222b"),
    Theme(
        name=SIXTEEN,
        primary=_SIXTEEN["axis-0"],
        secondary=_SIXTEEN["axis-2"],
        accent=_SIXTEEN["focus"],
        warning=_SIXTEEN["warning"],
        error=_SIXTEEN["error"],
        success=_SIXTEEN["faster"],
        foreground="ansi_default",
        background="ansi_default",
        ansi=True,
        variables={
            "ansi-background": "ansi_black",
            "ansi-foreground": "ansi_white",
            "border-blurred": "ansi_black",
            "input-cursor-background": "ansi_white",
            "input-cursor-foreground": "ansi_black",
            "input-cursor-text-style": "none",
            "input-selection-background": "ansi_blue",
            "input-selection-foreground": "ansi_bright_white",
            "screen-selection-background": "ansi_blue",
            "screen-selection-foreground": "ansi_bright_white",
            "block-cursor-background": "ansi_cyan",
            "block-cursor-foreground": "ansi_black",
        },
    ),
)


def tokens(theme: Theme, variables: dict[str, str]) -> dict[str, str]:
    """The tokens for a theme, of which `variables` are Textual's own."""
    if theme.ansi:
        named = {name: value for name, value in _SIXTEEN.items() if name not in _STATES}
        warning, error = _SIXTEEN["warning"], _SIXTEEN["error"]
        quiet = {"quiet": "ansi_default", "soft": "ansi_default", "lit": "ansi_blue"}
        named |= quiet | {"text-warning": warning, "text-error": error, "ink": "ansi_black"}
        for name in _DEVICES:
            named |= {f"{name}-text": named[name], f"{name}-ground": "ansi_default"}
        return named
    grounds = [_opaque(variables, name) for name in GROUNDS]
    background, foreground = grounds[0], Color.parse(variables["foreground"])
    ours = {name: Color.parse(text) for name, text in (_ON_DARK, _ON_LIGHT)[not theme.dark].items()}
    if theme not in THEMES:
        ours |= _of(theme)
    found = {name: legible(colour, grounds) for name, colour in ours.items()}
    found["text-warning"], found["text-error"] = found.pop("warning"), found.pop("error")
    for name, share in (("quiet", 0.62), ("soft", 0.8)):
        found[name] = legible(background.blend(foreground, share), grounds)
    found["text-muted"] = found["quiet"]  # Textual's own is white in text that is no CSS
    found["lit"] = background.blend(found["focus"], 0.3)
    found["ink"] = background
    found["block-cursor-background"], found["block-cursor-foreground"] = found["focus"], background
    found["block-cursor-blurred-background"] = found["lit"]
    found["block-cursor-blurred-foreground"] = foreground
    for name in _DEVICES:
        found[f"{name}-ground"] = ground = background.blend(found[name], 0.28)
        found[f"{name}-text"] = legible(foreground, [ground])
    return {name: colour.hex for name, colour in found.items()}


_STATES = ("warning", "error")
_DEVICES = tuple(f"device-{number}" for number in range(DEVICES))


def _of(theme: Theme) -> dict[str, Color]:
    """What a theme itself says of focus, warnings and errors; the focus is never their colour."""
    said = {"warning": theme.warning, "error": theme.error}
    states = {name: Color.parse(text) for name, text in said.items() if text is not None}
    for text in (theme.accent, theme.primary, theme.secondary):
        if text is not None and Color.parse(text) not in states.values():
            return states | {"focus": Color.parse(text)}
    return states


def _opaque(variables: dict[str, str], name: str) -> Color:
    background = Color.parse(variables["background"])
    return background + Color.parse(variables[name])


# Rich's own code in prose is cyan on black, whatever the ground.
PROSE = RichTheme({"markdown.code": "bold"})


class ThemedApp(FrugalApp):
    """An app with the tokens, in the explorer's own theme for the terminal unless told another."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for theme in THEMES:
            self.register_theme(theme)
        self.console.push_theme(PROSE)
        few = self.console.color_system == "standard"
        self.set_class(few, "-few-colours")
        self.set_reactive(App.theme, SIXTEEN if few else DARK)
        self.stylesheet.set_variables(self.get_css_variables())

    def on_mount(self) -> None:
        # Only a theme that comes to be chosen tells Textual whether its colours are the terminal's.
        if self.current_theme.ansi:
            self.mutate_reactive(App.theme)

    def get_css_variables(self) -> dict[str, str]:
        variables = super().get_css_variables()
        self.theme_variables = variables | tokens(self.current_theme, variables)
        few = self.console.color_system == "standard" or self.current_theme.ansi
        self._legible = LegibleText(None if few else Color.parse(self.theme_variables["lit"]))
        return self.theme_variables

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._legible]
