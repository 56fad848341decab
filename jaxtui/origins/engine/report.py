"""Where a program's NaN and infinities come from, as text."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from jax.extend import core

from jaxtui.engine_base import processes
from jaxtui.engine_base.errors import GivenUp
from jaxtui.engine_base.output import rehearsal
from jaxtui.engine_base.processes import Step
from jaxtui.origins.engine.origins import KINDS, Kind, Origin, origins
from jaxtui.origins.engine.probes import lies_beside
from jaxtui.origins.engine.search import MAKER, Counted, Search, Seen, Turns
from jaxtui.program.engine.evaluation import trace_prepared
from jaxtui.program.engine.prepared import prepare
from jaxtui.program.engine.shapes import refuse_too_large
from jaxtui.sharding.engine import lines
from jaxtui.sharding.engine.marking import Marked
from jaxtui.text.quantities import counted
from jaxtui.wire.base import Composition

_numbers = itertools.count(1)

MOST = 8  # origins that are told one by one
WORDS: dict[Kind, tuple[str, str]] = {"nan": ("NaN", "NaN"), "inf": ("infinity", "infinities")}
HEADINGS: dict[Kind, str] = {"nan": "NaN", "inf": "Infinities"}


def text(
    composition: Composition, on_stage: Callable[[str], None], cancelled: Callable[[], bool]
) -> str:
    """Run the program with probes, and tell where NaN and infinities are made of finite numbers.

    Raises Diagnosed, and GivenUp when `cancelled()` turned true between two runs.
    """
    with rehearsal():  # what the function prints was seen when the program ran
        refuse_too_large(trace_prepared(prepare(composition)))
        search = _Found(composition)
        try:
            on_stage("running")
            search.run()
            if cancelled():
                raise GivenUp
            made = {kind: _made(kind, search.origins) for kind in KINDS}
            told = [origin for kind in KINDS for origin in made[kind][:MOST]]
            elements = dict(zip(told, search.read(told), strict=True))
        finally:
            search.end()
    return "\n".join(_lines(search, made, elements))


def _made(kind: Kind, found: Sequence[Origin]) -> list[Origin]:
    return [origin for origin in found if origin.kind == kind and not origin.written]


class _Found:
    """What all processes have found: the program's values, and where they go wrong."""

    def __init__(self, composition: Composition) -> None:
        self._number = next(_numbers)
        self._own = Search()
        mine, *others = self._step("begin", composition)
        for process, given in enumerate(others, 1):
            processes.require_same(f"process {process}", mine, given)

    def _step(self, method: str, *args: Any, communicates: bool = False) -> list[Any]:
        step = Step(MAKER, self._number, method, args, communicates)
        return processes.stepped(step, partial(getattr(self._own, method), *args))

    def end(self) -> None:
        if processes.several():
            processes.stepped(Step(MAKER, self._number, "end"), lambda: None)

    def run(self) -> None:
        """Run with probes, and find the origins."""
        seen: list[Seen] = self._step("run", communicates=True)
        self.results, self.given, self._apart = seen[0].results, seen[0].given, seen[0].apart
        self.marked = self._own.marked
        for other in seen[1:] if self._apart else ():
            for body, more in zip(self._own.bodies, other.bodies, strict=True):
                body.seen += more
        self.origins = origins(self.marked, self._own.bodies)

    def read(self, told: Sequence[Origin]) -> list[tuple[Any, ...]]:
        """Run again for the first element of each: the result's, and those of its operands."""
        elements = list(dict.fromkeys((origin.of.where, origin.index) for origin in told))
        if not elements:
            return []
        found = self._step("read", elements, communicates=True)
        parts = found if self._apart else found[:1]
        turns = {e: [turn for part in parts for turn in part[i]] for i, e in enumerate(elements)}
        return [self._first(origin, turns[origin.of.where, origin.index]) for origin in told]

    @staticmethod
    def _first(origin: Origin, turns: Turns) -> tuple[Any, ...]:
        """The elements at the first turn at which the result is what the origin makes."""
        test = np.isnan if origin.kind == "nan" else np.isinf
        return next((turn for turn in turns if test(turn[0])), ())


def _lines(
    search: _Found, made: dict[Kind, list[Origin]], elements: dict[Origin, tuple[Any, ...]]
) -> Iterator[str]:
    yield f"The result {_has(search.results)}."
    for path, counted_there in search.given:
        if (said := _has(counted_there)) != NOTHING:
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


def _has(found: Counted) -> str:
    """Say how many NaN and infinities there are: `has 3 NaN and 1 infinity among 8 numbers`."""
    parts = [f"{found.nans:,} NaN"] if found.nans else []
    parts += [_counted("inf", found.infs)] if found.infs else []
    if not parts:
        return NOTHING
    return f"has {' and '.join(parts)} among {counted(found.numbers, 'number')}"


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
