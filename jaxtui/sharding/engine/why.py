"""Why a dimension lies as it does: which annotation its axes come from, and where one was lost."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from jax.extend import core
from jaxlib.mlir import ir

from jaxtui.engine_base.errors import diagnosed
from jaxtui.engine_base.jaxprs import walk
from jaxtui.session.field_path import ARGUMENTS, LAYERS, PROGRAM
from jaxtui.session.session import Sharding
from jaxtui.sharding.blocks import axis_of
from jaxtui.sharding.costs import Links
from jaxtui.sharding.engine import lines, marking, naming, shardy
from jaxtui.sharding.engine.lowering import LoweredProgram, lowered
from jaxtui.sharding.engine.trials import Trials
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import Origin, ShardingExplained, Spec

_CONSTRAINT = "sdy.sharding_constraint"


def explained(
    composition: Composition, sharding: Sharding, value: int, dimension: int, *, id: int = 0
) -> ShardingExplained:
    """Take each annotation away, propagate again, and see what becomes of a dimension.

    `value` indexes the plan's values; -1, -2, ... are its inputs. Raises Diagnosed.
    """
    asking = _Asking(lowered(composition, sharding))
    if not asking.has(value, dimension):
        raise diagnosed("value", PROGRAM, "there is no such dimension: the program has changed")
    asked = asking.specs(value)[dimension]
    return ShardingExplained(
        id=id,
        axes=asked,
        origins=list(asking.origins(value, dimension, asked)),
        lost=list(asking.lost(value)),
    )


@dataclass(frozen=True)
class _Annotation:
    """A sharding that was asked for: of an argument's array, or by a constraint (its number)."""

    array: int | None
    constraint: int | None


class _Asking:
    def __init__(self, program: LoweredProgram) -> None:
        self._program = program
        self._trials = Trials(program, Links())
        self._inputs, self._held = self._propagated(())
        self._places = naming.places(program.marked)
        self._names = naming.names(program.marked, self._places)

    def has(self, value: int, dimension: int) -> bool:
        values = self._program.marked.values
        if not -len(self._program.given) <= value < len(values):
            return False
        return 0 <= dimension < len(self._spec(value, self._inputs, self._held))

    def specs(self, value: int) -> Spec:
        return self._spec(value, self._inputs, self._held)

    def origins(self, value: int, dimension: int, asked: list[str]) -> Iterator[Origin]:
        """The annotations without which the dimension would be divided otherwise.

        Where several ask for the same, none of them is missed alone: then those that give the same
        without all others, whose `without` is what is there now.
        """
        every = list(self._annotations())
        found = False
        for annotation in every:
            without = self._divided({annotation}, value, dimension)
            if without is not None and without != asked:
                found = True
                yield self._origin(annotation, without)
        if found or not asked:
            return
        if value < 0 and (manual := self._manual(value)) is not None:
            yield manual
            return
        for annotation in every:
            if self._divided({*every} - {annotation}, value, dimension) == asked:
                yield self._origin(annotation, asked)

    def _manual(self, value: int) -> Origin | None:
        """The layer, or the call of `shard_map`, that gives each device its block of an input."""
        given = self._program.given[-1 - value]
        jaxpr = self._program.marked.closed.jaxpr
        read = jaxpr.invars[self._program.arrays.index(given)]
        mapping = [e for e in jaxpr.eqns if e.primitive.name == "shard_map" and read in e.invars]
        if not mapping:
            return None
        place = lines.place_of(mapping[0])
        if place is not None:
            label = f"the shard_map in line {place.line}"
            return Origin(label=label, field="program.source", line=None, without=[])
        layers = self._program.prepared.composition.program.layers
        for index, layer in enumerate(layers):
            if layer.maps_over_devices or layer.divides:
                label = f"the {layer.input_field} of the {layer.transform}"
                field = LAYERS / index / layer.input_field
                return Origin(label=label, field=str(field), line=None, without=[])
        return None

    def _divided(
        self, without: Collection[_Annotation], value: int, dimension: int
    ) -> list[str] | None:
        """The axes that divide a dimension without these annotations; None if Shardy fails."""
        try:
            inputs, held = self._propagated(without)
        except ir.MLIRError:
            return None
        return self._spec(value, inputs, held)[dimension]

    def _annotations(self) -> Iterator[_Annotation]:
        for number, spec in enumerate(self._trials.specs()):
            if any(spec):
                yield _Annotation(number, None)
        with self._program.module.context:
            for number, _ in enumerate(_constraints(self._program.module)):
                yield _Annotation(None, number)

    def _propagated(self, without: Collection[_Annotation]) -> tuple[list[Any], dict[int, Any]]:
        """The specs of the arrays among the arguments, and of all values by number."""
        arrays = [a.array for a in without if a.array is not None]
        copy = self._trials.copy(dict.fromkeys(arrays))
        with copy.context:
            constraints = _constraints(copy)
            for number in [a.constraint for a in without if a.constraint is not None]:
                op = constraints[number]
                op.results[0].replace_all_uses_with(op.operands[0])
                op.erase()
        shardy.propagate(copy)
        with copy.context:
            inputs = [laid.spec for laid in self._program.laid_inputs(copy)]
            specs = {n: laid.spec for n, laid in enumerate(self._program.laid_values(copy))}
        return inputs, specs

    def _spec(self, value: int, inputs: list[Any], held: dict[int, Any]) -> Spec:
        if value >= 0:
            return list(held[value])
        given = self._program.given[-1 - value]
        arrays = self._program.arrays
        return list(inputs[arrays.index(given)]) if given in arrays else []

    def _origin(self, annotation: _Annotation, without: list[str]) -> Origin:
        if annotation.array is not None:
            given = self._program.arrays[annotation.array]
            label = f"the sharding of {given.name}{given.path}"
            field = ARGUMENTS / given.argument / "sharding"
            return Origin(label=label, field=str(field), line=None, without=without)
        line = self._line_of_constraint(annotation.constraint or 0)
        label = "the constraint" + (f" in line {line}" if line is not None else "")
        return Origin(label=label, field="program.source", line=line, without=without)

    def _line_of_constraint(self, number: int) -> int | None:
        values = zip(self._program.marked.values, self._places, strict=True)
        places = [
            place
            for value, place in values
            if value.equation.primitive.name == "sharding_constraint"
        ]
        place = places[number] if number < len(places) else None
        return place.line if place is not None else None

    # ------------------------------------------------------------------------------------- lost

    def lost(self, value: int) -> Iterator[str]:
        """For each axis of the mesh that divides nothing of this array, where it was lost."""
        if value < 0:
            return
        spec = self._spec(value, self._inputs, self._held)
        used = {axis_of(axis) for axes in spec for axis in axes}
        for axis, size in self._program.mesh.items():
            if axis not in used and size > 1:
                found = self._where_lost(value, axis)
                if found is not None:
                    yield found

    def _where_lost(self, value: int, axis: str) -> str | None:
        """The nearest equation that has the axis in what it takes, and not in what it makes."""
        makers = self._makers
        waiting, seen = [value], {value}
        while waiting:
            number = waiting.pop(0)
            equation = self._program.marked.values[number].equation
            sources = [makers.get(v) for v in self._operands(number)]
            having = [s for s in sources if s is not None and self._uses(s, axis)]
            if having:
                place = self._places[number]
                line = f"line {place.line}, " if place is not None else ""
                name = self._name(having[0])
                op = marking.called(equation) or equation.primitive.name
                return f"{axis} divides {name}, and is lost at {line}{op}"
            for source in sources:
                if source is not None and source >= 0 and source not in seen:
                    seen.add(source)
                    waiting.append(source)
        return None

    @functools.cached_property
    def _makers(self) -> dict[Any, int]:
        """Which value, or input as a negative number, a variable of the marked program is."""
        marked = self._program.marked
        found: dict[Any, int] = {}
        for number, value in enumerate(marked.values):
            if isinstance(value.variable, core.Var):
                found.setdefault(value.variable, number)
        arrays = self._program.arrays
        for number, given in enumerate(self._program.given):
            if given in arrays:
                found[marked.closed.jaxpr.invars[arrays.index(given)]] = -1 - number
        return found

    def _operands(self, number: int) -> list[Any]:
        return [v for v in self._reads.get(number, ()) if isinstance(v, core.Var)]

    @functools.cached_property
    def _reads(self) -> dict[int, list[Any]]:
        """What the equation that makes each value reads, in the marked program."""
        made = {
            variable: list(equation.invars)
            for equations, _ in walk(self._program.marked.closed.jaxpr)
            for equation in equations
            for variable in equation.outvars
        }
        return {
            number: made.get(value.variable, [])
            for number, value in enumerate(self._program.marked.values)
            if isinstance(value.variable, core.Var)
        }

    def _uses(self, number: int, axis: str) -> bool:
        spec = self._spec(number, self._inputs, self._held)
        return any(axis_of(part) == axis for axes in spec for part in axes)

    def _name(self, number: int) -> str:
        if number < 0:
            given = self._program.given[-1 - number]
            return f"{given.name}{given.path}"
        equation = self._program.marked.values[number].equation
        made = marking.called(equation) or equation.primitive.name
        return self._names[number] or f"what {made} makes"


def _constraints(module: Any) -> list[Any]:
    main = shardy.main_of(module)
    return [op for op in shardy.operations(main) if op.name == _CONSTRAINT]
