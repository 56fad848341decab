"""The sharding flow of a program: where each array lies on a mesh, and what is sent for it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxlib.mlir import ir
from msgspec.structs import replace

from jaxtui.engine_base.arrays import dtype_name
from jaxtui.engine_base.errors import Diagnosed
from jaxtui.program.engine import suggestions
from jaxtui.session.diagnosis import Diagnosis
from jaxtui.session.field_path import SHARDING
from jaxtui.session.session import FieldError, Sharding
from jaxtui.sharding import costs
from jaxtui.sharding.costs import Links
from jaxtui.sharding.engine import lines, memory, naming, resharding, shardy, terms
from jaxtui.sharding.engine.lowering import Given, LoweredProgram, lowered
from jaxtui.sharding.engine.marking import MarkedValue, called
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
    Spec,
)


def planned(composition: Composition, sharding: Sharding, *, id: int = 0) -> ShardingPlanned:
    """The plan of `composition` on the mesh of `sharding`, or why there is none."""
    began = time.perf_counter()
    plan, failure = None, None
    try:
        plan = plan_of(composition, sharding)
    except Diagnosed as error:
        failure = _with_right_fixes(error.diagnosis, composition, sharding)
    seconds = time.perf_counter() - began
    return ShardingPlanned(id=id, plan=plan, diagnosis=failure, seconds=seconds)


def _with_right_fixes(found: Diagnosis, composition: Composition, sharding: Sharding) -> Diagnosis:
    """The diagnosis with those of its fixes that let the program be planned, or fail elsewhere."""

    def fault(tried: Composition) -> Diagnosis | None:
        try:
            lowered(tried, sharding)
        except Diagnosed as error:
            return error.diagnosis
        return None

    if any(fix.field.under(SHARDING) is not None for fix in found.fixes):
        return found  # of the mesh that is planned on, and computed from it
    return replace(found, fixes=suggestions.right_fixes(found, composition, fault))


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


class _Laid(NamedTuple):
    """How the arrays among the arguments, the values and the results lie, and what is sent."""

    inputs: list[Sharded]
    values: list[Sharded]
    outputs: list[Sharded]
    sent: list[Resharding]
    unplanned: str


class _Block(NamedTuple):
    """The largest block that a device holds of a value of this shape and dtype."""

    shape: list[int]
    dtype: str
    per_device: list[int]
    bytes: int


class Planner:
    """Reads a plan off a lowered program, whose module it changes."""

    def __init__(self, program: LoweredProgram, links: Links) -> None:
        self.program = program
        self.links = links
        self._places = naming.places(program.marked)
        self._blocks: dict[tuple[Any, ...], _Block] = {}

    def plan(self) -> ShardingPlan:
        """Propagate the shardings, and read the plan."""
        program = self.program
        laid = self._as_typed() if program.module is None else self._propagated()
        inputs, outputs = self._inputs(laid.inputs), self._outputs(laid.outputs)
        mesh = program.mesh if program.module is None else mesh_of(program.module, program.mesh)
        return ShardingPlan(
            mesh=mesh,
            axis_types=program.axis_types,
            here=program.here,
            inputs=inputs,
            values=self._values(laid.values),
            collectives=[self._collective(one) for one in laid.sent],
            outputs=outputs,
            memory=PlannedMemory(
                arguments=sum(array.bytes for array in inputs),
                outputs=sum(array.bytes for array in outputs),
                peak=memory.peak(program, laid.inputs, laid.values),
            ),
            scopes=[value.scope for value in program.marked.values],
            scope_list=program.marked.scopes,
            before=[self._position(one) for one in laid.sent],
            lines=self._lines(),
            unplanned=laid.unplanned,
        )

    def _propagated(self) -> _Laid:
        """How everything lies, and what is sent, by Shardy."""
        program, module = self.program, self.program.module
        unplanned = ""
        sent: list[Resharding] = []
        try:
            shardy.propagate(module)
        except ir.MLIRError as error:
            unplanned = f"Shardy cannot plan this program: {_first_line(error)}"
        with module.context:
            inputs, values = program.laid_inputs(module), program.laid_values(module)
            results = zip(shardy.outputs(module), program.jaxpr.out_avals, strict=True)
            outputs = [shardy.sharded(laid, shardy.rank(aval)) for laid, aval in results]
        if not unplanned:
            try:
                resharding.insert_collectives(module)
                with module.context:
                    sent = terms.needed(program, module)
            except ir.MLIRError as error:
                unplanned = f"Shardy cannot tell what is sent: {_first_line(error)}"
        return _Laid(inputs, values, outputs, sent, unplanned)

    def _as_typed(self) -> _Laid:
        """How everything lies by its type, which tracing knows of explicit axes."""
        program = self.program
        return _Laid(
            inputs=[shardy.by_type(given.leaf) for given in program.arrays],
            values=[shardy.by_type(value.aval) for value in program.marked.values],
            outputs=[shardy.by_type(aval) for aval in program.jaxpr.out_avals],
            sent=[],
            unplanned=f"JAX cannot lower this, so types are all there is: {program.unlowered}",
        )

    # ------------------------------------------------------------------------- inputs and outputs

    def _inputs(self, laid: Sequence[Sharded]) -> list[ShardedArray]:
        shardings = iter(laid)
        arrays = self.program.arrays
        return [
            self._input(given, next(shardings).spec if given in arrays else [])
            for given in self.program.given
        ]

    def _input(self, given: Given, spec: Spec) -> ShardedArray:
        shape = [int(n) for n in getattr(given.leaf, "shape", ())]
        dtype = getattr(given.leaf, "dtype", None)
        return self._array(shape, dtype, spec, name=given.name, path=given.path, leaf=given.leaf)

    def _outputs(self, laid: Sequence[Sharded]) -> list[ShardedArray]:
        avals = self.program.jaxpr.out_avals
        return [
            self._array(
                [int(n) for n in aval.shape],
                aval.dtype,
                sharded.spec,
                path=path,
            )
            for path, aval, sharded in zip(self.program.paths, avals, laid, strict=True)
        ]

    def _array(
        self, shape: list[int], dtype: Any, spec: list[list[str]], *, leaf: Any = None, **named: str
    ) -> ShardedArray:
        block = shardy.block_shape(shape, spec, self.program.sizes)
        return ShardedArray(
            shape=shape,
            dtype=type(leaf).__name__ if dtype is None else dtype_name(dtype),
            spec=spec,
            per_device=list(block),
            bytes=math.prod(block) * memory.itemsize(dtype),
            **{"path": "", **named},
        )

    # ----------------------------------------------------------------------------------- values

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
        block = self._block(aval, sharded.spec)
        return ShardedValue(
            name=name,
            op=value.equation.primitive.name,
            called=called(value.equation),
            line=place.line if place else None,
            file=place.file if place else "",
            shape=block.shape,
            dtype=block.dtype,
            spec=sharded.spec,
            unreduced=list(sharded.unreduced),
            varying=_varying(aval),
            per_device=block.per_device,
            bytes=block.bytes,
            times=self.program.turns[value.scope],
        )

    def _block(self, aval: Any, spec: Spec) -> _Block:
        """What a device holds of a value, worked out once for all that are alike."""
        dtype = getattr(aval, "dtype", aval)
        # No spec is dropped before all are read, so that none has the id of another.
        key = (getattr(aval, "shape", ()), dtype, id(spec))
        known = self._blocks.get(key)
        if known is None:
            shape = [int(n) for n in getattr(aval, "shape", ())]
            block = shardy.block_shape(shape, spec, self.program.sizes)
            size = math.prod(block) * memory.itemsize(dtype)
            known = self._blocks[key] = _Block(shape, str(dtype), list(block), size)
        return known

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
        known = terms.terms(one, self.program)
        return SentCollective(
            kind=one.kind,
            axes=list(known.axes),
            line=place.line if place else None,
            file=place.file if place else "",
            bytes=known.bytes,
            times=known.times,
            seconds=self.links.seconds(one.kind, known.axes, known.devices, known.bytes),
        )

    def _last_place(self) -> lines.Place | None:
        return next((place for place in reversed(self._places) if place is not None), None)


def _first_line(error: BaseException) -> str:
    return next(
        (line.strip() for line in str(error).splitlines() if line.strip()), "no reason given"
    )


def _varying(aval: Any) -> list[str]:
    """The axes along which blocks differ in manual code, as the array's type says."""
    kind = getattr(aval, "manual_axis_type", None)
    varying = getattr(aval, "vma", ()) if kind is None else kind.varying
    return sorted(str(axis) for axis in varying)
