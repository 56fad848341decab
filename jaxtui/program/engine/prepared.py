"""A composition made ready to be traced, run, inspected or timed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from jaxtui.engine_base.devices import DeviceSet, device_set
from jaxtui.program.engine import expressions, programs
from jaxtui.program.engine.expressions import Names
from jaxtui.program.engine.programs import BuiltLayer, Function
from jaxtui.program.engine.tracing import Recorder, unheard
from jaxtui.wire.base import Composition


@dataclass(frozen=True)
class Prepared:
    """A composition whose every text has been read, before any argument has a value."""

    composition: Composition
    devices: DeviceSet
    known: Names
    function: Function
    layers: list[BuiltLayer]
    positional: list[int]
    keywords: dict[str, int]

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The names of the positional arguments, in order."""
        arguments = self.composition.program.arguments
        return tuple(arguments[i].name for i in self.positional)

    def call(self, values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """What the program is called with, given one value per argument of the session."""
        return (
            tuple(values[i] for i in self.positional),
            {name: values[i] for name, i in self.keywords.items()},
        )

    def recorder(self, on_level: Callable[[int, bool], None] = unheard) -> Recorder:
        """A fresh recorder of this program."""
        return Recorder(self.function, self.layers, self.argument_names, on_level)


def prepare(composition: Composition) -> Prepared:
    """Read every text of `composition`. Raises Diagnosed at the first that does not fit."""
    devices = device_set(composition.devices)
    known = _known(composition, devices)
    function = programs.resolve(composition.program, known, composition.folder)
    return _prepared(composition, devices, known, function)


def _known(composition: Composition, devices: DeviceSet) -> Names:
    return expressions.names(
        composition.program.source,
        {**composition.parameters, **composition.swept},
        len(devices.devices),
        composition.folder,
    )


def _prepared(
    composition: Composition, devices: DeviceSet, known: Names, function: Function
) -> Prepared:
    program = composition.program
    positional, keywords = programs.split_arguments(program.arguments, function)
    layers = programs.build_layers(program.layers, known, devices)
    return Prepared(composition, devices, known, function, layers, positional, keywords)
