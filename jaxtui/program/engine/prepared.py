"""A composition made ready to be traced, run, inspected or timed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from jax import tree_util
from jax.sharding import AbstractMesh

from jaxtui.engine_base.devices import DeviceSet, device_set, planned_set
from jaxtui.program.engine import expressions, programs, surroundings
from jaxtui.program.engine.expressions import Names
from jaxtui.program.engine.programs import BuiltLayer, Function
from jaxtui.program.engine.tracing import Recorder, Spec, spec_of
from jaxtui.session import mesh_context
from jaxtui.wire.base import Composition


@dataclass(frozen=True)
class Prepared:
    """A composition whose code is all evaluated but for the values of its arguments."""

    composition: Composition
    devices: DeviceSet
    known: Names
    function: Function
    layers: list[BuiltLayer]
    positional: list[int]
    keywords: dict[str, int]

    @property
    def argument_names(self) -> tuple[str, ...]:
        arguments = self.composition.program.arguments
        return tuple(arguments[i].name for i in self.positional)

    def call(self, values: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of the program's call, given one value per argument of the session."""
        return (
            tuple(values[i] for i in self.positional),
            {name: values[i] for name, i in self.keywords.items()},
        )

    def recorder(self, on_level: Callable[[int, bool], None] | None = None) -> Recorder:
        axes = self.devices.mesh.axis_names
        return Recorder(
            self.function,
            self.layers,
            self.argument_names,
            on_level,
            axes=axes,
            written=self.known.source,
        )

    def specs(self, values: list[Any]) -> dict[str, list[Spec]]:
        """The specs of the leaves of each argument that has a sharding, which `values` follow."""
        return {
            argument.name: [
                spec_of(getattr(leaf, "sharding", None)) for leaf in tree_util.tree_leaves(value)
            ]
            for argument, value in zip(self.composition.program.arguments, values, strict=True)
            if argument.sharding.strip()
        }


def prepare(composition: Composition, mesh: AbstractMesh | None = None) -> Prepared:
    """Evaluate `composition` up to its arguments' values. Raises Diagnosed at the first fault.

    On a planned `mesh`, which takes the place of the devices' own, it can be traced and lowered.
    """
    return with_layers(composition, *resolved(composition, mesh))


def resolved(
    composition: Composition, mesh: AbstractMesh | None = None
) -> tuple[DeviceSet, Names, Function]:
    """The devices, the names that the source gives, and the function. Raises Diagnosed."""
    devices = _devices(composition, mesh)
    program = composition.program
    file = programs.file_of(program, composition.folder)
    of_module = None if program.source.strip() else (program.function, composition.folder, file)
    known = expressions.names(
        program.source,
        {**composition.parameters, **composition.swept},
        devices,
        composition.folder,
        file,
        of_module,
    )
    with devices.context():
        function, offered = programs.resolve(program, known, file)
        known = known.with_file(offered)
        if not all(layer.home for layer in program.layers):
            # What is wrong with a layer is told when it is built to be called.
            with contextlib.suppress(Exception):
                built = programs.build_layers(program.layers, known, devices)
                function = programs.as_called(function, built)
    surroundings.settle(of_module)
    return devices, known, function


def _devices(composition: Composition, mesh: AbstractMesh | None) -> DeviceSet:
    asked, planned = composition.devices, mesh is not None
    devices = device_set(asked) if mesh is None else planned_set(asked, mesh)
    when = mesh_context.when(asked, composition.program, planned=planned)
    return replace(devices, in_context=when)


def with_layers(
    composition: Composition, devices: DeviceSet, known: Names, function: Function
) -> Prepared:
    """`composition` prepared with its resolved function. Raises Diagnosed."""
    program = composition.program
    positional, keywords = programs.split_arguments(program.arguments, function)
    with devices.context():
        layers = programs.build_layers(program.layers, known, devices)
    return Prepared(composition, devices, known, function, layers, positional, keywords)
