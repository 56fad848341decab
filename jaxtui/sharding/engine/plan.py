"""The sharding flow of a program: where each array lies on a mesh, and what is sent for it."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

from jax.extend import core
from jaxlib.mlir import ir

from jaxtui.engine_base.errors import Diagnosed
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.session import FieldError, Sharding
from jaxtui.sharding import costs
from jaxtui.sharding.costs import Links
from jaxtui.sharding.engine import lines, liveness, marking, naming, resharding, shardy
from jaxtui.sharding.engine.lowering import Given, LoweredProgram, lowered
from jaxtui.sharding.engine.marking import MarkedValue
from jaxtui.sharding.engine.own_mesh import mesh_of
from jaxtui.sharding.engine.resharding import Resharding
from jaxtui.sharding.engine.shardy import Sharded
from jaxtui.wire.base import Composition
from jaxtui.wire.sharding import (
    PlannedMemory,
    SentCollective,
    ShardedArray,
    ShardedValue,
    ShardingPlan,
    ShardingPlanned,
)


def planned(composition: Composition, sharding: Sharding, *, id: int = 0) -> ShardingPlanned:
    """The plan of `composition` on the mesh of `sharding`, or why there is none."""
    began = time.perf_counter()
    plan, failure = None, None
    try:
        plan = plan_of(composition, sharding)
    except Diagnosed as error:
        failure = error.diagnosis
    seconds = time.perf_counter() - began
    return ShardingPlanned(id=id, plan=plan, diagnosis=failure, seconds=seconds)


def plan_of(composition: Composition, sharding: Sharding) -> ShardingPlan:
    """The plan of `composition`. Raises Diagnosed at the field at fault."""
    links = links_of(sharding)
    return Planner(lowered(composition, sharding), links).plan()


def links_of(sharding: Sharding) -> Links:
    """The links that `sharding` describes. Raises Diagnosed at the field that cannot be read."""
    try:
        return costs.links(sharding)
    except FieldError as error:
        found = Diagnosis(kind="value", field=error.field, message=error.message)
        raise Diagnosed(found) from error


class Planner:
    """Reads a plan off a lowered program, whose module it changes."""

    def __init__(self, program: LoweredProgram, links: Links) -> None:
        self.program = program
        self.links = links
        self._places = naming.places(program.marked)

    def plan(self) -> ShardingPlan:
        """Propagate the shardings, and read the plan."""
        program = self.program
        module, unplanned = program.module, ""
        sent: list[Resharding] = []
        try:
            shardy.propagate(module)
        except ir.MLIRError as error:
            unplanned = f"Shardy cannot plan this program: {_first_line(error)}"
        with module.context:
            arguments, results = shardy.inputs(module), shardy.outputs(module)
            held = shardy.marked_values(module)
            shardings = self._shardings(held)
            inputs = self._inputs(arguments)
            outputs = self._outputs(results)
        if not unplanned:
            try:
                resharding.insert_collectives(module)
                with module.context:
                    sent = [
                        one
                        for one in resharding.collectives(module, program.sizes)
                        if one.value is None or program.is_needed(one.value)
                    ]
            except ir.MLIRError as error:
                unplanned = f"Shardy cannot tell what is sent: {_first_line(error)}"
        return ShardingPlan(
            mesh=mesh_of(module, program.mesh),
            axis_types=program.axis_types,
            here=program.here,
            inputs=inputs,
            values=self._values(shardings),
            collectives=[self._collective(one) for one in sent],
            outputs=outputs,
            memory=self._memory(shardings, inputs, outputs),
            scopes=[value.scope for value in program.marked.values],
            scope_list=program.marked.scopes,
            before=[self._position(one) for one in sent],
            lines=self._lines(),
            unplanned=unplanned,
        )

    # ------------------------------------------------------------------------- inputs and outputs

    def _inputs(self, arguments: Sequence[Any]) -> list[ShardedArray]:
        attributes = iter(arguments)
        arrays = self.program.arrays
        return [
            self._input(given, next(attributes) if given in arrays else None)
            for given in self.program.given
        ]

    def _input(self, given: Given, attribute: Any) -> ShardedArray:
        shape = [int(n) for n in getattr(given.leaf, "shape", ())]
        spec = shardy.sharded(attribute, len(shape)).spec
        dtype = getattr(given.leaf, "dtype", None)
        return self._array(shape, dtype, spec, name=given.name, path=given.path, leaf=given.leaf)

    def _outputs(self, results: Sequence[Any]) -> list[ShardedArray]:
        avals = self.program.jaxpr.out_avals
        return [
            self._array(
                [int(n) for n in aval.shape],
                aval.dtype,
                shardy.sharded(attribute, len(aval.shape)).spec,
                path=path,
            )
            for path, aval, attribute in zip(self.program.paths, avals, results, strict=True)
        ]

    def _array(
        self, shape: list[int], dtype: Any, spec: list[list[str]], *, leaf: Any = None, **named: str
    ) -> ShardedArray:
        block = shardy.block_shape(shape, spec, self.program.sizes)
        return ShardedArray(
            shape=shape,
            dtype=type(leaf).__name__ if dtype is None else str(dtype),
            spec=spec,
            per_device=list(block),
            bytes=math.prod(block) * _itemsize(dtype),
            **{"path": "", **named},
        )

    # ----------------------------------------------------------------------------------- values

    def _shardings(self, held: Mapping[int, Any]) -> list[Sharded]:
        return [
            shardy.sharded(held.get(number), len(getattr(value.aval, "shape", ())))
            for number, value in enumerate(self.program.marked.values)
        ]

    def _values(self, shardings: Sequence[Sharded]) -> list[ShardedValue]:
        names = naming.names(self.program.marked, self._places)
        return [
            self._value(number, value, sharded, names[number])
            for number, (value, sharded) in enumerate(
                zip(self.program.marked.values, shardings, strict=True)
            )
        ]

    def _value(self, number: int, value: MarkedValue, sharded: Sharded, name: str) -> ShardedValue:
        aval, place = value.aval, self._places[number]
        shape = [int(n) for n in getattr(aval, "shape", ())]
        block = shardy.block_shape(shape, sharded.spec, self.program.sizes)
        return ShardedValue(
            name=name,
            op=value.equation.primitive.name,
            line=place.line if place else None,
            file=place.file if place else "",
            shape=shape,
            dtype=str(getattr(aval, "dtype", aval)),
            spec=sharded.spec,
            unreduced=list(sharded.unreduced),
            varying=_varying(aval),
            per_device=list(block),
            bytes=math.prod(block) * _itemsize(getattr(aval, "dtype", None)),
            times=marking.turns(self.program.marked.scopes, value.scope),
        )

    def _lines(self) -> dict[str, dict[int, str]]:
        found: dict[str, dict[int, str]] = {}
        for place in self._places:
            if place is not None and place.line not in found.setdefault(place.file, {}):
                found[place.file][place.line] = lines.text_of(place.file, place.line)
        return found

    # ------------------------------------------------------------------------------ collectives

    def _position(self, one: Resharding) -> int:
        if one.value is not None:
            return one.value
        return len(self.program.marked.values) if one.body_of is None else one.body_of

    def _collective(self, one: Resharding) -> SentCollective:
        number = one.value if one.value is not None else one.body_of
        place = self._places[number] if number is not None else self._last_place()
        axes = one.axes
        values = self.program.marked.values
        if axes is None:
            axes = marking.axes_of(values[number].equation) if number is not None else ()
        times: int | None = 1
        if one.value is not None:
            times = marking.turns(self.program.marked.scopes, values[one.value].scope)
        elif one.body_of is not None:
            times = marking.turns(self.program.marked.scopes, self._body_scope(one.body_of))
        size = math.prod(one.block) * one.element // 8
        n = math.prod(shardy.axis_size(axis, self.program.sizes) for axis in axes)
        return SentCollective(
            kind=one.kind,
            axes=list(axes),
            line=place.line if place else None,
            file=place.file if place else "",
            bytes=size,
            times=times,
            seconds=self.links.seconds(one.kind, axes, n, size),
        )

    def _body_scope(self, number: int) -> int:
        """The scope of the body whose loop makes the value of this number."""
        equation = self.program.marked.values[number].equation
        parent = self.program.marked.values[number].scope
        scopes = self.program.marked.scopes
        inside = [
            value.scope
            for value in self.program.marked.values[:number]
            if value.scope >= 0 and scopes[value.scope].parent == parent
        ]
        return inside[-1] if inside and equation is not None else parent

    def _last_place(self) -> lines.Place | None:
        return next((place for place in reversed(self._places) if place is not None), None)

    # ----------------------------------------------------------------------------------- memory

    def _memory(
        self,
        shardings: Sequence[Sharded],
        inputs: Sequence[ShardedArray],
        outputs: Sequence[ShardedArray],
    ) -> PlannedMemory:
        jaxpr = self.program.marked.closed.jaxpr
        sizes: dict[Any, int] = {}
        for value, sharded in zip(self.program.marked.values, shardings, strict=True):
            if not isinstance(value.variable, core.Literal):
                sizes.setdefault(value.variable, self._bytes(value.aval, sharded.spec))
        arrays = [
            array
            for array, given in zip(inputs, self.program.given, strict=True)
            if given in self.program.arrays
        ]
        for variable, array in zip(jaxpr.invars, arrays, strict=True):
            sizes[variable] = array.bytes

        def bytes_of(variable: Any) -> int:
            if variable not in sizes:  # a constant or a block's argument
                rank = len(getattr(variable.aval, "shape", ()))
                sizes[variable] = self._bytes(variable.aval, [[] for _ in range(rank)])
            return sizes[variable]

        return PlannedMemory(
            arguments=sum(array.bytes for array in inputs),
            outputs=sum(array.bytes for array in outputs),
            peak=liveness.peak(jaxpr, bytes_of, self._donated()),
        )

    def _bytes(self, aval: Any, spec: list[list[str]]) -> int:
        shape = getattr(aval, "shape", None)
        if shape is None:
            return 0
        block = shardy.block_shape([int(n) for n in shape], spec, self.program.sizes)
        return math.prod(block) * _itemsize(aval.dtype)

    def _donated(self) -> set[Any]:
        """The arguments that an outermost `jit` may overwrite."""
        jaxpr = self.program.jaxpr.jaxpr
        if len(jaxpr.eqns) != 1:
            return set()
        donated = jaxpr.eqns[0].params.get("donated_invars", ())
        flags = zip(jaxpr.eqns[0].invars, donated, strict=False)
        overwritten = {v for v, flag in flags if flag and isinstance(v, core.Var)}
        marked = self.program.marked.closed.jaxpr.invars
        pairs = zip(jaxpr.invars, marked, strict=True)
        return {new for old, new in pairs if old in overwritten}


def _first_line(error: BaseException) -> str:
    return next(
        (line.strip() for line in str(error).splitlines() if line.strip()), "no reason given"
    )


def _itemsize(dtype: Any) -> int:
    """The bytes of an element; of a PRNG key, those of its words."""
    return int(getattr(dtype, "itemsize", 0))


def _varying(aval: Any) -> list[str]:
    """The axes along which blocks differ in manual code, as the array's type says."""
    kind = getattr(aval, "manual_axis_type", None)
    varying = getattr(aval, "vma", ()) if kind is None else kind.varying
    return sorted(str(axis) for axis in varying)
