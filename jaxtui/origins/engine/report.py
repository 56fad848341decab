"""Where a program's NaN and infinities come from, as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import tree_util
from jax.extend import core

from jaxtui.engine_base import processes
from jaxtui.engine_base.arrays import is_array
from jaxtui.engine_base.errors import GivenUp, diagnosed
from jaxtui.engine_base.jaxprs import walk
from jaxtui.engine_base.output import rehearsal
from jaxtui.origins.engine import probes
from jaxtui.origins.engine.origins import KINDS, Kind, Origin, origins
from jaxtui.origins.engine.probes import Body, Element, Reading, lies_beside
from jaxtui.program.engine import expressions, placing
from jaxtui.program.engine.evaluation import refuse_too_large, trace_prepared, values_of
from jaxtui.program.engine.prepared import Prepared, prepare
from jaxtui.program.engine.tracing import leaves_with_paths, over_arrays
from jaxtui.session.field_path import PROGRAM
from jaxtui.sharding.engine import lines
from jaxtui.sharding.engine.lowering import calling
from jaxtui.sharding.engine.marking import Marked
from jaxtui.text.quantities import counted
from jaxtui.wire.base import Composition

MOST = 8  # origins that are told one by one
WORDS: dict[Kind, tuple[str, str]] = {"nan": ("NaN", "NaN"), "inf": ("infinity", "infinities")}
HEADINGS: dict[Kind, str] = {"nan": "NaN", "inf": "Infinities"}


def text(
    composition: Composition, on_stage: Callable[[str], None], cancelled: Callable[[], bool]
) -> str:
    """Run the program with probes, and tell where NaN and infinities are made of finite numbers.

    Raises Diagnosed, and GivenUp when `cancelled()` turned true between two runs.
    """
    processes.refuse("NaN and infinities are traced to their origin")
    with rehearsal():  # what the function prints was seen when the program ran
        prepared = prepare(composition)
        refuse_too_large(trace_prepared(prepared))
        with placing.on_device_set(prepared.devices):
            search = _Search(prepared)
            on_stage("running")
            search.run()
            if cancelled():
                raise GivenUp
            made = {kind: _made(kind, search.origins) for kind in KINDS}
            told = [origin for kind in KINDS for origin in made[kind][:MOST]]
            elements = dict(zip(told, search.read(told), strict=True))
    return "\n".join(_lines(search, made, elements))


def _made(kind: Kind, found: Sequence[Origin]) -> list[Origin]:
    return [origin for origin in found if origin.kind == kind and not origin.written]


class _Search:
    """One program with its arrays, as it is run with probes."""

    def __init__(self, prepared: Prepared) -> None:
        values = values_of(prepared, expressions.concrete_value)
        placed = placing.placed(values, prepared)
        arguments = prepared.composition.program.arguments
        self.given = [
            (argument.name + path, leaf)
            for argument, value in zip(arguments, placed, strict=True)
            for path, leaf in leaves_with_paths(value)
        ]
        self._mesh = prepared.devices.mesh
        try:
            # A number in Python is computed with at once, where no probe sees it.
            self._closed, self._arrays = _traced(tree_util.tree_map(_as_array, placed), prepared)
        except Exception:  # what a number that is an array now led to
            self._closed, self._arrays = _traced(placed, prepared)
        self.marked: Marked
        self.bodies: Sequence[Body]
        self.results: list[Any] = []
        self.origins: list[Origin] = []

    def run(self) -> None:
        """Run with a probe of every value, and find the origins."""
        self.marked, self.bodies = probes.probed(self._closed)
        self.results = self._run(self.marked.closed)
        self.origins = origins(self.marked, self.bodies)

    def read(self, told: Sequence[Origin]) -> list[tuple[Any, ...]]:
        """Run again for the first element of each: the result's, and those of its operands."""
        found: dict[Element, list[tuple[Any, ...]]] = {(o.of.where, o.index): [] for o in told}
        if found:
            self._run(Reading(found).program(self._closed).closed)
        return [self._first(origin, found[origin.of.where, origin.index]) for origin in told]

    @staticmethod
    def _first(origin: Origin, turns: list[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The elements at the first turn at which the result is what the origin makes."""
        test = np.isnan if origin.kind == "nan" else np.isinf
        return next((turn for turn in turns if test(turn[0])), ())

    def _run(self, closed: Any) -> list[Any]:
        jaxpr = closed.jaxpr
        whole = jaxpr.replace(constvars=(), invars=[*jaxpr.constvars, *jaxpr.invars])
        call = calling(core.ClosedJaxpr(whole, ()), self._mesh)
        results = jax.jit(call)(*closed.consts, *self._arrays)
        jax.block_until_ready(results)
        jax.effects_barrier()
        return list(results)


def _traced(values: list[Any], prepared: Prepared) -> tuple[Any, list[Any]]:
    """The program as a closed jaxpr, and the arrays that it takes. Raises Diagnosed."""
    leaves, tree = tree_util.tree_flatten(prepared.call(values))
    shapes = [expressions.as_struct(x) if is_array(x) else x for x in leaves]
    call, structs = over_arrays(
        prepared.recorder().program, *tree_util.tree_unflatten(tree, shapes)
    )
    try:
        closed = jax.make_jaxpr(call)(*structs)
    except expressions.CONCRETE_VALUE_NEEDED as error:
        message = "what this does depends on values, so that it cannot be run with probes"
        raise diagnosed("unsupported", PROGRAM, message) from error
    if any(e.primitive.name == "xla_pmap" for equations, _ in walk(closed) for e in equations):
        message = f"JAX {jax.__version__} does not let the body of a pmap be looked into"
        raise diagnosed("unsupported", PROGRAM, message)
    return closed, [leaf for leaf in leaves if is_array(leaf)]


def _as_array(leaf: Any) -> Any:
    return jnp.asarray(leaf) if type(leaf) in (float, complex) else leaf


def _lines(
    search: _Search, made: dict[Kind, list[Origin]], elements: dict[Origin, tuple[Any, ...]]
) -> Iterator[str]:
    yield f"The result {_has(search.results)}."
    for path, leaf in search.given:
        if is_array(leaf) and (said := _has([leaf])) != NOTHING:
            yield f"{path}, as it is given, {said}."
    if not search.origins:
        yield "No operation of the program makes one of finite numbers."
    for kind in KINDS:
        heading = HEADINGS[kind]
        origins_of_kind = made[kind]
        if origins_of_kind:
            yield ""
            yield f"{heading} made of numbers, in the order of the program:"
        for origin in origins_of_kind[:MOST]:
            yield ""
            yield from _told(origin, elements[origin], search.marked)
        if len(origins_of_kind) > MOST:
            yield ""
            yield f"… and by {counted(len(origins_of_kind) - MOST, 'further operation')}"
    written = sorted({_line(origin) for origin in search.origins if origin.written})
    if written:
        yield ""
        yield "Constants of the program that are not finite:"
        yield from (f"  {line}" for line in written)


NOTHING = "has neither NaN nor infinities"


def _has(arrays: Sequence[Any]) -> str:
    """Say how many NaN and infinities there are: `has 3 NaN and 1 infinity among 8 numbers`."""
    floats = [x for x in arrays if jnp.issubdtype(x.dtype, jnp.inexact)]
    nans = sum(int(jnp.isnan(x).sum()) for x in floats)
    infs = sum(int(jnp.isinf(x).sum()) for x in floats)
    parts = [f"{nans:,} NaN"] if nans else []
    parts += [_counted("inf", infs)] if infs else []
    if not parts:
        return NOTHING
    return f"has {' and '.join(parts)} among {counted(sum(x.size for x in floats), 'number')}"


def _counted(kind: Kind, number: int) -> str:
    return f"{number:,} {WORDS[kind][number != 1]}"


def _told(origin: Origin, elements: tuple[Any, ...], marked: Marked) -> Iterator[str]:
    """An origin's line of the source, then what happens there."""
    yield f"  {_line(origin)}"
    parts = [f"{_counted(origin.kind, origin.count)} of {_elements(origin)}"]
    if origin.of_turns > 1:
        noun = _noun(origin, marked)
        parts.append(f"{noun[0]} {origin.turns:,} of {counted(origin.of_turns, noun[1])}")
    gradient = "in the gradient of this line, " if origin.backward else ""
    yield f"      {gradient}{origin.operation}: {', '.join(parts)}{_example(origin, elements)}"


def _noun(origin: Origin, marked: Marked) -> tuple[str, str]:
    """What an evaluation of a body is: a turn of a loop, a device's of manual code, or either."""
    scope = marked.values[origin.of.number].scope
    manual = loop = False
    while scope >= 0:
        manual |= marked.scopes[scope].manual
        loop |= marked.scopes[scope].turns != 1
        scope = marked.scopes[scope].parent
    if manual and loop:
        return "at", "evaluation"
    return ("on", "device") if manual else ("at", "turn")


def _elements(origin: Origin) -> str:
    return counted(int(np.prod(origin.shape, dtype=np.int64)), "element")


def _example(origin: Origin, elements: tuple[Any, ...]) -> str:
    """Say where the first element is, and what it was made of: `; the first at [1]: log(-1.0)`."""
    index = f"; the first at [{', '.join(map(str, origin.place))}]" if origin.shape else ""
    if len(elements) < 2:
        return index
    result, *found = elements
    beside = iter(found)
    operands = [
        _number(np.asarray(atom.val))
        if isinstance(atom, core.Literal)
        else _number(next(beside))
        if lies_beside(atom, origin.of.equation, origin.of.where)
        else "…"
        for atom in origin.of.equation.invars
    ]
    return f"{index}: {origin.operation}({', '.join(operands)}) is {_number(result)}"


def _number(element: Any) -> str:
    return f"{element.item():.6g}" if element.dtype.kind in "iuf" else str(element)


def _line(origin: Origin) -> str:
    place = origin.of.place
    if place is None:
        return "not in the source"
    file = f"{place.file}:" if place.file else "line "
    return f"{file}{place.line}  {lines.text_of(place.file, place.line).strip()}"
