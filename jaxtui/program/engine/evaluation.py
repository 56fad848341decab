"""Evaluate a composition: trace it for its shapes, or run it for its result."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from dataclasses import replace as replaced
from typing import Any

import jax
from jax import tree_util
from msgspec.structs import replace

from jaxtui.engine_base import failures, lockstep, processes
from jaxtui.engine_base.errors import Diagnosed, GivenUp
from jaxtui.engine_base.output import rehearsal
from jaxtui.program.engine import (
    abstract_arguments,
    expressions,
    input_placements,
    kept_programs,
    lazy_arrays,
    modules,
    notes,
    placing,
    pmaps,
    programs,
    suggestions,
    vmap_notes,
)
from jaxtui.program.engine.cost import elements_touched
from jaxtui.program.engine.diagnosis import explain as diagnosis
from jaxtui.program.engine.diagnosis import inputs as explanations
from jaxtui.program.engine.expressions import Names, Value
from jaxtui.program.engine.kept_programs import KeptProgram
from jaxtui.program.engine.prepared import Prepared, prepare, resolved, with_layers
from jaxtui.program.engine.shapes import Shapes, refuse_abstract, refuse_too_large
from jaxtui.program.engine.tracing import Recorder, leaves_with_paths, over_arrays
from jaxtui.session.diagnosis import Diagnosis, Kind
from jaxtui.session.field_path import PROGRAM, FieldPath
from jaxtui.wire.base import Composition
from jaxtui.wire.program import Traced
from jaxtui.wire.report import Flow, Input, LayerReport


@dataclass(frozen=True)
class Evaluated:
    """What a run gave; `leaves` are the result's: (keystr path, array or object)."""

    inputs: list[Input]
    layers: list[LayerReport]
    leaves: list[tuple[str, Any]]
    flow: Flow
    seconds: float
    function: str  # its name
    notes: list[Diagnosis] = field(default_factory=list)


def trace(composition: Composition, *, id: int = 0) -> Traced:
    """The shape flow of `composition`, without compiling and without data."""
    began = time.perf_counter()
    traced = _trace(composition)
    failure = traced.diagnosis and _with_right_fixes(traced.diagnosis, composition)
    return replace(traced, id=id, diagnosis=failure, seconds=time.perf_counter() - began)


def _with_right_fixes(found: Diagnosis, composition: Composition) -> Diagnosis:
    found = notes.with_count_fix(found, composition.program.source)
    if not found.fixes:
        return found
    fixes = suggestions.right_fixes(found, composition, lambda tried: _trace(tried).diagnosis)
    return replace(found, fixes=fixes)


def _trace(composition: Composition) -> Traced:
    name, parameters = "", None
    choices: list[str] = []
    flow, cost, deferred, failure = None, None, False, None
    abstract: tuple[str, ...] = ()
    try:
        devices, known, function = resolved(composition)
        name, parameters, choices = function.name, function.parameters, function.choices
        shapes = trace_prepared(with_layers(composition, devices, known, function))
        abstract = abstract_arguments.names(shapes.prepared, shapes.values)
        flow, deferred = shapes.recorder.flow(), shapes.jaxpr is None
        cost = elements_touched(shapes.jaxpr, [value.tree for value in shapes.values])
        refuse_too_large(shapes)
    except Diagnosed as error:
        failure, flow = error.diagnosis, error.flow or flow
    except BaseException as error:  # the user's objects can raise whenever they are accessed
        failure = _unforeseen(error)
    return Traced(
        function=name,
        signature=parameters,
        flow=flow,
        diagnosis=failure,
        cost=cost,
        deferred=deferred,
        choices=choices,
        abstract=abstract,
    )


def _unforeseen(error: BaseException) -> Diagnosis:
    kind: Kind = "memory" if failures.out_of_memory(error) else "runtime"
    return Diagnosis(kind=kind, field=PROGRAM, message=failures.describe(error))


def trace_prepared(prepared: Prepared) -> Shapes:
    """Trace a prepared program. Raises Diagnosed with the flow up to the failure."""
    values = values_of(prepared, expressions.abstract_value)
    with placing.on_device_set(prepared.devices):
        recorder = prepared.recorder()
        try:
            given = _traced_structs(values, prepared)
            recorder.given = prepared.specs(given)
            args, kwargs = prepared.call(lazy_arrays.lightly(given))
            leaves = tree_util.tree_leaves((args, kwargs))
            call, structs = over_arrays(recorder.program, args, kwargs)
            jaxpr = jax.make_jaxpr(call)(*structs)
            explanations.refuse_too_few_devices(recorder, prepared)
            diagnosis.refuse_misplaced_outputs(recorder)
        except Diagnosed as error:
            raise Diagnosed(error.diagnosis, error.flow or recorder.flow()) from error
        except BaseException as error:  # also SystemExit: a function may call exit()
            # What memory cannot hold is reported first, whatever else is wrong.
            refuse_too_large(
                Shapes(prepared=prepared, recorder=recorder, values=values, jaxpr=None)
            )
            runs = not any(value.abstract for value in values)
            if not (runs and _only_a_run_can_tell(error, prepared)):
                found = diagnosis.explain(error, recorder, prepared)
                raise Diagnosed(found, recorder.flow()) from error
            jaxpr, leaves = None, []
    return Shapes(prepared=prepared, recorder=recorder, values=values, jaxpr=jaxpr, leaves=leaves)


def _traced_structs(values: list[Value], prepared: Prepared) -> list[Any]:
    """Raises Diagnosed for a sharding that does not fit, with the flow of the shapes without it."""
    try:
        return placing.traced_structs(values, prepared)
    except Diagnosed as error:
        recorder = prepared.recorder()
        with contextlib.suppress(BaseException):  # whatever the user's function raises
            unplaced = prepared.call([value.tree for value in values])
            call, structs = over_arrays(recorder.program, *unplaced)
            jax.eval_shape(call, *structs)
        raise Diagnosed(error.diagnosis, recorder.flow()) from error


def _only_a_run_can_tell(error: BaseException, prepared: Prepared) -> bool:
    """Whether tracing failed on a value that would be concrete in a run.

    What a vmap maps is not concrete in a run either.
    """
    looked = isinstance(error, expressions.CONCRETE_VALUE_NEEDED)
    looked = looked and re.search(r"This (Batch|Vmap)Tracer ", str(error)) is None
    return looked and not any(layer.kind.traces for layer in prepared.layers)


def values_of(prepared: Prepared, evaluate: Callable[[str, Names, FieldPath], Any]) -> list[Any]:
    """Each argument's value as `evaluate` reads it, in the context for values. Raises Diagnosed."""
    values = []
    for index, argument in enumerate(prepared.composition.program.arguments):
        with placing.for_value(argument.value, prepared.devices):
            values.append(evaluate(argument.value, prepared.known, placing.value_field(index)))
    return values


def _concrete_values(prepared: Prepared, traced: Any) -> list[Any]:
    """The arguments, computed. Several processes must agree on them and on the jaxpr `traced`."""
    values = values_of(prepared, expressions.concrete_value)
    processes.agree(lambda: (lockstep.of_program(traced), lockstep.of_values(values)))
    return values


def run(
    composition: Composition,
    on_stage: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Evaluated:
    """Evaluate `composition` as a plain script would, and keep the result on the devices.

    Raises Diagnosed, or GivenUp when `cancelled()` turned true between two stages.
    """
    try:
        with processes.joined(composition):
            return _run(composition, on_stage, cancelled)
    except GivenUp:
        raise
    except Diagnosed as error:
        found = _with_right_fixes(error.diagnosis, composition)
        raise Diagnosed(found, error.flow) from error
    except BaseException as error:  # the user's objects can raise whenever they are accessed
        raise Diagnosed(_unforeseen(error)) from error


def _run(
    composition: Composition,
    on_stage: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Evaluated:
    def stage(name: str) -> None:
        if cancelled() and not processes.together():
            raise GivenUp
        on_stage(name)

    stage("tracing")
    with rehearsal():
        shapes = _refuse_what_cannot_run(composition)
        identity = _identity(shapes)
        kept = _kept(identity)
    prepared = prepare(composition)
    stage("placing")
    with pmaps.forgotten() as mapped:
        values = _concrete_values(prepared, shapes.jaxpr if shapes is not None else None)
        with placing.on_device_set(prepared.devices):
            values = placing.placed(values, prepared)
            args, kwargs = prepared.call(values)
            recorder = kept.recorder if kept is not None else prepared.recorder()
            recorder.given = prepared.specs(values)
            del values  # donated buffers must have no other owner
            given = notes.donated(prepared, args)
            recorder.on_level = _stages(prepared, stage)
            try:
                handed = input_placements.handed(args, kwargs)
                with programs.computed(recorder.layers):
                    evaluated = _called(prepared, recorder, args, kwargs, stage)
                    traced = (shapes.jaxpr, shapes.leaves) if shapes is not None else (None, [])
                    inputs = input_placements.inputs_of(recorder, handed, *traced)
            except BaseException:
                kept_programs.drop(identity)
                raise
        said = notes.of_program(prepared, shapes.jaxpr if shapes is not None else None)
        said += vmap_notes.of_run(recorder, inputs)
        said += notes.of_donated(prepared, given, [leaf for _, leaf in evaluated.leaves])
        evaluated = replaced(evaluated, inputs=inputs, notes=said)
        if kept is None and identity is not None:
            kept_programs.keep(identity, KeptProgram(prepared, recorder, mapped.copy()))
            mapped.clear()
        return evaluated


def _refuse_what_cannot_run(composition: Composition) -> Shapes | None:
    """Raise Diagnosed if memory or the devices do not suffice, or an argument has no values.

    This is before any array is made. Returns what tracing found. Any other failure is left to the
    call, for which the source runs again: what it counts or collects is then what a script would.
    """
    try:
        shapes = trace_prepared(prepare(composition))
        refuse_too_large(shapes)
    except Diagnosed as error:
        if error.diagnosis.kind in ("memory", "devices") or _has_abstract(composition):
            raise
        return None
    refuse_abstract(shapes, "a run")
    return shapes


def _has_abstract(composition: Composition) -> bool:
    try:
        values = values_of(prepare(composition), expressions.abstract_value)
    except Diagnosed:
        return False
    return any(value.abstract for value in values)


def _identity(shapes: Shapes | None) -> Hashable:
    if shapes is None:
        return None
    values = [value.tree for value in shapes.values]
    flow = shapes.recorder.flow()
    with shapes.prepared.devices.context():
        return kept_programs.identity(shapes.prepared, shapes.jaxpr, flow, values)


def _kept(identity: Hashable) -> KeptProgram | None:
    """The kept program of this `identity`, if its function still traces to the same.

    That is looked at once, since the source that the rehearsal ran is not the one that was called:
    it may have given another function.
    """
    kept = kept_programs.find(identity)
    if kept is not None and not kept.proven:
        kept.proven = _identity(_traced_again(kept.prepared)) == identity
        if not kept.proven:
            kept_programs.drop(identity)
            return None
    return kept


def _traced_again(prepared: Prepared) -> Shapes | None:
    try:
        return trace_prepared(prepared)
    except Diagnosed:
        return None


def _called(
    prepared: Prepared,
    recorder: Recorder,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    stage: Callable[[str], None],
) -> Evaluated:
    jax.block_until_ready((args, kwargs))
    modules.called()
    began = time.perf_counter()
    try:
        output = recorder.program(*args, **kwargs)
        del args, kwargs
        stage("running")
        jax.block_until_ready(output)
        seconds = time.perf_counter() - began
        diagnosis.refuse_misplaced_outputs(recorder)
        leaves = processes.gathered(leaves_with_paths(output))
        diagnosis.refuse_differing_copies(recorder, leaves)
    except (Diagnosed, GivenUp):
        raise
    except BaseException as error:  # also SystemExit: a function may call exit()
        raise Diagnosed(diagnosis.explain(error, recorder, prepared), recorder.flow()) from error
    return _evaluated(recorder, leaves, seconds)


def _evaluated(recorder: Recorder, leaves: list[tuple[str, Any]], seconds: float) -> Evaluated:
    flow = recorder.flow()
    depth = len(recorder.layers)
    return Evaluated(
        inputs=[],  # the run tells where they lay
        layers=[
            LayerReport(
                transform=layer.transform,
                axis_size=flow.levels[depth - layer.index].size,
                inside=recorder.inside(depth - layer.index),
            )
            for layer in recorder.layers
        ],
        leaves=leaves,
        flow=flow,
        seconds=seconds,
        function=recorder.function.name,
    )


def _stages(prepared: Prepared, stage: Callable[[str], None]) -> Callable[[int, bool], None]:
    """Tell the stage from the levels: an outermost jit traces what is inside it, and compiles once
    that is done; without one, the function itself runs."""
    compiled = bool(prepared.layers) and prepared.layers[-1].kind.compiles

    def on_level(level: int, entering: bool) -> None:
        if level == (1 if compiled else 0) and entering:
            stage("tracing" if compiled else "running")
        elif level == 1 and compiled:
            stage("compiling")

    return on_level
