"""A layer has one colour and one sign, whoever asks."""

from __future__ import annotations

from rich.cells import cell_len

from jaxtui.program.screen import layer_colours
from jaxtui.text.signs import in_ascii


def test_layers_side_by_side_differ_in_colour_and_in_sign() -> None:
    for layer in range(12):
        assert layer_colours.component(layer) != layer_colours.component(layer + 1)
        assert layer_colours.style(layer) != layer_colours.style(layer + 1)
        first, second = layer_colours.sign(layer), layer_colours.sign(layer + 1)
        assert first != second
        assert in_ascii(first) != in_ascii(second)


def test_every_component_has_its_rule() -> None:
    for layer in range(12):
        name = layer_colours.component(layer)
        assert name in layer_colours.COMPONENTS
        variable = layer_colours.style(layer).removeprefix("bold ")
        assert f".{name} {{ color: {variable}; text-style: bold; }}" in layer_colours.CSS


def test_signs_take_one_cell_and_are_ascii_where_asked() -> None:
    for layer in range(12):
        assert cell_len(layer_colours.sign(layer)) == 1
        assert in_ascii(layer_colours.sign(layer)).isascii()
