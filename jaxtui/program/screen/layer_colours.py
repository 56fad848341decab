"""A colour and a sign for each layer, the same on every screen.

A widget shows layers in their colours by taking both parts into its class:

    COMPONENT_CLASSES = {...} | layer_colours.COMPONENTS
    DEFAULT_CSS = '''...''' + layer_colours.CSS

and gets the component class, or the class of a child widget, from `component(layer)`. For text in
Textual's `Content`, `style(layer)` gives the same style. The sign tells layers apart without
colours: `◆ vmap` in the layer list is `◆ vmap batch·4` in the shape flow.
"""

from __future__ import annotations

from jaxtui.screen.themes import AXES

_VARIABLES = tuple(f"axis-{number}" for number in range(AXES))
_SIGNS = "◆●▲■"

COMPONENTS: set[str] = {f"layer--{number}" for number in range(len(_VARIABLES))}
CSS = "\n".join(
    f".layer--{number} {{ color: ${variable}; text-style: bold; }}"
    for number, variable in enumerate(_VARIABLES)
)


def component(layer: int) -> str:
    """The component class of `program.layers[layer]`; colours repeat after the fourth layer."""
    return f"layer--{layer % len(_VARIABLES)}"


def style(layer: int) -> str:
    """The layer's style for Textual's `Content`, such as "bold $axis-0"."""
    return f"bold ${_VARIABLES[layer % len(_VARIABLES)]}"


def sign(layer: int) -> str:
    """The layer's sign, one cell wide."""
    return _SIGNS[layer % len(_SIGNS)]
